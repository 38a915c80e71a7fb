//! What happens on the connections to peers, and what is done when one does not work.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ortc::{
    DisconnectReason, RTCConnectionEvent, RTCConnectionEvents, RTCDataChannel,
    RTCIceCandidateDescription,
};
use serde_json::json;

use super::clock::clock;
use super::data::{is_ours, send, tell_got};
use super::event::{Event, Path};
use super::files::{is_transfer, with_whom};
use super::frame::{self, Frame, Ping};
use super::link::PeerLink;
use super::state::{RoomEntry, Shared, State, about};
use crate::signalling::{RoomName, UserId};

/// Channels of one peer that are read at once; more are closed.
const MAX_CHANNELS: usize = 16;
/// The same of a hub, where those of all come.
const MAX_HUB_CHANNELS: usize = 256;
/// What is told of messages that have channels of their own.
const LARGE_CUT: &str = "a message of more than 64 KiB may not have come: the connection was lost";
/// Restarts of ICE before another connection is made.
const RESTARTS: u32 = 4;
/// Seconds between pings, and between looks at the path.
const PING: u32 = 10;
const LOOK: u32 = 5;

impl Shared {
    /// Has the events of a connection taken care of.
    pub(super) fn watch_connection(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        instance: u64,
        mut events: RTCConnectionEvents,
    ) {
        let (shared, room, peer) = (Arc::downgrade(self), room.clone(), peer.clone());
        self.runtime.spawn(async move {
            while let Some(event) = events.next().await {
                if happened(&shared, &room, &peer, instance, event).is_none() {
                    return;
                }
            }
        });
    }

    fn connection_event(
        self: &Arc<Self>,
        me: &UserId,
        entry: &mut RoomEntry,
        room: &RoomName,
        peer: &UserId,
        event: RTCConnectionEvent,
    ) {
        let hub = self.hub || entry.is_hub(peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        let most = match hub {
            true => MAX_HUB_CHANNELS,
            false => MAX_CHANNELS,
        };
        match event {
            RTCConnectionEvent::Candidate(candidate) => {
                self.tell_candidate(room, peer, link, &candidate);
            }
            RTCConnectionEvent::EndOfCandidates => {
                let body = about(link.instance, "endOfCandidates", true);
                self.tell_peer(room, peer, link, body);
            }
            RTCConnectionEvent::Connected => self.peer_connected(entry, room, peer),
            RTCConnectionEvent::Disconnected { reason } => {
                self.peer_disconnected(entry, room, peer, reason);
            }
            RTCConnectionEvent::Restarted => {
                link.restarted();
                self.announce(me, room, peer, link);
            }
            RTCConnectionEvent::ActiveCandidate { .. } => self.look(room, peer, link),
            RTCConnectionEvent::DataChannel(channel)
                if is_ours(&channel) && Arc::strong_count(&link.readers) <= most =>
            {
                let main = channel.label() == frame::LABEL;
                if main && link.channel.is_none() {
                    self.use_channel(room, peer, link, channel);
                } else if !main {
                    self.read_channel(room, peer, link, channel, false);
                }
            }
            RTCConnectionEvent::DataChannel(channel)
                if is_transfer(&channel) && Arc::strong_count(&link.readers) <= most =>
            {
                self.transfer_comes(entry, room, peer, channel);
            }
            RTCConnectionEvent::UnknownTrack(unknown) => {
                link.unheard.came(unknown.ssrc, Instant::now());
            }
            RTCConnectionEvent::SsrcConflict { .. } => {
                if let Some(connection) = link.connection.clone() {
                    self.tell_tracks(room, peer, link, &connection);
                }
            }
            _ => {}
        }
    }

    fn peer_connected(self: &Arc<Self>, entry: &mut RoomEntry, room: &RoomName, peer: &UserId) {
        let user = entry.user_or_bare(peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        link.connected = true;
        link.was_connected = true;
        link.trouble = None;
        let (is_hub, known) = (link.is_hub, link.by_hub);
        if is_hub || self.hub {
            self.hub_changed(entry, room);
        }
        if !is_hub && !known {
            let room = room.clone();
            self.event(Event::Connected { room, user });
        }
    }

    fn peer_disconnected(
        self: &Arc<Self>,
        entry: &mut RoomEntry,
        room: &RoomName,
        peer: &UserId,
        reason: DisconnectReason,
    ) {
        let user = entry.user_or_bare(peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        let was = std::mem::take(&mut link.connected);
        if reason != DisconnectReason::Closed && link.direct {
            link.trouble = None;
            link.retry_later();
        }
        let is_hub = link.is_hub;
        let known = link.by_hub || is_hub;
        if is_hub || self.hub {
            self.hub_changed(entry, room);
        }
        if (was || reason.is_transient()) && !known {
            let (room, user) = (room.clone(), user.clone());
            self.event(Event::Disconnected { room, user, reason });
        }
        if reason == DisconnectReason::FingerprintMismatch {
            self.event(Event::Impostor {
                room: room.clone(),
                user,
                reason: reason.to_string(),
            });
        }
    }

    fn tell_candidate(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        candidate: &RTCIceCandidateDescription,
    ) {
        if self.options.candidates.allows(&candidate.typ) {
            let body = about(link.instance, "candidate", candidate);
            self.tell_peer(room, peer, link, body);
        }
    }

    /// Once a second.
    pub(super) fn tick(self: &Arc<Self>) {
        let mut state = self.lock();
        self.forget_missing(&mut state);
        let rooms: Vec<RoomName> = state.rooms.keys().cloned().collect();
        for room in rooms {
            let Some(entry) = state.rooms.get_mut(&room) else {
                continue;
            };
            let (mut due, mut cut, mut waited) = (Vec::new(), Vec::new(), false);
            for (peer, link) in &mut entry.peers {
                waited |= link.has_waited();
                link.asked.retain(|_, waiting| !waiting.is_closed());
                link.clock.since_ping = link.clock.since_ping.saturating_add(1);
                if link.connected && link.clock.since_ping % LOOK == 0 {
                    self.look(&room, peer, link);
                }
                if link.channel.is_some() && link.clock.since_ping >= PING {
                    link.clock.since_ping = 0;
                    send(link, Frame::Ping(Ping { at: clock() }));
                }
                tell_got(link);
                if link.outbox.cut() > 0 {
                    cut.push(peer.clone());
                }
                if link.unheard.due(Instant::now()) {
                    let body = about(link.instance, "tell", true);
                    self.tell_peer(&room, peer, link, body);
                }
                if link
                    .trouble
                    .is_some_and(|trouble| trouble.next <= Instant::now())
                {
                    due.push(peer.clone());
                }
            }
            for peer in entry.persons() {
                entry.tell_seen(&peer, false);
            }
            for peer in cut {
                let (room, user) = (room.clone(), entry.user_or_bare(&peer));
                let error = LARGE_CUT.to_owned();
                self.event(Event::DataError { room, user, error });
            }
            let opened = std::mem::take(&mut entry.opened);
            if !opened.is_empty() {
                let (shared, room) = (self.clone(), room.clone());
                self.runtime.spawn(async move {
                    for peer in opened {
                        shared.offer_kept(&room, &peer);
                    }
                });
            }
            if waited && self.hub {
                self.align_streams(&mut state, &room);
            }
            // Without the server a restart cannot be told.
            if !state.away {
                for peer in due {
                    self.mend(&mut state, &room, &peer);
                }
            }
        }
    }

    /// A peer offers files, or a hub does what others do.
    fn transfer_comes(
        self: &Arc<Self>,
        entry: &mut RoomEntry,
        room: &RoomName,
        peer: &UserId,
        channel: RTCDataChannel,
    ) {
        let with = with_whom(&channel);
        let by_hub = entry.is_hub(peer);
        match with {
            Some(to) if self.hub => self.pass_transfer(entry, room, peer, &to, channel),
            // Who has gone may have left something there.
            Some(from) if by_hub => {
                if let Some(link) = entry.peers.get(peer) {
                    self.read_offer(room, &from, link, channel);
                }
            }
            None if !by_hub && !self.hub => {
                if let Some(link) = entry.peers.get(peer) {
                    self.read_offer(room, peer, link, channel);
                }
            }
            _ => channel.close(),
        }
    }

    /// Tries to get a connection to work again.
    fn mend(self: &Arc<Self>, state: &mut State, room: &RoomName, peer: &UserId) {
        let me = state.me.clone();
        let entry = state.rooms.get_mut(room);
        let Some(link) = entry.and_then(|entry| entry.peers.get_mut(peer)) else {
            return;
        };
        link.retry_later();
        let restarts = link
            .trouble
            .is_some_and(|trouble| trouble.attempts <= RESTARTS + 1);
        let lives = link.connection.as_ref().is_some_and(|connection| {
            connection.state() != ortc::RTCConnectionState::Closed && link.was_connected
        });
        if lives && restarts && link.accepted {
            let restarted = link.connection.as_ref().map(ortc::RTCConnection::restart);
            if matches!(restarted, Some(Ok(()))) {
                tracing::info!(target: "ortc_rooms::session", "ICE is restarted");
                self.announce(&me, room, peer, link);
                return;
            }
        }
        match link.caller {
            true => {
                let trouble = link.trouble;
                self.call_peer(state, room, peer);
                let entry = state.rooms.get_mut(room);
                if let Some(link) = entry.and_then(|entry| entry.peers.get_mut(peer)) {
                    link.trouble = trouble;
                }
            }
            false => self.say(room, Some(peer), &json!({ "again": true })),
        }
    }

    /// Tells of the path to a peer if there is something to tell.
    pub(super) fn look(&self, room: &RoomName, peer: &UserId, link: &mut PeerLink) {
        let Some(connection) = &link.connection else {
            return;
        };
        let stats = connection.stats();
        let Some(pair) = stats.candidate_pairs.iter().find(|pair| pair.selected) else {
            return;
        };
        let (sent, received) = (stats.transport.bytes_sent, stats.transport.bytes_received);
        let rate =
            |now: u64, before: u64| now.saturating_sub(before).saturating_mul(8) / u64::from(LOOK);
        let round_trip = stats.transport.current_round_trip_time;
        let path = Path {
            direct: pair.local_candidate.typ != "relay" && pair.remote_candidate.typ != "relay",
            local: pair.local_candidate.typ.clone(),
            remote: pair.remote_candidate.typ.clone(),
            round_trip: round_trip.and_then(|s| Duration::try_from_secs_f64(s).ok()),
            sending: rate(sent, link.bytes.0),
            receiving: rate(received, link.bytes.1),
        };
        link.bytes = (sent, received);
        if link.path.as_ref() == Some(&path) {
            return;
        }
        link.path = Some(path.clone());
        self.event(Event::Path {
            room: room.clone(),
            userid: peer.clone(),
            path,
        });
    }
}

/// `None` when nobody wants to know any more.
fn happened(
    shared: &Weak<Shared>,
    room: &RoomName,
    peer: &UserId,
    instance: u64,
    event: RTCConnectionEvent,
) -> Option<()> {
    let shared = shared.upgrade()?;
    let state = &mut *shared.lock();
    let entry = state.rooms.get_mut(room)?;
    let link = entry.peers.get(peer)?;
    if link.instance != instance {
        return None;
    }
    shared.connection_event(&state.me, entry, room, peer, event);
    Some(())
}
