//! What a connection receives: tracks declared with `receive_track`, and their streams.

use std::collections::BTreeMap;
use std::time::Instant;

use super::contributors::RTCContributor;
use super::digits::ReceivingDigits;
use super::heard::{HeardSource, heard_source};
use super::spec::uses_ssrc;
use super::stream_event::{RTCStreamEvent, StreamWatch};
use super::track::ReceivingTrack;
use crate::budget::Budget;
use crate::engine::Engine;
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCCodec, RTCTrackDescription};
use crate::rtp::{ReceiverId, RtpPacket};

/// The receiving tracks and streams of a connection.
#[derive(Default)]
pub(crate) struct Receiving {
    pub(crate) tracks: BTreeMap<ReceiverId, ReceivingTrack>,
    pub(crate) streams: Vec<MediaStream>,
    pub(super) watch: StreamWatch,
    budget: Budget,
    /// No digit is due before this; it may be early, never late.
    digits_at: Option<Instant>,
    /// No key frame is to be asked for again before this.
    pub(super) keyframe_at: Option<Instant>,
    /// Tracks of which packets wait for those who forward them.
    pub(super) offered: Vec<(ReceiverId, MediaStreamTrack)>,
    /// A moment of ours, and what the peer's clock said then.
    pub(super) anchor: Option<(Instant, u64)>,
}

/// More than is needed gives way at once, in parts of the budget: looking for the track that holds
/// most costs something.
const SHARE_TO_SHED: usize = 64;

impl Receiving {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Keeps what the peer has this side hold within the budget: the track that holds most drops
    /// what waits longest. `rest` is held elsewhere.
    pub(crate) fn stay_within_budget(&self, rest: usize) {
        while self.budget.excess(rest) > 0 {
            let spare = self.budget.limit() / SHARE_TO_SHED;
            let excess = self.budget.excess(rest).saturating_add(spare);
            let tracks = self.tracks.values().map(|receiving| &receiving.track);
            let Some((track, held)) = tracks
                .map(|track| (track, track.held()))
                .max_by_key(|(_, held)| *held)
            else {
                return;
            };
            // The next one may hold nearly as much: both give way in turn.
            let (gone, packets) = track.shed(excess.min(held / 2 + 1));
            self.budget.packets_dropped(packets);
            if gone == 0 {
                return;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    pub(crate) fn streams(&self) -> Vec<MediaStream> {
        self.streams.clone()
    }

    /// Telephone events that held no digit.
    pub(crate) fn ignored_events(&self) -> u64 {
        let digits = self.tracks.values().filter_map(|t| t.digits.as_ref());
        digits.map(ReceivingDigits::ignored).sum()
    }

    pub(crate) fn track_of(&self, id: ReceiverId) -> Option<&MediaStreamTrack> {
        Some(&self.tracks.get(&id)?.track)
    }

    /// Each source heard, with its track.
    pub(crate) fn sources<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> impl Iterator<Item = HeardSource> + 'a {
        self.tracks.iter().flat_map(move |(&id, receiving)| {
            let ssrcs = engine.media().receiver_ssrcs(id).iter();
            ssrcs.map(move |&ssrc| {
                let red = engine.media().red_counters(id, ssrc);
                heard_source(&receiving.description, &receiving.track, ssrc, red)
            })
        })
    }

    pub(crate) fn codecs_by_kind(&self) -> impl Iterator<Item = (Kind, &RTCCodec)> {
        self.tracks.values().flat_map(|receiving| {
            let kind = receiving.description.kind;
            receiving
                .description
                .codecs
                .iter()
                .map(move |codec| (kind, codec))
        })
    }

    pub(crate) fn codecs(&self) -> impl Iterator<Item = &RTCCodec> {
        self.tracks
            .values()
            .flat_map(|receiving| &receiving.description.codecs)
    }

    pub(crate) fn uses_ssrc(&self, ssrc: u32) -> bool {
        let mut tracks = self.tracks.values();
        tracks.any(|receiving| uses_ssrc(&receiving.description, ssrc))
    }

    pub(crate) fn set_watch(&mut self, watch: StreamWatch) {
        self.watch = watch;
    }

    pub(crate) fn watch(&self) -> &StreamWatch {
        &self.watch
    }

    pub(crate) fn watch_mut(&mut self) -> &mut StreamWatch {
        &mut self.watch
    }

    /// The SSRCs heard for these tracks.
    pub(crate) fn ssrcs_of(&self, engine: &Engine, tracks: &[MediaStreamTrack]) -> Vec<u32> {
        self.tracks
            .iter()
            .filter(|(_, receiving)| receiving.tracks().any(|track| tracks.contains(track)))
            .flat_map(|(&id, _)| engine.media().receiver_ssrcs(id).iter().copied())
            .collect()
    }

    /// The description a track was declared with.
    pub(crate) fn description_of(&self, track: &MediaStreamTrack) -> Option<&RTCTrackDescription> {
        let mut tracks = self.tracks.values();
        let found = tracks.find(|receiving| receiving.track == *track)?;
        Some(&found.description)
    }

    pub(crate) fn contributors_of(&self, track: &MediaStreamTrack) -> Vec<RTCContributor> {
        let mut tracks = self.tracks.values();
        tracks
            .find(|receiving| receiving.track == *track)
            .map(|receiving| receiving.contributors.get(Instant::now()))
            .unwrap_or_default()
    }

    pub(crate) fn deliver(
        &mut self,
        id: ReceiverId,
        packets: impl Iterator<Item = RtpPacket>,
        csrc_level_id: Option<u8>,
    ) {
        let Some(receiving) = self.tracks.get_mut(&id) else {
            return;
        };
        let (track, contributors) = (&receiving.track, &mut receiving.contributors);
        let is_forwarded = track.fan().is_some();
        if is_forwarded && !self.offered.iter().any(|(known, _)| *known == id) {
            self.offered.push((id, track.clone()));
        }
        let (ask, codecs) = (&mut receiving.ask, &receiving.description.codecs);
        let mut changed = None;
        let packets = packets.inspect(|packet| {
            if is_forwarded {
                track.offer(packet);
                ask.arrived(codecs, packet);
            }
        });
        let packets = packets.inspect(|packet| {
            if !packet.csrcs.is_empty() || !contributors.is_empty() {
                let now = Instant::now();
                if contributors.packet(now, packet, csrc_level_id) {
                    changed = Some(now);
                }
            }
        });
        match &mut receiving.digits {
            Some(digits) => {
                let now = Instant::now();
                track.deliver(packets.map(|packet| digits.take(now, packet)));
                digits.emit();
                let due = digits.poll_timeout();
                self.digits_at = [self.digits_at, due].into_iter().flatten().min();
            }
            None => track.deliver(packets),
        }
        if let Some(now) = changed {
            self.watch.emit(|| RTCStreamEvent::TrackContributors {
                track: receiving.track.clone(),
                contributors: receiving.contributors.get(now),
            });
        }
    }

    /// When the silence of a tone whose end was lost has lasted long enough, or a report is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.digits_at
            .into_iter()
            .chain(self.watch.deadline())
            .chain(self.keyframe_at)
            .min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.digits_at.is_none_or(|at| at > now) {
            return;
        }
        self.digits_at = None;
        for digits in self.tracks.values_mut().filter_map(|t| t.digits.as_mut()) {
            digits.handle_timeout(now);
            let due = digits.poll_timeout();
            self.digits_at = [self.digits_at, due].into_iter().flatten().min();
        }
    }
}
