//! Peers move from connections of their own to a hub, and back: no media, and no message, is
//! lost with that, as each way ends only when the other has all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::Source;
use super::clock::clock;
use super::event::Event;
use super::frame::{Frame, Ping};
use super::link::{PeerLink, Route};
use super::state::{RoomEntry, Shared, State, about};
use super::stream::ReceivedTrack;
use crate::signalling::{RoomName, UserId};

/// Between two looks at those that move.
const LOOK: Duration = Duration::from_millis(40);
/// After this a pair moves though not all comes by the other way.
const MOST: Duration = Duration::from_secs(15);
/// And after this a way is given up by which something may be on its way yet.
const OVER: Duration = Duration::from_secs(30);
/// A connection that is being made when a hub comes is waited for so long.
const MAKING: Duration = Duration::from_secs(4);

impl Shared {
    /// Has those moved that are to go another way, from now on until they do.
    pub(super) fn keep_moving(self: &Arc<Self>, entry: &mut RoomEntry, room: &RoomName) {
        if self.hub || entry.any_hub().is_none() || std::mem::replace(&mut entry.moving, true) {
            return;
        }
        let (shared, room) = (Arc::downgrade(self), room.clone());
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                if !shared.move_on(&room) {
                    return;
                }
            }
        });
    }

    /// One look; false if nobody is to be moved any longer.
    fn move_on(self: &Arc<Self>, room: &RoomName) -> bool {
        let state = &mut *self.lock();
        let Some(entry) = state.rooms.get_mut(room) else {
            return false;
        };
        let goes_on = match (entry.hub(), entry.any_hub().map(|hub| hub.userid.clone())) {
            (Some(hub), _) => self.move_to_hub(state, room, &hub),
            (None, Some(hub)) => self.move_from_hub(entry, room, &hub),
            (None, None) => false,
        };
        if let Some(entry) = state.rooms.get_mut(room)
            && !goes_on
        {
            entry.moving = false;
            entry.move_by = None;
        }
        goes_on
    }

    fn move_to_hub(self: &Arc<Self>, state: &mut State, room: &RoomName, hub: &UserId) -> bool {
        let Some(entry) = state.rooms.get_mut(room) else {
            return false;
        };
        let direct = |entry: &RoomEntry, peer: &UserId| {
            entry.peers.get(peer).is_some_and(|link| link.direct)
        };
        let mut movers = entry.persons();
        movers.retain(|peer| direct(entry, peer));
        if movers.is_empty() {
            return false;
        }
        if !entry.peers.get(hub).is_some_and(PeerLink::is_open) {
            entry.move_by = None;
            return true;
        }
        let now = Instant::now();
        let by = *entry.move_by.get_or_insert(now + OVER);
        let gone = OVER.saturating_sub(by.saturating_duration_since(now));
        for peer in movers {
            self.move_one(entry, room, hub, &peer, gone);
        }
        self.align_streams(state, room);
        true
    }

    /// One step of one peer towards the hub.
    fn move_one(
        &self,
        entry: &mut RoomEntry,
        room: &RoomName,
        hub: &UserId,
        peer: &UserId,
        gone: Duration,
    ) {
        let Some(link) = entry.peers.get(peer) else {
            return;
        };
        let lost = link.was_connected && !link.connected;
        let never = !link.was_connected && gone > MAKING;
        let late = gone >= MOST || lost || never;
        // What is said is lost only with a connection that is lost for good.
        let hopeless = gone >= OVER || (gone >= MOST && lost) || never;
        let asks = match link.route {
            Route::Direct => true,
            Route::Held(_) => false,
            Route::Hub => !link.said_bye,
        };
        let reached = link.by_hub && link.was_connected;
        let ready = asks && reached && self.has_all(entry, peer, peer, hub);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        match &mut link.route {
            Route::Direct if ready || late => {
                let at = link.ping_at();
                super::data::send(link, Frame::Ping(Ping { at }));
                link.route = Route::Held(VecDeque::new());
            }
            Route::Held(held) => {
                let came = link.outbox.is_idle() && link.answered;
                if !came && !hopeless {
                    return;
                }
                let mut rest = link.outbox.take();
                rest.append(held);
                link.route = Route::Hub;
                for written in rest {
                    entry.push_by_hub(Some(peer), written);
                }
            }
            Route::Hub if link.said_bye && (link.heard_bye || hopeless) => {
                self.end_direct(entry, room, peer);
            }
            Route::Hub if !link.said_bye && (ready || late) => {
                link.said_bye = true;
                if link.instance > 0 {
                    self.say(room, Some(peer), &about(link.instance, "bye", true));
                }
            }
            Route::Direct | Route::Hub => {}
        }
    }

    /// The two are connected to each other no longer.
    fn end_direct(&self, entry: &mut RoomEntry, room: &RoomName, peer: &UserId) {
        let user = entry.user_or_bare(peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        let told = link.connected && !link.by_hub;
        link.direct = false;
        self.reset_link(entry, room, peer);
        if let Some(link) = entry.peers.get_mut(peer) {
            link.trouble = None;
            link.outbox.take();
        }
        if told {
            self.event(Event::Disconnected {
                room: room.clone(),
                user,
                reason: ortc::DisconnectReason::Closed,
            });
        }
    }

    fn move_from_hub(&self, entry: &mut RoomEntry, room: &RoomName, hub: &UserId) -> bool {
        let now = Instant::now();
        let by = *entry.move_by.get_or_insert(now + OVER);
        let late = by.saturating_duration_since(now) <= OVER.saturating_sub(MOST);
        let lost = entry.peers.get(hub).is_none_or(|link| !link.connected);
        let hopeless = by <= now || (late && lost);
        let mut all = true;
        for peer in entry.persons() {
            let asks = |link: &PeerLink| matches!(link.route, Route::Hub) && link.is_open();
            let asks = entry.peers.get(&peer).is_some_and(asks);
            let ready = late || (asks && self.has_all(entry, &peer, hub, &peer));
            let Some(outbox) = entry.peers.get(hub).map(|hub| hub.outbox.clone()) else {
                return false;
            };
            let Some(link) = entry.peers.get_mut(&peer) else {
                continue;
            };
            match &link.route {
                Route::Hub if ready => {
                    // The peer answers it: the hub may be slower than the new way.
                    let at = link.ping_at();
                    if let Ok(written) = Frame::Ping(Ping { at }).write(clock()) {
                        outbox.push(written.addressed(&peer));
                    }
                    link.route = Route::Held(VecDeque::new());
                    all = false;
                }
                Route::Held(_) if hopeless || (outbox.is_idle() && link.answered) => {
                    link.go_direct()
                }
                Route::Direct => {}
                Route::Hub | Route::Held(_) => all = false,
            }
        }
        let Some(link) = entry.peers.get_mut(hub).filter(|_| all) else {
            return !all;
        };
        if !std::mem::replace(&mut link.said_bye, true) && link.instance > 0 {
            self.say(room, Some(hub), &about(link.instance, "bye", true));
        }
        false
    }

    /// The peer needs a connection no longer.
    pub(super) fn take_bye(
        self: &Arc<Self>,
        entry: &mut RoomEntry,
        room: &RoomName,
        from: &UserId,
    ) {
        if !self.hub && entry.any_hub().is_none() {
            self.reset_link(entry, room, from);
            return;
        }
        if let Some(link) = entry.peers.get_mut(from) {
            link.heard_bye = true;
        }
        self.keep_moving(entry, room);
    }
}

impl PeerLink {
    /// The time of a ping that no other has.
    fn ping_at(&mut self) -> f64 {
        // Others have whole milliseconds.
        let at = clock().max(self.barrier) + 0.5;
        (self.barrier, self.answered) = (at, false);
        at
    }
}

impl Shared {
    /// Whether all of a user's streams that come by one connection come by the other as well, and their
    /// pictures from a key frame on.
    fn has_all(&self, entry: &RoomEntry, owner: &UserId, by: &UserId, other: &UserId) -> bool {
        let (Some(old), Some(new)) = (entry.peers.get(by), entry.peers.get(other)) else {
            return false;
        };
        let of = |peer: &UserId, one: &ReceivedTrack| one.of.as_ref().unwrap_or(peer) == owner;
        let old: Vec<&ReceivedTrack> = old.received.iter().filter(|one| of(by, one)).collect();
        if old.is_empty() {
            return true;
        }
        let link = entry.peers.get(owner);
        let mut counts: BTreeMap<(&str, ortc::Kind), i32> = BTreeMap::new();
        for one in &old {
            let silent = link.is_some_and(|link| {
                let dropped = link.dropped.get(&one.shown).copied().unwrap_or_default();
                let muted = link.muted.get(&one.shown).copied().unwrap_or_default();
                dropped.with(muted).has(one.track.kind())
            });
            if !silent {
                *counts.entry((&one.shown, one.track.kind())).or_default() += 1;
            }
        }
        let of_owner = || new.received.iter().filter(|one| of(other, one));
        for one in of_owner() {
            let wanted = counts.get(&(one.shown.as_str(), one.track.kind()));
            if wanted.is_some_and(|count| *count > 0) {
                one.begun.watch(&self.runtime, &one.track);
            }
        }
        if of_owner().count() < old.len() {
            return false;
        }
        let Some(stats) = new.connection.as_ref().map(ortc::RTCConnection::stats) else {
            return false;
        };
        let sources = stats.inbound_rtp.iter();
        let came: BTreeSet<u32> = sources
            .filter(|source| source.packets_received > 0)
            .map(|source| source.ssrc)
            .collect();
        for one in of_owner() {
            let here = match &one.source {
                Some(Source::Ssrc(ssrc)) => came.contains(ssrc),
                Some(Source::Mid(_)) => true,
                None => false,
            };
            let here = here && one.begun.has(one.track.kind());
            if here && let Some(count) = counts.get_mut(&(one.shown.as_str(), one.track.kind())) {
                *count -= 1;
            }
        }
        counts.values().all(|count| *count <= 0)
    }
}
