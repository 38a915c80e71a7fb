//! To whom streams and messages go: to all, to a room, to one peer.

use std::sync::Arc;

use ortc::MediaStream;
use serde_json::json;

use super::body::Mute;
use super::clock::clock;
use super::error::{Error, Result};
use super::event::{Event, MuteEvent, Origin, StreamEvent};
use super::frame::Frame;
use super::kinds::Kinds;
use super::state::{Shared, State};
use super::stream::LocalStream;

use crate::signalling::{Role, RoomName, UserId};

/// To whom.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    All,
    Room(&'a RoomName),
    Peer(&'a RoomName, &'a UserId),
}

impl<'a> Scope<'a> {
    fn room(self) -> Option<&'a RoomName> {
        match self {
            Self::All => None,
            Self::Room(room) | Self::Peer(room, _) => Some(room),
        }
    }
}

impl State {
    fn streams_of(&mut self, scope: Scope<'_>) -> Result<&mut Vec<LocalStream>> {
        match scope {
            Scope::All => Ok(&mut self.streams),
            Scope::Room(room) => Ok(&mut self.room_mut(room)?.streams),
            Scope::Peer(room, peer) => {
                let link = self.room_mut(room)?.peers.get_mut(peer);
                let link = link.ok_or_else(|| Error::NoSuchPeer(peer.clone()))?;
                Ok(&mut link.own)
            }
        }
    }

    fn rooms_of(&self, scope: Scope<'_>) -> Vec<RoomName> {
        match scope.room() {
            Some(room) => vec![room.clone()],
            None => self.rooms.keys().cloned().collect(),
        }
    }
}

impl Shared {
    pub(super) fn add_stream(self: &Arc<Self>, scope: Scope<'_>, local: LocalStream) -> Result<()> {
        let state = &mut *self.lock();
        if state.over {
            return Err(Error::Ended);
        }
        if state.role == Role::Inspector {
            return Err(Error::Inspector);
        }
        let event = StreamEvent {
            room: scope.room().cloned(),
            userid: state.me.clone(),
            extra: state.extra.clone(),
            origin: Origin::Local,
            stream: local.stream.clone(),
            stream_id: local.stream.id().to_owned(),
            session: local.session(),
            stream_extra: local.options.extra.clone(),
        };
        let streams = state.streams_of(scope)?;
        let known = streams.iter_mut().find(|one| one.stream == local.stream);
        match known {
            // Its tracks or options may have changed.
            Some(known) => known.options = local.options,
            None => {
                streams.push(local);
                self.event(Event::Stream(event));
            }
        }
        for room in state.rooms_of(scope) {
            self.align_streams(state, &room);
        }
        Ok(())
    }

    pub(super) fn remove_streams(self: &Arc<Self>, scope: Scope<'_>, ids: &[&str]) -> Result<()> {
        let state = &mut *self.lock();
        let userid = state.me.clone();
        let streams = state.streams_of(scope)?;
        let is = |local: &LocalStream| ids.iter().any(|id| local.is(id));
        let (gone, kept): (Vec<_>, Vec<_>) = streams.drain(..).partition(is);
        *streams = kept;
        let missing = ids.iter().find(|id| !gone.iter().any(|local| local.is(id)));
        let missing = missing.map(|id| Error::NoSuchStream((*id).to_owned()));
        for local in gone {
            self.event(Event::StreamEnded {
                room: scope.room().cloned(),
                userid: userid.clone(),
                stream_id: local.stream.id().to_owned(),
                session: local.session(),
            });
        }
        for room in state.rooms_of(scope) {
            self.align_streams(state, &room);
        }
        missing.map_or(Ok(()), Err)
    }

    /// Silences parts of the own streams that fit, or lets them be heard again.
    pub(super) fn mute(
        self: &Arc<Self>,
        scope: Scope<'_>,
        fits: impl Fn(&LocalStream) -> bool,
        kinds: Kinds,
        on: bool,
    ) -> Result<usize> {
        let state = &mut *self.lock();
        let userid = state.me.clone();
        let streams = state.streams_of(scope)?;
        let mut changed = Vec::new();
        for local in streams.iter_mut().filter(|local| fits(local)) {
            local.muted = match on {
                true => local.muted.with(kinds),
                false => local.muted.without(kinds),
            };
            changed.push(local.stream.id().to_owned());
        }
        for room in state.rooms_of(scope) {
            let entry = state.rooms.get_mut(&room);
            for (peer, link) in entry.into_iter().flat_map(|entry| entry.peers.iter_mut()) {
                for id in &changed {
                    if link.sent.iter().any(|sent| sent.local.is(id)) {
                        let body = json!({ "mute": Mute::new(id, kinds, on) });
                        self.tell_peer(&room, peer, link, body);
                    }
                }
            }
            self.align_streams(state, &room);
        }
        for stream_id in &changed {
            let event = MuteEvent {
                room: scope.room().cloned(),
                userid: userid.clone(),
                stream_id: stream_id.clone(),
                kinds,
                by: Origin::Local,
            };
            self.event(match on {
                true => Event::Mute(event),
                false => Event::Unmute(event),
            });
        }
        Ok(changed.len())
    }

    /// Puts a message behind what waits for peers of a room: all of them, or one.
    pub(super) fn post(
        &self,
        room: &RoomName,
        to: Option<&UserId>,
        frame: &Frame,
        needs_data: bool,
    ) -> Result<()> {
        let state = &mut *self.lock();
        let role = state.role;
        let entry = state.room_mut(room)?;
        if needs_data && !entry.state.session.data {
            return Err(Error::NoData);
        }
        if role == Role::Inspector {
            return Err(Error::Inspector);
        }
        if let Some(to) = to.filter(|to| !entry.peers.contains_key(to)) {
            return Err(Error::NoSuchPeer(to.clone()));
        }
        // Bytes are not copied by this.
        let whole = frame.clone().write(clock())?;
        let everybody = entry.persons();
        let to = match to {
            // Once up: the hub sends it to all.
            None if entry.all_by_hub() => entry.any_hub().map(|hub| vec![hub.userid.clone()]),
            None => Some(everybody),
            Some(to) => Some(vec![to.clone()]),
        };
        let mut full = None;
        for peer in to.unwrap_or_default() {
            let taken = match entry.is_hub(&peer) {
                true => entry.push_by_hub(None, whole.clone()),
                false => entry.push(&peer, whole.clone()),
            };
            if !taken {
                full = Some(peer);
            }
        }
        full.map_or(Ok(()), |peer| Err(Error::QueueFull(peer)))
    }
}

/// A stream that was made for [`MediaStream`] verbs.
pub(super) fn local(stream: &MediaStream, options: super::stream::StreamOptions) -> LocalStream {
    LocalStream::new(stream, options)
}
