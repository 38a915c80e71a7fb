//! A crowd: one who sends two encodings, a forwarder, and fifty who watch, three of them with
//! something the matter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::{EngineEvent, OutgoingRtp};
use super::harness::{A, B, PT, World, ms};
use super::repair::{MEDIA, lose, onward, video};
use crate::media::RTCCodec;
use crate::media::forward::selector::LayerChoice;
use crate::media::forward::{ForwardConditions, ForwardLayer, LayerSelector};
use crate::media::track::stage::{Incoming, Receiver};
use crate::rtp::{KeyframeRequest, ReceiverId, RtpPacket};
use crate::simnet::{Link, Rng};

const WATCHERS: usize = 50;
const LOSSY: usize = 0;
const STALLED: usize = 1;
const SWITCHING: usize = 2;
const GOOD: std::ops::Range<usize> = 3..WATCHERS;
/// The larger encoding and the smaller one.
const LARGE: usize = 0;
const SMALL: usize = 1;
const FRAME: Duration = Duration::from_millis(40);
/// How long is sent, and how long is waited for what is under way, in milliseconds.
const SENT: u64 = 12_000;
const RUN: u64 = SENT + 1_500;

fn link() -> Link {
    Link {
        latency: ms(20),
        ..Link::default()
    }
}

/// One encoding on its way to the forwarder.
struct Camera {
    world: World,
    id: ReceiverId,
    packets: u16,
    number: u16,
    wants_key: bool,
    asked: Option<Instant>,
    keys: u32,
}

impl Camera {
    fn new(seed: u64, packets: u16) -> Self {
        let (mut world, id) = video(seed, true, link());
        world.peers[A].pump = None;
        Self {
            world,
            id,
            packets,
            number: 65_000,
            wants_key: true,
            asked: None,
            keys: 0,
        }
    }

    /// One frame of VP8 (RFC 7741): S in the first packet, P tells a key frame from others.
    fn take(&mut self, frame: u16) {
        let is_key = std::mem::take(&mut self.wants_key);
        self.keys += u32::from(is_key);
        let count = if is_key {
            self.packets * 4
        } else {
            self.packets
        };
        for place in 0..count {
            let [high, low] = frame.to_be_bytes();
            let first = if place == 0 { 0x10 } else { 0 };
            let mut payload = vec![
                first,
                u8::from(!is_key),
                high,
                low,
                place as u8,
                count as u8,
            ];
            payload.resize(700, 0);
            let packet = OutgoingRtp {
                marker: place + 1 == count,
                payload_type: PT,
                sequence_number: self.number,
                timestamp: u32::from(frame) * 3_600,
                csrcs: &[],
                extensions: &[],
                head: &[],
                payload: &payload,
                shared: None,
            };
            let now = self.world.now;
            let engine = &mut self.world.peers[A].engine;
            engine.send_rtp(now, MEDIA, &packet).unwrap();
            self.number = self.number.wrapping_add(1);
        }
    }

    fn run(&mut self) {
        self.world.run_for(ms(1));
        for (_, event) in self.world.peers[A].events.drain(..) {
            self.wants_key |= matches!(event, EngineEvent::KeyframeRequested { .. });
        }
    }

    /// A key frame is wanted: once a second it is asked for, as connections do.
    fn ask(&mut self) {
        let now = self.world.now;
        if self.asked.is_none_or(|at| now - at >= ms(1_000)) {
            self.asked = Some(now);
            let engine = &mut self.world.peers[B].engine;
            engine.request_keyframe(now, self.id, KeyframeRequest::Pli);
        }
    }
}

/// The other encoding every two seconds.
struct InTurn(Instant);

impl LayerSelector for InTurn {
    fn select(&mut self, now: Instant, _: &[ForwardLayer], _: &ForwardConditions) -> LayerChoice {
        let turn = now.saturating_duration_since(self.0).as_secs() / 2;
        LayerChoice::all_of(if turn.is_multiple_of(2) { LARGE } else { SMALL })
    }
}

struct Watcher {
    receiver: Receiver,
    world: World,
    sent: BTreeSet<u16>,
}

impl Watcher {
    fn new(seed: u64, begin: Instant, of: &Incoming) -> Self {
        let (mut world, _) = video(seed, true, link());
        world.peers[A].pump = None;
        let receiver = Receiver::new(begin, of);
        Self {
            receiver,
            world,
            sent: BTreeSet::new(),
        }
    }

    /// Sends on what goes to it.
    fn run(&mut self) {
        let now = self.world.now;
        for packet in self.receiver.take() {
            let engine = &mut self.world.peers[A].engine;
            engine.send_rtp(now, MEDIA, &onward(&packet)).unwrap();
            assert!(self.sent.insert(packet.sequence_number));
        }
        self.world.run_for(ms(1));
        self.world.peers[A].events.clear();
    }

    fn packets(&self) -> impl Iterator<Item = &(Instant, ReceiverId, RtpPacket)> {
        self.world.peers[B].packets.iter()
    }

    /// Packets of those that went out to it that never came.
    fn missing(&self) -> usize {
        let got: BTreeSet<u16> = self.packets().map(|(.., p)| p.sequence_number).collect();
        self.sent.difference(&got).count()
    }

    /// When each frame was there with all of its packets, after the beginning.
    fn frames(&self) -> BTreeMap<u16, Duration> {
        let mut seen: BTreeMap<u16, (BTreeSet<u8>, Instant)> = BTreeMap::new();
        let mut whole = BTreeMap::new();
        for (at, _, packet) in self.packets() {
            let payload = &packet.payload;
            let frame = u16::from_be_bytes([payload[2], payload[3]]);
            let (places, _) = seen.entry(frame).or_insert_with(|| (BTreeSet::new(), *at));
            places.insert(payload[4]);
            if places.len() == usize::from(payload[5]) {
                whole.entry(frame).or_insert(*at);
            }
        }
        let start = self.world.start;
        whole
            .into_iter()
            .map(|(frame, at)| (frame, at - start))
            .collect()
    }
}

/// What a run came to.
struct Outcome {
    watchers: Vec<Watcher>,
    cameras: [Camera; 2],
    lost: [usize; 2],
    frames: u16,
}

fn run(seed: u64, watchers: usize, trouble: bool) -> Outcome {
    let mut cameras = [Camera::new(seed, 4), Camera::new(seed + 1, 1)];
    let lost = cameras
        .each_mut()
        .map(|camera| lose(&mut camera.world, 0.03));
    let incoming = Incoming::new(&RTCCodec::vp8(PT), 2);
    // Each world has a clock of its own: what is forwarded goes by one.
    let begin = cameras[0].world.now;
    let mut watchers: Vec<_> = (0..watchers)
        .map(|n| Watcher::new(seed * 100 + n as u64, begin, &incoming))
        .collect();
    if trouble {
        let mut rng = Rng::new(seed);
        watchers[LOSSY].world.filter = Some(Box::new(move |_, _, _| !rng.percent(10)));
        watchers[SWITCHING].receiver.choose(InTurn(begin));
    }
    let mut frames = 0u16;
    for step in 0..RUN {
        if trouble && step == 3_000 {
            watchers[STALLED].world.filter = Some(Box::new(|_, _, _| false));
        }
        if step < SENT && step.is_multiple_of(FRAME.as_millis() as u64) {
            cameras.iter_mut().for_each(|camera| camera.take(frames));
            frames += 1;
        }
        for (encoding, camera) in cameras.iter_mut().enumerate() {
            camera.run();
            let came = std::mem::take(&mut camera.world.peers[B].packets);
            let came: Vec<_> = came.into_iter().map(|(.., packet)| packet).collect();
            if !came.is_empty() {
                incoming.comes(begin + ms(step + 1), encoding, &came);
            }
            if incoming.asked(encoding) > 0 {
                camera.ask();
            }
        }
        watchers.iter_mut().for_each(Watcher::run);
    }
    Outcome {
        watchers,
        cameras,
        lost: lost.map(|lost| lost.borrow().len()),
        frames,
    }
}

/// By when 95 of 100 frames were there, after each was taken.
fn late(frames: &BTreeMap<u16, Duration>, start: Duration) -> Duration {
    let mut late: Vec<Duration> = frames
        .iter()
        .map(|(frame, at)| *at - start - FRAME * u32::from(*frame))
        .collect();
    late.sort_unstable();
    late[late.len() * 95 / 100]
}

#[test]
fn r_c03_of_fifty_who_watch_three_in_trouble_cost_the_others_nothing() {
    let seed = 7;
    let alone = run(seed, 3, false);
    let all = run(seed, WATCHERS, true);
    for (camera, lost) in all.cameras.iter().zip(all.lost) {
        let asked = camera.world.peers[A].engine.rtp().outbound_stats(MEDIA);
        let asked = asked.unwrap().nacked;
        assert!(asked * 10 <= lost as u64 * 12, "{asked} of {lost}");
        assert!(camera.keys <= 14, "{} key frames", camera.keys);
    }
    // Where each frame was taken: both ends' worlds have run as long before.
    let begin = |watcher: &Watcher| watcher.world.elapsed() - ms(RUN);
    let usual = alone.watchers.iter();
    let usual = usual
        .map(|one| late(&one.frames(), begin(one)))
        .max()
        .unwrap();
    for (place, watcher) in all
        .watchers
        .iter()
        .enumerate()
        .take(GOOD.end)
        .skip(GOOD.start)
    {
        assert_eq!(watcher.missing(), 0, "watcher {place}");
        let frames = watcher.frames();
        // The first ones are before the key frame that was asked for.
        let missed = usize::from(all.frames) - frames.len();
        assert!(
            missed * 1_000 <= usize::from(all.frames),
            "{place}: {missed} frames"
        );
        let late = late(&frames, begin(watcher));
        assert!(
            late <= usual + ms(5),
            "{place}: {late:?}, and {usual:?} alone"
        );
    }
    // They were in trouble, and have what can be had.
    let lossy = &all.watchers[LOSSY];
    assert!(
        lossy.missing() * 200 <= lossy.sent.len(),
        "{}",
        lossy.missing()
    );
    let stalled = &all.watchers[STALLED];
    assert!(stalled.missing() * 2 > stalled.sent.len());
    let switches = all.watchers[SWITCHING].receiver.switches();
    assert!((5..=8).contains(&switches), "{switches}");
    let seen = all.watchers[SWITCHING].frames();
    assert!(
        seen.len() * 100 >= usize::from(all.frames) * 95,
        "{}",
        seen.len()
    );
    assert_eq!(all.watchers[SWITCHING].missing(), 0);
}
