//! An SCTP association of our own (RFC 9260, 3758, 6525, 9653), for one path that ICE keeps alive
//! and DTLS protects: no multi-homing, no heartbeats but to probe the path's MTU and whether a silent
//! peer lives, and it never gives up by itself.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod acknowledged;
mod congestion;
mod dispatch;
mod forward;
mod front;
mod gaps;
mod handshake;
mod inbound;
mod losses;
mod news;
mod ordering;
mod outbound;
mod outbox;
mod output;
mod pacing;
mod path_mtu;
mod reassembly;
mod received;
mod recovery;
mod reset;
mod resets;
mod rtt;
mod sent;
mod setup;
mod skipped;
mod state;
mod transport;

pub(crate) use state::Association;
