//! Several encodings of one received track. The first is the track itself; each further one is a
//! receiver of its own, reached by `MediaStreamTrack::encoding`.

// Row G43.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Instant;

use super::spec::receiver_spec;
use super::track::ReceivingTrack;
use super::tracks::Receiving;
use crate::connection::core::state::ConnectionState;
use crate::error::{Error, Result};
use crate::media::track::MediaOrigin;
use crate::media::{RTCRtpEncoding, RTCTrackDescription};
use crate::rtp::ReceiverId;

/// The description of the track itself: its first encoding.
pub(crate) fn first_of(mut description: RTCTrackDescription) -> RTCTrackDescription {
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

/// What names the encodings of a track that is told by its MID alone.
fn rids(description: &RTCTrackDescription) -> BTreeSet<&str> {
    let rids = description.encodings.iter();
    rids.filter_map(|encoding| encoding.rid.as_deref())
        .collect()
}

fn has_ssrc(description: &RTCTrackDescription) -> bool {
    let mut encodings = description.encodings.iter();
    description.ssrc.is_some() || encodings.any(|encoding| encoding.ssrc.is_some())
}

impl ConnectionState {
    /// The track that a description without SSRC is of once more, and that description with the
    /// encoding first that the track itself has.
    pub(crate) fn known_by_mid(
        &self,
        mut description: RTCTrackDescription,
    ) -> (Option<ReceiverId>, RTCTrackDescription) {
        let known = self.receiving.by_mid(&description);
        let own = known.and_then(|id| self.receiving.tracks.get(&id));
        let own = own.and_then(|track| track.description.encodings.first()?.rid.clone());
        let mut encodings = description.encodings.iter();
        let at = own.and_then(|own| encodings.position(|one| one.rid.as_ref() == Some(&own)));
        if let Some(others) = at.and_then(|at| description.encodings.get_mut(..=at)) {
            others.rotate_right(1);
        }
        (known, description)
    }

    /// What a track was received by is another thing now.
    pub(crate) fn receive_otherwise(
        &mut self,
        id: ReceiverId,
        description: &RTCTrackDescription,
    ) -> Result<()> {
        let known = self.receiving.tracks.get(&id);
        if known.is_some_and(|known| known.description.kind != description.kind) {
            let mid = description.mid.as_deref().unwrap_or_default();
            return Err(Error::invalid_parameters(format!(
                "MID {mid:?} is that of a track of another kind"
            )));
        }
        // The track itself is another encoding, which was a further one.
        let first = description.encodings.first().map(RTCRtpEncoding::label);
        let layers = self.receiving.layers_of(id);
        if let Some((_, layer)) = layers
            .iter()
            .find(|(label, _)| Some(label) == first.as_ref())
        {
            self.remove_receiving(*layer);
            let others = layers.iter().filter(|(_, other)| other != layer);
            self.receiving.set_layers(id, others.cloned().collect());
        }
        let spec = receiver_spec(description);
        self.engine.update_receiver(Instant::now(), id, spec)
    }

    /// Readies reception of the further encodings of a track.
    pub(crate) fn receive_encodings(
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
                    let level = self.engine.media().audio_level_id();
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

impl Receiving {
    // Row G11, for what has no SSRC: the MID and the RIDs say which track it is.
    fn by_mid(&self, description: &RTCTrackDescription) -> Option<ReceiverId> {
        if has_ssrc(description) || description.mid.is_none() {
            return None;
        }
        let layers = self.tracks.values().flat_map(|track| &track.layers);
        let layers: BTreeSet<ReceiverId> = layers.map(|(_, id)| *id).collect();
        let new = rids(description);
        let is = |known: &RTCTrackDescription| {
            let old = rids(known);
            let same = old.is_empty() || new.is_empty() || !old.is_disjoint(&new);
            same && !has_ssrc(known) && known.mid == description.mid
        };
        let mut known = self.tracks.iter();
        let known = known.find(|(id, track)| !layers.contains(id) && is(&track.description));
        known.map(|(id, _)| *id)
    }

    pub(crate) fn layers_of(&self, id: ReceiverId) -> Vec<(String, ReceiverId)> {
        let track = self.tracks.get(&id);
        track.map(|track| track.layers.clone()).unwrap_or_default()
    }

    pub(crate) fn set_layers(&mut self, id: ReceiverId, layers: Vec<(String, ReceiverId)>) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.layers = layers;
        }
    }

    pub(crate) fn insert_layer(&mut self, id: ReceiverId, track: ReceivingTrack) {
        self.tracks.insert(id, track);
    }

    pub(crate) fn update_layer(&mut self, id: ReceiverId, description: &RTCTrackDescription) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.update(description, &[]);
        }
    }

    /// Lets the track give its encodings by name.
    pub(crate) fn name_encodings(&self, id: ReceiverId, own: Option<String>) {
        if let Some(base) = self.tracks.get(&id) {
            let named = base.layers.iter().filter_map(|(name, layer)| {
                Some((name.clone(), self.tracks.get(layer)?.track.clone()))
            });
            base.track.set_remote_encodings(own, named.collect());
        }
    }
}
