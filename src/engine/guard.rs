//! The one place where panics of third-party parsers are stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A third-party crate panicked; whatever state it held must be discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs a call into a third-party crate. After `Err` the object called must not be used again.
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(contain(|| 1), Ok(1));
        assert_eq!(contain(|| panic!("on purpose")), Err::<(), _>(Panicked));
    }
}
