//! SCTP over DTLS (RFC 8261) behind a trait of ours: messages on streams in, packets out.

mod association;
mod config;
#[cfg(all(test, feature = "foreign-sctp"))]
mod rtc;
mod transport;
mod window;
mod wire;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;

pub(crate) use association::Association;
pub(crate) use config::{Outbound, Reliability, SctpConfig};
pub(crate) use transport::{SctpCounters, SctpEvent, SctpFailure, SctpTransport, StreamCounters};
pub(crate) use window::{RECEIVE_WINDOW, Unread};
#[cfg(test)]
pub(crate) use wire::MAX_PACKET;
pub(crate) use wire::RECORD;
