//! A source that was heard, for the statistics.

use super::spec::rtx_ssrcs;
use crate::connection::stats::rtp::RTCFrameStats;
use crate::engine::RedCounters;
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCTrackDescription};

/// A source, and the track that it is heard on.
pub(crate) struct HeardSource {
    pub(crate) kind: Kind,
    pub(crate) ssrc: u32,
    pub(crate) mid: Option<String>,
    pub(crate) rid: Option<String>,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) frames: Option<RTCFrameStats>,
    pub(crate) red: RedCounters,
}

pub(crate) fn heard_source(
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
        mid: description.mid.clone(),
        rid: description
            .encodings
            .first()
            .and_then(|first| first.rid.clone()),
        rtx_ssrc: rtx.map(|(rtx, _)| rtx),
        frames: track.jitter_stats().map(RTCFrameStats::from),
        red,
    }
}
