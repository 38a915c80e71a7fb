//! What is sent: a test picture with a tone, or files, over and over.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ortc::{Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent, RTCCodec, RTCCodecParam};
use ortc_rooms::record::ivf::Ivf;
use ortc_rooms::record::ogg;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

const CLOCK: &[u8] = include_bytes!("../../../examples/media/clock.ivf");
const TONE: &[u8] = include_bytes!("../../../examples/media/audio.ogg");
/// The test picture has a key frame each so many frames.
const CLOCK_KEYS: usize = 25;

/// Where media comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A clock and a tone.
    TestPicture,
    /// IVF files with VP8, VP9 or AV1, and Ogg files with Opus: at most one of each kind.
    Files(Vec<PathBuf>),
}

/// Frames of one track.
struct Reel {
    kind: Kind,
    codec: RTCCodec,
    frames: Vec<(Vec<u8>, Duration)>,
    /// A key frame each so many frames; 0: only the first is one.
    keys: usize,
}

/// A stream that plays until it is dropped.
pub(crate) struct Player {
    stream: MediaStream,
    codecs: Vec<RTCCodec>,
    /// Ends with the player.
    _tasks: JoinSet<()>,
}

impl Player {
    /// Reads all of it and begins. The error names the file.
    pub(crate) fn start(source: &Source) -> Result<Self, String> {
        let reels = match source {
            Source::TestPicture => vec![video(CLOCK, CLOCK_KEYS)?, audio(TONE)?],
            Source::Files(paths) => paths
                .iter()
                .map(|path| read(path))
                .collect::<Result<_, _>>()?,
        };
        let stream = MediaStream::new();
        let mut codecs = Vec::new();
        let mut tasks = JoinSet::new();
        for reel in reels {
            let kind = reel.kind;
            if stream.tracks().iter().any(|track| track.kind() == kind) {
                return Err("one video and one recording can be sent, not two of a kind".into());
            }
            let track = stream.add_track(&match kind {
                Kind::Audio => MediaStreamTrack::audio(),
                _ => MediaStreamTrack::video(),
            });
            codecs.push(reel.codec.clone());
            if kind == Kind::Video {
                codecs.push(repair(&reel.codec));
            }
            tasks.spawn(play(reel, track));
        }
        Ok(Self {
            stream,
            codecs,
            _tasks: tasks,
        })
    }

    /// What is sent.
    pub(crate) fn stream(&self) -> &MediaStream {
        &self.stream
    }

    /// In which codecs.
    pub(crate) fn codecs(&self) -> &[RTCCodec] {
        &self.codecs
    }
}

/// The codec that lost packets of another are sent again with (RFC 4588).
fn repair(codec: &RTCCodec) -> RTCCodec {
    let mut rtx = RTCCodec::new("rtx", codec.payload_type.saturating_add(10));
    rtx.params = vec![RTCCodecParam::new("apt", codec.payload_type.to_string())];
    rtx
}

fn read(path: &Path) -> Result<Reel, String> {
    let of = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|error| of(&error))?;
    let reel = if bytes.starts_with(b"OggS") {
        audio(&bytes)
    } else {
        video(&bytes, 0)
    };
    reel.map_err(|error| of(&error))
}

fn video(bytes: &[u8], keys: usize) -> Result<Reel, &'static str> {
    let file = Ivf::parse(bytes)?;
    let codec = match file.codec {
        "vp8" => RTCCodec::vp8(97),
        "vp9" => {
            let mut codec = RTCCodec::new("vp9", 99);
            codec.params = vec![RTCCodecParam::new("profile-id", "0")];
            codec
        }
        name => RTCCodec::new(name, 100),
    };
    let duration = file.duration;
    let frames = file.frames.into_iter().map(|frame| (frame, duration));
    Ok(Reel {
        kind: Kind::Video,
        codec,
        frames: frames.collect(),
        keys,
    })
}

fn audio(bytes: &[u8]) -> Result<Reel, &'static str> {
    let packets = ogg::parse(bytes)?.into_iter();
    let frames = packets.map(|packet| {
        let duration = ogg::duration(&packet).max(Duration::from_millis(1));
        (packet, duration)
    });
    Ok(Reel {
        kind: Kind::Audio,
        codec: RTCCodec::opus(96),
        frames: frames.collect(),
        keys: 0,
    })
}

/// Over and over; asked for a key frame, it goes on at the next one, or begins anew where there is
/// no other.
async fn play(reel: Reel, track: MediaStreamTrack) {
    let Some((_, duration)) = reel.frames.first() else {
        return;
    };
    let mut clock = tokio::time::interval(*duration);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut at = 0_usize;
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if let Some((frame, duration)) = reel.frames.get(at) {
                    // Nobody may be there to send it to.
                    let _ = track.write_sample(frame.clone(), *duration);
                }
                at = at.checked_add(1).filter(|at| *at < reel.frames.len()).unwrap_or(0);
            }
            event = track.next_event(), if track.kind() == Kind::Video => match event {
                Some(MediaStreamTrackEvent::KeyframeRequested) => {
                    at = next_key(at, reel.keys, reel.frames.len());
                }
                Some(_) => {}
                None => return,
            }
        }
    }
}

fn next_key(at: usize, keys: usize, frames: usize) -> usize {
    match keys {
        0 => 0,
        keys => at
            .checked_next_multiple_of(keys)
            .filter(|at| *at < frames)
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_picture_is_one() {
        let reel = video(CLOCK, CLOCK_KEYS).unwrap();
        for (number, (frame, _)) in reel.frames.iter().enumerate() {
            let key = frame.first().is_some_and(|first| first & 1 == 0);
            assert_eq!(key, number % CLOCK_KEYS == 0, "frame {number}");
        }
        assert!(audio(TONE).unwrap().frames.len() > 50);
    }

    #[test]
    fn the_next_key_frame_is_found() {
        assert_eq!(next_key(0, 25, 100), 0);
        assert_eq!(next_key(1, 25, 100), 25);
        assert_eq!(next_key(99, 25, 100), 0);
        assert_eq!(next_key(7, 0, 100), 0);
    }
}
