//! Calls that go on for a long time, on the virtual clock.

use std::time::Duration;

use bytes::Bytes;

use super::super::EngineState;
use super::super::data::{ChannelKey, DataEvent, MessageKind, SendData};
use super::channels::made_by_both;
use super::harness::{A, B, Setup, World, ms, secs};
use crate::simnet::usage::{full_size, rss_kib};
use crate::simnet::{Link, Rng};

const TICK: Duration = Duration::from_millis(10);
const BLACKOUT: Duration = Duration::from_secs(5);
/// After a blackout its effects may still be seen for so long.
const AFTERMATH: Duration = Duration::from_secs(10);

struct Size {
    calls: u64,
    time: Duration,
    blackout_every: Duration,
}

impl Size {
    fn asked() -> Self {
        if full_size() {
            Self {
                calls: 20,
                time: secs(60 * 60),
                blackout_every: secs(10 * 60),
            }
        } else {
            Self {
                calls: 2,
                time: secs(120),
                blackout_every: secs(50),
            }
        }
    }
}

/// A reliable channel, open at both ends.
pub(super) fn channels(world: &mut World) -> [ChannelKey; 2] {
    let keys = made_by_both(world);
    world.run_for(secs(1));
    keys
}

/// One pair: audio at 50 packets and ten reliable messages a second, each way.
struct Call {
    world: World,
    keys: [ChannelKey; 2],
    sent: [u32; 2],
    got: [u32; 2],
    audio: [usize; 2],
    blackouts: Vec<Duration>,
    /// How long messages took, in microseconds: of the first third of the time, and of the last.
    delays: [Vec<u32>; 2],
    third: Duration,
}

impl Call {
    fn new(seed: u64, size: &Size) -> Self {
        let mut world = World::connected(seed, &Setup::default());
        let keys = channels(&mut world);
        world.net.set_default(Link {
            latency: ms(20),
            loss: 0.01,
            ..Link::default()
        });
        world.start_media();
        let third = size.time / 3;
        Self {
            world,
            keys,
            sent: [0; 2],
            got: [0; 2],
            audio: [0; 2],
            blackouts: Vec::new(),
            // Touched at once, so that the test does not grow.
            delays: [0, 1].map(|_| {
                let mut all = vec![u32::MAX; 40 + 20 * third.as_secs() as usize];
                all.clear();
                all
            }),
            third,
        }
    }

    fn send(&mut self, side: usize) {
        let mut data = vec![side as u8; 100];
        data[..4].copy_from_slice(&self.sent[side].to_be_bytes());
        let at = self.world.elapsed().as_micros() as u64;
        data[4..12].copy_from_slice(&at.to_be_bytes());
        let (now, key) = (self.world.now, self.keys[side]);
        let engine = &mut self.world.peers[side].engine;
        let sent = engine.send_data(now, key, MessageKind::Binary, Bytes::from(data));
        assert_ne!(sent.unwrap(), SendData::Full, "{}", self.world.describe());
        self.sent[side] += 1;
    }

    fn read(&mut self) {
        for side in [A, B] {
            let elapsed = self.world.elapsed();
            let peer = &mut self.world.peers[side];
            self.audio[side] += peer.packets.len();
            peer.packets.clear();
            peer.events.clear();
            while let Some(event) = peer.engine.poll_data_event() {
                if let DataEvent::Message { data, .. } = event {
                    // Each once, in order.
                    assert_eq!(data[..4], self.got[side].to_be_bytes());
                    self.got[side] += 1;
                    let sent = u64::from_be_bytes(data[4..12].try_into().unwrap());
                    let sent = Duration::from_micros(sent);
                    let part = match sent {
                        sent if sent < self.third => Some(0),
                        sent if sent >= self.third * 2 => Some(1),
                        _ => None,
                    };
                    let dark = self.blackouts.iter().any(|at| {
                        let end = *at + BLACKOUT + AFTERMATH;
                        (at.saturating_sub(secs(1))..end).contains(&sent)
                    });
                    if let Some(part) = part.filter(|_| !dark) {
                        self.delays[part].push((elapsed - sent).as_micros() as u32);
                    }
                    peer.engine.unread().read(data.len());
                }
            }
        }
    }

    /// For a tenth of a second.
    fn run(&mut self) {
        self.send(A);
        self.send(B);
        for _ in 0..10 {
            self.world.run_for(TICK);
            self.read();
        }
    }

    /// Everything that was sent has come after a while.
    fn finish(&mut self) {
        for _ in 0..1_000 {
            self.world.run_for(TICK);
            self.read();
        }
        let lost = [A, B].map(|side| self.sent[side] - self.got[1 - side]);
        assert_eq!(lost, [0, 0], "{}", self.world.describe());
    }
}

/// The mean of the slowest fiftieth, in microseconds. The 99th percentile itself lies where one
/// datagram in a hundred is lost: between those that came at once and those sent again.
fn slowest(calls: &[Call], part: usize) -> u32 {
    let all = calls.iter().flat_map(|call| call.delays[part].iter());
    let mut all: Vec<u32> = all.copied().collect();
    all.sort_unstable();
    let tail = &all[all.len() * 98 / 100..];
    (tail.iter().map(|took| u64::from(*took)).sum::<u64>() / tail.len() as u64) as u32
}

/// Reliability row D5: what was sent into the dark comes soon after it, once and in order. At the
/// latest 23 s, see `consent`.
#[test]
fn r_d05_audio_and_messages_are_back_soon_after_a_blackout() {
    let seeds = if full_size() { 40 } else { 1 };
    let mut slowest = [Duration::ZERO; 2];
    for length in [2, 5, 10, 20, 23] {
        for seed in 0..seeds {
            let size = Size::asked();
            let mut call = Call::new(seed, &size);
            for _ in 0..30 + seed {
                call.run();
            }
            let now = call.world.now;
            call.world.net.blackout(now, now + secs(length));
            for _ in 0..length * 10 {
                call.run();
            }
            let (back, audio, got) = (call.world.now, call.audio, call.got);
            let mut took = [None; 2];
            while took.contains(&None) {
                call.world.run_for(TICK);
                call.read();
                let since = call.world.now - back;
                let more = |now: [usize; 2], before: [usize; 2]| {
                    now.iter().zip(before).all(|(now, before)| *now > before)
                };
                let messages = |all: [u32; 2]| all.map(|n| n as usize);
                if more(call.audio, audio) {
                    took[0].get_or_insert(since);
                }
                if more(messages(call.got), messages(got)) {
                    took[1].get_or_insert(since);
                }
                assert!(since < secs(4), "{length} s: {}", call.world.describe());
            }
            for _ in 0..100 {
                call.run();
            }
            call.finish();
            for (slowest, took) in slowest.iter_mut().zip(took.into_iter().flatten()) {
                *slowest = took.max(*slowest);
            }
        }
    }
    println!("slowest: audio {:?}, messages {:?}", slowest[0], slowest[1]);
    assert!(slowest[0] <= secs(1) && slowest[1] <= secs(3));
}

/// Reliability row D10: not one wrong byte where one datagram in a hundred has a flipped bit.
#[test]
fn r_d10_a_great_transfer_over_a_path_that_flips_bits() {
    let messages: u32 = if full_size() { 16_384 } else { 256 };
    let mut world = World::connected(10, &Setup::default());
    let keys = channels(&mut world);
    world.net.set_default(Link {
        latency: ms(2),
        corrupt: 0.01,
        ..Link::default()
    });
    let content = |n: u32| {
        let mut rng = Rng::new(n.into());
        rng.bytes(65_536)
    };
    let (mut sent, mut got) = (0, 0);
    while got < messages {
        while sent < messages {
            let (now, data) = (world.now, Bytes::from(content(sent)));
            let engine = &mut world.peers[A].engine;
            let outcome = engine.send_data(now, keys[A], MessageKind::Binary, data);
            if outcome.unwrap() == SendData::Full {
                break;
            }
            sent += 1;
        }
        world.run_for(ms(5));
        let engine = &mut world.peers[B].engine;
        let mut read = false;
        while let Some(event) = engine.poll_data_event() {
            if let DataEvent::Message { data, .. } = event {
                assert!(data == content(got), "message {got}");
                engine.unread().read(data.len());
                got += 1;
                read = true;
            }
        }
        if read {
            engine.data_read(world.now);
        }
        assert!(world.elapsed() < secs(3_600), "{}", world.describe());
    }
    let bytes = u64::from(messages) * 65_536;
    let flipped = world.net.counters().corrupted;
    let elapsed = world.elapsed();
    println!("{bytes} bytes in {elapsed:?}, {flipped} datagrams with a flipped bit");
    assert!(world.both_connected_now() && flipped > 100);
}

/// Reliability row E3.
#[test]
fn r_e03_calls_go_on_for_long() {
    let size = Size::asked();
    let mut calls: Vec<Call> = (0..size.calls).map(|n| Call::new(n, &size)).collect();
    let mut blackouts = 0;
    let (mut elapsed, mut next) = (Duration::ZERO, size.blackout_every);
    let mut rss = Vec::new();
    while elapsed < size.time {
        if elapsed >= next {
            for call in &mut calls {
                let now = call.world.now;
                call.world.net.blackout(now, now + BLACKOUT);
                call.blackouts.push(call.world.elapsed());
            }
            blackouts += 1;
            next += size.blackout_every;
        }
        for call in &mut calls {
            call.run();
        }
        elapsed += ms(100);
        if elapsed.as_millis().is_multiple_of(60_000) {
            rss.push(rss_kib() as f64);
            println!("{elapsed:?}: {} KiB", rss_kib());
        }
    }
    for call in &mut calls {
        call.finish();
        for side in [A, B] {
            let peer = &call.world.peers[side];
            assert_eq!(peer.engine.state(), EngineState::Connected);
            let sent = call.world.peers[1 - side].pump.as_ref().unwrap().sent as usize;
            let dark = blackouts * 250;
            let due = (sent - dark) * 97 / 100;
            assert!(call.audio[side] > due, "{} of {sent}", call.audio[side]);
        }
    }
    // Outside of the blackouts it is as quick at the end as at the beginning.
    let [begin, end] = [0, 1].map(|part| slowest(&calls, part));
    let messages: u32 = calls.iter().map(|call| call.sent[A] + call.sent[B]).sum();
    println!(
        "{} calls for {:?}: {messages} messages, none lost; slowest 2 % {begin} us, at the end {end}",
        size.calls, size.time
    );
    if !full_size() {
        return;
    }
    let drift = f64::from(end) / f64::from(begin);
    assert!((0.9..1.1).contains(&drift), "{drift}");
    // The first blackout makes some buffers greater, once.
    let settled = 14;
    let hours = (rss.len() - 1 - settled) as f64 / 60.0;
    let slope = (rss[rss.len() - 1] - rss[settled]) / hours / 1_024.0;
    println!("RSS grows by {slope:.2} MiB an hour");
    assert!(slope < 1.0, "{slope} MiB an hour");
}
