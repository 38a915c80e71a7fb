//! What happens to digits.

use super::tone::DTMFTone;

// Row G31.
/// What happens to the digits of a track, sent or received. For each digit the order is
/// `ToneStart`, `ToneStop`, `Tone`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DTMFEvent {
    // Row A98.
    /// A tone has started (draft `tonestart`).
    ToneStart {
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
    },
    // Row A99.
    /// A tone has stopped (draft `tonestop`).
    ToneStop {
        /// As in its `ToneStart`.
        digit: char,
    },
    // Row A100.
    /// A digit is complete (draft `tone`), with how long it sounded in fact.
    Tone(DTMFTone),
}
