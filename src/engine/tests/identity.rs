//! Who the peer is decides before anything flows.

use std::time::Instant;

use super::super::certificate::HashAlgorithm;
use super::super::dtls::{DtlsRole, SrtpProfile};
use super::super::{EngineEvent, EngineState, Identity, SecureState, SendOutcome};
use super::harness::{A, B, Setup, Step, World, fingerprint, is_media, ms, secs};
use crate::error::{DisconnectReason, DtlsFailure};

const PINNED: Identity = Identity::Pinned {
    allow_weak: false,
    all: false,
};
const DTLS_ROLES: [[Option<DtlsRole>; 2]; 2] = [
    [Some(DtlsRole::Server), Some(DtlsRole::Client)],
    [Some(DtlsRole::Client), Some(DtlsRole::Server)],
];

fn media_sent_by(world: &World, side: usize) -> usize {
    let from = world.peers[side].addr;
    world
        .net
        .captured()
        .iter()
        .filter(|p| p.src == from && p.first_byte.is_some_and(is_media))
        .count()
}

/// When the side's DTLS handshake was over, one way or the other.
fn judged_at(world: &World, side: usize) -> Option<Instant> {
    let over = |event: &EngineEvent| {
        matches!(
            event,
            EngineEvent::Secure(SecureState::Connected | SecureState::Failed)
        )
    };
    let peer = &world.peers[side];
    peer.events.iter().find(|(_, e)| over(e)).map(|(at, _)| *at)
}

/// A session whose `judge` was told these fingerprints; both sides send media all the time.
fn judged(seed: u64, setup: &Setup, judge: usize, fingerprints: Vec<(String, Vec<u8>)>) -> World {
    let mut world = World::new(seed, setup);
    world.net.start_capture();
    world.signal_but(&[(judge, Step::Fingerprints), (judge, Step::Connect)]);
    world.peers[judge]
        .engine
        .secure_mut()
        .set_remote_fingerprints(fingerprints);
    world.start_media();
    world.signal(judge, Step::Connect);
    world.run_for(secs(10));
    world
}

fn assert_refused(world: &World, judge: usize) {
    let peer = &world.peers[judge];
    let disconnects = peer.disconnects();
    assert_eq!(disconnects.len(), 1, "{}", world.describe());
    assert_eq!(
        disconnects[0].1,
        DisconnectReason::FingerprintMismatch,
        "{}",
        world.describe()
    );
    assert!(disconnects[0].0 <= judged_at(world, judge).unwrap() + secs(1));
    assert_eq!(peer.engine.state(), EngineState::Closed);
    assert!(!peer.connected() && peer.packets.is_empty());
    assert_eq!(media_sent_by(world, judge), 0, "{}", world.describe());
    // The one who was refused hears of it at once, and gets nothing either.
    let other = &world.peers[1 - judge];
    assert_eq!(other.engine.state(), EngineState::Closed);
    assert!(other.disconnects()[0].0 <= disconnects[0].0 + secs(1));
    assert!(other.packets.is_empty());
}

#[test]
fn r_b01_a_wrong_fingerprint_ends_it_before_anything_flows() {
    for dtls_roles in DTLS_ROLES {
        for judge in [A, B] {
            for nibble in [0, 1, 31, 63] {
                let setup = Setup {
                    dtls_roles,
                    ..Setup::default()
                };
                let mut wrong = fingerprint(1 - judge, HashAlgorithm::Sha256);
                wrong.1[nibble / 2] ^= if nibble % 2 == 0 { 0x10 } else { 0x01 };
                let world = judged(nibble as u64, &setup, judge, vec![wrong]);
                assert_refused(&world, judge);
            }
        }
    }
}

#[test]
fn r_b01_both_sides_refuse_each_other() {
    for dtls_roles in DTLS_ROLES {
        let setup = Setup {
            dtls_roles,
            ..Setup::default()
        };
        let mut world = World::new(1, &setup);
        world.net.start_capture();
        for side in [A, B] {
            // Each expects its own certificate.
            let own = vec![fingerprint(side, HashAlgorithm::Sha256)];
            world.peers[side]
                .engine
                .secure_mut()
                .set_remote_fingerprints(own);
        }
        world.signal_but(&[(A, Step::Fingerprints), (B, Step::Fingerprints)]);
        world.start_media();
        world.run_for(secs(10));
        for side in [A, B] {
            assert_eq!(world.peers[side].engine.state(), EngineState::Closed);
            assert_eq!(world.peers[side].disconnects().len(), 1);
            assert!(!world.peers[side].connected());
            assert_eq!(media_sent_by(&world, side), 0);
        }
    }
}

#[test]
fn g019_r_b02_which_fingerprints_count() {
    let of = fingerprint;
    let wrong = |algorithm| fingerprint(A, algorithm);
    use HashAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    let mixed_case = ("Sha-256".to_owned(), of(B, Sha256).1);
    let md5 = ("md5".to_owned(), vec![7; 16]);
    let mut twenty = vec![wrong(Sha256); 19];
    twenty.push(of(B, Sha256));
    // What A is told of B, whether weak hashes are allowed, and whether it is enough.
    let cases = [
        (vec![], false, false),
        (vec![], true, false),
        (vec![of(B, Sha1)], false, false),
        (vec![of(B, Sha1)], true, true),
        (vec![md5.clone()], true, false),
        (vec![md5, of(B, Sha256)], false, true),
        (vec![wrong(Sha512), of(B, Sha256)], false, false),
        (vec![wrong(Sha256), of(B, Sha512)], false, true),
        (vec![wrong(Sha256), of(B, Sha1)], true, false),
        (vec![of(B, Sha384)], false, true),
        (vec![mixed_case], false, true),
        (twenty, false, true),
    ];
    for (number, (fingerprints, allow_weak, enough)) in cases.into_iter().enumerate() {
        let setup = Setup {
            identities: [
                Identity::Pinned {
                    allow_weak,
                    all: false,
                },
                PINNED,
            ],
            ..Setup::default()
        };
        let world = judged(number as u64, &setup, A, fingerprints);
        if enough {
            assert!(
                world.both_connected_now(),
                "case {number}: {}",
                world.describe()
            );
            assert!(world.peers[A].packets.len() > 400);
        } else {
            assert_refused(&world, A);
        }
    }
}

/// The other mode of row G19: every fingerprint of a known hash function must match.
#[test]
fn g019_all_fingerprints_can_be_required() {
    let right = |algorithm| fingerprint(B, algorithm);
    let wrong = |algorithm| fingerprint(A, algorithm);
    use HashAlgorithm::{Sha1, Sha256, Sha512};
    let unknown = ("shake-256".to_owned(), vec![7; 32]);
    let cases = [
        (vec![right(Sha256)], true),
        (vec![right(Sha1), right(Sha256), right(Sha512)], true),
        (vec![right(Sha256), unknown.clone()], true),
        (vec![wrong(Sha256), right(Sha512)], false),
        (vec![right(Sha256), wrong(Sha256)], false),
        (vec![wrong(Sha1), right(Sha256)], false),
        (vec![right(Sha1)], false),
        (vec![unknown], false),
        (vec![], false),
    ];
    for (number, (fingerprints, enough)) in cases.into_iter().enumerate() {
        let strict = Identity::Pinned {
            allow_weak: false,
            all: true,
        };
        let setup = Setup {
            identities: [strict, PINNED],
            ..Setup::default()
        };
        let world = judged(number as u64, &setup, A, fingerprints);
        match enough {
            true => assert!(world.both_connected_now(), "case {number}"),
            false => assert_refused(&world, A),
        }
    }
}

#[test]
fn g018_deferred_identity_lets_nothing_flow_before_the_peer_is_accepted() {
    for dtls_roles in DTLS_ROLES {
        for judges in [vec![A], vec![B], vec![A, B]] {
            let mut setup = Setup {
                dtls_roles,
                ..Setup::default()
            };
            for &judge in &judges {
                setup.identities[judge] = Identity::Deferred;
            }
            let mut world = World::new(1, &setup);
            world.net.start_capture();
            assert!(!world.peers[judges[0]].engine.accept_peer(world.now));
            world.signal_all();
            world.start_media();
            world.run_for(secs(20));
            for &judge in &judges {
                let peer = &world.peers[judge];
                assert_eq!(peer.count(|e| matches!(e, EngineEvent::PeerCertificate)), 1);
                assert!(peer.engine.secure().peer_certificate().is_some());
                assert_eq!(peer.engine.state(), EngineState::Searching);
                assert!(!peer.connected() && peer.packets.is_empty());
                assert!(peer.disconnects().is_empty(), "{}", world.describe());
                assert_eq!(media_sent_by(&world, judge), 0);
                let ssrc = if judge == A { 100 } else { 200 };
                assert_eq!(world.send(judge, ssrc, 9, 9), SendOutcome::NotConnected);
            }
            for &judge in &judges {
                assert!(world.peers[judge].engine.accept_peer(world.now));
                assert!(!world.peers[judge].engine.accept_peer(world.now), "once");
            }
            let flows = world.run_until(ms(200), |world| {
                world.peers.iter().all(|peer| peer.packets.len() > 5)
            });
            assert!(flows && world.both_connected_now(), "{}", world.describe());
        }
    }
}

#[test]
fn g018_a_peer_that_is_not_accepted_is_closed() {
    let setup = Setup {
        identities: [Identity::Deferred; 2],
        ..Setup::default()
    };
    let mut world = World::new(1, &setup);
    world.net.start_capture();
    world.signal_all();
    world.start_media();
    world.run_for(secs(2));
    let reason = DisconnectReason::FingerprintMismatch;
    world.peers[A].engine.close(world.now, reason);
    world.run_for(secs(2));
    for side in [A, B] {
        assert_eq!(world.peers[side].engine.state(), EngineState::Closed);
        assert!(!world.peers[side].engine.accept_peer(world.now));
        assert!(world.peers[side].packets.is_empty());
        assert_eq!(media_sent_by(&world, side), 0);
    }
    let told = world.peers[B].disconnects();
    assert_eq!(told[0].1, DisconnectReason::RemoteClosed);
}

/// Why DTLS failed, as the events say it.
fn dtls_failures(world: &World, side: usize) -> Vec<DtlsFailure> {
    let failure = |(_, event): &(Instant, EngineEvent)| match event {
        EngineEvent::DtlsFailure(failure) => Some(failure.clone()),
        _ => None,
    };
    let peer = &world.peers[side];
    let told: Vec<_> = peer.events.iter().filter_map(failure).collect();
    assert_eq!(told.last(), peer.engine.secure().failure());
    told
}

/// Two clients hear of each other; two servers hear nothing, unless what was signalled says it.
#[test]
fn r_b10_two_equal_dtls_roles_end_with_an_error_and_no_hang() {
    use DtlsFailure::{BothClients, BothServers, Silent};
    let (client, server) = (DtlsRole::Client, DtlsRole::Server);
    for (role, is_stated, expected, limit) in [
        (client, false, BothClients, 15),
        (server, false, Silent, 31),
        (client, true, BothClients, 1),
        (server, true, BothServers, 1),
    ] {
        let setup = Setup {
            dtls_roles: [Some(role); 2],
            ..Setup::default()
        };
        let mut world = World::new(1, &setup);
        if is_stated {
            for peer in &mut world.peers {
                peer.engine.secure_mut().set_remote_role(Some(role));
            }
        }
        world.signal_all();
        world.start_media();
        world.run_for(secs(40));
        for side in [A, B] {
            let peer = &world.peers[side];
            let disconnects = peer.disconnects();
            assert_eq!(disconnects.len(), 1, "{}", world.describe());
            assert!(
                disconnects[0].0 <= world.start + secs(limit),
                "{expected}: {}",
                world.describe()
            );
            assert_eq!(dtls_failures(&world, side), std::slice::from_ref(&expected));
            assert_eq!(disconnects[0].1, DisconnectReason::DtlsFailed);
            assert!(peer.packets.is_empty() && !peer.connected());
        }
    }
}

/// What both sides have not in common is the reason at one, the alert at the other.
#[test]
fn r_b10_no_common_srtp_profile_is_the_reason() {
    let mut world = World::new(1, &Setup::default());
    let profiles = [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];
    for (peer, profile) in world.peers.iter_mut().zip(profiles) {
        assert!(peer.engine.set_srtp_profiles(vec![profile]));
    }
    world.signal_all();
    world.run_for(secs(16));
    let description = Some(71);
    let alert = DtlsFailure::PeerAlert { description };
    assert_eq!(dtls_failures(&world, B), [alert]);
    let server = dtls_failures(&world, A);
    assert_eq!(server, [DtlsFailure::NoCommonSrtpProfile]);
}

#[test]
fn r_b01_the_failure_says_that_the_fingerprint_is_wrong() {
    for judge in [A, B] {
        let wrong = vec![fingerprint(judge, HashAlgorithm::Sha256)];
        let world = judged(1, &Setup::default(), judge, wrong);
        assert_refused(&world, judge);
        let expected = DtlsFailure::FingerprintMismatch;
        assert_eq!(dtls_failures(&world, judge), [expected]);
        assert!(world.peers[judge].disconnects()[0].0 <= world.start + secs(4));
        // The other side is closed, no more.
        assert_eq!(dtls_failures(&world, 1 - judge), []);
        let told = world.peers[1 - judge].disconnects();
        assert_eq!(told[0].1, DisconnectReason::RemoteClosed);
    }
}
