//! The codec in use, and where its timestamps are.

use crate::error::{Error, Result};
use crate::media::{Packetizer, RTCCodec, TimestampClock, first_supported};

/// The codec in use.
pub(super) struct Active {
    pub(super) codec: RTCCodec,
    pub(super) clock_rate: u32,
    pub(super) packetizer: Packetizer,
    pub(super) clock: TimestampClock,
    pub(super) timestamp: u32,
}

impl Active {
    pub(super) fn new(codecs: &[RTCCodec], preferred: Option<u8>, timestamp: u32) -> Result<Self> {
        for codec in codecs {
            codec.validate()?;
        }
        let preferred = codecs
            .iter()
            .filter(|codec| Some(codec.payload_type) == preferred)
            .find(|codec| codec.facts().is_some_and(|facts| facts.is_primary));
        let codec = preferred
            .or_else(|| first_supported(codecs))
            .ok_or_else(|| Error::unsupported_codec("none of them can be sent"))?;
        let clock_rate = codec.effective_clock_rate();
        Ok(Self {
            packetizer: Packetizer::for_codec(codec)?,
            clock: TimestampClock::new(clock_rate),
            timestamp,
            clock_rate,
            codec: codec.clone(),
        })
    }
}
