//! What a session knows: who it is, in which rooms, with whom, what it sends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ortc::{Kind, RTCDataChannel};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::error::{Error, Result};
use super::event::Event;
use super::frame::Written;
use super::house::House;
use super::hub_counts::HubCounts;
use super::kept::Kept;
use super::link::{PeerLink, Route};
use super::options::SessionOptions;
use super::ports::Ports;
use super::queue::EventQueue;
use super::recordings::Recordings;
use super::speakers::Speakers;
use super::stream::{LocalStream, ReceivedTrack};
use super::trail::Trail;
use crate::files::again::Accepted;
use crate::signalling::{
    CallStatus, ClientMessage, Direction, Enter, Extra, IceServer, Role, RoomInfo, RoomName,
    RoomState, User, UserId,
};

/// How long requests wait for the server's answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Messages of one peer that wait between two ways.
const MAX_HELD: usize = 1024;

/// What a session's handles and tasks share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) out: mpsc::UnboundedSender<ClientMessage>,
    pub(super) events: Arc<EventQueue>,
    pub(super) options: SessionOptions,
    pub(super) runtime: runtime::Handle,
    /// Held by each offer of files that waits for an answer.
    pub(super) offers: Arc<()>,
    /// Transfers that were accepted and are not over.
    pub(super) accepted: Arc<Accepted<RTCDataChannel>>,
    /// What is recorded, and wants to know what happens.
    pub(super) recordings: Recordings,
    /// The session is to end.
    pub(super) end: Notify,
    /// This session is a hub's: it passes on what comes.
    pub(super) hub: bool,
    /// Where the hub keeps files.
    pub(super) house: std::sync::OnceLock<House>,
    /// What the hub has counted.
    pub(super) passed: HubCounts,
}

/// What changes.
pub(super) struct State {
    pub(super) me: UserId,
    pub(super) role: Role,
    pub(super) extra: Extra,
    pub(super) ice_servers: Vec<IceServer>,
    /// How long the server keeps the place of one who is lost.
    pub(super) grace: Duration,
    pub(super) rooms: BTreeMap<RoomName, RoomEntry>,
    /// Sent to all peers of all rooms.
    pub(super) streams: Vec<LocalStream>,
    pub(super) pending: Vec<Pending>,
    pub(super) calls: HashMap<String, CallEntry>,
    /// Calls asked for up to now.
    pub(super) calls_asked: u64,
    pub(super) lobby: watch::Sender<Vec<RoomInfo>>,
    pub(super) watching: Option<Option<String>>,
    /// The first room of a channel is to be joined.
    pub(super) searching: Option<Option<String>>,
    pub(super) ports: Option<Arc<Ports>>,
    /// The port that calls begin on.
    pub(super) home: usize,
    pub(super) over: bool,
    /// No server at the moment.
    pub(super) away: bool,
}

/// A call of this session that is not over.
pub(super) struct CallEntry {
    /// When it was asked for, among others.
    pub(super) order: u64,
    pub(super) status: watch::Sender<Option<CallStatus>>,
}

/// A room that this user is in.
pub(super) struct RoomEntry {
    pub(super) state: RoomState,
    /// How it was entered, to enter it again.
    pub(super) enter: Enter,
    pub(super) peers: BTreeMap<UserId, PeerLink>,
    /// Those whom a server that lost the room has not yet seen again, and until when they are
    /// held to be in it.
    pub(super) missing: BTreeMap<UserId, Instant>,
    /// Sent to all peers of this room.
    pub(super) streams: Vec<LocalStream>,
    /// Files for those who come later, the oldest first.
    pub(super) kept: Vec<Kept>,
    /// The application was told that the mesh is large.
    pub(super) warned: bool,
    /// This session proves a secret, and so goes by no hub.
    pub(super) secret: bool,
    /// Those that the hub has told to be connected to it.
    pub(super) hub_peers: BTreeSet<UserId>,
    /// Those whom messages can be sent to by the hub since a moment ago.
    pub(super) opened: Vec<UserId>,
    /// A task moves the peers from one way to the other, at the latest by then.
    pub(super) moving: bool,
    pub(super) move_by: Option<Instant>,
    /// Of a hub: who speaks.
    pub(super) speakers: Speakers,
    /// What this user has sent by the hub.
    pub(super) trail: Trail,
}

/// What waits for the server's answer about a room.
pub(super) struct Pending {
    pub(super) room: RoomName,
    pub(super) what: Asked,
    pub(super) enter: Option<Enter>,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

/// What the server was asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    Enter,
    Leave,
    Close,
    Eject(UserId),
    Owner(UserId),
    Policy,
    Present(bool),
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, message: ClientMessage) {
        let _ = self.out.send(message);
    }

    pub(super) fn event(&self, event: Event) {
        self.recordings.see(&event);
        self.events.push(event);
    }

    /// Says something to one user of a room.
    pub(super) fn say(&self, room: &RoomName, to: Option<&UserId>, body: &impl Serialize) {
        let text = serde_json::to_string(body).and_then(RawValue::from_string);
        let Ok(body) = text else {
            tracing::warn!(target: "ortc_rooms::session", "a body without a JSON form");
            return;
        };
        self.tell(ClientMessage::Say {
            room: room.clone(),
            to: to.cloned(),
            body,
        });
    }

    /// Tells a peer something of its connection, once it knows of the connection.
    pub(super) fn tell_peer(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        body: Value,
    ) {
        if link.announced {
            self.say(room, Some(peer), &body);
        } else {
            link.held.push_back(body);
        }
    }

    /// Asks the server, and waits for what it says.
    pub(super) async fn ask(
        &self,
        message: ClientMessage,
        room: RoomName,
        what: Asked,
        enter: Option<Enter>,
    ) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.over {
                return Err(Error::Ended);
            }
            state.pending.retain(|pending| !pending.answer.is_closed());
            state.pending.push(Pending {
                room,
                what,
                enter,
                answer,
            });
            // Under the lock: answers come in the order of questions.
            self.tell(message);
        }
        let patience = self.options.patience.unwrap_or(PATIENCE);
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::Ended),
            Err(_) => Err(Error::Timeout),
        }
    }
}

impl State {
    /// The answer to what was asked about a room, the oldest first; false if nobody waits.
    pub(super) fn answer(
        &mut self,
        room: &RoomName,
        is: impl Fn(&Asked) -> bool,
        result: Result<()>,
    ) -> Option<Pending> {
        let at = self
            .pending
            .iter()
            .position(|pending| pending.room == *room && is(&pending.what))?;
        let mut pending = self.pending.remove(at);
        let (unused, _) = oneshot::channel();
        let answer = std::mem::replace(&mut pending.answer, unused);
        let _ = answer.send(result);
        Some(pending)
    }

    pub(super) fn room(&self, name: &RoomName) -> Result<&RoomEntry> {
        let room = self.rooms.get(name);
        room.ok_or_else(|| Error::NotInRoom(name.clone()))
    }

    pub(super) fn room_mut(&mut self, name: &RoomName) -> Result<&mut RoomEntry> {
        let room = self.rooms.get_mut(name);
        room.ok_or_else(|| Error::NotInRoom(name.clone()))
    }
}

impl RoomEntry {
    pub(super) fn user(&self, userid: &UserId) -> Option<&User> {
        self.state.users.iter().find(|user| user.userid == *userid)
    }

    /// A user of the room, as events have it.
    pub(super) fn user_or_bare(&self, userid: &UserId) -> User {
        let user = self.user(userid).cloned();
        user.unwrap_or_else(|| User::new(userid.clone(), Role::default()))
    }

    /// Whether media goes from one to the other. A hub sends to all, and gets what is for anybody.
    pub(super) fn sends(&self, from: &UserId, to: &UserId) -> bool {
        let direction = self
            .state
            .session
            .direction()
            .unwrap_or(Direction::ManyToMany);
        let owns = self.state.owner == *from;
        match self.user(from).map(|user| user.role) {
            None | Some(Role::Inspector) => false,
            Some(Role::Hub) => true,
            Some(_) if self.is_hub(to) => owns || direction.sends(false, true),
            Some(_) => direction.sends(owns, self.state.owner == *to),
        }
    }

    /// Whether it is a hub.
    pub(super) fn is_hub(&self, userid: &UserId) -> bool {
        self.user(userid).is_some_and(|user| user.role == Role::Hub)
    }

    /// The hub, also one that is about to leave.
    pub(super) fn any_hub(&self) -> Option<&User> {
        let hub = self.state.users.iter().find(|user| user.role == Role::Hub);
        hub.filter(|_| !self.secret && !self.state.policy.secret)
    }

    /// The hub that everybody goes by.
    pub(super) fn hub(&self) -> Option<UserId> {
        let hub = self.any_hub().filter(|user| !is_leaving(user));
        hub.map(|hub| hub.userid.clone())
    }

    /// The connection to a peer, or to the hub that it is reached by.
    pub(super) fn carrier(&self, peer: &UserId) -> Option<&PeerLink> {
        let link = self.peers.get(peer)?;
        let hub = self.any_hub().filter(|_| link.by_hub && !link.connected);
        let hub = hub.and_then(|hub| self.peers.get(&hub.userid));
        Some(hub.unwrap_or(link))
    }

    /// Those that this user is connected to or to be, but a hub.
    pub(super) fn persons(&self) -> Vec<UserId> {
        let peers = self.peers.keys().filter(|peer| !self.is_hub(peer));
        peers.cloned().collect()
    }

    /// Whether messages to all go by the hub.
    pub(super) fn all_by_hub(&self) -> bool {
        let by_hub =
            |peer: &UserId, link: &PeerLink| matches!(link.route, Route::Hub) || self.is_hub(peer);
        self.any_hub()
            .is_some_and(|hub| self.peers.contains_key(&hub.userid))
            && self.peers.iter().all(|(peer, link)| by_hub(peer, link))
    }

    /// Tracks of a user's streams, by whichever way they come.
    pub(super) fn received(&self, owner: &UserId) -> impl Iterator<Item = &ReceivedTrack> {
        self.peers.iter().flat_map(move |(peer, link)| {
            let received = link.received.iter();
            received.filter(move |one| one.of.as_ref().unwrap_or(peer) == owner)
        })
    }

    /// Whether anything of a user's stream comes.
    pub(super) fn carries(&self, owner: &UserId, shown: &str) -> bool {
        self.received(owner).any(|one| one.shown == shown)
    }

    /// Whether pictures of a user's stream come by another way already.
    pub(super) fn comes_twice(&self, owner: &UserId, shown: &str) -> bool {
        let is = |one: &&ReceivedTrack| one.shown == shown && one.track.kind() == Kind::Video;
        self.received(owner).filter(is).count() > 1
    }

    /// Puts a message behind what waits for a peer, by the way that is its at the moment; false if
    /// too much waits.
    pub(super) fn push(&mut self, peer: &UserId, written: Written) -> bool {
        match self
            .peers
            .get_mut(peer)
            .map(|link| (&mut link.route, &link.outbox))
        {
            None => false,
            Some((Route::Direct, outbox)) => outbox.push(written),
            Some((Route::Held(held), _)) => {
                let fits = held.len() < MAX_HELD;
                if fits {
                    held.push_back(written);
                }
                fits
            }
            Some((Route::Hub, _)) => self.push_by_hub(Some(peer), written),
        }
    }

    /// Whether the two are connected at all, directly or not. Who proves a secret goes by no hub.
    pub(super) fn connects(&self, one: &UserId, other: &UserId) -> bool {
        let hub = self.is_hub(one) || self.is_hub(other);
        if hub && self.any_hub().is_none() {
            return false;
        }
        self.sends(one, other) || self.sends(other, one)
    }
}

/// Whether a hub has said that it is about to leave.
pub(super) fn is_leaving(hub: &User) -> bool {
    hub.extra
        .get("leaving")
        .is_some_and(|leaving| *leaving == Value::Bool(true))
}

/// JSON of what is said, e.g. `{"instance":1,"bye":true}`.
pub(super) fn about(instance: u64, name: &str, value: impl Serialize) -> Value {
    let mut body = serde_json::Map::new();
    body.insert("instance".to_owned(), instance.into());
    let value = serde_json::to_value(value).unwrap_or_default();
    body.insert(name.to_owned(), value);
    Value::Object(body)
}
