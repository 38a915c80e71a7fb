//! Data channels across a translator that forgets, and from one address to another.

use std::time::Duration;

use bytes::Bytes;

use super::super::data::{ChannelKey, DataEvent, MessageKind};
use super::super::ice::{Candidate, CandidateKind, Role};
use super::channels::made_by_both;
use super::harness::{A, B, Setup, Step, World, failures, host, ms, secs};
use crate::simnet::{Link, NatKind};

const PUBLIC: &str = "192.0.2.1";

const MESSAGE: &[u8] = b"hello";

struct Both {
    keys: [ChannelKey; 2],
}

fn connected(seed: u64, roles: [Role; 2], loss: f64) -> (World, Both) {
    let mut setup = Setup {
        roles: roles.map(Some),
        ..Setup::default()
    };
    setup.addrs[A] = "192.168.0.2:5000".parse().unwrap();
    setup.addrs[B] = "192.0.2.2:5000".parse().unwrap();
    let mut world = World::new(seed, &setup);
    world.net.set_default(Link {
        latency: ms(20),
        loss,
        ..Link::default()
    });
    let inside = world.peers[A].addr.ip();
    world
        .net
        .add_nat(NatKind::PortRestricted, inside, PUBLIC.parse().unwrap());
    let both = Both::new(&mut world);
    world.signal_all();
    assert!(world.connect(secs(10)));
    world.run_for(secs(1));
    (world, both)
}

impl Both {
    fn new(world: &mut World) -> Self {
        let keys = made_by_both(world);
        Self { keys }
    }

    /// A message each way every 20 ms; when each side had one.
    fn talk(&self, world: &mut World, time: Duration) -> [Option<Duration>; 2] {
        let begin = world.now;
        let mut first = [None; 2];
        while world.now < begin + time {
            for side in [A, B] {
                let now = world.now;
                let engine = &mut world.peers[side].engine;
                let data = Bytes::from_static(MESSAGE);
                engine
                    .send_data(now, self.keys[side], MessageKind::Binary, data)
                    .unwrap();
            }
            for _ in 0..20 {
                world.run_for(ms(1));
                for side in [A, B] {
                    let engine = &mut world.peers[side].engine;
                    while let Some(event) = engine.poll_data_event() {
                        if let DataEvent::Message { .. } = event {
                            engine.unread().read(MESSAGE.len());
                            first[side].get_or_insert(world.now - begin);
                        }
                    }
                }
            }
        }
        first
    }
}

/// What each side waits for after the translator has forgotten it, in a call that goes on: at most
/// 1.2 s on a clean path, and 5 s with 5 % of loss, wherever the controlling side is.
#[test]
fn r_f9_data_go_on_soon_after_a_rebinding() {
    for (loss, limit) in [(0.0, ms(1_200)), (0.05, secs(5))] {
        for roles in [
            [Role::Controlling, Role::Controlled],
            [Role::Controlled, Role::Controlling],
        ] {
            let failed = failures(0..8, |seed| {
                let (mut world, both) = connected(seed, roles, loss);
                both.talk(&mut world, ms(2_000 + seed * 333));
                (0..3).all(|_| {
                    world.net.reset_nat(PUBLIC.parse().unwrap());
                    // What was on its way still comes.
                    both.talk(&mut world, ms(60));
                    let first = both.talk(&mut world, secs(6));
                    let late = |t: &Option<Duration>| t.is_none_or(|t| t > limit);
                    let lost = world.peers.iter().any(|p| !p.disconnects().is_empty());
                    if first.iter().any(late) || lost {
                        println!("{roles:?}, loss {loss}, {first:?}: {}", world.describe());
                        return false;
                    }
                    true
                })
            });
            assert!(
                failed.is_empty(),
                "{roles:?}, loss {loss}: seeds {failed:?}"
            );
        }
    }
}

/// The side whose address is another one now may be the only one that sees it: what it sends comes
/// to the other at once, by a pair that both have checked, and what that sends goes nowhere.
#[test]
fn r_d13_who_hears_the_peer_by_another_pair_alone_leaves_its_own() {
    for roles in [
        [Role::Controlling, Role::Controlled],
        [Role::Controlled, Role::Controlling],
    ] {
        let failed = failures(0..20, |seed| {
            let setup = Setup {
                roles: roles.map(Some),
                ..Setup::default()
            };
            let mut world = World::new(seed, &setup);
            let both = Both::new(&mut world);
            // The one that stays is worse, and known before the other.
            let addr = "10.0.0.3:1000".parse().unwrap();
            world.peers[A].other_addr = Some(addr);
            let stays = Candidate {
                priority: Candidate::compute_priority(CandidateKind::Relay, 1),
                kind: CandidateKind::Relay,
                ..host(addr)
            };
            let now = world.now;
            let [a, b] = &mut world.peers;
            a.engine.add_local_candidate(now, stays.clone());
            b.engine.add_remote_candidate(now, stays);
            world.signal_but(&[(A, Step::Local), (B, Step::Candidate)]);
            assert!(world.connect(secs(10)));
            world.signal(A, Step::Local);
            world.signal(B, Step::Candidate);
            world.run_for(secs(3));
            both.talk(&mut world, ms(2_000 + seed * 133));
            let now = world.now;
            let goes = world.peers[A].addr;
            let theirs = world.peers[B].addr.ip();
            for (from, to) in [(goes.ip(), theirs), (theirs, goes.ip())] {
                world.net.blackout_link(from, to, now, now + secs(100));
            }
            world.peers[A].engine.withdraw_local_base(now, goes);
            both.talk(&mut world, ms(60));
            let first = both.talk(&mut world, secs(12));
            let late = |t: &Option<Duration>| t.is_none_or(|t| t > ms(1_500));
            if first.iter().any(late) {
                println!("{roles:?}, {first:?}: {}", world.describe());
            }
            !first.iter().any(late)
        });
        assert!(failed.is_empty(), "{roles:?}: seeds {failed:?}");
    }
}
