//! One track that a connection receives, and the digits beside it.

use std::sync::Weak;

use super::contributors::Contributors;
use super::digits::{ReceivingDigits, dtmf_codecs};
use super::keyframe_ask::KeyframeAsk;
use crate::budget::Budget;
use crate::media::stream::MediaStream;
use crate::media::track::{MediaOrigin, MediaStreamTrack};
use crate::media::{Kind, RTCTrackDescription};
use crate::rtp::ReceiverId;

pub(crate) struct ReceivingTrack {
    pub(crate) description: RTCTrackDescription,
    pub(crate) track: MediaStreamTrack,
    pub(crate) digits: Option<ReceivingDigits>,
    pub(crate) connected: bool,
    /// A key frame that those who forward it want.
    pub(super) ask: KeyframeAsk,
    pub(super) contributors: Contributors,
    /// Its further encodings, by name.
    pub(crate) layers: Vec<(String, ReceiverId)>,
}

impl ReceivingTrack {
    pub(crate) fn new(
        description: &RTCTrackDescription,
        audio_level_id: Option<u8>,
        origin: Weak<dyn MediaOrigin>,
        id: ReceiverId,
        budget: &Budget,
    ) -> Self {
        let (kind, codecs) = (description.kind, &description.codecs);
        let digits = ReceivingDigits::new(dtmf_codecs(description));
        let track = match &digits {
            Some(digits) if kind == Kind::Dtmf => (*digits.track).clone(),
            _ => MediaStreamTrack::remote(kind, codecs, audio_level_id, origin, id.0, budget),
        };
        Self {
            description: description.clone(),
            track,
            digits,
            connected: false,
            ask: KeyframeAsk::default(),
            contributors: Contributors::default(),
            layers: Vec::new(),
        }
    }

    /// Digits come and go with their codec.
    pub(crate) fn update(&mut self, description: &RTCTrackDescription, streams: &[MediaStream]) {
        self.track.set_codecs(&description.codecs);
        self.description = description.clone();
        let codecs = dtmf_codecs(description);
        self.digits = match self.digits.take() {
            Some(digits) if !codecs.is_empty() => Some(digits.with_codecs(codecs)),
            Some(mut digits) => {
                digits.end();
                streams
                    .iter()
                    .for_each(|stream| stream.remove_track(&digits.track));
                None
            }
            None => ReceivingDigits::new(codecs),
        };
    }

    pub(crate) fn tracks(&self) -> impl Iterator<Item = &MediaStreamTrack> {
        let digits = self.digits.as_ref().map(|digits| &*digits.track);
        std::iter::once(&self.track).chain(digits.filter(|track| **track != self.track))
    }
}
