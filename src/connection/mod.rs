//! RTCConnection and the descriptions that signalling carries.

mod state;

pub use state::DisconnectReason;
