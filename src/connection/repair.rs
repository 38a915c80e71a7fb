//! What descriptions say about packets that are sent again (rows G43, 4588), for the engine.

use std::time::Instant;

use super::shared::ConnectionState;
use super::stats::rtp::RTCFrameStats;
use crate::engine::{ReceiverRepair, RedCounters, RedFormat, RedStream, RtxStream};
use crate::error::Result;
use crate::media::sending::SendingTrack;
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCTrackDescription, red_payload_types, rtx_payload_types};
use crate::rtp::MediaLabel;

impl ConnectionState {
    /// Has the engine answer requests for packets of a track as its codecs say, and carry packets
    /// twice; and tells it what the track is. Video is always sent again on request; audio only where a codec for it is listed.
    pub(super) fn apply_repair(&mut self, key: u32) -> Result<()> {
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
            mid: track.mux_id.clone(),
            streams: track.msid.clone(),
        };
        self.engine.label_sender(ssrc, label);
        self.engine.set_sender_red(ssrc, red);
        self.engine
            .set_sender_repair(Instant::now(), ssrc, resend, rtx)
    }

    /// The peer uses the SSRC of our retransmissions.
    pub(super) fn replace_rtx_ssrc(&mut self, old: u32, new: u32) -> Option<u32> {
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

/// How missing packets of a described track come back. Video is asked for again whatever the
/// description says: a peer that does not know how ignores it.
pub(super) fn receiver_repair(description: &RTCTrackDescription) -> ReceiverRepair {
    let pairs = rtx_payload_types(&description.codecs);
    ReceiverRepair {
        nack: description.kind == Kind::Video || !pairs.is_empty(),
        rtx_ssrcs: rtx_ssrcs(description),
        payload_types: pairs.iter().map(|(media, rtx)| (*rtx, *media)).collect(),
    }
}

/// The payload types of a described track that carry several packets.
pub(super) fn red_formats(description: &RTCTrackDescription) -> Vec<RedFormat> {
    let formats = red_payload_types(&description.codecs).into_iter();
    formats
        .map(|(payload_type, carried)| RedFormat {
            payload_type,
            carried,
        })
        .collect()
}

/// Retransmission SSRCs, each with that of the media it repairs.
fn rtx_ssrcs(description: &RTCTrackDescription) -> Vec<(u32, u32)> {
    let rtx = description.rtx.as_ref().and_then(|rtx| rtx.ssrc);
    rtx.zip(description.ssrc).into_iter().collect()
}

/// The SSRCs that packets of a described track have.
pub(super) fn ssrcs(description: &RTCTrackDescription) -> Vec<u32> {
    let mut ssrcs: Vec<u32> = description.ssrc.into_iter().collect();
    ssrcs.extend(rtx_ssrcs(description).iter().map(|(rtx, _)| *rtx));
    ssrcs
}

pub(super) fn uses_ssrc(description: &RTCTrackDescription, ssrc: u32) -> bool {
    let rtx = description.rtx.as_ref().and_then(|rtx| rtx.ssrc);
    description.ssrc == Some(ssrc) || description.ssrc.is_some() && rtx == Some(ssrc)
}

/// A source that was heard, for the statistics.
pub(crate) struct HeardSource {
    pub(crate) kind: Kind,
    pub(crate) ssrc: u32,
    pub(crate) mid: Option<String>,
    pub(crate) rid: Option<String>,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) frames: Option<RTCFrameStats>,
    pub(crate) red: RedCounters,
}

pub(super) fn heard_source(
    description: &RTCTrackDescription,
    track: &MediaStreamTrack,
    ssrc: u32,
    red: RedCounters,
) -> HeardSource {
    let rtx = rtx_ssrcs(description)
        .into_iter()
        .find(|(_, media)| *media == ssrc);
    HeardSource {
        kind: description.kind,
        ssrc,
        mid: description.mux_id.clone(),
        rid: description
            .encodings
            .first()
            .and_then(|first| first.rid.clone()),
        rtx_ssrc: rtx.map(|(rtx, _)| rtx),
        frames: track.jitter_stats().map(RTCFrameStats::from),
        red,
    }
}
