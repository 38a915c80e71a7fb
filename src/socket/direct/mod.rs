//! Connections to peers over TCP (RFC 6544): one listening port for all connections of a socket,
//! and those that active candidates begin. What does not drain drops media, never blocks.

mod frame;
mod listen;
mod run;
mod table;

pub(super) use frame::first_frame;
#[cfg(any(test, fuzzing))]
pub(super) use frame::{framed, whole_frames};
pub(super) use listen::listen;
pub(super) use table::{Direct, DirectId, DirectNews, Path};
