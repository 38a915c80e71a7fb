//! What happens in a session.

use std::time::Duration;

use ortc::{DisconnectReason, MediaStream, MediaStreamTrack, RTCDataChannel};
use serde_json::Value;

use super::action::ActionEvent;
use super::file_event::FileEvent;
use super::kinds::Kinds;
use super::payload::Payload;
use crate::files::FileOffer;
use crate::signalling::{
    CallId, CallStatus, ClosedReason, ErrorCode, Extra, LeftReason, Role, RoomInfo, RoomName,
    RoomPolicy, RoomState, SessionKind, User, UserId,
};

/// What happens in a session. What concerns a user has what it tells of itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server knows this user: first, and again after a return.
    LocalConnected {
        /// Who this user is.
        userid: UserId,
        /// What it may do.
        role: Role,
        /// True if it was recognised after a return: its rooms hold.
        resumed: bool,
    },
    /// The server is lost; media and data go on, and the session tries to return.
    SignallingLost {
        /// In words.
        reason: String,
    },
    /// This user is in a room: what it found there.
    SessionConnected {
        /// The room.
        room: RoomState,
    },
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
        user: User,
        /// Why.
        reason: LeftReason,
    },
    /// Another owns the room.
    Owner {
        /// Which room.
        room: RoomName,
        /// Who.
        userid: UserId,
    },
    /// Somebody tells something else of itself.
    Extra {
        /// Who, with what it tells.
        user: User,
    },
    /// The rules of a room changed.
    Policy {
        /// Which room.
        room: RoomName,
        /// The rules now.
        policy: RoomPolicy,
    },
    /// Somebody took the presenter's place.
    ScreenShareStarted {
        /// Which room.
        room: RoomName,
        /// Who.
        userid: UserId,
    },
    /// Nobody has the presenter's place any more.
    ScreenShareEnded {
        /// Which room.
        room: RoomName,
    },
    /// This user is in a room no longer.
    Closed {
        /// Which room.
        room: RoomName,
        /// Why.
        reason: ClosedReason,
    },
    /// More users are in a room than a mesh is meant for, once a room.
    MeshLarge {
        /// Which room.
        room: RoomName,
        /// How many.
        users: usize,
    },
    /// A hub of the server takes over a room, or leaves it: media and messages of all go by it, or
    /// from each to each. Streams go on under their ids: each comes once more as a stream.
    Hub {
        /// Which room.
        room: RoomName,
        /// It is there.
        on: bool,
    },
    /// Who speaks, by the hub: when it is another than before, four times a second at most. Only
    /// those are named whom this user hears, and this user itself.
    Speakers {
        /// Which room.
        room: RoomName,
        /// Who spoke last, that one first; 16 at most.
        order: Vec<UserId>,
        /// Those of them who speak now.
        speaking: Vec<UserId>,
    },
    /// Rooms that are watched.
    Rooms {
        /// All that are there.
        rooms: Vec<RoomInfo>,
    },
    /// A peer is connected; again after it was lost.
    Connected {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
    },
    /// The connection to a peer is lost. It is made again while both are in the room.
    Disconnected {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
        /// Why.
        reason: DisconnectReason,
    },
    /// The way to a peer, when it is found, when another is in use, and every few seconds.
    Path {
        /// Which room.
        room: RoomName,
        /// To whom.
        userid: UserId,
        /// How.
        path: Path,
    },
    /// No connection is made to a peer: one of the two does not know the secret, or the server
    /// has put itself between them.
    Impostor {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
        /// In words.
        reason: String,
    },
    /// Messages can be sent to a peer.
    Open {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
    },
    /// Messages cannot be sent to a peer any longer.
    DataClosed {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
    },
    /// What a peer sent was not understood, or not taken.
    DataError {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
        /// In words.
        error: String,
    },
    /// A stream, of this side or a peer's.
    Stream(StreamEvent),
    /// A track of a peer's stream: each of them, after its stream.
    Track {
        /// Which room.
        room: RoomName,
        /// Whose.
        userid: UserId,
        /// Of which stream.
        stream_id: String,
        /// To receive from.
        track: MediaStreamTrack,
    },
    /// A stream is there no longer.
    StreamEnded {
        /// Which room; absent for one of this side that went to all.
        room: Option<RoomName>,
        /// Whose.
        userid: UserId,
        /// Which.
        stream_id: String,
        /// What it carried.
        session: SessionKind,
    },
    /// Part of a stream is silent.
    Mute(MuteEvent),
    /// Part of a stream is silent no longer.
    Unmute(MuteEvent),
    /// A message.
    Message(Message),
    /// A message with a name, and maybe a wish for an answer.
    Action(ActionEvent),
    /// Something that an application said by the server.
    Said {
        /// In which room.
        room: RoomName,
        /// Who.
        from: User,
        /// To this user alone.
        direct: bool,
        /// What.
        body: Value,
    },
    /// A peer offers files. Dropping it refuses them.
    FileOffer {
        /// Which room.
        room: RoomName,
        /// Who.
        user: User,
        /// What; [`accept`](FileOffer::accept) takes it.
        offer: FileOffer<RTCDataChannel>,
    },
    /// What becomes of files that go to a peer or come from one.
    File(FileEvent),
    /// Somebody asks for a call.
    CallRequest(CallRequest),
    /// What became of a call.
    CallStatus {
        /// Which.
        call: CallId,
        /// With whom.
        with: UserId,
        /// What.
        status: CallStatus,
    },
    /// The server did not do what it was told, and nobody waits for that.
    Refused {
        /// In which room.
        room: Option<RoomName>,
        /// What kind of refusal.
        code: ErrorCode,
        /// In words.
        message: String,
    },
    /// So many events were dropped because nobody read them: what the session's views tell is
    /// right all the same.
    Missed(u64),
    /// The session is over: it was closed, or the server does not want it. The last event.
    Ended {
        /// In words.
        reason: String,
    },
}

/// Whose a stream is, or who does something with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// This side.
    Local,
    /// The peer.
    Remote,
}

/// A stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamEvent {
    /// Which room; absent for one of this side that goes to all.
    pub room: Option<RoomName>,
    /// Whose.
    pub userid: UserId,
    /// What its user tells of itself.
    pub extra: Extra,
    /// Of this side or a peer's.
    pub origin: Origin,
    /// The stream; tracks of a peer's come one by one.
    pub stream: MediaStream,
    /// Its id.
    pub stream_id: String,
    /// What it carries.
    pub session: SessionKind,
    /// What its sender tells of the stream.
    pub stream_extra: Extra,
}

/// Part of a stream is silent, or no longer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MuteEvent {
    /// Which room; absent for one of this side that goes to all.
    pub room: Option<RoomName>,
    /// Whose stream.
    pub userid: UserId,
    /// Which.
    pub stream_id: String,
    /// Which part.
    pub kinds: Kinds,
    /// Who did it.
    pub by: Origin,
}

/// A message of a peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Message {
    /// Which room.
    pub room: RoomName,
    /// Who.
    pub from: User,
    /// What.
    pub data: Payload,
    /// How long it was on its way, once the clocks of both are compared.
    pub latency: Option<Duration>,
}

/// The way to a peer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Path {
    /// True unless a TURN server is between.
    pub direct: bool,
    /// What the own address is: `host`, `srflx`, `prflx` or `relay`.
    pub local: String,
    /// What the peer's address is.
    pub remote: String,
    /// From here to there and back.
    pub round_trip: Option<Duration>,
    /// Sent in the last seconds, in bit/s.
    pub sending: u64,
    /// Received in the last seconds, in bit/s.
    pub receiving: u64,
}

/// A call that somebody asks for: [`Session::accept`](super::Session::accept) and
/// [`Session::reject`](super::Session::reject) answer it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallRequest {
    /// Which.
    pub call: CallId,
    /// Who asks, with what it tells of itself.
    pub from: User,
    /// What for.
    pub session: SessionKind,
}
