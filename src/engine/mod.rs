//! One connection without I/O: datagrams, time and verbs in; datagrams, packets and events out.
//! Nothing here knows tokio, a socket or the clock.

mod advance;
pub(crate) mod certificate;
mod closing;
pub(crate) mod data;
pub(crate) mod demux;
mod drops;
pub(crate) mod dtls;
mod early;
mod events;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod guard;
#[cfg(any(test, fuzzing))]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#[path = "tests/harness.rs"]
mod harness;
pub(crate) mod ice;
mod log;
mod machine;
mod media;
mod model;
pub(crate) mod outgoing;
pub(crate) mod sctp;
mod secure;
mod spare;
pub(crate) mod srtp;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests;
mod verbs;
mod views;

pub(crate) use machine::Engine;
pub(crate) use media::{
    OutgoingRtp, ReceiverRepair, ReceiverSpec, RedCounters, RedFormat, RedStream, RepairCounters,
    RtxStream, SendOutcome,
};
pub(crate) use model::{
    EngineConfig, EngineCounters, EngineEvent, EngineState, Identity, SecureState, Traffic,
};
