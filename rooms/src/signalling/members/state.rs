//! What a member knows, and how a room looks by that.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::line::{Here, Line, Presence, What};
use crate::signalling::client::{Enter, Hello};
use crate::signalling::name::{RoomName, UserId};
use crate::signalling::server::{
    ErrorCode, LeftReason, RoomInfo, RoomState, ServerMessage, Welcome,
};
use crate::signalling::signaller::SignalError;
use crate::signalling::user::{Role, User};

/// How a signaller without a server goes about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BroadcastOptions {
    /// How often each member tells of itself (`interval` of old): 1 s.
    pub interval: Duration,
    /// It is told once, and again only to who asks (`transmitRoomOnce` of old): for transports
    /// that keep what was said. Nobody is then lost but by a `bye`.
    pub once: bool,
}

impl Default for BroadcastOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            once: false,
        }
    }
}

/// So many ticks after they were asked all others have told of themselves.
pub(super) const SETTLED: u32 = 2;
pub(super) struct Other {
    pub(super) user: User,
    pub(super) life: String,
    pub(super) silent: u32,
    pub(super) rooms: Vec<Presence>,
}

/// A room that is to be entered once it is known who is there.
pub(super) struct Entering {
    pub(super) opens: bool,
    pub(super) joins: bool,
    pub(super) enter: Enter,
    /// By this tick all who are there have answered.
    pub(super) until: u32,
}

/// A member, and what it knows of the others.
pub(in crate::signalling) struct Members {
    pub(super) me: User,
    pub(super) life: String,
    pub(super) options: BroadcastOptions,
    pub(super) rooms: Vec<Presence>,
    pub(super) others: BTreeMap<UserId, Other>,
    /// Rooms as the application was told of them.
    pub(super) shown: BTreeMap<RoomName, RoomState>,
    pub(super) entering: Vec<Entering>,
    pub(super) watching: Option<Option<String>>,
    pub(super) lobby: Vec<RoomInfo>,
    pub(super) ticks: u32,
    pub(super) out: Vec<Line>,
    pub(super) events: Vec<ServerMessage>,
    pub(super) over: bool,
}

impl Members {
    pub(in crate::signalling) fn new(
        hello: Hello,
        options: BroadcastOptions,
    ) -> Result<Self, SignalError> {
        let userid = match hello.userid {
            Some(userid) => userid,
            None => UserId::new(crate::random::id())
                .map_err(|error| SignalError::Refused(error.to_string()))?,
        };
        let me = User::new(userid, hello.role.unwrap_or_default()).with_extra(hello.extra);
        Ok(Self {
            me,
            life: crate::random::id(),
            options,
            rooms: Vec::new(),
            others: BTreeMap::new(),
            shown: BTreeMap::new(),
            entering: Vec::new(),
            watching: None,
            lobby: Vec::new(),
            ticks: 0,
            out: Vec::new(),
            events: Vec::new(),
            over: false,
        })
    }

    pub(in crate::signalling) fn begin(&mut self) {
        let (userid, role) = (self.me.userid.clone(), self.me.role);
        let welcome = Welcome::new(userid, role, String::new());
        self.events.push(ServerMessage::Welcome(welcome));
        self.tell(What::Ask(true));
    }

    /// What is to be sent.
    pub(in crate::signalling) fn lines(&mut self) -> Vec<String> {
        let lines = self.out.drain(..);
        lines
            .filter_map(|line| serde_json::to_string(&line).ok())
            .collect()
    }

    /// What the application is to be told.
    pub(in crate::signalling) fn events(&mut self) -> Vec<ServerMessage> {
        std::mem::take(&mut self.events)
    }

    pub(in crate::signalling) fn over(&self) -> bool {
        self.over
    }

    pub(super) fn tell(&mut self, what: What) {
        self.out.push(Line {
            from: self.me.userid.clone(),
            life: self.life.clone(),
            what,
        });
    }

    pub(super) fn tell_here(&mut self) {
        let here = Here {
            user: self.me.clone(),
            rooms: self.rooms.clone(),
        };
        self.tell(What::Here(here));
    }

    pub(super) fn error(&mut self, code: ErrorCode, message: &str, room: Option<RoomName>) {
        self.events.push(ServerMessage::Error {
            code,
            message: message.to_owned(),
            about: None,
            room,
        });
    }

    pub(super) fn owns(&self, room: &RoomName) -> bool {
        self.view(room)
            .is_some_and(|state| state.owner == self.me.userid)
    }

    /// A room as all that is known says.
    pub(super) fn view(&self, name: &RoomName) -> Option<RoomState> {
        let own = self.rooms.iter().map(|presence| (presence, &self.me));
        let others = self.others.values();
        let others = others.flat_map(|other| other.rooms.iter().map(move |one| (one, &other.user)));
        let mut there: Vec<(&Presence, &User)> = own
            .chain(others)
            .filter(|(presence, _)| presence.room == *name)
            .collect();
        there.sort_by(|(one, a), (other, b)| (one.since, &a.userid).cmp(&(other.since, &b.userid)));
        let able = there.iter().find(|(_, user)| user.role != Role::Inspector);
        let (presence, owner) = able.or(there.first())?;
        Some(RoomState {
            room: name.clone(),
            epoch: 0,
            users: there.iter().map(|(_, user)| (*user).clone()).collect(),
            owner: owner.userid.clone(),
            session: presence.session,
            policy: presence.policy.clone(),
            presenter: None,
            returning: false,
            hub: None,
            about: None,
        })
    }

    /// Tells the application what changed in the rooms that it is in.
    pub(super) fn show(&mut self, reason: LeftReason) {
        let rooms: Vec<RoomName> = self.shown.keys().cloned().collect();
        for room in rooms {
            let (Some(after), Some(before)) = (self.view(&room), self.shown.get(&room)) else {
                continue;
            };
            let has = |state: &RoomState, id: &UserId| state.users.iter().any(|u| u.userid == *id);
            for user in before
                .users
                .iter()
                .filter(|user| !has(&after, &user.userid))
            {
                self.events.push(ServerMessage::Left {
                    room: room.clone(),
                    userid: user.userid.clone(),
                    reason,
                });
            }
            for user in after.users.iter().filter(|user| !has(before, &user.userid)) {
                self.events.push(ServerMessage::Joined {
                    room: room.clone(),
                    user: user.clone(),
                });
            }
            if before.owner != after.owner {
                self.events.push(ServerMessage::Owner {
                    room: room.clone(),
                    userid: after.owner.clone(),
                });
            }
            if before.policy != after.policy {
                self.events.push(ServerMessage::Policy {
                    room: room.clone(),
                    policy: after.policy.clone(),
                });
            }
            self.shown.insert(room, after);
        }
        self.show_lobby(false);
    }

    pub(super) fn show_lobby(&mut self, anyway: bool) {
        let Some(channel) = &self.watching else {
            return;
        };
        let all = self
            .rooms
            .iter()
            .chain(self.others.values().flat_map(|other| &other.rooms));
        let mut names: Vec<RoomName> = all.map(|presence| presence.room.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| {
            channel
                .as_deref()
                .is_none_or(|wanted| name.channel() == wanted)
        });
        let states = names.iter().filter_map(|name| self.view(name));
        let visible = states.filter(|state| !state.policy.hidden);
        let lobby: Vec<RoomInfo> = visible.map(info).collect();
        if anyway || lobby != self.lobby {
            self.lobby.clone_from(&lobby);
            self.events.push(ServerMessage::Rooms {
                all: true,
                rooms: lobby,
                gone: Vec::new(),
            });
        }
    }
}

fn info(state: RoomState) -> RoomInfo {
    let owner = state.users.iter().find(|user| user.userid == state.owner);
    RoomInfo {
        sessionid: state.room,
        extra: owner.map(|user| user.extra.clone()).unwrap_or_default(),
        userid: state.owner,
        session: state.session,
        users: u32::try_from(state.users.len()).unwrap_or(u32::MAX),
        places: u32::try_from(state.policy.places()).unwrap_or(u32::MAX),
        password: false,
    }
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    })
}
