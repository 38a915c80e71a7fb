//! Rooms on the Object RTC API of [`ortc`].
//!
//! [`signalling`] is what clients and a server say to each other, without SDP. [`room`] is what a
//! server knows about a room and what may become of it: rules without sockets, clock or lock,
//! which a server in one process and a cluster share. [`session`] is a client: one user's part in
//! rooms, its connections, streams and messages. [`files`] are sent from peer to peer, and [`record`]
//! writes media into files. [`widgets`] are what people do together beside talking.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod desk;
pub mod files;
mod random;
pub mod record;
pub mod room;
pub mod session;
pub mod signalling;
pub mod widgets;

/// The read-me's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
