//! What a client says.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::name::{CallId, RoomName, UserId};
use super::policy::RoomPolicy;
use super::session::SessionKind;
use super::user::{Extra, Role};

/// What a client says to the server. `room` is needed by a client that is in several.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum ClientMessage {
    /// First, once: who is there. The answer is `welcome`.
    Hello(Hello),
    /// Wants to be told of the rooms, and of their changes, or no longer.
    Rooms {
        /// False: no longer.
        watch: bool,
        /// Only rooms of this channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
    },
    /// Makes a room, and enters it. The answer is `room`.
    Open(Enter),
    /// Enters a room that is there. The answer is `room`.
    Join(Enter),
    /// Enters a room, and makes it if it is not there. The answer is `room`.
    OpenOrJoin(Enter),
    /// Leaves a room.
    Leave {
        /// Which.
        room: RoomName,
    },
    /// Ends a room for all: its owner and admins may.
    Close {
        /// Which.
        room: RoomName,
    },
    /// Puts somebody out of a room: its owner and admins may.
    Eject {
        /// Out of which.
        room: RoomName,
        /// Whom.
        userid: UserId,
        /// For as long as the room is there.
        #[serde(default)]
        ban: bool,
    },
    /// Makes somebody the owner: the owner and admins may.
    Owner {
        /// Of which.
        room: RoomName,
        /// Whom.
        userid: UserId,
    },
    /// Says something to one user of a room, or to all others.
    Say {
        /// In which.
        room: RoomName,
        /// To whom; absent: to all others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<UserId>,
        /// What: not read on the way.
        body: Box<RawValue>,
    },
    /// Asks somebody for a call. `callStatus` tells what becomes of it.
    Call {
        /// Of the caller's choice.
        call: CallId,
        /// Whom.
        to: UserId,
        /// What for.
        #[serde(default)]
        session: SessionKind,
    },
    /// Answers a call, or takes one's own request back.
    Answer {
        /// Which.
        call: CallId,
        /// With whom.
        to: UserId,
        /// How.
        answer: Answer,
    },
    /// Changes what the user tells of itself, in all rooms.
    Extra {
        /// What it tells now.
        extra: Extra,
    },
    /// Changes the rules of a room: its owner and admins may.
    Policy {
        /// Of which.
        room: RoomName,
        /// The rules now, whole.
        policy: RoomPolicy,
    },
    /// Takes the one presenter's place in a room, or gives it back.
    Present {
        /// In which.
        room: RoomName,
        /// False: gives it back.
        on: bool,
    },
    /// The client goes, and does not come back.
    Bye {},
}

/// Who comes.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Hello {
    /// [`VERSION`](crate::signalling::VERSION).
    pub version: u32,
    /// A signed token that the server's operator or an invitation gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What `welcome` gave last time: brings user id and rooms back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The number of the last message that came before the connection was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// A wish for a user id; absent: the server gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userid: Option<UserId>,
    /// A wish for a role, which a server that is open about roles fulfils.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What the user tells of itself.
    #[serde(skip_serializing_if = "Extra::is_null")]
    pub extra: Extra,
}

impl Hello {
    /// One of this version.
    pub fn new() -> Self {
        Self {
            version: super::bounds::VERSION,
            ..Self::default()
        }
    }
}

// Tokens are as good as passwords.
impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("version", &self.version)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("resume", &self.resume.as_ref().map(|_| "…"))
            .field("seen", &self.seen)
            .field("userid", &self.userid)
            .field("role", &self.role)
            .field("extra", &self.extra)
            .finish()
    }
}

/// Into which room, and how.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Enter {
    /// Which.
    pub room: RoomName,
    /// The password that the room has or gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What it carries: of who opens it.
    #[serde(default)]
    pub session: SessionKind,
    /// Its rules: of who opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RoomPolicy>,
}

impl Enter {
    /// Into this room, without a password, under the usual rules.
    pub fn new(room: RoomName) -> Self {
        Self {
            room,
            password: None,
            session: SessionKind::default(),
            policy: None,
        }
    }
}

impl fmt::Debug for Enter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter")
            .field("room", &self.room)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("session", &self.session)
            .field("policy", &self.policy)
            .finish()
    }
}

/// What is said to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Answer {
    /// Yes.
    Accept,
    /// No.
    Reject,
    /// Not now: another call goes on.
    Busy,
    /// The caller no longer asks.
    Cancel,
}
