//! RTCTrack: how one track is sent on one connection (rows A69 to A76).

mod dtmf;
mod encodings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::track::{MediaStreamTrack, MediaStreamTrackEvent};
use super::{
    Kind, Packetizer, Payload, RTCCodec, RTCFecParameters, RTCMediaAttributes, RTCRtcpParameters,
    RTCRtpEncoding, RTCRtxParameters, RTCTrackDescription, TimestampClock, first_supported,
    red_to_send, rtx_payload_types,
};
use crate::error::{Error, Result};

/// RTP payload bytes of one packet: with header, extensions, SRTP tag and UDP/IPv6 headers this
/// stays below the 1,200 to 1,280 bytes that every path carries.
pub(crate) const MAX_PAYLOAD: usize = 1_100;
/// The largest payload that `write_rtp` takes.
pub(crate) const MAX_RTP_PAYLOAD: usize = 1_400;
/// Header extensions of a track, and the bytes of their values.
pub(crate) const MAX_EXT_HEADERS: usize = 4;
const MAX_EXT_BYTES: usize = 255;

/// The sending side of a track on one connection. Cloning gives another handle to the same.
///
/// Obtained from [`RTCConnection::track`](crate::RTCConnection::track) and
/// [`RTCConnection::tracks`](crate::RTCConnection::tracks). What is set here takes effect with the
/// next packet, without any hidden negotiation: signal [`description`](Self::description) to the
/// peer again (row G25).
#[derive(Clone)]
pub struct RTCTrack {
    pub(crate) owner: Arc<dyn SendingOwner>,
    pub(crate) key: u32,
    pub(crate) source: MediaStreamTrack,
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
    fn change(&self, mut f: impl FnMut(&mut SendingTrack) -> Result<()>) -> Result<()> {
        self.owner.change_track(self.key, &mut f)
    }

    fn with<T>(&self, mut f: impl FnMut(&SendingTrack) -> T) -> Result<T> {
        let mut result = None;
        self.owner
            .with_track(self.key, &mut |track| result = Some(f(track)))?;
        result.ok_or_else(|| Error::invalid_state("the track is removed"))
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
    pub fn ssrc(&self) -> Result<u32> {
        self.with(|track| track.ssrc)
    }

    /// Has the track go on as this source (row G24), for peers that agreed on it beforehand. The
    /// one it was ends with BYE if it was heard; signal the description again.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for 0, and for an SSRC that the connection sends or receives already.
    pub fn set_ssrc(&self, ssrc: u32) -> Result<()> {
        self.owner.set_ssrc(self.key, ssrc)
    }

    /// Ids of the streams the track belongs to.
    pub fn msid(&self) -> Result<Vec<String>> {
        self.with(|track| track.msid.clone())
    }

    /// Replaces the stream ids, at most 128.
    pub fn set_msid(&self, msid: Vec<String>) -> Result<()> {
        self.change(|track| {
            track.check(|description| description.msid.clone_from(&msid))?;
            track.msid.clone_from(&msid);
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// The codecs; the first supported one is used (row A72).
    pub fn codecs(&self) -> Result<Vec<RTCCodec>> {
        self.with(|track| track.codecs.clone())
    }

    /// Replaces the codecs, also while sending (row G25). SSRC and sequence numbers go on, and the
    /// source is asked for a key frame. Audio is sent with redundancy while [`RTCCodec::red`] comes
    /// before its codec.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a malformed codec, one of another kind or a payload type used
    /// twice, `NotSupported` when none is supported; the codecs in use stay.
    pub fn set_codecs(&self, codecs: Vec<RTCCodec>) -> Result<()> {
        self.change(|track| track.set_codecs(codecs.clone()))?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// Attributes for the encoder and the receiver.
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

    /// Header extensions by URI that go out with every packet (row A71). Names that the
    /// connection's header extensions do not map to an id are signalled, not sent.
    #[doc(alias = "rtpExtHeaders")]
    pub fn rtp_ext_headers(&self) -> Result<BTreeMap<String, String>> {
        self.with(|track| track.rtp_ext_headers.clone())
    }

    /// Replaces the header extensions: at most 4, with at most 255 bytes of values together,
    /// since they go into every packet.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for more; those in use stay.
    pub fn set_rtp_ext_headers(&self, headers: BTreeMap<String, String>) -> Result<()> {
        if headers.len() > MAX_EXT_HEADERS
            || headers.values().map(String::len).sum::<usize>() > MAX_EXT_BYTES
        {
            return Err(Error::invalid_parameters(format!(
                "rtpExtHeaders: at most {MAX_EXT_HEADERS} with {MAX_EXT_BYTES} bytes together"
            )));
        }
        self.change(|track| {
            track.rtp_ext_headers.clone_from(&headers);
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// Sets the identification that goes into the mid header extension (`muxId`, row G43).
    #[doc(alias = "muxId")]
    ///
    /// # Errors
    ///
    /// `InvalidParameters` unless it has 1 to 255 bytes.
    pub fn set_mux_id(&self, mux_id: Option<String>) -> Result<()> {
        self.change(|track| {
            track.check(|description| description.mux_id.clone_from(&mux_id))?;
            track.mux_id.clone_from(&mux_id);
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// A snapshot for signalling (row A73).
    #[doc(alias = "getDescription")]
    pub fn description(&self) -> Result<RTCTrackDescription> {
        self.with(|track| track.description())
    }

    /// Sends now if connected, else as soon as connected (row A74). Idempotent.
    pub fn start(&self) -> Result<()> {
        self.change(|track| {
            track.started = true;
            Ok(())
        })?;
        self.owner.codecs_changed(self.key);
        Ok(())
    }

    /// Stops sending. No BYE; `start` goes on with the same SSRC (rows A75, G9).
    pub fn stop(&self) -> Result<()> {
        self.change(|track| {
            track.started = false;
            Ok(())
        })?;
        self.owner.stopped(self.key);
        Ok(())
    }

    /// Whether the track is started.
    pub fn is_started(&self) -> Result<bool> {
        self.with(|track| track.started)
    }

    /// Removes the track from the connection, with BYE; the stream it came from is unchanged
    /// (row A76). Every later call on this RTCTrack is `InvalidState`.
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

/// The state behind an RTCTrack; lives in its connection.
pub(crate) struct SendingTrack {
    pub(crate) source: MediaStreamTrack,
    pub(crate) ssrc: u32,
    /// For packets sent again, where the codecs have rtx.
    pub(crate) rtx_ssrc: u32,
    pub(crate) msid: Vec<String>,
    pub(crate) codecs: Vec<RTCCodec>,
    pub(crate) media_attributes: Vec<RTCMediaAttributes>,
    pub(crate) rtp_ext_headers: BTreeMap<String, String>,
    pub(crate) mux_id: Option<String>,
    /// The socket, unless it is the first of the connection.
    pub(crate) socket_id: Option<String>,
    pub(crate) started: bool,
    /// The track this is a further encoding of.
    pub(crate) parent: Option<u32>,
    pub(crate) rid: Option<String>,
    /// All encodings of the track, this one first; empty for an encoding, and without simulcast.
    pub(crate) encodings: Vec<RTCRtpEncoding>,
    /// Payload type of the codec to send with, if it is in the list.
    preferred: Option<u8>,
    /// Frames cut into packets.
    pub(crate) frames_sent: u64,
    active: Active,
    sequence_number: u16,
    payloads: Vec<Payload>,
    /// A moment, and where the media was in it.
    reference: Option<(Instant, u32)>,
    relay: dtmf::Relay,
    pub(crate) dtmf: Option<dtmf::SendingDtmf>,
}

/// The codec in use.
struct Active {
    codec: RTCCodec,
    clock_rate: u32,
    packetizer: Packetizer,
    clock: TimestampClock,
    timestamp: u32,
}

impl Active {
    fn new(codecs: &[RTCCodec], preferred: Option<u8>, timestamp: u32) -> Result<Self> {
        for codec in codecs {
            codec.validate()?;
        }
        let preferred = codecs
            .iter()
            .filter(|codec| Some(codec.payload_id) == preferred)
            .find(|codec| codec.facts().is_some_and(|facts| facts.is_primary));
        let codec = preferred
            .or_else(|| first_supported(codecs))
            .ok_or_else(|| Error::not_supported("none of the codecs can be sent"))?;
        let clock_rate = codec.effective_clock_rate();
        Ok(Self {
            packetizer: Packetizer::for_codec(codec)?,
            clock: TimestampClock::new(clock_rate),
            timestamp,
            clock_rate,
            codec: codec.clone(),
        })
    }
}

/// What a packet of a frame needs to become RTP.
pub(crate) struct FramePacket<'a> {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: &'a [u8],
}

impl SendingTrack {
    /// An SSRC that was used before goes on: numbers used twice are refused.
    pub(crate) fn go_on_with(&mut self, sequence_number: u16) {
        self.sequence_number = sequence_number;
    }

    pub(crate) fn new(
        source: MediaStreamTrack,
        [ssrc, rtx_ssrc]: [u32; 2],
        msid: Vec<String>,
        codecs: Vec<RTCCodec>,
        started: bool,
    ) -> Result<Self> {
        // RFC 3550 section 5.1: sequence number and timestamp start at random.
        let active = Active::new(&codecs, None, crate::random::u32())?;
        Ok(Self {
            source,
            ssrc,
            rtx_ssrc,
            msid,
            codecs,
            media_attributes: Vec::new(),
            rtp_ext_headers: BTreeMap::new(),
            mux_id: None,
            socket_id: None,
            started,
            parent: None,
            rid: None,
            encodings: Vec::new(),
            preferred: None,
            frames_sent: 0,
            active,
            // RFC 3711 section 3.3.1: starting in the lower half keeps a lost first packet from
            // confusing the receiver's roll-over counter.
            sequence_number: (crate::random::u32() & 0x7fff) as u16,
            payloads: Vec::new(),
            reference: None,
            relay: dtmf::Relay::default(),
            dtmf: None,
        })
    }

    pub(crate) fn set_codecs(&mut self, codecs: Vec<RTCCodec>) -> Result<()> {
        let active = Active::new(&codecs, self.preferred, self.active.timestamp)?;
        self.check(|description| description.codecs.clone_from(&codecs))?;
        if active.codec != self.active.codec {
            self.active = active;
            if self.source.kind() == Kind::Video {
                self.source.emit(MediaStreamTrackEvent::KeyframeRequested);
            }
        }
        self.codecs = match self.dtmf {
            Some(_) => dtmf::with_dtmf(codecs, &self.codecs, |_| false),
            None => codecs,
        };
        Ok(())
    }

    /// What the peer would refuse is refused here already.
    fn check(&self, change: impl FnOnce(&mut RTCTrackDescription)) -> Result<()> {
        let mut description = self.description();
        change(&mut description);
        description.validate()
    }

    pub(crate) fn uses_ssrc(&self, ssrc: u32) -> bool {
        self.ssrc == ssrc || self.rtx_ssrc == ssrc
    }

    pub(crate) fn clock_rate(&self) -> u32 {
        self.active.clock_rate
    }

    pub(crate) fn payload_type(&self) -> u8 {
        self.active.codec.payload_id
    }

    /// The payload type of packets that carry earlier ones again, and how many (RFC 2198).
    pub(crate) fn red(&self) -> Option<(u8, usize)> {
        red_to_send(&self.codecs, &self.active.codec)
    }

    pub(crate) fn description(&self) -> RTCTrackDescription {
        let mut description = RTCTrackDescription::new(self.source.kind(), self.codecs.clone());
        description.ssrc = Some(self.ssrc);
        description.msid.clone_from(&self.msid);
        description.socket_id.clone_from(&self.socket_id);
        if !self.media_attributes.is_empty() {
            description.media_attributes = Some(self.media_attributes.clone());
        }
        if !self.rtp_ext_headers.is_empty() {
            description.rtp_ext_headers = Some(self.rtp_ext_headers.clone());
        }
        description.mux_id.clone_from(&self.mux_id);
        description.encodings.clone_from(&self.encodings);
        if rtx_payload_types(&self.codecs).is_empty() {
            for encoding in &mut description.encodings {
                encoding.rtx = None;
            }
        }
        if !rtx_payload_types(&self.codecs).is_empty() {
            description.rtx = Some(RTCRtxParameters {
                ssrc: Some(self.rtx_ssrc),
            });
        }
        description.fec = self.red().map(|_| RTCFecParameters {
            ssrc: None,
            mechanism: Some("red".into()),
        });
        // What this side reads, whatever the peer then sends (RFC 8834 section 4.6).
        description.rtcp = Some(RTCRtcpParameters {
            reduced_size: Some(true),
            ..RTCRtcpParameters::default()
        });
        description
    }

    /// Cuts a frame into packets and hands each to `send`; the timestamp advances by `duration`
    /// whether or not anything is sent.
    pub(crate) fn packetize(
        &mut self,
        now: Instant,
        frame: &Bytes,
        duration: Duration,
        mut send: impl FnMut(FramePacket<'_>) -> Result<()>,
    ) -> Result<()> {
        let timestamp = self.active.timestamp;
        self.skip(now, duration);
        self.payloads.clear();
        self.active
            .packetizer
            .packetize(frame, MAX_PAYLOAD, &mut self.payloads)?;
        self.frames_sent += 1;
        for payload in &self.payloads {
            let sequence_number = self.sequence_number;
            self.sequence_number = sequence_number.wrapping_add(1);
            send(FramePacket {
                marker: payload.marker,
                payload_type: self.active.codec.payload_id,
                sequence_number,
                timestamp: timestamp.wrapping_add(payload.timestamp_offset),
                payload: &payload.payload,
            })?;
        }
        self.payloads.clear();
        Ok(())
    }

    /// Media time passes without anything being sent.
    pub(crate) fn skip(&mut self, now: Instant, duration: Duration) {
        self.reference = Some((now, self.active.timestamp));
        let ticks = self.active.clock.advance(duration);
        self.active.timestamp = self.active.timestamp.wrapping_add(ticks);
    }
}
