//! ICE (RFC 8445, 8838, 8863) with consent (RFC 7675), without I/O: one component, one stream,
//! UDP and TCP (RFC 6544), full agent, regular nomination.
//!
//! The checklist is our own; the message codec is `stun`'s. `rtc_ice_faults.rs` shows why the
//! agent of the ICE crate is not used.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod agent;
pub(crate) mod candidate;
mod checklist;
mod checks;
mod config;
mod consent;
mod credentials;
mod denied;
mod diagnosis;
mod evidence;
mod inbound;
mod life;
mod message;
mod nomination;
mod pair;
mod path;
mod question;
mod responses;
mod resumed;
pub(crate) mod scope;
mod spare;
mod spares;
mod streams;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests;
pub(crate) use agent::IceAgent;
pub(crate) use candidate::{Candidate, CandidateKind, TcpType, Uses};
pub(crate) use config::{IceConfig, IceCounters, IceEvent, IceState, Role};
pub(crate) use credentials::Credentials;
pub(crate) use denied::Denied;
pub(crate) use evidence::Diagnosis;
pub(crate) use pair::{PairState, PairStats};
