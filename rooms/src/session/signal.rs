//! What the server says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::Error;
use super::event::{CallRequest, Event};
use super::state::{Asked, Pending, RoomEntry, Shared, State};
use crate::signalling::{
    CallId, CallStatus, ClientMessage, ClosedReason, Enter, ErrorCode, LeftReason, Role, RoomInfo,
    RoomName, RoomState, ServerMessage, User, UserId, Welcome,
};

/// How long the server keeps the place of one who is lost.
pub(super) fn grace(welcome: &Welcome) -> Duration {
    Duration::from_millis(welcome.limits.grace_ms.into())
}

impl Shared {
    /// Takes a message of the server.
    pub(super) fn signalled(self: &Arc<Self>, message: ServerMessage) {
        match message {
            ServerMessage::CallStatus { call, with, status } => {
                self.call_status(&call, status);
                self.event(Event::CallStatus { call, with, status });
                return;
            }
            ServerMessage::Call {
                call,
                from,
                session,
            } => {
                self.event(Event::CallRequest(CallRequest {
                    call,
                    from,
                    session,
                }));
                return;
            }
            _ => {}
        }
        let state = &mut *self.lock();
        match message {
            ServerMessage::Welcome(welcome) => self.welcomed(state, welcome),
            ServerMessage::Room(room) => self.entered(state, room),
            ServerMessage::Joined { room, user } => self.joined(state, &room, user),
            ServerMessage::Left {
                room,
                userid,
                reason,
            } => self.left(state, &room, &userid, reason),
            ServerMessage::Owner { room, userid } => self.owned(state, &room, userid),
            ServerMessage::Extra { userid, extra } => {
                let users = state.rooms.values_mut();
                let users = users.flat_map(|entry| entry.state.users.iter_mut());
                let mut told = None;
                for user in users.filter(|user| user.userid == userid) {
                    user.extra.clone_from(&extra);
                    told = Some(user.clone());
                }
                if let Some(user) = told.as_ref().filter(|user| user.role == Role::Hub) {
                    self.hub_turns(state, &user.userid);
                } else if let Some(user) = told {
                    self.event(Event::Extra { user });
                }
            }
            ServerMessage::Policy { room, policy } => {
                state.answer(&room, |asked| *asked == Asked::Policy, Ok(()));
                if let Ok(entry) = state.room_mut(&room) {
                    entry.state.policy = policy.clone();
                    self.event(Event::Policy { room, policy });
                }
            }
            ServerMessage::Presenter { room, userid } => self.presents(state, room, userid),
            ServerMessage::Said {
                room,
                from,
                direct,
                body,
            } => self.said(state, &room, &from, direct, body.get()),
            ServerMessage::Rooms { all, rooms, gone } => self.lobby(state, all, rooms, &gone),
            ServerMessage::Closed { room, reason } => self.closed(state, &room, reason),
            ServerMessage::Error {
                code,
                message,
                room,
                ..
            } => self.refused(state, code, message, room),
            _ => {}
        }
    }

    fn welcomed(self: &Arc<Self>, state: &mut State, welcome: Welcome) {
        let resumed = welcome.resumed;
        let changed = state.me != welcome.userid;
        state.grace = grace(&welcome);
        state.me = welcome.userid;
        state.role = welcome.role;
        state.away = false;
        if state.ice_servers != welcome.ice_servers {
            state.ice_servers = welcome.ice_servers;
            state.ports = None;
        }
        self.event(Event::LocalConnected {
            userid: state.me.clone(),
            role: state.role,
            resumed,
        });
        if resumed {
            return;
        }
        // The place in the rooms is lost: they are entered again, and all begins anew there.
        for (name, entry) in &mut state.rooms {
            let peers: Vec<UserId> = entry.peers.keys().cloned().collect();
            for peer in peers {
                self.end_link(entry, name, &peer, false);
            }
            entry.peers.clear();
            entry.state.users.clear();
            self.tell(ClientMessage::OpenOrJoin(entry.enter.clone()));
        }
        if let Some(channel) = &state.watching {
            self.tell(ClientMessage::Rooms {
                watch: true,
                channel: channel.clone(),
            });
        }
        if changed {
            tracing::info!(target: "ortc_rooms::session", "another user id after the return");
        }
    }

    /// This user is in a room: just now, or still, after a return.
    fn entered(self: &Arc<Self>, state: &mut State, room: RoomState) {
        let name = room.room.clone();
        let answered = state.answer(&name, |asked| *asked == Asked::Enter, Ok(()));
        match state.rooms.get_mut(&name) {
            Some(entry) => self.refreshed(entry, &state.me, state.grace, room),
            None => {
                let Some(enter) = answered.and_then(|pending| pending.enter) else {
                    // Nobody waits for it any more.
                    self.tell(ClientMessage::Leave { room: name });
                    return;
                };
                state.rooms.insert(
                    name.clone(),
                    RoomEntry {
                        state: room.clone(),
                        enter,
                        peers: Default::default(),
                        missing: Default::default(),
                        streams: Vec::new(),
                        kept: Vec::new(),
                        warned: false,
                        secret: self.options.secret.is_some(),
                        hub_peers: Default::default(),
                        opened: Vec::new(),
                        moving: false,
                        move_by: None,
                        speakers: Default::default(),
                        trail: Default::default(),
                    },
                );
                self.event(Event::SessionConnected { room });
            }
        }
        self.align(state, &name);
    }

    /// A room that this user is in already, after not everything of it was heard.
    fn refreshed(&self, entry: &mut RoomEntry, me: &UserId, grace: Duration, room: RoomState) {
        let name = room.room.clone();
        let before = std::mem::replace(&mut entry.state, room.clone());
        let has = |users: &[User], of: &User| users.iter().any(|u| u.userid == of.userid);
        let returning = room.returning && room.epoch == before.epoch;
        entry.missing.clear();
        for user in before.users.iter().filter(|user| !has(&room.users, user)) {
            // The server has forgotten them: they may be on their way back, and their media
            // never stopped.
            if returning && user.role != Role::Hub {
                let until = Instant::now() + grace;
                entry.missing.insert(user.userid.clone(), until);
                entry.state.users.push(user.clone());
                continue;
            }
            self.tell_left(&name, user.clone(), LeftReason::Lost);
        }
        if before.users.is_empty() {
            self.event(Event::SessionConnected { room: room.clone() });
        } else {
            for user in room.users.iter().filter(|user| !has(&before.users, user)) {
                self.tell_joined(&name, user.clone());
            }
        }
        // Nor does it know what those tell of themselves who are not back.
        for user in entry.state.users.iter_mut().filter(|_| returning) {
            let mut known = before.users.iter();
            let known = known.find(|known| known.userid == user.userid);
            if let Some(known) = known.filter(|_| user.extra.is_null()) {
                user.clone_from(known);
            }
        }
        if before.owner != room.owner {
            self.event(Event::Owner {
                room: name.clone(),
                userid: room.owner.clone(),
            });
        }
        // What was said meanwhile may be lost: those that do not work begin anew.
        for link in entry.peers.values_mut().filter(|link| !link.connected) {
            link.hurry();
        }
        for (peer, link) in &mut entry.peers {
            if link.connected && me != peer {
                self.tell_again(&name, peer, link);
            }
        }
    }

    fn joined(self: &Arc<Self>, state: &mut State, room: &RoomName, user: User) {
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        if entry.missing.remove(&user.userid).is_some() {
            let userid = user.userid.clone();
            entry.state.users.retain(|one| one.userid != userid);
            entry.state.users.push(user);
            return self.returned(state, room, &userid);
        }
        // One that comes again has nothing left of before.
        let known = entry.state.users.iter();
        if let Some(at) = known.clone().position(|one| one.userid == user.userid) {
            entry.state.users.remove(at);
            self.end_link(entry, room, &user.userid, false);
            entry.peers.remove(&user.userid);
            entry.trail.forget(&user.userid);
        }
        entry.state.users.push(user.clone());
        self.tell_joined(room, user);
        self.align(state, room);
    }

    /// A hub is no person.
    fn tell_joined(&self, room: &RoomName, user: User) {
        let room = room.clone();
        self.event(match user.role {
            Role::Hub => Event::Hub { room, on: true },
            _ => Event::Joined { room, user },
        });
    }

    fn tell_left(&self, room: &RoomName, user: User, reason: LeftReason) {
        let room = room.clone();
        self.event(match user.role {
            Role::Hub => Event::Hub { room, on: false },
            _ => Event::Left { room, user, reason },
        });
    }

    /// Those who did not come back to a room that was made anew have left.
    pub(super) fn forget_missing(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        let mut gone = Vec::new();
        for (room, entry) in &state.rooms {
            let late = entry.missing.iter().filter(|(_, until)| **until <= now);
            gone.extend(late.map(|(userid, _)| (room.clone(), userid.clone())));
        }
        for (room, userid) in gone {
            self.left(state, &room, &userid, LeftReason::Lost);
        }
    }

    fn left(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        userid: &UserId,
        reason: LeftReason,
    ) {
        if reason == LeftReason::Ejected {
            let is = |asked: &Asked| *asked == Asked::Eject(userid.clone());
            state.answer(room, is, Ok(()));
        }
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        self.end_link(entry, room, userid, false);
        entry.peers.remove(userid);
        entry.trail.forget(userid);
        entry.missing.remove(userid);
        let user = entry.user_or_bare(userid);
        entry.state.users.retain(|user| user.userid != *userid);
        let hub = user.role == Role::Hub;
        self.tell_left(room, user, reason);
        if self.hub {
            // What it left is offered from here to those whom it offered nothing any more.
            let there = entry.peers.iter().filter(|(_, link)| link.connected);
            entry.opened.extend(there.map(|(peer, _)| peer.clone()));
        }
        if hub || self.hub {
            self.align(state, room);
        }
    }

    fn owned(self: &Arc<Self>, state: &mut State, room: &RoomName, userid: UserId) {
        let is = |asked: &Asked| *asked == Asked::Owner(userid.clone());
        state.answer(room, is, Ok(()));
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        entry.state.owner = userid.clone();
        self.event(Event::Owner {
            room: room.clone(),
            userid,
        });
        // Who sends to whom depends on the owner.
        self.align(state, room);
    }

    fn presents(&self, state: &mut State, room: RoomName, userid: Option<UserId>) {
        let mine = userid.as_ref() == Some(&state.me);
        state.answer(&room, |asked| *asked == Asked::Present(mine), Ok(()));
        let Ok(entry) = state.room_mut(&room) else {
            return;
        };
        entry.state.presenter.clone_from(&userid);
        self.event(match userid {
            Some(userid) => Event::ScreenShareStarted { room, userid },
            None => Event::ScreenShareEnded { room },
        });
    }

    fn lobby(&self, state: &mut State, all: bool, rooms: Vec<RoomInfo>, gone: &[RoomName]) {
        state.lobby.send_modify(|known| {
            if all {
                known.clear();
            }
            known.retain(|one| {
                let same = |other: &RoomInfo| other.sessionid == one.sessionid;
                !gone.contains(&one.sessionid) && !rooms.iter().any(same)
            });
            known.extend(rooms);
            known.sort_by(|one, other| one.sessionid.cmp(&other.sessionid));
        });
        let rooms = state.lobby.borrow().clone();
        self.search(state, &rooms);
        self.event(Event::Rooms { rooms });
    }

    /// Joins the first room that is there, if that is wanted and none is joined yet.
    fn search(&self, state: &mut State, rooms: &[RoomInfo]) {
        let Some(channel) = &state.searching else {
            return;
        };
        if !state.rooms.is_empty() {
            state.searching = None;
            return;
        }
        let fits = |info: &&RoomInfo| {
            let name = channel.as_deref();
            name.is_none_or(|name| info.sessionid.channel() == name) && info.users < info.places
        };
        let Some(info) = rooms.iter().find(fits) else {
            return;
        };
        let mut enter = Enter::new(info.sessionid.clone());
        enter.session = info.session;
        let (answer, _) = oneshot::channel();
        state.pending.push(Pending {
            room: enter.room.clone(),
            what: Asked::Enter,
            enter: Some(enter.clone()),
            answer,
        });
        self.tell(ClientMessage::Join(enter));
    }

    fn closed(&self, state: &mut State, room: &RoomName, reason: ClosedReason) {
        let is = |asked: &Asked| matches!(asked, Asked::Leave | Asked::Close);
        state.answer(room, is, Ok(()));
        let Some(mut entry) = state.rooms.remove(room) else {
            return;
        };
        let peers: Vec<UserId> = entry.peers.keys().cloned().collect();
        for peer in peers {
            self.end_link(&mut entry, room, &peer, false);
        }
        self.event(Event::Closed {
            room: room.clone(),
            reason,
        });
    }

    fn refused(&self, state: &mut State, code: ErrorCode, message: String, room: Option<RoomName>) {
        let refused = Error::Refused {
            code,
            message: message.clone(),
        };
        if let Some(name) = &room {
            // A refused return: the room is lost.
            if state
                .rooms
                .get(name)
                .is_some_and(|entry| entry.state.users.is_empty())
            {
                state.rooms.remove(name);
                self.event(Event::Closed {
                    room: name.clone(),
                    reason: ClosedReason::Closed,
                });
            }
            let about = |asked: &Asked| match code {
                ErrorCode::RoomExists
                | ErrorCode::NoSuchRoom
                | ErrorCode::RoomFull
                | ErrorCode::TooManyRooms
                | ErrorCode::BadPassword
                | ErrorCode::Banned
                | ErrorCode::AlreadyInRoom
                | ErrorCode::BadSession => *asked == Asked::Enter,
                ErrorCode::PresenterTaken => matches!(asked, Asked::Present(_)),
                // What was said to one who has just left is refused so, too.
                ErrorCode::NoSuchUser => matches!(asked, Asked::Eject(_) | Asked::Owner(_)),
                ErrorCode::NotInRoom => *asked != Asked::Enter,
                _ => true,
            };
            if state.answer(name, about, Err(refused)).is_some() {
                return;
            }
            if matches!(code, ErrorCode::NoSuchUser | ErrorCode::NotInRoom) {
                tracing::debug!(target: "ortc_rooms::session", %message, "said too late");
                return;
            }
        } else if self.call_refused(state, code) {
            return;
        } else if state.pending.len() == 1
            && let Some(only) = state.pending.first().map(|pending| pending.room.clone())
        {
            state.answer(&only, |_| true, Err(refused));
            return;
        }
        self.event(Event::Refused {
            room,
            code,
            message,
        });
    }
}

impl Shared {
    /// The server does not pass a call on: the oldest that it said nothing of yet.
    fn call_refused(&self, state: &mut State, code: ErrorCode) -> bool {
        let codes = [
            ErrorCode::NoSuchUser,
            ErrorCode::NoSuchCall,
            ErrorCode::NotAllowed,
        ];
        let unheard = state
            .calls
            .iter()
            .filter(|(_, entry)| entry.status.borrow().is_none());
        let oldest = unheard.min_by_key(|(_, entry)| entry.order);
        let Some(id) = oldest
            .filter(|_| codes.contains(&code))
            .map(|(id, _)| id.clone())
        else {
            return false;
        };
        if let Some(entry) = state.calls.remove(&id) {
            entry.status.send_replace(Some(CallStatus::Gone));
        }
        true
    }

    /// What became of a call of this session.
    pub(super) fn call_status(&self, call: &CallId, status: CallStatus) {
        let mut state = self.lock();
        if let Some(entry) = state.calls.get(call.as_str()) {
            entry.status.send_replace(Some(status));
        }
        if status != CallStatus::Ringing {
            state.calls.remove(call.as_str());
        }
    }
}
