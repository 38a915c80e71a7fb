//! Several encodings of one sent track. The first is the track itself; each further one is a sender
//! of its own, reached by `MediaStreamTrack::encoding`.

// Row G43.

use std::time::Instant;

use crate::connection::core::shared::ConnectionShared;
use crate::connection::core::state::ConnectionState;
use crate::error::{Error, Result};
use crate::media::sending::SendingTrack;
use crate::media::track::MediaStreamTrack;
use crate::media::{RTCRtpEncoding, RTCRtxParameters};
use crate::trace;

/// A track whose media has to start or stop reaching the connection.
struct Plug {
    track: MediaStreamTrack,
    key: u32,
}

impl ConnectionShared {
    /// Replaces the encodings of a sending track. Those that stay keep their SSRC.
    pub(crate) fn set_encodings_of(&self, key: u32, encodings: &[RTCRtpEncoding]) -> Result<()> {
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
    pub(crate) fn remove_encodings_of(&self, key: u32, track: &SendingTrack) -> Result<()> {
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
            self.engine
                .media_mut()
                .add_sender(ssrc, child.clock_rate(), None)?;
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
    pub(crate) fn sync_encodings(&mut self, key: u32) {
        let key = self
            .sending
            .get(&key)
            .and_then(|track| track.parent)
            .unwrap_or(key);
        let Some(parent) = self.sending.get_mut(&key) else {
            return;
        };
        let settings = parent.encodings.clone();
        let first = settings.first();
        let chosen = first.and_then(|encoding| encoding.codec_payload_type);
        parent.prefer(chosen.or(parent.fed_as()));
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
            let (clock_rate, mid) = (track.clock_rate(), track.mid.clone());
            let rid = track.rid.clone();
            self.engine.media_mut().update_sender(ssrc, clock_rate, mid);
            self.engine.media_mut().set_sender_rid(ssrc, rid);
            if !sent {
                self.engine.media_mut().stop_sender(ssrc);
            }
            if let Err(error) = self.apply_repair(key) {
                let span = self.engine.span();
                tracing::debug!(target: trace::RTP, parent: span, %error, "packets of the track are not sent again");
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
