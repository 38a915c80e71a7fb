//! What the application says.

use super::line::{Answered, Eject, Presence, Ring, Say, What};
use super::state::{Entering, Members, SETTLED, now};
use crate::signalling::client::{ClientMessage, Enter};
use crate::signalling::name::RoomName;
use crate::signalling::server::{CallStatus, ClosedReason, ErrorCode, ServerMessage};

impl Members {
    /// What the application says.
    pub(in crate::signalling) fn said(&mut self, message: ClientMessage) {
        match message {
            ClientMessage::Rooms { watch, channel } => {
                self.watching = watch.then_some(channel);
                self.lobby.clear();
                self.show_lobby(watch);
            }
            ClientMessage::Open(enter) => self.enter(true, false, enter),
            ClientMessage::Join(enter) => self.enter(false, true, enter),
            ClientMessage::OpenOrJoin(enter) => self.enter(true, true, enter),
            ClientMessage::Leave { room } => {
                self.tell(What::Leave(room.clone()));
                self.close(&room, ClosedReason::Left);
            }
            ClientMessage::Close { room } if self.owns(&room) => {
                self.tell(What::Close(room.clone()));
                self.close(&room, ClosedReason::Closed);
            }
            ClientMessage::Eject { room, userid, .. } if self.owns(&room) => {
                self.without(&room, &userid);
                self.tell(What::Eject(Eject { room, userid }));
            }
            ClientMessage::Policy { room, policy } if self.owns(&room) => {
                for presence in self.rooms.iter_mut().filter(|one| one.room == room) {
                    presence.policy = policy.clone();
                }
                self.tell_here();
                self.events.push(ServerMessage::Policy { room, policy });
            }
            ClientMessage::Say { room, to, body } => {
                if let Ok(body) = serde_json::from_str(body.get()) {
                    self.tell(What::Say(Say { room, to, body }));
                }
            }
            ClientMessage::Extra { extra } => {
                self.me.extra = extra;
                self.tell_here();
            }
            ClientMessage::Call { call, to, session } => {
                let known = self.others.contains_key(&to);
                let (user, with) = (self.me.clone(), to.clone());
                let status = match known {
                    true => CallStatus::Ringing,
                    false => CallStatus::Gone,
                };
                self.events.push(ServerMessage::CallStatus {
                    call: call.clone(),
                    with,
                    status,
                });
                self.tell(What::Call(Ring {
                    call,
                    to,
                    user,
                    session,
                }));
            }
            ClientMessage::Answer { call, to, answer } => {
                self.tell(What::Answer(Answered { call, to, answer }));
            }
            ClientMessage::Bye {} => {
                self.tell(What::Bye(true));
                // The line goes out before the end.
                self.over = true;
            }
            other => self.refuse(&other),
        }
    }

    pub(super) fn refuse(&mut self, message: &ClientMessage) {
        let room = match message {
            ClientMessage::Close { room }
            | ClientMessage::Eject { room, .. }
            | ClientMessage::Owner { room, .. }
            | ClientMessage::Policy { room, .. }
            | ClientMessage::Present { room, .. } => Some(room.clone()),
            _ => None,
        };
        self.error(
            ErrorCode::NotAllowed,
            "only the owner may, or this needs a server",
            room,
        );
    }

    pub(super) fn enter(&mut self, opens: bool, joins: bool, enter: Enter) {
        self.entering.push(Entering {
            opens,
            joins,
            enter,
            until: self.ticks.saturating_add(SETTLED),
        });
        self.tell(What::Ask(true));
        self.enter_what_can_be();
    }

    pub(super) fn enter_now(&mut self, enter: Enter) {
        if enter.session.direction().is_err() {
            let words = "the session says two things about its direction";
            return self.error(ErrorCode::BadSession, words, Some(enter.room));
        }
        let there = self.view(&enter.room);
        if there
            .as_ref()
            .is_some_and(|room| room.users.len() >= room.policy.places())
        {
            let words = "all places of this room are taken";
            return self.error(ErrorCode::RoomFull, words, Some(enter.room));
        }
        let (session, policy) = match &there {
            Some(room) => (room.session, room.policy.clone()),
            None => (enter.session, enter.policy.unwrap_or_default()),
        };
        self.rooms.push(Presence {
            room: enter.room.clone(),
            since: now(),
            session,
            policy,
        });
        self.tell_here();
        if let Some(state) = self.view(&enter.room) {
            self.shown.insert(enter.room, state.clone());
            self.events.push(ServerMessage::Room(state));
        }
        self.show_lobby(false);
    }

    pub(super) fn close(&mut self, room: &RoomName, reason: ClosedReason) {
        self.rooms.retain(|one| one.room != *room);
        if self.shown.remove(room).is_some() {
            let room = room.clone();
            self.events.push(ServerMessage::Closed { room, reason });
        }
        self.show_lobby(false);
    }

    pub(super) fn enter_what_can_be(&mut self) {
        for entering in std::mem::take(&mut self.entering) {
            let room = entering.enter.room.clone();
            let there = self.view(&room).is_some();
            // Whether a room is there is known once all have told of themselves.
            if !there && self.ticks < entering.until {
                self.entering.push(entering);
                continue;
            }
            match (there, entering.opens, entering.joins) {
                (true, _, false) => {
                    self.error(
                        ErrorCode::RoomExists,
                        "there is a room of this name",
                        Some(room),
                    );
                }
                (false, false, _) => {
                    self.error(
                        ErrorCode::NoSuchRoom,
                        "there is no room of this name",
                        Some(room),
                    );
                }
                _ => self.enter_now(entering.enter),
            }
        }
    }
}
