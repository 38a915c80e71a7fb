//! Packets of a sending track that are sent again or twice (RFC 4588).

// Row G43.

use std::time::Instant;

use crate::connection::core::state::ConnectionState;
use crate::engine::{RedStream, RtxStream};
use crate::error::Result;
use crate::media::sending::SendingTrack;
use crate::media::{Kind, rtx_payload_types};
use crate::rtp::MediaLabel;

impl ConnectionState {
    /// Has the engine answer requests for packets of a track as its codecs say, and carry packets
    /// twice; and tells it what the track is. Video is always sent again on request; audio only where a codec for it is listed.
    pub(crate) fn apply_repair(&mut self, key: u32) -> Result<()> {
        let Some(track) = self.track(key) else {
            return Ok(());
        };
        let (ssrc, resend) = (track.ssrc, track.source.kind() == Kind::Video);
        let rtx = rtx_stream(track);
        let red = track.red().map(|(payload_type, distance)| RedStream {
            payload_type,
            carried: track.payload_type(),
            distance,
        });
        let label = MediaLabel {
            kind: track.source.kind().as_str(),
            mid: track.mid.clone(),
            streams: track.msid.clone(),
        };
        self.engine.media_mut().label_sender(ssrc, label);
        self.engine.media_mut().set_sender_red(ssrc, red);
        self.engine
            .set_sender_repair(Instant::now(), ssrc, resend, rtx)
    }

    /// The peer uses the SSRC of our retransmissions.
    pub(crate) fn replace_rtx_ssrc(&mut self, old: u32, new: u32) -> Option<u32> {
        let of_old = |(_, track): &(&u32, &mut SendingTrack)| track.rtx_ssrc == old;
        let (&key, track) = self.sending.iter_mut().find(of_old)?;
        track.rtx_ssrc = new;
        self.apply_repair(key).ok()?;
        Some(new)
    }
}

fn rtx_stream(track: &SendingTrack) -> Option<RtxStream> {
    let payload_types = rtx_payload_types(&track.codecs);
    (!payload_types.is_empty()).then(|| RtxStream {
        ssrc: track.rtx_ssrc,
        payload_types,
        // RFC 3711 section 3.3.1, as for the media.
        next_sequence_number: (crate::random::u32() & 0x7fff) as u16,
    })
}
