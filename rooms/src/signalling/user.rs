//! Who is in a room.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::UserId;

/// What a user tells of itself, e.g. its name: any JSON of at most [`MAX_EXTRA`](crate::signalling::MAX_EXTRA)
/// bytes.
pub type Extra = Value;

/// What somebody may do in a room. Where the server wants tokens, they name it; elsewhere it is
/// free to take.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Role {
    /// Receives alone, and is seen by all.
    Inspector,
    /// Takes part.
    #[default]
    Participant,
    /// Calls admins, who answer.
    Guest,
    /// May eject, close and change the policy.
    Admin,
    /// The server's own, which media and data of a room go by: nobody takes this role, and it
    /// stands for no person.
    Hub,
}

/// One who is in a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct User {
    /// Its id.
    pub userid: UserId,
    /// What it may do.
    #[serde(default)]
    pub role: Role,
    /// What it tells of itself.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Extra,
}

impl User {
    /// One who tells nothing of itself.
    pub fn new(userid: UserId, role: Role) -> Self {
        Self {
            userid,
            role,
            extra: Value::Null,
        }
    }

    /// The same, who tells this of itself.
    pub fn with_extra(self, extra: Extra) -> Self {
        Self { extra, ..self }
    }
}
