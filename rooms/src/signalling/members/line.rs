//! What crosses between members.

use serde::{Deserialize, Serialize};

use crate::signalling::client::Answer;
use crate::signalling::name::{CallId, RoomName, UserId};
use crate::signalling::policy::RoomPolicy;
use crate::signalling::session::SessionKind;
use crate::signalling::user::User;

/// One line.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) from: UserId,
    pub(super) life: String,
    #[serde(flatten)]
    pub(super) what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum What {
    Here(Here),
    Ask(bool),
    Say(Say),
    Leave(RoomName),
    Close(RoomName),
    Eject(Eject),
    Call(Ring),
    Answer(Answered),
    Bye(bool),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Here {
    pub(super) user: User,
    pub(super) rooms: Vec<Presence>,
}

/// Somebody is in a room.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Presence {
    pub(super) room: RoomName,
    pub(super) since: u64,
    pub(super) session: SessionKind,
    pub(super) policy: RoomPolicy,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Say {
    pub(super) room: RoomName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<UserId>,
    pub(super) body: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Eject {
    pub(super) room: RoomName,
    pub(super) userid: UserId,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Ring {
    pub(super) call: CallId,
    pub(super) to: UserId,
    pub(super) user: User,
    pub(super) session: SessionKind,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) call: CallId,
    pub(super) to: UserId,
    pub(super) answer: Answer,
}
