//! A room that this user is in.

use ortc::MediaStream;

use super::action::{Action, action_frame};
use super::error::{Error, Result};
use super::frame::Frame;
use super::handle::Session;
use super::kinds::Kinds;
use super::payload::Payload;
use super::peer::Peer;
use super::scope::{Scope, local};
use super::state::{Asked, RoomEntry};
use super::stream::{Screen, StreamOptions};
use crate::signalling::{
    ClientMessage, Role, RoomName, RoomPolicy, RoomState, SessionKind, User, UserId,
};

/// A room that this user is in, among others maybe. Verbs after it was left or closed are
/// [`Error::NotInRoom`].
#[derive(Debug, Clone)]
pub struct Room {
    session: Session,
    name: RoomName,
}

impl Room {
    pub(super) fn new(session: Session, name: RoomName) -> Self {
        Self { session, name }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Who is there, who owns it, its rules.
    ///
    /// # Errors
    ///
    /// [`Error::NotInRoom`].
    pub fn state(&self) -> Result<RoomState> {
        let state = self.session.shared().lock();
        Ok(state.room(&self.name)?.state.clone())
    }

    /// All who are there, this user among them, but no hub; none once it was left.
    pub fn users(&self) -> Vec<User> {
        let users = self.state().map(|state| state.users).unwrap_or_default();
        let persons = users.into_iter().filter(|user| user.role != Role::Hub);
        persons.collect()
    }

    /// The hub that media and messages go by, where there is one.
    pub fn hub(&self) -> Option<UserId> {
        let state = self.session.shared().lock();
        state.rooms.get(&self.name)?.hub()
    }

    /// Who owns it.
    pub fn owner(&self) -> Option<UserId> {
        self.state().ok().map(|state| state.owner)
    }

    /// What it carries.
    pub fn kind(&self) -> SessionKind {
        self.state().map(|state| state.session).unwrap_or_default()
    }

    /// Those that this user is connected to, or to be.
    pub fn peers(&self) -> Vec<Peer> {
        let state = self.session.shared().lock();
        let peers = state.rooms.get(&self.name).map(RoomEntry::persons);
        let peer = |id: UserId| Peer::new(self.session.clone(), self.name.clone(), id);
        peers.into_iter().flatten().map(peer).collect()
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`]; [`Error::NotInRoom`].
    pub fn peer(&self, userid: &UserId) -> Result<Peer> {
        let state = self.session.shared().lock();
        match state.room(&self.name)?.peers.contains_key(userid) {
            true => Ok(Peer::new(
                self.session.clone(),
                self.name.clone(),
                userid.clone(),
            )),
            false => Err(Error::NoSuchPeer(userid.clone())),
        }
    }

    /// Sends text, JSON or bytes to all peers of the room.
    ///
    /// # Errors
    ///
    /// [`Error::NoData`]; [`Error::TooLarge`]; [`Error::QueueFull`] if too much waits for a peer,
    /// the others get it; [`Error::Inspector`]; [`Error::NotInRoom`].
    pub fn send(&self, payload: impl Into<Payload>) -> Result<()> {
        let frame = Frame::Payload(payload.into());
        self.session.shared().post(&self.name, None, &frame, true)
    }

    /// Sends a message with a name to all peers of the room, whether it has data or not.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), without `NoData`; [`Error::Form`].
    pub fn act<A: Action>(&self, action: &A) -> Result<()> {
        let frame = action_frame(action)?;
        self.session.shared().post(&self.name, None, &frame, false)
    }

    /// Sends a message with a name to all peers that are connected, at once or not at all: it may
    /// be lost, overtaken, and passed over where a peer's queue is full.
    ///
    /// # Errors
    ///
    /// [`Error::Inspector`]; [`Error::NotInRoom`]; [`Error::Form`]; [`Error::TooLarge`].
    pub fn act_lossy<A: Action>(&self, action: &A) -> Result<()> {
        let frame = action_frame(action)?;
        self.session.shared().post_lossy(&self.name, &frame)
    }

    /// Says something to all of the room by the server, whether connected to them or not.
    ///
    /// # Errors
    ///
    /// [`Error::NotInRoom`].
    pub fn say(&self, body: &serde_json::Value) -> Result<()> {
        self.session.shared().lock().room(&self.name)?;
        self.session.shared().say(&self.name, None, body);
        Ok(())
    }

    /// Sends a stream to all peers of the room, and to who comes later.
    ///
    /// # Errors
    ///
    /// [`Error::Inspector`]; [`Error::NotInRoom`]; [`Error::Ended`].
    pub fn add_stream(&self, stream: &MediaStream) -> Result<()> {
        self.add_stream_with(stream, ())
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// As [`add_stream`](Self::add_stream).
    pub fn add_stream_with(
        &self,
        stream: &MediaStream,
        options: impl Into<StreamOptions>,
    ) -> Result<()> {
        let stream = local(stream, options.into());
        let scope = Scope::Room(&self.name);
        self.session.shared().add_stream(scope, stream)
    }

    /// Sends a stream of the room no longer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`]; [`Error::NotInRoom`].
    pub fn remove_stream(&self, id: &str) -> Result<()> {
        let scope = Scope::Room(&self.name);
        self.session.shared().remove_streams(scope, &[id])
    }

    /// Silences parts of a stream of the room.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchStream`]; [`Error::NotInRoom`].
    pub fn mute(&self, id: &str, kinds: Kinds) -> Result<()> {
        self.set_mute(id, kinds, true)
    }

    /// Lets them be heard again.
    ///
    /// # Errors
    ///
    /// As [`mute`](Self::mute).
    pub fn unmute(&self, id: &str, kinds: Kinds) -> Result<()> {
        self.set_mute(id, kinds, false)
    }

    fn set_mute(&self, id: &str, kinds: Kinds, on: bool) -> Result<()> {
        let scope = Scope::Room(&self.name);
        let shared = self.session.shared();
        match shared.mute(scope, |local| local.is(id), kinds, on)? {
            0 => Err(Error::NoSuchStream(id.to_owned())),
            _ => Ok(()),
        }
    }

    /// Takes the presenter's place, and sends this stream as a screen.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with [`PresenterTaken`](crate::signalling::ErrorCode::PresenterTaken)
    /// if another has it and the rules allow but one.
    pub async fn share_screen(&self, stream: &MediaStream) -> Result<()> {
        self.present(true).await?;
        self.add_stream_with(stream, Screen)
    }

    /// Takes the presenter's place, or gives it back.
    ///
    /// # Errors
    ///
    /// As [`share_screen`](Self::share_screen).
    pub async fn present(&self, on: bool) -> Result<()> {
        let presents = self.state()?.presenter == Some(self.session.userid());
        if presents == on {
            return Ok(());
        }
        let room = self.name.clone();
        self.ask(ClientMessage::Present { room, on }, Asked::Present(on))
            .await
    }

    /// Leaves the room; it goes on without this user.
    ///
    /// # Errors
    ///
    /// [`Error::NotInRoom`]; [`Error::Timeout`]; [`Error::Ended`].
    pub async fn leave(&self) -> Result<()> {
        self.goodbye().await;
        let room = self.name.clone();
        self.ask(ClientMessage::Leave { room }, Asked::Leave).await
    }

    /// Leaves the room and enters it again.
    ///
    /// # Errors
    ///
    /// As [`leave`](Self::leave) and [`Session::open_or_join`].
    pub async fn rejoin(&self) -> Result<Room> {
        let enter = {
            let state = self.session.shared().lock();
            state.room(&self.name)?.enter.clone()
        };
        self.leave().await?;
        let message = ClientMessage::OpenOrJoin(enter.clone());
        let room = self.name.clone();
        let shared = self.session.shared();
        shared.ask(message, room, Asked::Enter, Some(enter)).await?;
        Ok(self.clone())
    }

    /// Ends the room for all: its owner and admins may.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with [`NotAllowed`](crate::signalling::ErrorCode::NotAllowed).
    pub async fn close(&self) -> Result<()> {
        let room = self.name.clone();
        self.ask(ClientMessage::Close { room }, Asked::Close).await
    }

    /// Puts somebody out: the owner and admins may. With `ban` for as long as the room is there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn eject(&self, userid: &UserId, ban: bool) -> Result<()> {
        let message = ClientMessage::Eject {
            room: self.name.clone(),
            userid: userid.clone(),
            ban,
        };
        self.ask(message, Asked::Eject(userid.clone())).await
    }

    /// Makes somebody the owner: the owner and admins may.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn hand_over(&self, userid: &UserId) -> Result<()> {
        let message = ClientMessage::Owner {
            room: self.name.clone(),
            userid: userid.clone(),
        };
        self.ask(message, Asked::Owner(userid.clone())).await
    }

    /// Changes the rules: the owner and admins may.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub async fn set_policy(&self, policy: RoomPolicy) -> Result<()> {
        let room = self.name.clone();
        self.ask(ClientMessage::Policy { room, policy }, Asked::Policy)
            .await
    }

    async fn ask(&self, message: ClientMessage, what: Asked) -> Result<()> {
        self.session.shared().lock().room(&self.name)?;
        let room = self.name.clone();
        self.session.shared().ask(message, room, what, None).await
    }

    /// What waits for peers goes out before the connections close, if it goes quickly.
    async fn goodbye(&self) {
        for peer in self.peers() {
            peer.settle().await;
        }
    }
}
