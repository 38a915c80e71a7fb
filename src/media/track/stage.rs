//! For tests: received tracks and those who forward them, without connections and on any clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::fan::{Fan, Follower};
use super::forwarding::Forwarding;
use super::outlets::{ForwardedBatch, MediaSink, Reception};
use super::{MediaOrigin, MediaStreamTrack, SenderClock, Source};
use crate::dtmf::Command;
use crate::error::Result;
use crate::media::forward::LayerSelector;
use crate::media::{Kind, RTCCodec};
use crate::queue::lock;
use crate::rtp::{AudioLevel, KeyframeRequest, RtpPacket};

/// Of whom key frames are asked.
#[derive(Default)]
struct Sender {
    asked: AtomicU32,
}

impl MediaOrigin for Sender {
    fn request_keyframe(&self, _: u32, _: KeyframeRequest) {
        unreachable!();
    }

    fn keyframe_wanted(&self, _: u32, _: KeyframeRequest) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    fn over_budget(&self) {
        unreachable!();
    }

    fn runtime(&self) -> Handle {
        unreachable!();
    }

    fn sender_clock(&self, _: u32) -> Option<SenderClock> {
        None
    }
}

/// A received track of one encoding or several.
pub(crate) struct Incoming {
    encodings: Vec<(Arc<Sender>, Arc<Fan>)>,
}

impl Incoming {
    pub(crate) fn new(codec: &RTCCodec, encodings: usize) -> Self {
        let encodings = (0..encodings).map(|_| {
            let sender = Arc::<Sender>::default();
            let origin: Arc<dyn MediaOrigin> = sender.clone();
            let fan = Fan::new(Arc::downgrade(&origin), 0, vec![codec.clone()]);
            (sender, Arc::new(fan))
        });
        Self {
            encodings: encodings.collect(),
        }
    }

    /// Packets of an encoding come.
    pub(crate) fn comes(&self, now: Instant, encoding: usize, packets: &[RtpPacket]) {
        let fan = &self.encodings[encoding].1;
        packets.iter().for_each(|packet| fan.offer(packet));
        fan.hand_out(now);
    }

    /// How often a key frame of an encoding was asked for since this was last called.
    pub(crate) fn asked(&self, encoding: usize) -> u32 {
        self.encodings[encoding].0.asked.swap(0, Ordering::Relaxed)
    }
}

/// What goes out to a receiver.
#[derive(Default)]
struct Wire {
    is_deaf: AtomicBool,
    is_forgotten: AtomicBool,
    reception: Mutex<Option<Reception>>,
    out: Mutex<Vec<RtpPacket>>,
}

impl MediaSink for Wire {
    fn write_sample(&self, _: u32, _: &Bytes, _: Duration, _: Option<AudioLevel>) -> Result<()> {
        unreachable!();
    }

    fn write_rtp(&self, _: u32, _: &RtpPacket) -> Result<()> {
        unreachable!();
    }

    fn play_dtmf(&self, _: u32, _: &Command) -> Result<()> {
        unreachable!();
    }

    fn forward(&self, key: u32, batch: &ForwardedBatch<'_>) -> bool {
        let taken = self.takes(key);
        let out = batch.iter().map(|(placed, packet)| {
            let mut payload = placed.head().to_vec();
            payload.extend_from_slice(&packet.payload[payload.len()..]);
            payload.retain(|_| !placed.is_filler);
            RtpPacket {
                sequence_number: placed.place.sequence_number,
                timestamp: placed.place.timestamp,
                payload: payload.into(),
                ..packet.clone()
            }
        });
        lock(&self.out).extend(out.filter(|_| taken));
        taken
    }

    fn takes(&self, _: u32) -> bool {
        !self.is_deaf.load(Ordering::Relaxed)
    }

    fn reception(&self, _: u32) -> Option<Reception> {
        *lock(&self.reception)
    }

    fn forget_sent(&self, _: u32) {
        self.is_forgotten.store(true, Ordering::Relaxed);
    }

    fn may_forward(&self, _: u32, _: &[RTCCodec]) -> Result<()> {
        Ok(())
    }
}

/// One who is sent a received track.
pub(crate) struct Receiver {
    source: Arc<Source>,
    wire: Arc<Wire>,
}

impl Receiver {
    pub(crate) fn new(now: Instant, of: &Incoming) -> Self {
        let receiver = Self::deaf(now, of);
        receiver.hear();
        receiver
    }

    /// One that is not connected yet.
    pub(crate) fn deaf(now: Instant, of: &Incoming) -> Self {
        let source = Arc::new(Source {
            forward: Some(Box::new(Forwarding::new(Kind::Video))),
            ..Source::default()
        });
        let wire = Arc::<Wire>::default();
        wire.is_deaf.store(true, Ordering::Relaxed);
        let sink: Arc<dyn MediaSink> = wire.clone();
        let track = MediaStreamTrack::local(Kind::Video, source.clone());
        let owner: Arc<dyn std::any::Any + Send + Sync> = track.inner.clone();
        let owner = Arc::downgrade(&owner);
        source.outlets.add(Arc::downgrade(&sink), 0, owner, || {});
        let receiver = Self { source, wire };
        receiver.follow(now, of);
        receiver
    }

    /// Is connected from now on.
    pub(crate) fn hear(&self) {
        self.wire.is_deaf.store(false, Ordering::Relaxed);
    }

    /// Is sent this from now on.
    pub(crate) fn follow(&self, now: Instant, of: &Incoming) {
        let own: Weak<Source> = Arc::downgrade(&self.source);
        let own: Weak<dyn Follower> = own;
        let layers = of.encodings.iter().map(|(_, fan)| (None, fan.clone()));
        self.forwarding().follow(now, layers.collect(), &own);
    }

    pub(super) fn forwarding(&self) -> &Forwarding {
        self.source.forward.as_ref().unwrap()
    }

    /// So it is reached, as far as is known.
    pub(crate) fn reached(&self, reception: Option<Reception>) {
        *lock(&self.wire.reception) = reception;
    }

    /// The path to it does not carry what it is sent.
    pub(crate) fn strained(&self, now: Instant) {
        self.forwarding().spare_path(now, &self.source.outlets);
    }

    /// Whether what went out is not to be sent again; once for each time.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.wire.is_forgotten.swap(false, Ordering::Relaxed)
    }

    /// It has to have a key frame.
    pub(crate) fn ask(&self, now: Instant) {
        self.forwarding().ask(now, KeyframeRequest::Pli);
    }

    /// Its encoding is chosen by this.
    pub(crate) fn choose(&self, selector: impl LayerSelector + 'static) {
        self.forwarding().set_selector(Box::new(selector));
    }

    /// How often it began with another encoding.
    pub(crate) fn switches(&self) -> u64 {
        self.forwarding().stats().switches
    }

    /// What went out to it since this was last called.
    pub(crate) fn take(&self) -> Vec<RtpPacket> {
        std::mem::take(&mut lock(&self.wire.out))
    }
}
