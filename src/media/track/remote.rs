//! The end of a track that the peer sends: its readers, and what is asked of the connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

use super::fan::Fan;
use super::loudness::Loudness;
use super::origin::{MediaOrigin, SenderClock};
use super::reader::Reader;
use crate::budget::Budget;
use crate::media::{JitterConfig, JitterStats, Kind, MediaSample, RTCCodec};
use crate::queue::lock;
use crate::rtp::{AudioLevel, KeyframeRequest, RtpPacket};

/// Readers of one track beside its first.
const MAX_TAPS: usize = 8;

/// What the clones of a received track share.
pub(super) struct RemoteEnd {
    kind: Kind,
    config: JitterConfig,
    budget: Budget,
    codecs: Mutex<Vec<RTCCodec>>,
    /// Who reads the track itself.
    reader: Reader,
    /// Who reads beside it.
    taps: Mutex<Vec<Weak<Reader>>>,
    tapped: AtomicBool,
    ended: AtomicBool,
    origin: Weak<dyn MediaOrigin>,
    key: u32,
    /// What comes is not handed out.
    disabled: AtomicBool,
    /// Packets that came meanwhile.
    passed_over: AtomicU64,
    /// Where it is forwarded, or was.
    fan: OnceLock<Arc<Fan>>,
    /// The application has asked for packets.
    is_read: AtomicBool,
    loudness: Mutex<Loudness>,
}

impl RemoteEnd {
    pub(super) fn new(
        kind: Kind,
        codecs: &[RTCCodec],
        audio_level_id: Option<u8>,
        origin: Weak<dyn MediaOrigin>,
        key: u32,
        budget: &Budget,
    ) -> Self {
        let config = JitterConfig {
            audio_level_id,
            ..JitterConfig::for_kind(kind)
        };
        Self {
            kind,
            reader: Reader::new(codecs, config, budget),
            config,
            budget: budget.clone(),
            codecs: Mutex::new(codecs.to_vec()),
            taps: Mutex::default(),
            tapped: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            origin,
            key,
            disabled: AtomicBool::new(false),
            passed_over: AtomicU64::new(0),
            fan: OnceLock::new(),
            is_read: AtomicBool::new(false),
            loudness: Mutex::default(),
        }
    }

    /// Another reader, from now on; `None` if there are as many as may be.
    pub(super) fn tap(&self) -> Option<Arc<Reader>> {
        let reader = Reader::new(&lock(&self.codecs), self.config, &self.budget);
        let reader = Arc::new(reader);
        let mut taps = lock(&self.taps);
        taps.retain(|tap| tap.strong_count() > 0);
        if taps.len() >= MAX_TAPS {
            return None;
        }
        if self.ended.load(Ordering::Relaxed) {
            reader.end();
        }
        taps.push(Arc::downgrade(&reader));
        self.tapped.store(true, Ordering::Relaxed);
        drop(taps);
        if self.kind == Kind::Video {
            self.request(KeyframeRequest::Pli);
        }
        Some(reader)
    }

    /// Who forwards it.
    pub(super) fn fan(&self) -> &Arc<Fan> {
        self.fan.get_or_init(|| {
            let codecs = lock(&self.codecs).clone();
            Arc::new(Fan::new(self.origin.clone(), self.key, codecs))
        })
    }

    /// The same, if anybody does.
    pub(super) fn active_fan(&self) -> Option<&Fan> {
        let fan = self.fan.get()?;
        fan.is_active().then_some(fan)
    }

    /// Whether packets are of no interest to the application: they go to others, and it has asked
    /// for none.
    fn is_unread(&self) -> bool {
        self.fan.get().is_some_and(|fan| fan.is_active()) && !self.is_read.load(Ordering::Relaxed)
    }

    fn taps(&self) -> Vec<Arc<Reader>> {
        if !self.tapped.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut taps = lock(&self.taps);
        taps.retain(|tap| tap.strong_count() > 0);
        self.tapped.store(!taps.is_empty(), Ordering::Relaxed);
        taps.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn is_enabled(&self) -> bool {
        !self.disabled.load(Ordering::Relaxed)
    }

    /// Video that is handed out again begins with a key frame.
    pub(super) fn set_enabled(&self, enabled: bool) {
        if self.disabled.swap(!enabled, Ordering::Relaxed) != enabled {
            return;
        }
        let waited = self.reader.begin_anew();
        self.passed_over.fetch_add(waited, Ordering::Relaxed);
        for tap in self.taps() {
            tap.begin_anew();
        }
        if enabled && self.kind == Kind::Video {
            self.request(KeyframeRequest::Pli);
        }
    }

    pub(super) fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    pub(super) async fn recv_rtp(&self) -> Option<RtpPacket> {
        self.is_read.store(true, Ordering::Relaxed);
        self.reader.recv_rtp().await
    }

    pub(super) async fn recv_sample(&self) -> Option<MediaSample> {
        self.is_read.store(true, Ordering::Relaxed);
        self.reader.recv_sample(&self.origin, self.key).await
    }

    /// What a reader beside the first has next.
    pub(super) async fn recv_tapped(&self, tap: &Reader) -> Option<MediaSample> {
        tap.recv_sample(&self.origin, self.key).await
    }

    pub(super) fn request(&self, request: KeyframeRequest) {
        if let Some(origin) = self.origin.upgrade() {
            origin.request_keyframe(self.key, request);
        }
    }

    pub(super) fn sender_clock(&self) -> Option<SenderClock> {
        self.origin.upgrade()?.sender_clock(self.key)
    }

    pub(super) fn deliver(&self, packets: impl Iterator<Item = RtpPacket>) {
        if !self.is_enabled() {
            let count = u64::try_from(packets.count()).unwrap_or(u64::MAX);
            self.passed_over.fetch_add(count, Ordering::Relaxed);
            return;
        }
        let packets = packets.inspect(|packet| self.listen(packet));
        let taps = self.taps();
        let is_unread = self.is_unread();
        if taps.is_empty() {
            match is_unread {
                true => packets.for_each(drop),
                false => self.reader.deliver(packets),
            }
            return;
        }
        let packets: Vec<RtpPacket> = packets.collect();
        for tap in taps {
            tap.deliver(packets.iter().cloned());
        }
        if is_unread {
            return;
        }
        self.reader.deliver(packets.into_iter());
    }

    fn listen(&self, packet: &RtpPacket) {
        let is_audio = self.kind == Kind::Audio;
        if let Some(level) = is_audio.then(|| self.config.audio_level(packet)).flatten() {
            lock(&self.loudness).heard(Instant::now(), level);
        }
    }

    pub(super) fn audio_level(&self) -> Option<AudioLevel> {
        let level = lock(&self.loudness).get(Instant::now());
        level.filter(|_| self.is_enabled())
    }

    /// Bytes that wait for the application.
    pub(super) fn held(&self) -> usize {
        let taps = self.taps();
        let tapped = taps.iter().map(|tap| tap.held());
        self.reader.held().saturating_add(tapped.sum())
    }

    /// Drops what waits longest, about so many bytes; says how many it were, and packets.
    pub(super) fn shed(&self, bytes: usize) -> (usize, u64) {
        let (mut gone, mut packets) = self.reader.shed(bytes);
        for tap in self.taps() {
            let (more, dropped) = tap.shed(bytes.saturating_sub(gone));
            gone = gone.saturating_add(more);
            packets = packets.saturating_add(dropped);
        }
        (gone, packets)
    }

    pub(super) fn codec(&self, payload_type: u8) -> Option<RTCCodec> {
        let codecs = lock(&self.codecs);
        let mut fits = codecs
            .iter()
            .filter(|codec| codec.payload_type == payload_type);
        fits.next().cloned()
    }

    pub(super) fn set_codecs(&self, codecs: &[RTCCodec]) {
        *lock(&self.codecs) = codecs.to_vec();
        self.reader.set_codecs(codecs);
        if let Some(fan) = self.fan.get() {
            fan.set_codecs(codecs);
        }
        for tap in self.taps() {
            tap.set_codecs(codecs);
        }
    }

    /// What waits can still be read.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.reader.end();
        for tap in self.taps() {
            tap.end();
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.reader.dropped()
    }

    pub(super) fn jitter_stats(&self) -> JitterStats {
        self.reader.jitter_stats()
    }
}
