//! The RTP packet of the public API.

use bytes::Bytes;

/// One RTP packet (RFC 3550 section 5.1), decrypted. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RtpPacket {
    /// The marker bit; for video the last packet of a frame.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Media timestamp in units of the codec's clock rate.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources, at most 15.
    pub csrcs: Vec<u32>,
    /// Header extension elements (RFC 8285).
    pub extensions: RtpExtensions,
    /// The payload without padding.
    pub payload: Bytes,
}

/// The header extension elements of a packet (RFC 8285), kept as they came on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RtpExtensions {
    profile: u16,
    block: Bytes,
}
