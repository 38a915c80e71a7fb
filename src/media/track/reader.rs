//! Packets of a received track that wait for one reader, put in order, made frames of.

use std::sync::{Mutex, Weak};
use std::time::{Duration, Instant};

use super::origin::MediaOrigin;
use crate::budget::Budget;
use crate::media::{JitterBuffer, JitterConfig, JitterStats, MediaSample, RTCCodec};
use crate::queue::{Queue, lock};
use crate::rtp::{KeyframeRequest, RtpPacket};

/// Packets of a remote track that wait for the application; when full the oldest is dropped and
/// counted.
const MAX_WAITING_PACKETS: usize = 2048;
/// Longer than any wait of a jitter buffer.
const AFTER_THE_END: Duration = Duration::from_secs(60);

/// What one reader of a received track has before it.
pub(super) struct Reader {
    packets: Queue<RtpPacket>,
    jitter: Mutex<Reordering>,
}

/// The jitter buffer, and what of it is counted.
struct Reordering {
    buffer: JitterBuffer,
    counted: usize,
    /// Until the track has ended.
    budget: Option<Budget>,
}

impl Reordering {
    /// Counts what is held now; true when that has become more than the budget allows.
    fn count(&mut self) -> bool {
        let Some(budget) = &self.budget else {
            return false;
        };
        let (before, held) = (self.counted, self.buffer.held());
        budget.packets_changed(before, held);
        self.counted = held;
        held > before && budget.excess(0) > 0
    }

    fn end(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.packets_changed(self.counted, 0);
            self.counted = 0;
        }
    }
}

impl Drop for Reordering {
    fn drop(&mut self) {
        self.end();
    }
}

impl Reader {
    pub(super) fn new(codecs: &[RTCCodec], config: JitterConfig, budget: &Budget) -> Self {
        Self {
            packets: Queue::weighed(MAX_WAITING_PACKETS, budget.clone(), RtpPacket::held),
            jitter: Mutex::new(Reordering {
                buffer: JitterBuffer::new(codecs, config),
                counted: 0,
                budget: Some(budget.clone()),
            }),
        }
    }

    /// What comes next is the first of a sequence; says how many packets waited.
    pub(super) fn begin_anew(&self) -> u64 {
        let waited = self.packets.clear();
        let mut jitter = lock(&self.jitter);
        jitter.buffer.begin_anew();
        jitter.count();
        waited
    }

    pub(super) async fn recv_rtp(&self) -> Option<RtpPacket> {
        loop {
            let packet = self.packets.pop().await?;
            // Padding, or the packet of a digit: there for its sequence number alone.
            if !packet.payload.is_empty() {
                return Some(packet);
            }
        }
    }

    pub(super) async fn recv_sample(
        &self,
        origin: &Weak<dyn MediaOrigin>,
        key: u32,
    ) -> Option<MediaSample> {
        loop {
            let (sample, deadline, wants_keyframe) = {
                let mut jitter = lock(&self.jitter);
                let now = Instant::now();
                let sample = loop {
                    if let Some(sample) = jitter.buffer.pop(now) {
                        break Some(sample);
                    }
                    match self.packets.try_pop() {
                        Some(packet) => jitter.buffer.push(now, packet),
                        None => break None,
                    }
                };
                if jitter.count()
                    && let Some(origin) = origin.upgrade()
                {
                    origin.over_budget();
                }
                if sample.is_none() && self.packets.is_closed() {
                    // Nothing more comes: what is missing is lost.
                    return jitter.buffer.pop(now + AFTER_THE_END);
                }
                let buffer = &mut jitter.buffer;
                (sample, buffer.poll_timeout(), buffer.wants_keyframe(now))
            };
            // The connection locks itself, and must not wait for the buffer.
            if wants_keyframe && let Some(origin) = origin.upgrade() {
                origin.request_keyframe(key, KeyframeRequest::Pli);
            }
            if sample.is_some() {
                return sample;
            }
            if let Some(packet) = self.arrival(origin, deadline).await {
                let mut jitter = lock(&self.jitter);
                jitter.buffer.push(Instant::now(), packet);
                jitter.count();
            }
        }
    }

    /// The next packet; `None` as well when it is late.
    async fn arrival(
        &self,
        origin: &Weak<dyn MediaOrigin>,
        deadline: Option<Instant>,
    ) -> Option<RtpPacket> {
        let arrival = self.packets.pop();
        // Without an origin there are no more packets to be late.
        let timer = deadline.and_then(|at| Some((at, origin.upgrade()?.runtime())));
        let Some((deadline, runtime)) = timer else {
            return arrival.await;
        };
        let in_time = {
            let _inside = runtime.enter();
            tokio::time::timeout_at(deadline.into(), arrival)
        };
        in_time.await.unwrap_or_default()
    }

    pub(super) fn deliver(&self, packets: impl Iterator<Item = RtpPacket>) {
        self.packets.extend(packets);
    }

    /// Bytes that wait for the application.
    pub(super) fn held(&self) -> usize {
        let reordering = lock(&self.jitter).counted;
        self.packets.weight().saturating_add(reordering)
    }

    /// Drops what waits longest, about so many bytes; says how many it were, and packets.
    pub(super) fn shed(&self, bytes: usize) -> (usize, u64) {
        let (mut gone, mut packets) = self.packets.shed(bytes);
        if gone < bytes {
            let mut jitter = lock(&self.jitter);
            let before = jitter.counted;
            let overflow = jitter.buffer.stats().overflow;
            jitter.buffer.shed();
            jitter.count();
            gone = gone.saturating_add(before.saturating_sub(jitter.counted));
            packets += jitter.buffer.stats().overflow.saturating_sub(overflow);
        }
        (gone, packets)
    }

    pub(super) fn set_codecs(&self, codecs: &[RTCCodec]) {
        lock(&self.jitter).buffer.set_codecs(codecs);
    }

    /// What waits can still be read.
    pub(super) fn end(&self) {
        self.packets.close();
        lock(&self.jitter).end();
    }

    pub(super) fn dropped(&self) -> u64 {
        self.packets.dropped()
    }

    pub(super) fn jitter_stats(&self) -> JitterStats {
        lock(&self.jitter).buffer.stats()
    }
}
