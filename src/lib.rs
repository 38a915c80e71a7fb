//! WebRTC through the Object RTC API: typed objects and JSON descriptions, no SDP, any signalling.
#![forbid(unsafe_code)]

mod connection;
mod engine;
mod error;
mod media;
mod rtp;
#[cfg(test)]
mod simnet;
mod socket;

pub use error::{Error, ErrorName, Misuse, PeerFault, Result, TransportFault};
