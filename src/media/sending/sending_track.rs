//! The state behind an RTCTrack: what is sent, as whom, and its packets.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::active::Active;
use super::digits::{Relay, SendingDtmf, with_dtmf};
use super::fed::Fed;
use crate::error::Result;
use crate::media::forward::check_codecs;
use crate::media::track::{MediaStreamTrack, MediaStreamTrackEvent};
use crate::media::{
    Kind, Payload, RTCCodec, RTCFecParameters, RTCMediaAttributes, RTCRtcpParameters,
    RTCRtpEncoding, RTCRtxParameters, RTCTrackDescription, red_to_send, rtx_payload_types,
};

/// RTP payload bytes of one packet: with header, extensions, SRTP tag and UDP/IPv6 headers this
/// stays below the 1,200 to 1,280 bytes that every path carries.
const MAX_PAYLOAD: usize = 1_100;
/// The largest payload that `write_rtp` takes.
pub(crate) const MAX_RTP_PAYLOAD: usize = 1_400;

/// What a track was when it was removed, for whoever reads it still.
pub(crate) type LastState = OnceLock<SendingTrack>;

/// The state behind an RTCTrack; lives in its connection.
pub(crate) struct SendingTrack {
    pub(crate) source: MediaStreamTrack,
    pub(crate) ssrc: u32,
    /// For packets sent again, where the codecs have rtx.
    pub(crate) rtx_ssrc: u32,
    pub(crate) msid: Vec<String>,
    pub(crate) codecs: Vec<RTCCodec>,
    pub(crate) media_attributes: Vec<RTCMediaAttributes>,
    pub(crate) header_extension_values: BTreeMap<String, String>,
    pub(crate) mid: Option<String>,
    /// The socket, unless it is the first of the connection.
    pub(crate) socket_id: Option<String>,
    pub(crate) started: bool,
    /// The track this is a further encoding of.
    pub(crate) parent: Option<u32>,
    pub(crate) rid: Option<String>,
    /// All encodings of the track, this one first; empty for an encoding, and without simulcast.
    pub(crate) encodings: Vec<RTCRtpEncoding>,
    /// Payload type of the codec to send with, if it is in the list.
    pub(super) preferred: Option<u8>,
    /// Frames cut into packets.
    pub(crate) frames_sent: u64,
    /// Packets that were made and not sent.
    pub(crate) discarded: u64,
    pub(super) active: Active,
    pub(super) sequence_number: u16,
    payloads: Vec<Payload>,
    /// A moment, and where the media was in it.
    pub(super) reference: Option<(Instant, u32)>,
    pub(super) relay: Relay,
    pub(crate) dtmf: Option<SendingDtmf>,
    /// How what is forwarded becomes the track's.
    pub(crate) fed: Fed,
    pub(crate) last: Arc<LastState>,
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
            header_extension_values: BTreeMap::new(),
            mid: None,
            socket_id: None,
            started,
            parent: None,
            rid: None,
            encodings: Vec::new(),
            preferred: None,
            frames_sent: 0,
            discarded: 0,
            active,
            // RFC 3711 section 3.3.1: starting in the lower half keeps a lost first packet from
            // confusing the receiver's roll-over counter.
            sequence_number: (crate::random::u32() & 0x7fff) as u16,
            payloads: Vec::new(),
            reference: None,
            relay: Relay::default(),
            dtmf: None,
            fed: Fed::default(),
            last: Arc::default(),
        })
    }

    pub(crate) fn set_codecs(&mut self, codecs: Vec<RTCCodec>) -> Result<()> {
        let active = Active::new(&codecs, self.preferred, self.active.timestamp)?;
        self.check(|description| description.codecs.clone_from(&codecs))?;
        if let Some(source) = self.source.fed_codecs() {
            check_codecs(&source, &codecs)?;
        }
        self.fed.forget_mapping();
        if active.codec != self.active.codec {
            self.active = active;
            if self.source.kind() == Kind::Video && !self.source.is_fed() {
                self.source.emit(MediaStreamTrackEvent::KeyframeRequested);
            }
        }
        self.codecs = match self.dtmf {
            Some(_) => with_dtmf(codecs, &self.codecs, |_| false),
            None => codecs,
        };
        Ok(())
    }

    /// What the peer would refuse is refused here already.
    pub(super) fn check(&self, change: impl FnOnce(&mut RTCTrackDescription)) -> Result<()> {
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
        self.active.codec.payload_type
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
        if !self.header_extension_values.is_empty() {
            description.header_extension_values = Some(self.header_extension_values.clone());
        }
        description.mid.clone_from(&self.mid);
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
                payload_type: self.active.codec.payload_type,
                sequence_number,
                timestamp: timestamp.wrapping_add(payload.timestamp_offset),
                payload: &payload.payload,
            })?;
        }
        self.payloads.clear();
        Ok(())
    }

    pub(crate) fn count_discarded(&mut self, packets: u64) {
        self.discarded = self.discarded.saturating_add(packets);
    }

    /// Media time passes without anything being sent.
    pub(crate) fn skip(&mut self, now: Instant, duration: Duration) {
        self.reference = Some((now, self.active.timestamp));
        let ticks = self.active.clock.advance(duration);
        self.active.timestamp = self.active.timestamp.wrapping_add(ticks);
    }
}
