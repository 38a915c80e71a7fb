//! The frames of one stream's tracks, into files.
//!
//! A file begins once each track has begun and its sender's clock is known, or after three
//! seconds without; video begins with a key frame, also after a loss. A track that comes later,
//! and another format, begin another file.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use ortc::{Kind, SenderClock};

use super::av1::without_delimiter;
use super::clock::{Common, between};
use super::codec::{RecordedCodec, opus_microseconds};
use super::film::{Film, Frame};
use super::h264::with_lengths;
use super::picture::picture;
use super::plan::Plan;
use super::recorded::{Gap, RecordedFile};
use super::side::Side;
use super::snapshot::Snapshot;
use super::strand::Strand;

/// How long the beginning of a file waits, and how many bytes it holds meanwhile.
const HOLD: i64 = 3_000_000_000;
const HOLD_BYTES: usize = 8 << 20;
/// Gaps of a stream that are kept.
const MAX_GAPS: usize = 10_000;

/// A frame as it came.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) data: Bytes,
    pub(super) timestamp: u32,
    pub(super) rate: u32,
    pub(super) at: Instant,
    /// As its payload type says; by its bytes if that is not known.
    pub(super) codec: Option<RecordedCodec>,
    pub(super) key: bool,
    /// Something before it is missing.
    pub(super) lost: bool,
    pub(super) sender: Option<SenderClock>,
    /// There will be reports.
    pub(super) reports: bool,
}

/// What is to be done for a track.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wants {
    /// Key frames of these tracks: bits by their number.
    pub(super) keys: u64,
}

pub(super) struct Assembler {
    plan: Plan,
    common: Common,
    strands: Vec<Strand>,
    held: VecDeque<(usize, Arrived)>,
    held_bytes: usize,
    held_since: Option<i64>,
    film: Option<Film>,
    pub(super) done: Vec<RecordedFile>,
    pub(super) gaps: Vec<Gap>,
}

impl Assembler {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            common: Common::default(),
            strands: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            held_since: None,
            film: None,
            done: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Another track; its number.
    pub(super) fn track(&mut self, kind: Kind) -> usize {
        self.strands.push(Strand::new(kind));
        self.strands.len().saturating_sub(1)
    }

    /// Nothing more comes of a track.
    pub(super) fn ended(&mut self, track: usize) -> io::Result<()> {
        if let Some(strand) = self.strands.get_mut(track) {
            strand.ended = true;
            self.close_side(track)?;
        }
        Ok(())
    }

    /// A frame of a track. An error is one of a file, and the end of the recording.
    pub(super) fn frame(&mut self, track: usize, mut arrived: Arrived) -> io::Result<Wants> {
        let Some(strand) = self.strands.get_mut(track) else {
            return Ok(Wants::default());
        };
        let Some(codec) = codec_of(strand, &arrived) else {
            return Ok(Wants::key(track, strand.kind));
        };
        let found = picture(codec, &arrived.data);
        let same = strand.codec == Some(codec);
        let key = found.is_some() || arrived.key && same && strand.picture.is_some();
        arrived.lost |= std::mem::take(&mut strand.lost);
        if strand.kind == Kind::Video {
            strand.waits |= arrived.lost || !same;
            if strand.waits && !key {
                strand.passed_over = strand.passed_over.saturating_add(1);
                strand.lost = true;
                return Ok(Wants::key(track, Kind::Video));
            }
            strand.waits = false;
        }
        let private = |of: &Option<super::codec::Picture>| {
            of.as_ref().and_then(|picture| picture.private.clone())
        };
        let other = found.is_some() && private(&found) != private(&strand.picture);
        let changed = strand.codec.is_some() && (!same || other);
        strand.codec = Some(codec);
        if found.is_some() {
            strand.picture = found;
            strand.key_frame = Some(arrived.data.clone());
        }
        strand.sender = arrived.sender.or(strand.sender);
        let begins = !self.film.as_ref().is_some_and(|film| film.has(track));
        if changed {
            self.close_side(track)?;
        }
        let mut wants = Wants::default();
        if (begins || changed) && self.film.is_some() {
            self.close_film()?;
            wants.keys = self.wait_for_keys(track);
        }
        if self.film.is_some() {
            let frame = self.timed(track, arrived, key);
            self.write(&[(track, frame)])?;
            return Ok(wants);
        }
        self.hold(track, arrived)?;
        Ok(wants)
    }

    /// Time passes: what waits goes out.
    pub(super) fn tick(&mut self, now: Instant) -> io::Result<()> {
        let now = between(self.plan.epoch, now);
        let waited = self.held_since.map(|since| now.saturating_sub(since));
        if waited.is_some_and(|waited| waited >= HOLD) {
            self.begin()?;
        }
        if let Some(film) = &mut self.film {
            film.flush()?;
        }
        for side in self.strands.iter_mut().filter_map(|one| one.side.as_mut()) {
            side.flush()?;
        }
        Ok(())
    }

    /// The end: all files are completed.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let begun = match self.held.is_empty() {
            true => Ok(()),
            false => self.begin(),
        };
        let film = self.close_film();
        let sides = (0..self.strands.len()).map(|track| self.close_side(track));
        let sides = sides.fold(Ok(()), Result::and);
        begun.and(film).and(sides)
    }

    /// The last key frame of the first track with video.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        self.strands.iter().find_map(Strand::snapshot)
    }

    /// Files that are being written.
    pub(super) fn open(&self) -> Vec<RecordedFile> {
        let film = self.film.as_ref().map(|film| film.told());
        let sides = self.strands.iter().filter_map(Strand::told);
        film.into_iter().chain(sides).collect()
    }

    pub(super) fn passed_over(&self) -> u64 {
        self.strands.iter().map(|strand| strand.passed_over).sum()
    }

    fn hold(&mut self, track: usize, arrived: Arrived) -> io::Result<()> {
        let at = between(self.plan.epoch, arrived.at);
        let since = *self.held_since.get_or_insert(at);
        self.held_bytes = self.held_bytes.saturating_add(arrived.data.len());
        self.held.push_back((track, arrived));
        let ready = self.strands.iter().enumerate().all(|(number, strand)| {
            let mut held = self.held.iter().filter(|(of, _)| *of == number);
            strand.ended
                || held
                    .next()
                    .is_some_and(|(_, first)| !first.reports || strand.sender.is_some())
        });
        if ready || at.saturating_sub(since) >= HOLD || self.held_bytes >= HOLD_BYTES {
            self.begin()?;
        }
        Ok(())
    }

    /// Opens a file for the tracks that have begun, and writes what was held.
    fn begin(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        self.held_since = None;
        let mut frames = Vec::new();
        for (track, arrived) in held {
            let key = self.strands.get(track).is_some_and(|strand| {
                strand.kind == Kind::Audio
                    || arrived.key
                    || strand
                        .codec
                        .is_some_and(|of| picture(of, &arrived.data).is_some())
            });
            frames.push((track, self.timed(track, arrived, key)));
        }
        let Some(began) = frames.iter().map(|(_, frame)| frame.time).min() else {
            return Ok(());
        };
        let numbers = (0..self.strands.len())
            .filter(|number| frames.iter().any(|(track, _)| track == number));
        let film = Film::create(&self.plan, &self.strands, numbers.collect(), began)?;
        self.film = Some(film);
        frames.sort_by_key(|(_, frame)| frame.time);
        self.write(&frames)
    }

    fn timed(&mut self, track: usize, arrived: Arrived, key: bool) -> Frame {
        let at = between(self.plan.epoch, arrived.at);
        let Some(strand) = self.strands.get_mut(track) else {
            return Frame::default();
        };
        let sender = strand.sender;
        let clock = strand.clock(arrived.rate);
        let time = clock.at(arrived.timestamp, at, sender, &mut self.common);
        let lasts = match strand.codec {
            Some(RecordedCodec::Opus) => opus_microseconds(&arrived.data).saturating_mul(1_000),
            _ => 0,
        };
        let lasts = i64::try_from(lasts).unwrap_or(0);
        if let Some(gap) = strand.gap(time, lasts, arrived.lost)
            && self.gaps.len() < MAX_GAPS
        {
            self.gaps.push(gap);
        }
        let data = match strand.codec {
            Some(RecordedCodec::H264) => with_lengths(&arrived.data),
            Some(RecordedCodec::Av1) => without_delimiter(&arrived.data),
            _ => arrived.data.clone(),
        };
        Frame {
            time,
            lasts,
            key,
            raw: arrived.data,
            data,
        }
    }

    fn write(&mut self, frames: &[(usize, Frame)]) -> io::Result<()> {
        for (track, frame) in frames {
            if let Some(film) = &mut self.film {
                film.write(*track, frame)?;
            }
            let Some(strand) = self.strands.get_mut(*track) else {
                continue;
            };
            let Some(codec) = strand.codec.filter(|codec| self.plan.beside(*codec)) else {
                continue;
            };
            let side = match &mut strand.side {
                Some(side) => side,
                side => {
                    let of = strand.picture.as_ref();
                    let created =
                        Side::create(&self.plan.folder, &self.plan.stem, codec, of, frame.time)?;
                    side.insert(created)
                }
            };
            side.write(frame.time, frame.lasts, &frame.raw)?;
        }
        Ok(())
    }

    /// Video of other tracks begins the next file with a key frame, too.
    fn wait_for_keys(&mut self, but: usize) -> u64 {
        let mut keys = 0;
        for (number, strand) in self.strands.iter_mut().enumerate() {
            if number != but && strand.kind == Kind::Video && strand.codec.is_some() {
                strand.waits = true;
                keys |= Wants::key(number, Kind::Video).keys;
            }
        }
        keys
    }

    fn close_film(&mut self) -> io::Result<()> {
        let Some(film) = self.film.take() else {
            return Ok(());
        };
        let (told, result) = film.finish();
        self.done.push(told);
        result
    }

    fn close_side(&mut self, track: usize) -> io::Result<()> {
        let Some(strand) = self.strands.get_mut(track) else {
            return Ok(());
        };
        let told = strand.told();
        let Some(side) = strand.side.take() else {
            return Ok(());
        };
        let result = side.finish();
        self.done
            .extend(told.map(|told| told.completed(result.is_ok())));
        result
    }
}

/// The codec of a frame: as it is said, as a key frame shows by itself, or as before.
fn codec_of(strand: &Strand, arrived: &Arrived) -> Option<RecordedCodec> {
    let shown = || {
        let codec = RecordedCodec::of_frame(strand.kind, &arrived.data)?;
        let shows = strand.kind == Kind::Audio || picture(codec, &arrived.data).is_some();
        shows.then_some(codec)
    };
    let codec = arrived.codec.or_else(shown).or(strand.codec);
    codec.filter(|codec| codec.kind() == strand.kind)
}

impl Wants {
    fn key(track: usize, kind: Kind) -> Self {
        let bit = u32::try_from(track)
            .ok()
            .and_then(|shift| 1_u64.checked_shl(shift));
        Self {
            keys: bit.filter(|_| kind == Kind::Video).unwrap_or(0),
        }
    }
}
