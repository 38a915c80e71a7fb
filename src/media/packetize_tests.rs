#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use bytes::Bytes;

use super::test_frames::video_codecs;
use super::*;
use crate::simnet::Rng;

fn packetize(codec: &RTCCodec, frame: &Bytes, max: usize) -> Vec<Payload> {
    let mut out = Vec::new();
    let mut packetizer = Packetizer::for_codec(codec).unwrap();
    packetizer.packetize(frame, max, &mut out).unwrap();
    out
}

fn payloads(out: &[Payload]) -> Vec<Bytes> {
    out.iter().map(|p| p.payload.clone()).collect()
}

#[test]
fn video_frames_come_back_bit_identical() {
    for seed in 0..40u64 {
        let rng = &mut Rng::new(seed);
        for (codec, make) in video_codecs() {
            let max = [100, 500, 1184, 1200, 1400][rng.range(0, 4)];
            let len = if seed % 4 == 0 {
                rng.range(1, 200_000)
            } else {
                rng.range(1, 5_000)
            };
            let key = rng.percent(50);
            let frame = make(rng, len, key);
            let out = packetize(&codec, &frame, max);
            let label = format!("seed {seed} {} len {len} max {max}", codec.name);
            assert!(out.iter().all(|p| p.payload.len() <= max), "{label}");
            let markers = out.iter().filter(|p| p.marker).count();
            assert!(markers == 1 && out.last().unwrap().marker, "{label}");
            assert!(out.iter().all(|p| p.timestamp_offset == 0), "{label}");
            let depacketizer = Depacketizer::for_codec(&codec).unwrap();
            let back = depacketizer.assemble(&payloads(&out)).unwrap();
            assert!(back.data == frame, "{label}");
            assert_eq!(back.keyframe, Some(key), "{label}");
            let begins = depacketizer.starts_frame(&out[0].payload);
            assert!(begins || !key, "{label}");
        }
    }
}

#[test]
fn a_frame_without_one_of_its_packets_is_corrupt() {
    let rng = &mut Rng::new(7);
    for (codec, make) in video_codecs() {
        let frame = make(rng, 6_000, true);
        let packets = payloads(&packetize(&codec, &frame, 700));
        let depacketizer = Depacketizer::for_codec(&codec).unwrap();
        // The first is always noticed; one in the middle only by its sequence number.
        let result = depacketizer.assemble(&packets[1..]);
        let noticed = result.is_err() || result.is_ok_and(|f| f.data.len() < frame.len());
        assert!(noticed, "{}", codec.name);
    }
}

/// RFC 7741 section 4.2: X, S and a 15-bit picture id that advances by one per frame.
#[test]
fn vp8_descriptor_bytes() {
    let mut packetizer = Packetizer::for_codec(&RTCCodec::vp8(97)).unwrap();
    let mut out = Vec::new();
    let frame = Bytes::from(vec![0xAA; 60]);
    packetizer.packetize(&frame, 36, &mut out).unwrap();
    packetizer.packetize(&frame, 36, &mut out).unwrap();
    let heads: Vec<&[u8]> = out.iter().map(|p| &p.payload[..4]).collect();
    assert_eq!(
        heads,
        [
            [0x90, 0x80, 0x80, 0x00],
            [0x80, 0x80, 0x80, 0x00],
            [0x90, 0x80, 0x80, 0x01],
            [0x80, 0x80, 0x80, 0x01],
        ]
    );
    for _ in 2..0x8000 {
        out.clear();
        packetizer.packetize(&frame, 1200, &mut out).unwrap();
    }
    assert_eq!(out[0].payload[..4], [0x90, 0x80, 0xFF, 0xFF]);
    out.clear();
    packetizer.packetize(&frame, 1200, &mut out).unwrap();
    assert_eq!(out[0].payload[..4], [0x90, 0x80, 0x80, 0x00], "wraps");
}

/// Descriptors of other senders: no extension, 7-bit id, TL0PICIDX and TID.
#[test]
fn vp8_foreign_descriptors() {
    let vp8 = Depacketizer::Vp8;
    for head in [
        &[0x10][..],
        &[0x90, 0x80, 0x11],
        &[0x90, 0xE0, 0x80, 0x01, 0x05, 0x20],
        &[0xB0, 0xF0, 0x80, 0x01, 0x05, 0x3F],
    ] {
        let packet = Bytes::from([head, &[0x02, 1, 2, 3]].concat());
        assert!(vp8.starts_frame(&packet));
        let frame = vp8.assemble(&[packet]).unwrap();
        assert_eq!(frame.data, &[0x02, 1, 2, 3][..]);
        assert_eq!(frame.keyframe, Some(true));
    }
    // A second partition does not begin a frame.
    assert!(!vp8.starts_frame(&[0x11, 1, 2]));
    assert!(vp8.assemble(&[Bytes::from_static(&[0x90, 0x80])]).is_err());
}

/// RFC 6184 sections 5.7.1 and 5.8: STAP-A of SPS and PPS, then FU-A.
#[test]
fn h264_packets_are_stap_a_and_fu_a() {
    let mut frame = vec![
        0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x28, 3, 0, 0, 0, 1, 0x65, 0x88,
    ];
    frame.extend([0xEE; 70]);
    let out = payloads(&packetize(&RTCCodec::h264(98), &frame.into(), 40));
    // NRI is the greater of 3 and 1.
    assert_eq!(out[0], &[0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x28, 3][..]);
    assert_eq!(out[1][..3], [0x7C, 0x85, 0x88]);
    assert_eq!(out[2][..2], [0x7C, 0x45]);
    assert_eq!(out.len(), 3);
    assert_eq!(out[1].len(), 40);
}

#[test]
fn h264_three_byte_start_codes_and_trailing_zeros() {
    let frame = Bytes::from_static(&[0, 0, 1, 0x41, 0x88, 9, 0, 0, 0, 0, 1, 0x41, 0x48, 8, 0, 0]);
    let out = payloads(&packetize(&RTCCodec::h264(98), &frame, 1200));
    let back = Depacketizer::H264.assemble(&out).unwrap();
    let whole = [0, 0, 0, 1, 0x41, 0x88, 9, 0, 0, 0, 1, 0x41, 0x48, 8];
    assert_eq!(back.data, &whole[..]);
}

/// RFC 6184 section 6.2: without packetization-mode=1 only single NAL unit packets.
#[test]
fn h264_single_nal_mode() {
    let mut codec = RTCCodec::h264(98);
    codec.params.clear();
    let mut packetizer = Packetizer::for_codec(&codec).unwrap();
    let small = Bytes::from_static(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1]);
    let mut out = Vec::new();
    packetizer.packetize(&small, 1200, &mut out).unwrap();
    assert_eq!(payloads(&out), [&[0x67, 1][..], &[0x68, 1]]);
    let large = Bytes::from([&[0, 0, 0, 1, 0x65][..], &[7; 2000]].concat());
    let error = packetizer.packetize(&large, 1200, &mut out).unwrap_err();
    assert_eq!(error.name(), crate::ErrorName::NotSupported);
    assert_eq!(out.len(), 2, "nothing added");
}

#[test]
fn bad_samples_are_refused() {
    let refused = |codec: &RTCCodec, frame: &'static [u8]| {
        let mut out = Vec::new();
        let mut packetizer = Packetizer::for_codec(codec).unwrap();
        let result = packetizer.packetize(&Bytes::from_static(frame), 1200, &mut out);
        assert_eq!(
            result.unwrap_err().name(),
            crate::ErrorName::InvalidParameters,
            "{} {frame:?}",
            codec.name
        );
        assert!(out.is_empty());
    };
    for (codec, _) in video_codecs() {
        refused(&codec, &[]);
    }
    let h264 = RTCCodec::h264(98);
    refused(&h264, &[0, 0, 0, 2, 0x65, 1]); // AVCC lengths
    refused(&h264, &[9, 0, 0, 1, 0x65, 1, 0, 0, 1, 0x7C, 1]); // a packet type as a unit
    refused(&h264, &[0, 0, 0, 1]);
    refused(&RTCCodec::new("h265", 100), &[0, 0, 0, 1, 0x26]);
    let av1 = RTCCodec::new("av1", 101);
    refused(&av1, &[0x12, 0]); // only a temporal delimiter
    refused(&av1, &[0x32, 200, 1]); // size beyond the end
    refused(&av1, &[0x36]); // no extension byte
    refused(&RTCCodec::opus(96), &[7; 1277]);
    assert!(Packetizer::for_codec(&RTCCodec::dtmf(101)).is_err());
    assert!(Packetizer::for_codec(&RTCCodec::new("xyz", 101)).is_err());
    let mut vp8 = Packetizer::for_codec(&RTCCodec::vp8(97)).unwrap();
    let frame = Bytes::from_static(&[1; 100]);
    assert!(vp8.packetize(&frame, MIN, &mut Vec::new()).is_err());
}

/// Lengths before the units look like a start code from 256 to 511: refused like all others, and
/// three-byte start codes are not mistaken for them.
#[test]
fn length_prefixed_samples_are_refused_whatever_their_lengths() {
    let unit = |head: &[u8], len: usize| {
        let mut unit = head.to_vec();
        unit.resize(len, 0x55);
        unit
    };
    let cases: [(RTCCodec, [&[u8]; 3]); 2] = [
        (
            RTCCodec::h264(98),
            [&[0x65, 0x88], &[0x41, 0x9a], &[0x67, 0x42]],
        ),
        (
            RTCCodec::new("h265", 100),
            [&[0x26, 1], &[2, 1], &[0x40, 1]],
        ),
    ];
    for (codec, heads) in cases {
        let sizes = (3..24).chain(250..262).chain((262..700).step_by(23));
        let sizes = sizes.chain([509, 510, 511, 512, 513, 767, 768]);
        let sizes = sizes
            .chain((65_300..65_800).step_by(97))
            .chain(65_530..65_545);
        let edges = [16_777_215usize, 16_777_216];
        let edges = edges.map(|first| (first, 0));
        let seconds = [0usize, 20, 256, 300, 511, 600];
        let both = sizes.flat_map(|first| seconds.map(|second| (first, second)));
        for (first, second) in both.chain(edges) {
            let units = [unit(heads[0], first), unit(heads[1], second.max(3))];
            let units = &units[..if second == 0 { 1 } else { 2 }];
            let prefixed = units.iter().flat_map(|unit| {
                let length = (unit.len() as u32).to_be_bytes();
                [length.to_vec(), unit.clone()]
            });
            let frame = Bytes::from(prefixed.collect::<Vec<_>>().concat());
            let mut out = Vec::new();
            let mut packetizer = Packetizer::for_codec(&codec).unwrap();
            let result = packetizer.packetize(&frame, 1_100, &mut out);
            let name = result.err().map(|error| error.name());
            let expected = Some(crate::ErrorName::InvalidParameters);
            assert_eq!(name, expected, "{} {first} {second}", codec.name);
        }
        for head in heads {
            for len in 3..700 {
                let frame = Bytes::from([&[0, 0, 1][..], &unit(head, len)].concat());
                let mut packetizer = Packetizer::for_codec(&codec).unwrap();
                let result = packetizer.packetize(&frame, 1_100, &mut Vec::new());
                assert!(result.is_ok(), "{} {head:?} {len}", codec.name);
            }
        }
    }
}

/// RFC 6716 section 3.2.1: a frame has up to 1,275 bytes, after the table of contents.
#[test]
fn the_longest_opus_packet_goes_out_whole() {
    for len in [1, 1_100, 1_101, 1_201, 1_275, 1_276] {
        let frame = Bytes::from(vec![5; len]);
        let out = packetize(&RTCCodec::opus(96), &frame, 1_100);
        assert_eq!(payloads(&out), [frame]);
    }
}

const MIN: usize = super::packetize::MIN_PAYLOAD - 1;

#[test]
fn vp9_marks_prediction_and_frame_ends() {
    let rng = &mut Rng::new(1);
    let codec = RTCCodec::new("vp9", 99);
    let key = payloads(&packetize(
        &codec,
        &test_frames::vp9_frame(rng, 100, true),
        60,
    ));
    assert_eq!(key[0][..3], [0x98, 0x80, 0]);
    assert_eq!(key[1][..3], [0x94, 0x80, 0]);
    let inter = payloads(&packetize(
        &codec,
        &test_frames::vp9_frame(rng, 10, false),
        60,
    ));
    assert_eq!(inter[0][..4], [0xDC, 0x80, 0, 0x02]);
}

#[test]
fn audio_is_one_packet_or_whole_samples() {
    let frame = Bytes::from(vec![5; 100]);
    let opus = packetize(&RTCCodec::opus(96), &frame, 1200);
    assert_eq!(payloads(&opus), std::slice::from_ref(&frame));
    assert!(!opus[0].marker, "RFC 3551: only after silence");
    for name in ["PCMU", "alaw", "G722"] {
        let out = packetize(&RTCCodec::new(name, 0), &frame, 40);
        let offsets: Vec<_> = out.iter().map(|p| p.timestamp_offset).collect();
        assert_eq!(offsets, [0, 40, 80], "{name}");
        assert_eq!(payloads(&out).concat(), frame);
        assert!(out.iter().all(|p| !p.marker));
    }
    let stereo = RTCCodec {
        num_channels: Some(3),
        ..RTCCodec::ulaw()
    };
    let out = packetize(&stereo, &frame, 40);
    assert_eq!(out[0].payload.len(), 39);
    assert_eq!(out[1].timestamp_offset, 13);
}

#[test]
fn timestamps_do_not_drift() {
    let mut clock = TimestampClock::new(90_000);
    let frame = Duration::from_nanos(33_333_333);
    let total: u64 = (0..30_000).map(|_| u64::from(clock.advance(frame))).sum();
    // 30,000 x 33,333,333 ns = 999.99999 s
    assert_eq!(total, 89_999_999);
    let mut clock = TimestampClock::new(44_100);
    let sum: u32 = (0..1000)
        .map(|_| clock.advance(Duration::from_millis(1)))
        .sum();
    assert_eq!(sum, 44_100);
    assert_eq!(
        TimestampClock::new(48_000).advance(Duration::from_secs(100_000)),
        505_032_704
    );
    TimestampClock::new(u32::MAX).advance(Duration::MAX);
}

/// Damaged payloads, alone and in groups: any answer but a panic.
#[test]
fn damaged_payloads_never_panic() {
    let seed = 0xD0C5;
    let rng = &mut Rng::new(seed);
    let mut accepted = 0;
    for (codec, make) in video_codecs() {
        let depacketizer = Depacketizer::for_codec(&codec).unwrap();
        let originals: Vec<Vec<Bytes>> = (0..10)
            .map(|i| {
                let frame = make(rng, 300, i % 2 == 0);
                payloads(&packetize(&codec, &frame, 90))
            })
            .collect();
        for _ in 0..20_000 {
            let original = &originals[rng.range(0, 9)];
            let mut packets = original.clone();
            for _ in 0..rng.range(1, 3) {
                let at = rng.range(0, packets.len() - 1);
                let mut bytes = packets[at].to_vec();
                match rng.range(0, 3) {
                    0 => bytes.truncate(rng.range(0, bytes.len())),
                    1 => bytes.extend(rng.bytes_but_0(3)),
                    _ if bytes.is_empty() => {}
                    _ => {
                        let i = rng.range(0, bytes.len().min(8) - 1);
                        bytes[i] = rng.next_u64() as u8;
                    }
                }
                packets[at] = bytes.into();
            }
            for packet in &packets {
                depacketizer.starts_frame(packet);
            }
            accepted += usize::from(depacketizer.assemble(&packets).is_ok());
        }
    }
    assert!(
        accepted > 0,
        "seed {seed:#x}: the damage is never survivable"
    );
}
