//! Synthetic frames for the tests of this module.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;

use super::RTCCodec;
use crate::simnet::Rng;

pub(super) fn vp8_frame(rng: &mut Rng, len: usize, key: bool) -> Bytes {
    let mut data = rng.bytes_but_0(len);
    data[0] = if key { data[0] & !1 } else { data[0] | 1 };
    data.into()
}

pub(super) fn vp9_frame(rng: &mut Rng, len: usize, key: bool) -> Bytes {
    let mut data = rng.bytes_but_0(len);
    data[0] = if key { 0x82 } else { 0x86 };
    data.into()
}

fn annex_b(units: &[Vec<u8>]) -> Bytes {
    let units = units.iter().flat_map(|unit| [&[0, 0, 0, 1], &unit[..]]);
    units.collect::<Vec<_>>().concat().into()
}

/// A unit whose payload holds emulation prevention, as real ones do, and does not end in 0.
fn unit(rng: &mut Rng, head: &[u8], len: usize) -> Vec<u8> {
    let mut data = head.to_vec();
    while data.len() < len {
        if rng.percent(2) {
            data.extend([0, 0, 3, 1]);
        } else {
            data.push(rng.below(255) as u8 + 1);
        }
    }
    data.push(0x80);
    data
}

/// Key frames have SPS, PPS and one or more IDR slices; the others one or more slices.
pub(super) fn h264_frame(rng: &mut Rng, len: usize, key: bool) -> Bytes {
    let mut units = Vec::new();
    if key {
        units.push(unit(rng, &[0x67, 0x42], 12));
        units.push(unit(rng, &[0x68, 0xCE], 4));
    }
    let head = if key { 0x65 } else { 0x41 };
    for i in 0..rng.range(1, 3) {
        // first_mb_in_slice: 0 is the bit string 1, 1 is 010.
        let first = if i == 0 { 0x88 } else { 0x48 };
        units.push(unit(rng, &[head, first], (len / 3).max(3)));
    }
    annex_b(&units)
}

pub(super) fn h265_frame(rng: &mut Rng, len: usize, key: bool) -> Bytes {
    let mut units = Vec::new();
    if key {
        for kind in [32, 33, 34] {
            units.push(unit(rng, &[kind << 1, 1], 14));
        }
    }
    let kind = if key { 19 } else { 1 };
    units.push(unit(rng, &[kind << 1, 1, 0x80], len.max(4)));
    annex_b(&units)
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub(super) fn av1_frame(rng: &mut Rng, len: usize, key: bool) -> Bytes {
    let mut data = Vec::new();
    let mut obu = |rng: &mut Rng, kind: u8, len: usize| {
        data.push(kind << 3 | 0x02);
        data.extend(leb128(len));
        data.extend(rng.bytes_but_0(len));
    };
    if key {
        obu(rng, 1, 11);
    }
    for _ in 0..rng.range(0, 4) {
        obu(rng, 5, 7);
    }
    obu(rng, 6, len);
    data.into()
}

type MakeFrame = fn(&mut Rng, usize, bool) -> Bytes;

pub(super) fn video_codecs() -> Vec<(RTCCodec, MakeFrame)> {
    vec![
        (RTCCodec::vp8(97), vp8_frame),
        (RTCCodec::h264(98), h264_frame),
        (RTCCodec::new("vp9", 99), vp9_frame),
        (RTCCodec::new("h265", 100), h265_frame),
        (RTCCodec::new("av1", 101), av1_frame),
    ]
}
