//! Rollovers of the sequence number, and silences in which there may have been one: SRTP, the
//! jitter buffer and requests for key frames together.

use std::time::{Duration, Instant};

use super::super::dtls::SrtpProfile;
use super::super::{EngineEvent, EngineState, OutgoingRtp, SendOutcome};
use super::harness::{A, B, Pump, Setup, World, is_media, ms, receiver_spec, secs};
use crate::media::{JitterBuffer, JitterConfig, Kind, MediaSample, Packetizer, RTCCodec};
use crate::rtp::{KeyframeRequest, ReceiverId};
use crate::simnet::Link;
use crate::simnet::usage::full_size;

const SSRC: u32 = 100;
const FRAME: Duration = Duration::from_millis(20);

/// A encodes, B decodes; both as a track does.
struct Call {
    world: World,
    codec: RTCCodec,
    packetizer: Packetizer,
    /// Bytes of a frame.
    size: usize,
    number: u16,
    timestamp: u32,
    key: bool,
    receiver: ReceiverId,
    buffer: JitterBuffer,
    samples: Vec<(Instant, MediaSample)>,
    /// Packets that B's engine gave.
    came: u64,
}

impl Call {
    /// Of so many packets in a frame of 20 ms; one is opus, more are VP8.
    fn new(seed: u64, profile: SrtpProfile, per_frame: usize, first: u16) -> Self {
        let mut world = World::new(seed, &Setup::default());
        for peer in &mut world.peers {
            assert!(peer.engine.set_srtp_profiles(vec![profile]));
        }
        world.signal_all();
        assert!(world.connect(secs(5)), "{}", world.describe());
        let (codec, kind) = match per_frame {
            1 => (RTCCodec::opus(96), Kind::Audio),
            _ => (RTCCodec::vp8(96), Kind::Video),
        };
        world.add_sender(A, SSRC);
        let now = world.now;
        let engine = &mut world.peers[B].engine;
        let receiver = engine.add_receiver(now, receiver_spec(&[SSRC])).unwrap();
        Self {
            world,
            packetizer: Packetizer::for_codec(&codec).unwrap(),
            buffer: JitterBuffer::new(std::slice::from_ref(&codec), JitterConfig::for_kind(kind)),
            codec,
            size: 100 * per_frame - 50,
            number: first,
            timestamp: 0,
            key: true,
            receiver,
            samples: Vec::new(),
            came: 0,
        }
    }

    /// Sends a frame, and runs until the next is due.
    fn frame(&mut self) {
        let mut data = vec![0x55; self.size];
        data[0] = u8::from(!std::mem::take(&mut self.key));
        let mut payloads = Vec::new();
        let packets = self.packetizer.packetize(&data.into(), 101, &mut payloads);
        packets.unwrap();
        for payload in payloads {
            let packet = OutgoingRtp {
                marker: payload.marker,
                payload_type: self.codec.payload_type,
                sequence_number: self.number,
                timestamp: self.timestamp,
                csrcs: &[],
                extensions: &[],
                head: &[],
                payload: &payload.payload,
                shared: None,
            };
            let now = self.world.now;
            let engine = &mut self.world.peers[A].engine;
            let outcome = engine.send_rtp(now, SSRC, &packet).unwrap();
            assert_ne!(outcome, SendOutcome::QueueFull);
            self.world.flush();
            self.number = self.number.wrapping_add(1);
        }
        self.timestamp = self.timestamp.wrapping_add(1_800);
        for _ in 0..4 {
            self.world.run_for(FRAME / 4);
            self.read();
        }
    }

    fn read(&mut self) {
        let now = self.world.now;
        for (at, id, packet) in self.world.peers[B].packets.drain(..) {
            assert_eq!(id, self.receiver);
            self.came += 1;
            self.buffer.push(at, packet);
        }
        while let Some(sample) = self.buffer.pop(now) {
            self.samples.push((now, sample));
        }
        if self.buffer.wants_keyframe(now) {
            let engine = &mut self.world.peers[B].engine;
            engine.request_keyframe(now, self.receiver, KeyframeRequest::Pli);
            self.world.flush();
        }
        let asked = |e: &EngineEvent| matches!(e, EngineEvent::KeyframeRequested { .. });
        self.key |= self.world.peers[A].events.iter().any(|(_, e)| asked(e));
        for peer in &mut self.world.peers {
            peer.events.retain(|(_, e)| !asked(e));
        }
    }

    fn frames(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.frame();
        }
    }

    /// From when it may be heard again: what it takes until packets come, and until a decoder
    /// can go on.
    fn resumes(&mut self) -> [Duration; 2] {
        let begin = self.world.now;
        let (came, samples) = (self.came, self.samples.len());
        let mut took = [None; 2];
        while took.contains(&None) && self.world.now < begin + secs(10) {
            self.frame();
            let since = self.world.now - begin;
            if self.came > came {
                took[0].get_or_insert(since);
            }
            let decodes = |(_, s): &(Instant, MediaSample)| s.keyframe != Some(false);
            if self.samples[samples..].iter().any(decodes) {
                took[1].get_or_insert(since);
            }
        }
        took.map(|took| took.unwrap_or(Duration::MAX))
    }
}

const PROFILES: [SrtpProfile; 2] = [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];

/// Reliability row C6: 30 s at 50, 500 and 1,500 packets a second, in which only media is lost, or
/// all is, so that consent ends and ICE is restarted. The sender counts on all the while.
#[test]
fn r_c06_media_resumes_after_30_s_of_darkness_at_any_rate() {
    let firsts: &[u16] = if full_size() {
        &[1, 20_000, 32_000, 53_000, 65_000]
    } else {
        &[20_000]
    };
    let mut slowest = [Duration::ZERO; 2];
    for (which, per_frame) in [1, 10, 30].into_iter().enumerate() {
        for (profile, all_dark) in PROFILES.iter().flat_map(|p| [(*p, false), (*p, true)]) {
            // Each rate in one way, or all of them.
            let short = all_dark == (which == 1) && (profile == PROFILES[0]) == (which == 1);
            if !full_size() && !short && which != 2 {
                continue;
            }
            for first in firsts {
                let name = format!("{per_frame} a frame from {first}, {profile:?}, {all_dark}");
                let mut call = Call::new(u64::from(*first), profile, per_frame, *first);
                call.frames(secs(2));
                assert!(call.samples.len() > 90, "{name}: {}", call.samples.len());
                let now = call.world.now;
                if all_dark {
                    call.world.net.blackout(now, now + secs(30));
                } else {
                    call.world.filter = Some(Box::new(|_, _, data| !is_media(data[0])));
                }
                call.frames(secs(30));
                call.world.filter = None;
                if all_dark {
                    // Consent is over by now, or about to be.
                    call.frames(secs(1));
                    for peer in &call.world.peers {
                        assert_eq!(peer.engine.state(), EngineState::Halted, "{name}");
                    }
                    call.world.restart(1);
                }
                let took = call.resumes();
                let state = call.world.describe();
                assert!(
                    took[0] <= secs(1) && took[1] <= secs(2),
                    "{name}: {took:?} {state}"
                );
                for (slowest, took) in slowest.iter_mut().zip(took) {
                    *slowest = took.max(*slowest);
                }
                // And it goes on without a further break.
                let before = call.samples.len();
                call.frames(secs(2));
                let frames = call.samples.len() - before;
                assert!(frames >= 99, "{name}: {frames}");
            }
        }
    }
    println!(
        "packets after {:?}, a decoder goes on after {:?}",
        slowest[0], slowest[1]
    );
}

/// Reliability row C6: three rollovers, with loss and reordering just there. In the short run the
/// numbers in between are jumped over.
#[test]
fn r_c06_three_rollovers_with_loss_and_reordering_at_each() {
    for (seed, profile) in (0..).zip(PROFILES.repeat(if full_size() { 5 } else { 1 })) {
        let mut call = Call::new(seed, profile, 1, 64_000);
        call.world.net.set_default(Link {
            latency: ms(20),
            loss: 0.05,
            reorder: 0.2,
            reorder_by: ms(60),
            ..Link::default()
        });
        let (mut sent, mut lost) = (0u64, 0u64);
        for wrap in 0..3u16 {
            // The very last and the very first are lost: one side of the wrap, or both.
            let dark =
                [65_530..=65_535u32, 65_536..=65_545, 65_500..=65_600][usize::from(wrap)].clone();
            let mut n = u32::from(call.number);
            while n < 65_536 + 1_000 {
                let is_dark = dark.contains(&n);
                call.world.filter =
                    Some(Box::new(move |_, _, data| !(is_dark && is_media(data[0]))));
                let before = call.number;
                // Four at a time, so that those held back are overtaken.
                call.frame();
                let count = u32::from(call.number.wrapping_sub(before));
                (n, sent) = (n + count, sent + u64::from(count));
                lost += u64::from(is_dark) * u64::from(count);
            }
            call.world.filter = None;
            if full_size() {
                while (1..64_000).contains(&call.number) {
                    call.frame();
                    sent += 1;
                }
            } else {
                for next in [21_000, 41_000, 61_000, 64_000] {
                    call.number = next;
                    call.frames(secs(1));
                    sent += 50;
                }
            }
        }
        call.world.run_for(secs(1));
        call.read();
        lost += call.world.net.counters().lost;
        // What the network loses is RTCP and STUN, too.
        assert!(
            call.came <= sent && call.came + lost >= sent,
            "seed {seed}: {} of {sent}",
            call.came
        );
        // What was held back when the numbers jumped is too old.
        let rejected = call.world.peers[B].engine.counters().rejected_srtp;
        let most = if full_size() { 0 } else { 12 };
        assert!(rejected <= most, "seed {seed}: {rejected}");
        let samples = call.samples.len() as u64;
        println!(
            "seed {seed}: {sent} sent, {lost} lost, {} came, {samples} samples",
            call.came
        );
        assert!(
            samples * 100 >= call.came * 97,
            "seed {seed}: {samples} of {}",
            call.came
        );
        let order = call.samples.windows(2).all(|pair| {
            let ahead = pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp);
            (1..1 << 31).contains(&ahead)
        });
        assert!(order, "seed {seed}: out of order");
        assert!(call.world.both_connected_now());
    }
}

/// C6: at 1,500 packets a second the sequence numbers of a long blackout are more than half of
/// all there are, and RFC 3711 alone guesses the rollover wrong for ever.
#[test]
fn r_c06_a_fast_stream_is_back_within_a_second_after_a_long_blackout() {
    for (first, gap) in [(1u16, 20_000), (1, 667), (40_000, 667)] {
        let mut world = World::connected(u64::from(first), &Setup::default());
        world.add_stream(A, 100);
        let mut pump = Pump::new(100, world.now);
        pump.every = Duration::from_micros(gap);
        pump.sequence_number = first;
        world.peers[A].pump = Some(pump);
        world.run_for(secs(1));
        let until = world.now + secs(23);
        world.net.blackout(world.now, until);
        world.run_for(secs(23));
        let before = world.peers[B].packets.len();
        world.run_for(secs(1));
        let back = world.peers[B].packets.len() - before;
        let sent = 1_000_000 / gap as usize;
        assert!(back > sent * 9 / 10, "from {first}: {back} of {sent}");
        let rejected = world.peers[B].engine.counters().rejected_srtp;
        assert!(rejected < 50, "{rejected}");
    }
}

/// C6: rollovers with loss and reordering.
#[test]
fn r_c06_rollovers_with_loss_and_reordering_lose_nothing_more() {
    let mut world = World::connected(6, &Setup::default());
    world.net.set_default(Link {
        latency: ms(20),
        loss: 0.05,
        reorder: 0.1,
        ..Link::default()
    });
    world.add_stream(A, 100);
    let mut pump = Pump::new(100, world.now);
    pump.every = ms(1);
    pump.sequence_number = 60_000;
    world.peers[A].pump = Some(pump);
    world.run_for(secs(75));
    let lost = world.net.counters().lost;
    let sent = world.peers[A].pump.as_ref().unwrap().sent;
    let got = world.peers[B].packets.len() as u64;
    assert!(
        sent > 70_000 && got + lost + 100 >= sent,
        "{got} of {sent}, {lost} lost"
    );
    assert_eq!(world.peers[B].engine.counters().rejected_srtp, 0);
}
