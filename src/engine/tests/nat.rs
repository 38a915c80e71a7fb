//! Through address translators without a relay: where one side can be reached, it connects.

use std::net::{IpAddr, SocketAddr};

use super::super::EngineEvent;
use super::super::ice::{Candidate, CandidateKind, Role};
use super::harness::{A, B, Setup, Step, World, failures, host, ms, secs};
use crate::simnet::{Link, NatKind};

const PUBLIC: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
const SERVER: &str = "198.51.100.1:3478";

/// Each side behind a translator of the kind, or on the open network.
fn behind(seed: u64, kinds: [Option<NatKind>; 2]) -> World {
    world_of(seed, kinds, Setup::default())
}

fn behind_as(seed: u64, kinds: [Option<NatKind>; 2], roles: [Role; 2]) -> World {
    let setup = Setup {
        roles: roles.map(Some),
        ..Setup::default()
    };
    world_of(seed, kinds, setup)
}

fn world_of(seed: u64, kinds: [Option<NatKind>; 2], mut setup: Setup) -> World {
    for side in [A, B] {
        let addr = match kinds[side] {
            Some(_) => format!("192.168.{side}.2:5000"),
            None => format!("{}:5000", PUBLIC[side]),
        };
        setup.addrs[side] = addr.parse().unwrap();
    }
    let mut world = World::new(seed, &setup);
    world.net.set_default(Link {
        latency: ms(20),
        ..Link::default()
    });
    for side in [A, B] {
        if let Some(kind) = kinds[side] {
            let inside = world.peers[side].addr.ip();
            let public: IpAddr = PUBLIC[side].parse().unwrap();
            world.net.add_nat(kind, inside, public);
        }
    }
    world
}

/// What a STUN server would have told the side: the address its packets come from.
fn reflexive(world: &mut World, side: usize) -> Option<SocketAddr> {
    let inside = world.peers[side].addr;
    let server: SocketAddr = SERVER.parse().unwrap();
    world.net.send(world.now, inside, server, vec![0]);
    let at = world.net.next_arrival()?;
    let arrival = world.net.poll(at)?;
    (arrival.src != inside).then_some(arrival.src)
}

fn server_reflexive(base: SocketAddr, addr: SocketAddr) -> Candidate {
    let kind = CandidateKind::ServerReflexive;
    Candidate {
        foundation: "2".to_owned(),
        priority: Candidate::compute_priority(kind, 65_535),
        addr,
        kind,
        base,
        related: Some(base),
        tcp: None,
        told_as: None,
    }
}

/// Both sides signal their host candidates and, if asked, what a STUN server told them.
fn connects(mut world: World, stun: bool, limit: u64) -> bool {
    world.signal_all();
    let now = world.now;
    for side in [A, B].into_iter().filter(|_| stun) {
        if let Some(addr) = reflexive(&mut world, side) {
            let base = world.peers[side].addr;
            let candidate = server_reflexive(base, addr);
            world.peers[side].engine.add_local_candidate(now, candidate);
            let remote = Candidate {
                base: addr,
                ..server_reflexive(base, addr)
            };
            world.peers[1 - side]
                .engine
                .add_remote_candidate(now, remote);
        }
    }
    let connected = world.connect(secs(limit));
    if connected {
        world.start_media();
        world.run_for(secs(1));
        return world.peers.iter().all(|peer| peer.packets.len() > 45);
    }
    println!("{}", world.describe());
    false
}

const OPEN: Option<NatKind> = None;
const CONES: [Option<NatKind>; 3] = [
    Some(NatKind::FullCone),
    Some(NatKind::AddressRestricted),
    Some(NatKind::PortRestricted),
];

#[test]
fn r_f1_an_open_side_is_reached_from_behind_any_nat_without_stun() {
    for kind in CONES.into_iter().chain([Some(NatKind::Symmetric)]) {
        for kinds in [[OPEN, kind], [kind, OPEN]] {
            let failed = failures(0..10, |seed| connects(behind(seed, kinds), false, 5));
            assert!(failed.is_empty(), "{kinds:?}: seeds {failed:?}");
        }
    }
}

#[test]
fn r_f1_cone_pairs_connect_with_stun() {
    for a in CONES {
        for b in CONES {
            let failed = failures(0..6, |seed| connects(behind(seed, [a, b]), true, 5));
            assert!(failed.is_empty(), "{a:?} {b:?}: seeds {failed:?}");
        }
    }
}

#[test]
fn r_f1_symmetric_connects_to_all_but_port_restricted_and_symmetric() {
    let symmetric = Some(NatKind::Symmetric);
    for other in [Some(NatKind::FullCone), Some(NatKind::AddressRestricted)] {
        for kinds in [[symmetric, other], [other, symmetric]] {
            let failed = failures(0..6, |seed| connects(behind(seed, kinds), true, 5));
            assert!(failed.is_empty(), "{kinds:?}: seeds {failed:?}");
        }
    }
}

/// Cells that need a relay end with one event, in time.
#[test]
fn r_f1_impossible_pairs_fail_within_45_s() {
    let symmetric = Some(NatKind::Symmetric);
    let blocked = Some(NatKind::UdpBlocked);
    for kinds in [
        [symmetric, symmetric],
        [symmetric, Some(NatKind::PortRestricted)],
        [blocked, OPEN],
    ] {
        let mut world = behind(1, kinds);
        world.signal_all();
        world.run_for(secs(45));
        for peer in &world.peers {
            assert_eq!(peer.disconnects().len(), 1, "{}", world.describe());
        }
    }
}

/// Only one side is told of the other: the other learns from the checks themselves.
#[test]
fn r_f1_a_peer_behind_a_nat_is_learnt_from_its_checks() {
    for kind in CONES.into_iter().chain([Some(NatKind::Symmetric)]) {
        let mut world = behind(1, [kind, OPEN]);
        world.signal_but(&[(B, Step::Candidate)]);
        assert!(world.connect(secs(5)), "{}", world.describe());
        let reflexive = world.peers[B].count(|event| {
            matches!(event, EngineEvent::ActivePair { remote, .. }
                if remote.kind == CandidateKind::PeerReflexive)
        });
        assert!(reflexive >= 1, "{}", world.describe());
    }
}

/// The translator forgets: after a quiet time, consent checks have kept the mapping.
#[test]
fn r_f9_consent_keeps_a_30_s_mapping_alive() {
    let mut world = behind(1, [Some(NatKind::PortRestricted), OPEN]);
    let timeout = Some(secs(30));
    world
        .net
        .set_nat_timeout(PUBLIC[A].parse().unwrap(), timeout);
    world.signal_all();
    assert!(world.connect(secs(5)));
    world.run_for(secs(600));
    assert!(world.both_connected_now(), "{}", world.describe());
    for peer in &world.peers {
        assert!(peer.disconnects().is_empty());
    }
}

/// A reboot of the translator gives the side another address; a restart finds it.
#[test]
fn r_f9_a_rebinding_is_survived_or_restarted() {
    for seed in 0..10 {
        let mut world = behind(seed, [Some(NatKind::PortRestricted), OPEN]);
        world.signal_all();
        assert!(world.connect(secs(5)));
        world.start_media();
        world.run_for(secs(3));
        world.net.reset_nat(PUBLIC[A].parse().unwrap());
        world.run_for(secs(1));
        world.restart(1);
        let theirs = world.peers[A].addr;
        let now = world.now;
        world.peers[B]
            .engine
            .add_remote_candidate(now, host(theirs));
        let before = [A, B].map(|side| world.peers[side].packets.len());
        let back = world.run_until(secs(5), |world| {
            [A, B]
                .iter()
                .all(|&s| world.peers[s].packets.len() > before[s] + 5)
        });
        assert!(back, "{}", world.describe());
    }
}

/// And without a word of signalling where the other side can be reached: the side behind the
/// translator, controlling or not, has its media go on.
#[test]
fn r_f9_a_rebinding_in_a_call_is_survived_without_signalling() {
    for seed in 0..10 {
        for roles in [
            [Role::Controlling, Role::Controlled],
            [Role::Controlled, Role::Controlling],
        ] {
            let mut world = behind_as(seed, [Some(NatKind::PortRestricted), OPEN], roles);
            world.signal_all();
            assert!(world.connect(secs(5)));
            world.start_media();
            world.run_for(secs(3));
            for _ in 0..3 {
                world.net.reset_nat(PUBLIC[A].parse().unwrap());
                let before = [A, B].map(|side| world.peers[side].packets.len());
                let back = world.run_until(secs(4), |world| {
                    [A, B]
                        .iter()
                        .all(|&s| world.peers[s].packets.len() > before[s] + 5)
                });
                assert!(back, "{roles:?} {}", world.describe());
                world.run_for(secs(10));
                let before = [A, B].map(|side| world.peers[side].packets.len());
                world.run_for(secs(1));
                for side in [A, B] {
                    assert!(world.peers[side].packets.len() > before[side] + 20);
                    assert!(world.peers[side].disconnects().is_empty());
                }
            }
        }
    }
}
