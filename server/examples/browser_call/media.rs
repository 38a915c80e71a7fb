//! What the Rust side shows and plays: recordings, looped for ever.

use std::time::Duration;

use ortc::{Kind, MediaStreamTrack, MediaStreamTrackEvent, RTCCodec, RTCCodecParam};

use crate::support::{Result, ivf::Ivf};

const CLOCK: &[u8] = include_bytes!("../../../examples/media/clock.ivf");
const VP9: &[u8] = include_bytes!("../../../examples/media/video.vp9.ivf");
const AV1: &[u8] = include_bytes!("../../../examples/media/video.av1.ivf");
const H264: &[u8] = include_bytes!("../../../examples/media/video.h264");
const OPUS: &[u8] = include_bytes!("../../../examples/media/audio.ogg");
const G722: &[u8] = include_bytes!("../../../examples/media/tone.g722");

const AUDIO_PACKET: Duration = Duration::from_millis(20);

/// Encoded frames of equal length, and which of them a decoder can begin with.
pub(crate) struct Recording {
    codec: RTCCodec,
    frames: Vec<Vec<u8>>,
    duration: Duration,
    /// A key frame each so many frames.
    key_interval: usize,
    /// Whether each packet carries the one before it again.
    redundant: bool,
}

/// The recording in the codec of this name.
pub(crate) fn video(name: &str) -> Result<Recording> {
    let ivf = |codec, bytes, key_interval| {
        let file = Ivf::parse(bytes)?;
        Ok(Recording {
            codec,
            duration: file.frame_duration(),
            frames: file.frames.into_iter().map(|frame| frame.data).collect(),
            key_interval,
            redundant: false,
        })
    };
    match name {
        "vp8" => ivf(RTCCodec::vp8(97), CLOCK, 25),
        "vp9" => {
            let mut codec = RTCCodec::new("vp9", 99);
            codec.params = vec![RTCCodecParam::new("profile-id", "0")];
            ivf(codec, VP9, 30)
        }
        "av1" => ivf(RTCCodec::new("av1", 100), AV1, 30),
        "h264" => Ok(Recording {
            codec: RTCCodec::h264(98),
            frames: access_units(H264),
            duration: Duration::from_secs(1) / 30,
            key_interval: 15,
            redundant: false,
        }),
        _ => Err(format!("no recording in {name}").into()),
    }
}

/// The tone in the codec of this name; `red` is opus with redundancy.
pub(crate) fn audio(name: &str) -> Result<Recording> {
    let (codec, frames) = match name {
        "opus" | "red" => (RTCCodec::opus(96), opus_packets()?),
        "ulaw" => (RTCCodec::ulaw(), tone(ulaw)),
        "alaw" => (RTCCodec::alaw(), tone(alaw)),
        // 64 kbit/s: 160 bytes each 20 ms.
        "g722" => (
            RTCCodec::new("g722", 9),
            G722.chunks_exact(160).map(<[u8]>::to_vec).collect(),
        ),
        _ => return Err(format!("no recording in {name}").into()),
    };
    Ok(Recording {
        codec,
        frames,
        duration: AUDIO_PACKET,
        key_interval: 1,
        redundant: name == "red",
    })
}

impl Recording {
    /// The codec, before it the one of redundancy if wanted, and for video one that lost packets
    /// are sent again with.
    pub(crate) fn codecs(&self) -> Vec<RTCCodec> {
        let mut codecs = vec![self.codec.clone()];
        if self.redundant {
            codecs.insert(0, RTCCodec::red(63, &self.codec));
        }
        if self.key_interval > 1 {
            let mut rtx = RTCCodec::new("rtx", self.codec.payload_type + 10);
            let repaired = self.codec.payload_type.to_string();
            rtx.params = vec![RTCCodecParam::new("apt", repaired)];
            codecs.push(rtx);
        }
        codecs
    }

    /// Plays for ever; asked for a key frame, it goes on from the next one.
    pub(crate) async fn play(self, track: MediaStreamTrack) -> ortc::Result<()> {
        let mut clock = tokio::time::interval(self.duration);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut at = 0;
        loop {
            tokio::select! {
                _ = clock.tick() => {
                    if let Some(frame) = self.frames.get(at) {
                        track.write_sample(frame.clone(), self.duration)?;
                    }
                    at = (at + 1) % self.frames.len();
                }
                event = track.next_event(), if track.kind() == Kind::Video => {
                    if event == Some(MediaStreamTrackEvent::KeyframeRequested) {
                        at = at.next_multiple_of(self.key_interval) % self.frames.len();
                    }
                }
            }
        }
    }
}

fn opus_packets() -> Result<Vec<Vec<u8>>> {
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(OPUS));
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet()? {
        packets.push(packet.data);
    }
    // Behind two packets of headers.
    Ok(packets.split_off(2))
}

/// A second of 440 Hz at 8 kHz.
fn tone(encode: fn(i16) -> u8) -> Vec<Vec<u8>> {
    let sample = |n: u32| {
        let phase = f64::from(n) * 440.0 / 8000.0 * std::f64::consts::TAU;
        (phase.sin() * 8000.0) as i16
    };
    let samples: Vec<u8> = (0..8000).map(|n| encode(sample(n))).collect();
    samples.chunks(160).map(<[u8]>::to_vec).collect()
}

/// ITU-T G.711 mu-law.
fn ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs() + 132).min(32_767);
    let segment = 7 - (magnitude << 17).leading_zeros().min(7);
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment as u8) << 4 | mantissa as u8)
}

/// ITU-T G.711 A-law.
fn alaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = i32::from(sample).abs().min(32_767) >> 4;
    let coded = if magnitude < 32 {
        magnitude >> 1
    } else {
        let segment = 31 - magnitude.leading_zeros() as i32 - 4;
        segment << 4 | (magnitude >> segment) & 0x0f
    };
    (sign | coded as u8) ^ 0x55
}

/// Cuts an Annex B byte stream with one slice a picture into access units.
fn access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = stream
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window.starts_with(&[0, 0, 1]))
        .map(|(at, _)| {
            if at > 0 && stream[at - 1] == 0 {
                at - 1
            } else {
                at
            }
        })
        .collect();
    starts.push(stream.len());
    let mut units = Vec::new();
    let mut unit = Vec::new();
    for pair in starts.windows(2) {
        let nal = &stream[pair[0]..pair[1]];
        unit.extend_from_slice(nal);
        let header = nal
            .iter()
            .position(|&byte| byte == 1)
            .map_or(0, |at| nal[at + 1]);
        // A slice ends the picture: of an ordinary one or of a key frame.
        if matches!(header & 0x1f, 1 | 5) {
            units.push(std::mem::take(&mut unit));
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_begin_with_a_key_frame() {
        for name in ["vp8", "vp9", "av1", "h264"] {
            let recording = video(name).unwrap();
            assert_eq!(recording.frames.len() % recording.key_interval, 0, "{name}");
        }
        for name in ["opus", "ulaw", "alaw", "g722"] {
            assert!(audio(name).unwrap().frames.len() >= 50, "{name}");
        }
    }
}
