//! What signalling and options carry: plain data and serde. No lock, no state, no verb of the engine.

pub(crate) mod candidate;
mod candidate_line;
#[cfg(test)]
mod candidate_tests;
pub(crate) mod certificate;
pub(crate) mod encryption;
pub(crate) mod fingerprint;
#[cfg(test)]
mod fingerprint_tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod fuzz_tests;
pub(crate) mod ice_server;
#[cfg(test)]
mod ice_server_tests;
mod lenient;
pub(crate) mod restrictions;
pub(crate) mod roles;
#[cfg(test)]
mod roles_tests;
pub(crate) mod server_url;
pub(crate) mod side;
#[cfg(test)]
mod side_tests;
pub(crate) mod state;
pub(crate) mod unknown_track;
