//! The connection to one peer of a room, as it stands.
//!
//! Of two users the one with the smaller id calls. Each connection has an instance, which the
//! caller chooses, greater than all before; what is said of another one is passed over.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortc::{MediaForward, MediaStreamTrack, RTCConnection, RTCDataChannel, RTCDataChannelState};
use serde_json::Value;
use tokio::sync::oneshot;

use super::body::StreamInfo;
use super::clock::Clock;
use super::error::Result;
use super::event::Path;
use super::frame::Written;
use super::kinds::Kinds;
use super::outbox::Outbox;
use super::secret::{Exchange, Key, Pair, Side};
use super::stream::{LocalStream, ReceivedTrack, SentStream};
use super::unheard::Unheard;
use crate::signalling::UserId;

/// How long the first attempt to connect may take.
const FIRST: Duration = Duration::from_secs(20);
/// How long a restart that the connection began by itself has before another one.
const RESTART: Duration = Duration::from_secs(4);
/// How long those who get what a peer sends wait for it to come over its next connection: tracks
/// are told of before that works.
const AGAIN: Duration = Duration::from_secs(10);

/// The way to one peer of a room.
pub(super) struct PeerLink {
    /// It is one, also once the room lists it no longer.
    pub(super) is_hub: bool,
    pub(super) caller: bool,
    /// Of the present connection; 0 before the first.
    pub(super) instance: u64,
    pub(super) connection: Option<RTCConnection>,
    /// Of the port that this side called from last.
    pub(super) place: usize,
    /// Ports in a row for which the peer had none.
    pub(super) refused: usize,
    /// This side of the connection was told to the peer.
    pub(super) announced: bool,
    /// What is told once that was.
    pub(super) held: VecDeque<Value>,
    /// The peer's side is known, and proven where that is wanted.
    pub(super) accepted: bool,
    pub(super) exchange: Option<Exchange>,
    pub(super) key: Option<Key>,
    /// The secret was found wrong: no further attempt with this instance.
    pub(super) distrusted: bool,
    /// Sent to this peer alone.
    pub(super) own: Vec<LocalStream>,
    pub(super) sent: Vec<SentStream>,
    /// What the peer told of its streams.
    pub(super) infos: BTreeMap<String, StreamInfo>,
    pub(super) received: Vec<ReceivedTrack>,
    /// Parts of the peer's streams that are not wanted here, by the stream's id.
    pub(super) dropped: BTreeMap<String, Kinds>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) channel: Option<RTCDataChannel>,
    /// The channel of what may be lost, once there was something.
    pub(super) lossy: Option<RTCDataChannel>,
    /// What it sends and has not told of.
    pub(super) unheard: Unheard,
    /// When it was last told all once more.
    pub(super) told_again: Option<Instant>,
    /// Held by each task that reads a channel.
    pub(super) readers: Arc<()>,
    /// Actions that wait for their answers, by id.
    pub(super) asked: HashMap<String, oneshot::Sender<Result<Value>>>,
    pub(super) clock: Clock,
    pub(super) connected: bool,
    pub(super) was_connected: bool,
    /// Since when nothing has worked, and what was tried.
    pub(super) trouble: Option<Trouble>,
    pub(super) path: Option<Path>,
    pub(super) bytes: (u64, u64),
    /// The two are connected to each other, or to be: not by a hub.
    pub(super) direct: bool,
    /// It is reached by the hub at the moment, and messages too.
    pub(super) by_hub: bool,
    pub(super) open_by_hub: bool,
    /// The application was told that messages can be sent, by whichever way.
    pub(super) told_open: bool,
    /// The way that messages go.
    pub(super) route: Route,
    /// This side, and the other, needs the connection no longer: another way is there.
    pub(super) said_bye: bool,
    pub(super) heard_bye: bool,
    /// The last ping over the old way of messages, and whether it was answered: all before it has
    /// come then.
    pub(super) barrier: f64,
    /// The number of the last frame of the peer's that went by a hub, and what it was told of it.
    pub(super) came: u64,
    pub(super) told_came: u64,
    /// Frames of the peer's that came over its channels, and how many it was told of.
    pub(super) got: u64,
    pub(super) told_got: u64,
    pub(super) answered: bool,
    /// Of a hub: what it sends on to this peer.
    pub(super) forwarded: Vec<Forwarded>,
    /// Of a hub: until then what came over the connection before may come again over this one.
    pub(super) again_by: Option<Instant>,
    /// Of a hub: what the peer gets of a stream only once it has asked for it.
    pub(super) held_back: Kinds,
    /// How high its pictures are shown, by the stream's id.
    pub(super) tiles: BTreeMap<String, u16>,
    /// Of a hub: what the peer was asked not to send, as nobody wants it, by the stream's id.
    pub(super) spared: BTreeMap<String, Kinds>,
    /// What the peer has silenced of its streams.
    pub(super) muted: BTreeMap<String, Kinds>,
    /// When the peer was last told that somebody takes no more messages.
    pub(super) told_full: Option<Instant>,
}

/// The way that messages to a peer go.
pub(super) enum Route {
    /// Over the connection to it.
    Direct,
    /// None for now: they wait until what went by the old way has come.
    Held(VecDeque<Written>),
    /// By the hub.
    Hub,
}

/// A stream of somebody's that a hub sends on to a peer.
pub(super) struct Forwarded {
    /// Its id as it came.
    pub(super) id: String,
    pub(super) local: LocalStream,
    /// How high the peer shows its pictures.
    pub(super) tile: Option<u16>,
    /// The tracks that came, and as they go on.
    pub(super) tracks: Vec<(MediaStreamTrack, MediaForward, MediaStreamTrack)>,
}

/// A connection that does not work at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    pub(super) attempts: u32,
    pub(super) next: Instant,
}

impl Trouble {
    /// Of a connection that is being made.
    pub(super) fn first() -> Self {
        Self {
            attempts: 0,
            next: Instant::now() + FIRST,
        }
    }
}

impl PeerLink {
    pub(super) fn new(me: &UserId, peer: &UserId) -> Self {
        Self {
            is_hub: false,
            caller: me < peer,
            instance: 0,
            connection: None,
            place: 0,
            refused: 0,
            announced: false,
            held: VecDeque::new(),
            accepted: false,
            exchange: None,
            key: None,
            distrusted: false,
            own: Vec::new(),
            sent: Vec::new(),
            infos: BTreeMap::new(),
            received: Vec::new(),
            dropped: BTreeMap::new(),
            outbox: Arc::default(),
            unheard: Unheard::default(),
            told_again: None,
            channel: None,
            lossy: None,
            readers: Arc::default(),
            asked: HashMap::new(),
            clock: Clock::default(),
            connected: false,
            was_connected: false,
            trouble: Some(Trouble::first()),
            path: None,
            bytes: (0, 0),
            direct: true,
            by_hub: false,
            open_by_hub: false,
            told_open: false,
            route: Route::Direct,
            said_bye: false,
            heard_bye: false,
            barrier: 0.0,
            came: 0,
            told_came: 0,
            got: 0,
            told_got: 0,
            answered: false,
            forwarded: Vec::new(),
            again_by: None,
            held_back: Kinds::NONE,
            tiles: BTreeMap::new(),
            spared: BTreeMap::new(),
            muted: BTreeMap::new(),
            told_full: None,
        }
    }

    /// One that is reached by a hub alone.
    pub(super) fn by_hub(me: &UserId, peer: &UserId) -> Self {
        Self {
            direct: false,
            route: Route::Hub,
            trouble: None,
            ..Self::new(me, peer)
        }
    }

    /// Whether messages can go over the connection now.
    pub(super) fn is_open(&self) -> bool {
        let open = |channel: &RTCDataChannel| channel.ready_state() == RTCDataChannelState::Open;
        self.connected && self.channel.as_ref().is_some_and(open)
    }

    pub(super) fn side(&self) -> Side {
        match self.caller {
            true => Side::Caller,
            false => Side::Callee,
        }
    }

    /// The connection is about to be another one: what comes is expected again.
    pub(super) fn expect_again(&mut self) {
        if !self.received.is_empty() || self.again_by.is_some() {
            self.again_by = Some(Instant::now() + AGAIN);
        }
    }

    /// True once, when what is missing yet does not come again.
    pub(super) fn has_waited(&mut self) -> bool {
        let waited = self.again_by.is_some_and(|by| by <= Instant::now());
        if waited {
            self.again_by = None;
        }
        waited
    }

    /// What was said meanwhile may be lost: the next attempt is soon.
    pub(super) fn hurry(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.next = trouble.next.min(Instant::now() + Duration::from_secs(1));
        }
    }

    /// The connection has restarted ICE by itself, as the path is lost.
    pub(super) fn restarted(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.next = trouble.next.max(Instant::now() + RESTART);
        }
    }

    /// What proofs of this connection are about.
    pub(super) fn pair<'a>(&self, me: &'a UserId, peer: &'a UserId) -> Pair<'a> {
        let (caller, callee) = match self.caller {
            true => (me, peer),
            false => (peer, me),
        };
        Pair {
            instance: self.instance,
            caller,
            callee,
        }
    }
}

impl PeerLink {
    /// Another attempt after a pause that grows from one to thirty seconds.
    pub(super) fn retry_later(&mut self) {
        let attempts = self.trouble.map_or(0, |trouble| trouble.attempts);
        let seconds = 1_u64 << attempts.min(5);
        // The caller first: two that restart at once are one too many.
        let turn = match self.caller {
            true => Duration::ZERO,
            false => Duration::from_secs(3),
        };
        self.trouble = Some(Trouble {
            attempts: attempts.saturating_add(1),
            next: Instant::now() + Duration::from_secs(seconds.min(30)) + turn,
        });
    }
}
