//! One track of a recording, as it stands.

use bytes::Bytes;
use ortc::{Kind, SenderClock};

use super::clock::TrackClock;
use super::codec::{Picture, RecordedCodec};
use super::recorded::{Gap, RecordedFile, seconds};
use super::side::Side;
use super::snapshot::Snapshot;

/// Longer than frames are apart: a gap, though nothing was lost.
const PAUSE: i64 = 1_000_000_000;
/// Shorter than this is none.
const NOTHING: i64 = 5_000_000;

pub(super) struct Strand {
    pub(super) kind: Kind,
    pub(super) codec: Option<RecordedCodec>,
    pub(super) picture: Option<Picture>,
    pub(super) key_frame: Option<Bytes>,
    pub(super) sender: Option<SenderClock>,
    /// Nothing is written before a key frame.
    pub(super) waits: bool,
    /// Something is missing since the last frame that was written.
    pub(super) lost: bool,
    pub(super) ended: bool,
    pub(super) passed_over: u64,
    pub(super) side: Option<Side>,
    clock: Option<(u32, TrackClock)>,
    /// When its last frame ends.
    end: Option<i64>,
}

impl Strand {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            codec: None,
            picture: None,
            key_frame: None,
            sender: None,
            waits: kind == Kind::Video,
            lost: false,
            ended: false,
            passed_over: 0,
            side: None,
            clock: None,
            end: None,
        }
    }

    pub(super) fn clock(&mut self, rate: u32) -> &mut TrackClock {
        // Another rate is another clock.
        if self.clock.as_ref().is_none_or(|(known, _)| *known != rate) {
            self.clock = None;
        }
        let (_, clock) = self
            .clock
            .get_or_insert_with(|| (rate, TrackClock::new(rate)));
        clock
    }

    /// What is missing before a frame of that time.
    pub(super) fn gap(&mut self, time: i64, lasts: i64, lost: bool) -> Option<Gap> {
        let before = self.end.replace(time.saturating_add(lasts))?;
        let missing = time.saturating_sub(before);
        let least = match (lost, self.kind) {
            (true, Kind::Audio) => NOTHING,
            (true, _) => NOTHING.saturating_mul(8),
            (false, _) => PAUSE,
        };
        (missing > least).then(|| Gap {
            kind: self.kind,
            at: seconds(before),
            lasts: seconds(missing),
            lost,
        })
    }

    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let picture = self.picture.as_ref()?;
        Some(Snapshot::new(
            self.codec?,
            (picture.width, picture.height),
            self.key_frame.clone()?,
        ))
    }

    /// The file of this track alone.
    pub(super) fn told(&self) -> Option<RecordedFile> {
        self.side.as_ref().map(Side::told)
    }
}
