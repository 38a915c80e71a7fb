//! Receivers as the application declares them to the router.

/// A receiver, as the router numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ReceiverId(pub(crate) u32);

/// What the application said about the packets of one receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// "audio", "video", ...; an SSRC cannot change its kind.
    pub(crate) kind: &'static str,
    pub(crate) ssrcs: Vec<u32>,
    pub(crate) mid: Option<String>,
    pub(crate) rid: Option<String>,
    pub(crate) payload_types: Vec<u8>,
}
