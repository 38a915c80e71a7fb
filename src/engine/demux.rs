//! What a datagram is, by its first bytes (RFC 7983 section 7, RFC 5761 section 4).

use crate::rtp::is_rtcp;

/// The protocols that share the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

/// The protocol of a datagram, `None` when it is nothing of ours.
///
/// RFC 7983 section 7: 0-3 STUN, 20-63 DTLS, 64-79 TURN channel, 128-191 RTP/RTCP. TURN channel
/// data is taken off by the socket before it gets here.
pub(crate) fn classify(datagram: &[u8]) -> Option<Protocol> {
    let (&first, rest) = datagram.split_first()?;
    match first {
        0..=3 => Some(Protocol::Stun),
        20..=63 => Some(Protocol::Dtls),
        128..=191 if rest.is_empty() => None,
        128..=191 if is_rtcp(datagram) => Some(Protocol::Rtcp),
        128..=191 => Some(Protocol::Rtp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol, classify};

    #[test]
    fn a105_rtcp_shares_the_port_with_rtp_and_is_told_apart() {
        for second in 0..=255u8 {
            let expected = if (192..=223).contains(&second) {
                Protocol::Rtcp
            } else {
                Protocol::Rtp
            };
            assert_eq!(classify(&[0x80, second, 0, 0]), Some(expected), "{second}");
        }
    }

    #[test]
    fn every_first_byte_has_one_meaning() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Some(Protocol::Stun),
                20..=63 => Some(Protocol::Dtls),
                128..=191 => Some(Protocol::Rtp),
                _ => None,
            };
            assert_eq!(classify(&[first, 0]), expected, "{first}");
        }
        assert_eq!(classify(&[]), None);
        assert_eq!(classify(&[0x80]), None);
    }
}
