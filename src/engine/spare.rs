//! Buffers of batches that were sent, for the next ones of this thread: a forwarder sends thousands
//! a second, each from the connection of another receiver.

use std::cell::RefCell;

/// Bytes that a thread keeps; what is more is freed.
const MAX_BYTES: usize = 8 << 20;

#[derive(Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// An empty buffer with room for so many bytes.
pub(super) fn take(len: usize) -> Vec<u8> {
    let used = SPARE.try_with(|spare| {
        let mut spare = spare.try_borrow_mut().ok()?;
        let buffer = spare.buffers.pop()?;
        spare.bytes = spare.bytes.saturating_sub(buffer.capacity());
        Some(buffer)
    });
    match used {
        Ok(Some(mut buffer)) => {
            buffer.reserve_exact(len);
            buffer
        }
        _ => Vec::with_capacity(len),
    }
}

/// A thread that is ending keeps nothing.
pub(super) fn give_back(mut buffer: Vec<u8>) {
    let size = buffer.capacity();
    let _ = SPARE.try_with(|spare| {
        let Ok(mut spare) = spare.try_borrow_mut() else {
            return;
        };
        if size > 0 && spare.bytes.saturating_add(size) <= MAX_BYTES {
            buffer.clear();
            spare.bytes = spare.bytes.saturating_add(size);
            spare.buffers.push(std::mem::take(&mut buffer));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_used_again_and_no_more_is_kept_than_may_be() {
        // Each test has a thread of its own.
        let first = take(1_000);
        let place = first.as_ptr();
        give_back(first);
        let again = take(500);
        assert_eq!((again.as_ptr(), again.is_empty()), (place, true));
        assert!(take(10).capacity() < 1_000);
        for _ in 0..200 {
            give_back(Vec::with_capacity(60_000));
        }
        SPARE.with(|spare| {
            let spare = spare.borrow();
            let held: usize = spare.buffers.iter().map(Vec::capacity).sum();
            assert_eq!(held, spare.bytes);
            assert!(held <= MAX_BYTES && held > MAX_BYTES / 2);
        });
    }
}
