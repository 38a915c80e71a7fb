//! Messages as text, and the numbers that bring them through a lost connection.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bounds::MAX_MESSAGE;

/// A message with its number. The first has 1, the next 2; `seen` is the number of the last message
/// that came from the other side. After a resume each side sends again what the other has not seen.
///
/// Without numbers it is one message alone, for transports that lose nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Envelope<M> {
    /// The message's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The number of the last message seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// The message; absent: only `seen` is told.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub message: Option<M>,
}

/// What cannot be read as a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// The first is how many bytes it has, the second how many it may have.
    #[error("{0} bytes are too many for a message, which has at most {1}")]
    TooLarge(usize, usize),
    /// Not JSON, or not of the form.
    #[error("not a message: {0}")]
    Malformed(String),
}

impl<M> Envelope<M> {
    /// A message with its number, and the last number seen.
    pub fn new(seq: u64, seen: u64, message: M) -> Self {
        Self {
            seq: Some(seq),
            seen: Some(seen),
            message: Some(message),
        }
    }

    /// Nothing but the last number seen.
    pub fn seen(seen: u64) -> Self {
        Self {
            seq: None,
            seen: Some(seen),
            message: None,
        }
    }
}

impl<M: DeserializeOwned> Envelope<M> {
    /// Reads text.
    ///
    /// # Errors
    ///
    /// [`BadMessage`] if it is too long, not JSON, or not a message that is known.
    pub fn from_json(text: &str) -> Result<Self, BadMessage> {
        if text.len() > MAX_MESSAGE {
            return Err(BadMessage::TooLarge(text.len(), MAX_MESSAGE));
        }
        serde_json::from_str(text).map_err(|error| BadMessage::Malformed(error.to_string()))
    }
}

impl<M: Serialize> Envelope<M> {
    /// The text.
    ///
    /// # Errors
    ///
    /// [`BadMessage::TooLarge`] if it has more bytes than a message may have.
    pub fn to_json(&self) -> Result<String, BadMessage> {
        let text = serde_json::to_string(self)
            .map_err(|error| BadMessage::Malformed(error.to_string()))?;
        if text.len() > MAX_MESSAGE {
            return Err(BadMessage::TooLarge(text.len(), MAX_MESSAGE));
        }
        Ok(text)
    }
}
