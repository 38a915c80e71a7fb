//! What a received track hands to those who forward it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::kept::Kept;
use super::origin::MediaOrigin;
use crate::media::forward::{ForwardLayer, SourceFacts};
use crate::media::{Depacketizer, RTCCodec};
use crate::queue::lock;
use crate::rtp::{ExtensionMap, KeyframeRequest, RtpPacket};

/// Packets that wait to be forwarded: more than one service of a connection brings.
const MAX_WAITING: usize = 8_192;

/// An encoding of which nothing came for so long is not there.
const SILENT: Duration = Duration::from_secs(1);
/// A source of which nothing came for so long may pause: a screen on which nothing changes.
const PAUSE: Duration = Duration::from_millis(200);
/// Over so long the rate of a source is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// What comes of a source.
#[derive(Default)]
struct Rate {
    began: Option<Instant>,
    bytes: u64,
    bitrate: u64,
    last: Option<Instant>,
    size: Option<(u16, u16)>,
}

impl Rate {
    fn note(&mut self, now: Instant, packets: &[RtpPacket], facts: &SourceFacts) {
        let Some(first) = packets.first() else { return };
        self.last = Some(now);
        let bytes = packets.iter().map(|packet| packet.payload.len());
        self.bytes = self.bytes.saturating_add(bytes.sum::<usize>() as u64);
        let time = now.saturating_duration_since(*self.began.get_or_insert(now));
        if time >= WINDOW {
            let bits = self.bytes.saturating_mul(8) as f64;
            self.bitrate = (bits / time.as_secs_f64()) as u64;
            self.bytes = 0;
            self.began = Some(now);
        }
        let codec = facts.codec(first.payload_type);
        if let Some(format) = codec.and_then(|codec| Depacketizer::for_codec(codec).ok()) {
            let mut sizes = packets
                .iter()
                .filter_map(|p| format.picture_size(&p.payload));
            self.size = sizes.next().or(self.size);
        }
    }
}

/// Which timestamp of a source is that of which moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceClock {
    pub(crate) ssrc: u32,
    pub(crate) at: Instant,
    pub(crate) timestamp: u32,
}

/// Packets of one received track, in the order in which they came.
pub(super) struct FanBatch<'a> {
    pub(super) now: Instant,
    /// What they come from.
    pub(super) source: &'a Fan,
    pub(super) packets: &'a [RtpPacket],
    pub(super) facts: &'a Arc<SourceFacts>,
    pub(super) clock: Option<SourceClock>,
    /// Others were passed over before them.
    pub(super) gap: bool,
    /// They are of the past, but for those with this timestamp.
    pub(super) present: Option<u32>,
}

/// Who forwards a received track.
pub(super) trait Follower: Send + Sync {
    /// Takes packets; true to have a key frame asked for.
    fn feed(&self, batch: &FanBatch<'_>) -> bool;
}

/// One received track, and who forwards it. Packets are taken in under the connection's lock, and
/// handed out when that is free: those who forward lock other connections.
pub(crate) struct Fan {
    id: u64,
    origin: Weak<dyn MediaOrigin>,
    key: u32,
    active: AtomicBool,
    followers: Mutex<Arc<[Weak<dyn Follower>]>>,
    state: Mutex<State>,
}

struct State {
    waiting: Vec<RtpPacket>,
    /// Room for the next ones.
    spare: Vec<RtpPacket>,
    facts: Arc<SourceFacts>,
    /// Of the header extensions in the facts.
    extensions: Option<u32>,
    clock: Option<SourceClock>,
    gap: bool,
    rate: Rate,
    kept: Kept,
}

impl State {
    /// Takes in what is handed out.
    fn note(&mut self, now: Instant, packets: &[RtpPacket], gap: bool) {
        let facts = self.facts.clone();
        self.rate.note(now, packets, &facts);
        if gap {
            self.kept.clear();
        }
        let Some(first) = packets.first() else {
            return;
        };
        let codec = facts.codec(first.payload_type);
        let format = codec.and_then(|codec| Depacketizer::for_codec(codec).ok());
        if let Some(format) = format.filter(|format| !format.is_frame_per_packet()) {
            for packet in packets {
                let begins = || format.begins_keyframe(&packet.payload);
                self.kept.note(now, packet, begins);
            }
        }
    }
}

impl Fan {
    pub(super) fn new(origin: Weak<dyn MediaOrigin>, key: u32, codecs: Vec<RTCCodec>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            origin,
            key,
            active: AtomicBool::new(false),
            followers: Mutex::new(Arc::new([])),
            state: Mutex::new(State {
                waiting: Vec::new(),
                spare: Vec::new(),
                facts: Arc::new(SourceFacts::new(codecs, ExtensionMap::default())),
                extensions: None,
                clock: None,
                gap: false,
                rate: Rate::default(),
                kept: Kept::default(),
            }),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn codecs(&self) -> Vec<RTCCodec> {
        lock(&self.state).facts.codecs.clone()
    }

    pub(super) fn set_codecs(&self, codecs: &[RTCCodec]) {
        let mut state = lock(&self.state);
        let extensions = state.facts.extensions.clone();
        state.facts = Arc::new(SourceFacts::new(codecs.to_vec(), extensions));
    }

    /// Whether anybody forwards the track.
    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Another one forwards the track from now on.
    pub(super) fn join(&self, follower: Weak<dyn Follower>) {
        self.change(|followers| {
            followers.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&follower));
            followers.push(follower);
        });
    }

    pub(super) fn leave(&self, follower: &Weak<dyn Follower>) {
        self.change(|followers| {
            followers.retain(|known| known.strong_count() > 0 && !known.ptr_eq(follower));
        });
    }

    fn change(&self, f: impl FnOnce(&mut Vec<Weak<dyn Follower>>)) {
        let mut followers = lock(&self.followers);
        let mut changed = followers.to_vec();
        f(&mut changed);
        *followers = changed.into();
        self.active.store(!followers.is_empty(), Ordering::Relaxed);
    }

    /// A packet that came.
    pub(super) fn offer(&self, packet: &RtpPacket) {
        let mut state = lock(&self.state);
        if state.waiting.len() < MAX_WAITING {
            state.waiting.push(packet.clone());
        } else {
            state.gap = true;
        }
    }

    /// Packets came that are not handed out.
    pub(super) fn passed_over(&self) {
        lock(&self.state).gap = true;
    }

    /// What the packets that wait are read by.
    pub(crate) fn describe(
        &self,
        (extensions, version): (&ExtensionMap, u32),
        clock: Option<SourceClock>,
    ) {
        let mut state = lock(&self.state);
        state.clock = clock;
        if state.extensions != Some(version) {
            let codecs = state.facts.codecs.clone();
            state.facts = Arc::new(SourceFacts::new(codecs, extensions.clone()));
            state.extensions = Some(version);
        }
    }

    /// What is known of it as one of several encodings.
    pub(super) fn layer(&self, now: Instant, rid: Option<String>) -> ForwardLayer {
        let rate = &lock(&self.state).rate;
        let heard = |last| now.saturating_duration_since(last) < SILENT;
        ForwardLayer {
            rid,
            size: rate.size,
            bitrate: rate.bitrate,
            is_active: rate.last.is_some_and(heard),
        }
    }

    /// A young key frame and all that came since, of what is handed out at present too, and when
    /// it began to come.
    pub(super) fn kept(&self, now: Instant) -> Option<(Instant, Vec<RtpPacket>)> {
        lock(&self.state).kept.get(now)
    }

    /// When such a key frame began to come, if more is about to come.
    pub(super) fn kept_since(&self, now: Instant) -> Option<Instant> {
        let state = lock(&self.state);
        let heard = |last| now.saturating_duration_since(last) < PAUSE;
        let last = state.rate.last;
        state.kept.whole(now).filter(|_| last.is_some_and(heard))
    }

    /// Hands out what waits. Under no lock.
    pub(super) fn hand_out(&self, now: Instant) {
        let (mut packets, facts, clock, gap) = {
            let mut state = lock(&self.state);
            let mut packets = std::mem::take(&mut state.spare);
            std::mem::swap(&mut packets, &mut state.waiting);
            let gap = std::mem::take(&mut state.gap);
            (packets, state.facts.clone(), state.clock, gap)
        };
        lock(&self.state).note(now, &packets, gap);
        let batch = FanBatch {
            now,
            source: self,
            packets: &packets,
            facts: &facts,
            clock,
            gap,
            present: None,
        };
        let followers = lock(&self.followers).clone();
        let (mut wanted, mut gone) = (false, false);
        for follower in followers.iter() {
            match follower.upgrade() {
                Some(follower) => wanted |= follower.feed(&batch),
                None => gone = true,
            }
        }
        if gone {
            self.change(|followers| followers.retain(|known| known.strong_count() > 0));
        }
        if wanted {
            self.ask(KeyframeRequest::Pli);
        }
        packets.clear();
        lock(&self.state).spare = packets;
    }

    /// Has a key frame asked for, until it comes. Under no lock.
    pub(super) fn ask(&self, request: KeyframeRequest) {
        if let Some(origin) = self.origin.upgrade() {
            origin.keyframe_wanted(self.key, request);
        }
    }
}
