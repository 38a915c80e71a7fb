//! A file of one track alone: Ogg for audio, IVF for video.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::codec::{Picture, RecordedCodec};
use super::ivf::IvfWriter;
use super::ogg::OpusWriter;
use super::place::fresh;
use super::recorded::{RecordedFile, seconds};

/// What is less than this is no gap, but what reports and rounding move.
const NOTHING: i64 = 15_000_000;

pub(super) struct Side {
    path: PathBuf,
    codec: RecordedCodec,
    size: Option<(u32, u32)>,
    writer: Writer,
    /// When it began, and when its last packet ends.
    began: i64,
    end: i64,
}

enum Writer {
    Ogg(OpusWriter),
    Ivf(IvfWriter),
}

impl Side {
    pub(super) fn create(
        folder: &Path,
        stem: &str,
        codec: RecordedCodec,
        picture: Option<&Picture>,
        time: i64,
    ) -> io::Result<Self> {
        let size = picture.map_or((0, 0), |picture| {
            let short = |value| u16::try_from(value).unwrap_or(u16::MAX);
            (short(picture.width), short(picture.height))
        });
        let (path, writer) = match codec {
            RecordedCodec::Opus => {
                let (path, writer) = fresh(folder, stem, "ogg", OpusWriter::create)?;
                (path, Writer::Ogg(writer))
            }
            _ => {
                let create = |path: &Path| IvfWriter::create(path, codec.name(), size, 1_000);
                let (path, writer) = fresh(folder, stem, "ivf", create)?;
                (path, Writer::Ivf(writer))
            }
        };
        Ok(Self {
            path,
            codec,
            size: picture.map(|picture| (picture.width, picture.height)),
            writer,
            began: time,
            end: time,
        })
    }

    pub(super) fn write(&mut self, time: i64, lasts: i64, data: &[u8]) -> io::Result<()> {
        let since = u64::try_from(time.saturating_sub(self.began)).unwrap_or(0);
        match &mut self.writer {
            Writer::Ivf(writer) => {
                self.end = time;
                writer.frame(since / 1_000_000, data)
            }
            Writer::Ogg(writer) => {
                let gap = time.saturating_sub(self.end);
                if gap > NOTHING {
                    writer.gap(Duration::from_nanos(u64::try_from(gap).unwrap_or(0)));
                    self.end = time;
                }
                self.end = self.end.saturating_add(lasts);
                writer.packet(data)
            }
        }
    }

    /// What it is by now.
    pub(super) fn told(&self) -> RecordedFile {
        let kind = match self.codec {
            RecordedCodec::Opus => "audio/ogg;codecs=opus".to_owned(),
            codec => format!("video/x-ivf;codecs={}", codec.name()),
        };
        RecordedFile {
            path: self.path.clone(),
            recording_type: kind,
            codecs: vec![self.codec],
            start: seconds(self.began),
            duration: seconds(self.end.saturating_sub(self.began)),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            complete: false,
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Ogg(writer) => writer.flush(),
            // Each frame goes out at once.
            Writer::Ivf(_) => Ok(()),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self.writer {
            Writer::Ogg(writer) => writer.finish(),
            Writer::Ivf(writer) => writer.finish(),
        }
    }
}
