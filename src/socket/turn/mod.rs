//! TURN (RFC 8656) over UDP, TCP and TLS, without I/O: an [`Allocation`] is one relayed address,
//! [`Relays`] all those of a socket.
//!
//! The client is ours, on the codec of the `stun` crate. `rtc-turn` 0.21.1 was read and not taken:
//! it authenticates no response and ignores where it came from, gives error codes as text only,
//! does not repeat a Refresh after 438 (a lifetime of 60 s with short-lived nonces then runs out),
//! never asks for an IPv6 relay, hides the mapped address, and resolves names in its constructor.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod allocation;
mod auth;
mod credentials;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))]
mod fake_server;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod peers;
mod relays;
mod stream;
mod stream_frame;
mod wire;

pub(crate) use allocation::TurnCounters;
pub(crate) use credentials::TurnCredentials;
pub(super) use relays::{RelayInput, RelayOutcome, RelayRequest, Relays, ToServer};
pub(super) use stream::{StreamId, StreamWish};
pub(super) use stream_frame::{first_message, whole_messages};
