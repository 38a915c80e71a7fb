use std::net::IpAddr;

use super::advice::{Facts, advise};
use super::nat::Explored;
use super::report::{
    Diagnosis, FindingKind, NatMapping, NatReport, Relay, ServerReport, ServerState,
};
use super::server::Server;
use crate::connection::description::ice_server::{RTCIceServer, parse_servers};
use crate::socket::IceServerErrorKind;

const NOW: u64 = 1_800_000_000;

fn failed(kind: IceServerErrorKind) -> ServerState {
    ServerState::Failed {
        kind,
        message: "why".to_owned(),
    }
}

fn relayed(relay: Relay) -> ServerState {
    let address = ([192, 0, 2, 1], 50_000).into();
    ServerState::Relayed { address, relay }
}

fn mapped() -> ServerState {
    ServerState::Mapped { address: None }
}

fn facts(mapping: NatMapping, servers: &[(&str, &str, ServerState)]) -> Facts {
    let with = |(url, user, state): &(&str, &str, ServerState)| {
        let server = RTCIceServer::new(*url).with_credential(*user, "hunter2");
        let parsed = parse_servers(&[server]).unwrap().remove(0);
        let report = ServerReport {
            url: parsed.url.clone(),
            state: state.clone(),
            took_ms: 1,
        };
        (Server(parsed), report)
    };
    Facts {
        addresses: vec![IpAddr::from([10, 0, 0, 1])],
        network: Explored {
            nat: NatReport {
                mapping,
                filtering: None,
            },
            mtu: (mapping != NatMapping::Unknown).then_some(1_500),
            answers: mapping != NatMapping::Unknown,
        },
        clock_ahead: None,
        servers: servers.iter().map(with).collect(),
        now: NOW,
    }
}

/// What is said first, and the last word.
fn says(diagnosis: &Diagnosis) -> String {
    diagnosis.to_string()
}

fn worst(diagnosis: &Diagnosis) -> FindingKind {
    diagnosis.findings.first().unwrap().kind
}

const STUN: &str = "stun:stun.example.org";
const TURN: &str = "turn:turn.example.org";
const TURNS: &str = "turns:turn.example.org:443?transport=tcp";

#[test]
fn all_is_well() {
    let servers = [
        (STUN, "", mapped()),
        (TURN, "user", relayed(Relay::Carries)),
    ];
    let diagnosis = advise(facts(NatMapping::EndpointIndependent, &servers));
    assert!(diagnosis.calls_will_work);
    assert_eq!(worst(&diagnosis), FindingKind::Good, "{diagnosis}");
}

#[test]
fn udp_that_is_blocked_is_told_from_servers_that_are_down() {
    use IceServerErrorKind::{Resolve, Timeout, Unreachable};
    let cases = [
        // One that is silent may be either.
        (vec![(STUN, "", failed(Timeout))], "or the server is down"),
        (
            vec![
                (STUN, "", failed(Timeout)),
                (TURN, "user", failed(Unreachable)),
            ],
            "from any of 2 servers: a firewall blocks UDP",
        ),
        (
            vec![
                (STUN, "", failed(Timeout)),
                (TURNS, "user", relayed(Relay::Carries)),
            ],
            "while TLS works: a firewall blocks UDP",
        ),
        (vec![(STUN, "", failed(Resolve))], "has no address"),
    ];
    for (servers, words) in cases {
        let diagnosis = advise(facts(NatMapping::Unknown, &servers));
        assert!(says(&diagnosis).contains(words), "{words}: {diagnosis}");
        assert_eq!(worst(&diagnosis), FindingKind::Problem);
        let relays = words.contains("TLS");
        assert_eq!(diagnosis.calls_will_work, relays, "{diagnosis}");
    }
    let servers = [
        (STUN, "", failed(Timeout)),
        ("stun:other.example.org", "", mapped()),
    ];
    let diagnosis = advise(facts(NatMapping::OneServer, &servers));
    assert!(
        says(&diagnosis).contains("though UDP gets out"),
        "{diagnosis}"
    );
}

#[test]
fn a_password_that_is_refused_is_looked_at() {
    let refused = || failed(IceServerErrorKind::Refused(401));
    let over = format!("{}:anna", NOW - 3_600);
    let good = format!("{}", NOW + 7_200);
    for (user, words) in [
        ("anna", "refuses the user name or the password"),
        (over.as_str(), "it ended 60 minutes ago"),
        (good.as_str(), "good for 2 hours more"),
    ] {
        let diagnosis = advise(facts(NatMapping::None, &[(TURN, user, refused())]));
        assert!(says(&diagnosis).contains(words), "{words}: {diagnosis}");
        assert!(!says(&diagnosis).contains("anna") && !says(&diagnosis).contains("hunter2"));
    }
}

#[test]
fn a_relay_that_carries_nothing_is_no_relay() {
    for relay in [Relay::OnlyInside, Relay::Blocked] {
        let servers = [(TURN, "user", relayed(relay))];
        let diagnosis = advise(facts(NatMapping::EndpointDependent, &servers));
        assert!(
            says(&diagnosis).contains("min-port to max-port"),
            "{diagnosis}"
        );
        assert!(!diagnosis.calls_will_work);
    }
}

#[test]
fn a_clock_that_is_off_is_a_problem() {
    for (ahead, words) in [(3_600, "60 minutes ahead of"), (-7_200, "2 hours behind")] {
        let mut facts = facts(NatMapping::None, &[(STUN, "", mapped())]);
        facts.clock_ahead = Some(ahead);
        let diagnosis = advise(facts);
        assert!(says(&diagnosis).contains(words), "{diagnosis}");
        assert_eq!(worst(&diagnosis), FindingKind::Problem);
    }
    let mut facts = facts(NatMapping::None, &[(STUN, "", mapped())]);
    facts.clock_ahead = Some(5);
    assert_ne!(worst(&advise(facts)), FindingKind::Problem);
}

#[test]
fn json_is_for_machines() {
    let servers = [
        (STUN, "", failed(IceServerErrorKind::Refused(420))),
        (TURN, "user", relayed(Relay::OnlyInside)),
    ];
    let diagnosis = advise(facts(NatMapping::None, &servers));
    let json = serde_json::to_value(&diagnosis).unwrap();
    assert_eq!(json["servers"][0]["state"], "failed");
    assert_eq!(json["servers"][0]["kind"], "refused 420");
    assert_eq!(json["servers"][1]["relay"], "onlyInside");
    assert_eq!(json["nat"]["mapping"], "none");
    assert_eq!(json["findings"][0]["kind"], "problem");
    assert_eq!(json["callsWillWork"], true);
}

#[test]
fn addresses_of_links_alone_are_named_as_such() {
    let link: IpAddr = "fe80::1".parse().unwrap();
    let lo = IpAddr::from([127, 0, 0, 1]);
    for (addresses, words) in [
        (vec![], Some("no network address.")),
        (vec![lo], Some("no network address.")),
        (vec![link], Some("no address but those of its links")),
        (vec![lo, link], Some("no address but those of its links")),
        (vec![link, [10, 0, 0, 1].into()], None),
    ] {
        let mut facts = facts(NatMapping::None, &[(STUN, "", mapped())]);
        facts.addresses = addresses;
        let diagnosis = advise(facts);
        match words {
            Some(words) => assert!(says(&diagnosis).contains(words), "{diagnosis}"),
            None => assert!(
                !says(&diagnosis).contains("This machine has no"),
                "{diagnosis}"
            ),
        }
    }
}
