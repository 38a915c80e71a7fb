#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::stun::tests::{empty_success, refusal, request_id, success};
use super::super::udp::{RecvBuffers, SendOutcome, Transmit, UdpEndpoint};
use super::servers::MAX_SERVERS;
use super::*;
use crate::engine::ice::{Candidate, CandidateKind};
use crate::socket::carrier::Carrier;

const PORT: u16 = 5000;

fn addr(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

fn host(ip: &str, local_preference: u16) -> InterfaceAddress {
    InterfaceAddress {
        ip: ip.parse().unwrap(),
        scope: 0,
        name: String::new(),
        local_preference,
        leads_out: false,
        told_as: None,
    }
}

fn stun_server(url: &str, addrs: &[&str]) -> GatherServer {
    GatherServer {
        url: url.into(),
        kind: ServerKind::Stun,
        carrier: Carrier::Udp,
        unsupported: None,
        addrs: Some(Ok(addrs.iter().map(|a| addr(a)).collect())),
    }
}

/// Servers by address: what they answer to (source of the request, its id), and after how long.
type Answer<'a> =
    &'a dyn Fn(&GatherTransmit, TransactionId) -> Option<(Duration, SocketAddr, Vec<u8>)>;

#[derive(Default)]
struct Log {
    events: Vec<(Duration, GatherEvent)>,
    sent: Vec<(Duration, GatherTransmit)>,
}

impl Log {
    fn candidates(&self) -> Vec<&Candidate> {
        let candidates = self.events.iter().filter_map(|(_, event)| match event {
            GatherEvent::Candidate(candidate) => Some(candidate),
            _ => None,
        });
        candidates.collect()
    }

    fn reflexive(&self) -> Vec<(SocketAddr, SocketAddr)> {
        let all = self.candidates().into_iter();
        all.filter(|c| c.kind == CandidateKind::ServerReflexive)
            .map(|c| (c.addr, c.base))
            .collect()
    }

    fn errors(&self) -> Vec<(&str, IceServerErrorKind)> {
        let errors = self.events.iter().filter_map(|(_, event)| match event {
            GatherEvent::ServerError(error) => Some((error.url.as_str(), error.kind)),
            _ => None,
        });
        errors.collect()
    }

    /// When gathering completed; checks that it did so once.
    fn completed_at(&self) -> Duration {
        let is_complete = |(_, event): &&(Duration, GatherEvent)| *event == GatherEvent::Complete;
        assert_eq!(
            self.events.iter().filter(is_complete).count(),
            1,
            "{:?}",
            self.events
        );
        self.events.iter().find(is_complete).unwrap().0
    }
}

/// Runs `gatherer` on a virtual clock from `start` for `length` of it.
fn run(gatherer: &mut Gatherer, start: Instant, length: Duration, answer: Answer<'_>) -> Log {
    let mut log = Log::default();
    let mut now = start;
    let mut wire: Vec<(Instant, IpAddr, SocketAddr, Vec<u8>)> = Vec::new();
    loop {
        while let Some(transmit) = gatherer.poll_transmit() {
            let id = request_id(&transmit.data);
            if let Some((delay, from, data)) = answer(&transmit, id) {
                wire.push((now + delay, transmit.local_ip, from, data));
            }
            log.sent.push((now - start, transmit));
        }
        while let Some(event) = gatherer.poll_event() {
            log.events.push((now - start, event));
        }
        let arrival = wire.iter().map(|w| w.0).min();
        let Some(next) = gatherer.poll_timeout().into_iter().chain(arrival).min() else {
            return log;
        };
        if next - start > length {
            return log;
        }
        assert!(next >= now, "time runs backwards");
        now = next;
        if let Some(at) = wire.iter().position(|w| w.0 <= now) {
            let (_, local_ip, from, data) = wire.remove(at);
            assert!(gatherer.handle_datagram(now, Some(local_ip), from, &data));
        } else {
            gatherer.handle_timeout(now);
        }
        assert!(log.sent.len() < 1_000, "a timer that fires for ever");
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const MS: Duration = Duration::from_millis(1);

fn silent(_: &GatherTransmit, _: TransactionId) -> Option<(Duration, SocketAddr, Vec<u8>)> {
    None
}

/// A NAT at 203.0.113.1 that maps each base to its own port.
fn nat(t: &GatherTransmit, id: TransactionId) -> Option<(Duration, SocketAddr, Vec<u8>)> {
    let port = match t.local_ip {
        IpAddr::V4(ip) => 40_000 + u16::from(ip.octets()[3]),
        IpAddr::V6(_) => 50_000,
    };
    let mapped = SocketAddr::new("203.0.113.1".parse().unwrap(), port);
    Some((20 * MS, t.remote, success(id, mapped)))
}

#[test]
fn a032_host_candidates_come_at_once_with_priorities_and_foundations() {
    let start = Instant::now();
    let hosts = [
        host("2001:db8::1", 65535),
        host("10.0.0.1", 65534),
        host("10.0.0.1", 3),
    ];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, vec![]);
    let log = run(&mut gatherer, start, MINUTE, &silent);
    assert_eq!(log.completed_at(), Duration::ZERO);
    let candidates = log.candidates();
    assert_eq!(
        candidates.len(),
        2,
        "the repeated address gives one candidate"
    );
    assert_eq!(candidates[0].addr, addr("[2001:db8::1]:5000"));
    assert_eq!(candidates[1].addr, addr("10.0.0.1:5000"));
    assert_eq!(candidates[0].priority, (126 << 24) | (65535 << 8) | 255);
    assert_eq!(candidates[1].priority, (126 << 24) | (65534 << 8) | 255);
    assert_ne!(candidates[0].foundation, candidates[1].foundation);
    for candidate in candidates {
        assert_eq!(candidate.kind, CandidateKind::Host);
        assert_eq!((candidate.base, candidate.related), (candidate.addr, None));
        assert!((1..=32).contains(&candidate.foundation.len()));
        assert!(
            candidate
                .foundation
                .bytes()
                .all(|b| b.is_ascii_alphanumeric())
        );
    }
}

#[test]
fn a033_end_of_candidates_follows_everything_and_comes_once() {
    let start = Instant::now();
    let hosts = [host("10.0.0.1", 10)];
    let servers = vec![stun_server("stun:a", &["192.0.2.1:3478"])];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    let log = run(&mut gatherer, start, Duration::from_secs(20), &nat);
    assert_eq!(log.completed_at(), 20 * MS);
    assert!(gatherer.is_complete());
    assert!(log.errors().is_empty());
    // A socket without any address and without servers has nothing to wait for.
    let mut gatherer = Gatherer::new(start, &[], PORT, vec![]);
    let log = run(&mut gatherer, start, MINUTE, &silent);
    assert_eq!(log.events, [(Duration::ZERO, GatherEvent::Complete)]);
}

#[test]
fn a042_a_stun_server_gives_a_server_reflexive_candidate_per_base() {
    let start = Instant::now();
    let hosts = [host("10.0.0.1", 65535), host("10.0.0.2", 65534)];
    let servers = vec![stun_server("stun:a", &["192.0.2.1:3478"])];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    let log = run(&mut gatherer, start, Duration::from_secs(10), &nat);
    let reflexive: Vec<_> = log
        .candidates()
        .into_iter()
        .filter(|c| c.kind == CandidateKind::ServerReflexive)
        .cloned()
        .collect();
    assert_eq!(reflexive.len(), 2);
    assert_eq!(reflexive[0].addr, addr("203.0.113.1:40001"));
    assert_eq!(reflexive[0].base, addr("10.0.0.1:5000"));
    assert_eq!(reflexive[0].related, Some(addr("10.0.0.1:5000")));
    assert_eq!(reflexive[0].priority, (100 << 24) | (65535 << 8) | 255);
    assert_eq!(reflexive[1].base, addr("10.0.0.2:5000"));
    let mut foundations: Vec<_> = log
        .candidates()
        .iter()
        .map(|c| c.foundation.clone())
        .collect();
    foundations.sort();
    foundations.dedup();
    assert_eq!(foundations.len(), 4);
    // Paced: RFC 8445 section 14.
    let starts: Vec<_> = log.sent.iter().map(|(at, t)| (*at, t.local_ip)).collect();
    assert_eq!(starts[0], (Duration::ZERO, "10.0.0.1".parse().unwrap()));
    assert_eq!(starts[1], (TA, "10.0.0.2".parse().unwrap()));
    assert_eq!(starts.len(), 2);
}

#[test]
fn a042_no_nat_means_no_reflexive_candidate_and_no_error() {
    let start = Instant::now();
    let hosts = [host("192.0.2.9", 1)];
    let servers = vec![stun_server("stun:a", &["192.0.2.1:3478"])];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    let log = run(&mut gatherer, start, MINUTE, &|t, id| {
        Some((MS, t.remote, success(id, addr("192.0.2.9:5000"))))
    });
    assert_eq!((log.candidates().len(), log.errors().len()), (1, 0));
    log.completed_at();
    assert_eq!(gatherer.poll_timeout(), None, "nothing to keep alive");
}

#[test]
fn a047_several_servers_between_nat_layers_are_all_used() {
    let start = Instant::now();
    let hosts = [host("10.0.0.1", 1)];
    let inner = stun_server("stun:inner", &["100.64.0.1:3478"]);
    let outer = stun_server("stun:outer", &["192.0.2.1:3478"]);
    let same = stun_server("stun:same", &["192.0.2.2:3478"]);
    let mut gatherer = Gatherer::new(start, &hosts, PORT, vec![inner, outer, same]);
    let log = run(&mut gatherer, start, Duration::from_secs(10), &|t, id| {
        let mapped = match t.remote.ip().to_string().as_str() {
            "100.64.0.1" => "100.64.0.7:6000",
            _ => "203.0.113.1:7000",
        };
        Some((5 * MS, t.remote, success(id, addr(mapped))))
    });
    let base = addr("10.0.0.1:5000");
    assert_eq!(
        log.reflexive(),
        [
            (addr("100.64.0.7:6000"), base),
            (addr("203.0.113.1:7000"), base)
        ]
    );
    assert!(log.errors().is_empty());
    assert!(log.completed_at() < Duration::from_millis(200));
}

#[test]
fn a047_one_of_five_servers_lives_and_each_dead_one_gives_one_error() {
    let start = Instant::now();
    let hosts = [host("10.0.0.1", 2), host("10.0.0.2", 1)];
    let dns = GatherServer {
        addrs: Some(Err("no such name".into())),
        ..stun_server("stun:dns", &[])
    };
    let servers = vec![
        stun_server("stun:silent", &["192.0.2.1:1"]),
        dns,
        stun_server("stun:refusing", &["192.0.2.3:1"]),
        stun_server("stun:garbage", &["192.0.2.4:1"]),
        stun_server("stun:good", &["192.0.2.5:1"]),
    ];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    let log = run(
        &mut gatherer,
        start,
        Duration::from_secs(10),
        &|t, id| match t.remote.ip().to_string().as_str() {
            "192.0.2.3" => Some((MS, t.remote, refusal(id, 500))),
            "192.0.2.4" => Some((MS, t.remote, empty_success(id))),
            "192.0.2.5" => nat(t, id),
            _ => None,
        },
    );
    assert_eq!(log.reflexive().len(), 2);
    let hosts_at = log.events[..2].iter().map(|(at, _)| *at).max();
    assert_eq!(hosts_at, Some(Duration::ZERO));
    assert!(matches!(&log.events[1].1, GatherEvent::Candidate(c) if c.kind == CandidateKind::Host));
    let mut errors = log.errors();
    errors.sort_by_key(|(url, _)| *url);
    assert_eq!(
        errors,
        [
            ("stun:dns", IceServerErrorKind::Resolve),
            ("stun:garbage", IceServerErrorKind::Malformed),
            ("stun:refusing", IceServerErrorKind::Refused(500)),
            ("stun:silent", IceServerErrorKind::Timeout),
        ]
    );
    // The silent one is told when it is known; who waits for the end has it before.
    assert!(log.completed_at() < Duration::from_millis(2_500));
    assert_eq!(log.events.last().unwrap().0, LIMIT);
}

#[test]
fn requests_are_retransmitted_with_doubling_gaps_until_the_limit() {
    let start = Instant::now();
    let servers = vec![stun_server("stun:silent", &["192.0.2.1:1"])];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let log = run(&mut gatherer, start, MINUTE, &silent);
    let times: Vec<_> = log.sent.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [0, 500, 1500, 3500, 7500]);
    assert!(log.sent.iter().all(|(_, t)| t.data == log.sent[0].1.data));
    assert_eq!(log.completed_at(), NO_ANSWER);
    assert_eq!(log.events.last().unwrap().0, LIMIT);
    assert_eq!(log.errors(), [("stun:silent", IceServerErrorKind::Timeout)]);
    assert_eq!(gatherer.poll_timeout(), None);
}

#[test]
fn a_lost_request_is_made_good() {
    let start = Instant::now();
    let servers = vec![stun_server("stun:a", &["192.0.2.1:1"])];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let tries = std::cell::Cell::new(0);
    let log = run(&mut gatherer, start, Duration::from_secs(10), &|t, id| {
        tries.set(tries.get() + 1);
        if tries.get() < 3 { None } else { nat(t, id) }
    });
    assert_eq!(log.reflexive().len(), 1);
    assert_eq!(log.completed_at(), Duration::from_millis(1520));
}

#[test]
fn answers_of_strangers_and_with_wrong_ids_change_nothing() {
    let start = Instant::now();
    let servers = vec![stun_server("stun:a", &["192.0.2.1:1"])];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let request = gatherer.poll_transmit().unwrap();
    let id = request_id(&request.data);
    let mapped = addr("203.0.113.1:9");
    let here = Some("10.0.0.1".parse().unwrap());
    let wrong_id = success(TransactionId([7; 12]), mapped);
    assert!(!gatherer.handle_datagram(start, here, request.remote, &wrong_id));
    assert!(!gatherer.handle_datagram(start, here, request.remote, &request.data));
    assert!(!gatherer.handle_datagram(start, here, request.remote, b"garbage"));
    assert!(!gatherer.handle_datagram(start, here, request.remote, &[]));
    // The id is right, so nobody else can want it, but it is not the server's answer.
    let answer = success(id, mapped);
    assert!(gatherer.handle_datagram(start, here, addr("192.0.2.1:2"), &answer));
    assert!(gatherer.handle_datagram(start, here, addr("192.0.2.66:1"), &answer));
    let elsewhere = Some("10.0.0.2".parse().unwrap());
    assert!(gatherer.handle_datagram(start, elsewhere, request.remote, &answer));
    let log = run(&mut gatherer, start, Duration::ZERO, &silent);
    assert_eq!((log.events.len(), gatherer.is_complete()), (1, false));

    assert!(gatherer.handle_datagram(start, None, request.remote, &answer));
    assert!(gatherer.is_complete());
    // A repeated answer is taken and has no effect.
    assert!(gatherer.handle_datagram(start, None, request.remote, &answer));
    let log = run(&mut gatherer, start, Duration::ZERO, &silent);
    assert_eq!((log.reflexive().len(), log.events.len()), (1, 2));
}

#[test]
fn error_codes_are_reported_and_other_families_still_count() {
    let start = Instant::now();
    let hosts = [host("2001:db8::1", 2), host("10.0.0.1", 1)];
    let both = stun_server(
        "stun:both",
        &["[2001:db8::9]:1", "192.0.2.1:1", "192.0.2.2:1"],
    );
    let bad = stun_server("stun:bad", &["192.0.2.4:1"]);
    let mut gatherer = Gatherer::new(start, &hosts, PORT, vec![both, bad]);
    let log = run(
        &mut gatherer,
        start,
        Duration::from_secs(10),
        &|t, id| match (t.remote.is_ipv6(), t.remote.ip().to_string().as_str()) {
            (true, _) | (_, "192.0.2.4") => Some((MS, t.remote, refusal(id, 400))),
            _ => nat(t, id),
        },
    );
    assert_eq!(
        log.errors(),
        [("stun:bad", IceServerErrorKind::Refused(400))]
    );
    assert_eq!(log.reflexive().len(), 1);
    assert_eq!(log.sent.len(), 3, "one request per server and base");
    for (_, t) in &log.sent {
        assert_eq!(t.local_ip.is_ipv4(), t.remote.is_ipv4());
    }
    log.completed_at();
}

#[test]
fn names_may_be_resolved_later_or_never() {
    let start = Instant::now();
    let pending = |url: &str| GatherServer {
        addrs: None,
        ..stun_server(url, &[])
    };
    let servers = vec![
        pending("stun:late"),
        pending("stun:never"),
        pending("stun:empty"),
    ];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let later = start + Duration::from_secs(2);
    gatherer.handle_timeout(later);
    gatherer.add_server_addrs(later, 0, Ok(vec![addr("192.0.2.1:1")]));
    gatherer.add_server_addrs(later, 2, Ok(vec![addr("0.0.0.0:1"), addr("192.0.2.1:0")]));
    gatherer.add_server_addrs(later, 0, Err("twice".into()));
    gatherer.add_server_addrs(later, 99, Ok(vec![addr("192.0.2.1:1")]));
    let log = run(&mut gatherer, later, Duration::from_secs(10), &nat);
    assert_eq!(log.reflexive().len(), 1);
    assert_eq!(
        log.errors(),
        [
            ("stun:empty", IceServerErrorKind::Resolve),
            ("stun:never", IceServerErrorKind::Resolve)
        ]
    );
    // 20 ms for the answer, which came after 2 s.
    assert_eq!(log.completed_at(), 20 * MS + AFTER_ANSWER);
    // Too late: it was given up.
    gatherer.add_server_addrs(start + LIMIT, 1, Ok(vec![addr("192.0.2.1:1")]));
    assert_eq!(
        (gatherer.poll_transmit(), gatherer.poll_event()),
        (None, None)
    );
}

#[test]
fn a_family_without_local_address_and_refused_sends_are_unreachable() {
    let start = Instant::now();
    let servers = vec![
        stun_server("stun:v6", &["[2001:db8::9]:1"]),
        stun_server("stun:v4", &["192.0.2.1:1"]),
    ];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let mut now = start;
    let mut sends = 0;
    while !gatherer.is_complete() {
        while let Some(t) = gatherer.poll_transmit() {
            sends += 1;
            gatherer.handle_send_error(now, t.local_ip, t.remote, "network unreachable");
        }
        if let Some(next) = gatherer.poll_timeout() {
            now = next;
            gatherer.handle_timeout(now);
        }
    }
    assert_eq!(sends, 3);
    let log = run(&mut gatherer, start, MINUTE, &silent);
    assert_eq!(
        log.errors(),
        [
            ("stun:v6", IceServerErrorKind::Unreachable),
            ("stun:v4", IceServerErrorKind::Unreachable)
        ]
    );
}

#[test]
fn an_address_without_way_to_the_server_does_not_hold_up_the_end() {
    let start = Instant::now();
    let hosts = [host("10.0.0.1", 2), host("172.17.0.1", 1)];
    let servers = vec![stun_server("stun:a", &["192.0.2.1:1"])];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    let log = run(&mut gatherer, start, Duration::from_secs(10), &|t, id| {
        if t.local_ip.to_string() == "10.0.0.1" {
            nat(t, id)
        } else {
            None
        }
    });
    assert_eq!((log.reflexive().len(), log.errors().len()), (1, 0));
    // The answer came while the second address still waited for its turn.
    assert_eq!(log.completed_at(), 20 * MS + AFTER_ANSWER);
}

/// Whichever of many addresses leads out; and those behind the likely ones are left alone where
/// one of these does.
#[test]
fn r_c14_a_server_is_asked_from_every_address_until_it_answers() {
    let hosts: Vec<_> = (0..20u16)
        .map(|n| host(&format!("172.16.{n}.1"), 65_535 - n))
        .collect();
    for way_out in [0u8, 7, 8, 19] {
        let start = Instant::now();
        let servers = vec![stun_server("stun:a", &["192.0.2.1:3478"])];
        let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
        let base = IpAddr::from([172, 16, way_out, 1]);
        let log = run(&mut gatherer, start, LIMIT, &|t, id| {
            (t.local_ip == base).then(|| nat(t, id)).flatten()
        });
        let bases: Vec<_> = log.reflexive().iter().map(|(_, base)| base.ip()).collect();
        assert_eq!(bases, [base]);
        assert!(log.errors().is_empty());
        let asked: std::collections::HashSet<_> = log.sent.iter().map(|s| s.1.local_ip).collect();
        let expected = if way_out < 8 {
            8
        } else {
            usize::from(way_out) + 1
        };
        assert_eq!(asked.len(), expected, "{way_out}");
    }
}

#[test]
fn servers_over_the_bound_are_refused() {
    let start = Instant::now();
    let mut servers: Vec<_> = (0..MAX_SERVERS)
        .map(|i| stun_server(&format!("stun:{i}"), &["192.0.2.1:1"]))
        .collect();
    servers.push(stun_server("stun:extra", &["192.0.2.1:1"]));
    let hosts: Vec<_> = (1..=40).map(|i| host(&format!("10.0.0.{i}"), i)).collect();
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    let log = run(&mut gatherer, start, Duration::from_secs(10), &nat);
    assert_eq!(
        log.errors(),
        [("stun:extra", IceServerErrorKind::Unsupported)]
    );
    assert_eq!(log.reflexive().len(), MAX_BASES);
    assert_eq!(log.candidates().len(), MAX_HOSTS + MAX_BASES);
    assert!(log.completed_at() <= LIMIT);
}

fn turn_server(url: &str, addr: &str) -> GatherServer {
    GatherServer {
        kind: ServerKind::Turn,
        ..stun_server(url, &[addr])
    }
}

fn drain(gatherer: &mut Gatherer) -> Vec<GatherEvent> {
    std::iter::from_fn(|| gatherer.poll_event()).collect()
}

#[test]
fn a047_turn_servers_give_relays_and_what_they_saw() {
    let start = Instant::now();
    let servers = vec![
        turn_server("turn:a", "192.0.2.1:3478"),
        turn_server("turn:b", "192.0.2.2:3478"),
        turn_server("turn:dead", "192.0.2.3:3478"),
    ];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 7)], PORT, servers);
    assert_eq!(
        drain(&mut gatherer).len(),
        1,
        "the host candidate is not held up"
    );
    let mut wanted = Vec::new();
    for step in 0..3 {
        gatherer.handle_timeout(start + TA * step);
        wanted.extend(gatherer.poll_wanted_relay());
    }
    assert_eq!(gatherer.poll_transmit(), None);
    assert_eq!(wanted.len(), 3);
    let mapped = addr("203.0.113.1:4000");
    for (want, relayed) in [
        (wanted[0], "192.0.2.1:50000"),
        (wanted[1], "192.0.2.2:50000"),
    ] {
        let outcome = Ok((addr(relayed), Some(mapped)));
        gatherer.relay_outcome(start, want.ticket, outcome.clone());
        // An outcome counts once.
        gatherer.relay_outcome(start, want.ticket, outcome);
    }
    let found: Vec<_> = drain(&mut gatherer)
        .into_iter()
        .map(|event| match event {
            GatherEvent::Candidate(c) => (c.kind, c.addr, c.base, c.related.unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    let base = addr("10.0.0.1:5000");
    let (a, b) = (addr("192.0.2.1:50000"), addr("192.0.2.2:50000"));
    assert_eq!(
        found,
        [
            (CandidateKind::Relay, a, a, mapped),
            (CandidateKind::ServerReflexive, mapped, base, base),
            (CandidateKind::Relay, b, b, mapped),
        ]
    );
    // The end does not wait for the silent one, which is given up in time. Its allocation is then no
    // longer wanted.
    while gatherer.is_waiting() {
        gatherer.handle_timeout(gatherer.poll_timeout().unwrap());
    }
    let end = drain(&mut gatherer);
    assert_eq!(end[0], GatherEvent::Complete);
    assert!(matches!(&end[1..], [GatherEvent::ServerError(e)]
        if e.url == "turn:dead" && e.kind == IceServerErrorKind::Timeout));
    assert_eq!(gatherer.poll_unwanted_relay(), Some(wanted[2].ticket));
    assert_eq!(gatherer.poll_unwanted_relay(), None);
}

#[test]
fn r_f4_a_refused_relay_is_one_error_however_many_addresses_asked() {
    let start = Instant::now();
    let hosts = [host("10.0.0.1", 7), host("10.0.0.2", 6)];
    let servers = vec![turn_server("turn:a", "192.0.2.1:3478")];
    let mut gatherer = Gatherer::new(start, &hosts, PORT, servers);
    gatherer.handle_timeout(start + TA);
    for _ in 0..2 {
        let want = gatherer.poll_wanted_relay().unwrap();
        let refused = (IceServerErrorKind::Refused(486), "quota".to_owned());
        gatherer.relay_outcome(start + TA, want.ticket, Err(refused));
    }
    let events = drain(&mut gatherer);
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(matches!(&events[2], GatherEvent::ServerError(e)
        if e.kind == IceServerErrorKind::Refused(486)));
    assert_eq!(events[3], GatherEvent::Complete);
}

#[test]
fn r_c15_relay_only_offers_nothing_else_and_asks_nobody_else() {
    let start = Instant::now();
    let servers = vec![
        stun_server("stun:a", &["192.0.2.9:3478"]),
        turn_server("turn:a", "192.0.2.1:3478"),
    ];
    let hosts = [host("10.0.0.1", 7)];
    let mut gatherer =
        Gatherer::with_policy(start, &hosts, PORT, servers, true, &SocketPolicy::default());
    assert_eq!(
        (gatherer.poll_event(), gatherer.poll_transmit()),
        (None, None)
    );
    let want = gatherer.poll_wanted_relay().unwrap();
    let outcome = Ok((addr("192.0.2.1:50000"), Some(addr("203.0.113.1:4000"))));
    gatherer.relay_outcome(start, want.ticket, outcome);
    let events = drain(&mut gatherer);
    let GatherEvent::Candidate(relay) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(relay.kind, CandidateKind::Relay);
    assert_eq!(
        relay.related,
        Some(addr("0.0.0.0:0")),
        "rel-addr would give it away"
    );
    assert_eq!(events[1..], [GatherEvent::Complete]);
    assert_eq!(gatherer.poll_timeout(), None);
}

#[test]
fn bindings_are_kept_alive_until_told_otherwise() {
    let start = Instant::now();
    let servers = vec![stun_server("stun:a", &["192.0.2.1:1"])];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let log = run(&mut gatherer, start, MINUTE, &nat);
    let times: Vec<_> = log.sent.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [0, 15_020, 30_020, 45_020]);
    assert_ne!(log.sent[1].1.data, log.sent[2].1.data);
    assert_eq!(log.events.len(), 3);
    // After sleep they may be over.
    gatherer.resumed(start + MINUTE - Duration::from_secs(5));
    assert_eq!(std::iter::from_fn(|| gatherer.poll_transmit()).count(), 1);
    gatherer.stop_keepalives();
    assert_eq!(gatherer.poll_timeout(), None);
}

/// Drives `gatherer` on a real port.
async fn drive(gatherer: &mut Gatherer, endpoint: &UdpEndpoint, seconds: u64) -> Vec<GatherEvent> {
    let mut events = Vec::new();
    let stop = Instant::now() + Duration::from_secs(seconds);
    while !gatherer.is_complete() {
        assert!(Instant::now() < stop, "not complete: {events:?}");
        while let Some(t) = gatherer.poll_transmit() {
            let outcome = endpoint.try_send(&Transmit {
                remote: t.remote,
                local_ip: Some(t.local_ip),
                contents: &t.data,
                segment_size: None,
            });
            if let Ok(SendOutcome::Dropped(e)) = outcome {
                let message = e.to_string();
                gatherer.handle_send_error(Instant::now(), t.local_ip, t.remote, &message);
            }
        }
        let timeout = gatherer.poll_timeout().unwrap_or(stop);
        tokio::select! {
            _ = endpoint.readable() => {
                let _ = endpoint.try_recv(&mut RecvBuffers::checkout(), &mut |d| {
                    gatherer.handle_datagram(Instant::now(), d.local_ip, d.from, d.data);
                });
            }
            () = tokio::time::sleep_until(timeout.into()) => {
                gatherer.handle_timeout(Instant::now());
            }
        }
    }
    events.extend(std::iter::from_fn(|| gatherer.poll_event()));
    events
}

/// A STUN server that says what it sees, but with another port, as a NAT would make it.
async fn responder() -> SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let local = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let id = request_id(&buffer[..length]);
            let mapped = SocketAddr::new(from.ip(), from.port() ^ 1);
            let _ = socket.send_to(&success(id, mapped), from).await;
        }
    });
    local
}

#[tokio::test]
async fn a042_reflexive_candidates_are_gathered_on_the_socket_that_will_use_them() {
    let endpoint = UdpEndpoint::bind(None).unwrap();
    let server = responder().await;
    let hosts = [host("127.0.0.1", 2), host("127.0.0.2", 1)];
    let servers = vec![GatherServer {
        url: format!("stun:{server}"),
        kind: ServerKind::Stun,
        carrier: Carrier::Udp,
        unsupported: None,
        addrs: Some(Ok(vec![server])),
    }];
    let mut gatherer = Gatherer::new(Instant::now(), &hosts, endpoint.port(), servers);
    let events = drive(&mut gatherer, &endpoint, 5).await;
    let reflexive: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            GatherEvent::Candidate(c) if c.kind == CandidateKind::ServerReflexive => Some(c.addr),
            _ => None,
        })
        .collect();
    let port = endpoint.port() ^ 1;
    assert_eq!(
        reflexive,
        [
            addr(&format!("127.0.0.1:{port}")),
            addr(&format!("127.0.0.2:{port}"))
        ]
    );
    assert_eq!(events.last(), Some(&GatherEvent::Complete));
}

/// Of several servers one answers late: it is told of, and the end waits for neither it nor the
/// one that never does.
#[test]
fn r_f4_the_end_comes_two_seconds_after_the_last_answer_and_late_ones_still_count() {
    let start = Instant::now();
    let servers = vec![
        stun_server("stun:quick", &["192.0.2.1:1"]),
        stun_server("stun:slow", &["192.0.2.2:1"]),
        stun_server("stun:late", &["192.0.2.3:1"]),
        stun_server("stun:dead", &["192.0.2.4:1"]),
    ];
    let mut gatherer = Gatherer::new(start, &[host("10.0.0.1", 1)], PORT, servers);
    let second = Duration::from_secs(1);
    let log = run(&mut gatherer, start, 20 * second, &|t, id| {
        let (delay, port) = match t.remote.ip().to_string().as_str() {
            "192.0.2.1" => (20 * MS, 1),
            "192.0.2.2" => (second, 2),
            "192.0.2.3" => (5 * second, 3),
            _ => return None,
        };
        let mapped = SocketAddr::new("203.0.113.1".parse().unwrap(), port);
        Some((delay, t.remote, success(id, mapped)))
    });
    let ports: Vec<_> = log
        .reflexive()
        .iter()
        .map(|(addr, _)| addr.port())
        .collect();
    assert_eq!(ports, [1, 2, 3]);
    assert_eq!(log.completed_at(), TA + second + AFTER_ANSWER);
    assert_eq!(log.errors(), [("stun:dead", IceServerErrorKind::Timeout)]);
    assert_eq!(log.events.last().unwrap().0, LIMIT);
}

/// What is not offered is not asked for either, and no candidate tells of it.
#[test]
fn the_policy_says_which_candidates_there_are() {
    let start = Instant::now();
    let everything = SocketPolicy {
        external: vec!["198.51.100.9".parse().unwrap()],
        ..SocketPolicy::default()
    };
    for host_on in [true, false] {
        for reflexive in [true, false] {
            for relay in [true, false] {
                let policy = SocketPolicy {
                    host: host_on,
                    reflexive,
                    relay,
                    ..everything.clone()
                };
                let servers = vec![
                    stun_server("stun:a", &["192.0.2.1:1"]),
                    turn_server("turn:b", "192.0.2.2:3478"),
                ];
                let hosts = [host("10.0.0.1", 7)];
                let mut gatherer =
                    Gatherer::with_policy(start, &hosts, PORT, servers, false, &policy);
                gatherer.handle_timeout(start + TA);
                let wanted = gatherer.poll_wanted_relay();
                assert_eq!(wanted.is_some(), relay);
                if let Some(wanted) = wanted {
                    let seen = Some(addr("203.0.113.1:4000"));
                    let relayed = Ok((addr("192.0.2.2:50000"), seen));
                    gatherer.relay_outcome(start + TA, wanted.ticket, relayed);
                }
                let log = run(&mut gatherer, start + TA, MINUTE, &nat);
                let count = |kind| log.candidates().iter().filter(|c| c.kind == kind).count();
                assert_eq!(count(CandidateKind::Host), usize::from(host_on));
                assert_eq!(count(CandidateKind::Relay), usize::from(relay));
                assert_eq!(log.sent.is_empty(), !reflexive);
                // The external address comes of no server; the two servers see different ports.
                let seen = usize::from(reflexive) + usize::from(reflexive && relay);
                assert_eq!(count(CandidateKind::ServerReflexive), 1 + seen);
                assert_eq!(log.reflexive()[0].0, addr("198.51.100.9:5000"));
                let named = |c: &&&Candidate| {
                    c.kind == CandidateKind::ServerReflexive
                        && c.related.is_some_and(|a| a.ip() == hosts[0].ip)
                };
                let all = log.candidates();
                assert_eq!(all.iter().filter(named).count() > 0, host_on);
                assert!(log.errors().is_empty());
                log.completed_at();
            }
        }
    }
}

/// Without a NAT the server sees the host's address: it is what there is, if hosts are not offered.
#[test]
fn an_address_that_needs_no_nat_is_reflexive_where_hosts_are_not_offered() {
    let start = Instant::now();
    for host_on in [true, false] {
        let policy = SocketPolicy {
            host: host_on,
            ..SocketPolicy::default()
        };
        let servers = vec![stun_server("stun:a", &["192.0.2.1:1"])];
        let hosts = [host("10.0.0.1", 7)];
        let mut gatherer = Gatherer::with_policy(start, &hosts, PORT, servers, false, &policy);
        let log = run(&mut gatherer, start, MINUTE, &|t, id| {
            Some((MS, t.remote, success(id, addr("10.0.0.1:5000"))))
        });
        let kinds: Vec<_> = log.candidates().iter().map(|c| c.kind).collect();
        let expected = if host_on {
            CandidateKind::Host
        } else {
            CandidateKind::ServerReflexive
        };
        assert_eq!(kinds, [expected]);
    }
}

/// They are told without their link, and no server beyond it is asked from there.
#[test]
fn link_local_addresses_are_offered_and_lead_nowhere_else() {
    let start = Instant::now();
    let link = |scope| InterfaceAddress {
        scope,
        ..host("fe80::1", 65_000)
    };
    let hosts = [host("2001:db8::1", 65_535), link(2), link(3)];
    let policy = SocketPolicy {
        external: vec!["2001:db8::99".parse().unwrap()],
        tcp: Some(PORT),
        ..SocketPolicy::default()
    };
    let servers = vec![stun_server("stun:a", &["[2001:db8::53]:3478"])];
    let mut gatherer = Gatherer::with_policy(start, &hosts, PORT, servers, false, &policy);
    let log = run(&mut gatherer, start, MINUTE, &silent);
    let is_link_local = |c: &&Candidate| c.addr.to_string().starts_with("[fe80::1]:");
    let candidates = log.candidates();
    let told: Vec<&Candidate> = candidates.into_iter().filter(is_link_local).collect();
    let bases: Vec<String> = told.iter().map(|c| c.base.to_string()).collect();
    assert_eq!(
        bases,
        [
            "[fe80::1%2]:5000",
            "[fe80::1%2]:9",
            "[fe80::1%2]:1",
            "[fe80::1%3]:5000",
            "[fe80::1%3]:9",
            "[fe80::1%3]:1"
        ]
    );
    assert!(told.iter().all(|c| c.kind == CandidateKind::Host));
    let ip: IpAddr = "2001:db8::1".parse().unwrap();
    assert!(!log.sent.is_empty() && log.sent.iter().all(|(_, t)| t.local_ip == ip));

    // Alone, they reach none.
    let servers = vec![stun_server("stun:a", &["[2001:db8::53]:3478"])];
    let mut gatherer = Gatherer::with_policy(start, &hosts[1..], PORT, servers, false, &policy);
    let log = run(&mut gatherer, start, MINUTE, &silent);
    assert_eq!(log.errors(), [("stun:a", IceServerErrorKind::Unreachable)]);
    assert_eq!(log.completed_at(), Duration::ZERO);
    assert!(
        log.candidates()
            .iter()
            .all(|c| c.kind == CandidateKind::Host)
    );
}
