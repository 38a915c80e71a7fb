//! One who sends, a forwarder, and several who watch: loss on the way here costs none of them
//! anything, and loss on the way to one none of the others.

use std::collections::BTreeSet;

use super::super::OutgoingRtp;
use super::harness::{A, B, Pump, World, ms, outgoing};
use super::repair::{MEDIA, RTX, lose, video};
use crate::media::forward::Rewriter;
use crate::simnet::{Link, Rng};

/// Watchers that have nothing to suffer from, one on a lossy path, and one whose path is dead for
/// five seconds.
const GOOD: usize = 3;
const LOSSY: usize = GOOD;
const STALLED: usize = GOOD + 1;

struct Watcher {
    world: World,
    line: Rewriter,
    /// Numbers that went out to it.
    sent: BTreeSet<u16>,
}

impl Watcher {
    fn new(seed: u64, index: usize) -> Self {
        let link = Link {
            latency: ms(20),
            ..Link::default()
        };
        let (mut world, _) = video(seed * 100 + index as u64, true, link);
        world.peers[A].pump = None;
        Self {
            world,
            line: Rewriter::new(65_300, 77),
            sent: BTreeSet::new(),
        }
    }

    fn forward(&mut self, number: u16, timestamp: u32, joins: bool) {
        let now = self.world.now;
        if joins {
            self.line.join(now, (number, timestamp), 90_000, None, 1);
        }
        let place = self.line.place(now, number, timestamp).unwrap();
        let packet = OutgoingRtp {
            timestamp: place.timestamp,
            ..outgoing(place.sequence_number, 0)
        };
        let engine = &mut self.world.peers[A].engine;
        engine.send_rtp(now, MEDIA, &packet).unwrap();
        assert!(self.sent.insert(place.sequence_number));
    }

    /// The part that never came, of 1,000.
    fn missing(&self) -> f64 {
        let packets = self.world.peers[B].packets.iter();
        let got: BTreeSet<u16> = packets.map(|(.., p)| p.sequence_number).collect();
        let missing = self.sent.difference(&got).count();
        missing as f64 * 1_000.0 / self.sent.len() as f64
    }
}

#[test]
fn r_c03_loss_is_mended_once_upstream_and_for_each_watcher_by_itself() {
    let seeds = if std::env::var_os("ORTC_SOAK").is_some() {
        20
    } else {
        1
    };
    for seed in 0..seeds {
        let link = Link {
            latency: ms(20),
            ..Link::default()
        };
        let (mut source, _) = video(seed, true, link);
        let lost = lose(&mut source, 0.03);
        let mut watchers: Vec<_> = (0..GOOD + 2).map(|n| Watcher::new(seed, n)).collect();
        let mut rng = Rng::new(seed);
        watchers[LOSSY].world.filter = Some(Box::new(move |_, _, _| !rng.percent(10)));
        let (mut first, mut forwarded) = (true, 0u64);
        for step in 0..15_000u32 {
            match step {
                4_000 => watchers[STALLED].world.filter = Some(Box::new(|_, _, _| false)),
                9_000 => watchers[STALLED].world.filter = None,
                // What is under way arrives.
                13_000 => source.peers[A].pump = None::<Pump>,
                _ => {}
            }
            source.run_for(ms(1));
            for (_, _, packet) in std::mem::take(&mut source.peers[B].packets) {
                forwarded += 1;
                for watcher in &mut watchers {
                    watcher.forward(packet.sequence_number, packet.timestamp, first);
                }
                first = false;
            }
            for watcher in &mut watchers {
                watcher.world.run_for(ms(1));
            }
        }
        assert!(forwarded > 3_200, "{forwarded}");
        let lost = lost.borrow().len() as u64;
        let asked = source.peers[A].engine.rtp().outbound_stats(MEDIA).unwrap();
        assert!(asked.nacked * 10 <= lost * 12, "{} of {lost}", asked.nacked);
        for watcher in &watchers[..GOOD] {
            assert!(watcher.missing() <= 1.0, "{}", watcher.missing());
            // What the forwarder had not yet itself was asked for in vain, and came all the same.
            let again = watcher.world.peers[A].engine.rtp().outbound_stats(RTX);
            let again = again.unwrap().packets_sent;
            assert!(again <= lost / 4, "{again} of {lost}");
        }
        assert!(
            watchers[LOSSY].missing() <= 5.0,
            "{}",
            watchers[LOSSY].missing()
        );
        // The dead path took what it took, and no more.
        let stalled = watchers[STALLED].missing();
        assert!((330.0..=450.0).contains(&stalled), "{stalled}");
        let seen = |n: usize| watchers[n].world.peers[B].packets.len();
        let first = seen(0);
        assert!((1..GOOD).all(|n| seen(n).abs_diff(first) <= 2));
    }
}
