//! Streams and tracks: sent to each peer as it may have them, received as peers tell of them.

use std::collections::BTreeMap;

use ortc::{
    Kind, RTCCodec, RTCCodecParam, RTCConnection, RTCMediaAttributes, RTCTrack, RTCTrackDescription,
};
use serde_json::{Value, json};

use super::body::{MAX_STREAMS, Mute, StreamInfo};
use super::event::{Event, Origin, StreamEvent};
use super::kinds::Kinds;
use super::link::PeerLink;
use super::options::SessionOptions;
use super::state::{Shared, State, about};
use super::stream::{LocalStream, ReceivedTrack, SentStream};
use crate::signalling::{RoomName, SessionKind, UserId};

impl Shared {
    /// Brings what is sent to the peers of a room in line with what is to be.
    pub(super) fn align_streams(&self, state: &mut State, room: &RoomName) {
        let me = state.me.clone();
        let everywhere = state.streams.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        let peers: Vec<(UserId, bool)> = entry
            .peers
            .keys()
            .map(|peer| (peer.clone(), entry.sends(&me, peer)))
            .collect();
        let in_room = entry.streams.clone();
        for (peer, sends) in peers {
            let Some(link) = entry.peers.get_mut(&peer) else {
                continue;
            };
            let mut wanted = Vec::new();
            if sends {
                wanted.extend(everywhere.iter().cloned());
                wanted.extend(in_room.iter().cloned());
                wanted.extend(link.own.iter().cloned());
            }
            self.send_streams(room, &peer, link, wanted);
        }
    }

    fn send_streams(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        wanted: Vec<LocalStream>,
    ) {
        // A callee tells nothing of itself before the caller is accepted.
        let Some(connection) = link
            .connection
            .clone()
            .filter(|_| link.caller || link.accepted)
        else {
            return;
        };
        let mut changed = false;
        let keep = |sent: &SentStream| wanted.iter().any(|one| one.stream == sent.local.stream);
        let (kept, dropped): (Vec<_>, Vec<_>) = link.sent.drain(..).partition(keep);
        link.sent = kept;
        for sent in dropped {
            changed = true;
            let _ = connection.remove_stream(&sent.local.stream);
            for description in sent.told.values() {
                if let Some(ssrc) = description.ssrc {
                    let body = about(link.instance, "gone", ssrc.to_string());
                    self.tell_peer(room, peer, link, body);
                }
            }
        }
        for local in wanted {
            let known = link.sent.iter_mut();
            if let Some(sent) = known
                .into_iter()
                .find(|sent| sent.local.stream == local.stream)
            {
                sent.local = local;
                continue;
            }
            if let Err(error) = connection.add_stream(&local.stream) {
                tracing::warn!(target: "ortc_rooms::session", %error, "a stream is not sent");
                continue;
            }
            changed = true;
            link.sent.push(SentStream {
                local,
                paused: Kinds::NONE,
                told: BTreeMap::new(),
            });
        }
        if changed {
            self.tell_streams(room, peer, link);
        }
        self.tell_tracks(room, peer, link, &connection);
    }

    fn tell_streams(&self, room: &RoomName, peer: &UserId, link: &mut PeerLink) {
        let streams: Vec<StreamInfo> = link
            .sent
            .iter()
            .map(|sent| StreamInfo {
                id: sent.local.stream.id().to_owned(),
                session: sent.local.session(),
                extra: sent.local.options.extra.clone(),
            })
            .collect();
        self.tell_peer(room, peer, link, json!({ "streams": streams }));
        for at in 0..link.sent.len() {
            let Some(sent) = link.sent.get(at).filter(|sent| !sent.local.muted.is_none()) else {
                continue;
            };
            let mute = Mute::new(sent.local.stream.id(), sent.local.muted, true);
            self.tell_peer(room, peer, link, json!({ "mute": mute }));
        }
    }

    /// Tells of the tracks that are new or described otherwise than before, and starts and stops
    /// them.
    pub(super) fn tell_tracks(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        connection: &RTCConnection,
    ) {
        let mut bodies = Vec::new();
        for sent in &mut link.sent {
            let silent = sent.local.muted.with(sent.paused);
            let tracks = sent.local.stream.tracks();
            for source in tracks.iter().filter(|track| track.kind() != Kind::Dtmf) {
                let Some(track) = connection.track(source) else {
                    continue;
                };
                let id = source.id().to_owned();
                if !sent.told.contains_key(&id) {
                    prepare(&self.options, &sent.local.options.codecs, &track);
                }
                let runs = !silent.has(source.kind());
                if track.is_started().is_ok_and(|started| started != runs) {
                    let _ = match runs {
                        true => track.start(),
                        false => track.stop(),
                    };
                }
                let Ok(description) = track.description() else {
                    continue;
                };
                if sent.told.get(&id) != Some(&description) {
                    bodies.push(about(link.instance, "track", &description));
                    sent.told.insert(id, description);
                }
            }
            let is = |id: &String| tracks.iter().any(|track| track.id() == id);
            let gone: Vec<String> = sent.told.keys().filter(|id| !is(id)).cloned().collect();
            for id in gone {
                let told = sent.told.remove(&id);
                if let Some(ssrc) = told.and_then(|description| description.ssrc) {
                    bodies.push(about(link.instance, "gone", ssrc.to_string()));
                }
            }
        }
        for body in bodies {
            self.tell_peer(room, peer, link, body);
        }
    }

    /// Tells all of it once more: what was said may have been lost.
    pub(super) fn tell_again(&self, room: &RoomName, peer: &UserId, link: &mut PeerLink) {
        let Some(connection) = link.connection.clone() else {
            return;
        };
        for sent in &mut link.sent {
            let tracks = sent.local.stream.tracks();
            sent.told
                .retain(|id, _| !tracks.iter().any(|track| track.id() == id));
        }
        self.tell_streams(room, peer, link);
        self.tell_tracks(room, peer, link, &connection);
    }

    /// The peer's streams, all of them.
    pub(super) fn take_streams(
        &self,
        room: &RoomName,
        from: &UserId,
        link: &mut PeerLink,
        streams: Vec<StreamInfo>,
    ) {
        let listed = streams.into_iter().take(MAX_STREAMS);
        let infos: BTreeMap<String, StreamInfo> =
            listed.map(|info| (info.id.clone(), info)).collect();
        let before = std::mem::replace(&mut link.infos, infos);
        let gone: Vec<String> = before
            .into_keys()
            .filter(|id| !link.infos.contains_key(id))
            .collect();
        for id in gone {
            let ssrcs: Vec<u32> = link
                .received
                .iter()
                .filter(|received| received.stream == id)
                .filter_map(|received| received.ssrc)
                .collect();
            for ssrc in ssrcs {
                self.take_gone(room, from, link, ssrc);
            }
        }
        link.forget_dropped();
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
        // Who may not send is not received.
        if !entry.sends(from, &state.me) {
            return;
        }
        let user = entry.user_or_bare(from);
        let Some(link) = entry.peers.get_mut(from) else {
            return;
        };
        let Some(description) = understood(track) else {
            return;
        };
        if let Some(ssrc) = description.ssrc {
            link.unheard.told(ssrc);
        }
        let Some(stream_id) = description.msid.first().cloned() else {
            return;
        };
        let info = link.infos.get(&stream_id).cloned();
        let session = info.as_ref().map(|info| info.session).unwrap_or_default();
        if !self.takes(&description, session) {
            return;
        }
        let Some(connection) = link.connection.clone() else {
            return;
        };
        let ssrc = description.ssrc;
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
        if link.received.iter().any(|received| received.track == track) {
            return;
        }
        let is_new = !link.received.iter().any(|one| one.stream == stream_id);
        link.received.push(ReceivedTrack {
            stream: stream_id.clone(),
            ssrc,
            track: track.clone(),
        });
        self.pause_again(room, from, link, &stream_id, is_new);
        let streams = connection.receiving_streams();
        let stream = streams.into_iter().find(|one| one.id() == stream_id);
        if let Some(stream) = stream.filter(|_| is_new) {
            self.event(Event::Stream(StreamEvent {
                room: Some(room.clone()),
                userid: from.clone(),
                extra: user.extra,
                origin: Origin::Remote,
                stream,
                stream_id: stream_id.clone(),
                session,
                stream_extra: info.map(|info| info.extra).unwrap_or_default(),
            }));
        }
        self.event(Event::Track {
            room: room.clone(),
            userid: from.clone(),
            stream_id,
            track,
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
    pub(super) fn take_gone(&self, room: &RoomName, from: &UserId, link: &mut PeerLink, ssrc: u32) {
        let Some(at) = link.received.iter().position(|one| one.ssrc == Some(ssrc)) else {
            return;
        };
        let gone = link.received.remove(at);
        if let Some(connection) = &link.connection {
            let _ = connection.stop_receiving(ssrc);
        }
        if !link.received.iter().any(|one| one.stream == gone.stream) {
            self.stream_ended(room, from, link, gone.stream);
        }
    }

    /// Nothing more comes over this connection.
    pub(super) fn end_received(&self, room: &RoomName, from: &UserId, link: &mut PeerLink) {
        let mut ids: Vec<String> = link.received.drain(..).map(|one| one.stream).collect();
        ids.dedup();
        ids.sort();
        ids.dedup();
        for id in ids {
            self.stream_ended(room, from, link, id);
        }
    }

    fn stream_ended(&self, room: &RoomName, from: &UserId, link: &PeerLink, stream_id: String) {
        let info = link.infos.get(&stream_id);
        self.event(Event::StreamEnded {
            room: Some(room.clone()),
            userid: from.clone(),
            session: info.map(|info| info.session).unwrap_or_default(),
            stream_id,
        });
    }

    /// The peer wants part of a stream no longer, or again.
    pub(super) fn take_pause(
        &self,
        room: &RoomName,
        from: &UserId,
        link: &mut PeerLink,
        pause: &Mute,
    ) {
        let mut sent = link.sent.iter_mut();
        let Some(sent) = sent.find(|sent| sent.local.is(&pause.stream)) else {
            return;
        };
        sent.paused = match pause.on {
            true => sent.paused.with(pause.kinds),
            false => sent.paused.without(pause.kinds),
        };
        if let Some(connection) = link.connection.clone() {
            self.tell_tracks(room, from, link, &connection);
        }
    }
}

/// A track that is new on a connection: its codecs and limits.
fn prepare(options: &SessionOptions, codecs: &[RTCCodec], track: &RTCTrack) {
    let kind = track.kind();
    let of_kind = codecs
        .iter()
        .filter(|codec| is_audio(codec) == (kind == Kind::Audio));
    let mut chosen: Vec<RTCCodec> = of_kind.cloned().collect();
    if chosen.is_empty() {
        chosen = track.codecs().unwrap_or_default();
    }
    for codec in &mut chosen {
        if codec.name.eq_ignore_ascii_case("opus") {
            let frames = options.framerate;
            let mut add = |name: &str, value: u32| {
                if !codec.params.iter().any(|param| param.name == name) {
                    codec
                        .params
                        .push(RTCCodecParam::new(name, value.to_string()));
                }
            };
            add("minptime", frames.minptime);
            add("maxptime", frames.maxptime);
        }
    }
    if let Err(error) = track.set_codecs(chosen) {
        tracing::warn!(target: "ortc_rooms::session", %error, "the codecs of a track");
    }
    let mut attributes = RTCMediaAttributes::default();
    let kilobits = match kind {
        Kind::Video => {
            let (width, height) = options.media.max;
            attributes.video_max_width = i32::try_from(width).ok();
            attributes.video_max_height = i32::try_from(height).ok();
            attributes.max_framerate = options.media.max_frame_rate;
            options.bandwidth.video
        }
        _ => options.bandwidth.audio,
    };
    attributes.max_bitrate = kilobits.map(|kilobits| u64::from(kilobits).saturating_mul(1000));
    if let Err(error) = track.set_media_attributes(vec![attributes]) {
        tracing::warn!(target: "ortc_rooms::session", %error, "the limits of a track");
    }
}

fn is_audio(codec: &RTCCodec) -> bool {
    const NAMES: [&str; 10] = [
        "opus",
        "ulaw",
        "pcmu",
        "alaw",
        "pcma",
        "g722",
        "cn",
        "red",
        "dtmf",
        "telephone-event",
    ];
    match codec.kind {
        Some(kind) => kind != Kind::Video,
        None => NAMES
            .iter()
            .any(|name| codec.name.eq_ignore_ascii_case(name)),
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
