//! The packet index of one source: rollover counter and replay window (RFC 3711 section 3.3).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

/// The replay window, in packets. RFC 3711 wants 64 at least; bursts that ICE or the network
/// reorders are longer.
// One word less than the words hold, since the newest word is only partly used.
pub(super) const WINDOW: u64 = 960;
const WORDS: usize = 16;
const HALF: u16 = 0x8000;
/// RFC 3711 section 9.2: no more packets than this under one key.
const MAX_INDEX: u64 = 0xffff_ffff_ffff;

/// So many packets in a row were refused that the rollover counter may be behind the peer's.
const DOUBT: u16 = 16;
/// Rollovers beyond the likely one that are tried then, one for each packet in turn.
const MAX_AHEAD: u16 = 16;

/// Highest index accepted, and which of the [`WINDOW`] before it were.
#[derive(Debug, Clone)]
pub(super) struct Source {
    highest: u64,
    seen: [u64; WORDS],
    refused: u16,
    resumed: bool,
}

impl Source {
    /// A source whose first packet has this index.
    pub(super) fn new(index: u64) -> Self {
        Self {
            highest: index,
            seen: [0; WORDS],
            refused: 0,
            resumed: false,
        }
    }

    /// A source that comes back: nothing up to its highest index is new.
    pub(super) fn resumed(highest: u64) -> Self {
        let mut seen = [u64::MAX; WORDS];
        if let Some(bits) = seen.get_mut(word(highest)) {
            // Those above it are new.
            *bits >>= 63 - (highest & 63);
        }
        Self {
            highest,
            seen,
            refused: 0,
            resumed: true,
        }
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// The index a packet most likely has (RFC 3711 section 3.3.1 and appendix A), or `None` when
    /// the key is used up.
    pub(super) fn index(&self, sequence_number: u16) -> Option<u64> {
        let rollovers = self.highest >> 16;
        let highest = self.highest as u16;
        let guess = if highest < HALF {
            if sequence_number.saturating_sub(highest) > HALF {
                // Before the first rollover there is nothing to go back to.
                rollovers.saturating_sub(1)
            } else {
                rollovers
            }
        } else if highest.saturating_sub(HALF) > sequence_number {
            rollovers.saturating_add(1)
        } else {
            rollovers
        };
        let index = (guess << 16) | u64::from(sequence_number);
        (index <= MAX_INDEX).then_some(index)
    }

    /// An index some rollovers after the likely one, when that was wrong for a while: after a gap
    /// of half the sequence numbers, as a fast stream has after some 20 s without a path, the
    /// guess of RFC 3711 is wrong until the numbers come round. `None` while there is no doubt, so
    /// that a forged packet costs no second try.
    pub(super) fn doubtful_index(&self, sequence_number: u16) -> Option<u64> {
        if self.refused < DOUBT {
            return None;
        }
        let ahead = self.refused.saturating_sub(DOUBT) % MAX_AHEAD;
        self.ahead(sequence_number, u64::from(ahead).saturating_add(1))
    }

    /// The index so many rollovers after the likely one.
    pub(super) fn ahead(&self, sequence_number: u16, rollovers: u64) -> Option<u64> {
        let index = self.index(sequence_number)?.saturating_add(rollovers << 16);
        (index <= MAX_INDEX).then_some(index)
    }

    /// The packet was not accepted.
    pub(super) fn refuse(&mut self) {
        self.refused = self.refused.checked_add(1).unwrap_or(DOUBT);
    }

    /// Whether a packet of this index was not accepted yet and is inside the window.
    pub(super) fn is_new(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest.saturating_sub(index) < WINDOW
            && self
                .seen
                .get(word(index))
                .is_some_and(|bits| bits & bit(index) == 0)
    }

    /// Only for packets that proved authentic.
    pub(super) fn accept(&mut self, index: u64) {
        self.refused = 0;
        if index > self.highest {
            let words = (index >> 6).saturating_sub(self.highest >> 6);
            for step in 1..=words.min(WORDS as u64) {
                let fresh = ((self.highest >> 6).wrapping_add(step) % WORDS as u64) as usize;
                if let Some(bits) = self.seen.get_mut(fresh) {
                    *bits = 0;
                }
            }
            self.highest = index;
        }
        if let Some(bits) = self.seen.get_mut(word(index)) {
            *bits |= bit(index);
        }
    }
}

fn word(index: u64) -> usize {
    ((index >> 6) % WORDS as u64) as usize
}

fn bit(index: u64) -> u64 {
    1 << (index & 63)
}
