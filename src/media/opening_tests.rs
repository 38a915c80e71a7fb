//! Streams that begin, and packets that carry nothing: neither may cost a frame.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::test_frames::video_codecs;
use super::*;
use crate::rtp::RtpPacket;
use crate::simnet::Rng;

/// The packets of each frame, numbered from `first`; frames are 3,000 ticks apart.
fn packets(codec: &RTCCodec, frames: &[Bytes], first: u16, max: usize) -> Vec<Vec<RtpPacket>> {
    let mut packetizer = Packetizer::for_codec(codec).unwrap();
    let mut number = first;
    let mut all = Vec::new();
    for (i, frame) in frames.iter().enumerate() {
        let mut out = Vec::new();
        packetizer.packetize(frame, max, &mut out).unwrap();
        let packets = out.into_iter().map(|payload| {
            number = number.wrapping_add(1);
            RtpPacket {
                marker: payload.marker,
                payload_type: codec.payload_type,
                sequence_number: number.wrapping_sub(1),
                timestamp: (i as u32 * 3_000).wrapping_add(payload.timestamp_offset),
                payload: payload.payload,
                ..RtpPacket::default()
            }
        });
        all.push(packets.collect());
    }
    all
}

fn buffer(codec: &RTCCodec) -> JitterBuffer {
    let kind = codec.effective_kind().unwrap();
    JitterBuffer::new(std::slice::from_ref(codec), JitterConfig::for_kind(kind))
}

fn frames_at(jitter: &mut JitterBuffer, now: Instant) -> Vec<Bytes> {
    std::iter::from_fn(|| jitter.pop(now))
        .map(|s| s.data)
        .collect()
}

/// What takes a number and carries nothing for the decoder of this codec.
fn fillers(codec: &RTCCodec) -> Vec<(u8, Vec<u8>)> {
    let own = codec.payload_type;
    // Padding alone; comfort noise, digits and FEC of another payload type.
    let mut fillers = vec![
        (own, vec![]),
        (13, vec![0x7f]),
        (126, vec![3, 0x80, 0, 160]),
    ];
    // Descriptors with nothing behind them.
    match codec.id() {
        Some(CodecId::Vp8) => {
            fillers.push((own, vec![0x80, 0x80, 0x80, 1]));
            fillers.push((own, vec![0]));
        }
        Some(CodecId::Vp9) => fillers.push((own, vec![0x80, 0x80, 1])),
        Some(CodecId::Av1) => fillers.push((own, vec![0])),
        _ => {}
    }
    fillers
}

fn codecs(rng: &mut Rng) -> Vec<(RTCCodec, Vec<Bytes>)> {
    let mut all: Vec<_> = video_codecs()
        .into_iter()
        .map(|(codec, make)| (codec, (0..9).map(|i| make(rng, 900, i == 0)).collect()))
        .collect();
    for codec in [
        RTCCodec::opus(111),
        RTCCodec::ulaw(),
        RTCCodec::new("g722", 9),
    ] {
        all.push((codec, (0..9).map(|_| rng.bytes_but_0(160).into()).collect()));
    }
    all
}

/// Before, between and inside frames, one and several, in each codec: every frame leaves with its
/// last packet.
#[test]
fn packets_without_payload_cost_no_frame_and_no_time() {
    let now = Instant::now();
    for (codec, frames) in codecs(&mut Rng::new(17)) {
        for (payload_type, payload) in fillers(&codec) {
            // Bit 0: before the first packet; 1: inside frames; 2: after each; twice if bit 3.
            for places in 1..16u8 {
                let mut jitter = buffer(&codec);
                let mut number = 65_530u16;
                let mut given = Vec::new();
                let mut put = |jitter: &mut JitterBuffer, packet: &RtpPacket| {
                    let sequence_number = number;
                    number = number.wrapping_add(1);
                    jitter.push(
                        now,
                        RtpPacket {
                            sequence_number,
                            ..packet.clone()
                        },
                    );
                };
                let fill = |jitter: &mut JitterBuffer,
                            put: &mut dyn FnMut(&mut JitterBuffer, &RtpPacket),
                            timestamp| {
                    for _ in 0..1 + (places >> 3) {
                        put(
                            jitter,
                            &RtpPacket {
                                payload_type,
                                timestamp,
                                payload: payload.clone().into(),
                                ..RtpPacket::default()
                            },
                        );
                    }
                };
                for (i, frame) in packets(&codec, &frames, 0, 200).iter().enumerate() {
                    for (j, packet) in frame.iter().enumerate() {
                        let inside = j > 0 && places & 2 != 0;
                        if inside || i == 0 && j == 0 && places & 1 != 0 {
                            fill(&mut jitter, &mut put, packet.timestamp);
                        }
                        put(&mut jitter, packet);
                        given.extend(frames_at(&mut jitter, now));
                    }
                    assert_eq!(given.len(), i + 1, "{} {payload:?} {places}", codec.name);
                    if places & 4 != 0 {
                        fill(&mut jitter, &mut put, frame[0].timestamp);
                        given.extend(frames_at(&mut jitter, now));
                    }
                }
                assert_eq!(given, frames, "{} {payload:?} {places}", codec.name);
                let stats = jitter.stats();
                assert_eq!(
                    (stats.lost, stats.frames_dropped, stats.frames_corrupt),
                    (0, 0, 0)
                );
                assert!(!jitter.wants_keyframe(now));
            }
        }
    }
}

/// A sender that learns too late that a frame is over puts its marker on a packet of its own.
#[test]
fn the_marker_of_a_frame_may_come_with_an_empty_packet() {
    let now = Instant::now();
    for (codec, make) in video_codecs() {
        let frames: Vec<_> = (0..9)
            .map(|i| make(&mut Rng::new(5), 900, i == 0))
            .collect();
        let own = |(of, _): &(u8, _)| *of == codec.payload_type;
        for (payload_type, payload) in fillers(&codec).into_iter().filter(own) {
            for skipped in [0, 1] {
                let mut jitter = buffer(&codec);
                let mut given = Vec::new();
                let mut number = 65_530u16;
                for (i, frame) in packets(&codec, &frames, 0, 200).iter().enumerate() {
                    let last = RtpPacket {
                        payload_type,
                        payload: payload.clone().into(),
                        ..frame.last().unwrap().clone()
                    };
                    let unmarked = |p: &RtpPacket| RtpPacket {
                        marker: false,
                        ..p.clone()
                    };
                    let all = frame.iter().map(unmarked).chain([last]);
                    for (j, packet) in all.enumerate() {
                        number = number.wrapping_add(1);
                        // The first packet of the second frame never comes.
                        if skipped == 1 && (i, j) == (1, 0) {
                            continue;
                        }
                        let sequence_number = number;
                        jitter.push(
                            now,
                            RtpPacket {
                                sequence_number,
                                ..packet
                            },
                        );
                    }
                    let later = now + Duration::from_secs(u64::from(i > 0) * skipped);
                    given.extend(frames_at(&mut jitter, later));
                    let whole = if i > 0 { i + 1 - skipped as usize } else { 1 };
                    assert_eq!(given.len(), whole, "{} {payload:?} {i}", codec.name);
                }
                let whole = frames.iter().enumerate();
                let whole = whole.filter(|(i, _)| skipped == 0 || *i != 1);
                let expected: Vec<_> = whole.map(|(_, frame)| frame.clone()).collect();
                assert!(given == expected, "{} {payload:?}", codec.name);
            }
        }
    }
}

/// What began before a jump of the numbers is gone, and frames after it may refer to that.
#[test]
fn a_jump_of_the_numbers_may_need_a_key_frame() {
    let start = Instant::now();
    for (codec, make) in video_codecs() {
        for key in [false, true] {
            let frames: Vec<_> = (0..9)
                .map(|i| make(&mut Rng::new(6), 900, i == 0 || i == 4 && key))
                .collect();
            let mut jitter = buffer(&codec);
            let mut asked = false;
            for (i, frame) in packets(&codec, &frames, 7, 200).iter().enumerate() {
                for packet in frame {
                    let mut packet = packet.clone();
                    if i >= 4 {
                        packet.sequence_number = packet.sequence_number.wrapping_add(5_000);
                    }
                    jitter.push(start, packet);
                    frames_at(&mut jitter, start);
                    asked |= jitter.wants_keyframe(start);
                }
            }
            assert_eq!(asked, !key, "{}", codec.name);
            assert_eq!(jitter.poll_timeout().is_some(), !key, "it may be lost");
        }
    }
}

fn units(kinds: &[&[u8]]) -> Bytes {
    let mut data = Vec::new();
    for head in kinds {
        data.extend([0, 0, 0, 1]);
        data.extend_from_slice(head);
        data.extend([0x55; 40]);
    }
    data.into()
}

/// Access units as encoders begin their streams with.
fn openings() -> Vec<(RTCCodec, Vec<Bytes>)> {
    let h264 = |kinds: &[u8]| {
        let heads: Vec<Vec<u8>> = kinds.iter().map(|kind| vec![0x60 | kind, 0x88]).collect();
        units(&heads.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let h265 = |kinds: &[u8]| {
        let heads: Vec<Vec<u8>> = kinds.iter().map(|kind| vec![kind << 1, 1, 0x80]).collect();
        units(&heads.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let obu = |kinds: &[u8]| -> Bytes {
        let obus = kinds.iter().flat_map(|kind| {
            let mut obu = vec![kind << 3 | 2, 40];
            obu.resize(42, 0x55);
            obu
        });
        obus.collect::<Vec<_>>().into()
    };
    let h264_kinds: [&[u8]; 10] = [
        &[5],
        &[5, 5],
        &[6, 5],
        &[8, 5],
        &[8, 7, 5],
        &[6, 7, 8, 5],
        &[9, 6, 7, 8, 5],
        &[7, 8, 5],
        &[9, 5],
        &[1],
    ];
    let h265_kinds: [&[u8]; 9] = [
        &[19],
        &[20, 20],
        &[39, 19],
        &[34, 19],
        &[33, 34, 19],
        &[39, 32, 33, 34, 19],
        &[35, 39, 21],
        &[32, 33, 34, 19],
        &[1],
    ];
    let av1_kinds: [&[u8]; 6] = [&[6], &[1, 6], &[5, 1, 6], &[3, 4], &[1, 3, 4, 4], &[15, 6]];
    let av1 = RTCCodec::new("av1", 45);
    vec![
        (RTCCodec::h264(98), h264_kinds.map(h264).to_vec()),
        (RTCCodec::new("h265", 100), h265_kinds.map(h265).to_vec()),
        (av1, av1_kinds.map(obu).to_vec()),
        (
            RTCCodec::vp8(97),
            vec![vec![0x10; 90].into(), vec![0x11; 90].into()],
        ),
        (
            RTCCodec::new("vp9", 99),
            vec![vec![0x82; 90].into(), vec![0x86; 90].into()],
        ),
    ]
}

/// Cut small or sent whole, alone or with more behind, also where a sequence begins anew.
#[test]
fn a_stream_that_begins_has_the_benefit_of_the_doubt() {
    let now = Instant::now();
    for (codec, openings) in openings() {
        for (n, opening) in openings.iter().enumerate() {
            for max in [36, 100, 1_100] {
                let frames = vec![opening.clone(); 3];
                let cut = packets(&codec, &frames, 100, max);
                let mut jitter = buffer(&codec);
                let mut given = Vec::new();
                for (i, frame) in cut.iter().enumerate() {
                    for packet in frame {
                        jitter.push(now, packet.clone());
                        given.extend(frames_at(&mut jitter, now));
                    }
                    assert_eq!(given.len(), i + 1, "{} {n} {max}", codec.name);
                }
                assert_eq!(jitter.stats().frames_dropped, 0);
                // The sender begins a new sequence.
                let again: Vec<_> = packets(&codec, &vec![opening.clone(); 9], 40_000, max)
                    .into_iter()
                    .flatten()
                    .collect();
                for packet in again {
                    jitter.push(now, packet);
                }
                assert_eq!(
                    frames_at(&mut jitter, now).len(),
                    9,
                    "{} {n} {max}",
                    codec.name
                );
            }
        }
    }
}

/// What is in the middle of a frame by its own words begins nothing.
#[test]
fn the_rest_of_a_frame_is_no_beginning() {
    let now = Instant::now();
    for (codec, openings) in openings() {
        for opening in &openings {
            let cut = packets(&codec, &vec![opening.clone(); 3], 100, 36);
            let mut jitter = buffer(&codec);
            for packet in cut.iter().flatten().skip(1) {
                jitter.push(now, packet.clone());
            }
            let given = frames_at(&mut jitter, now + Duration::from_secs(1));
            assert!(given.iter().all(|frame| frame == opening), "{}", codec.name);
        }
    }
}

/// A request when a frame is lost that others refer to, or the stream begins without a key frame;
/// none for audio, and none when all is well.
#[test]
fn a_decoder_that_cannot_go_on_has_a_key_frame_asked_for() {
    let rng = &mut Rng::new(4);
    let start = Instant::now();
    for (codec, make) in video_codecs() {
        let frames: Vec<_> = (0..60).map(|i| make(rng, 900, i % 20 == 0)).collect();
        let cut = packets(&codec, &frames, 7, 200);
        // Whole from the key frame on.
        let mut jitter = buffer(&codec);
        for frame in &cut {
            frame
                .iter()
                .for_each(|packet| jitter.push(start, packet.clone()));
            frames_at(&mut jitter, start);
            assert!(!jitter.wants_keyframe(start), "{}", codec.name);
        }
        // Joined late, 33 ms apart: at once, again after half a second, until it comes.
        let mut jitter = buffer(&codec);
        let mut asked = Vec::new();
        for (i, frame) in cut.iter().enumerate().skip(1) {
            let now = start + Duration::from_millis(33) * i as u32;
            frame
                .iter()
                .for_each(|packet| jitter.push(now, packet.clone()));
            frames_at(&mut jitter, now);
            if jitter.wants_keyframe(now) {
                asked.push(i);
            }
        }
        assert_eq!(asked, [1, 17], "{}", codec.name);
        // A packet, or a whole frame, is lost for good.
        for lost in [cut[5][0].sequence_number, cut[5][1].sequence_number, 0] {
            let mut jitter = buffer(&codec);
            let mut asked = Vec::new();
            for (i, frame) in cut.iter().enumerate() {
                let now = start + Duration::from_millis(33) * i as u32;
                let whole = lost == 0 && i == 5;
                let here = frame.iter().filter(|p| !whole && p.sequence_number != lost);
                here.for_each(|packet| jitter.push(now, packet.clone()));
                frames_at(&mut jitter, now);
                if jitter.wants_keyframe(now) {
                    asked.push(i);
                }
            }
            // After 200 ms of waiting.
            assert!(
                asked.len() == 1 && (11..=13).contains(&asked[0]),
                "{} {asked:?}",
                codec.name
            );
        }
    }
    // A first key frame without parameters may have lost them: one request, to be safe.
    for (codec, openings) in openings().into_iter().take(2) {
        for opening in openings {
            let sps = |unit: &[u8]| matches!(unit, [0, 0, 1, 0x67 | 66]);
            let is_whole = opening.windows(4).any(sps);
            let mut jitter = buffer(&codec);
            for packet in packets(&codec, &[opening], 1, 1_100).iter().flatten() {
                jitter.push(start, packet.clone());
                frames_at(&mut jitter, start);
            }
            assert_eq!(jitter.wants_keyframe(start), !is_whole, "{}", codec.name);
        }
    }
    let opus = RTCCodec::opus(111);
    let frames: Vec<Bytes> = (0..9).map(|_| rng.bytes_but_0(60).into()).collect();
    let mut jitter = buffer(&opus);
    for packet in packets(&opus, &frames, 0, 200).iter().flatten().step_by(2) {
        jitter.push(start, packet.clone());
    }
    frames_at(&mut jitter, start + Duration::from_secs(1));
    assert!(jitter.stats().lost > 0 && !jitter.wants_keyframe(start));
}
