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

impl ConnectionState {
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
