//! From nothing to connected: loss, latency, roles, orders of signalling.

use std::time::Duration;

use bytes::Bytes;

use super::super::data::{DataEvent, MessageKind};
use super::super::ice::Role;
use super::channels::spec;
use super::harness::{A, B, Setup, Step, World, failures, ms, secs};
use crate::error::DisconnectReason;
use crate::simnet::Link;

fn connects(seed: u64, setup: &Setup, link: Link) -> bool {
    let mut world = World::new(seed, setup);
    world.net.set_default(link);
    world.signal_all();
    let connected = world.connect(secs(30));
    if !connected {
        println!("{}", world.describe());
    }
    connected
}

fn lossy(loss: f64) -> Link {
    Link {
        latency: ms(25),
        loss,
        ..Link::default()
    }
}

fn connects_at(loss: f64, allowed_failures: usize) {
    let failed = failures(0..200, |seed| {
        connects(seed, &Setup::default(), lossy(loss))
    });
    assert!(failed.len() <= allowed_failures, "{loss}: seeds {failed:?}");
}

#[test]
fn r_d3_connects_without_loss_and_at_5_and_10_percent() {
    connects_at(0.0, 0);
    connects_at(0.05, 0);
    connects_at(0.1, 0);
}

#[test]
fn r_d3_connects_at_20_and_30_percent_loss() {
    connects_at(0.2, 0);
    connects_at(0.3, 0);
}

/// The time until the first message of a channel that was made at once has come.
fn first_message(seed: u64) -> Option<Duration> {
    let mut world = World::new(seed, &Setup::default());
    world.net.set_default(lossy(0.2));
    let (from, to) = if seed.is_multiple_of(2) {
        (A, B)
    } else {
        (B, A)
    };
    let spec = spec("first".into());
    let now = world.now;
    let key = world.peers[from].engine.create_channel(now, spec).unwrap();
    world.signal_all();
    while world.elapsed() < secs(60) {
        world.run_for(ms(10));
        let now = world.now;
        let engine = &mut world.peers[from].engine;
        while let Some(event) = engine.poll_data_event() {
            if matches!(event, DataEvent::Open { .. }) {
                let first = Bytes::from_static(b"first");
                engine
                    .send_data(now, key, MessageKind::Text, first)
                    .unwrap();
            }
        }
        while let Some(event) = world.peers[to].engine.poll_data_event() {
            if let DataEvent::Message { data, .. } = event {
                assert_eq!(data, b"first"[..]);
                return Some(world.elapsed());
            }
        }
    }
    println!("seed {seed}: {}", world.describe());
    None
}

/// The whole stack: ICE, DTLS, SCTP, the channel's OPEN, its first message.
#[test]
fn r_d3_the_first_message_comes_through_20_percent_loss() {
    let full = std::env::var_os("ORTC_SOAK").is_some();
    let runs = if full { 1_000 } else { 40 };
    let mut times: Vec<_> = (0..runs).filter_map(first_message).collect();
    assert_eq!(times.len(), runs as usize);
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (median, p95, last) = (at(50), at(95), at(100));
    println!("{runs} of {runs}: median {median:?}, p95 {p95:?}, the slowest {last:?}");
    assert!(p95 <= secs(10), "{p95:?}");
}

#[test]
fn r_d1_connects_at_50_percent_loss() {
    connects_at(0.5, 2);
}

#[test]
fn r_d4_connects_at_high_latency() {
    let slow = Link {
        latency: ms(500),
        ..Link::default()
    };
    let far = Link {
        latency: ms(500),
        jitter: ms(50),
        loss: 0.02,
        ..Link::default()
    };
    for link in [slow, far] {
        let failed = failures(0..200, |seed| connects(seed, &Setup::default(), link));
        assert!(failed.is_empty(), "seeds {failed:?}");
    }
    // One direction slow, the other fast.
    let failed = failures(0..200, |seed| {
        let mut world = World::new(seed, &Setup::default());
        let [a, b] = [A, B].map(|side| world.peers[side].addr.ip());
        world.net.set_link(a, b, slow);
        world.signal_all();
        world.connect(secs(30))
    });
    assert!(failed.is_empty(), "seeds {failed:?}");
}

#[test]
fn r_d4_a_clean_set_up_takes_few_round_trips() {
    let mut world = World::new(1, &Setup::default());
    world.net.set_default(Link {
        latency: ms(50),
        ..Link::default()
    });
    world.signal_all();
    // Check, nomination, and three round trips of DTLS with its cookie.
    assert!(world.connect(ms(800)), "{}", world.describe());
    assert_eq!(world.peers[A].engine.counters(), Default::default());
}

#[test]
fn r_b13_any_pair_of_roles_connects() {
    let roles = [
        [Some(Role::Controlling); 2],
        [Some(Role::Controlled); 2],
        [None, None],
        [None, Some(Role::Controlled)],
        [Some(Role::Controlling), None],
        [Some(Role::Controlled), Some(Role::Controlling)],
    ];
    for roles in roles {
        let setup = Setup {
            roles,
            ..Setup::default()
        };
        let failed = failures(0..200, |seed| {
            let mut world = World::new(seed, &setup);
            world
                .net
                .set_default(lossy(if seed < 100 { 0.0 } else { 0.05 }));
            world.signal_all();
            let limit = if seed < 100 { secs(5) } else { secs(30) };
            world.connect(limit) && world.peers.iter().all(|p| p.disconnects().is_empty())
        });
        assert!(failed.is_empty(), "{roles:?}: seeds {failed:?}");
    }
}

/// Drops datagram `number` of `side`, counted over the whole set-up.
#[test]
fn r_d2_any_one_lost_datagram_is_made_good() {
    let failed = failures(0..40, |case| {
        let (side, number) = ((case % 2) as usize, case / 2 + 1);
        let mut world = World::new(case, &Setup::default());
        world.filter = Some(Box::new(move |from, n, _| (from, n) != (side, number)));
        world.signal_all();
        world.connect(secs(10))
    });
    assert!(failed.is_empty(), "cases {failed:?}");
}

#[test]
fn r_d2_any_two_lost_datagrams_are_made_good() {
    let failed = failures(0..400, |case| {
        let first = case % 20 + 1;
        let second = case / 20 + 1;
        let mut world = World::new(case, &Setup::default());
        world.filter = Some(Box::new(move |from, n, _| {
            n != if from == A { first } else { second }
        }));
        world.signal_all();
        world.connect(secs(10))
    });
    assert!(failed.is_empty(), "cases {failed:?}");
}

/// Orders are drawn; only that fingerprints come before `connect` is a rule (conformance row G18).
#[test]
fn r_d15_any_order_of_signalling_connects() {
    let failed = failures(0..200, |seed| {
        let mut world = World::new(seed, &Setup::default());
        let mut steps: Vec<(usize, Step)> = [A, B]
            .into_iter()
            .flat_map(|side| Step::ALL.map(|step| (side, step)))
            // Everything is repeated now and then.
            .chain([(A, Step::Candidate), (B, Step::Candidate)])
            .chain([(A, Step::Credentials), (B, Step::Local)])
            .collect();
        for i in (1..steps.len()).rev() {
            steps.swap(i, world.rng.below(i as u64 + 1) as usize);
        }
        for side in [A, B] {
            let at = |step| steps.iter().position(|s| *s == (side, step)).unwrap();
            let (fingerprints, connect) = (at(Step::Fingerprints), at(Step::Connect));
            if connect < fingerprints {
                steps.swap(connect, fingerprints);
            }
        }
        let pause = ms(world.rng.below(500));
        for (side, step) in &steps {
            world.signal(*side, *step);
            world.run_for(pause);
        }
        let connected = world.connect(secs(10));
        if !connected {
            println!("{steps:?} {}", world.describe());
        }
        connected && world.peers.iter().all(|p| p.disconnects().is_empty())
    });
    assert!(failed.is_empty(), "seeds {failed:?}");
}

#[test]
fn r_d15_candidates_of_one_side_are_enough() {
    for side in [A, B] {
        let mut world = World::new(1, &Setup::default());
        world.signal_but(&[(side, Step::Candidate), (side, Step::End)]);
        assert!(world.connect(secs(5)), "{}", world.describe());
    }
}

#[test]
fn r_d15_candidates_20_s_late_connect() {
    for sides in [vec![A], vec![B], vec![A, B]] {
        let mut world = World::new(1, &Setup::default());
        let late: Vec<_> = [A, B]
            .into_iter()
            .flat_map(|side| [(side, Step::Candidate), (side, Step::End)])
            .collect();
        world.signal_but(&late);
        world.run_for(secs(20));
        assert!(world.peers.iter().all(|p| p.disconnects().is_empty()));
        for side in sides {
            world.signal(side, Step::Candidate);
        }
        assert!(world.connect(secs(5)), "{}", world.describe());
    }
}

#[test]
fn r_d15_nothing_fails_before_39_5_s() {
    let mut world = World::new(1, &Setup::default());
    world.filter = Some(Box::new(|_, _, _| false));
    world.signal_all();
    world.run_for(ms(39_400));
    assert!(world.peers.iter().all(|p| p.disconnects().is_empty()));
    world.run_for(secs(5));
    for peer in &world.peers {
        assert_eq!(peer.disconnects().len(), 1, "{}", world.describe());
        assert_eq!(peer.engine.lost(), Some(DisconnectReason::IceFailed));
    }
    // A search that was begun again, and its failure, too, is told.
    world.restart(1);
    assert_eq!(world.peers[B].engine.lost(), None);
    world.run_for(secs(45));
    for peer in &world.peers {
        assert_eq!(peer.disconnects().len(), 2, "{}", world.describe());
    }
    // The way opens: a restart finds it.
    world.filter = None;
    world.restart(2);
    assert!(world.connect(secs(5)), "{}", world.describe());
}
