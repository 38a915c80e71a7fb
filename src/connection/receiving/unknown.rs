//! The `unknowntrack` event.

// Rows A38 to A41, G16.

use bytes::Bytes;

use crate::connection::core::event::RTCConnectionEvent;
use crate::connection::core::shared::ConnectionShared;
use crate::connection::core::state::ConnectionState;
use crate::connection::description::unknown_track::UnknownTrack;
use crate::media::{CodecFacts, Kind, RTCCodec, static_payload_type};
use crate::rtp::{HeaderExtensionValue, RtpPacket};

/// `UnknownTrack` events that wait for the application.
pub(crate) const MAX_WAITING: usize = 64;
/// Elements that are told of one packet: a large datagram may have 30,000 empty ones.
const MAX_HEADERS: usize = 64;

impl ConnectionShared {
    /// Announces sources that nobody declared. When 64 announcements wait, the rest comes with
    /// later packets.
    pub(crate) fn publish_unknown(&self, state: &mut ConnectionState) {
        while let Some(packet) = state.engine.media_mut().poll_unknown() {
            let ssrc = packet.ssrc;
            let event = RTCConnectionEvent::UnknownTrack(state.describe_unknown(&packet));
            let same = |event: &_| matches!(event, RTCConnectionEvent::UnknownTrack(_));
            if !self.events.push_limited(event, MAX_WAITING, same) {
                state.engine.media_mut().announce_later(ssrc);
            }
        }
    }
}

impl ConnectionState {
    fn describe_unknown(&self, packet: &RtpPacket) -> UnknownTrack {
        let ids = self.engine.media().extensions();
        let text = |id: Option<u8>| {
            let value = packet.extensions.get(id?)?;
            let text = std::str::from_utf8(value).ok()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let header_extension_values = packet
            .extensions
            .iter()
            .take(MAX_HEADERS)
            .map(|(id, value)| HeaderExtensionValue {
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
            header_extension_values,
        }
    }

    fn guess_kind(&self, payload_type: u8) -> Option<Kind> {
        let own = self.sending.values().flat_map(|track| &track.codecs);
        self.receiving
            .codecs()
            .chain(own)
            .find(|codec| codec.payload_type == payload_type)
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
