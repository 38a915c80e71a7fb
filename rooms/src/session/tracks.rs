//! Streams and tracks as they are sent, to each peer as it may have them.

use std::collections::BTreeMap;

use ortc::{Kind, RTCCodec, RTCCodecParam, RTCConnection, RTCMediaAttributes, RTCTrack};
use serde_json::json;

use super::body::Mute;
use super::kinds::Kinds;
use super::link::PeerLink;
use super::options::SessionOptions;
use super::state::{RoomEntry, Shared, State, about};
use super::stream::{LocalStream, SentStream};
use crate::signalling::{RoomName, UserId};

impl Shared {
    /// Brings what is sent to the peers of a room in line with what is to be.
    pub(super) fn align_streams(&self, state: &mut State, room: &RoomName) {
        let me = state.me.clone();
        let everywhere = state.streams.clone();
        let Some(entry) = state.rooms.get_mut(room) else {
            return;
        };
        if self.hub {
            self.align_forwards(entry, room);
        }
        let peers: Vec<(UserId, bool)> = entry
            .peers
            .keys()
            .map(|peer| (peer.clone(), entry.sends(&me, peer)))
            .collect();
        let in_room = entry.streams.clone();
        let hub = entry.any_hub().map(|hub| hub.userid.clone());
        let for_some = for_some(entry);
        for (peer, sends) in peers {
            let Some(link) = entry.peers.get_mut(&peer) else {
                continue;
            };
            let mut wanted = Vec::new();
            if sends {
                wanted.extend(everywhere.iter().cloned());
                wanted.extend(in_room.iter().cloned());
                wanted.extend(link.own.iter().cloned());
                wanted.extend(link.forwarded.iter().map(|one| one.local.clone()));
                if hub.as_ref() == Some(&peer) {
                    wanted.extend(for_some.iter().cloned());
                }
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
                changed |= sent.info.as_ref() != Some(&sent.local.info());
                continue;
            }
            if let Err(error) = connection.add_stream(&local.stream) {
                tracing::warn!(target: "ortc_rooms::session", %error, "a stream is not sent");
                continue;
            }
            changed = true;
            let paused = match local.passed.is_some() {
                true => link.held_back,
                false => Kinds::NONE,
            };
            link.sent.push(SentStream {
                local,
                paused,
                told: BTreeMap::new(),
                info: None,
            });
        }
        if changed {
            self.tell_streams(room, peer, link);
        }
        self.tell_tracks(room, peer, link, &connection);
    }

    fn tell_streams(&self, room: &RoomName, peer: &UserId, link: &mut PeerLink) {
        let mut streams = Vec::new();
        for sent in &mut link.sent {
            let info = sent.local.info();
            sent.info = Some(info.clone());
            streams.push(info);
        }
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
                // What is sent on stays as it came.
                if !sent.told.contains_key(&id) && sent.local.passed.is_none() {
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

/// Streams for some alone, as a hub is told of them.
fn for_some(entry: &RoomEntry) -> Vec<LocalStream> {
    let mut streams: Vec<LocalStream> = Vec::new();
    let hub = entry.hub().is_some();
    for (peer, link) in entry.peers.iter().filter(|(_, link)| hub || !link.direct) {
        for own in &link.own {
            let mut known = streams.iter_mut();
            match known.find(|known| known.stream == own.stream) {
                Some(known) => known.to.get_or_insert_default().push(peer.clone()),
                None => streams.push(LocalStream {
                    to: Some(vec![peer.clone()]),
                    ..own.clone()
                }),
            }
        }
    }
    streams
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
