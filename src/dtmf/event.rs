//! What happens to digits.

use super::tone::DTMFTone;

/// What happens to the digits of a track, sent or received. For each digit the order is
/// `ToneStart`, `ToneStop`, `Tone` (row G31).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DTMFEvent {
    /// A tone has started (draft `tonestart`, row A98).
    ToneStart {
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
    },
    /// A tone has stopped (draft `tonestop`, row A99).
    ToneStop {
        /// As in its `ToneStart`.
        digit: char,
    },
    /// A digit is complete (draft `tone`, row A100), with how long it sounded in fact.
    Tone(DTMFTone),
}
