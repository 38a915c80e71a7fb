//! Where the records of rooms are kept, and who is told of their changes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::seal::SealKey;
use crate::room::{Change, Notice, Refusal, RoomRecord};
use crate::signalling::{CallId, CallStatus, ErrorCode, RoomName, SessionKind, User, UserId};

/// A future that a store gives.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the records of rooms are kept: in this process, or for several servers.
///
/// All that happens to a room goes through [`change`](Self::change), one change after the other,
/// whichever server asks; each server's listener hears of all of them in the same order.
pub trait RoomStore: Send + Sync + fmt::Debug {
    /// Who is told of what happens: once, before anything else is asked.
    fn listen(&self, listener: Weak<dyn StoreListener>);

    /// The name of this server among those that share the store; empty where it is alone.
    fn node(&self) -> &str {
        ""
    }

    /// What those who share the store seal resume tokens with.
    fn key(&self) -> Option<SealKey> {
        None
    }

    /// Changes a room. When it is done, the listener has been told.
    fn change(&self, room: RoomName, change: Change) -> Later<'_, Result<Changed, Refusal>>;

    /// A room as it is now, even if the listener has not heard of it yet.
    fn look(&self, room: RoomName) -> Later<'_, Result<Option<Arc<RoomRecord>>, Refusal>>;

    /// The time that changes go by: milliseconds since 1970.
    fn now(&self) -> u64;

    /// Tells one life of the store from the next: who has a token of another life may make a room
    /// again.
    fn life(&self) -> u64;

    /// Claims a user id for a client of this server. What was claimed for the same session
    /// elsewhere ends there.
    fn claim(&self, claim: Claim) -> Later<'_, Result<(), Refusal>>;

    /// A client came back to this server by a resume token of this number, which does not do at
    /// another any longer.
    fn used(&self, _claim: Claim) -> Later<'_, ()> {
        Box::pin(async {})
    }

    /// Gives a user id free, if it is still this session's here.
    fn release(&self, userid: UserId, session: String) -> Later<'_, ()>;

    /// Says something to a user of another server. False if none has it.
    fn post(&self, to: UserId, post: Post) -> Later<'_, bool>;

    /// Says something to the members of a room at other servers, who are at these nodes.
    fn spread(&self, nodes: Vec<String>, said: Said) -> Later<'_, ()>;
}

/// Hears what happens to rooms. What it does is done at once: it does not wait.
pub trait StoreListener: Send + Sync {
    /// A room changed.
    fn changed(&self, update: Update);
    /// A user of this server is told something. False if it is not here.
    fn posted(&self, to: &UserId, post: Post) -> bool;
    /// Something is said in a room, by somebody at another server.
    fn said(&self, said: Said);
    /// The session of a user goes on at another server, or has ended.
    fn moved(&self, moved: Moved);
    /// The store itself changed a room, which nobody asked for.
    fn made(&self, room: &RoomName, change: &Change, changed: &Changed);
}

/// A change of a room that was made.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The room before; absent: there was none.
    pub before: Option<Arc<RoomRecord>>,
    /// The room now; absent: it has ended.
    pub after: Option<Arc<RoomRecord>>,
    /// Who is told what.
    pub notices: Arc<[Notice]>,
}

/// What a listener is told of a room.
#[derive(Debug, Clone)]
pub struct Update {
    /// Which.
    pub room: RoomName,
    /// As it is now; absent: it has ended.
    pub record: Option<Arc<RoomRecord>>,
    /// Who is told what; absent: changes were missed, and the difference tells.
    pub notices: Option<Arc<[Notice]>>,
}

/// A client that has a user id.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which.
    pub userid: UserId,
    /// Its session, from a hello without a resume token to the end.
    pub session: String,
    /// The number of the resume token that brought it back, if one did.
    pub ticket: Option<u64>,
    /// The user is proven to be this one: what another session has ends.
    pub proven: bool,
    /// The number of the last message that it has seen, of those before it came to this server.
    pub seen: Option<u64>,
}

/// A user who was at this server is at another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Who.
    pub userid: UserId,
    /// Its session here.
    pub session: String,
    /// That has ended: the user has come to the other server anew.
    pub replaced: bool,
    /// The number of the last message from here that it has seen.
    pub seen: u64,
}

/// What one user is told by another's server, beside what is said in rooms.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Post {
    /// Somebody calls.
    Ring {
        /// The call.
        call: CallId,
        /// Who.
        from: User,
        /// What for.
        session: SessionKind,
    },
    /// What became of a call.
    CallStatus {
        /// The call.
        call: CallId,
        /// With whom.
        with: UserId,
        /// What.
        status: CallStatus,
    },
    /// What was said to somebody who is at another server by now.
    Missed(Vec<Box<RawValue>>),
    /// A call that is not allowed.
    CallRefused {
        /// The call.
        call: CallId,
        /// With whom.
        with: UserId,
        /// Why.
        code: ErrorCode,
        /// In words.
        message: String,
    },
}

/// What somebody says in a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Said {
    /// In which.
    pub room: RoomName,
    /// Who.
    pub from: UserId,
    /// To whom; absent: to all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    /// What.
    pub body: Box<RawValue>,
}
