//! Payload protocol identifiers (RFC 8831 section 8).

pub(super) const DCEP: u32 = 50;
pub(super) const TEXT: u32 = 51;
pub(super) const BINARY: u32 = 53;
pub(super) const EMPTY_TEXT: u32 = 56;
pub(super) const EMPTY_BINARY: u32 = 57;
