//! What a hub does with media: each track comes once, and goes on to all who may have it.

use ortc::july::RTCMediaStreamDescription;
use ortc::{MediaStream, MediaStreamTrack};
use serde_json::json;

use super::body::{Mute, StreamInfo, Want};
use super::kinds::Kinds;
use super::link::{Forwarded, PeerLink};
use super::state::{RoomEntry, Shared};
use super::stream::{LocalStream, Passed, StreamOptions};
use crate::signalling::{RoomName, UserId};

/// A stream that comes.
struct Origin {
    of: UserId,
    info: StreamInfo,
    muted: Kinds,
    tracks: Vec<MediaStreamTrack>,
    /// What is not there may come again: its user's connection is made anew.
    waits: bool,
}

impl Shared {
    /// Brings what goes on to each in line with what comes, and with who may have it.
    pub(super) fn align_forwards(&self, entry: &mut RoomEntry, room: &RoomName) {
        let origins = origins(entry);
        for peer in entry.persons() {
            let may = |origin: &&Origin| {
                let for_it = |to: &Vec<UserId>| to.contains(&peer);
                origin.of != peer
                    && origin.info.to.as_ref().is_none_or(for_it)
                    && entry.sends(&origin.of, &peer)
            };
            let wanted: Vec<&Origin> = origins.iter().filter(may).collect();
            let Some(link) = entry.peers.get_mut(&peer) else {
                continue;
            };
            link.forwarded
                .retain(|one| wanted.iter().any(|origin| origin.is(one)));
            for origin in wanted {
                // What did not go on before does so when it comes.
                if origin.tracks.is_empty() {
                    continue;
                }
                let known = link.forwarded.iter().position(|one| origin.is(one));
                let at = known.unwrap_or_else(|| {
                    link.forwarded.push(origin.begin(link));
                    link.forwarded.len().saturating_sub(1)
                });
                if let Some(one) = link.forwarded.get_mut(at) {
                    let before = origin.bring(one);
                    let now = one.local.muted;
                    let id = one.local.stream.id().to_owned();
                    self.mute_forwarded(room, &peer, link, &id, before, now);
                }
            }
        }
        self.spare(entry, room, &origins);
    }

    /// What nobody wants need not come: its user is told, and told again when somebody does.
    fn spare(&self, entry: &mut RoomEntry, room: &RoomName, origins: &[Origin]) {
        // A recording wants all.
        let recorded = self.recordings.has(room);
        // Nobody is told anew of what is only waited for.
        for origin in origins.iter().filter(|origin| !origin.tracks.is_empty()) {
            let mut unwanted = recorded.then_some(Kinds::NONE);
            for link in entry.peers.values() {
                let Some(one) = link.forwarded.iter().find(|one| origin.is(one)) else {
                    continue;
                };
                let mut sent = link.sent.iter();
                let sent = sent.find(|sent| sent.local.stream == one.local.stream);
                let paused = sent.map(|sent| sent.paused).unwrap_or_default();
                let before = unwanted.unwrap_or(paused);
                unwanted = Some(before.without(before.without(paused)));
            }
            let Some(link) = entry.peers.get_mut(&origin.of) else {
                continue;
            };
            let id = &origin.info.id;
            let before = link.spared.get(id).copied().unwrap_or_default();
            let now = unwanted.unwrap_or_default();
            link.spared.insert(id.clone(), now);
            link.spared.retain(|_, kinds| !kinds.is_none());
            for (kinds, on) in [(now.without(before), true), (before.without(now), false)] {
                if !kinds.is_none() {
                    let body = json!({ "pause": Mute::new(id, kinds, on) });
                    self.tell_peer(room, &origin.of, link, body);
                }
            }
        }
    }

    /// Tells a receiver that parts of a stream were silenced, or are so no longer.
    fn mute_forwarded(
        &self,
        room: &RoomName,
        peer: &UserId,
        link: &mut PeerLink,
        id: &str,
        before: Kinds,
        now: Kinds,
    ) {
        if !link.sent.iter().any(|sent| sent.local.is(id)) {
            return;
        }
        for (kinds, on) in [(now.without(before), true), (before.without(now), false)] {
            if !kinds.is_none() {
                let body = json!({ "mute": Mute::new(id, kinds, on) });
                self.tell_peer(room, peer, link, body);
            }
        }
    }
}

impl PeerLink {
    /// The peer shows one of the streams that it gets in this size.
    pub(super) fn show(&mut self, want: &Want) {
        let mut forwarded = self.forwarded.iter_mut();
        if let Some(one) = forwarded.find(|one| one.local.is(&want.stream)) {
            one.tile = want.height;
            for (_, forward, _) in &one.tracks {
                forward.set_tile(one.tile.map(area));
            }
        }
    }
}

/// Of a picture of this height: the selectors go by that.
fn area(height: u16) -> (u16, u16) {
    (height.saturating_mul(2), height)
}

impl Origin {
    fn is(&self, one: &Forwarded) -> bool {
        let passed = one.local.passed.as_ref();
        passed.is_some_and(|passed| passed.of == self.of) && one.id == self.info.id
    }

    /// For one more receiver: under its own id, unless that receiver gets one of that id already.
    fn begin(&self, link: &PeerLink) -> Forwarded {
        let id = self.info.id.as_str();
        let taken = link.forwarded.iter().any(|one| one.local.is(id));
        let mut named = RTCMediaStreamDescription::default();
        named.stream_id = Some(id.to_owned()).filter(|_| !taken);
        let stream = MediaStream::from_description(&named).unwrap_or_default();
        Forwarded {
            id: self.info.id.clone(),
            local: LocalStream::new(&stream, StreamOptions::default()),
            tile: None,
            tracks: Vec::new(),
        }
    }

    /// Brings it up to date; what was silent of it before.
    fn bring(&self, one: &mut Forwarded) -> Kinds {
        one.local.passed = Some(Passed {
            of: self.of.clone(),
            original: self.info.id.clone(),
            session: self.info.session,
        });
        one.local.options.extra = self.info.extra.clone();
        let stream = one.local.stream.clone();
        self.resume(one);
        one.tracks.retain(|(source, _, sent)| {
            let stays = self.waits || self.tracks.contains(source);
            if !stays {
                stream.remove_track(sent);
            }
            stays
        });
        for source in &self.tracks {
            if one.tracks.iter().any(|(known, ..)| known == source) {
                continue;
            }
            match source.forward() {
                Ok(forward) => {
                    forward.set_tile(one.tile.map(area));
                    let sent = stream.add_track(forward.track());
                    one.tracks.push((source.clone(), forward, sent));
                }
                Err(error) => {
                    tracing::debug!(target: "ortc_rooms::session", %error, "a track is not sent on");
                }
            }
        }
        std::mem::replace(&mut one.local.muted, self.muted)
    }

    /// What comes again over another connection goes on where it was: the receivers have one track
    /// all the time.
    fn resume(&self, one: &mut Forwarded) {
        let known = one.tracks.iter().map(|(source, ..)| source);
        let known: Vec<MediaStreamTrack> = known.cloned().collect();
        let fresh = self.tracks.iter().filter(|track| !known.contains(track));
        for track in fresh {
            let mut ended = one.tracks.iter_mut();
            let ended = ended.find(|(source, ..)| {
                source.kind() == track.kind() && !self.tracks.contains(source)
            });
            if let Some((source, forward, _)) = ended
                && forward.set_source(track).is_ok()
            {
                *source = track.clone();
            }
        }
    }
}

/// The streams that come, of all.
fn origins(entry: &RoomEntry) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::new();
    for (peer, link) in &entry.peers {
        for one in &link.received {
            let known = origins.iter_mut();
            let known = known
                .filter(|origin| origin.of == *peer)
                .find(|origin| origin.info.id == one.stream);
            match (known, link.infos.get(&one.stream)) {
                (Some(known), _) => known.tracks.push(one.track.clone()),
                (None, Some(info)) => origins.push(Origin {
                    of: peer.clone(),
                    info: info.clone(),
                    muted: link.muted.get(&one.stream).copied().unwrap_or_default(),
                    tracks: vec![one.track.clone()],
                    waits: link.again_by.is_some(),
                }),
                // Nothing was told of it: nor can it be of whom it is for.
                (None, None) => {}
            }
        }
        for info in link.infos.values().filter(|_| link.again_by.is_some()) {
            let is = |origin: &Origin| origin.of == *peer && origin.info.id == info.id;
            if !origins.iter().any(is) {
                origins.push(Origin {
                    of: peer.clone(),
                    info: info.clone(),
                    muted: Kinds::NONE,
                    tracks: Vec::new(),
                    waits: true,
                });
            }
        }
    }
    origins
}
