//! Streams of others that are not wanted here: what comes of them is dropped, and the sender is
//! asked to send nothing.

use std::collections::BTreeSet;

use serde_json::json;

use super::body::{MAX_STREAMS, Mute, Want};
use super::error::{Error, Result};
use super::event::{Event, MuteEvent, Origin};
use super::handle::Session;
use super::kinds::Kinds;
use super::state::{RoomEntry, Shared};
use super::stream::ReceivedTrack;
use crate::signalling::{RoomName, UserId};

impl Shared {
    /// Parts of a peer's stream are not wanted here any longer, or again.
    pub(super) fn pause(
        &self,
        room: &RoomName,
        peer: &UserId,
        stream_id: &str,
        kinds: Kinds,
        on: bool,
    ) -> Result<()> {
        let state = &mut *self.lock();
        let entry = state.room_mut(room)?;
        if !entry.peers.contains_key(peer) {
            return Err(Error::NoSuchPeer(peer.clone()));
        }
        self.pause_stream(room, entry, peer, stream_id, kinds, on)
    }

    fn pause_stream(
        &self,
        room: &RoomName,
        entry: &mut RoomEntry,
        owner: &UserId,
        stream_id: &str,
        kinds: Kinds,
        on: bool,
    ) -> Result<()> {
        if !entry.carries(owner, stream_id) {
            return Err(Error::NoSuchStream(stream_id.to_owned()));
        }
        if let Some(link) = entry.peers.get_mut(owner) {
            let dropped = link.dropped.entry(stream_id.to_owned()).or_default();
            *dropped = match on {
                true => dropped.with(kinds),
                false => dropped.without(kinds),
            };
            link.dropped.retain(|_, kinds| !kinds.is_none());
        }
        entry.enable(owner, stream_id);
        for (peer, link) in &mut entry.peers {
            let mut received = link.received.iter();
            let is = |one: &&ReceivedTrack| {
                one.of.as_ref().unwrap_or(peer) == owner && one.shown == stream_id
            };
            if let Some(id) = received.find(is).map(|one| one.stream.clone()) {
                let body = json!({ "pause": Mute::new(&id, kinds, on) });
                self.tell_peer(room, peer, link, body);
            }
        }
        let event = MuteEvent {
            room: Some(room.clone()),
            userid: owner.clone(),
            stream_id: stream_id.to_owned(),
            kinds,
            by: Origin::Local,
        };
        self.event(match on {
            true => Event::Mute(event),
            false => Event::Unmute(event),
        });
        Ok(())
    }

    /// A peer's stream is shown in this height: whoever sends it on to this side may send a
    /// smaller picture.
    pub(super) fn show(
        &self,
        room: &RoomName,
        peer: &UserId,
        stream_id: &str,
        height: Option<u16>,
    ) -> Result<()> {
        let state = &mut *self.lock();
        let entry = state.room_mut(room)?;
        let carried = entry.carries(peer, stream_id);
        let link = entry.peers.get_mut(peer);
        let link = link.ok_or_else(|| Error::NoSuchPeer(peer.clone()))?;
        if !carried {
            return Err(Error::NoSuchStream(stream_id.to_owned()));
        }
        match height {
            Some(height) => link.tiles.insert(stream_id.to_owned(), height),
            None => link.tiles.remove(stream_id),
        };
        let hub = entry.any_hub().map(|hub| hub.userid.clone());
        let link = hub.and_then(|hub| Some((entry.peers.get_mut(&hub)?, hub)));
        if let Some((link, hub)) = link {
            let mut received = link.received.iter();
            let is = |one: &&ReceivedTrack| one.of.as_ref() == Some(peer) && one.shown == stream_id;
            if let Some(stream) = received.find(is).map(|one| one.stream.clone()) {
                let want = Want { stream, height };
                self.tell_peer(room, &hub, link, json!({ "want": want }));
            }
        }
        Ok(())
    }

    /// A track has come from a peer: what is not wanted of its stream stays so, also on a new
    /// connection, whose other end does not know.
    pub(super) fn pause_again(
        &self,
        room: &RoomName,
        entry: &mut RoomEntry,
        peer: &UserId,
        came: &ReceivedTrack,
        is_new: bool,
    ) {
        let owner = came.of.as_ref().unwrap_or(peer);
        let tile = entry.peers.get(owner).map(|link| &link.tiles);
        let tile = tile.and_then(|tiles| tiles.get(&came.shown).copied());
        if let Some(height) = tile.filter(|_| is_new && came.of.is_some())
            && let Some(link) = entry.peers.get_mut(peer)
        {
            let want = Want {
                stream: came.stream.clone(),
                height: Some(height),
            };
            self.tell_peer(room, peer, link, json!({ "want": want }));
        }
        let dropped = entry.peers.get(owner).map(|link| &link.dropped);
        let Some(kinds) = dropped.and_then(|dropped| dropped.get(&came.shown).copied()) else {
            return;
        };
        entry.enable(owner, &came.shown);
        if let Some(link) = entry.peers.get_mut(peer).filter(|_| is_new) {
            let body = json!({ "pause": Mute::new(&came.stream, kinds, true) });
            self.tell_peer(room, peer, link, body);
        }
    }

    fn pause_all(&self, kinds: Kinds, on: bool) -> usize {
        let state = &mut *self.lock();
        let mut count = 0_usize;
        for (room, entry) in &mut state.rooms {
            for owner in entry.persons() {
                let received = entry.received(&owner);
                let ids: BTreeSet<String> = received.map(|one| one.shown.clone()).collect();
                for id in ids {
                    let paused = self.pause_stream(room, entry, &owner, &id, kinds, on);
                    count = count.saturating_add(usize::from(paused.is_ok()));
                }
            }
        }
        count
    }
}

impl RoomEntry {
    /// Has the tracks of a stream hand out what is wanted of it.
    fn enable(&mut self, owner: &UserId, stream_id: &str) {
        let dropped = self.peers.get(owner).map(|link| &link.dropped);
        let dropped = dropped.and_then(|dropped| dropped.get(stream_id).copied());
        let dropped = dropped.unwrap_or_default();
        for one in self.received(owner).filter(|one| one.shown == stream_id) {
            one.track.set_enabled(!dropped.has(one.track.kind()));
        }
    }

    /// Streams that are told of no more are forgotten.
    pub(super) fn forget_dropped(&mut self, owner: &UserId) {
        let known: BTreeSet<String> = self.received(owner).map(|one| one.shown.clone()).collect();
        if let Some(link) = self.peers.get_mut(owner) {
            let (infos, dropped) = (&link.infos, &mut link.dropped);
            let is_known = |id: &String| infos.contains_key(id) || known.contains(id);
            dropped.retain(|id, _| is_known(id));
            link.tiles.retain(|id, _| is_known(id));
            debug_assert!(dropped.len() <= MAX_STREAMS.saturating_mul(2));
        }
    }
}

/// What others send.
impl Session {
    /// Drops these parts of all streams that are received, and asks their senders to send nothing
    /// of them to this side; says how many streams there are. [`Peer::mute`](super::Peer::mute)
    /// does it to one.
    pub fn mute_received(&self, kinds: Kinds) -> usize {
        self.shared().pause_all(kinds, true)
    }

    /// Lets these parts of all of them come again.
    pub fn unmute_received(&self, kinds: Kinds) -> usize {
        self.shared().pause_all(kinds, false)
    }
}
