//! Buffers for the contents of packets, used again when nobody reads them any more. A packet costs
//! no allocation then, and no page: the end of the heap, where a burst would wait, is given back
//! and asked for again each time that it was read.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// How long buffers are, and how many of each a thread keeps: 8.2 MiB in all. One holds one packet,
/// so that a packet which waits keeps nothing of others; the longest is for what 1,500 bytes of IP
/// carry.
const SIZES: [(usize, usize); 4] = [(256, 4_096), (768, 1_024), (1_280, 4_096), (1_472, 1_024)];
/// Buffers that are looked at for one packet.
const LOOKS: usize = 4;

thread_local! {
    static KEPT: RefCell<[Buffers; SIZES.len()]> =
        RefCell::new(SIZES.map(|(size, most)| Buffers::new(size, most)));
}

/// What contents of so many bytes take up.
pub(super) fn room(len: usize) -> usize {
    let mut sizes = SIZES.iter().map(|(size, _)| *size);
    sizes.find(|size| len <= *size).unwrap_or(len)
}

/// Copies a header extension block and a payload.
pub(super) fn copy(block: &[u8], payload: &[u8]) -> (Bytes, Bytes) {
    let len = block.len().saturating_add(payload.len());
    let copied = KEPT.try_with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        let buffers = kept.iter_mut().find(|buffers| len <= buffers.size)?;
        buffers.copy(block, payload)
    });
    // A thread that is ending keeps nothing.
    copied.ok().flatten().unwrap_or_else(|| {
        (
            Bytes::copy_from_slice(block),
            Bytes::copy_from_slice(payload),
        )
    })
}

/// Buffers of one size, in the order in which they were used.
struct Buffers {
    size: usize,
    most: usize,
    kept: VecDeque<BytesMut>,
}

impl Buffers {
    fn new(size: usize, most: usize) -> Self {
        let kept = VecDeque::new();
        Self { size, most, kept }
    }

    fn copy(&mut self, block: &[u8], payload: &[u8]) -> Option<(Bytes, Bytes)> {
        if block.is_empty() && payload.is_empty() {
            return Some((Bytes::new(), Bytes::new()));
        }
        let mut buffer = self.take()?;
        // Counted before it is filled: to count waits for what was just written.
        let mut first = buffer.split_off(0);
        self.kept.push_back(buffer);
        if block.is_empty() || payload.is_empty() {
            first.extend_from_slice(block);
            first.extend_from_slice(payload);
            let (filled, other) = (first.freeze(), Bytes::new());
            return Some(match block.is_empty() {
                true => (other, filled),
                false => (filled, other),
            });
        }
        let mut rest = first.split_off(block.len());
        first.extend_from_slice(block);
        rest.extend_from_slice(payload);
        Some((first.freeze(), rest.freeze()))
    }

    /// An empty one. `None` if all are read: one of them gives way then, so that readers who stop
    /// do not have them all for good.
    fn take(&mut self) -> Option<BytesMut> {
        for _ in 0..LOOKS {
            let Some(mut buffer) = self.kept.pop_front() else {
                break;
            };
            // Less room would do, but would be beside another packet's.
            if buffer.try_reclaim(self.size) {
                return Some(buffer);
            }
            self.kept.push_back(buffer);
        }
        if self.kept.len() < self.most {
            return Some(BytesMut::with_capacity(self.size));
        }
        self.kept.pop_front();
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn copied(buffers: &mut Buffers, payload: &[u8]) -> Bytes {
        let (block, payload) = buffers.copy(&[], payload).unwrap();
        assert!(block.is_empty());
        payload
    }

    #[test]
    fn a_buffer_that_nobody_reads_is_used_again_and_one_that_is_read_is_not() {
        let mut buffers = Buffers::new(256, 8);
        let first = copied(&mut buffers, &[1; 200]);
        let place = first.as_ptr();
        let part = first.slice(10..20);
        drop(first);
        // Of the rest of its room nothing is used, either.
        let second = copied(&mut buffers, &[2; 20]);
        assert_ne!(second.as_ptr(), place);
        assert_eq!(part, [1; 10].as_slice());
        drop(part);
        let third = copied(&mut buffers, &[3; 256]);
        assert_eq!(third.as_ptr(), place);
        assert_eq!((&second[..], buffers.kept.len()), (&[2; 20][..], 2));
    }

    #[test]
    fn a_block_and_its_payload_share_one_buffer_and_either_keeps_it() {
        let mut buffers = Buffers::new(256, 8);
        let (block, payload) = buffers.copy(&[1; 8], &[2; 100]).unwrap();
        assert_eq!(payload.as_ptr(), block.as_ptr().wrapping_add(8));
        drop(payload);
        let other = copied(&mut buffers, &[3; 256]);
        assert_eq!((block, other.len()), (Bytes::from(vec![1; 8]), 256));
        let nothing = buffers.copy(&[], &[]).unwrap();
        assert_eq!(nothing, (Bytes::new(), Bytes::new()));
        assert_eq!(buffers.kept.len(), 2);
    }

    #[test]
    fn readers_who_stop_have_no_more_than_all_and_not_for_good() {
        let mut buffers = Buffers::new(256, 8);
        let held: Vec<_> = (0..8).map(|_| copied(&mut buffers, &[1; 100])).collect();
        // What gave way is its reader's, and another takes its place.
        for _ in 0..20 {
            drop(buffers.copy(&[], &[2; 100]));
        }
        assert!(buffers.kept.len() <= 8);
        let next = copied(&mut buffers, &[3; 100]);
        let place = next.as_ptr();
        drop(next);
        let mut places = (0..20).filter_map(|_| buffers.copy(&[], &[4; 100]));
        assert!(places.any(|(_, payload)| payload.as_ptr() == place));
        assert!(held.iter().all(|payload| payload[..] == [1; 100]));
    }

    #[test]
    fn contents_take_up_the_next_size_and_what_is_longer_is_copied_as_it_is() {
        assert_eq!(
            [0, 256, 257, 1_472, 1_473].map(room),
            [256, 256, 768, 1_472, 1_473]
        );
        for len in [1, 255, 256, 257, 768, 769, 1_472, 1_473, 60_000] {
            let contents: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let (block, payload) = contents.split_at(len / 3);
            let copied = copy(block, payload);
            assert_eq!((&copied.0[..], &copied.1[..]), (block, payload));
        }
    }
}
