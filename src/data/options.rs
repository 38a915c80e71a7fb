//! How a data channel is made, and what crosses it.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::data::{ChannelSpec, ClosedBecause};
use crate::engine::sctp::Reliability;
use crate::error::{DataChannelCloseReason, Error, Result};

/// How a data channel is made (RTCDataChannelInit of W3C WebRTC). The default is ordered and
/// reliable.
///
/// ```
/// use ortc::RTCDataChannelOptions;
///
/// let positions = RTCDataChannelOptions::default().ordered(false).max_retransmits(0);
/// let agreed = RTCDataChannelOptions::default().negotiated(7);
/// # let _ = (positions, agreed);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RTCDataChannelOptions {
    ordered: bool,
    max_retransmits: Option<u16>,
    max_packet_life_time: Option<Duration>,
    protocol: String,
    negotiated: Option<u16>,
    priority: RTCPriorityType,
}

impl Default for RTCDataChannelOptions {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmits: None,
            max_packet_life_time: None,
            protocol: String::new(),
            negotiated: None,
            priority: RTCPriorityType::Low,
        }
    }
}

impl RTCDataChannelOptions {
    /// Whether messages arrive in the order they were sent. Default: they do.
    #[must_use]
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Gives a message up after this many retransmissions. Excludes `max_packet_life_time`.
    #[must_use]
    #[doc(alias = "maxRetransmits")]
    pub fn max_retransmits(mut self, count: u16) -> Self {
        self.max_retransmits = Some(count);
        self
    }

    /// Gives a message up this long after it was sent, in whole milliseconds. Excludes
    /// `max_retransmits`.
    #[must_use]
    #[doc(alias = "maxPacketLifeTime")]
    pub fn max_packet_life_time(mut self, time: Duration) -> Self {
        self.max_packet_life_time = Some(time);
        self
    }

    /// The name of the protocol inside, at most 65,535 bytes.
    #[must_use]
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// Both applications make the channel, with this id (0 to 65,534), and nothing is said of it
    /// on the wire.
    #[must_use]
    pub fn negotiated(mut self, id: u16) -> Self {
        self.negotiated = Some(id);
        self
    }

    /// How urgent the channel is beside others. Default: low.
    #[must_use]
    pub fn priority(mut self, priority: RTCPriorityType) -> Self {
        self.priority = priority;
        self
    }

    pub(crate) fn spec(self, label: String) -> Result<ChannelSpec> {
        let limit = usize::from(u16::MAX);
        if label.len() > limit || self.protocol.len() > limit {
            return Err(Error::invalid_parameters(
                "label and protocol of a data channel have at most 65,535 bytes",
            ));
        }
        let reliability = match (self.max_retransmits, self.max_packet_life_time) {
            (None, None) => Reliability::Reliable,
            (Some(count), None) => Reliability::Retransmits(count),
            (None, Some(time)) => Reliability::Lifetime(time),
            (Some(_), Some(_)) => {
                return Err(Error::invalid_parameters(
                    "max_retransmits and max_packet_life_time exclude each other",
                ));
            }
        };
        Ok(ChannelSpec {
            label,
            protocol: self.protocol,
            ordered: self.ordered,
            reliability,
            priority: self.priority.wire(),
            negotiated: self.negotiated,
        })
    }
}

/// How urgent a data channel is (RFC 8831 section 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RTCPriorityType {
    /// Below normal.
    VeryLow,
    /// The default.
    Low,
    /// Before low.
    Medium,
    /// Before all others.
    High,
}

impl RTCPriorityType {
    fn wire(self) -> u16 {
        match self {
            Self::VeryLow => 128,
            Self::Low => 256,
            Self::Medium => 512,
            Self::High => 1024,
        }
    }

    pub(crate) fn from_wire(priority: u16) -> Self {
        match priority {
            0..=128 => Self::VeryLow,
            129..=256 => Self::Low,
            257..=512 => Self::Medium,
            _ => Self::High,
        }
    }
}

/// The states of a data channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCDataChannelState {
    /// Waits for the connection.
    Connecting,
    /// Messages can be sent.
    Open,
    /// What was queued still goes out; nothing more is taken.
    Closing,
    /// Over.
    Closed,
}

impl From<ClosedBecause> for DataChannelCloseReason {
    fn from(reason: ClosedBecause) -> Self {
        match reason {
            ClosedBecause::Local => Self::Closed,
            ClosedBecause::Peer => Self::RemoteClosed,
            ClosedBecause::TooLarge => Self::MessageTooLarge,
            ClosedBecause::Protocol => Self::Protocol,
            ClosedBecause::NoStream => Self::NoStream,
            ClosedBecause::Association => Self::TransportClosed,
            ClosedBecause::Connection => Self::ConnectionClosed,
        }
    }
}

/// What happens on a data channel beside its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RTCDataChannelEvent {
    /// Messages can be sent.
    Open,
    /// The buffered amount fell to the threshold; once for each time it does.
    BufferedAmountLow,
    /// The peer closes the channel.
    Closing,
    /// The channel is over; the last event.
    Closed {
        /// Why.
        reason: DataChannelCloseReason,
    },
}

/// A message, whole as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RTCDataChannelMessage {
    /// Text. What the peer sent that is not UTF-8 is replaced by U+FFFD.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl RTCDataChannelMessage {
    /// The length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text; `None` if it is binary.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The bytes, of text too.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(data) => data,
        }
    }
}

impl From<&str> for RTCDataChannelMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for RTCDataChannelMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for RTCDataChannelMessage {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for RTCDataChannelMessage {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}

impl From<&[u8]> for RTCDataChannelMessage {
    fn from(data: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(data))
    }
}
