//! The encodings of a sending track.

// Row G43.

use std::collections::BTreeMap;

use super::active::Active;
use super::rtc_track::RTCTrack;
use super::sending_track::SendingTrack;
use crate::error::Result;
use crate::media::{RTCCodec, RTCRtpEncoding};
use crate::trace;

impl RTCTrack {
    /// The encodings that were set, with the SSRCs that they have; empty without simulcast.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    pub fn encodings(&self) -> Result<Vec<RTCRtpEncoding>> {
        self.with(|track| track.description().encodings)
    }

    // Row G43.
    /// Sends several encodings of the track, each with an SSRC of its own. The first is what is
    /// written to the track itself; the others are what is written to
    /// [`MediaStreamTrack::encoding`](crate::MediaStreamTrack::encoding) with their `rid`. Signal
    /// the description again afterwards.
    ///
    /// `rid`, `active` and `codec_payload_type` take effect here; `max_bitrate` and
    /// `resolution_scale` are for the encoder, which is the application's; SSRCs are chosen by the
    /// crate, those given are ignored. An encoding that stays in the list keeps its SSRC. The RID
    /// goes into each packet where the connection has that header extension (RFC 8852).
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a malformed or repeated `rid`, one that is missing where there are
    /// several encodings, or more than 16; `InvalidState` on an encoding, or once removed.
    pub fn set_encodings(&self, encodings: &[RTCRtpEncoding]) -> Result<()> {
        self.owner.set_encodings(self.key, encodings)
    }
}

/// What all encodings of a track have in common.
pub(crate) struct SharedSettings {
    codecs: Vec<RTCCodec>,
    mid: Option<String>,
    header_extension_values: BTreeMap<String, String>,
    msid: Vec<String>,
    started: bool,
}

impl SendingTrack {
    /// Whether media that is written goes out.
    pub(crate) fn is_sent(&self) -> bool {
        let first = self.encodings.first();
        self.started && first.is_none_or(|first| first.active != Some(false))
    }

    pub(crate) fn shared_settings(&self) -> SharedSettings {
        SharedSettings {
            codecs: self.codecs.clone(),
            mid: self.mid.clone(),
            header_extension_values: self.header_extension_values.clone(),
            msid: self.msid.clone(),
            started: self.started,
        }
    }

    /// An encoding follows its track.
    pub(crate) fn take_settings(&mut self, shared: &SharedSettings, own: &RTCRtpEncoding) {
        self.mid.clone_from(&shared.mid);
        self.header_extension_values
            .clone_from(&shared.header_extension_values);
        self.msid.clone_from(&shared.msid);
        self.started = shared.started && own.active != Some(false);
        // They were checked when the track took them.
        if self.codecs != shared.codecs
            && let Err(error) = self.set_codecs(shared.codecs.clone())
        {
            tracing::debug!(target: trace::RTP, %error, "an encoding keeps its codecs");
        }
        self.prefer(own.codec_payload_type);
    }

    /// Sends with the codec of this payload type, if there is one in the list.
    pub(crate) fn prefer(&mut self, payload_type: Option<u8>) {
        if self.preferred == payload_type {
            return;
        }
        self.preferred = payload_type;
        let active = Active::new(&self.codecs, self.preferred, self.active.timestamp);
        if let Ok(active) = active
            && active.codec != self.active.codec
        {
            self.active = active;
        }
    }
}
