//! Connections to peers are made, and made again: who is to be connected, by which port, proven by
//! what.

use std::sync::Arc;

use ortc::{
    RTCConnection, RTCConnectionEvents, RTCConnectionOptions, RTCDataChannelOptions,
    RTCHeaderExtension, RTCIceServer,
};
use serde_json::json;

use super::clock::now_ms;
use super::event::Event;
use super::frame;
use super::link::{PeerLink, Trouble};
use super::ports::{Config, Ports};
use super::secret::{Exchange, Side};
use super::state::{RoomEntry, Shared, State, about};
use super::unheard::Unheard;
use crate::signalling::{Role, RoomName, UserId};

/// Header extensions under the ids that Chromium has for them.
const EXTENSIONS: [(&str, u8); 3] = [
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", 1),
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        2,
    ),
    (
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        3,
    ),
];

impl Shared {
    /// Brings the connections of a room in line with who is in it and who sends to whom.
    pub(super) fn align(self: &Arc<Self>, state: &mut State, room: &RoomName) {
        let me = state.me.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let wanted: Vec<UserId> = entry
            .state
            .users
            .iter()
            .map(|user| user.userid.clone())
            .filter(|userid| *userid != me && entry.connects(&me, userid))
            .collect();
        let hub = entry.hub().filter(|_| !self.hub);
        let unwanted: Vec<UserId> = entry
            .peers
            .keys()
            .filter(|userid| !wanted.contains(userid))
            .cloned()
            .collect();
        for userid in unwanted {
            self.end_link(entry, room, &userid, true);
            entry.peers.remove(&userid);
            entry.trail.forget(&userid);
        }
        let hubs = entry.state.users.iter();
        let hubs = hubs.filter(|user| user.role == Role::Hub).count();
        let users = entry.state.users.len().saturating_sub(hubs);
        if users > mesh_limit(entry) && hub.is_none() && !entry.warned && !self.hub {
            entry.warned = true;
            let room = room.clone();
            self.event(Event::MeshLarge { room, users });
        }
        let fresh: Vec<UserId> = wanted
            .into_iter()
            .filter(|userid| !entry.peers.contains_key(userid))
            .collect();
        for userid in fresh {
            let mut link = match reached_by(hub.as_ref(), &userid) {
                true => PeerLink::by_hub(&me, &userid),
                false => PeerLink::new(&me, &userid),
            };
            let caller = link.caller && link.direct;
            if let Some(entry) = state.rooms.get_mut(room) {
                link.is_hub = entry.is_hub(&userid);
                entry.peers.insert(userid.clone(), link);
            }
            if caller {
                self.call_peer(state, room, &userid);
            }
        }
        self.align_ways(state, room);
        self.align_streams(state, room);
    }

    /// Begins a new connection to a peer: as the caller.
    pub(super) fn call_peer(self: &Arc<Self>, state: &mut State, room: &RoomName, peer: &UserId) {
        let place = state.home;
        let made = self.make_connection(state, place);
        let me = state.me.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let secret = self.wants_secret(entry);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        link.instance = now_ms().max(link.instance.saturating_add(1));
        link.expect_again();
        self.reset_link(entry, room, peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        link.place = place;
        let (connection, events) = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::warn!(target: "ortc_rooms::session", %error, "no connection can be made");
                link.retry_later();
                return;
            }
        };
        self.use_connection(room, peer, link, connection, events);
        match (secret, &self.options.secret) {
            (false, _) => self.announce(&me, room, peer, link),
            (true, Some(secret)) => {
                let (exchange, message) =
                    Exchange::begin(secret, Side::Caller, link.pair(&me, peer));
                link.exchange = Some(exchange);
                let body = about(link.instance, "pake", message);
                self.say(room, Some(peer), &body);
            }
            (true, None) => self.distrust(entry, room, peer, "this room wants a secret", false),
        }
        self.align_streams(state, room);
    }

    /// A user is back at the server: what was said to it meanwhile came to nobody.
    pub(super) fn returned(self: &Arc<Self>, state: &mut State, room: &RoomName, userid: &UserId) {
        let link = state.rooms.get_mut(room);
        let link = link.and_then(|entry| entry.peers.get_mut(userid));
        let Some(link) = link.filter(|link| link.direct && !link.was_connected) else {
            return;
        };
        if link.caller && !link.distrusted {
            self.call_peer(state, room, userid);
        } else {
            link.hurry();
        }
    }

    /// True if peers must prove a secret.
    pub(super) fn wants_secret(&self, entry: &RoomEntry) -> bool {
        entry.state.policy.secret || self.options.secret.is_some()
    }

    /// A connection on the port of this place.
    pub(super) fn make_connection(
        &self,
        state: &mut State,
        place: usize,
    ) -> ortc::Result<(RTCConnection, RTCConnectionEvents)> {
        let ports = self.ports(state);
        let _runtime = self.runtime.enter();
        let options = RTCConnectionOptions::default()
            .header_extensions(EXTENSIONS.map(|(uri, id)| RTCHeaderExtension::new(uri, id)))
            .relay_only(self.relay_only())
            .auto_restart(true);
        ports.connection(place, &options)
    }

    fn relay_only(&self) -> bool {
        self.options.candidates.is_relay_only() && self.options.socket.is_none()
    }

    pub(super) fn ports(&self, state: &mut State) -> Arc<Ports> {
        if let Some(ports) = &state.ports {
            return ports.clone();
        }
        let mut config = Config::new(&self.runtime);
        config.servers.clone_from(&self.options.ice_servers);
        for server in &state.ice_servers {
            let mut known = RTCIceServer::new("");
            known.urls.clone_from(&server.urls);
            known.username.clone_from(&server.username);
            known.credential.clone_from(&server.credential);
            config.servers.push(known);
        }
        config.include_loopback = self.options.include_loopback;
        config.relay_only = self.relay_only();
        config.bind = self.options.bind;
        config.port_range.clone_from(&self.options.port_range);
        config.external.clone_from(&self.options.external_addresses);
        let (socket, certificate) = (&self.options.socket, &self.options.certificate);
        let ports = match (socket, certificate) {
            (None, None) => Ports::shared(&config),
            _ => Ports::own(&config, socket.clone(), certificate.clone()),
        };
        state.ports = Some(ports.clone());
        ports
    }

    /// The link has this connection from now on.
    pub(super) fn use_connection(
        self: &Arc<Self>,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        connection: RTCConnection,
        events: RTCConnectionEvents,
    ) {
        link.connection = Some(connection.clone());
        if link.caller {
            let options = RTCDataChannelOptions::default().protocol(frame::PROTOCOL);
            match connection.create_data_channel(frame::LABEL, options) {
                Ok(channel) => self.use_channel(room, peer, link, channel),
                Err(error) => {
                    tracing::warn!(target: "ortc_rooms::session", %error, "no data channel");
                }
            }
        }
        self.watch_connection(room, peer, link.instance, events);
    }

    /// Tells the peer of this side of the connection.
    pub(super) fn announce(
        &self,
        me: &UserId,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
    ) {
        let Some(connection) = &link.connection else {
            return;
        };
        let side = connection.local();
        let mut body = json!({ "instance": link.instance, "iceInfo": side });
        if let Some(key) = &link.key {
            let remote = connection.remote().and_then(|side| side.dtls.fingerprint);
            let own = side.dtls.fingerprint;
            let (caller, callee) = match link.caller {
                true => (own, None),
                false => (remote, own),
            };
            let pair = link.pair(me, peer);
            let proof = key.prove(link.side(), pair, caller.as_ref(), callee.as_ref());
            if let Some(object) = body.as_object_mut() {
                object.insert("mac".to_owned(), proof.into());
            }
        }
        self.say(room, Some(peer), &body);
        link.announced = true;
        while let Some(body) = link.held.pop_front() {
            self.say(room, Some(peer), &body);
        }
    }

    /// The connection of before is over; what is to be sent stays.
    pub(super) fn reset_link(&self, entry: &mut RoomEntry, room: &RoomName, peer: &UserId) {
        self.end_received(entry, room, peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        link.said_bye = false;
        link.heard_bye = false;
        link.forwarded.clear();
        link.muted.clear();
        link.spared.clear();
        if let Some(connection) = link.connection.take() {
            connection.close();
        }
        link.announced = false;
        link.held.clear();
        link.accepted = false;
        link.exchange = None;
        link.key = None;
        link.distrusted = false;
        link.sent.clear();
        link.unheard = Unheard::default();
        link.channel = None;
        link.lossy = None;
        link.told_open &= link.open_by_hub;
        link.connected = false;
        link.was_connected = false;
        link.trouble = Some(Trouble::first());
        link.path = None;
        link.bytes = (0, 0);
    }

    /// The pair is not to be connected any longer.
    pub(super) fn end_link(
        &self,
        entry: &mut RoomEntry,
        room: &RoomName,
        peer: &UserId,
        say: bool,
    ) {
        let user = entry.user_or_bare(peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        let (hub, was) = (link.is_hub, link.connected || link.by_hub);
        if say && link.connection.is_some() && link.instance > 0 {
            self.say(room, Some(peer), &about(link.instance, "bye", true));
        }
        link.outbox.close();
        self.reset_link(entry, room, peer);
        if hub {
            self.hub_changed(entry, room);
        }
        if was && !hub {
            self.event(Event::Disconnected {
                room: room.clone(),
                user,
                reason: ortc::DisconnectReason::Closed,
            });
        }
    }

    /// One of the two does not know the secret, or somebody is between.
    pub(super) fn distrust(
        &self,
        entry: &mut RoomEntry,
        room: &RoomName,
        peer: &UserId,
        reason: &str,
        told: bool,
    ) {
        let user = entry.user_or_bare(peer);
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        let instance = link.instance;
        self.reset_link(entry, room, peer);
        if let Some(link) = entry.peers.get_mut(peer) {
            link.distrusted = true;
            link.trouble = None;
        }
        if !told {
            self.say(room, Some(peer), &about(instance, "wrongSecret", true));
        }
        self.event(Event::Impostor {
            room: room.clone(),
            user,
            reason: reason.to_owned(),
        });
    }

    /// The peer's message of the exchange.
    pub(super) fn take_pake(
        &self,
        entry: &mut RoomEntry,
        me: &UserId,
        room: &RoomName,
        peer: &UserId,
        message: &str,
    ) {
        let Some(secret) = &self.options.secret else {
            self.distrust(
                entry,
                room,
                peer,
                "the peer wants a secret proven, and this session has none",
                false,
            );
            return;
        };
        let Some(link) = entry.peers.get_mut(peer) else {
            return;
        };
        let exchange = match link.caller {
            // One answer, no more: each is a guess.
            true => link.exchange.take(),
            false if link.key.is_some() => None,
            false => {
                let pair = link.pair(me, peer);
                let (exchange, message) = Exchange::begin(secret, Side::Callee, pair);
                let body = about(link.instance, "pake", message);
                self.say(room, Some(peer), &body);
                Some(exchange)
            }
        };
        let Some(exchange) = exchange else {
            return;
        };
        match exchange.finish(message) {
            Some(key) => link.key = Some(key),
            None => {
                self.distrust(entry, room, peer, "the peer's proof makes no sense", false);
                return;
            }
        }
        if link.caller {
            self.announce(me, room, peer, link);
        }
    }
}

/// Whether one is reached by a hub rather than directly.
fn reached_by(hub: Option<&UserId>, userid: &UserId) -> bool {
    hub.is_some_and(|hub| hub != userid)
}

/// From how many users on a mesh is large.
fn mesh_limit(entry: &RoomEntry) -> usize {
    usize::try_from(entry.state.policy.mesh_up_to).unwrap_or(usize::MAX)
}
