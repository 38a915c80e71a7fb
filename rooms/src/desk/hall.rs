//! A desk's view of a room: its record, and which of the members are its clients.

use std::collections::HashMap;
use std::sync::Arc;

use super::client::{Client, text};
use crate::room::{Notice, RoomRecord, To};
use crate::signalling::{Extra, MAX_MESSAGE, RoomName, RoomState, ServerMessage, UserId};

/// The most who are banned whom a token names.
const BANNED_IN_TOKEN: usize = 16;

#[derive(Default)]
pub(crate) struct Hall {
    pub(crate) record: Option<Arc<RoomRecord>>,
    pub(crate) present: HashMap<UserId, Arc<Client>>,
}

impl Hall {
    /// Tells each of those whom it concerns, in order. `left` are in the room no longer.
    pub(crate) fn tell(&self, notices: &[Notice], left: &HashMap<UserId, Arc<Client>>) {
        for notice in notices {
            match &notice.to {
                To::One(userid) => {
                    if let Some(client) = self.present.get(userid).or_else(|| left.get(userid)) {
                        tell_one(client, &notice.message);
                    }
                }
                To::All => self.tell_all(&notice.message, None),
                To::AllBut(userid) => self.tell_all(&notice.message, Some(userid)),
            }
        }
    }

    fn tell_all(&self, message: &ServerMessage, but: Option<&UserId>) {
        if self.present.is_empty() {
            return;
        }
        let message = text(message);
        for (userid, client) in &self.present {
            if Some(userid) != but {
                client.push(message.clone());
            }
        }
    }

    /// Tells a client how the room is.
    pub(crate) fn tell_state(&self, client: &Client, now: u64) {
        if let Some(record) = &self.record {
            let mut state = record.state(None);
            state.returning = record.rebuilt.is_some_and(|until| until > now);
            tell_one(client, &ServerMessage::Room(state));
        }
    }

    /// Whether it is this room's.
    pub(crate) fn is(&self, room: &RoomName) -> bool {
        self.record
            .as_ref()
            .is_some_and(|record| record.room == *room)
    }

    /// What a member knows of the room for the time when its server knows nothing of it.
    pub(crate) fn known_to(&self, userid: &UserId) -> Option<RoomRecord> {
        let record = self.record.as_ref()?;
        let mut member = record.member(userid)?.clone();
        member.user.extra = Extra::Null;
        member.lost = None;
        let banned = record.banned.iter().take(BANNED_IN_TOKEN).cloned();
        Some(RoomRecord {
            room: record.room.clone(),
            epoch: record.epoch,
            members: vec![member],
            owner: record.owner.clone(),
            session: record.session,
            policy: record.policy.clone(),
            verifier: record.verifier.clone(),
            presenter: record.presenter.clone(),
            banned: banned.collect(),
            rebuilt: None,
        })
    }
}

/// Tells one client. A room's state that is too long for a message goes without what its users tell
/// of themselves, which follows.
fn tell_one(client: &Client, message: &ServerMessage) {
    // What stands around it is the envelope.
    const ROOM: usize = MAX_MESSAGE - 128;
    let whole = text(message);
    let (ServerMessage::Room(state), true) = (message, whole.len() > ROOM) else {
        client.push(whole);
        return;
    };
    let mut users = state.users.clone();
    let mut extras = Vec::new();
    for user in &mut users {
        let extra = std::mem::take(&mut user.extra);
        if !extra.is_null() {
            extras.push((user.userid.clone(), extra));
        }
    }
    client.tell(&ServerMessage::Room(RoomState {
        users,
        ..state.clone()
    }));
    for (userid, extra) in extras {
        client.tell(&ServerMessage::Extra { userid, extra });
    }
}
