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
const DOUBT: u8 = 16;

/// Highest index accepted, and which of the [`WINDOW`] before it were.
#[derive(Debug, Clone)]
pub(super) struct Source {
    highest: u64,
    seen: [u64; WORDS],
    refused: u8,
}

impl Source {
    /// A source whose first packet has this sequence number; its rollover counter is 0.
    pub(super) fn new(sequence_number: u16) -> Self {
        Self {
            highest: u64::from(sequence_number),
            seen: [0; WORDS],
            refused: 0,
        }
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

    /// The index one rollover after the likely one, when that was wrong for a while: after a gap
    /// of half the sequence numbers, as a fast stream has after some 20 s without a path, the
    /// guess of RFC 3711 is wrong for ever. `None` while there is no doubt, so that a forged
    /// packet costs no second try.
    pub(super) fn doubtful_index(&self, sequence_number: u16) -> Option<u64> {
        if self.refused < DOUBT {
            return None;
        }
        let index = self.index(sequence_number)?.saturating_add(1 << 16);
        (index <= MAX_INDEX).then_some(index)
    }

    /// The packet was not accepted.
    pub(super) fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
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
