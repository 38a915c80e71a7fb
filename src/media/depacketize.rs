//! RTP payloads to frames.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::Bytes;

use super::formats::{Corrupt, Frame, Numbers, av1, h264, h265, vp8, vp9};
use super::{CodecId, RTCCodec};
use crate::{Error, Result};

/// Puts the payloads of one codec together. It keeps nothing from one frame to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depacketizer {
    /// One packet is one frame.
    Audio,
    Vp8,
    Vp9,
    H264,
    H265,
    Av1,
}

impl Depacketizer {
    /// # Errors
    /// `UnsupportedCodec` if packets of this codec cannot be put together.
    pub(crate) fn for_codec(codec: &RTCCodec) -> Result<Self> {
        match codec.id() {
            Some(CodecId::Opus | CodecId::Pcmu | CodecId::Pcma | CodecId::G722) => {
                Ok(Depacketizer::Audio)
            }
            Some(CodecId::Vp8) => Ok(Depacketizer::Vp8),
            Some(CodecId::Vp9) => Ok(Depacketizer::Vp9),
            Some(CodecId::H264) => Ok(Depacketizer::H264),
            Some(CodecId::H265) => Ok(Depacketizer::H265),
            Some(CodecId::Av1) => Ok(Depacketizer::Av1),
            _ => Err(Error::unsupported_codec(format!(
                "receiving frames of {:?}",
                codec.name
            ))),
        }
    }

    /// Whether every packet is a frame by itself.
    pub(crate) fn is_frame_per_packet(self) -> bool {
        self == Depacketizer::Audio
    }

    /// Whether a payload holds nothing for a decoder: padding, or descriptors alone.
    pub(crate) fn is_filler(self, payload: &[u8]) -> bool {
        payload.is_empty()
            || match self {
                Depacketizer::Vp8 => vp8::is_filler(payload),
                Depacketizer::Vp9 => vp9::is_filler(payload),
                Depacketizer::Av1 => av1::is_filler(payload),
                Depacketizer::Audio | Depacketizer::H264 | Depacketizer::H265 => false,
            }
    }

    /// Whether a payload is certain to be the first of a frame.
    pub(crate) fn starts_frame(self, payload: &[u8]) -> bool {
        match self {
            Depacketizer::Audio => true,
            Depacketizer::Vp8 => vp8::starts_frame(payload),
            Depacketizer::Vp9 => vp9::starts_frame(payload),
            Depacketizer::H264 => h264::starts_frame(payload),
            Depacketizer::H265 => h265::starts_frame(payload),
            Depacketizer::Av1 => av1::starts_frame(payload),
        }
    }

    /// Whether a payload can be the first of a frame, as far as it tells.
    pub(crate) fn may_start_frame(self, payload: &[u8]) -> bool {
        match self {
            Depacketizer::H264 => h264::may_start_frame(payload),
            Depacketizer::H265 => h265::may_start_frame(payload),
            Depacketizer::Av1 => av1::may_start_frame(payload),
            // These say it in every packet.
            Depacketizer::Audio | Depacketizer::Vp8 | Depacketizer::Vp9 => {
                self.starts_frame(payload)
            }
        }
    }

    /// Whether a payload is the first of a frame that a decoder can begin with, as far as it tells.
    pub(crate) fn begins_keyframe(self, payload: &[u8]) -> bool {
        match self {
            Depacketizer::Audio => true,
            Depacketizer::Vp8 => vp8::begins_keyframe(payload),
            Depacketizer::Vp9 => vp9::begins_keyframe(payload),
            Depacketizer::H264 => h264::begins_keyframe(payload),
            Depacketizer::H265 => h265::begins_keyframe(payload),
            Depacketizer::Av1 => av1::starts_frame(payload),
        }
    }

    /// The size of the picture, where the first payload of a key frame has it at hand.
    pub(crate) fn picture_size(self, payload: &[u8]) -> Option<(u16, u16)> {
        match self {
            Depacketizer::Vp8 => vp8::picture_size(payload),
            _ => None,
        }
    }

    /// What the payload's descriptor numbers; `None` for formats that number nothing there.
    pub(crate) fn numbers(self, payload: &[u8]) -> Option<Numbers> {
        match self {
            Depacketizer::Vp8 => vp8::numbers(payload),
            Depacketizer::Vp9 => vp9::numbers(payload),
            Depacketizer::H264 => h264::numbers(payload),
            _ => None,
        }
    }

    /// Whether the payloads of a key frame have all that a decoder needs, parameter sets included.
    pub(crate) fn has_parameters(self, packets: &[Bytes]) -> bool {
        match self {
            Depacketizer::H264 => h264::has_parameters(packets),
            Depacketizer::H265 => h265::has_parameters(packets),
            _ => true,
        }
    }

    /// Puts the payloads of one frame, in order, together.
    pub(crate) fn assemble(self, packets: &[Bytes]) -> std::result::Result<Frame, Corrupt> {
        if packets.is_empty() {
            return Err(Corrupt("no packets"));
        }
        match self {
            Depacketizer::Audio => match packets {
                [packet] if !packet.is_empty() => Ok(Frame {
                    data: packet.clone(),
                    keyframe: None,
                }),
                _ => Err(Corrupt("audio frame")),
            },
            Depacketizer::Vp8 => vp8::assemble(packets),
            Depacketizer::Vp9 => vp9::assemble(packets),
            Depacketizer::H264 => h264::assemble(packets),
            Depacketizer::H265 => h265::assemble(packets),
            Depacketizer::Av1 => av1::assemble(packets),
        }
    }
}
