//! What the engine must know of a described track.

use crate::engine::{ReceiverRepair, ReceiverSpec, RedFormat};
use crate::media::{
    CodecId, Kind, RTCTrackDescription, red_payload_types, red_primary, rtx_payload_types,
};
use crate::rtp::Declaration;

pub(crate) fn receiver_spec(description: &RTCTrackDescription) -> ReceiverSpec {
    let codecs = &description.codecs;
    ReceiverSpec {
        declaration: Declaration {
            kind: description.kind.as_str(),
            ssrcs: ssrcs(description),
            mid: description.mid.clone(),
            rid: description
                .encodings
                .first()
                .and_then(|first| first.rid.clone()),
            payload_types: codecs.iter().map(|codec| codec.payload_type).collect(),
        },
        clock_rates: codecs
            .iter()
            .map(|codec| match codec.id() {
                // The packets of a digit repeat a timestamp; they say nothing about jitter.
                Some(CodecId::Dtmf) => (codec.payload_type, 0),
                Some(CodecId::Red) => {
                    let carried = red_primary(codecs, codec).unwrap_or(codec);
                    (codec.payload_type, carried.effective_clock_rate())
                }
                _ => (codec.payload_type, codec.effective_clock_rate()),
            })
            .collect(),
        red: red_formats(description),
        streams: description.msid.clone(),
        repair: Some(receiver_repair(description)),
        reduced_size: description
            .rtcp
            .as_ref()
            .is_some_and(|rtcp| rtcp.reduced_size == Some(true)),
    }
}

/// How missing packets of a described track come back. Video is asked for again whatever the
/// description says: a peer that does not know how ignores it.
pub(crate) fn receiver_repair(description: &RTCTrackDescription) -> ReceiverRepair {
    let pairs = rtx_payload_types(&description.codecs);
    ReceiverRepair {
        nack: description.kind == Kind::Video || !pairs.is_empty(),
        rtx_ssrcs: rtx_ssrcs(description),
        payload_types: pairs.iter().map(|(media, rtx)| (*rtx, *media)).collect(),
    }
}

/// The payload types of a described track that carry several packets.
pub(crate) fn red_formats(description: &RTCTrackDescription) -> Vec<RedFormat> {
    let formats = red_payload_types(&description.codecs).into_iter();
    formats
        .map(|(payload_type, carried)| RedFormat {
            payload_type,
            carried,
        })
        .collect()
}

/// Retransmission SSRCs, each with that of the media it repairs.
pub(crate) fn rtx_ssrcs(description: &RTCTrackDescription) -> Vec<(u32, u32)> {
    let rtx = description.rtx.as_ref().and_then(|rtx| rtx.ssrc);
    rtx.zip(description.ssrc).into_iter().collect()
}

/// The SSRCs that packets of a described track have.
pub(crate) fn ssrcs(description: &RTCTrackDescription) -> Vec<u32> {
    let mut ssrcs: Vec<u32> = description.ssrc.into_iter().collect();
    ssrcs.extend(rtx_ssrcs(description).iter().map(|(rtx, _)| *rtx));
    ssrcs
}

pub(crate) fn uses_ssrc(description: &RTCTrackDescription, ssrc: u32) -> bool {
    let rtx = description.rtx.as_ref().and_then(|rtx| rtx.ssrc);
    description.ssrc == Some(ssrc) || description.ssrc.is_some() && rtx == Some(ssrc)
}
