//! What the facts mean.

use std::net::IpAddr;

use super::nat::Explored;
use super::report::{
    Diagnosis, Finding, FindingKind, NatFiltering, NatMapping, Relay, ServerReport, ServerState,
};
use super::server::Server;
use super::words::{span, way_of};
use crate::engine::ice::scope::is_link_local;
use crate::socket::IceServerErrorKind;

/// A clock that is off by more keeps passwords that end, and certificates, from working.
const CLOCK: i64 = 60;
/// An IP packet of this size is what connections begin with (RFC 8200 section 5).
const SMALLEST: u16 = 1_280;

pub(super) struct Facts {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) network: Explored,
    pub(super) clock_ahead: Option<i64>,
    pub(super) servers: Vec<(Server, ServerReport)>,
    /// In seconds since 1970.
    pub(super) now: u64,
}

pub(super) fn advise(facts: Facts) -> Diagnosis {
    let mut findings = Vec::new();
    findings.extend(clock(&facts));
    findings.extend(addresses(&facts));
    findings.extend(udp(&facts));
    for (server, report) in &facts.servers {
        findings.extend(about(&facts, server, report));
    }
    findings.extend(nat(&facts));
    findings.extend(mtu(&facts));
    let direct = reaches_directly(&facts);
    let relayed = carriers(&facts).next().is_some();
    findings.push(outcome(&facts, direct, relayed));
    findings.sort_by_key(|finding| finding.kind);
    Diagnosis {
        addresses: facts.addresses,
        nat: facts.network.nat,
        mtu: facts.network.mtu,
        clock_ahead: facts.clock_ahead,
        servers: facts
            .servers
            .into_iter()
            .map(|(_, report)| report)
            .collect(),
        findings,
        calls_will_work: direct || relayed,
    }
}

fn finding(kind: FindingKind, text: impl Into<String>) -> Finding {
    Finding {
        kind,
        url: None,
        text: text.into(),
        advice: None,
    }
}

impl Finding {
    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn about(mut self, report: &ServerReport) -> Self {
        self.url = Some(report.url.clone());
        self
    }
}

fn problem(text: impl Into<String>) -> Finding {
    finding(FindingKind::Problem, text)
}

fn warning(text: impl Into<String>) -> Finding {
    finding(FindingKind::Warning, text)
}

fn good(text: impl Into<String>) -> Finding {
    finding(FindingKind::Good, text)
}

/// Relays through which something comes.
fn carriers(facts: &Facts) -> impl Iterator<Item = &(Server, ServerReport)> {
    facts.servers.iter().filter(|(_, report)| {
        matches!(
            report.state,
            ServerState::Relayed {
                relay: Relay::Carries,
                ..
            }
        )
    })
}

/// Whether a server was heard over UDP.
fn hears_udp(facts: &Facts) -> bool {
    let heard = facts.servers.iter().any(|(server, report)| {
        let kind = match &report.state {
            ServerState::Failed { kind, .. } => kind.answered() == Some(true),
            _ => true,
        };
        server.is_udp() && kind
    });
    heard || facts.network.answers
}

fn asks_udp(facts: &Facts) -> bool {
    facts.servers.iter().any(|(server, _)| server.is_udp())
}

fn clock(facts: &Facts) -> Option<Finding> {
    let ahead = facts.clock_ahead.filter(|ahead| ahead.abs() > CLOCK)?;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let text = format!(
        "This machine's clock is {} {side} the server's.",
        span(ahead.unsigned_abs())
    );
    Some(problem(text).advice(
        "Set the clock, by NTP if it can be: passwords of TURN servers that end, and certificates, \
         are refused by a clock that is off.",
    ))
}

fn addresses(facts: &Facts) -> Option<Finding> {
    let only = |is: fn(&IpAddr) -> bool| facts.addresses.iter().all(is);
    if only(IpAddr::is_loopback) {
        let found = problem("This machine has no network address.");
        return Some(found.advice("Connect it to a network; nothing else can work before."));
    }
    only(|ip| ip.is_loopback() || is_link_local(*ip)).then(|| {
        let text = "This machine has no address but those of its links (fe80::/10).";
        problem(text).advice(
            "Connect it to a network. Without one, it reaches those that are on the same link, \
             where both sides ask for that (RTCCandidatePolicy::link_local).",
        )
    })
}

/// Whether UDP gets out at all.
fn udp(facts: &Facts) -> Option<Finding> {
    if facts.servers.is_empty() {
        let text = "No server was named: nothing beyond this machine was looked at.";
        return Some(warning(text).advice(
            "Name a STUN server, and a TURN server for those who cannot be reached directly.",
        ));
    }
    if !asks_udp(facts) || hears_udp(facts) {
        return None;
    }
    let asked = facts.servers.iter().filter(|(server, _)| server.is_udp());
    let unresolved = |(_, report): &(Server, ServerReport)| {
        let kind = IceServerErrorKind::Resolve;
        matches!(&report.state, ServerState::Failed { kind: is, .. } if *is == kind)
    };
    if asked.clone().all(unresolved) {
        return None;
    }
    let count = asked.count();
    let other = facts.servers.iter().find(|(server, report)| {
        !server.is_udp() && !matches!(report.state, ServerState::Failed { .. })
    });
    let (text, sure) = match (other, count) {
        (Some((server, _)), _) => (
            format!(
                "No UDP comes back from anywhere, while {} works: a firewall blocks UDP.",
                server.way()
            ),
            true,
        ),
        (None, 1) => (
            "No UDP comes back from the one server that was asked: a firewall blocks UDP, or the \
             server is down."
                .to_owned(),
            false,
        ),
        (None, count) => (
            format!("No UDP comes back from any of {count} servers: a firewall blocks UDP."),
            true,
        ),
    };
    let relayed = carriers(facts).next().is_some();
    let advice = match (relayed, sure) {
        (true, _) => {
            "Calls go through the relay, with more delay. To have them direct, ask the network's \
             administrator to let UDP out, to all ports above 1023, and its answers in."
        }
        (false, true) => {
            "Ask the network's administrator to let UDP out, to port 3478 of the TURN server at \
             least, and its answers in; or use a TURN server by TCP or TLS on port 443 \
             (turns:HOST:443?transport=tcp)."
        }
        (false, false) => {
            "Name another server to know which; then ask the network's administrator to let UDP \
             out, or use a TURN server by TLS on port 443 (turns:HOST:443?transport=tcp)."
        }
    };
    Some(problem(text).advice(advice))
}

/// What one server did.
fn about(facts: &Facts, server: &Server, report: &ServerReport) -> Option<Finding> {
    let finding = match &report.state {
        ServerState::Mapped { .. } => return None,
        ServerState::Relayed { address, relay } => relayed(server, address.is_ipv6(), *relay),
        ServerState::Failed { kind, message } => failed(facts, server, *kind, message),
    };
    Some(finding.about(report))
}

fn relayed(server: &Server, v6: bool, relay: Relay) -> Finding {
    let family = if v6 { "IPv6" } else { "IPv4" };
    match relay {
        Relay::Carries => good(format!(
            "The TURN server relays, by {}, with an {family} address.",
            server.way()
        )),
        Relay::OnlyInside => problem(
            "The TURN server gives a relayed address, and nothing from here comes through it: its \
             relayed ports are not reached.",
        )
        .advice(PORT_RANGE),
        Relay::NotPermitted => warning(
            "The TURN server gives a relayed address, and its rules forbid to relay to this \
             machine's own address: whether anything comes through it could not be tried.",
        )
        .advice(
            "If calls fail, ask the TURN server's administrator which addresses of peers are \
             forbidden (coturn: denied-peer-ip, allowed-peer-ip, allow-loopback-peers).",
        ),
        Relay::Blocked => problem(
            "The TURN server gives a relayed address, and nothing comes through it, not even from \
             another relay of its own.",
        )
        .advice(PORT_RANGE),
    }
}

const PORT_RANGE: &str = "Ask the TURN server's administrator to open its range of relayed ports \
     for UDP, in both directions, in the server's firewall and in that of its provider (coturn: \
     min-port to max-port, 49152 to 65535 if it is not set), and, behind a NAT, to set its outer \
     address (coturn: external-ip).";

fn failed(facts: &Facts, server: &Server, kind: IceServerErrorKind, message: &str) -> Finding {
    let name = if server.is_turn() { "TURN" } else { "STUN" };
    match kind {
        IceServerErrorKind::Resolve => problem(format!(
            "The name of the {name} server has no address ({message})."
        ))
        .advice("Look for a mistake in its name, and whether names are resolved at all here."),
        IceServerErrorKind::Timeout | IceServerErrorKind::Unreachable => {
            silent(facts, server, name, message)
        }
        IceServerErrorKind::Refused(401 | 441) => refused(facts, server),
        IceServerErrorKind::Refused(403) => problem(
            "The TURN server forbids this (403): its rules do not let this user, or this network, \
             have a relay.",
        )
        .advice("Ask the TURN server's administrator to allow it."),
        IceServerErrorKind::Refused(486) => {
            problem("The TURN server gives this user no more relays (486): too many are in use.")
                .advice("End other calls, or ask the administrator to raise the user's quota.")
        }
        IceServerErrorKind::Refused(508) => {
            problem("The TURN server has no free port to relay with (508).").advice(PORT_RANGE)
        }
        IceServerErrorKind::Refused(code) => {
            problem(format!("The {name} server refuses with {code}: {message}."))
                .advice("Show this to the server's administrator.")
        }
        IceServerErrorKind::Malformed => {
            problem(format!("What answers is no {name} server ({message})."))
                .advice("Look for a mistake in its port: something else listens there.")
        }
        IceServerErrorKind::Unsupported => warning(format!("This server is not used: {message}."))
            .advice("Remove it, or name it in a form that is supported."),
        IceServerErrorKind::Certificate => problem(format!(
            "The {name} server's certificate is not taken: {message}."
        ))
        .advice(
            "Compare the name in the URL with that of the certificate, name the authority that \
             issued it if it is one of your own, and look at both clocks: a certificate is good \
             from a time to a time.",
        ),
    }
}

fn silent(facts: &Facts, server: &Server, name: &str, message: &str) -> Finding {
    let way = server.way();
    if server.is_udp() && !hears_udp(facts) {
        return problem(format!("The {name} server does not answer over UDP."));
    }
    let text = match server.is_udp() {
        true => format!(
            "The {name} server does not answer, though UDP gets out: it is down, or its address or port is wrong."
        ),
        false => format!(
            "The {name} server is not reached by {way} ({message}): it is down, its port is wrong, or a firewall blocks that port."
        ),
    };
    let advice = match server.is_turn() {
        true => "Ask its administrator whether it runs, and on which port it listens.",
        false => {
            "Remove it from the list, or name another: one that does not answer delays every call."
        }
    };
    problem(text).advice(advice)
}

/// The user name or password is wrong, or over.
fn refused(facts: &Facts, server: &Server) -> Finding {
    let Some(end) = server.expires() else {
        return problem("The TURN server refuses the user name or the password (401).").advice(
            "Compare both with the server's; with time-limited passwords, compare the shared \
             secret of the one that makes them (ortc serve: turn-secret) with coturn's \
             static-auth-secret.",
        );
    };
    if end < facts.now {
        let text = format!(
            "The TURN server refuses the password (401): it ended {} ago, as its user name says.",
            span(facts.now.saturating_sub(end))
        );
        return problem(text).advice(
            "Ask for a new one. If this one is new, the clock of this machine or of the server \
             that made it is wrong: set both by NTP.",
        );
    }
    let text = format!(
        "The TURN server refuses the password (401), which should be good for {} more, as its user \
         name says.",
        span(end.saturating_sub(facts.now))
    );
    problem(text).advice(
        "Either the shared secrets differ of the server that makes passwords (ortc serve: \
         turn-secret) and of coturn (static-auth-secret), or the clock of the TURN server is \
         ahead: set it by NTP.",
    )
}

fn nat(facts: &Facts) -> Option<Finding> {
    let relay = carriers(facts).next().is_some();
    Some(match facts.network.nat.mapping {
        NatMapping::Unknown => return None,
        NatMapping::None => good("There is no NAT between this machine and the servers."),
        NatMapping::EndpointIndependent => {
            let who = match facts.network.nat.filtering {
                Some(NatFiltering::EndpointIndependent) => ", and lets everybody answer",
                Some(NatFiltering::AddressDependent) => ", and lets in whom it has spoken to",
                _ => "",
            };
            good(format!(
                "The NAT here keeps one outer address for each port{who}: most peers can reach it."
            ))
        }
        NatMapping::OneServer => good(
            "There is a NAT here; of which kind, one server alone cannot tell. Name a second STUN \
             server to know.",
        ),
        NatMapping::EndpointDependent if relay => warning(
            "The NAT here has another outer address for each peer (symmetric): calls to peers \
             behind such NATs, or behind strict ones, go through the relay.",
        ),
        NatMapping::EndpointDependent => problem(
            "The NAT here has another outer address for each peer (symmetric), and no relay works: \
             peers behind such NATs, or behind strict ones, cannot be reached.",
        )
        .advice("Name a TURN server."),
    })
}

fn mtu(facts: &Facts) -> Option<Finding> {
    match facts.network.mtu {
        Some(size) if size >= SMALLEST => None,
        _ if !facts.network.answers => None,
        _ => Some(
            warning(format!(
                "IP packets of {SMALLEST} bytes do not come through in one piece: connections that \
                 begin with such packets may fail."
            ))
            .advice("Look for a tunnel (VPN) on the way whose MTU is set too low."),
        ),
    }
}

/// Whether peers elsewhere may be reached without a relay.
fn reaches_directly(facts: &Facts) -> bool {
    matches!(
        facts.network.nat.mapping,
        NatMapping::None | NatMapping::EndpointIndependent | NatMapping::OneServer
    )
}

/// The last word.
fn outcome(facts: &Facts, direct: bool, relayed: bool) -> Finding {
    let ways: Vec<&str> = carriers(facts).map(|(server, _)| server.way()).collect();
    match (direct, relayed) {
        (true, true) => good(format!(
            "Calls will work: directly with most peers, and by relay ({}) with the others.",
            way_of(&ways)
        )),
        (true, false) => warning(
            "Calls will work with peers in the same network and with most others; peers behind \
             symmetric NATs or strict firewalls need a TURN relay, and none works here.",
        ),
        (false, true) => good(format!(
            "Calls will work: directly in the same network, and with all others by relay ({}).",
            way_of(&ways)
        )),
        (false, false) => problem(
            "Calls will work in the same network only: no peer elsewhere can be reached from here.",
        ),
    }
}
