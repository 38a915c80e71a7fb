//! A frame that was put together, or could not be.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::Bytes;

/// A frame put together from its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) data: Bytes,
    /// Whether a decoder can start here; None for audio.
    pub(crate) keyframe: Option<bool>,
}

/// Packets that do not form a frame, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupt(pub(crate) &'static str);
