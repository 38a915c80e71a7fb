//! What comes of peers: their streams and tracks, as they tell of them.

use std::collections::BTreeMap;

use ortc::{Kind, RTCConnection, RTCTrackDescription};
use serde_json::Value;

use super::begun::Begun;
use super::body::{MAX_HUB_STREAMS, MAX_STREAMS, Source, StreamInfo};
use super::event::{Event, Origin, StreamEvent};
use super::state::{RoomEntry, Shared, State};
use super::stream::ReceivedTrack;
use crate::signalling::{Extra, RoomName, SessionKind, UserId};

impl Shared {
    /// The peer's streams, all of them.
    pub(super) fn take_streams(
        &self,
        entry: &mut RoomEntry,
        room: &RoomName,
        from: &UserId,
        streams: Vec<StreamInfo>,
    ) {
        let hub = entry.is_hub(from);
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        let most = match hub {
            true => MAX_HUB_STREAMS,
            false => MAX_STREAMS,
        };
        let listed = streams.into_iter().take(most).map(|mut info| {
            if !hub {
                // Nobody else is believed to speak for others.
                (info.of, info.original) = (None, None);
            }
            (info.id.clone(), info)
        });
        let infos: BTreeMap<String, StreamInfo> = listed.collect();
        link.infos = infos;
        let gone: Vec<Source> = link
            .received
            .iter()
            .filter(|received| !link.infos.contains_key(&received.stream))
            .filter_map(|received| received.source.clone())
            .collect();
        for source in gone {
            self.take_gone(entry, room, from, &source);
        }
        match hub {
            true => {
                for person in entry.persons() {
                    entry.forget_dropped(&person);
                }
            }
            false => entry.forget_dropped(from),
        }
    }

    /// A track of the peer: new, or described anew.
    pub(super) fn take_track(
        &self,
        state: &mut State,
        room: &RoomName,
        from: &UserId,
        track: Value,
    ) {
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let by_hub = entry.is_hub(from);
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        let Some(description) = understood(track) else {
            return;
        };
        if let Some(ssrc) = description.ssrc {
            link.unheard.told(ssrc);
        }
        let source = Source::of(&description);
        let Some(stream_id) = description.msid.first().cloned() else {
            return;
        };
        let info = link.infos.get(&stream_id).cloned();
        let of = info.as_ref().and_then(|info| info.of.clone());
        let connection = link.connection.clone();
        let owner = of.as_ref().unwrap_or(from).clone();
        // A hub sends nothing of its own. Who may not send is not received.
        if by_hub != of.is_some() || !entry.sends(&owner, &state.me) || owner == state.me {
            return;
        }
        let user = entry.user_or_bare(&owner);
        let session = info.as_ref().map(|info| info.session).unwrap_or_default();
        if !self.takes(&description, session) {
            return;
        }
        let Some(connection) = connection else {
            return;
        };
        let track = match connection.receive_track(description) {
            Ok(track) => track,
            Err(error) => {
                self.event(Event::DataError {
                    room: room.clone(),
                    user,
                    error: format!("a track of its is not received: {error}"),
                });
                return;
            }
        };
        let shown = info.as_ref().map_or(stream_id.as_str(), StreamInfo::shown);
        let came = ReceivedTrack {
            shown: shown.to_owned(),
            stream: stream_id,
            of,
            session,
            source,
            track,
            begun: Begun::default(),
        };
        let extra = info.map(|info| info.extra).unwrap_or_default();
        self.received(entry, room, from, &connection, came, extra);
    }

    /// A track is received: its stream is told of first.
    fn received(
        &self,
        entry: &mut RoomEntry,
        room: &RoomName,
        from: &UserId,
        connection: &RTCConnection,
        came: ReceivedTrack,
        stream_extra: Extra,
    ) {
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        if link.received.iter().any(|one| one.track == came.track) {
            return;
        }
        let is_new = !link.received.iter().any(|one| one.stream == came.stream);
        link.received.push(came.clone());
        let info = link.infos.get(&came.stream);
        let private = self.hub && info.is_some_and(StreamInfo::is_private);
        self.pause_again(room, entry, from, &came, is_new);
        // Nor is a hub to record what is for one alone.
        if private {
            return;
        }
        let owner = came.of.as_ref().unwrap_or(from);
        let user = entry.user_or_bare(owner);
        if !self.hub && entry.comes_twice(owner, &came.shown) {
            came.begun.watch(&self.runtime, &came.track);
        }
        let streams = connection.receiving_streams();
        let stream = streams.into_iter().find(|one| one.id() == came.stream);
        if let Some(stream) = stream.filter(|_| is_new) {
            self.event(Event::Stream(StreamEvent {
                room: Some(room.clone()),
                userid: owner.clone(),
                extra: user.extra,
                origin: Origin::Remote,
                stream,
                stream_id: came.shown.clone(),
                session: came.session,
                stream_extra,
            }));
        }
        self.event(Event::Track {
            room: room.clone(),
            userid: user.userid,
            stream_id: came.shown,
            track: came.track,
        });
    }

    fn takes(&self, description: &RTCTrackDescription, session: SessionKind) -> bool {
        let incoming = self.options.incoming;
        match description.kind {
            Kind::Video if session.screen => incoming.screen,
            Kind::Video => incoming.video,
            _ => incoming.audio,
        }
    }

    /// A track of the peer is sent no longer.
    pub(super) fn take_gone(
        &self,
        entry: &mut RoomEntry,
        room: &RoomName,
        from: &UserId,
        source: &Source,
    ) {
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        let Some(at) = link
            .received
            .iter()
            .position(|one| one.source.as_ref() == Some(source))
        else {
            return;
        };
        let gone = link.received.remove(at);
        if let Some(connection) = &link.connection {
            let _ = connection.stop_receiving_track(&gone.track);
        }
        self.ended(entry, room, from, vec![gone]);
    }

    /// Nothing more comes over this connection.
    pub(super) fn end_received(&self, entry: &mut RoomEntry, room: &RoomName, from: &UserId) {
        let link = entry.peers.get_mut(from);
        let gone = link.map(|link| std::mem::take(&mut link.received));
        self.ended(entry, room, from, gone.unwrap_or_default());
    }

    /// Tells of the streams of which nothing comes any more, by no way.
    fn ended(&self, entry: &RoomEntry, room: &RoomName, from: &UserId, gone: Vec<ReceivedTrack>) {
        let mut streams = BTreeMap::new();
        for one in gone {
            let owner = one.of.unwrap_or_else(|| from.clone());
            streams.insert((owner, one.shown), one.session);
        }
        for ((userid, stream_id), session) in streams {
            if !entry.carries(&userid, &stream_id) {
                self.event(Event::StreamEnded {
                    room: Some(room.clone()),
                    userid,
                    session,
                    stream_id,
                });
            }
        }
    }
}

fn understood(track: Value) -> Option<RTCTrackDescription> {
    let description = serde_json::from_value(track);
    description
        .inspect_err(|error| {
            tracing::debug!(target: "ortc_rooms::session", %error, "a track is not understood");
        })
        .ok()
}
