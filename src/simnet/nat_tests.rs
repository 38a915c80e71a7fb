#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{NatKind, SimNet};

const HOST: &str = "192.168.1.2:5000";
const PUBLIC: &str = "203.0.113.1";
const SERVER: &str = "198.51.100.1:3478";
/// Same address as the server, another port.
const SERVER_ALT: &str = "198.51.100.1:3479";
const OTHER: &str = "198.51.100.2:3478";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

struct Bench {
    net: SimNet,
    now: Instant,
}

impl Bench {
    fn new(kind: NatKind) -> Self {
        let now = Instant::now();
        let mut net = SimNet::new(1, now);
        net.add_nat(kind, addr(HOST).ip(), PUBLIC.parse().unwrap());
        Self { net, now }
    }

    /// Sends and, if it arrives, returns the source that is seen and the host that got it.
    fn pass(&mut self, src: SocketAddr, dst: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        self.net.send(self.now, src, dst, vec![1]);
        self.now += Duration::from_millis(10);
        self.net.poll(self.now).map(|p| (p.src, p.dst))
    }

    fn external(&mut self, dst: &str) -> SocketAddr {
        let (seen, at) = self.pass(addr(HOST), addr(dst)).unwrap();
        assert_eq!((at, seen.ip().to_string()), (addr(dst), PUBLIC.into()));
        seen
    }

    fn reaches(&mut self, src: &str, external: SocketAddr) -> bool {
        let got = self.pass(addr(src), external);
        assert!(got.is_none() || got == Some((addr(src), addr(HOST))));
        got.is_some()
    }
}

/// RFC 4787 sections 4.1 (mapping) and 5 (filtering): who gets in after the host sent to SERVER.
#[test]
fn each_kind_filters_by_its_rule() {
    for (kind, alt, other) in [
        (NatKind::FullCone, true, true),
        (NatKind::AddressRestricted, true, false),
        (NatKind::PortRestricted, false, false),
        (NatKind::Symmetric, false, false),
    ] {
        let mut bench = Bench::new(kind);
        let external = bench.external(SERVER);
        assert!(bench.reaches(SERVER, external), "{kind:?}");
        assert_eq!(bench.reaches(SERVER_ALT, external), alt, "{kind:?}");
        assert_eq!(bench.reaches(OTHER, external), other, "{kind:?}");
        let filtered = u64::from(!alt) + u64::from(!other);
        assert_eq!(bench.net.counters().filtered, filtered, "{kind:?}");
    }
}

#[test]
fn only_the_symmetric_kind_maps_by_destination() {
    for kind in [
        NatKind::FullCone,
        NatKind::AddressRestricted,
        NatKind::PortRestricted,
        NatKind::Symmetric,
    ] {
        let mut bench = Bench::new(kind);
        let first = bench.external(SERVER);
        assert_eq!(bench.external(SERVER), first, "{kind:?}");
        let symmetric = kind == NatKind::Symmetric;
        assert_eq!(bench.external(SERVER_ALT) != first, symmetric, "{kind:?}");
        assert_eq!(bench.external(OTHER) != first, symmetric, "{kind:?}");
    }
}

#[test]
fn nothing_unsolicited_gets_in() {
    let mut bench = Bench::new(NatKind::FullCone);
    assert!(!bench.reaches(SERVER, addr("203.0.113.1:40000")));
    assert_eq!(bench.net.counters().filtered, 1);
    assert!(!bench.reaches(SERVER, addr(HOST)));
    assert_eq!(bench.net.counters().unroutable, 1);
}

#[test]
fn a_firewall_blocks_udp_both_ways() {
    let mut bench = Bench::new(NatKind::UdpBlocked);
    assert_eq!(bench.pass(addr(HOST), addr(SERVER)), None);
    assert!(!bench.reaches(SERVER, addr("203.0.113.1:40000")));
    assert_eq!(bench.net.counters().filtered, 2);
}

#[test]
fn hosts_behind_one_nat_reach_each_other_directly_and_by_hairpin() {
    let mut bench = Bench::new(NatKind::FullCone);
    let neighbour = addr("192.168.1.3:6000");
    bench
        .net
        .add_nat(NatKind::FullCone, neighbour.ip(), PUBLIC.parse().unwrap());
    let direct = bench.pass(addr(HOST), neighbour);
    assert_eq!(direct, Some((addr(HOST), neighbour)));
    // RFC 4787 REQ-9: the hairpinned source is the external one.
    let external = bench.external(SERVER);
    let (seen, at) = bench.pass(neighbour, external).unwrap();
    assert_eq!((seen.ip(), at), (external.ip(), addr(HOST)));
    assert_ne!(seen, external);
}

#[test]
fn a_mapping_expires_unless_outbound_packets_refresh_it() {
    let mut bench = Bench::new(NatKind::FullCone);
    let public = PUBLIC.parse().unwrap();
    bench
        .net
        .set_nat_timeout(public, Some(Duration::from_secs(30)));
    let external = bench.external(SERVER);
    bench.now += Duration::from_secs(20);
    assert_eq!(bench.external(SERVER), external);
    bench.now += Duration::from_secs(20);
    assert!(bench.reaches(SERVER, external));
    // Inbound packets did not refresh it.
    bench.now += Duration::from_secs(11);
    assert!(!bench.reaches(SERVER, external));
    assert_ne!(bench.external(SERVER), external);
}

#[test]
fn a_rebooted_nat_forgets_its_mappings() {
    let mut bench = Bench::new(NatKind::FullCone);
    let external = bench.external(SERVER);
    bench.net.reset_nat(PUBLIC.parse().unwrap());
    assert!(!bench.reaches(SERVER, external));
}

#[test]
fn the_filter_acts_when_the_packet_arrives() {
    // Hole punching: the peer's packet is on its way before the hole exists.
    let mut bench = Bench::new(NatKind::PortRestricted);
    let external = bench.external(OTHER);
    let now = bench.now;
    bench.net.send(now, addr(SERVER), external, vec![1]);
    let outbound = now + Duration::from_micros(500);
    bench.net.send(outbound, addr(HOST), addr(SERVER), vec![2]);
    let inbound = bench.net.poll(now + Duration::from_millis(1)).unwrap();
    assert_eq!(inbound.dst, addr(HOST));
}

#[test]
fn two_translators_in_a_row() {
    let mut bench = Bench::new(NatKind::PortRestricted);
    let carrier = "192.0.2.1".parse().unwrap();
    bench
        .net
        .add_nat(NatKind::FullCone, PUBLIC.parse().unwrap(), carrier);
    let (seen, _) = bench.pass(addr(HOST), addr(SERVER)).unwrap();
    assert_eq!(seen.ip(), carrier);
    assert!(bench.reaches(SERVER, seen));
    assert!(!bench.reaches(OTHER, seen));
}

#[test]
fn links_apply_through_translators() {
    let mut bench = Bench::new(NatKind::FullCone);
    let slow = super::Link {
        latency: Duration::from_millis(70),
        ..super::Link::default()
    };
    let external = bench.external(SERVER);
    bench
        .net
        .set_links(addr(HOST).ip(), addr(SERVER).ip(), slow);
    let now = bench.now;
    bench.net.send(now, addr(SERVER), external, vec![1]);
    assert_eq!(
        bench.net.next_arrival(),
        Some(now + Duration::from_millis(70))
    );
}
