//! What follows from a change of a room.

use serde::{Deserialize, Serialize};

use crate::signalling::{ErrorCode, ServerMessage, UserId};

/// A message that follows from a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notice {
    /// Who gets it.
    pub to: To,
    /// What.
    pub message: ServerMessage,
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum To {
    /// One user.
    One(UserId),
    /// All who are in the room after the change.
    All,
    /// All who are in the room after the change, but one.
    AllBut(UserId),
}

impl Notice {
    /// A message to one user.
    pub fn to_one(userid: &UserId, message: ServerMessage) -> Self {
        Self {
            to: To::One(userid.clone()),
            message,
        }
    }

    pub(crate) fn all(message: ServerMessage) -> Self {
        Self {
            to: To::All,
            message,
        }
    }

    pub(crate) fn others(userid: &UserId, message: ServerMessage) -> Self {
        Self {
            to: To::AllBut(userid.clone()),
            message,
        }
    }
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Refusal {
    /// What kind.
    pub code: ErrorCode,
    /// In words, which say what to do.
    pub message: String,
}

impl Refusal {
    /// With these words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
