//! Sources that nobody declared: each is announced once, and some of its packets wait for a
//! `receive_track` that may follow.
//!
//! Everything a peer can make grow is bounded, and a source that floods takes nothing from the
//! others: it has a bound of its own, and when all is full the one that holds most gives way.

// Rows A38, A39, G16.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::rtp::{RtpHeader, RtpPacket};

/// Sources remembered; packets of one more are dropped and counted.
pub(crate) const MAX_SOURCES: usize = 1_000;
/// Announcements that wait for the layer above.
const MAX_NEWS: usize = 64;
const MAX_SOURCE_PACKETS: usize = 256;
const MAX_SOURCE_BYTES: usize = 256 << 10;
const MAX_PACKETS: usize = 1_024;
const MAX_BYTES: usize = 1 << 20;
/// A source silent for so long makes room for a new one when all places are taken.
const FORGET_AFTER: Duration = Duration::from_secs(60);

type Packet = (RtpHeader, RtpPacket);
/// What a packet holds beside its bytes.
const PLACE: usize = 2 * size_of::<Packet>();

/// What became of a packet of an unknown source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// The source is remembered, this packet is not.
    Dropped,
    /// As that; the application had the source and does not want it any more.
    GivenUp,
    /// There are too many sources; this one leaves no trace.
    Refused,
}

struct Source {
    packets: VecDeque<Packet>,
    bytes: usize,
    announced: bool,
    /// The application had it and gave it up: no announcement, nothing to replay.
    given_up: bool,
    heard: Instant,
}

#[derive(Default)]
pub(crate) struct UnknownSources {
    sources: HashMap<u32, Source>,
    /// The number of packets of each, to find the one that holds most.
    by_size: BTreeSet<(usize, u32)>,
    /// No source is silent for long enough before this.
    silent_at: Option<Instant>,
    news: VecDeque<u32>,
    packets: usize,
    bytes: usize,
}

fn size((header, packet): &Packet) -> usize {
    header.header_len + packet.payload.len()
}

impl UnknownSources {
    /// Takes a packet. With `Refused` comes the source that made room, if one did.
    pub(crate) fn push(&mut self, now: Instant, packet: Packet) -> (Verdict, Option<u32>) {
        let ssrc = packet.1.ssrc;
        let mut forgotten = None;
        if !self.sources.contains_key(&ssrc) {
            if self.sources.len() >= MAX_SOURCES {
                forgotten = self.forget_silent(now);
                if forgotten.is_none() {
                    return (Verdict::Refused, None);
                }
            }
            self.sources.insert(ssrc, Source::new(now));
        }
        let news = &mut self.news;
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return (Verdict::Refused, forgotten);
        };
        source.heard = now;
        if source.given_up {
            return (Verdict::GivenUp, forgotten);
        }
        if !source.announced && news.len() < MAX_NEWS {
            source.announced = true;
            news.push_back(ssrc);
        }
        let size = size(&packet);
        if source.packets.len() >= MAX_SOURCE_PACKETS || source.bytes + size > MAX_SOURCE_BYTES {
            return (Verdict::Dropped, forgotten);
        }
        let held = source.packets.len();
        while self.packets >= MAX_PACKETS || self.bytes + size > MAX_BYTES {
            if !self.give_way(held) {
                return (Verdict::Dropped, forgotten);
            }
        }
        if let Some(source) = self.sources.get_mut(&ssrc) {
            self.by_size.remove(&(source.packets.len(), ssrc));
            source.bytes += size;
            source.packets.push_back(packet);
            self.by_size.insert((source.packets.len(), ssrc));
            self.packets += 1;
            self.bytes += size;
        }
        (Verdict::Kept, forgotten)
    }

    /// The source that holds most drops its newest packet, if it holds more than `held` and one.
    fn give_way(&mut self, held: usize) -> bool {
        let Some(&(len, ssrc)) = self.by_size.last().filter(|(len, _)| *len > held + 1) else {
            return false;
        };
        let Some(greatest) = self.sources.get_mut(&ssrc) else {
            return false;
        };
        self.by_size.remove(&(len, ssrc));
        self.by_size.insert((len - 1, ssrc));
        if let Some(packet) = greatest.packets.pop_back() {
            let size = size(&packet);
            greatest.bytes = greatest.bytes.saturating_sub(size);
            self.bytes = self.bytes.saturating_sub(size);
            self.packets = self.packets.saturating_sub(1);
        }
        true
    }

    fn forget_silent(&mut self, now: Instant) -> Option<u32> {
        if self.silent_at.is_some_and(|at| now < at) {
            return None;
        }
        let (&ssrc, source) = self.sources.iter().min_by_key(|(_, source)| source.heard)?;
        // Whatever is heard meanwhile is later.
        self.silent_at = source.heard.checked_add(FORGET_AFTER);
        if self.silent_at.is_none_or(|at| now < at) {
            return None;
        }
        self.take(ssrc);
        Some(ssrc)
    }

    /// The next source to announce, with the first packet that is held of it.
    pub(crate) fn poll_news(&mut self) -> Option<&RtpPacket> {
        loop {
            let ssrc = self.news.pop_front()?;
            let first = |source: &Source| source.packets.front().is_some();
            if self.sources.get(&ssrc).is_some_and(first) {
                let source = self.sources.get(&ssrc)?;
                return source.packets.front().map(|(_, packet)| packet);
            }
            // Nothing is held of it, so it cannot be described yet: its next packet tries again.
            self.announce_later(ssrc);
        }
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The announcement found no room: the next packet of the source brings it again.
    pub(crate) fn announce_later(&mut self, ssrc: u32) {
        if let Some(source) = self.sources.get_mut(&ssrc) {
            source.announced = false;
        }
    }

    /// The sources of which one held packet satisfies `matches`.
    pub(crate) fn matching(&self, mut matches: impl FnMut(&RtpPacket) -> bool) -> Vec<u32> {
        self.sources
            .iter()
            .filter(|(_, source)| source.packets.iter().any(|(_, packet)| matches(packet)))
            .map(|(&ssrc, _)| ssrc)
            .collect()
    }

    /// The same of the sources with these SSRCs alone.
    pub(crate) fn matching_of(
        &self,
        ssrcs: &[u32],
        mut matches: impl FnMut(&RtpPacket) -> bool,
    ) -> Vec<u32> {
        let holds = |ssrc: &u32| {
            let packets = self.sources.get(ssrc).map(|source| &source.packets);
            packets.is_some_and(|held| held.iter().any(|(_, packet)| matches(packet)))
        };
        ssrcs.iter().copied().filter(holds).collect()
    }

    /// Forgets a source, and hands out what is held of it in the order of arrival.
    pub(crate) fn take(&mut self, ssrc: u32) -> VecDeque<Packet> {
        let Some(source) = self.sources.remove(&ssrc) else {
            return VecDeque::new();
        };
        self.by_size.remove(&(source.packets.len(), ssrc));
        self.news.retain(|other| *other != ssrc);
        self.packets = self.packets.saturating_sub(source.packets.len());
        self.bytes = self.bytes.saturating_sub(source.bytes);
        source.packets
    }

    /// The application does not want this source any more. When all places are taken, the one that
    /// was given up and is silent longest is forgotten.
    pub(crate) fn give_up(&mut self, now: Instant, ssrc: u32) {
        self.take(ssrc);
        if self.sources.len() >= MAX_SOURCES {
            let given_up = self.sources.iter().filter(|(_, source)| source.given_up);
            let oldest = given_up.min_by_key(|(_, source)| source.heard);
            let Some((&oldest, _)) = oldest else { return };
            self.take(oldest);
        }
        let mut source = Source::new(now);
        source.given_up = true;
        self.sources.insert(ssrc, source);
    }

    pub(crate) fn held_bytes(&self) -> usize {
        let sources = self
            .sources
            .capacity()
            .saturating_mul(size_of::<(u32, Source)>());
        let places = self.packets.saturating_mul(PLACE);
        self.bytes.saturating_add(places).saturating_add(sources)
    }

    /// Sources, packets and bytes held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize, usize) {
        (self.sources.len(), self.packets, self.bytes)
    }
}

impl Source {
    fn new(now: Instant) -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            announced: false,
            given_up: false,
            heard: now,
        }
    }
}

#[cfg(test)]
#[path = "unknown_tests.rs"]
mod tests;
