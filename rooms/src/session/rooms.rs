//! Rooms of a session: entered, watched, found; what goes to all of them.

use ortc::MediaStream;

use super::error::{Error, Result};
use super::handle::Session;
use super::lobby::Lobby;
use super::payload::Payload;
use super::peer::Peer;
use super::request::RoomRequest;
use super::room::Room;
use super::state::Asked;
use crate::signalling::{ClientMessage, Enter, RoomName, UserId};

/// Rooms.
impl Session {
    /// Opens a room, and enters it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], with [`RoomExists`](crate::signalling::ErrorCode::RoomExists) if there
    /// is one of the name; [`Error::Name`]; [`Error::Contradiction`]; [`Error::Timeout`].
    pub async fn open(&self, room: impl Into<RoomRequest>) -> Result<Room> {
        self.enter(room.into().enter()?, ClientMessage::Open).await
    }

    /// Enters a room that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is none, it is full, the password is wrong, or this user is
    /// banned; else as [`open`](Self::open).
    pub async fn join(&self, room: impl Into<RoomRequest>) -> Result<Room> {
        self.enter(room.into().enter()?, ClientMessage::Join).await
    }

    /// Enters a room, and opens it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub async fn open_or_join(&self, room: impl Into<RoomRequest>) -> Result<Room> {
        self.enter(room.into().enter()?, ClientMessage::OpenOrJoin)
            .await
    }

    async fn enter(&self, enter: Enter, message: fn(Enter) -> ClientMessage) -> Result<Room> {
        let name = enter.room.clone();
        let known = self.shared().lock().rooms.contains_key(&name);
        if !known {
            let (message, kept) = (message(enter.clone()), Some(enter));
            self.shared()
                .ask(message, name.clone(), Asked::Enter, kept)
                .await?;
        }
        Ok(Room::new(self.clone(), name))
    }

    /// Enters the first room of a channel, as soon as there is one. An empty channel: of all.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub async fn join_first(&self, channel: impl Into<String>) -> Result<Room> {
        let channel = channel.into();
        let wanted = Some(channel.clone()).filter(|channel| !channel.is_empty());
        let mut lobby = self.watch_rooms(wanted);
        loop {
            let found = lobby.rooms().into_iter().find(|info| {
                let of = channel.is_empty() || info.sessionid.channel() == channel;
                of && info.users < info.places && info.userid != self.userid()
            });
            if let Some(info) = found {
                return self.join(&info).await;
            }
            if lobby.next().await.is_none() {
                return Err(Error::Ended);
            }
        }
    }

    /// Wants to be told of the rooms that are there, of one channel or all.
    pub fn watch_rooms(&self, channel: Option<String>) -> Lobby {
        let mut state = self.shared().lock();
        let lobby = Lobby::new(state.lobby.subscribe());
        state.watching = Some(channel.clone());
        self.shared().tell(ClientMessage::Rooms {
            watch: true,
            channel,
        });
        lobby
    }

    /// Wants to be told of rooms no longer.
    pub fn unwatch_rooms(&self) {
        let mut state = self.shared().lock();
        state.watching = None;
        state.lobby.send_replace(Vec::new());
        self.shared().tell(ClientMessage::Rooms {
            watch: false,
            channel: None,
        });
    }

    /// The rooms that this user is in.
    pub fn rooms(&self) -> Vec<Room> {
        let names: Vec<RoomName> = self.shared().lock().rooms.keys().cloned().collect();
        let room = |name| Room::new(self.clone(), name);
        names.into_iter().map(room).collect()
    }

    /// A room that this user is in.
    ///
    /// # Errors
    ///
    /// [`Error::NotInRoom`].
    pub fn room(&self, name: &RoomName) -> Result<Room> {
        self.shared().lock().room(name)?;
        Ok(Room::new(self.clone(), name.clone()))
    }

    /// A peer, in whichever room it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`].
    pub fn peer(&self, userid: &UserId) -> Result<Peer> {
        let room = {
            let state = self.shared().lock();
            let mut rooms = state.rooms.iter();
            let found = rooms.find(|(_, entry)| entry.peers.contains_key(userid));
            found.map(|(name, _)| name.clone())
        };
        let room = room.ok_or_else(|| Error::NoSuchPeer(userid.clone()))?;
        Ok(Peer::new(self.clone(), room, userid.clone()))
    }

    /// Sends text, JSON or bytes to all peers of all rooms that have data.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`]; [`Error::NoData`] if none of the rooms has data; [`Error::TooLarge`];
    /// [`Error::QueueFull`] if too much waits for a peer, the others get it.
    pub fn send(&self, payload: impl Into<Payload>) -> Result<()> {
        let payload = payload.into();
        let rooms = self.rooms();
        if rooms.is_empty() {
            return Err(Error::NoRoom);
        }
        let mut sent = false;
        let mut failed = None;
        for room in rooms {
            match room.send(payload.clone()) {
                Ok(()) => sent = true,
                Err(Error::NoData) => {}
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            None if sent => Ok(()),
            None => Err(Error::NoData),
        }
    }

    /// Sends a stream to all peers of all rooms, and to who comes later.
    ///
    /// # Errors
    ///
    /// [`Error::Inspector`]; [`Error::Ended`].
    pub fn add_stream(&self, stream: &MediaStream) -> Result<()> {
        self.add_stream_with(stream, ())
    }

    /// Leaves all rooms.
    ///
    /// # Errors
    ///
    /// As [`Room::leave`].
    pub async fn leave(&self) -> Result<()> {
        for room in self.rooms() {
            room.leave().await?;
        }
        Ok(())
    }
}
