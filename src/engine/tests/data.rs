//! Data channels between two engines: how great their datagrams are.

use std::time::Duration;

use bytes::Bytes;

use super::super::data::{ChannelKey, DataEvent, MessageKind, SendData};
use super::channels::made_by_both;
use super::harness::{A, B, Setup, World, ms, secs};
use crate::simnet::Link;

/// The most of IPv4 that carries 1,200 bytes.
const NARROW: usize = 1_228;
const MESSAGE: usize = 16_384;

struct Bulk {
    keys: [ChannelKey; 2],
    sent: u32,
    got: u32,
}

fn link(mtu: usize) -> Link {
    Link {
        latency: ms(10),
        rate_bps: Some(10_000_000),
        queue_bytes: 4 << 20,
        mtu: Some(mtu),
        ..Link::default()
    }
}

fn connected(mtu: usize) -> (World, Bulk) {
    let mut world = World::connected(1, &Setup::default());
    world.net.set_default(link(mtu));
    let keys = made_by_both(&mut world);
    world.run_for(secs(1));
    let bulk = Bulk {
        keys,
        sent: 0,
        got: 0,
    };
    (world, bulk)
}

impl Bulk {
    fn read(&mut self, world: &mut World) {
        for side in [A, B] {
            let engine = &mut world.peers[side].engine;
            while let Some(event) = engine.poll_data_event() {
                if let DataEvent::Message { data, .. } = event {
                    assert_eq!(data[..4], self.got.to_be_bytes());
                    assert_eq!(data.len(), MESSAGE);
                    engine.unread().read(data.len());
                    self.got += 1;
                }
            }
        }
    }

    /// A sends as much as there is room for.
    fn run(&mut self, world: &mut World, time: Duration) {
        let until = world.now + time;
        while world.now < until {
            loop {
                let mut data = vec![0; MESSAGE];
                data[..4].copy_from_slice(&self.sent.to_be_bytes());
                let (now, key) = (world.now, self.keys[A]);
                let engine = &mut world.peers[A].engine;
                let sent = engine.send_data(now, key, MessageKind::Binary, Bytes::from(data));
                if sent.unwrap() == SendData::Full {
                    break;
                }
                self.sent += 1;
            }
            world.run_for(ms(10));
            self.read(world);
        }
    }

    /// All of it comes.
    fn finish(&mut self, world: &mut World) {
        for _ in 0..60 {
            world.run_for(secs(1));
            self.read(world);
        }
        assert_eq!(self.got, self.sent, "{}", world.describe());
    }
}

fn largest(world: &World) -> usize {
    world.peers[A].engine.largest_data_datagram().unwrap()
}

/// D11 with data: beyond 1,200 bytes is what tries the path, and what the path has carried.
#[test]
fn r_d11_data_makes_no_greater_datagrams_than_the_path_has_carried() {
    for (mtu, most) in [(NARROW, 1_200), (1_450, 1_392), (1_500, 1_472)] {
        let (mut world, mut bulk) = connected(mtu);
        world.net.start_capture();
        bulk.run(&mut world, secs(5));
        bulk.finish(&mut world);
        // Up to three bytes are left of the last word.
        assert!((most - 3..=most).contains(&largest(&world)), "{mtu}");
        let captured = world.net.captured();
        let greater = captured.iter().filter(|p| p.len > most).count();
        assert!(greater <= 3, "{mtu}: {greater}");
        assert_eq!(world.net.counters().too_big, greater as u64);
        let grown = captured.iter().filter(|p| p.len > 1_200).count();
        assert_eq!(grown > 100, most > 1_200, "{mtu}: {grown}");
        assert!(bulk.sent > 300, "{}", bulk.sent);
    }
}

/// D11: a path that becomes narrower without a word, and another path after a restart.
#[test]
fn r_d11_narrower_paths_are_noticed_and_new_ones_not_trusted() {
    let (mut world, mut bulk) = connected(1_500);
    bulk.run(&mut world, secs(3));
    assert!(largest(&world) > 1_460);
    world.net.set_default(link(NARROW));
    let before = bulk.got;
    bulk.run(&mut world, secs(3));
    assert!(bulk.got > before + 50, "{before} {}", bulk.got);
    assert!(largest(&world) <= 1_200);
    bulk.finish(&mut world);

    world.net.set_default(link(1_500));
    bulk.run(&mut world, secs(20));
    let selections = world.peers[A].engine.traffic().selections;
    assert!(largest(&world) <= 1_200, "the path has failed before");
    world.restart(1);
    let again = |world: &World| world.peers[A].engine.traffic().selections > selections;
    assert!(world.run_until(secs(5), again));
    bulk.run(&mut world, secs(3));
    assert!(largest(&world) > 1_460, "another path may be wider");
    bulk.finish(&mut world);
}
