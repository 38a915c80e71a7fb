//! A server's logic without its sockets.
//!
//! A [`Desk`] knows who is there and keeps the rooms. A server gives it what clients say, one
//! [`Seat`] for each connection, and sends what comes [`Outgoing`]. What becomes of rooms is decided
//! by [`room`](crate::room) and kept by a [`RoomStore`]: in memory, or for several servers.

mod arrive;
mod calls;
mod client;
mod clock;
mod deliver;
mod depart;
#[allow(clippy::module_inception)]
mod desk;
mod enter;
mod event;
mod hall;
mod house;
mod in_memory;
mod line;
mod lobby;
mod locks;
mod options;
mod outbox;
mod outgoing;
mod password;
mod seal;
mod seat;
mod store;
#[cfg(test)]
mod tests;
mod watchers;

pub use client::{
    CLOSE_GOODBYE, CLOSE_MALFORMED, CLOSE_POLICY, CLOSE_REFUSED, CLOSE_REPLACED, CLOSE_TOO_BIG,
    Closing,
};
pub use clock::{Clock, milliseconds};
pub use desk::Desk;
pub use event::{Counters, DeskEvent};
pub use in_memory::InMemory;
pub use options::{Admission, DeskLimits, DeskOptions};
pub use outgoing::{Ending, Out, Outgoing};
pub use seal::SealKey;
pub use seat::{Seat, Violation};
pub use store::{Changed, Claim, Later, Moved, Post, RoomStore, Said, StoreListener, Update};
