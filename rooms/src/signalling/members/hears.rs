//! What the others say, and time.

use super::line::{Eject, Here, Line, What};
use super::state::{Members, Other, SETTLED};
use crate::signalling::client::Answer;
use crate::signalling::name::{RoomName, UserId};
use crate::signalling::server::{CallStatus, ClosedReason, LeftReason, ServerMessage};
use serde_json::value::RawValue;

/// Who was not heard for so many ticks is lost.
const LOST: u32 = 5;
/// The most others that are kept.
const MAX_OTHERS: usize = 1024;

impl Members {
    pub(in crate::signalling) fn tick(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
        if !self.options.once {
            if !self.rooms.is_empty() || self.ticks <= SETTLED {
                self.tell_here();
            }
            for other in self.others.values_mut() {
                other.silent = other.silent.saturating_add(1);
            }
            let lost = |other: &Other| other.silent > LOST;
            let gone: Vec<UserId> = self
                .others
                .iter()
                .filter(|(_, other)| lost(other))
                .map(|(userid, _)| userid.clone())
                .collect();
            for userid in gone {
                self.others.remove(&userid);
                self.show(LeftReason::Lost);
            }
        }
        self.enter_what_can_be();
    }

    /// A line of the transport.
    pub(in crate::signalling) fn heard(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if line.life == self.life || line.from == self.me.userid {
            return;
        }
        let from = line.from;
        match line.what {
            What::Here(here) if here.user.userid == from => self.hears_of(from, line.life, here),
            What::Ask(_) => self.tell_here(),
            What::Say(say) => {
                let together = self.view(&say.room).is_some_and(|state| {
                    let has = |id: &UserId| state.users.iter().any(|user| user.userid == *id);
                    has(&from) && has(&self.me.userid)
                });
                let to_me = say.to.as_ref().is_none_or(|to| *to == self.me.userid);
                let body = RawValue::from_string(say.body.to_string());
                if let (true, true, Ok(body)) = (together, to_me, body) {
                    self.events.push(ServerMessage::Said {
                        room: say.room,
                        from,
                        direct: say.to.is_some(),
                        body,
                    });
                }
            }
            What::Leave(room) => {
                if let Some(other) = self.others.get_mut(&from) {
                    other.rooms.retain(|one| one.room != room);
                }
                self.show(LeftReason::Left);
            }
            What::Close(room) => {
                if self.view(&room).is_some_and(|state| state.owner == from) {
                    self.close(&room, ClosedReason::Closed);
                }
            }
            What::Eject(Eject { room, userid }) => {
                let owner = self.view(&room).is_some_and(|state| state.owner == from);
                if owner && userid == self.me.userid {
                    self.tell(What::Leave(room.clone()));
                    self.close(&room, ClosedReason::Ejected);
                } else if owner {
                    self.without(&room, &userid);
                }
            }
            What::Call(ring) if ring.to == self.me.userid && ring.user.userid == from => {
                self.events.push(ServerMessage::Call {
                    call: ring.call,
                    from: ring.user,
                    session: ring.session,
                });
            }
            What::Answer(answered) if answered.to == self.me.userid => {
                let status = match answered.answer {
                    Answer::Accept => CallStatus::Accepted,
                    Answer::Reject => CallStatus::Rejected,
                    Answer::Busy => CallStatus::Busy,
                    Answer::Cancel => CallStatus::Cancelled,
                };
                self.events.push(ServerMessage::CallStatus {
                    call: answered.call,
                    with: from,
                    status,
                });
            }
            What::Bye(_) => {
                self.others.remove(&from);
                self.show(LeftReason::Left);
            }
            What::Here(_) | What::Call(_) | What::Answer(_) => {}
        }
    }

    pub(super) fn hears_of(&mut self, from: UserId, life: String, here: Here) {
        if self.others.len() >= MAX_OTHERS && !self.others.contains_key(&from) {
            return;
        }
        let known = self.others.get(&from);
        if known.is_some_and(|known| known.life != life) {
            self.others.remove(&from);
            self.show(LeftReason::Lost);
        }
        let told = self.others.get(&from).map(|known| known.user.extra.clone());
        if told.is_some_and(|extra| extra != here.user.extra) {
            self.events.push(ServerMessage::Extra {
                userid: from.clone(),
                extra: here.user.extra.clone(),
            });
            for state in self.shown.values_mut() {
                for user in state.users.iter_mut().filter(|user| user.userid == from) {
                    user.extra = here.user.extra.clone();
                }
            }
        }
        let other = Other {
            user: here.user,
            life,
            silent: 0,
            rooms: here.rooms,
        };
        self.others.insert(from, other);
        self.show(LeftReason::Left);
        self.enter_what_can_be();
    }

    /// Somebody was put out of a room.
    pub(super) fn without(&mut self, room: &RoomName, userid: &UserId) {
        if let Some(other) = self.others.get_mut(userid) {
            other.rooms.retain(|one| one.room != *room);
        }
        self.show(LeftReason::Ejected);
    }
}
