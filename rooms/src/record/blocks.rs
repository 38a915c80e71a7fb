//! What waits for its cluster.

use bytes::Bytes;

/// A cluster is closed after so many milliseconds,
const SPAN: u64 = 1_000;
/// and at so many bytes.
const BYTES: usize = 4 << 20;

/// A frame.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// From 1 on.
    pub(super) track: u64,
    /// Milliseconds from the beginning.
    pub(super) time: u64,
    /// Milliseconds, as far as that is known.
    pub(super) lasts: u64,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

impl Block {
    /// RFC 9559 section 10.2, in a cluster of that time: number, time, flags, frame.
    pub(super) fn simple(self, cluster: u64) -> Vec<u8> {
        let since = i64::try_from(self.time)
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(cluster).unwrap_or(i64::MAX));
        let since = i16::try_from(since).unwrap_or(i16::MAX);
        let mut block = Vec::with_capacity(self.data.len().saturating_add(4));
        block.push(0x80 | u8::try_from(self.track & 0x7f).unwrap_or(1));
        block.extend_from_slice(&since.to_be_bytes());
        block.push(if self.key { 0x80 } else { 0 });
        block.extend_from_slice(&self.data);
        block
    }
}

/// Blocks of the next cluster.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    waiting: Vec<Block>,
    bytes: usize,
}

impl Blocks {
    /// Whether what waits goes out before this one.
    pub(super) fn is_due(&self, next: &Block) -> bool {
        let Some(first) = self.waiting.first() else {
            return false;
        };
        next.time.abs_diff(first.time) >= SPAN || self.bytes.saturating_add(next.data.len()) > BYTES
    }

    pub(super) fn push(&mut self, block: Block) {
        self.bytes = self.bytes.saturating_add(block.data.len());
        self.waiting.push(block);
    }

    /// All that waits, in the order of time, and the earliest.
    pub(super) fn take(&mut self) -> Option<(u64, Vec<Block>)> {
        let mut blocks = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        // Stable: a track's blocks keep their order.
        blocks.sort_by_key(|block| block.time);
        let first = blocks.first()?.time;
        Some((first, blocks))
    }
}
