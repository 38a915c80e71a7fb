//! A block that comes piece by piece.

use bytes::Bytes;

use super::hash::Hash;

/// Smaller pieces are copied together: each for itself would take more than it holds.
const SMALL: usize = 8 * 1024;

/// A block of which pieces are missing.
pub(super) struct Assembly {
    size: usize,
    pub(super) hash: Hash,
    have: usize,
    pieces: Vec<Bytes>,
    small: Vec<u8>,
}

impl Assembly {
    pub(super) fn new(size: usize, hash: Hash) -> Self {
        Self {
            size,
            hash,
            have: 0,
            pieces: Vec::new(),
            small: Vec::new(),
        }
    }

    /// Bytes that have come.
    pub(super) fn have(&self) -> usize {
        self.have
    }

    pub(super) fn is_complete(&self) -> bool {
        self.have == self.size
    }

    /// Takes the next piece; false if it is more than the block has.
    pub(super) fn add(&mut self, piece: Bytes) -> bool {
        self.have = self.have.saturating_add(piece.len());
        if self.have > self.size {
            return false;
        }
        if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
        } else {
            self.put_small();
            self.pieces.push(piece);
        }
        true
    }

    fn put_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(std::mem::take(&mut self.small).into());
        }
    }

    /// All that has come, in order.
    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        self.put_small();
        self.pieces
    }
}
