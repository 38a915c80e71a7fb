//! The state of a connection and what acts on all of it.

pub(crate) mod event;
pub(crate) mod event_sink;
mod member;
mod publish;
pub(crate) mod servers;
pub(crate) mod setup;
pub(crate) mod shared;
mod ssrc;
pub(crate) mod state;
