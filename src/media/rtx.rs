//! Retransmission payload types in a list of codecs (RFC 4588 section 8).

use super::{CodecId, RTCCodec, RTCCodecParam};

impl RTCCodec {
    /// Retransmission (RFC 4588) of the codec that has the payload type `apt` in the same list.
    pub fn rtx(payload_type: u8, apt: u8) -> Self {
        let mut codec = Self::new("rtx", payload_type);
        codec
            .params
            .push(RTCCodecParam::new("apt", apt.to_string()));
        codec
    }
}

/// Payload type of media, and of its retransmissions.
pub(crate) fn rtx_payload_types(codecs: &[RTCCodec]) -> Vec<(u8, u8)> {
    codecs
        .iter()
        .filter(|codec| codec.id() == Some(CodecId::Rtx))
        .filter_map(|rtx| {
            let apt = rtx.param("apt")?.parse().ok()?;
            let media = codecs.iter().find(|codec| codec.payload_type == apt)?;
            (media.id() != Some(CodecId::Rtx)).then_some((apt, rtx.payload_type))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_names_the_codec_that_is_sent_again() {
        let codecs = [
            RTCCodec::vp8(97),
            RTCCodec::rtx(99, 97),
            RTCCodec::h264(98),
            // Of nothing in the list, of itself, and without saying of what.
            RTCCodec::rtx(100, 50),
            RTCCodec::rtx(101, 101),
            RTCCodec::new("rtx", 102),
        ];
        assert_eq!(rtx_payload_types(&codecs), [(97, 99)]);
    }
}
