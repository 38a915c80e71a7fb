//! H.264 payload format, RFC 6184, packetisation modes 0 and 1.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{Corrupt, Frame};
use super::nal::{self, FU_START, UnitHeaders};
use super::numbers::Numbers;
use super::payload::{Cutter, Payload};
use crate::{Error, Result};

const SLICE: u8 = 1;
const PARTITION_A: u8 = 2;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const AUD: u8 = 9;
/// 14 to 18: a prefix, further parameter sets, reserved ones that begin an access unit as well.
const PREFIX: u8 = 14;
const LAST_BEGINNING: u8 = 18;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const TYPE: u8 = 0x1F;
const NRI: u8 = 0x60;
const FORBIDDEN: u8 = 0x80;
const FU_END: u8 = 0x40;

struct Headers;

impl UnitHeaders for Headers {
    const LENGTH: usize = 1;
    const AGGREGATE: u8 = STAP_A;
    const FRAGMENT: u8 = FU_A;
    const FRAGMENT_KIND: u8 = TYPE;

    fn kind(head: u8) -> u8 {
        head & TYPE
    }
}

pub(crate) fn packetize(
    frame: &Bytes,
    max_payload: usize,
    single_nal: bool,
    out: &mut Vec<Payload>,
) -> Result<()> {
    let units = nal::split(frame);
    let types = units
        .iter()
        .map(|unit| unit.first().map_or(0, |b| b & TYPE));
    // RFC 6184 table 1: 24 and up are packet types, not units.
    if units.is_empty()
        || !types.into_iter().all(|kind| (1..STAP_A).contains(&kind))
        || nal::is_length_prefixed(frame, has_header)
    {
        return Err(Error::invalid_parameters(
            "the sample is not an H.264 Annex B byte stream",
        ));
    }
    if single_nal {
        for unit in units {
            if unit.len() > max_payload {
                return Err(Error::not_supported(
                    "an H.264 NAL unit longer than a packet needs packetization-mode=1",
                ));
            }
            out.push(Payload::new(unit, 0));
        }
        return Ok(());
    }
    let mut cutter = Cutter::new(frame.len().saturating_add(frame.len() / 64), out);
    for group in nal::groups(&units, 1, max_payload) {
        match group {
            [unit] if unit.len() <= max_payload => cutter.out.push(Payload::new(unit.clone(), 0)),
            [unit] => fragment(unit, max_payload, &mut cutter),
            _ => aggregate(group, &mut cutter),
        }
    }
    Ok(())
}

/// Whether this is the beginning of a unit that may stand between lengths: a slice, an extension
/// of one, or what is not coded (H.264 table 7-1), an IDR slice never of no importance. Without
/// data partitions and prefixes, which no peer takes: the byte after the header of a parameter set
/// looks like one.
fn has_header(unit: &[u8]) -> bool {
    unit.first().is_some_and(|head| {
        let kind = head & TYPE;
        let known = matches!(kind, SLICE | IDR..=12 | 20);
        head & FORBIDDEN == 0 && known && (kind != IDR || head & NRI != 0)
    })
}

/// STAP-A (RFC 6184 section 5.7.1): F is the OR and NRI the maximum of the units'.
fn aggregate(units: &[Bytes], cutter: &mut Cutter<'_>) {
    let heads = || units.iter().filter_map(|unit| unit.first());
    let forbidden = heads().fold(0, |f, head| f | (head & FORBIDDEN));
    let nri = heads().map(|head| head & NRI).max().unwrap_or(0);
    cutter.buffer.put_u8(forbidden | nri | STAP_A);
    for unit in units {
        cutter
            .buffer
            .put_u16(u16::try_from(unit.len()).unwrap_or(u16::MAX));
        cutter.buffer.extend_from_slice(unit);
    }
    cutter.emit(&[]);
}

/// FU-A (RFC 6184 section 5.8): start and end are never in one fragment.
fn fragment(unit: &Bytes, max_payload: usize, cutter: &mut Cutter<'_>) {
    let Some((&head, body)) = unit.split_first() else {
        return;
    };
    let size = max_payload.saturating_sub(2).max(1);
    let last = body.len().div_ceil(size).saturating_sub(1);
    for (i, chunk) in body.chunks(size).enumerate() {
        let start = if i == 0 { FU_START } else { 0 };
        let end = if i == last { FU_END } else { 0 };
        let indicator = (head & (FORBIDDEN | NRI)) | FU_A;
        cutter.emit(&[&[indicator, (head & TYPE) | start | end], chunk]);
    }
}

/// Whether nothing of the access unit that matters precedes this unit (H.264 section 7.4.1.2.3).
/// A slice does not tell: parameter sets may have come before it.
fn begins(kind: u8) -> bool {
    matches!(kind, AUD | SPS)
}

/// Whether an access unit can begin with this unit (H.264 section 7.4.1.2.3), of which `rest` is
/// what follows its header. A slice begins a picture when its first_mb_in_slice, an Exp-Golomb
/// code (section 7.3.3), is 0: a bit that is set.
fn may_begin(kind: u8, rest: &[u8]) -> bool {
    match kind {
        SLICE | PARTITION_A | IDR => rest.first().is_some_and(|byte| byte & 0x80 != 0),
        SEI | SPS | PPS | AUD | PREFIX..=LAST_BEGINNING => true,
        _ => false,
    }
}

pub(crate) fn starts_frame(payload: &[u8]) -> bool {
    Headers::first_unit(payload).is_some_and(|(kind, _)| begins(kind))
}

pub(crate) fn may_start_frame(payload: &[u8]) -> bool {
    Headers::first_unit(payload).is_some_and(|(kind, rest)| may_begin(kind, rest))
}

/// A picture that nothing before it is needed for, or the parameters that come before one.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    Headers::begins_any(payload, |kind| matches!(kind, SPS | IDR))
}

/// Pictures that no other refers to are a temporal layer above the rest: their slices have a
/// nal_ref_idc of 0, and none of the others' has (H.264 section 7.4.1; RFC 6184 section 5.3).
pub(crate) fn numbers(payload: &[u8]) -> Option<Numbers> {
    let head = *payload.first()?;
    let is_slice = match head & TYPE {
        // Of fragments each tells, not only the first.
        FU_A => payload.get(1)? & TYPE == SLICE,
        _ => {
            let goes_along = |kind| matches!(kind, SLICE | SEI | AUD);
            Headers::begins_any(payload, |kind| kind == SLICE)
                && !Headers::begins_any(payload, |kind| !goes_along(kind))
        }
    };
    (is_slice && head & NRI == 0).then(|| Numbers {
        temporal: 1,
        may_switch_up: true,
        ..Numbers::default()
    })
}

/// Whether there are sequence parameters among the units.
pub(crate) fn has_parameters(packets: &[Bytes]) -> bool {
    Headers::hold_unit(packets, SPS)
}

pub(crate) fn assemble(packets: &[Bytes]) -> std::result::Result<Frame, Corrupt> {
    let mut data = BytesMut::with_capacity(packets.iter().map(|p| p.len() + 4).sum());
    let mut keyframe = false;
    // The type of the unit whose fragments are being joined.
    let mut joining: Option<u8> = None;
    for packet in packets {
        let (&head, body) = packet.split_first().ok_or(Corrupt("empty H.264 payload"))?;
        let kind = head & TYPE;
        if kind == FU_A {
            let (&fu, body) = body.split_first().ok_or(Corrupt("short FU-A"))?;
            let unit = (head & (FORBIDDEN | NRI)) | (fu & TYPE);
            match (joining, fu & FU_START != 0) {
                (None, true) => {
                    data.extend_from_slice(&nal::START_CODE);
                    data.put_u8(unit);
                    keyframe |= fu & TYPE == IDR;
                }
                (Some(joined), false) if joined & TYPE == unit & TYPE => {}
                _ => return Err(Corrupt("FU-A out of order")),
            }
            if !(1..STAP_A).contains(&(fu & TYPE)) {
                return Err(Corrupt("FU-A of a packet type"));
            }
            data.extend_from_slice(body);
            joining = (fu & FU_END == 0).then_some(unit);
            continue;
        }
        if joining.is_some() {
            return Err(Corrupt("FU-A without its end"));
        }
        let units = match kind {
            STAP_A => nal::aggregated(body).ok_or(Corrupt("STAP-A lengths"))?,
            1..STAP_A => vec![packet.as_ref()],
            _ => return Err(Corrupt("unsupported H.264 packet type")),
        };
        for unit in units {
            keyframe |= unit.first().is_some_and(|head| head & TYPE == IDR);
            data.extend_from_slice(&nal::START_CODE);
            data.extend_from_slice(unit);
        }
    }
    if joining.is_some() {
        return Err(Corrupt("FU-A without its end"));
    }
    Ok(Frame {
        data: data.freeze(),
        keyframe: Some(keyframe),
    })
}
