//! RTCTrack: how one track is sent on one connection.

// Rows A69 to A76.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sending_track::{LastState, SendingTrack};
use crate::error::{Error, Misuse, Result};
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCCodec, RTCMediaAttributes, RTCRtpEncoding, RTCTrackDescription};

/// Header extensions of a track, and the bytes of their values.
const MAX_EXT_HEADERS: usize = 4;
const MAX_EXT_BYTES: usize = 255;

// Row G25.
/// The sending side of a track on one connection. Cloning gives another handle to the same.
///
/// Obtained from [`RTCConnection::track`](crate::RTCConnection::track) and
/// [`RTCConnection::tracks`](crate::RTCConnection::tracks). What is set here takes effect with the
/// next packet, without any hidden negotiation: signal [`description`](Self::description) to the
/// peer again.
#[derive(Clone)]
pub struct RTCTrack {
    pub(crate) owner: Arc<dyn SendingOwner>,
    pub(crate) key: u32,
    pub(crate) source: MediaStreamTrack,
    /// The track of media that it is, or that carries its digits.
    pub(crate) carrier: u32,
    pub(crate) last: Arc<LastState>,
}

/// The connection, as its RTCTracks see it.
pub(crate) trait SendingOwner: Send + Sync {
    /// Reads the track's state; an error once the track is removed.
    fn with_track(&self, key: u32, f: &mut dyn FnMut(&SendingTrack)) -> Result<()>;
    /// Changes the track's state; an error also once the connection is closed.
    fn change_track(
        &self,
        key: u32,
        f: &mut dyn FnMut(&mut SendingTrack) -> Result<()>,
    ) -> Result<()>;
    /// Lets the connection act on changed codecs.
    fn codecs_changed(&self, key: u32);
    /// Lets the connection stop reporting the source.
    fn stopped(&self, key: u32);
    /// Has the track go on as another source.
    fn set_ssrc(&self, key: u32, ssrc: u32) -> Result<()>;
    fn remove_track(&self, key: u32) -> Result<()>;
    fn set_encodings(&self, key: u32, encodings: &[RTCRtpEncoding]) -> Result<()>;
}

impl RTCTrack {
    pub(super) fn change(&self, mut f: impl FnMut(&mut SendingTrack) -> Result<()>) -> Result<()> {
        self.owner.change_track(self.key, &mut f)
    }

    pub(super) fn with<T>(&self, mut f: impl FnMut(&SendingTrack) -> T) -> Result<T> {
        let mut result = None;
        let mut read = |track: &SendingTrack| result = Some(f(track));
        let live = self
            .owner
            .with_track(self.key, &mut read)
            .or_else(|_| self.owner.with_track(self.carrier, &mut read));
        match self.last.get() {
            Some(last) if live.is_err() => read(last),
            _ => live?,
        }
        result.ok_or_else(|| Misuse::TrackRemoved.into())
    }

    /// The track that is sent.
    pub fn source(&self) -> &MediaStreamTrack {
        &self.source
    }

    /// Audio or video.
    pub fn kind(&self) -> Kind {
        self.source.kind()
    }

    /// The synchronisation source, chosen by the crate unless it was set.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    pub fn ssrc(&self) -> Result<u32> {
        self.with(|track| track.ssrc)
    }

    // Row G24.
    /// Has the track go on as this source, for peers that agreed on it beforehand. The one it was
    /// ends with BYE if it was heard; signal the description again.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for 0, and for an SSRC that the connection sends or receives already.
    pub fn set_ssrc(&self, ssrc: u32) -> Result<()> {
        self.owner.set_ssrc(self.key, ssrc)
    }

    /// Ids of the streams the track belongs to.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    pub fn msid(&self) -> Result<Vec<String>> {
        self.with(|track| track.msid.clone())
    }

    /// Replaces the stream ids, at most 128.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for more than 128 or malformed ones; `TrackRemoved`; `Closed`.
    pub fn set_msid(&self, msid: Vec<String>) -> Result<()> {
        self.change(|track| {
            track.check(|description| description.msid.clone_from(&msid))?;
            track.msid.clone_from(&msid);
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    // Row A72.
    /// The codecs; the first supported one is used.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    pub fn codecs(&self) -> Result<Vec<RTCCodec>> {
        self.with(|track| track.codecs.clone())
    }

    // Row G25.
    /// Replaces the codecs, also while sending. SSRC and sequence numbers go on, and the source is
    /// asked for a key frame. Audio is sent with redundancy while [`RTCCodec::red`] comes before
    /// its codec.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a malformed codec, one of another kind or a payload type used
    /// twice, `UnsupportedCodec` when none is supported; the codecs in use stay.
    pub fn set_codecs(&self, codecs: Vec<RTCCodec>) -> Result<()> {
        self.change(|track| track.set_codecs(codecs.clone()))?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// Attributes for the encoder and the receiver.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    #[doc(alias = "mediaAttributes")]
    pub fn media_attributes(&self) -> Result<Vec<RTCMediaAttributes>> {
        self.with(|track| track.media_attributes.clone())
    }

    /// Replaces the attributes.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for one out of range.
    pub fn set_media_attributes(&self, attributes: Vec<RTCMediaAttributes>) -> Result<()> {
        self.change(|track| {
            track.check(|description| description.media_attributes = Some(attributes.clone()))?;
            track.media_attributes.clone_from(&attributes);
            Ok(())
        })
    }

    /// Values of header extensions, by URI, that go out with every packet. Those that the
    /// connection's header extensions do not map to an id are signalled, not sent.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    #[doc(alias = "rtpExtHeaders")]
    pub fn header_extension_values(&self) -> Result<BTreeMap<String, String>> {
        self.with(|track| track.header_extension_values.clone())
    }

    /// Replaces these values: at most 4, with at most 255 bytes of values together,
    /// since they go into every packet.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for more; those in use stay.
    pub fn set_header_extension_values(&self, headers: BTreeMap<String, String>) -> Result<()> {
        if headers.len() > MAX_EXT_HEADERS
            || headers.values().map(String::len).sum::<usize>() > MAX_EXT_BYTES
        {
            return Err(Error::invalid_parameters(format!(
                "rtpExtHeaders: at most {MAX_EXT_HEADERS} with {MAX_EXT_BYTES} bytes together"
            )));
        }
        self.change(|track| {
            track.header_extension_values.clone_from(&headers);
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// Sets the identification that goes into the header extension `mid` (RFC 9143).
    ///
    /// # Errors
    ///
    /// `InvalidParameters` unless it has 1 to 255 bytes.
    #[doc(alias = "muxId")]
    pub fn set_mid(&self, mid: Option<String>) -> Result<()> {
        self.change(|track| {
            track.check(|description| description.mid.clone_from(&mid))?;
            track.mid.clone_from(&mid);
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    // Row A73.
    /// A snapshot for signalling.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    #[doc(alias = "getDescription")]
    pub fn description(&self) -> Result<RTCTrackDescription> {
        self.with(|track| track.description())
    }

    // Row A74.
    /// Sends now if connected, else as soon as connected. Idempotent.
    ///
    /// # Errors
    ///
    /// `TrackRemoved`; `Closed`.
    pub fn start(&self) -> Result<()> {
        self.change(|track| {
            track.started = true;
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    // Rows A75, G9.
    /// Stops sending. No BYE; `start` goes on with the same SSRC.
    ///
    /// # Errors
    ///
    /// `TrackRemoved`; `Closed`.
    pub fn stop(&self) -> Result<()> {
        self.change(|track| {
            track.started = false;
            Ok(())
        })?;
        self.owner.stopped(self.key);
        Ok(())
    }

    /// Whether the track is started.
    ///
    /// # Errors
    ///
    /// `TrackRemoved` when the track was gone before this RTCTrack was made; else it can be
    /// read for ever.
    pub fn is_started(&self) -> Result<bool> {
        self.with(|track| track.started)
    }

    // Row A76.
    /// Removes the track from the connection, with BYE; the stream it came from is unchanged. What
    /// it was can be read still; every later call that would change it is [`Misuse::TrackRemoved`].
    ///
    /// # Errors
    ///
    /// [`Misuse::TrackRemoved`] when it was removed before; `Closed`.
    pub fn remove(&self) -> Result<()> {
        self.owner.remove_track(self.key)
    }
}

impl std::fmt::Debug for RTCTrack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RTCTrack")
            .field("key", &self.key)
            .field("source", &self.source)
            .finish()
    }
}
