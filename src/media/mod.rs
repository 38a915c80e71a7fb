//! Streams, tracks, codecs, and what turns encoded frames into packets and back.

mod attributes;
mod codec;
mod codec_facts;
mod codec_lists;
mod codec_match;
mod depacketize;
mod description;
mod encoding;
mod formats;
pub(crate) mod forward;
mod jitter;
mod keyframes;
mod kind;
mod packetize;
mod red;
mod rtx;
mod sample;
pub(crate) mod sending;
mod ssrc_json;
pub(crate) mod stream;
mod timestamp_clock;
pub(crate) mod track;
mod track_filter;

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
pub use description::RTCTrackDescription;
pub use encoding::{RTCFecParameters, RTCRtcpParameters, RTCRtpEncoding, RTCRtxParameters};
pub use kind::Kind;
pub use sample::MediaSample;
pub use track_filter::RTCTrackFilter;

pub(crate) use codec_facts::{CodecFacts, CodecId, lookup, primary_codecs, static_payload_type};
pub(crate) use codec_lists::{default_codecs, first_supported};
pub(crate) use codec_match::{same_format, same_name};
pub(crate) use depacketize::Depacketizer;
pub(crate) use encoding::MAX_ENCODINGS;
pub(crate) use formats::{MAX_HEAD, Numbers, Payload, Templates, renumber_descriptor};
pub(crate) use jitter::{JitterBuffer, JitterConfig, JitterStats};
pub(crate) use keyframes::KeyframeNeed;
pub(crate) use packetize::Packetizer;
pub(crate) use red::{red_payload_types, red_primary, red_to_send};
pub(crate) use rtx::rtx_payload_types;
pub(crate) use ssrc_json::{read_ssrc, write_ssrc};
pub(crate) use timestamp_clock::TimestampClock;
