//! What the bucket holds, and under which keys.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ortc_rooms::desk::{Changed, Post, Said};
use ortc_rooms::room::{Decided, Notice, RoomRecord, To};
use ortc_rooms::signalling::{RoomName, ServerMessage, UserId};
use serde::{Deserialize, Serialize};

/// Tells one life of the bucket from the next.
pub(super) const LIFE: &str = "life";
/// What resume tokens are sealed with.
pub(super) const KEY: &str = "key";

/// What a key is the key of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Of {
    Room(RoomName),
    User(UserId),
    Node(String),
    Other,
}

impl Of {
    pub(super) fn read(key: &str) -> Self {
        let Some((kind, name)) = key.split_once('.') else {
            return Of::Other;
        };
        let name = URL_SAFE_NO_PAD.decode(name).ok();
        let Some(name) = name.and_then(|name| String::from_utf8(name).ok()) else {
            return Of::Other;
        };
        match kind {
            "room" => RoomName::new(name).map_or(Of::Other, Of::Room),
            "user" => UserId::new(name).map_or(Of::Other, Of::User),
            "node" => Of::Node(name),
            _ => Of::Other,
        }
    }
}

fn key(kind: &str, name: &str) -> String {
    format!("{kind}.{}", URL_SAFE_NO_PAD.encode(name))
}

pub(super) fn room_key(room: &RoomName) -> String {
    key("room", room.as_str())
}

pub(super) fn user_key(userid: &UserId) -> String {
    key("user", userid.as_str())
}

pub(super) fn node_key(node: &str) -> String {
    key("node", node)
}

/// A room, with what the last change had told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredRoom {
    /// Counts the changes of the room from 1: a server that missed one knows.
    pub(super) version: u64,
    /// Absent: it has ended, and what follows is the last that is told of it.
    pub(super) record: Option<RoomRecord>,
    pub(super) told: Vec<Told>,
}

/// A notice. States of rooms are not written a second time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Told {
    State { to: UserId, about: Option<u64> },
    Notice(Box<Notice>),
}

impl StoredRoom {
    pub(super) fn new(version: u64, decided: &Decided) -> Self {
        let told = decided
            .notices
            .iter()
            .map(|notice| match (&notice.to, &notice.message) {
                (To::One(to), ServerMessage::Room(state)) => Told::State {
                    to: to.clone(),
                    about: state.about,
                },
                _ => Told::Notice(Box::new(notice.clone())),
            });
        Self {
            version,
            record: decided.record.clone(),
            told: told.collect(),
        }
    }

    pub(super) fn notices(&self) -> Arc<[Notice]> {
        let notice = |told: &Told| match told {
            Told::State { to, about } => {
                let state = self.record.as_ref()?.state(*about);
                Some(Notice::to_one(to, ServerMessage::Room(state)))
            }
            Told::Notice(notice) => Some(Notice::clone(notice)),
        };
        self.told.iter().filter_map(notice).collect()
    }
}

/// Who has a user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredUser {
    pub(super) node: String,
    pub(super) session: String,
    /// Resume tokens with smaller numbers do not do.
    #[serde(default)]
    pub(super) ticket: u64,
    /// The last message that it has seen of its server before.
    #[serde(default)]
    pub(super) seen: u64,
}

/// What a server says of itself with each beat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredNode {
    pub(super) beat: u64,
}

/// What servers say to each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum BetweenNodes {
    /// Somebody says something in a room, as the room was at the revision of this life.
    Said { life: u64, after: u64, said: Said },
    /// Something for a user: the answer is empty, or `gone` if it is not there.
    Post { to: UserId, post: Post },
    /// The answer says that all that came before is done.
    Barrier,
}

/// What a change is told as to who asked for it.
pub(super) fn changed(before: Option<Arc<RoomRecord>>, decided: Decided) -> Changed {
    Changed {
        before,
        after: decided.record.map(Arc::new),
        notices: decided.notices.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_nats_takes_and_come_back() {
        let names = ["a", "channel/room 7", "müller*>.", &"x".repeat(128)];
        for name in names {
            let room = RoomName::new(name).unwrap();
            let key = room_key(&room);
            let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(key.chars().all(fine), "{key}");
            assert_eq!(Of::read(&key), Of::Room(room));
        }
        let user = UserId::new("a.b").unwrap();
        assert_eq!(Of::read(&user_key(&user)), Of::User(user));
        assert_eq!(Of::read(&node_key("n 1")), Of::Node("n 1".to_owned()));
        for other in ["life", "room.", "room.!", "user", "x.YQ"] {
            assert_eq!(Of::read(other), Of::Other, "{other}");
        }
    }
}
