//! What a server says.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::name::{CallId, RoomName, UserId};
use super::policy::RoomPolicy;
use super::session::SessionKind;
use super::user::{Extra, Role, User};

/// What a server says to a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum ServerMessage {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// What a later `hello` resumes with, in the place of what was given before.
    Resume {
        /// The token.
        resume: String,
    },
    /// The state of a room that the client entered.
    Room(RoomState),
    /// Somebody entered.
    Joined {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
    },
    /// Somebody left.
    Left {
        /// Which room.
        room: RoomName,
        /// Who.
        userid: UserId,
        /// Why.
        reason: LeftReason,
    },
    /// Another owns the room now.
    Owner {
        /// Which room.
        room: RoomName,
        /// Who.
        userid: UserId,
    },
    /// Somebody tells something else of itself.
    Extra {
        /// Who.
        userid: UserId,
        /// What.
        extra: Extra,
    },
    /// The rules of a room changed.
    Policy {
        /// Which room.
        room: RoomName,
        /// The rules now.
        policy: RoomPolicy,
    },
    /// Somebody took the presenter's place, or nobody has it now.
    Presenter {
        /// Which room.
        room: RoomName,
        /// Who.
        userid: Option<UserId>,
    },
    /// Somebody says something.
    Said {
        /// In which room.
        room: RoomName,
        /// Who: the server's word.
        from: UserId,
        /// True if it was said to this user alone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        direct: bool,
        /// What.
        body: Box<RawValue>,
    },
    /// Somebody asks for a call.
    Call {
        /// Which.
        call: CallId,
        /// Who.
        from: User,
        /// What for.
        session: SessionKind,
    },
    /// What became of a call.
    CallStatus {
        /// Which.
        call: CallId,
        /// With whom.
        with: UserId,
        /// What.
        status: CallStatus,
    },
    /// Rooms that are there or changed, and those that are no longer.
    Rooms {
        /// All that are there, rather than changes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
        /// There.
        rooms: Vec<RoomInfo>,
        /// No longer there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gone: Vec<RoomName>,
    },
    /// The client is in a room no longer.
    Closed {
        /// Which.
        room: RoomName,
        /// Why.
        reason: ClosedReason,
    },
    /// The server ends this connection; after the time a client may come back.
    Goodbye {
        /// Milliseconds; absent: it need not come back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        return_after_ms: Option<u32>,
        /// In words.
        message: String,
    },
    /// What a client said was not done.
    Error {
        /// What kind of error.
        code: ErrorCode,
        /// In words, which say what to do.
        message: String,
        /// The number of the client's message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<u64>,
        /// The room that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
    },
}

/// The answer to `hello`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Welcome {
    /// [`VERSION`](crate::signalling::VERSION).
    pub version: u32,
    /// Who the client is.
    pub userid: UserId,
    /// What it may do where no room says otherwise.
    pub role: Role,
    /// What brings the client back after its connection was lost.
    pub resume: String,
    /// True if the client was recognised: its rooms hold, and messages go on where they stopped.
    #[serde(default)]
    pub resumed: bool,
    /// The number of the last message of the client that the server has seen.
    #[serde(default)]
    pub seen: u64,
    /// STUN and TURN servers for its connections.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
    /// What the server allows.
    #[serde(default)]
    pub limits: Limits,
}

impl Welcome {
    /// One that is not resumed, without servers, with the usual limits.
    pub fn new(userid: UserId, role: Role, resume: String) -> Self {
        Self {
            version: super::bounds::VERSION,
            userid,
            role,
            resume,
            resumed: false,
            seen: 0,
            ice_servers: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("version", &self.version)
            .field("userid", &self.userid)
            .field("role", &self.role)
            .field("resume", &"…")
            .field("resumed", &self.resumed)
            .field("seen", &self.seen)
            .field("ice_servers", &self.ice_servers)
            .field("limits", &self.limits)
            .finish()
    }
}

/// A STUN or TURN server, as the core's and a browser's configuration have it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IceServer {
    /// E.g. `turn:turn.example.org:3478`.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl IceServer {
    /// One that wants no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            username: None,
            credential: None,
        }
    }

    /// The same with credentials.
    pub fn with_credentials(
        self,
        username: impl Into<String>,
        credential: impl Into<String>,
    ) -> Self {
        Self {
            username: Some(username.into()),
            credential: Some(credential.into()),
            ..self
        }
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// What a server allows a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of a message.
    pub message_bytes: u32,
    /// The most messages in a second, over some seconds.
    pub messages_per_second: u32,
    /// The most rooms at once.
    pub rooms: u32,
    /// How long a lost client may take to come back, in milliseconds.
    pub grace_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            messages_per_second: 50,
            rooms: 16,
            grace_ms: 30_000,
        }
    }
}

/// A room as who enters it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RoomState {
    /// Which.
    pub room: RoomName,
    /// Tells one life of a room from the next under the same name.
    pub epoch: u64,
    /// All who are in it, this client among them, in the order in which they came.
    pub users: Vec<User>,
    /// Its owner.
    pub owner: UserId,
    /// What it carries.
    pub session: SessionKind,
    /// Its rules.
    pub policy: RoomPolicy,
    /// Who presents, where one at a time does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presenter: Option<UserId>,
    /// The server made the room anew and more of its users may return within the grace: who is
    /// missing has not left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returning: bool,
    /// The hub's user id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<UserId>,
    /// The number of the client's message that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<u64>,
}

/// A room as those who watch are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RoomInfo {
    /// Which.
    pub sessionid: RoomName,
    /// Its owner.
    pub userid: UserId,
    /// What its owner tells of itself.
    #[serde(default, skip_serializing_if = "Extra::is_null")]
    pub extra: Extra,
    /// What it carries.
    pub session: SessionKind,
    /// How many are in it.
    pub users: u32,
    /// How many may be.
    pub places: u32,
    /// It wants a password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub password: bool,
}

/// Why somebody left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum LeftReason {
    /// It said so.
    Left,
    /// Its connection was lost, and it did not come back in time.
    Lost,
    /// It was put out.
    Ejected,
}

/// Why a client is in a room no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ClosedReason {
    /// It left.
    Left,
    /// It was put out.
    Ejected,
    /// It was put out for as long as the room is there.
    Banned,
    /// The room was closed.
    Closed,
    /// The owner left, and the rules end the room then.
    OwnerLeft,
    /// The room's time is up.
    TimeUp,
    /// The same user id came back by another connection.
    Replaced,
    /// Its connection was lost, and it did not come back in time.
    Lost,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CallStatus {
    /// The other was told.
    Ringing,
    /// The other said yes.
    Accepted,
    /// The other said no.
    Rejected,
    /// The other has another call.
    Busy,
    /// The caller no longer asks.
    Cancelled,
    /// Nobody answered in time.
    Timeout,
    /// The other is not there, or went.
    Gone,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ErrorCode {
    /// Not JSON, or none of the messages.
    BadMessage,
    /// More bytes than a message may have.
    TooLarge,
    /// More messages than in this time are allowed.
    TooMany,
    /// The first message was not `hello`, or a second one was.
    BadHello,
    /// A version that the server does not speak.
    BadVersion,
    /// A token that is not this server's, or too old.
    BadToken,
    /// Somebody has this user id.
    UserIdTaken,
    /// A room of this name is there.
    RoomExists,
    /// No room of this name is there.
    NoSuchRoom,
    /// As many as may be are in the room.
    RoomFull,
    /// The client is in more rooms than it may be, or the server has no place for another.
    TooManyRooms,
    /// The password is wrong, or one is wanted.
    BadPassword,
    /// The user was put out for as long as the room is there.
    Banned,
    /// The role does not allow this.
    NotAllowed,
    /// The client is not in this room.
    NotInRoom,
    /// The client is in this room.
    AlreadyInRoom,
    /// No such user is there.
    NoSuchUser,
    /// No such call is there, or it has ended.
    NoSuchCall,
    /// Another presents.
    PresenterTaken,
    /// The session says two things about its direction.
    BadSession,
    /// The server cannot do it now; try again.
    Unavailable,
}
