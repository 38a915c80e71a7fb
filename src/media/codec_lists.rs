//! Lists of codecs: those of a track that has none yet, and the one to send with.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::{Kind, RTCCodec};

/// The codecs of a track that was added without any.
pub(crate) fn default_codecs(kind: Kind) -> Vec<RTCCodec> {
    match kind {
        Kind::Audio => vec![RTCCodec::opus(96), RTCCodec::ulaw(), RTCCodec::alaw()],
        Kind::Video => vec![
            RTCCodec::vp8(97),
            RTCCodec::h264(98),
            RTCCodec::rtx(99, 97),
            RTCCodec::rtx(100, 98),
        ],
        Kind::Dtmf => vec![RTCCodec::dtmf(101)],
    }
}

/// The codec to send with: the first of the list that is supported and carries media by itself
/// (retransmission, redundancy, comfort noise and digits do not).
pub(crate) fn first_supported(codecs: &[RTCCodec]) -> Option<&RTCCodec> {
    codecs
        .iter()
        .find(|codec| codec.facts().is_some_and(|facts| facts.is_primary))
}
