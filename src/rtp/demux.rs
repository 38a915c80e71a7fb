//! Telling RTP and RTCP apart on one port (RFC 5761).

use crate::error::{Error, Result};

/// Whether a packet of the RTP range of the first byte is RTCP: its second byte is a packet type
/// of 192 to 223 (RFC 5761 section 4).
pub(crate) fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet.get(1), Some(192..=223))
}

/// Refuses a payload type that cannot be told from RTCP once the marker bit is set
/// (RFC 5761 section 4: 64 to 95), or that does not fit seven bits.
pub(crate) fn check_payload_type(payload_type: u8) -> Result<()> {
    match payload_type {
        0..=63 | 96..=127 => Ok(()),
        64..=95 => Err(Error::invalid_parameters(format!(
            "payload type {payload_type} is reserved for RTCP (RFC 5761)"
        ))),
        _ => Err(Error::invalid_parameters(format!(
            "payload type {payload_type} is not in 0 to 127"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a105_rtp_and_rtcp_share_a_port() {
        for second in 0..=255u8 {
            let expected = (192..=223).contains(&second);
            assert_eq!(is_rtcp(&[0x80, second, 0, 0]), expected, "{second}");
        }
        assert!(!is_rtcp(&[]));
        assert!(!is_rtcp(&[0x80]));
    }

    #[test]
    fn a105_no_accepted_payload_type_looks_like_rtcp() {
        for payload_type in 0..=255u8 {
            let accepted = check_payload_type(payload_type).is_ok();
            let confusable = payload_type > 127
                || is_rtcp(&[0x80, payload_type])
                || is_rtcp(&[0x80, payload_type | 0x80]);
            assert_eq!(accepted, !confusable, "{payload_type}");
        }
    }
}
