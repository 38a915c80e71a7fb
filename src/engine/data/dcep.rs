//! The Data Channel Establishment Protocol (RFC 8832 section 5).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;

use super::model::ChannelSpec;
use crate::engine::sctp::Reliability;

/// RFC 8832 section 8.2.1.
const ACK: u8 = 2;
const OPEN: u8 = 3;
/// The header of an OPEN: type, channel type, priority, reliability, two lengths.
const OPEN_HEADER: usize = 12;

/// The bit of a channel type that says unordered.
const UNORDERED: u8 = 0x80;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Open(ChannelSpec),
    Ack,
}

pub(super) fn ack() -> Bytes {
    Bytes::from_static(&[ACK])
}

/// An OPEN; label and protocol have at most 65,535 bytes.
pub(super) fn open(spec: &ChannelSpec) -> Bytes {
    let (kind, parameter) = match spec.reliability {
        Reliability::Reliable => (0, 0),
        Reliability::Retransmits(count) => (1, u32::from(count)),
        Reliability::Lifetime(time) => (2, u32::try_from(time.as_millis()).unwrap_or(u32::MAX)),
    };
    let kind = if spec.ordered { kind } else { kind | UNORDERED };
    let length = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = vec![OPEN, kind];
    out.extend_from_slice(&spec.priority.to_be_bytes());
    out.extend_from_slice(&parameter.to_be_bytes());
    out.extend_from_slice(&length(&spec.label));
    out.extend_from_slice(&length(&spec.protocol));
    out.extend_from_slice(spec.label.as_bytes());
    out.extend_from_slice(spec.protocol.as_bytes());
    out.into()
}

/// `None` for anything malformed, which resets the stream it came on.
pub(super) fn parse(message: &[u8]) -> Option<Message> {
    let (&kind, _) = message.split_first()?;
    if kind == ACK {
        return Some(Message::Ack);
    }
    if kind != OPEN {
        return None;
    }
    let (header, rest) = message.split_first_chunk::<OPEN_HEADER>()?;
    let &[_, channel, p0, p1, r0, r1, r2, r3, l0, l1, s0, s1] = header;
    let parameter = u32::from_be_bytes([r0, r1, r2, r3]);
    let reliability = match channel & !UNORDERED {
        0 => Reliability::Reliable,
        1 => Reliability::Retransmits(u16::try_from(parameter).unwrap_or(u16::MAX)),
        2 => Reliability::Lifetime(Duration::from_millis(parameter.into())),
        _ => return None,
    };
    let (label, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
    let protocol = rest.get(..usize::from(u16::from_be_bytes([s0, s1])))?;
    Some(Message::Open(ChannelSpec {
        // A label is for people: what is not UTF-8 is replaced, the channel works all the same.
        label: String::from_utf8_lossy(label).into_owned(),
        protocol: String::from_utf8_lossy(protocol).into_owned(),
        ordered: channel & UNORDERED == 0,
        reliability,
        priority: u16::from_be_bytes([p0, p1]),
        negotiated: None,
    }))
}
