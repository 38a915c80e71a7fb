//! Several encodings of one track (row G43). The first is the track itself; each further one is a
//! sender and a receiver of its own, reached by `MediaStreamTrack::encoding`.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Instant;

use super::receive_track::receiver_spec;
use super::receiving::ReceivingTrack;
use super::shared::{ConnectionShared, ConnectionState};
use crate::error::{Error, Result};
use crate::media::sending::SendingTrack;
use crate::media::track::{MediaOrigin, MediaStreamTrack};
use crate::media::{RTCRtpEncoding, RTCRtxParameters, RTCTrackDescription};
use crate::rtp::ReceiverId;

// ---- sending ------------------------------------------------------------------------------------

/// A track whose media has to start or stop reaching the connection.
struct Plug {
    track: MediaStreamTrack,
    key: u32,
}

impl ConnectionShared {
    /// Replaces the encodings of a sending track. Those that stay keep their SSRC.
    pub(super) fn set_encodings_of(&self, key: u32, encodings: &[RTCRtpEncoding]) -> Result<()> {
        RTCRtpEncoding::validate_all(encodings)?;
        if encodings.len() > 1 && encodings.iter().any(|encoding| encoding.rid.is_none()) {
            return Err(Error::invalid_parameters(
                "encodings: each needs a rid when there are several",
            ));
        }
        let (gone, new) = self.open(|state| state.change_encodings(key, encodings))?;
        for plug in gone {
            self.detach(&plug.track, plug.key);
        }
        for plug in new {
            self.attach(&plug.track, plug.key);
        }
        Ok(())
    }

    /// After the track itself is removed.
    pub(super) fn remove_encodings_of(&self, key: u32, track: &SendingTrack) -> Result<()> {
        let gone = self.open(|state| {
            let children = state.encodings_of(key);
            Ok(children
                .into_iter()
                .filter_map(|(_, child)| state.remove_encoding(child))
                .collect::<Vec<_>>())
        })?;
        for plug in gone.into_iter().chain(first(track, key)) {
            self.detach(&plug.track, plug.key);
        }
        Ok(())
    }
}

/// What is written to the first encoding by its name goes where the track's media goes.
fn first(track: &SendingTrack, key: u32) -> Option<Plug> {
    let rid = track.rid.as_deref()?;
    let track = track.source.encoding(rid)?;
    Some(Plug { track, key })
}

impl ConnectionState {
    /// The further encodings of a track: RID and key.
    fn encodings_of(&self, key: u32) -> Vec<(String, u32)> {
        let children = self.sending.iter();
        children
            .filter(|(_, track)| track.parent == Some(key))
            .filter_map(|(&child, track)| Some((track.rid.clone()?, child)))
            .collect()
    }

    fn remove_encoding(&mut self, child: u32) -> Option<Plug> {
        let track = self.sending.remove(&child)?;
        self.engine.remove_sender(Instant::now(), track.ssrc);
        Some(Plug {
            track: track.source,
            key: child,
        })
    }

    fn change_encodings(
        &mut self,
        key: u32,
        encodings: &[RTCRtpEncoding],
    ) -> Result<(Vec<Plug>, Vec<Plug>)> {
        let track = self
            .sending
            .get(&key)
            .filter(|track| track.parent.is_none());
        let track = track.ok_or_else(|| {
            Error::invalid_state("only a track of media has encodings, and not one of them")
        })?;
        let known = self.encodings_of(key);
        let further = encodings.get(1..).unwrap_or_default();
        let (source, msid, codecs) = (
            track.source.clone(),
            track.msid.clone(),
            track.codecs.clone(),
        );
        let (mut gone, mut new): (Vec<Plug>, Vec<Plug>) =
            (first(track, key).into_iter().collect(), Vec::new());
        for rid in further.iter().filter_map(|encoding| encoding.rid.as_ref()) {
            if known.iter().any(|(known, _)| known == rid) {
                continue;
            }
            let Some(media) = source.encoding(rid) else {
                return Err(Error::invalid_parameters("too many encodings of one track"));
            };
            let ssrc = self.fresh_ssrc();
            let ssrcs = [ssrc, self.fresh_ssrc()];
            let mut child =
                SendingTrack::new(media.clone(), ssrcs, msid.clone(), codecs.clone(), false)?;
            child.parent = Some(key);
            child.rid = Some(rid.clone());
            self.engine.add_sender(ssrc, child.clock_rate(), None)?;
            self.next_key += 1;
            self.sending.insert(self.next_key, child);
            new.push(Plug {
                track: media,
                key: self.next_key,
            });
        }
        let stays = |rid: &String| further.iter().any(|e| e.rid.as_ref() == Some(rid));
        for (rid, child) in known {
            if !stays(&rid) {
                gone.extend(self.remove_encoding(child));
            }
        }
        if let Some(track) = self.sending.get_mut(&key) {
            track.rid = encodings.first().and_then(|encoding| encoding.rid.clone());
            track.encodings = encodings.to_vec();
            new.extend(first(track, key));
        }
        self.sync_encodings(key);
        Ok((gone, new))
    }

    /// Brings the encodings of a track in line with it.
    pub(super) fn sync_encodings(&mut self, key: u32) {
        let key = self
            .sending
            .get(&key)
            .and_then(|track| track.parent)
            .unwrap_or(key);
        let Some(parent) = self.sending.get_mut(&key) else {
            return;
        };
        let settings = parent.encodings.clone();
        parent.prefer(
            settings
                .first()
                .and_then(|encoding| encoding.codec_payload_type),
        );
        let shared = parent.shared_settings();
        let mut all = vec![(0, key)];
        for (rid, child) in self.encodings_of(key) {
            let at = settings.iter().position(|e| e.rid.as_ref() == Some(&rid));
            let (Some(at), Some(track)) = (at, self.sending.get_mut(&child)) else {
                continue;
            };
            if let Some(setting) = settings.get(at) {
                track.take_settings(&shared, setting);
            }
            all.push((at, child));
        }
        for (at, key) in all {
            let Some(track) = self.sending.get(&key) else {
                continue;
            };
            let (ssrc, rtx, sent) = (track.ssrc, track.rtx_ssrc, track.is_sent());
            let (clock_rate, mid) = (track.clock_rate(), track.mux_id.clone());
            let rid = track.rid.clone();
            self.engine.update_sender(ssrc, clock_rate, mid);
            self.engine.set_sender_rid(ssrc, rid);
            if !sent {
                self.engine.stop_sender(ssrc);
            }
            if let Err(error) = self.apply_repair(key) {
                tracing::debug!(%error, "packets of the track are not sent again");
            }
            let parent = self
                .sending
                .get(&key)
                .and_then(|track| track.parent)
                .unwrap_or(key);
            let parent = self.sending.get_mut(&parent);
            if let Some(entry) = parent.and_then(|parent| parent.encodings.get_mut(at)) {
                entry.ssrc = Some(ssrc);
                entry.rtx = Some(RTCRtxParameters { ssrc: Some(rtx) });
            }
        }
    }
}

// ---- receiving ----------------------------------------------------------------------------------

/// The description of the track itself: its first encoding.
pub(super) fn first_of(mut description: RTCTrackDescription) -> RTCTrackDescription {
    if let Some(first) = description.encodings.first() {
        description.ssrc = first.ssrc.or(description.ssrc);
        description.rtx = first.rtx.clone().or(description.rtx);
    }
    description
}

fn layer_of(description: &RTCTrackDescription, encoding: &RTCRtpEncoding) -> RTCTrackDescription {
    RTCTrackDescription {
        ssrc: encoding.ssrc,
        rtx: encoding.rtx.clone(),
        msid: Vec::new(),
        encodings: vec![encoding.clone()],
        ..description.clone()
    }
}

impl ConnectionState {
    /// Readies reception of the further encodings of a track.
    pub(super) fn receive_encodings(
        &mut self,
        base: ReceiverId,
        description: &RTCTrackDescription,
        origin: &Weak<dyn MediaOrigin>,
    ) -> Result<()> {
        let now = Instant::now();
        let further = description.encodings.get(1..).unwrap_or_default();
        let wanted: BTreeSet<String> = further.iter().map(RTCRtpEncoding::label).collect();
        let known = self.receiving.layers_of(base);
        for (label, layer) in &known {
            if !wanted.contains(label) {
                self.remove_receiving(*layer);
            }
        }
        let mut layers = Vec::new();
        for encoding in further {
            let (label, layer) = (encoding.label(), layer_of(description, encoding));
            let spec = receiver_spec(&layer);
            let id = match known.iter().find(|(known, _)| *known == label) {
                Some(&(_, id)) => {
                    self.engine.update_receiver(now, id, spec)?;
                    self.receiving.update_layer(id, &layer);
                    id
                }
                None => {
                    let id = self.engine.add_receiver(now, spec)?;
                    if self.receiving.track_of(id).is_some() {
                        return Err(Error::invalid_parameters(format!(
                            "the SSRC of encoding {label} belongs to another track"
                        )));
                    }
                    let level = self.engine.audio_level_id();
                    let budget = self.receiving.budget();
                    let track = ReceivingTrack::new(&layer, level, origin.clone(), id, budget);
                    self.receiving.insert_layer(id, track);
                    id
                }
            };
            layers.push((label, id));
            self.receiving.set_layers(base, layers.clone());
        }
        self.receiving.set_layers(base, layers);
        let own = description.encodings.first().map(RTCRtpEncoding::label);
        self.receiving.name_encodings(base, own);
        Ok(())
    }
}
