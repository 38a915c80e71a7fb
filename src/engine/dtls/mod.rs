//! DTLS 1.2 behind a trait of ours: keys for SRTP, and a path for data.

mod config;
mod fast;
mod flight;
mod hello;
mod inbox;
mod keys;
mod kind;
mod proof;
mod reassembly;
mod record;
mod rtc;
mod transport;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use config::{Announced, DtlsConfig, DtlsRole};
pub(crate) use hello::is_hello;
pub(crate) use keys::{KeyingMaterial, SrtpProfile};
pub(crate) use rtc::RtcDtls;
pub(crate) use transport::{DtlsCounters, DtlsEvent, DtlsTransport};

pub(crate) use crate::error::DtlsFailure;
