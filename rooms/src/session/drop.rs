//! Streams of others that are not wanted here: what comes of them is dropped, and the sender is
//! asked to send nothing.

use serde_json::json;

use super::body::{MAX_STREAMS, Mute};
use super::error::{Error, Result};
use super::event::{Event, MuteEvent, Origin};
use super::handle::Session;
use super::kinds::Kinds;
use super::link::PeerLink;
use super::state::Shared;
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
        let link = state.room_mut(room)?.peers.get_mut(peer);
        let link = link.ok_or_else(|| Error::NoSuchPeer(peer.clone()))?;
        self.pause_stream(room, peer, link, stream_id, kinds, on)
    }

    fn pause_stream(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        stream_id: &str,
        kinds: Kinds,
        on: bool,
    ) -> Result<()> {
        if !link.received.iter().any(|one| one.stream == stream_id) {
            return Err(Error::NoSuchStream(stream_id.to_owned()));
        }
        let dropped = link.dropped.entry(stream_id.to_owned()).or_default();
        *dropped = match on {
            true => dropped.with(kinds),
            false => dropped.without(kinds),
        };
        link.dropped.retain(|_, kinds| !kinds.is_none());
        link.enable(stream_id);
        let body = json!({ "pause": Mute::new(stream_id, kinds, on) });
        self.tell_peer(room, peer, link, body);
        let event = MuteEvent {
            room: Some(room.clone()),
            userid: peer.clone(),
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

    /// A track has come: what is not wanted of its stream stays so, also on a new connection,
    /// whose other end does not know.
    pub(super) fn pause_again(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        stream_id: &str,
        is_new: bool,
    ) {
        let Some(kinds) = link.dropped.get(stream_id).copied() else {
            return;
        };
        link.enable(stream_id);
        if is_new {
            let body = json!({ "pause": Mute::new(stream_id, kinds, true) });
            self.tell_peer(room, peer, link, body);
        }
    }

    fn pause_all(&self, kinds: Kinds, on: bool) -> usize {
        let state = &mut *self.lock();
        let mut count = 0_usize;
        for (room, entry) in &mut state.rooms {
            for (peer, link) in &mut entry.peers {
                let mut ids: Vec<String> =
                    link.received.iter().map(|one| one.stream.clone()).collect();
                ids.sort();
                ids.dedup();
                for id in ids {
                    let paused = self.pause_stream(room, peer, link, &id, kinds, on);
                    count = count.saturating_add(usize::from(paused.is_ok()));
                }
            }
        }
        count
    }
}

impl PeerLink {
    /// Has the tracks of a stream hand out what is wanted of it.
    fn enable(&mut self, stream_id: &str) {
        let dropped = self.dropped.get(stream_id).copied().unwrap_or_default();
        for one in self.received.iter().filter(|one| one.stream == stream_id) {
            one.track.set_enabled(!dropped.has(one.track.kind()));
        }
    }

    /// Streams that are told of no more are forgotten.
    pub(super) fn forget_dropped(&mut self) {
        let (infos, dropped) = (&self.infos, &mut self.dropped);
        dropped.retain(|id, _| infos.contains_key(id));
        debug_assert!(dropped.len() <= MAX_STREAMS);
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
