//! Data channels inside the engine (RFC 8831): which stream belongs to which channel, how channels
//! open and close, and what of their messages goes where.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod association;
mod channel;
mod channels;
mod dcep;
mod early;
mod model;
mod ppid;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;

pub(crate) use channels::Data;
pub(crate) use model::{
    ChannelCounters, ChannelKey, ChannelSpec, ClosedBecause, DEFAULT_MAX_MESSAGE, DataCounters,
    DataEvent, MessageKind, SendData,
};

pub(crate) use super::sctp::RECEIVE_WINDOW;
