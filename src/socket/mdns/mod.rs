//! Names of browsers' candidates (`UUID.local`), asked for by multicast (RFC 6762): the system's
//! resolver often knows none.

mod ask;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod packet;

pub(super) use ask::find;
