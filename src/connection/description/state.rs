//! The connection's states and the reasons for leaving them.

// Row G14.

use serde::Serialize;

use crate::engine::ice::IceState;
use crate::engine::{EngineState, SecureState};

// Row G14.
/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCConnectionState {
    /// `connect` has not been called.
    New,
    /// Looking for a path, or securing it.
    Searching,
    /// Media can flow.
    Connected,
    /// The path is lost; it may come back, by itself or by an ICE restart.
    Halted,
    /// Over.
    Closed,
}

// Row G13.
/// The state of ICE, for diagnosis (RFC 8445).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCIceState {
    /// Not started.
    New,
    /// Checks are running, no pair is selected.
    Checking,
    /// A pair is selected and the peer answers.
    Connected,
    /// The peer has not answered for some seconds.
    Disconnected,
    /// No pair worked, or consent is lost.
    Failed,
    /// Ended.
    Closed,
}

// Row G13.
/// The state of DTLS, for diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCDtlsState {
    /// Waits for ICE.
    New,
    /// The handshake is running.
    Connecting,
    /// The handshake is done.
    Connected,
    /// The peer said close_notify.
    Closed,
    /// The handshake failed, or the fingerprint did not match.
    Failed,
}

impl From<EngineState> for RTCConnectionState {
    fn from(state: EngineState) -> Self {
        match state {
            EngineState::New => Self::New,
            EngineState::Searching => Self::Searching,
            EngineState::Connected => Self::Connected,
            EngineState::Halted => Self::Halted,
            EngineState::Closed => Self::Closed,
        }
    }
}

impl From<IceState> for RTCIceState {
    fn from(state: IceState) -> Self {
        match state {
            IceState::New => Self::New,
            IceState::Checking => Self::Checking,
            IceState::Connected => Self::Connected,
            IceState::Disconnected => Self::Disconnected,
            IceState::Failed => Self::Failed,
            IceState::Closed => Self::Closed,
        }
    }
}

impl From<SecureState> for RTCDtlsState {
    fn from(state: SecureState) -> Self {
        match state {
            SecureState::New => Self::New,
            SecureState::Connecting => Self::Connecting,
            SecureState::Connected => Self::Connected,
            SecureState::Closed => Self::Closed,
            SecureState::Failed => Self::Failed,
        }
    }
}
