//! Whatever happens, the events tell a story that can be true.

use std::collections::HashMap;

use super::super::ice::{IceState, Role};
use super::super::{EngineEvent, EngineState, Identity, SecureState};
use super::harness::{A, B, Peer, Setup, Step, World, credentials, failures, ms, secs};
use crate::error::DisconnectReason;
use crate::rtp::ReceiverId;
use crate::simnet::usage::full_size;
use crate::simnet::{Link, Rng};

/// What is wrong with a side's events; nothing if they are in order.
fn fault(peer: &Peer) -> Option<String> {
    let mut state = EngineState::New;
    let mut ice = IceState::New;
    let mut secure = SecureState::New;
    let mut receivers: HashMap<ReceiverId, bool> = HashMap::new();
    let mut over = false;
    let mut announced = true;
    // Each search that ends in vain is told, also one that begins while the state is Halted.
    let mut searches = false;
    for (_, event) in &peer.events {
        if over {
            return Some(format!("after the end: {event:?}"));
        }
        // Each of these states is followed by the event that explains it.
        if !announced && !matches!(event, EngineEvent::Connected | EngineEvent::Disconnected(_)) {
            return Some(format!("{state:?} was not explained before {event:?}"));
        }
        match event {
            EngineEvent::State(new) => {
                use EngineState::{Closed, Connected, Halted, New, Searching};
                let legal = matches!(
                    (state, *new),
                    (New, Searching)
                        | (Searching | Halted, Connected)
                        | (Searching | Connected, Halted)
                        | (New | Searching | Connected | Halted, Closed)
                );
                if !legal {
                    return Some(format!("{state:?} to {new:?}"));
                }
                state = *new;
                announced = state == EngineState::Searching;
            }
            EngineEvent::Ice(new) => {
                use IceState::{Checking, Closed, Connected, Disconnected, Failed, New};
                let legal = matches!(
                    (ice, *new),
                    (New, Checking)
                        | (Checking | Disconnected, Connected)
                        | (Checking | Disconnected | Connected, Failed)
                        | (Connected, Disconnected)
                        | (Connected | Disconnected | Failed, Checking)
                        | (_, Closed)
                ) && ice != *new;
                if !legal {
                    return Some(format!("ICE {ice:?} to {new:?}"));
                }
                ice = *new;
                searches |= ice == Checking;
            }
            EngineEvent::Secure(new) => {
                use SecureState::{Closed, Connected, Connecting, Failed, New};
                let legal = matches!(
                    (secure, *new),
                    (New, Connecting)
                        | (Connecting, Connected)
                        | (New | Connecting | Connected, Failed)
                        | (Connecting | Connected, Closed)
                );
                if !legal {
                    return Some(format!("DTLS {secure:?} to {new:?}"));
                }
                secure = *new;
            }
            EngineEvent::Connected => {
                let secured = secure == SecureState::Connected;
                if announced || state != EngineState::Connected || !secured {
                    return Some("Connected out of place".to_owned());
                }
                announced = true;
            }
            EngineEvent::Disconnected(reason) => {
                let expected = if reason.is_transient() {
                    EngineState::Halted
                } else {
                    EngineState::Closed
                };
                let again = searches && state == EngineState::Halted;
                if (announced && !again) || state != expected {
                    return Some(format!("Disconnected({reason:?}) out of place"));
                }
                (announced, searches) = (true, false);
                over = !reason.is_transient();
            }
            EngineEvent::ReceiverConnected(id) => {
                if receivers.insert(*id, true) == Some(true) {
                    return Some(format!("{id:?} connected twice"));
                }
            }
            EngineEvent::ReceiverDisconnected(id) => {
                if receivers.insert(*id, false) != Some(true) {
                    return Some(format!("{id:?} disconnected twice"));
                }
            }
            EngineEvent::DtlsFailure(_) => {
                if matches!(secure, SecureState::Failed | SecureState::Closed) {
                    return Some("DtlsFailure out of place".to_owned());
                }
            }
            EngineEvent::PeerCertificate => {
                if secure != SecureState::Connected {
                    return Some("PeerCertificate out of place".to_owned());
                }
            }
            EngineEvent::ActivePair { .. }
            | EngineEvent::KeyframeRequested { .. }
            | EngineEvent::PathStrained
            | EngineEvent::SsrcConflict { .. } => {}
        }
    }
    if !announced {
        return Some(format!("{state:?} was never explained"));
    }
    let same = state == peer.engine.state()
        && ice == peer.engine.ice().state()
        && secure == peer.engine.secure().state();
    (!same).then(|| "the events and the states differ".to_owned())
}

fn random_setup(rng: &mut Rng) -> Setup {
    let mut setup = Setup::default();
    for side in [A, B] {
        setup.roles[side] = match rng.below(4) {
            0 => None,
            1 => Some(Role::Controlled),
            2 => Some(Role::Controlling),
            _ => setup.roles[side],
        };
        if rng.chance(0.2) {
            setup.identities[side] = Identity::Deferred;
        }
    }
    setup
}

fn random_link(rng: &mut Rng) -> Link {
    Link {
        latency: ms(rng.below(200)),
        jitter: ms(rng.below(50)),
        loss: [0.0, 0.02, 0.1, 0.4][rng.below(4) as usize],
        reorder: 0.05,
        duplicate: 0.02,
        corrupt: 0.01,
        ..Link::default()
    }
}

/// Something an application or a network does.
fn random_event(world: &mut World, rng: &mut Rng, generation: &mut u32) {
    let now = world.now;
    let side = rng.below(2) as usize;
    match rng.below(14) {
        0 | 1 => {
            let length = ms(rng.below(40_000));
            world.net.blackout(now, now + length);
        }
        2 => {
            *generation += 1;
            world.restart(*generation);
        }
        // Only one side restarts: the other hears of it late, or never.
        3 => {
            *generation += 1;
            let local = credentials(side, *generation);
            world.peers[side].engine.restart(now, local);
        }
        4 => {
            let engine = &mut world.peers[side].engine;
            engine.close(now, DisconnectReason::Closed);
        }
        5 | 6 => {
            for side in [A, B] {
                world.peers[side].engine.accept_peer(now);
            }
        }
        7 => {
            world.peers[side].pump = None;
            let ssrc = [100, 200][side];
            world.peers[side].engine.remove_sender(now, ssrc);
        }
        8 => world.net.set_default(random_link(rng)),
        9 => world.signal(side, Step::Candidate),
        10 => {
            for step in Step::ALL {
                world.signal(side, step);
            }
        }
        _ => {}
    }
}

fn random_session(seed: u64) -> bool {
    let mut rng = Rng::new(seed.wrapping_mul(0x9e37_79b9) + 7);
    let setup = random_setup(&mut rng);
    let mut world = World::new(seed, &setup);
    world.net.set_default(random_link(&mut rng));
    if rng.chance(0.1) {
        // Signalling gave one side another fingerprint, and it stays so.
        let side = rng.below(2) as usize;
        world.signal_but(&[(side, Step::Fingerprints)]);
    } else {
        world.signal_all();
    }
    if rng.chance(0.3) {
        world.start_media();
        for pump in world.peers.iter_mut().filter_map(|p| p.pump.as_mut()) {
            pump.every = ms(200);
        }
    }
    let mut generation = 0;
    for _ in 0..rng.below(8) + 1 {
        random_event(&mut world, &mut rng, &mut generation);
        let pause = ms(rng.below(20_000));
        world.run_for(pause);
    }
    world.run_for(secs(5));
    let faults: Vec<_> = world.peers.iter().filter_map(fault).collect();
    let many = world.peers.iter().map(|p| p.events.len()).max().unwrap();
    if !faults.is_empty() || many > 60 {
        println!("{faults:?} {many} {}", world.describe());
        return false;
    }
    true
}

#[test]
fn g014_r_g07_the_events_of_1_000_random_sessions_are_in_order() {
    let failed = failures(0..if full_size() { 1_000 } else { 200 }, random_session);
    assert!(failed.is_empty(), "seeds {failed:?}");
}

/// A path that comes and goes does not flood the application.
#[test]
fn r_g07_a_flapping_path_makes_few_events() {
    for seed in 0..if full_size() { 10 } else { 2 } {
        let mut world = World::connected(seed, &Setup::default());
        world.start_media();
        let before = world.peers[A].events.len();
        for _ in 0..30 {
            let until = world.now + secs(2);
            world.net.blackout(world.now, until);
            world.run_for(secs(4));
        }
        let events = world.peers[A].events.len() - before;
        assert!(events < 10, "{}", world.describe());
        assert!(world.both_connected_now());
    }
}
