//! Codecs that are recorded as they come.

use bytes::Bytes;
use ortc::Kind;
use serde::{Deserialize, Serialize};

/// A codec that is recorded as it comes, without being decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecordedCodec {
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// H.264. Not part of WebM: the file is Matroska.
    H264,
    /// Opus (RFC 6716).
    Opus,
}

impl RecordedCodec {
    /// By the name that [`RTCCodec`](ortc::RTCCodec) has it under; `None` for one that is not
    /// recorded.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Vp8, Self::Vp9, Self::Av1, Self::H264, Self::Opus];
        let named = |codec: &Self| codec.name().eq_ignore_ascii_case(name);
        all.into_iter().find(named)
    }

    /// As `RTCCodec` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
            Self::H264 => "h264",
            Self::Opus => "opus",
        }
    }

    /// Audio or video.
    pub fn kind(self) -> Kind {
        match self {
            Self::Opus => Kind::Audio,
            _ => Kind::Video,
        }
    }

    /// As the codec mappings of Matroska (RFC 9559 section 5.1.4.1.20) have it.
    pub(super) fn matroska(self) -> &'static str {
        match self {
            Self::Vp8 => "V_VP8",
            Self::Vp9 => "V_VP9",
            Self::Av1 => "V_AV1",
            Self::H264 => "V_MPEG4/ISO/AVC",
            Self::Opus => "A_OPUS",
        }
    }

    /// Whether WebM has it; Matroska has all.
    pub(super) fn is_webm(self) -> bool {
        self != Self::H264
    }

    /// The codec of a local track, by how its first frame begins: RFC 6386 section 9.1 (VP8's start
    /// code), Annex B of H.264, VP9's frame marker (bitstream specification section 6.2), an OBU
    /// header of AV1 (section 5.3.2).
    pub(super) fn of_frame(kind: Kind, frame: &[u8]) -> Option<Self> {
        if kind != Kind::Video {
            return (kind == Kind::Audio).then_some(Self::Opus);
        }
        let first = *frame.first()?;
        if frame.get(3..6) == Some(&[0x9d, 0x01, 0x2a]) {
            return Some(Self::Vp8);
        }
        if frame.starts_with(&[0, 0, 0, 1]) || frame.starts_with(&[0, 0, 1]) {
            return Some(Self::H264);
        }
        match first {
            // A temporal delimiter, or a sequence header, as a key frame begins.
            byte if byte & 0x80 == 0 && matches!(byte >> 3 & 0x0f, 1 | 2) => Some(Self::Av1),
            byte if byte >> 6 == 2 => Some(Self::Vp9),
            _ => None,
        }
    }
}

/// A picture, as its key frame describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Matroska's `CodecPrivate`; another one is another format.
    pub(super) private: Option<Bytes>,
}

/// How long a packet of Opus plays, in microseconds: RFC 6716 section 3.1, the table of
/// configurations, and section 3.2, how many frames it has.
pub(super) fn opus_microseconds(packet: &[u8]) -> u64 {
    let Some(&toc) = packet.first() else {
        return 0;
    };
    let config = toc >> 3;
    let frame: u64 = match (config, config % 4) {
        (0..=11, 0) | (12..=15, 0 | 2) => 10_000,
        (0..=11, 1) | (12..=15, _) => 20_000,
        (0..=11, 2) => 40_000,
        (0..=11, _) => 60_000,
        (_, 0) => 2_500,
        (_, 1) => 5_000,
        (_, 2) => 10_000,
        _ => 20_000,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1).map_or(1, |count| count & 0x3f)),
    };
    frame.saturating_mul(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_know_how_long_they_play() {
        assert_eq!(opus_microseconds(&[0b0000_0000]), 10_000); // SILK, narrow band
        assert_eq!(opus_microseconds(&[0b0101_1001]), 120_000); // SILK, 60 ms, two frames
        assert_eq!(opus_microseconds(&[0b0110_1000]), 20_000); // hybrid
        assert_eq!(opus_microseconds(&[0b1111_1100]), 20_000); // CELT, 20 ms
        assert_eq!(opus_microseconds(&[0b1110_0011, 4]), 10_000); // CELT, four of 2.5 ms
        assert_eq!(opus_microseconds(&[]), 0);
    }

    #[test]
    fn the_codec_of_a_frame_is_known_by_its_beginning() {
        let of = |frame: &[u8]| RecordedCodec::of_frame(Kind::Video, frame);
        assert_eq!(
            of(&[0x10, 2, 0, 0x9d, 1, 0x2a, 0x40]),
            Some(RecordedCodec::Vp8)
        );
        assert_eq!(of(&[0, 0, 0, 1, 0x67]), Some(RecordedCodec::H264));
        assert_eq!(of(&[0x0a, 0x0b, 0, 0]), Some(RecordedCodec::Av1));
        assert_eq!(of(&[0x82, 0x49, 0x83]), Some(RecordedCodec::Vp9));
        assert_eq!(of(&[]), None);
        for codec in ["VP8", "vp9", "AV1", "H264", "opus"] {
            assert!(RecordedCodec::from_name(codec).is_some());
        }
        assert_eq!(RecordedCodec::from_name("rtx"), None);
    }
}
