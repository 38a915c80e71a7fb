//! What will work from this machine and network, and what to ask of whom: a doctor.
//!
//! [`diagnose`] asks each STUN and TURN server by itself, finds out what the NAT does to ports,
//! sends something through each relay, and says in sentences what it means.
//!
//! ```no_run
//! # async fn doctor() -> ortc::Result<()> {
//! use ortc::RTCIceServer;
//! use ortc::diagnose::{DiagnoseOptions, diagnose};
//!
//! let servers = [
//!     RTCIceServer::new("stun:stun.example.org"),
//!     RTCIceServer::new("turn:turn.example.org").with_credential("user", "password"),
//! ];
//! let diagnosis = diagnose(servers, DiagnoseOptions::default()).await?;
//! println!("{diagnosis}");
//! # Ok(())
//! # }
//! ```
//!
//! It takes some 3 s where all is well, and 15 s where servers do not answer. A [`Diagnosis`] is JSON
//! as well, for machines.

mod advice;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod advice_tests;
mod nat;
mod options;
mod probe;
mod report;
mod run;
mod server;
mod words;

pub use options::DiagnoseOptions;
pub use report::{
    Diagnosis, Finding, FindingKind, NatFiltering, NatMapping, NatReport, Relay, ServerReport,
    ServerState,
};
pub use run::diagnose;
