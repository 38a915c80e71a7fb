//! The log of a call that fails says why, in one line that an operator sees.

use tracing::Level;

use super::super::certificate::HashAlgorithm;
use super::channels::spec;
use super::harness::{A, B, Setup, Step, World, fingerprint, host, secs};
use crate::trace::watch::{Kept, leak};

/// Both sides look for each other until they give up.
fn fails(world: &mut World) -> Kept {
    let kept = Kept::new(Level::INFO);
    world.run_for(secs(60));
    assert!(!world.both_connected_now());
    for line in kept.lines() {
        assert_eq!(leak(&line), None, "{line}");
    }
    kept
}

#[test]
fn a_wrong_port_is_named() {
    let mut world = World::new(1, &Setup::default());
    world.signal_but(&[(A, Step::Candidate), (B, Step::Candidate)]);
    for side in [A, B] {
        let mut wrong = world.peers[1 - side].addr;
        wrong.set_port(9);
        let now = world.now;
        world.peers[side]
            .engine
            .add_remote_candidate(now, host(wrong));
    }
    let kept = fails(&mut world);
    let cause = "was answered and none of the peer's arrived: addresses or ports are wrong";
    kept.expect(2, &["WARN ortc::ice", "ICE failed", cause]);
    kept.expect(
        2,
        &[
            "INFO ortc::connection",
            "halted",
            "no candidate pair worked",
        ],
    );
}

#[test]
fn blocked_udp_is_named() {
    let mut world = World::new(2, &Setup::default());
    for side in [A, B] {
        world.peers[side].engine.note_server(false);
    }
    world.filter = Some(Box::new(|_, _, _| false));
    world.signal_all();
    let kept = fails(&mut world);
    let cause = "no STUN or TURN server answered either: UDP seems to be blocked here";
    kept.expect(2, &["WARN ortc::ice", "ICE failed", cause]);
}

#[test]
fn a_wrong_fingerprint_is_named() {
    let mut world = World::new(3, &Setup::default());
    world.signal_but(&[(A, Step::Fingerprints)]);
    let wrong = vec![fingerprint(A, HashAlgorithm::Sha256)];
    world.peers[A]
        .engine
        .secure_mut()
        .set_remote_fingerprints(wrong);
    let kept = fails(&mut world);
    let cause = "the peer's certificate matches none of the signalled fingerprints";
    kept.expect(1, &["WARN ortc::dtls", "DTLS failed", cause]);
    kept.expect(
        1,
        &["INFO ortc::connection", "ended", "no signalled fingerprint"],
    );
}

#[test]
fn what_never_came_is_named() {
    let missing = [
        (Step::Credentials, "the peer's description never came"),
        (Step::Candidate, "no candidate of the peer came"),
        (
            Step::Local,
            "no local candidate: no network, or no relay was given",
        ),
    ];
    for (seed, (step, _)) in (4..).zip(missing) {
        let mut world = World::new(seed, &Setup::default());
        world.signal_but(&[(A, step), (B, step)]);
        for side in [A, B] {
            // Which shows nothing here: nothing was sent to the peer.
            world.peers[side].engine.note_server(false);
        }
        let kept = fails(&mut world);
        // Without the description nothing has begun, so nothing fails.
        let told = usize::from(step != Step::Credentials) * 2;
        kept.expect(told, &["WARN ortc::ice", "ICE failed"]);
        for side in [A, B] {
            let cause = world.peers[side].engine.no_path();
            assert!(
                missing
                    .iter()
                    .any(|(of, text)| *of == step && cause == *text),
                "{cause}"
            );
        }
    }
}

#[test]
fn a_call_that_works_says_so_and_holds_no_address() {
    let kept = Kept::new(Level::INFO);
    let mut world = World::connected(7, &Setup::default());
    world.run_for(secs(1));
    for line in kept.lines() {
        assert_eq!(leak(&line), None, "{line}");
    }
    for ufrag in ["side0gen0", "side1gen0"] {
        kept.expect(
            1,
            &[
                "INFO ortc::ice",
                ufrag,
                "a pair is selected",
                "host",
                "rtt_ms",
            ],
        );
        kept.expect(
            1,
            &["INFO ortc::dtls", ufrag, "DTLS is established", "TLS_ECDHE"],
        );
        kept.expect(1, &["INFO ortc::srtp", ufrag, "SRTP is established"]);
        kept.expect(1, &["INFO ortc::connection", ufrag, ": connected"]);
    }
}

#[test]
fn drops_are_told_at_most_once_a_second() {
    let kept = Kept::new(Level::DEBUG);
    let mut world = World::connected(8, &Setup::default());
    let before = kept.lines().len();
    let (to, from) = (world.peers[A].addr, world.peers[B].addr);
    for _ in 0..1_000 {
        let now = world.now;
        let engine = &mut world.peers[A].engine;
        engine.handle_datagram(now, to, from, &mut [7; 50]);
    }
    world.run_for(secs(10));
    let lines = kept.lines().split_off(before);
    let told = lines
        .iter()
        .filter(|line| line.contains("unknown protocol"));
    let told = told.cloned().collect::<Vec<_>>();
    assert!(!told.is_empty() && told.len() <= 2, "{lines:#?}");
    assert!(told.last().unwrap().contains("total=1000"), "{told:#?}");
}

/// The peer is heard, so UDP gets through, whatever the servers do.
#[test]
fn who_hears_the_peer_is_not_blocked() {
    let mut world = World::new(9, &Setup::default());
    for side in [A, B] {
        world.peers[side].engine.note_server(false);
    }
    // One direction only.
    world.filter = Some(Box::new(|from, _, _| from == A));
    world.signal_all();
    let kept = fails(&mut world);
    let cause = "the peer's checks arrive, but none of ours is answered";
    kept.expect(1, &["WARN ortc::ice", "ICE failed", cause]);
    kept.expect(1, &["UDP seems to be blocked here"]);
}

#[test]
fn the_end_of_a_stream_is_in_the_log_of_its_connection() {
    let kept = Kept::new(Level::DEBUG);
    let mut world = World::connected(10, &Setup::default());
    let spec = spec("log".to_owned());
    let now = world.now;
    let key = world.peers[A].engine.create_channel(now, spec).unwrap();
    world.run_for(secs(2));
    let now = world.now;
    world.peers[A].engine.close_channel(now, key);
    world.run_for(secs(2));
    for ufrag in ["side0gen0", "side1gen0"] {
        for line in ["a stream is ended", "the peer ends a stream"] {
            kept.expect(1, &["DEBUG ortc::sctp", ufrag, line, "stream="]);
        }
    }
}
