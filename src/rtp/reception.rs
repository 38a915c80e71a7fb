//! What becomes of a packet that arrived.

/// What is to become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reception {
    Deliver,
    /// It was here before: it is counted, and not delivered twice.
    Repeat,
    /// Its source is one too many, or it was overtaken by its BYE.
    Refused,
    /// It came right after the BYE of its source, and may be of a source that goes on: to be kept
    /// until that is known.
    Held,
    /// Its source goes on after a BYE: what was held comes first, then this packet, all anew.
    Resumed,
}

impl Reception {
    pub(super) fn of(fresh: bool) -> Self {
        if fresh { Self::Deliver } else { Self::Repeat }
    }
}
