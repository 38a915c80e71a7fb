//! Many data channels that come and go between two engines.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::super::data::{ChannelKey, ChannelSpec, DataEvent, MessageKind};
use super::super::sctp::Reliability;
use super::harness::{A, B, Setup, World, ms};
use crate::simnet::Link;

/// Opened by each side in each round of 100 ms.
const AT_ONCE: usize = 50;

pub(super) fn spec(label: String) -> ChannelSpec {
    ChannelSpec {
        label,
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        priority: 256,
        negotiated: None,
    }
}

/// The same, made at both ends under a number.
pub(super) fn negotiated(id: u16) -> ChannelSpec {
    ChannelSpec {
        negotiated: Some(id),
        ..spec(String::new())
    }
}

/// The ends of a reliable channel that both made.
pub(super) fn made_by_both(world: &mut World) -> [ChannelKey; 2] {
    let now = world.now;
    [A, B].map(|side| {
        let engine = &mut world.peers[side].engine;
        engine.create_channel(now, negotiated(0)).unwrap()
    })
}

/// The resident memory of the process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = pages.split_whitespace().nth(1).unwrap();
    pages.parse::<usize>().unwrap() * 4_096
}

#[derive(Default)]
struct Side {
    /// Labels of channels that are open here.
    labels: BTreeMap<ChannelKey, String>,
    closed: usize,
    messages: usize,
    highest: u16,
}

/// What has happened: each message is of the channel that it says.
fn read(world: &mut World, sides: &mut [Side; 2]) {
    for at in [A, B] {
        let (engine, side) = (&mut world.peers[at].engine, &mut sides[at]);
        while let Some(event) = engine.poll_data_event() {
            match event {
                DataEvent::Incoming { key, id, spec } => {
                    side.highest = side.highest.max(id);
                    side.labels.insert(key, spec.label.clone());
                }
                DataEvent::Open { id, .. } => side.highest = side.highest.max(id),
                DataEvent::Message { key, data, .. } => {
                    assert_eq!(data, side.labels[&key].as_bytes());
                    engine.unread().read(data.len());
                    side.messages += 1;
                }
                DataEvent::Closed { key, .. } => {
                    side.labels.remove(&key);
                    side.closed += 1;
                }
                _ => {}
            }
        }
    }
}

/// A thousand channels a second; half are closed by who opened them, half by the other, and some by
/// both at once. In full, for a minute, with `ORTC_SOAK`.
#[test]
fn r_c18_channels_come_and_go_a_thousand_a_second() {
    let soak = std::env::var_os("ORTC_SOAK").is_some();
    let rounds = if soak { 600 } else { 15 };
    let mut world = World::connected(1, &Setup::default());
    world.net.set_default(Link {
        latency: ms(5),
        ..Link::default()
    });
    let mut sides = [Side::default(), Side::default()];
    let mut before = 0;
    for round in 0..rounds {
        let now = world.now;
        let mut opened = [Vec::new(), Vec::new()];
        for at in [A, B] {
            for n in 0..AT_ONCE {
                let label = format!("{at}/{round}/{n}");
                let engine = &mut world.peers[at].engine;
                let key = engine.create_channel(now, spec(label.clone())).unwrap();
                sides[at].labels.insert(key, label);
                opened[at].push(key);
            }
        }
        // The first round makes the association, too.
        world.run_for(if round == 0 { ms(500) } else { ms(20) });
        read(&mut world, &mut sides);
        let now = world.now;
        for at in [A, B] {
            let engine = &mut world.peers[at].engine;
            for (key, label) in &sides[at].labels {
                let data = Bytes::from(label.clone());
                engine
                    .send_data(now, *key, MessageKind::Binary, data)
                    .unwrap();
            }
        }
        world.run_for(ms(20));
        read(&mut world, &mut sides);
        let now = world.now;
        for at in [A, B] {
            let engine = &mut world.peers[at].engine;
            let all = sides[at].labels.keys().copied().enumerate();
            let (mine, both) = (opened[at].clone(), 7);
            for (n, key) in all.collect::<Vec<_>>() {
                if mine.contains(&key) == (n % 2 == 0) || n % both == 0 {
                    engine.close_channel(now, key);
                }
            }
        }
        let over = |world: &World| {
            [A, B].iter().all(|at| {
                let engine = &world.peers[*at].engine;
                engine.data.is_over()
            })
        };
        world.run_until(ms(60), over);
        read(&mut world, &mut sides);
        // What only one side was to close may need a second pass.
        let now = world.now;
        for at in [A, B] {
            for key in sides[at].labels.keys().copied().collect::<Vec<_>>() {
                world.peers[at].engine.close_channel(now, key);
            }
        }
        assert!(
            world.run_until(Duration::from_secs(2), over),
            "round {round}"
        );
        read(&mut world, &mut sides);
        if round == 10 {
            before = resident();
        }
    }
    for side in &sides {
        assert_eq!(side.closed, rounds * AT_ONCE * 2);
        assert_eq!(side.messages, rounds * AT_ONCE * 2);
        assert!(side.labels.is_empty());
        // Ids are used again.
        assert!(side.highest < 4 * AT_ONCE as u16, "{}", side.highest);
    }
    let grown = resident().saturating_sub(before);
    println!("{} channels; {grown} bytes more", rounds * AT_ONCE * 2);
    // Other tests run beside this one otherwise.
    assert!(!soak || grown <= 5 << 20, "{grown}");
}
