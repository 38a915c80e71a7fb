//! Who begins to watch soon after a key frame has it at once, with all that came since.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use super::stage::{Incoming, Receiver};
use crate::media::RTCCodec;
use crate::rtp::RtpPacket;

const FRAME: Duration = Duration::from_millis(33);
const TICKS: u32 = 2_970;

/// A picture of VP8 each 33 ms, of so many packets of 1,000 bytes.
struct Scene {
    incoming: Incoming,
    now: Instant,
    number: u16,
    picture: u32,
}

impl Scene {
    fn new() -> Self {
        Self {
            incoming: Incoming::new(&RTCCodec::vp8(96), 1),
            now: Instant::now(),
            number: 65_500,
            picture: 0,
        }
    }

    /// The next picture, without those of its packets that are lost.
    fn picture(&mut self, is_key: bool, packets: usize, lost: &[usize]) {
        self.now += FRAME;
        self.picture += 1;
        let mut sent = Vec::new();
        for place in 0..packets {
            // RFC 7741 section 4.2: S with the first packet; section 4.3: P is 0 for a key frame.
            let mut payload = vec![0; 1_000];
            payload[0] = if place == 0 { 0x10 } else { 0 };
            payload[1] = u8::from(!is_key);
            payload[2] = self.picture as u8;
            if !lost.contains(&place) {
                sent.push(RtpPacket {
                    payload_type: 96,
                    marker: place + 1 == packets,
                    sequence_number: self.number,
                    timestamp: self.picture * TICKS,
                    ssrc: 7,
                    payload: payload.into(),
                    ..RtpPacket::default()
                });
            }
            self.number = self.number.wrapping_add(1);
        }
        self.incoming.comes(self.now, 0, &sent);
    }

    /// Somebody watches from the beginning on, so that what comes is handed out.
    fn watched() -> (Self, Receiver) {
        let scene = Self::new();
        let first = Receiver::new(scene.now, &scene.incoming);
        assert_eq!(scene.incoming.asked(0), 1);
        (scene, first)
    }
}

/// The pictures in what went out; numbers are without a gap, times go on.
fn pictures(out: &[RtpPacket]) -> Vec<u8> {
    for pair in out.windows(2) {
        let [one, other] = pair else { unreachable!() };
        assert_eq!(other.sequence_number, one.sequence_number.wrapping_add(1));
        let passed = other.timestamp.wrapping_sub(one.timestamp);
        match one.marker {
            false => assert_eq!(passed, 0),
            true => assert!((1..0x8000_0000).contains(&passed), "{passed}"),
        }
    }
    let last = out.iter().filter(|packet| packet.marker);
    last.map(|packet| packet.payload[2]).collect()
}

#[test]
fn who_comes_within_600_ms_has_the_last_key_frame_and_all_since_with_the_next_packet() {
    for later in 0..20u8 {
        let (mut scene, first) = Scene::watched();
        scene.picture(true, 5, &[]);
        for _ in 0..later {
            scene.picture(false, 2, &[]);
        }
        let last = Receiver::new(scene.now, &scene.incoming);
        let is_young = later < 18;
        // Nothing is asked for before it is known that the next packet cannot help.
        let asked = scene.incoming.asked(0);
        scene.picture(false, 2, &[]);
        let out = last.take();
        assert_eq!(pictures(&first.take()).len(), usize::from(later) + 2);
        if !is_young {
            assert_eq!((out.len(), asked + scene.incoming.asked(0)), (0, 1 + asked));
            continue;
        }
        assert_eq!(asked + scene.incoming.asked(0), 0, "{later}");
        let all: Vec<u8> = (1..=later + 2).collect();
        assert_eq!(pictures(&out), all);
        assert_eq!(out.len(), 7 + 2 * usize::from(later));
        // What was is shown at once: no time is left for it, but for what is new.
        let passed = |out: &[RtpPacket]| {
            let (first, last) = (&out[0], &out[out.len() - 1]);
            last.timestamp.wrapping_sub(first.timestamp)
        };
        assert_eq!(passed(&out), u32::from(later) + 1);
        scene.picture(false, 2, &[]);
        let mut next = last.take();
        assert_eq!(
            next[0].timestamp.wrapping_sub(out[out.len() - 1].timestamp),
            TICKS
        );
        next.insert(0, out[out.len() - 1].clone());
        pictures(&next);
        assert_eq!(scene.incoming.asked(0), 0);
        let stats = last.forwarding().stats();
        assert_eq!((stats.passed_over, stats.switches), (0, 1));
        assert_eq!(stats.forwarded, out.len() as u64 + 2);
    }
}

#[test]
fn who_is_not_connected_yet_begins_when_it_is() {
    let (mut scene, _first) = Scene::watched();
    scene.picture(true, 5, &[]);
    let last = Receiver::deaf(scene.now, &scene.incoming);
    for _ in 0..5 {
        scene.picture(false, 1, &[]);
    }
    assert_eq!((last.take().len(), scene.incoming.asked(0)), (0, 0));
    last.hear();
    scene.picture(false, 1, &[]);
    assert_eq!(pictures(&last.take()), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(scene.incoming.asked(0), 0);
}

#[test]
fn what_is_missing_or_large_is_asked_for_instead() {
    // A packet is missing.
    let (mut scene, _first) = Scene::watched();
    scene.picture(true, 5, &[2]);
    let last = Receiver::new(scene.now, &scene.incoming);
    assert_eq!(scene.incoming.asked(0), 1);
    scene.picture(false, 1, &[]);
    assert_eq!((last.take().len(), scene.incoming.asked(0)), (0, 1));
    // Much came since; with a rate that the receiver can have, less is much.
    for (rate, packets, begins) in [
        (None, 40, true),
        (None, 60, false),
        (Some(1_000_000), 20, true),
        (Some(1_000_000), 40, false),
    ] {
        let (mut scene, _first) = Scene::watched();
        scene.picture(true, 100, &[]);
        scene.picture(false, packets, &[]);
        let last = Receiver::new(scene.now, &scene.incoming);
        last.forwarding()
            .tell(|conditions| conditions.bitrate = rate);
        scene.incoming.asked(0);
        scene.picture(false, packets, &[]);
        let out = last.take();
        assert_eq!(!out.is_empty(), begins, "{rate:?} {packets}");
        assert_eq!(scene.incoming.asked(0), u32::from(!begins));
    }
}

#[test]
fn who_asks_has_the_same_key_frame_again_once_and_in_the_same_line() {
    let (mut scene, first) = Scene::watched();
    scene.picture(true, 3, &[]);
    scene.picture(false, 1, &[]);
    let mut out = first.take();
    first.ask(scene.now);
    assert_eq!(scene.incoming.asked(0), 0);
    scene.picture(false, 1, &[]);
    out.extend(first.take());
    assert_eq!(pictures(&out), [1, 2, 1, 2, 3]);
    // It came, and did not help.
    first.ask(scene.now);
    assert_eq!(scene.incoming.asked(0), 1);
    scene.picture(false, 1, &[]);
    out.extend(first.take());
    assert_eq!(pictures(&out), [1, 2, 1, 2, 3, 4]);
    // Nor does a pause have it once more.
    first.forwarding().pause();
    scene.picture(false, 1, &[]);
    first.forwarding().resume(scene.now);
    assert_eq!(scene.incoming.asked(0), 1);
    scene.picture(false, 1, &[]);
    assert_eq!((first.take().len(), scene.incoming.asked(0)), (0, 1));
    scene.picture(true, 3, &[]);
    out.extend(first.take());
    assert_eq!(pictures(&out), [1, 2, 1, 2, 3, 4, 7]);
    // The next one is kept for it again.
    first.ask(scene.now);
    scene.picture(false, 1, &[]);
    assert_eq!(scene.incoming.asked(0), 0);
    out.extend(first.take());
    assert_eq!(pictures(&out), [1, 2, 1, 2, 3, 4, 7, 7, 8]);
}

#[test]
fn a_source_that_pauses_is_asked_at_once() {
    let (mut scene, _first) = Scene::watched();
    scene.picture(true, 3, &[]);
    scene.now += Duration::from_millis(250);
    let last = Receiver::new(scene.now, &scene.incoming);
    assert_eq!(scene.incoming.asked(0), 1);
    scene.picture(false, 1, &[]);
    // It goes on before the key frame comes.
    assert_eq!(pictures(&last.take()), [1, 2]);
}
