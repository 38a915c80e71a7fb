//! A chunk that was sent, and what became of it.

use std::time::Instant;

use bytes::Bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    InFlight,
    /// To be sent again.
    Lost,
    Acked,
    /// Given up (RFC 3758).
    Abandoned,
}

/// A chunk that has a TSN.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) data: Bytes,
    pub(super) flags: u8,
    pub(super) stream: u16,
    pub(super) ssn: u16,
    pub(super) ppid: u32,
    pub(super) fate: Fate,
    /// Which message it is part of.
    pub(super) message: u64,
    /// How many times it was sent.
    pub(super) sends: u16,
    /// The order of all transmissions, and when this one's was.
    pub(super) order: u64,
    pub(super) sent_at: Instant,
    /// It is what made its packet greater than `MAX_PACKET`.
    pub(super) greater: bool,
    pub(super) max_sends: Option<u16>,
    pub(super) expires: Option<Instant>,
}
