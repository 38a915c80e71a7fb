//! What arrives, into files: one a track, as it came.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ortc::{Kind, MediaSample, MediaStreamTrack};

use ortc_rooms::record::ivf::IvfWriter;
use ortc_rooms::record::ogg::{self, OpusWriter};

/// What became of a track.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// Absent if nothing came that a player could begin with.
    pub(crate) path: Option<PathBuf>,
    pub(crate) kind: Kind,
    /// Frames of video or packets of audio.
    pub(crate) samples: u64,
    /// Width and height of VP8, where a key frame came.
    pub(crate) size: (u16, u16),
    /// The longest time in which nothing came, between two that did.
    pub(crate) pause: Duration,
}

enum Writer {
    Ivf(IvfWriter),
    AnnexB(File),
    Opus(OpusWriter),
}

/// Writes the track into a new file of the folder, `WHO-1.ivf` or the like, until it ends; without
/// a folder it is only counted.
pub(crate) async fn record(
    track: MediaStreamTrack,
    folder: Option<PathBuf>,
    who: String,
) -> io::Result<Recorded> {
    let mut recorded = Recorded {
        path: None,
        kind: track.kind(),
        samples: 0,
        size: (0, 0),
        pause: Duration::ZERO,
    };
    let mut last: Option<Instant> = None;
    let mut begun = false;
    let mut writer = None;
    let mut clock = Clock::default();
    while let Some(sample) = track.recv_sample().await {
        let now = Instant::now();
        let pause = last.map_or(Duration::ZERO, |last| now.duration_since(last));
        recorded.pause = recorded.pause.max(pause);
        last = Some(now);
        if !begun {
            // A decoder begins at a key frame; one is asked for until it comes.
            if sample.keyframe == Some(false) {
                track.request_keyframe();
                continue;
            }
            begun = true;
            if recorded.kind == Kind::Video {
                recorded.size = vp8_size(&sample.data).unwrap_or_default();
            }
            if let Some(folder) = &folder {
                let (path, new) = begin(folder, &who, track.kind(), &sample)?;
                recorded.path = Some(path);
                writer = Some(new);
            }
        }
        recorded.samples = recorded.samples.saturating_add(1);
        if let Some(writer) = &mut writer {
            writer.write(&sample, &mut clock)?;
        }
    }
    match writer {
        Some(Writer::Ivf(writer)) => writer.finish()?,
        Some(Writer::Opus(writer)) => writer.finish()?,
        Some(Writer::AnnexB(mut file)) => file.flush()?,
        None => {}
    }
    Ok(recorded)
}

fn begin(
    folder: &Path,
    who: &str,
    kind: Kind,
    sample: &MediaSample,
) -> io::Result<(PathBuf, Writer)> {
    let ending = match kind {
        Kind::Video if is_h264(&sample.data) => "h264",
        Kind::Video => "ivf",
        _ => "ogg",
    };
    // Nothing is overwritten: the first number that is free.
    let mut number = 1_u32;
    loop {
        let path = folder.join(format!("{}-{number}.{ending}", file_name(who)));
        let opened = match ending {
            "h264" => File::create_new(&path).map(Writer::AnnexB),
            "ivf" => {
                let size = vp8_size(&sample.data).unwrap_or_default();
                let codec = codec_of(&sample.data);
                IvfWriter::create(&path, codec, size, sample.clock_rate).map(Writer::Ivf)
            }
            _ => OpusWriter::create(&path).map(Writer::Opus),
        };
        match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => {
                number += 1;
            }
            opened => return Ok((path, opened?)),
        }
    }
}

impl Writer {
    fn write(&mut self, sample: &MediaSample, clock: &mut Clock) -> io::Result<()> {
        let (time, step) = clock.at(sample.timestamp);
        match self {
            Writer::Ivf(writer) => writer.frame(time, &sample.data),
            Writer::AnnexB(file) => file.write_all(&sample.data),
            Writer::Opus(writer) => {
                if sample.lost_before > 0 {
                    let seconds = f64::from(step) / f64::from(sample.clock_rate.max(1));
                    let passed = Duration::from_secs_f64(seconds);
                    writer.gap(passed.saturating_sub(ogg::duration(&sample.data)));
                }
                writer.packet(&sample.data)
            }
        }
    }
}

/// RTP timestamps, which wrap, from 0 on.
#[derive(Default)]
struct Clock {
    last: Option<u32>,
    time: u64,
}

impl Clock {
    /// The time, and how much passed since the last.
    fn at(&mut self, timestamp: u32) -> (u64, u32) {
        let step = self.last.map_or(0, |last| timestamp.wrapping_sub(last));
        // Back, because of reordering: the time stands still.
        let step = if step > u32::MAX / 2 { 0 } else { step };
        self.last = Some(timestamp);
        self.time = self.time.saturating_add(u64::from(step));
        (self.time, step)
    }
}

fn is_h264(frame: &[u8]) -> bool {
    frame.starts_with(&[0, 0, 0, 1]) || frame.starts_with(&[0, 0, 1])
}

/// By how a key frame begins: RFC 6386 section 9.1; VP9 bitstream section 6.2 (`frame_marker`); AV1
/// section 5.3.2 (an OBU's header, of a sequence header).
fn codec_of(key: &[u8]) -> &'static str {
    match key.first() {
        _ if key.get(3..6) == Some(&[0x9d, 0x01, 0x2a]) => "vp8",
        Some(byte) if byte >> 3 & 0x0f == 1 => "av1",
        Some(byte) if byte >> 6 == 2 => "vp9",
        _ => "vp8",
    }
}

/// RFC 6386 section 9.1: a VP8 key frame carries its size in bytes 6 to 9.
fn vp8_size(frame: &[u8]) -> Option<(u16, u16)> {
    let [first, _, _, _, _, _, w0, w1, h0, h1] = *frame.first_chunk()?;
    let key = first & 1 == 0;
    key.then(|| {
        let size = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
        (size(w0, w1), size(h0, h1))
    })
}

/// A name that is one file in the folder, whatever somebody calls itself.
fn file_name(who: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = who.chars().map(plain).take(40).collect();
    if name.is_empty() {
        "someone".into()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(file_name("Olga Müller"), "Olga_Müller");
        assert_eq!(file_name("a\0b\u{202e}c\n"), "a_b_c_");
        assert_eq!(file_name(""), "someone");
        assert_eq!(file_name(&"x".repeat(500)).len(), 40);
    }

    #[test]
    fn time_goes_on_where_timestamps_wrap() {
        let mut clock = Clock::default();
        assert_eq!(clock.at(u32::MAX - 10), (0, 0));
        assert_eq!(clock.at(20), (31, 31));
        assert_eq!(clock.at(10), (31, 0));
    }
}
