//! What the peers of a room say about their connections.

use std::sync::Arc;
use std::time::Instant;

use ortc::{RTCConnection, RTCConnectionSide, RTCIceCandidateDescription};
use serde_json::Value;

use super::body::{Body, Mute};
use super::clock::now_ms;
use super::event::{Event, MuteEvent, Origin};
use super::kinds::Kinds;
use super::link::PeerLink;
use super::ports::MAX_PORTS;
use super::secret::Side;
use super::state::{RoomEntry, Shared, State, about};
use super::stream::{MAX_HUB_TRACKS, MAX_TRACKS};
use crate::signalling::{RoomName, UserId};

/// A caller that is asked for a new connection makes one at most so often, in milliseconds, and who
/// is asked to tell all once more does.
const AGAIN: u64 = 1_000;

impl Shared {
    /// Somebody of a room said something by the server.
    pub(super) fn said(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        direct: bool,
        text: &str,
    ) {
        let me = state.me.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let Some(user) = entry.user(from).cloned().filter(|_| *from != me) else {
            return;
        };
        let Some(body) = Body::read(text) else {
            let body = serde_json::from_str(text).unwrap_or(Value::Null);
            self.event(Event::Said {
                room: room.clone(),
                from: user,
                direct,
                body,
            });
            return;
        };
        if !entry.peers.contains_key(from) {
            return;
        }
        if body.again {
            self.asked_again(state, room, from, body.instance);
            return;
        }
        if let Some(instance) = body.instance
            && !self.is_present(state, room, from, instance, &body)
        {
            return;
        }
        self.take_body(state, room, from, body);
    }

    /// Whether what is said is about the present connection, which what comes may begin.
    fn is_present(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        instance: u64,
        body: &Body,
    ) -> bool {
        let Some(entry) = state.rooms.get_mut(room) else {
            return false;
        };
        let Some(link) = entry.peers.get_mut(from) else {
            return false;
        };
        let begins = body.pake.is_some() || body.ice_info.is_some();
        if !link.caller && begins && instance > link.instance {
            link.instance = instance;
            // It may have heard of a hub that comes or goes before this side, or after.
            link.direct = true;
            link.expect_again();
            self.reset_link(entry, room, from);
            self.keep_moving(entry, room);
            return true;
        }
        instance == link.instance && !link.distrusted
    }

    fn take_body(self: &Arc<Self>, state: &mut State, room: &RoomName, from: &UserId, body: Body) {
        let me = state.me.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        if body.wrong_secret {
            let reason = "the peer did not find the secret proven";
            self.distrust(entry, room, from, reason, true);
            return;
        }
        if let Some(message) = &body.pake {
            self.take_pake(entry, &me, room, from, message);
            return;
        }
        if let Some(side) = body.ice_info {
            match serde_json::from_value(side) {
                Ok(side) => self.take_side(state, room, from, side, body.mac.as_deref()),
                Err(error) => self.not_understood(state, room, from, &error.to_string()),
            }
            return;
        }
        let by_hub = entry.is_hub(from);
        let most = match by_hub {
            true => MAX_HUB_TRACKS,
            false => MAX_TRACKS,
        };
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        if let Some(streams) = body.streams {
            self.take_streams(entry, room, from, streams);
            self.forward_again(state, room);
        } else if let Some(track) = body.track {
            if link.accepted && link.received.len() < most {
                self.take_track(state, room, from, track);
                self.forward_again(state, room);
            }
        } else if let Some(source) = body.gone_source() {
            self.take_gone(entry, room, from, &source);
            self.forward_again(state, room);
        } else if let Some(mute) = body.mute {
            self.take_mute(entry, room, from, mute);
            self.forward_again(state, room);
        } else if let Some(peers) = body.peers {
            if by_hub {
                entry.hub_peers = peers.into_iter().collect();
                self.hub_changed(entry, room);
            }
        } else if let Some(pause) = body.pause {
            self.take_pause(room, from, link, &pause);
            self.forward_again(state, room);
        } else if let Some(want) = body.want {
            if self.hub {
                link.show(&want);
            }
        } else if let Some(unasked) = body.unasked {
            link.held_back = Kinds::ALL.without(unasked);
        } else if body.bye {
            self.take_bye(entry, room, from);
        } else if body.tell {
            let now = Instant::now();
            let since = link.told_again.map(|before| now.duration_since(before));
            if link.accepted && since.is_none_or(|since| since.as_millis() >= u128::from(AGAIN)) {
                link.told_again = Some(now);
                self.tell_again(room, from, link);
            }
        } else if let Some(candidate) = body.candidate {
            self.take_candidate(link, candidate);
        } else if body.end_of_candidates
            && let Some(connection) = link.connection.as_ref().filter(|_| link.accepted)
        {
            let _ = connection.end_of_remote_candidates();
        }
    }

    /// The hub's streams follow what came.
    fn forward_again(&self, state: &mut State, room: &RoomName) {
        if self.hub {
            self.align_streams(state, room);
        }
    }

    /// Part of a stream is silent, or no longer.
    fn take_mute(&self, entry: &mut RoomEntry, room: &RoomName, from: &UserId, mute: Mute) {
        let by_hub = entry.is_hub(from);
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        if link.infos.contains_key(&mute.stream) {
            let muted = link.muted.entry(mute.stream.clone()).or_default();
            *muted = match mute.on {
                true => muted.with(mute.kinds),
                false => muted.without(mute.kinds),
            };
        }
        let info = link.infos.get(&mute.stream).filter(|_| by_hub);
        let of = info.and_then(|info| info.of.clone());
        let stream_id = info.map(|info| info.shown().to_owned());
        let event = MuteEvent {
            room: Some(room.clone()),
            userid: of.unwrap_or_else(|| from.clone()),
            stream_id: stream_id.unwrap_or(mute.stream),
            kinds: mute.kinds,
            by: Origin::Remote,
        };
        self.event(match mute.on {
            true => Event::Mute(event),
            false => Event::Unmute(event),
        });
    }

    fn take_candidate(&self, link: &PeerLink, candidate: Value) {
        let Some(connection) = link.connection.as_ref().filter(|_| link.accepted) else {
            return;
        };
        let read = serde_json::from_value::<RTCIceCandidateDescription>(candidate);
        match read {
            Ok(candidate) if self.options.candidates.allows(&candidate.typ) => {
                let _ = connection.set_remote_candidate(&candidate);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(target: "ortc_rooms::session", %error, "a candidate is not understood");
            }
        }
    }

    fn not_understood(&self, state: &State, room: &RoomName, from: &UserId, error: &str) {
        let Ok(entry) = state.room(room) else {
            return;
        };
        self.event(Event::DataError {
            room: room.clone(),
            user: entry.user_or_bare(from),
            error: format!("its connection side is not understood: {error}"),
        });
    }

    /// A callee wants another connection: it has lost its own, or, if it says which instance it
    /// means, none of its ports can be connected to the one that this side has called from.
    fn asked_again(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        instance: Option<u64>,
    ) {
        let entry = state.rooms.get_mut(room);
        let Some(link) = entry.and_then(|entry| entry.peers.get_mut(from)) else {
            return;
        };
        if !link.caller || link.distrusted {
            return;
        }
        let taken = !link.accepted && instance == Some(link.instance);
        // Each port once at once; beyond that as if it had said nothing of ports.
        if taken && link.refused < MAX_PORTS {
            link.refused = link.refused.saturating_add(1);
            let place = link.place;
            state.home = self.ports(state).after(place);
            tracing::debug!(target: "ortc_rooms::session", "the peer has no port for this one; another");
            self.call_peer(state, room, from);
        } else if now_ms() >= link.instance.saturating_add(AGAIN) {
            self.call_peer(state, room, from);
        }
    }

    /// The peer's side of the connection: first, or after its restart.
    fn take_side(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        side: RTCConnectionSide,
        mac: Option<&str>,
    ) {
        let me = state.me.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let wants = self.wants_secret(entry);
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        if wants && !proven(link, &me, from, &side, mac) {
            let reason = "the secret is not proven: one of the two does not know it, or the \
                          server has altered what they say";
            self.distrust(entry, room, from, reason, false);
            return;
        }
        if link.accepted {
            // A restart.
            if let Some(connection) = &link.connection
                && let Err(error) = connection.set_remote(side)
            {
                tracing::debug!(target: "ortc_rooms::session", %error, "a restart is not taken");
            }
            return;
        }
        match link.caller {
            true => self.connect_as_caller(state, room, from, side),
            false => self.connect_as_callee(state, room, from, side),
        }
    }

    fn connect_as_caller(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        side: RTCConnectionSide,
    ) {
        let entry = state.rooms.get_mut(room);
        let Some(link) = entry.and_then(|entry| entry.peers.get_mut(from)) else {
            return;
        };
        let Some(connection) = &link.connection else {
            return;
        };
        match connect(connection, &side) {
            Ok(()) => {
                link.accepted = true;
                link.refused = 0;
                self.align_streams(state, room);
            }
            Err(error) => {
                tracing::debug!(target: "ortc_rooms::session", %error, "not connected; another port");
                let place = link.place;
                state.home = self.ports(state).after(place);
                self.call_peer(state, room, from);
            }
        }
    }

    /// On the first port that is not the caller's own, and not connected to it yet.
    fn connect_as_callee(
        self: &Arc<Self>,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        side: RTCConnectionSide,
    ) {
        let home = state.home;
        for offset in 0..MAX_PORTS {
            let place = (home + offset) % MAX_PORTS;
            let (connection, events) = match self.make_connection(state, place) {
                Ok(made) => made,
                Err(error) => {
                    tracing::warn!(target: "ortc_rooms::session", %error, "no connection can be made");
                    return;
                }
            };
            if let Err(error) = connect(&connection, &side) {
                connection.close();
                tracing::debug!(target: "ortc_rooms::session", %error, "not on this port");
                continue;
            }
            // Another session of the process has the port that was tried first.
            state.home = place;
            let me = state.me.clone();
            let entry = state.rooms.get_mut(room);
            let Some(link) = entry.and_then(|entry| entry.peers.get_mut(from)) else {
                return;
            };
            link.accepted = true;
            self.use_connection(room, from, link, connection, events);
            self.announce(&me, room, from, link);
            self.align_streams(state, room);
            return;
        }
        // All are connected to that port already, or are that port: the caller has others.
        let entry = state.rooms.get(room);
        if let Some(link) = entry.and_then(|entry| entry.peers.get(from)) {
            self.say(room, Some(from), &about(link.instance, "again", true));
        }
    }
}

fn connect(connection: &RTCConnection, side: &RTCConnectionSide) -> ortc::Result<()> {
    connection.set_remote(side.clone())?;
    connection.connect()
}

/// Whether the peer has proven to know the secret.
fn proven(
    link: &PeerLink,
    me: &UserId,
    peer: &UserId,
    side: &RTCConnectionSide,
    mac: Option<&str>,
) -> bool {
    let (Some(key), Some(mac)) = (&link.key, mac) else {
        return false;
    };
    let remote = side.dtls.fingerprint.as_ref();
    if remote.is_none() {
        return false;
    }
    let local = link.connection.as_ref().map(RTCConnection::local);
    let local = local.and_then(|side| side.dtls.fingerprint);
    let (who, caller, callee) = match link.caller {
        true => (Side::Callee, local.as_ref(), remote),
        false => (Side::Caller, remote, None),
    };
    key.verify(mac, who, link.pair(me, peer), caller, callee)
}
