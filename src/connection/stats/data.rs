//! Data channels: together, and each by itself.

use serde::Serialize;

use crate::data::options::RTCDataChannelState;

// Row G40.
/// The data channels of a connection together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCDataStats {
    /// Channels that are not closed.
    pub channels: usize,
    /// Channels that have been open.
    #[serde(rename = "dataChannelsOpened")]
    pub channels_opened: u64,
    /// Channels that have been open and are closed.
    #[serde(rename = "dataChannelsClosed")]
    pub channels_closed: u64,
    /// Smoothed round-trip time as SCTP measures it, in seconds.
    pub round_trip_time: Option<f64>,
    /// The largest datagram that carries data at present, in bytes of UDP payload: up to 1,200,
    /// and more where the path has shown that it carries more. `None` without an association.
    pub max_datagram: Option<usize>,
    /// Chunks that were sent again.
    pub retransmitted: u64,
    /// Messages given up under partial reliability.
    pub abandoned: u64,
    /// SCTP packets and chunks that were malformed, out of place or beyond a bound.
    pub dropped_packets: u64,
    /// SCTP packets that came before the peer was accepted.
    pub early_packets: u64,
    /// Messages on streams of no channel.
    pub dropped_messages: u64,
    /// Channels of the peer that were refused.
    pub refused_channels: u64,
}

/// A data channel that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCDataChannelStats {
    /// The name that the side gave it which made it.
    pub label: String,
    /// The name of the protocol inside.
    pub protocol: String,
    /// The stream id; `None` until it is known.
    pub data_channel_identifier: Option<u16>,
    /// The state.
    pub state: RTCDataChannelState,
    /// Messages that were queued to be sent.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages received, read or not.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Bytes that were queued and have not gone out yet.
    pub buffered_amount: usize,
    /// Chunks of its messages that were sent again.
    pub retransmitted: u64,
    /// Messages given up under partial reliability.
    pub messages_abandoned: u64,
}
