//! What is read from a packet, and why one is dropped.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

pub(super) const RTP_HEADER: usize = 12;

/// Why a packet was dropped; none of it ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SrtpDrop {
    /// Shorter than its header and tag.
    TooShort,
    /// Seen before, or older than the replay window.
    Replayed,
    /// The tag does not match.
    Forged,
    /// There are as many authentic sources as are taken already, or too many ended.
    TooManySources,
    /// SRTCP with the E bit clear; a DTLS-SRTP peer always encrypts.
    NotEncrypted,
}

/// What the caller has read from an RTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderFields {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    /// Fixed header, CSRCs and header extension, in bytes.
    pub(crate) header_len: usize,
}

pub(super) fn fields(packet: &[u8], header_len: usize) -> Option<HeaderFields> {
    let (fixed, _) = packet.split_first_chunk::<RTP_HEADER>()?;
    let &[_, _, n0, n1, _, _, _, _, s0, s1, s2, s3] = fixed;
    let sane =
        header_len >= RTP_HEADER && header_len.is_multiple_of(4) && packet.len() >= header_len;
    sane.then_some(HeaderFields {
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        sequence_number: u16::from_be_bytes([n0, n1]),
        header_len,
    })
}
