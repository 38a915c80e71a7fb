//! What one track, source or packet costs among many.

use std::time::Duration;

use super::super::media::ReceiverSpec;
use super::harness::{A, B, Setup, World, outgoing, receiver_spec, secs};
use crate::cost::{assert_alike, least};

/// Two engines with so many tracks that A sends and B receives, and 500 sources that B does not
/// know.
fn world(tracks: u32) -> World {
    let mut world = World::connected(1, &Setup::default());
    for ssrc in 10_000..10_500 {
        world.add_sender(A, ssrc);
        world.send(A, ssrc, 1, 0);
    }
    world.run_for(secs(1));
    for ssrc in 10_000..10_500 {
        let now = world.now;
        world.peers[A].engine.remove_sender(now, ssrc);
    }
    for ssrc in 1..=tracks {
        world.add_sender(A, ssrc);
        let now = world.now;
        world.peers[B]
            .engine
            .add_receiver(now, labelled(ssrc))
            .unwrap();
    }
    world
}

fn labelled(ssrc: u32) -> ReceiverSpec {
    let mut spec = receiver_spec(&[ssrc]);
    spec.declaration.mid = Some(format!("m{ssrc}"));
    spec
}

/// The same in both worlds.
fn compare(what: &str, worlds: &mut [World; 2], mut work: impl FnMut(&mut World, u32)) {
    let counts = [100, 900];
    let mut each = counts.into_iter().zip(worlds);
    let mut cost = || -> Duration {
        let (count, world) = each.next().unwrap();
        least(|| work(world, count))
    };
    let (few, many) = (cost(), cost());
    assert_alike(what, few, many);
}

#[test]
fn the_cost_of_a_track_does_not_grow_with_their_number() {
    let mut worlds = [world(100), world(900)];
    compare("declaring by SSRC", &mut worlds, |world, _| {
        let now = world.now;
        let engine = &mut world.peers[B].engine;
        for ssrc in 2_000..2_010 {
            let id = engine.add_receiver(now, receiver_spec(&[ssrc])).unwrap();
            engine.media_mut().remove_receiver(now, id);
        }
    });
    compare("declaring by MID", &mut worlds, |world, _| {
        let now = world.now;
        let engine = &mut world.peers[B].engine;
        let mut spec = labelled(3_000);
        spec.declaration.ssrcs.clear();
        // That of none that waits.
        spec.declaration.payload_types = vec![127];
        let id = engine.add_receiver(now, spec).unwrap();
        engine.media_mut().remove_receiver(now, id);
    });
    let mut number = 0;
    compare("sending", &mut worlds, |world, last| {
        let now = world.now;
        let engine = &mut world.peers[A].engine;
        for _ in 0..50 {
            number += 1;
            engine.send_rtp(now, last, &outgoing(number, 0)).unwrap();
            engine.poll_timeout();
            while engine.poll_transmit().is_some() {}
        }
    });
    compare("adding a sender", &mut worlds, |world, _| {
        let now = world.now;
        for ssrc in 4_000..4_010 {
            world.add_sender(A, ssrc);
            world.peers[A].engine.remove_sender(now, ssrc);
        }
    });
}

/// All sources that fall silent at once are one piece of work.
#[test]
fn the_end_of_a_source_costs_the_same_among_many() {
    let mut worlds = [world(100), world(900)];
    for (world, tracks) in worlds.iter_mut().zip([100, 900]) {
        for ssrc in 1..=tracks {
            world.send(A, ssrc, 1, 0);
        }
        world.run_for(secs(1));
    }
    let mut gone = 0;
    compare("BYE", &mut worlds, |world, last| {
        for _ in 0..10 {
            gone += 1;
            let engine = &mut world.peers[B].engine;
            engine
                .media
                .source_lost(last - gone % 50, &mut engine.events);
        }
    });
}
