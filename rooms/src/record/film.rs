//! One WebM or Matroska file of a recording.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use bytes::Bytes;

use super::blocks::Block;
use super::place::fresh;
use super::plan::Plan;
use super::recorded::{RecordedFile, seconds};
use super::strand::Strand;
use super::webm::{Muxer, Track};

/// A frame with its time.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// Nanoseconds of the recording.
    pub(super) time: i64,
    pub(super) lasts: i64,
    pub(super) key: bool,
    /// As it came.
    pub(super) raw: Bytes,
    /// As the file has it.
    pub(super) data: Bytes,
}

pub(super) struct Film {
    muxer: Muxer<BufWriter<File>>,
    path: PathBuf,
    /// The tracks in it, as they were at its beginning; the first has the number 1.
    numbers: Vec<usize>,
    tracks: Vec<Track>,
    began: i64,
}

impl Film {
    pub(super) fn create(
        plan: &Plan,
        strands: &[Strand],
        numbers: Vec<usize>,
        began: i64,
    ) -> io::Result<Self> {
        let tracks: Vec<Track> = numbers
            .iter()
            .filter_map(|number| {
                let strand = strands.get(*number)?;
                Some(Track {
                    codec: strand.codec?,
                    picture: strand.picture.clone(),
                })
            })
            .collect();
        let webm = tracks.iter().all(|track| track.codec.is_webm());
        let ending = if webm { "webm" } else { "mkv" };
        let (path, file) = fresh(&plan.folder, &plan.stem, ending, |path| {
            File::create_new(path)
        })?;
        Ok(Self {
            muxer: Muxer::new(BufWriter::new(file), &tracks)?,
            path,
            numbers,
            tracks,
            began,
        })
    }

    pub(super) fn has(&self, track: usize) -> bool {
        self.numbers.contains(&track)
    }

    pub(super) fn write(&mut self, track: usize, frame: &Frame) -> io::Result<()> {
        let Some(number) = self.numbers.iter().position(|number| *number == track) else {
            return Ok(());
        };
        let since = frame.time.saturating_sub(self.began).max(0);
        self.muxer.block(Block {
            track: u64::try_from(number).unwrap_or(0).saturating_add(1),
            time: milliseconds(since),
            lasts: milliseconds(frame.lasts),
            key: frame.key,
            data: frame.data.clone(),
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.muxer.flush()
    }

    pub(super) fn told(&self) -> RecordedFile {
        let tracks = &self.tracks;
        let size = tracks.iter().find_map(|track| track.picture.as_ref());
        let codecs: Vec<_> = tracks.iter().map(|track| track.codec).collect();
        let webm = codecs.iter().all(|codec| codec.is_webm());
        let names: Vec<&str> = codecs.iter().map(|codec| codec.name()).collect();
        let container = if webm { "webm" } else { "x-matroska" };
        let kind = if size.is_some() { "video" } else { "audio" };
        RecordedFile {
            path: self.path.clone(),
            recording_type: format!("{kind}/{container};codecs={}", names.join(",")),
            start: seconds(self.began),
            duration: self.muxer.duration() as f64 / 1e3,
            width: size.map(|size| size.width),
            height: size.map(|size| size.height),
            codecs,
            complete: false,
        }
    }

    /// Completes the file; what it is, and whether that went well.
    pub(super) fn finish(self) -> (RecordedFile, io::Result<()>) {
        let told = self.told();
        let result = self.muxer.finish().map(|_| ());
        (told.completed(result.is_ok()), result)
    }
}

fn milliseconds(nanos: i64) -> u64 {
    u64::try_from(nanos.saturating_add(500_000) / 1_000_000).unwrap_or(0)
}
