//! One peer of a room.

use std::time::Duration;

use ortc::stats::RTCStats;
use ortc::{MediaStream, RTCConnection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::action::{Action, action_frame};
use super::clock::clock;
use super::error::{Error, Result};
use super::event::Path;
use super::frame::{self, Frame};
use super::handle::Session;
use super::kinds::Kinds;
use super::link::PeerLink;
use super::payload::Payload;
use super::scope::{Scope, local};
use super::stream::StreamOptions;
use crate::signalling::{RoomName, User, UserId};

/// Actions of one peer that wait for answers.
const MAX_ASKED: usize = 256;
/// How long a room that is left waits for what is to be sent.
const SETTLE: Duration = Duration::from_secs(1);

/// One peer of a room: what goes to it alone.
#[derive(Debug, Clone)]
pub struct Peer {
    session: Session,
    room: RoomName,
    userid: UserId,
}

impl Peer {
    pub(super) fn new(session: Session, room: RoomName, userid: UserId) -> Self {
        Self {
            session,
            room,
            userid,
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Who it is.
    pub fn userid(&self) -> &UserId {
        &self.userid
    }

    /// In which room.
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// Who it is, with what it tells of itself.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`]; [`Error::NotInRoom`].
    pub fn user(&self) -> Result<User> {
        let state = self.session.shared().lock();
        let user = state.room(&self.room)?.user(&self.userid).cloned();
        user.ok_or_else(|| Error::NoSuchPeer(self.userid.clone()))
    }

    fn with<T>(&self, f: impl FnOnce(&mut PeerLink) -> T) -> Result<T> {
        let mut state = self.session.shared().lock();
        let link = state.room_mut(&self.room)?.peers.get_mut(&self.userid);
        let link = link.ok_or_else(|| Error::NoSuchPeer(self.userid.clone()))?;
        Ok(f(link))
    }

    /// Whether it is connected at the moment.
    pub fn is_connected(&self) -> bool {
        self.with(|link| link.connected || link.by_hub)
            .unwrap_or(false)
    }

    /// Whether what goes between the two goes by the room's hub.
    pub fn is_by_hub(&self) -> bool {
        self.with(|link| !link.direct).unwrap_or(false)
    }

    /// The connection to it, or to the hub that it is reached by: absent before there is one;
    /// another after it was made anew.
    pub fn connection(&self) -> Option<RTCConnection> {
        self.carrier(|link| link.connection.clone()).flatten()
    }

    /// Looks at the link to it, or to the hub that it is reached by.
    fn carrier<T>(&self, f: impl FnOnce(&PeerLink) -> T) -> Option<T> {
        let state = self.session.shared().lock();
        let entry = state.room(&self.room).ok()?;
        entry.carrier(&self.userid).map(f)
    }

    /// The statistics of the connection.
    pub fn stats(&self) -> Option<RTCStats> {
        self.connection().map(|connection| connection.stats())
    }

    /// Looks for a path anew (ICE restart): media goes on over the old one until there is another.
    /// A session does this by itself when a path is lost.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`], also while there is no connection; [`Error::Core`] if it is closed.
    pub fn restart(&self) -> Result<()> {
        let shared = self.session.shared();
        let mut state = shared.lock();
        let me = state.me.clone();
        let link = state.room_mut(&self.room)?.peers.get_mut(&self.userid);
        let link = link.filter(|link| link.accepted && link.announced);
        let link = link.ok_or_else(|| Error::NoSuchPeer(self.userid.clone()))?;
        if let Some(connection) = &link.connection {
            connection.restart()?;
        }
        shared.announce(&me, &self.room, &self.userid, link);
        Ok(())
    }

    /// In words, how the connection came about or why it did not.
    pub fn explain(&self) -> Option<String> {
        self.connection().map(|connection| connection.explain())
    }

    /// The way that the connection goes.
    pub fn path(&self) -> Option<Path> {
        self.carrier(|link| link.path.clone()).flatten()
    }

    /// How long a message takes to this peer, or to the hub that it is reached by, and back, as
    /// measured with pings.
    pub fn round_trip(&self) -> Option<Duration> {
        self.carrier(|link| link.clock.round_trip()).flatten()
    }

    /// Bytes of messages that wait to be sent to it.
    pub fn waiting(&self) -> usize {
        self.carrier(|link| link.outbox.waiting()).unwrap_or(0)
    }

    /// Sends text, JSON or bytes to this peer alone.
    ///
    /// # Errors
    ///
    /// As [`Room::send`](super::Room::send); [`Error::NoSuchPeer`].
    pub fn send(&self, payload: impl Into<Payload>) -> Result<()> {
        let frame = Frame::Payload(payload.into());
        let to = Some(&self.userid);
        self.session.shared().post(&self.room, to, &frame, true)
    }

    /// Sends a message with a name to this peer alone.
    ///
    /// # Errors
    ///
    /// As [`Room::act`](super::Room::act); [`Error::NoSuchPeer`].
    pub fn act<A: Action>(&self, action: &A) -> Result<()> {
        let frame = action_frame(action)?;
        let to = Some(&self.userid);
        self.session.shared().post(&self.room, to, &frame, false)
    }

    /// Sends a message with a name, and waits for the peer's answer. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`]; [`Error::Answer`] if the peer answers with an error; [`Error::Form`] if
    /// the answer is of another form; [`Error::QueueFull`]; [`Error::NoSuchPeer`].
    pub async fn request<A: Action, R: DeserializeOwned>(
        &self,
        action: &A,
        patience: Duration,
    ) -> Result<R> {
        let answer = self.request_named(A::NAME, action, patience).await?;
        serde_json::from_value(answer).map_err(|error| Error::Form(error.to_string()))
    }

    /// The same for a name and a body of the application's.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn request_named(
        &self,
        name: &str,
        body: impl Serialize,
        patience: Duration,
    ) -> Result<Value> {
        let body = serde_json::to_value(body).map_err(|error| Error::Form(error.to_string()))?;
        let id = crate::random::id();
        let (sender, answer) = oneshot::channel();
        let frame = Frame::Action(frame::Action {
            name: name.to_owned(),
            body,
            id: Some(id.clone()),
        });
        self.ask(frame, id, sender)?;
        match timeout(patience, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::NoSuchPeer(self.userid.clone())),
            Err(_) => Err(Error::Timeout),
        }
    }

    /// Sends what wants an answer, and notes who waits for it.
    fn ask(&self, frame: Frame, id: String, sender: oneshot::Sender<Result<Value>>) -> Result<()> {
        let full = || Error::QueueFull(self.userid.clone());
        let mut state = self.session.shared().lock();
        let entry = state.room_mut(&self.room)?;
        let link = entry.peers.get_mut(&self.userid);
        let link = link.ok_or_else(|| Error::NoSuchPeer(self.userid.clone()))?;
        link.asked.retain(|_, waiting| !waiting.is_closed());
        if link.asked.len() >= MAX_ASKED {
            return Err(full());
        }
        let written = frame.write(clock())?;
        link.asked.insert(id.clone(), sender);
        if !entry.push(&self.userid, written) {
            if let Some(link) = entry.peers.get_mut(&self.userid) {
                link.asked.remove(&id);
            }
            return Err(full());
        }
        Ok(())
    }

    /// Sends a stream to this peer alone, also after the connection was made anew.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`]; [`Error::Inspector`]; [`Error::NotInRoom`].
    pub fn add_stream(
        &self,
        stream: &MediaStream,
        options: impl Into<StreamOptions>,
    ) -> Result<()> {
        let stream = local(stream, options.into());
        self.session.shared().add_stream(self.scope(), stream)
    }

    /// Sends a stream of this peer's no longer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`]; [`Error::NoSuchPeer`]; [`Error::NotInRoom`].
    pub fn remove_stream(&self, id: &str) -> Result<()> {
        self.session.shared().remove_streams(self.scope(), &[id])
    }

    fn scope(&self) -> Scope<'_> {
        Scope::Peer(&self.room, &self.userid)
    }

    /// Drops part of one of the peer's streams: what comes of it is not handed out
    /// ([`MediaStreamTrack::set_enabled`](ortc::MediaStreamTrack::set_enabled)), and the peer is
    /// asked to send nothing of it to this side. It holds on over a new connection.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`]; [`Error::NoSuchPeer`]; [`Error::NotInRoom`].
    pub fn mute(&self, stream_id: &str, kinds: Kinds) -> Result<()> {
        let shared = self.session.shared();
        shared.pause(&self.room, &self.userid, stream_id, kinds, true)
    }

    /// Says how high the pictures of one of the peer's streams are shown, in pixels; `None`: as
    /// large as there are. By a hub, of a stream with several encodings, the smallest comes that
    /// is as high. It holds on over a new connection.
    ///
    /// # Errors
    ///
    /// As [`mute`](Self::mute).
    pub fn set_tile(&self, stream_id: &str, height: Option<u16>) -> Result<()> {
        let shared = self.session.shared();
        shared.show(&self.room, &self.userid, stream_id, height)
    }

    /// Lets it come again, video with a key frame.
    ///
    /// # Errors
    ///
    /// As [`mute`](Self::mute).
    pub fn unmute(&self, stream_id: &str, kinds: Kinds) -> Result<()> {
        let shared = self.session.shared();
        shared.pause(&self.room, &self.userid, stream_id, kinds, false)
    }

    /// Waits until what is to be sent has gone out, at most a second.
    pub(super) async fn settle(&self) {
        let channel = self.carrier(|link| link.channel.clone()).flatten();
        let Some(channel) = channel.filter(|_| self.is_connected()) else {
            return;
        };
        let settled = async {
            while self.waiting() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = channel.flush().await;
        };
        let _ = timeout(SETTLE, settled).await;
    }
}
