//! Taking from the front of a queue.

use std::collections::VecDeque;

/// `VecDeque::pop_front_if`, which is newer than the Rust that this crate asks for.
pub(super) fn pop_front_if<T>(
    queue: &mut VecDeque<T>,
    wanted: impl FnOnce(&T) -> bool,
) -> Option<T> {
    let wanted = queue.front().is_some_and(wanted);
    wanted.then(|| queue.pop_front()).flatten()
}
