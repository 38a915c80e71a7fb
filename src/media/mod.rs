//! Streams, tracks, codecs, and what turns encoded frames into packets and back.

mod attributes;
mod codec;
mod codec_facts;
mod depacketize;
pub(crate) mod description;
mod jitter;
mod keyframes;
mod kind;
mod packetize;
mod red;
mod rtx;
mod sample;
pub(crate) mod sending;
pub(crate) mod stream;
pub(crate) mod track;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod description_tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod jitter_tests;
#[cfg(test)]
mod opening_tests;
#[cfg(test)]
mod packetize_tests;
#[cfg(test)]
mod test_frames;

pub use attributes::RTCMediaAttributes;
pub use codec::{RTCCodec, RTCCodecParam};
pub use description::{
    RTCFecParameters, RTCHeaderExtension, RTCRtcpParameters, RTCRtpEncoding, RTCRtxParameters,
    RTCTrackDescription, RTCTrackFilter,
};
pub use kind::Kind;
pub use sample::MediaSample;

pub(crate) use codec_facts::{
    CodecFacts, CodecId, default_codecs, first_supported, lookup, primary_codecs,
    static_payload_type,
};
pub(crate) use depacketize::{Corrupt, Depacketizer, Frame};
pub(crate) use description::{read_ssrc, write_ssrc};
pub(crate) use jitter::JitterBuffer;
pub(crate) use keyframes::KeyframeNeed;
pub(crate) use packetize::{Packetizer, Payload, TimestampClock};
pub(crate) use red::{red_payload_types, red_primary, red_to_send};
pub(crate) use rtx::rtx_payload_types;
pub(crate) use sample::{JitterConfig, JitterStats};

/// A random identity for streams and tracks: 128 bits in hex.
pub(crate) fn random_id() -> String {
    let bytes: [u8; 16] = crate::random::bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
