//! The `unknowntrack` event (rows A38 to A41, G16): what can be said of a source that nobody
//! declared.

use bytes::Bytes;

use super::event::RTCConnectionEvent;
use super::shared::{ConnectionShared, ConnectionState};
use crate::media::{CodecFacts, Kind, RTCCodec, RTCTrackDescription, static_payload_type};
use crate::rtp::RtpPacket;

/// `UnknownTrack` events that wait for the application.
pub(crate) const MAX_WAITING: usize = 64;
/// Elements that are told of one packet: a large datagram may have 30,000 empty ones.
const MAX_HEADERS: usize = 64;

/// A source that no `receive_track` declared, as its first packet shows it.
///
/// Two ways to identify it without any signalling of SSRCs: a header extension value that both
/// sides agreed on ([`header`](Self::header), row A40), or `mid`. To receive it, pass
/// [`description`](Self::description) to [`receive_track`](crate::RTCConnection::receive_track);
/// its first packets are not lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTrack {
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload type of the first packet.
    pub payload_type: u8,
    /// A guess at what it carries, by the payload type: as this connection's tracks use it, or as
    /// RFC 3551 assigns it. `None`: no idea.
    pub kind: Option<Kind>,
    /// The media identification (RFC 9143), if the extension is in the connection's
    /// `header_extensions`.
    pub mid: Option<String>,
    /// The RTP stream identifier (RFC 8852), likewise.
    pub rid: Option<String>,
    /// Contributing sources.
    pub csrcs: Vec<u32>,
    /// All header extension elements of the first packet, in the order they came; the
    /// first 64.
    #[doc(alias = "rtpExtHeaders")]
    pub rtp_ext_headers: Vec<RtpExtHeader>,
}

/// A header extension element of a packet (RFC 8285).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpExtHeader {
    /// What it means; `None` when the connection's `header_extensions` do not name the id.
    pub uri: Option<String>,
    /// The identifier on the wire, 1 to 255.
    pub id: u8,
    /// The value, at most 255 bytes.
    pub value: Bytes,
}

impl UnknownTrack {
    /// The value of the header extension with this URI.
    pub fn header(&self, uri: &str) -> Option<&[u8]> {
        self.rtp_ext_headers
            .iter()
            .find(|header| header.uri.as_deref() == Some(uri))
            .map(|header| header.value.as_ref())
    }

    /// A description that receives exactly this source, with these codecs.
    pub fn description(
        &self,
        kind: Kind,
        codecs: impl IntoIterator<Item = RTCCodec>,
    ) -> RTCTrackDescription {
        let mut description = RTCTrackDescription::new(kind, codecs.into_iter().collect());
        description.ssrc = Some(self.ssrc);
        description
    }
}

impl ConnectionShared {
    /// Announces sources that nobody declared. When 64 announcements wait, the rest comes with
    /// later packets.
    pub(super) fn publish_unknown(&self, state: &mut ConnectionState) {
        while let Some(packet) = state.engine.poll_unknown() {
            let ssrc = packet.ssrc;
            let event = RTCConnectionEvent::UnknownTrack(state.describe_unknown(&packet));
            let same = |event: &_| matches!(event, RTCConnectionEvent::UnknownTrack(_));
            if !self.events.push_limited(event, MAX_WAITING, same) {
                state.engine.announce_later(ssrc);
            }
        }
    }
}

impl ConnectionState {
    fn describe_unknown(&self, packet: &RtpPacket) -> UnknownTrack {
        let ids = self.engine.extensions();
        let text = |id: Option<u8>| {
            let value = packet.extensions.get(id?)?;
            let text = std::str::from_utf8(value).ok()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let rtp_ext_headers = packet
            .extensions
            .iter()
            .take(MAX_HEADERS)
            .map(|(id, value)| RtpExtHeader {
                uri: ids.uri(id).map(str::to_owned),
                id,
                value: Bytes::copy_from_slice(value),
            })
            .collect();
        UnknownTrack {
            ssrc: packet.ssrc,
            payload_type: packet.payload_type,
            kind: self.guess_kind(packet.payload_type),
            mid: text(ids.mid),
            rid: text(ids.rid),
            csrcs: packet.csrcs.clone(),
            rtp_ext_headers,
        }
    }

    fn guess_kind(&self, payload_type: u8) -> Option<Kind> {
        let own = self.sending.values().flat_map(|track| &track.codecs);
        self.receiving
            .codecs()
            .chain(own)
            .find(|codec| codec.payload_id == payload_type)
            .and_then(RTCCodec::effective_kind)
            .or_else(|| static_payload_type(payload_type).map(|facts: &CodecFacts| facts.kind))
            // Digits travel in the packets of an audio track.
            .map(|kind| {
                if kind == Kind::Dtmf {
                    Kind::Audio
                } else {
                    kind
                }
            })
    }
}
