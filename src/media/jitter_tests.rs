#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::test_frames::{video_codecs, vp8_frame};
use super::*;
use crate::rtp::RtpPacket;
use crate::simnet::Rng;

const MS: Duration = Duration::from_millis(1);

fn packet(codec: &RTCCodec, sequence_number: u16, timestamp: u32, p: &Payload) -> RtpPacket {
    RtpPacket {
        marker: p.marker,
        payload_type: codec.payload_type,
        sequence_number,
        timestamp: timestamp.wrapping_add(p.timestamp_offset),
        payload: p.payload.clone(),
        ..RtpPacket::default()
    }
}

/// The packets of some frames, and the frames.
struct Stream {
    frames: Vec<Bytes>,
    packets: Vec<RtpPacket>,
    /// The packets of frame i are `bounds[i]..bounds[i + 1]`.
    bounds: Vec<usize>,
}

fn stream(codec: &RTCCodec, frames: Vec<Bytes>, first: u16, max: usize) -> Stream {
    let mut packetizer = Packetizer::for_codec(codec).unwrap();
    let (mut packets, mut bounds) = (Vec::new(), vec![0]);
    for (i, frame) in frames.iter().enumerate() {
        let mut out = Vec::new();
        packetizer.packetize(frame, max, &mut out).unwrap();
        for p in &out {
            let sequence = first.wrapping_add(packets.len() as u16);
            let timestamp = 0xFFFF_F000u32.wrapping_add(i as u32 * 3000);
            packets.push(packet(codec, sequence, timestamp, p));
        }
        bounds.push(packets.len());
    }
    Stream {
        frames,
        packets,
        bounds,
    }
}

fn vp8_stream(frames: usize, first: u16) -> Stream {
    let rng = &mut Rng::new(frames as u64);
    let frames = (0..frames)
        .map(|i| vp8_frame(rng, 250, i == 0))
        .collect::<Vec<_>>();
    stream(&RTCCodec::vp8(97), frames, first, 100)
}

fn buffer(codec: &RTCCodec) -> JitterBuffer {
    let kind = codec.effective_kind().unwrap();
    JitterBuffer::new(std::slice::from_ref(codec), JitterConfig::for_kind(kind))
}

fn drain(jitter: &mut JitterBuffer, now: Instant) -> Vec<MediaSample> {
    std::iter::from_fn(|| jitter.pop(now)).collect()
}

#[test]
fn a_frame_leaves_with_its_last_packet() {
    let s = vp8_stream(5, 65_530);
    let mut jitter = buffer(&RTCCodec::vp8(97));
    let now = Instant::now();
    for (i, p) in s.packets.iter().enumerate() {
        jitter.push(now, p.clone());
        let out = drain(&mut jitter, now);
        match s.bounds.iter().position(|b| *b == i + 1) {
            Some(n) => {
                assert_eq!(out.len(), 1);
                assert_eq!(out[0].data, s.frames[n - 1]);
                assert_eq!(out[0].keyframe, Some(n == 1));
                assert_eq!(out[0].clock_rate, 90_000);
                assert_eq!(out[0].timestamp, p.timestamp);
                assert_eq!(out[0].last_sequence_number, p.sequence_number);
                assert_eq!((out[0].lost_before, out[0].dropped_before), (0, 0));
                assert!(out[0].marker);
            }
            None => assert!(out.is_empty()),
        }
        assert_eq!(jitter.poll_timeout(), None);
    }
    assert_eq!(jitter.len(), 0);
}

#[test]
fn a_frame_without_marker_ends_at_the_next_timestamp() {
    let mut s = vp8_stream(2, 0);
    s.packets.iter_mut().for_each(|p| p.marker = false);
    let mut jitter = buffer(&RTCCodec::vp8(97));
    let now = Instant::now();
    for p in &s.packets {
        jitter.push(now, p.clone());
    }
    let out = drain(&mut jitter, now);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].data, s.frames[0]);
}

#[test]
fn audio_packets_leave_at_once_and_gaps_wait_60_ms() {
    let codec = RTCCodec::opus(96);
    let frames = (0..6).map(|i| Bytes::from(vec![i; 50])).collect();
    let s = stream(&codec, frames, 65_534, 1200);
    let mut jitter = buffer(&codec);
    let now = Instant::now();
    jitter.push(now, s.packets[0].clone());
    assert_eq!(drain(&mut jitter, now).len(), 1);
    jitter.push(now, s.packets[2].clone());
    jitter.push(now + 20 * MS, s.packets[3].clone());
    assert!(drain(&mut jitter, now + 20 * MS).is_empty());
    assert_eq!(jitter.poll_timeout(), Some(now + 60 * MS));
    assert!(drain(&mut jitter, now + 59 * MS).is_empty());
    let out = drain(&mut jitter, now + 60 * MS);
    assert_eq!(out.len(), 2);
    assert_eq!((out[0].lost_before, out[1].lost_before), (1, 0));
    assert_eq!(out[0].keyframe, None);
    // Too late now.
    jitter.push(now + 61 * MS, s.packets[1].clone());
    jitter.push(now + 61 * MS, s.packets[3].clone());
    assert!(drain(&mut jitter, now + 61 * MS).is_empty());
    assert_eq!((jitter.stats().late, jitter.stats().lost), (2, 1));
    // In time.
    jitter.push(now + 62 * MS, s.packets[5].clone());
    jitter.push(now + 63 * MS, s.packets[4].clone());
    assert_eq!(drain(&mut jitter, now + 63 * MS).len(), 2);
}

#[test]
fn a_frame_that_lost_a_packet_is_dropped_whole() {
    // Three packets a frame: lose each in turn.
    for lost in 3..6 {
        let s = vp8_stream(4, 100);
        let mut jitter = buffer(&RTCCodec::vp8(97));
        let now = Instant::now();
        for (i, p) in s.packets.iter().enumerate() {
            if i != lost {
                jitter.push(now, p.clone());
            }
        }
        let first = drain(&mut jitter, now);
        assert_eq!(first.len(), 1, "lost {lost}");
        let out = drain(&mut jitter, now + 200 * MS);
        let data: Vec<_> = out.iter().map(|sample| &sample.data).collect();
        assert_eq!(data, [&s.frames[2], &s.frames[3]], "lost {lost}");
        assert_eq!(out[0].lost_before, 1);
        assert_eq!(out[0].dropped_before, 1, "lost {lost}");
        assert_eq!(jitter.stats().frames_dropped, 1);
        assert_eq!(jitter.stats().frames_corrupt, 0);
    }
}

/// Without a marker on the packet before it, an H.264 slice may have lost what preceded it.
#[test]
fn after_a_loss_a_frame_with_an_uncertain_start_is_dropped() {
    let codec = RTCCodec::h264(98);
    let unit = |head: u8, first: u8| Bytes::from(vec![0, 0, 0, 1, head, first, 7]);
    let key = Bytes::from_static(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 0x88, 1]);
    let frames = vec![
        key.clone(),
        unit(0x41, 0x88),
        unit(0x41, 0x88),
        unit(0x41, 0x88),
        key,
    ];
    let s = stream(&codec, frames, 0, 1200);
    let run = |lost: usize| {
        let mut jitter = buffer(&codec);
        let now = Instant::now();
        for (i, p) in s.packets.iter().enumerate() {
            if i != lost {
                jitter.push(now, p.clone());
            }
        }
        let out = drain(&mut jitter, now + 200 * MS);
        out.iter()
            .map(|sample| sample.first_sequence_number)
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), [0, 3, 4]);
    assert_eq!(run(3), [0, 1, 2, 4], "a key frame begins with SPS: certain");
}

#[test]
fn the_first_packets_may_be_reordered() {
    let s = vp8_stream(2, 0);
    let mut jitter = buffer(&RTCCodec::vp8(97));
    let now = Instant::now();
    for i in [2, 1, 0, 3, 4, 5] {
        jitter.push(now, s.packets[i].clone());
        if i == 2 {
            assert!(drain(&mut jitter, now).is_empty());
            assert_eq!(jitter.poll_timeout(), Some(now + 200 * MS));
        }
    }
    assert_eq!(drain(&mut jitter, now).len(), 2);
    // If they do not come, the partial frame is dropped.
    let mut jitter = buffer(&RTCCodec::vp8(97));
    for i in [1, 2, 3, 4, 5] {
        jitter.push(now, s.packets[i].clone());
    }
    assert!(drain(&mut jitter, now + 199 * MS).is_empty());
    let out = drain(&mut jitter, now + 200 * MS);
    assert_eq!((out.len(), out[0].dropped_before), (1, 1));
    assert_eq!(out[0].data, s.frames[1]);
}

#[test]
fn padding_and_foreign_payload_types_are_no_gap() {
    let s = vp8_stream(3, 0);
    let mut jitter = buffer(&RTCCodec::vp8(97));
    let now = Instant::now();
    let mut sequence = 0;
    for p in &s.packets {
        for foreign in [false, true] {
            let filler = RtpPacket {
                sequence_number: sequence,
                payload_type: if foreign { 101 } else { 97 },
                payload: if foreign {
                    Bytes::from_static(&[1; 4])
                } else {
                    Bytes::new()
                },
                ..RtpPacket::default()
            };
            jitter.push(now, filler);
            sequence += 1;
        }
        jitter.push(
            now,
            RtpPacket {
                sequence_number: sequence,
                ..p.clone()
            },
        );
        sequence += 1;
    }
    let out = drain(&mut jitter, now);
    assert_eq!(
        out.iter().map(|s| s.data.clone()).collect::<Vec<_>>(),
        s.frames
    );
    assert_eq!((jitter.stats().lost, jitter.len()), (0, 0));
}

#[test]
fn g025_the_payload_type_may_change_between_frames() {
    let rng = &mut Rng::new(3);
    let (vp8, h264) = (RTCCodec::vp8(97), RTCCodec::h264(98));
    let first = stream(&vp8, vec![vp8_frame(rng, 300, true)], 10, 100);
    let next = first.packets.len() as u16 + 10;
    let key = test_frames::h264_frame(rng, 300, true);
    let mut second = stream(&h264, vec![key], next, 100);
    second
        .packets
        .iter_mut()
        .for_each(|p| p.timestamp ^= 1 << 20);
    let config = JitterConfig::for_kind(Kind::Video);
    let mut jitter = JitterBuffer::new(&[vp8, h264], config);
    let now = Instant::now();
    for p in first.packets.iter().chain(&second.packets) {
        jitter.push(now, p.clone());
    }
    let out = drain(&mut jitter, now);
    assert_eq!(out.len(), 2);
    assert_eq!((out[0].payload_type, &out[0].data), (97, &first.frames[0]));
    assert_eq!((out[1].payload_type, &out[1].data), (98, &second.frames[0]));
}

#[test]
fn a_new_sequence_is_followed_after_three_packets() {
    let now = Instant::now();
    let mut jitter = buffer(&RTCCodec::vp8(97));
    let old = vp8_stream(2, 1000);
    for p in &old.packets {
        jitter.push(now, p.clone());
    }
    assert_eq!(drain(&mut jitter, now).len(), 2);
    // A stray changes nothing.
    jitter.push(
        now,
        RtpPacket {
            sequence_number: 30_000,
            ..old.packets[0].clone()
        },
    );
    assert!(drain(&mut jitter, now).is_empty());
    let new = vp8_stream(3, 40_000);
    let mut out = Vec::new();
    for p in &new.packets {
        jitter.push(now, p.clone());
        out.extend(drain(&mut jitter, now));
    }
    assert_eq!(
        out.iter().map(|s| s.data.clone()).collect::<Vec<_>>(),
        new.frames
    );
    assert_eq!(jitter.stats().resyncs, 1);
}

#[test]
fn a_new_sequence_just_below_the_old_one_is_followed() {
    let now = Instant::now();
    let mut jitter = buffer(&RTCCodec::vp8(97));
    for p in &vp8_stream(2, 1000).packets {
        jitter.push(now, p.clone());
    }
    drain(&mut jitter, now);
    let new = vp8_stream(60, 500);
    let mut out = 0;
    for p in &new.packets {
        jitter.push(now, p.clone());
        out += drain(&mut jitter, now).len();
    }
    assert_eq!(jitter.stats().resyncs, 1);
    assert!(out >= 20, "{out}");
}

#[test]
fn the_buffer_is_bounded() {
    let codec = RTCCodec::vp8(97);
    let config = JitterConfig {
        max_wait: 200 * MS,
        max_packets: 32,
        audio_level_id: None,
    };
    let s = vp8_stream(200, 0);
    let now = Instant::now();
    // Nobody pops.
    let mut jitter = JitterBuffer::new(std::slice::from_ref(&codec), config);
    for p in &s.packets {
        jitter.push(now, p.clone());
        assert!(jitter.len() <= 32);
    }
    let out = drain(&mut jitter, now);
    assert!(!out.is_empty());
    assert!(out.iter().all(|sample| s.frames.contains(&sample.data)));
    assert_eq!(out.last().unwrap().data, s.frames[199]);
    assert!(jitter.stats().overflow > 500);
    // A frame that never ends.
    let mut jitter = JitterBuffer::new(&[codec], config);
    for n in 0..5000u16 {
        let endless = RtpPacket {
            marker: false,
            sequence_number: n,
            ..s.packets[usize::from(n != 0)].clone()
        };
        jitter.push(now, endless);
        assert!(drain(&mut jitter, now).is_empty() && jitter.len() <= 32);
    }
    assert_eq!(jitter.stats().frames_dropped, 1);
}

/// Reordering within the wait, duplicates and wraps: everything arrives, bit-identical.
#[test]
fn reordered_and_duplicated_streams_arrive_whole() {
    for seed in 0..30u64 {
        let rng = &mut Rng::new(seed);
        for (codec, make) in video_codecs() {
            let frames: Vec<_> = (0..30)
                .map(|i| {
                    let len = rng.range(20, 6000);
                    make(rng, len, i % 10 == 0)
                })
                .collect();
            let first = (65_536 - rng.range(0, 60)) as u16;
            let s = stream(&codec, frames, first, 600);
            let (out, stats) = simulate(&codec, &s, rng, 0);
            let data: Vec<_> = out.iter().map(|sample| sample.data.clone()).collect();
            assert!(data == s.frames, "seed {seed} {}", codec.name);
            assert_eq!((stats.lost, stats.frames_dropped), (0, 0), "seed {seed}");
        }
    }
}

/// With loss: what arrives is bit-identical and in order, and what does not is reported.
#[test]
fn lossy_streams_never_deliver_a_damaged_frame() {
    let (mut sent, mut intact, mut delivered) = (0, 0, 0);
    for seed in 0..30u64 {
        let rng = &mut Rng::new(seed);
        for (codec, make) in video_codecs() {
            let frames: Vec<_> = (0..60)
                .map(|i| {
                    let len = rng.range(20, 3000);
                    make(rng, len, i % 10 == 0)
                })
                .collect();
            let s = stream(&codec, frames, (seed * 2000) as u16, 600);
            let loss = rng.range(1, 10);
            let (out, stats) = simulate(&codec, &s, rng, loss);
            let index: HashMap<&Bytes, usize> =
                s.frames.iter().enumerate().map(|(i, f)| (f, i)).collect();
            let label = format!("seed {seed} {} loss {loss}", codec.name);
            // What was lost before the first packet received cannot be known.
            // The first frame has the benefit of the doubt.
            let opening = &out.first().expect(&label).data;
            let (mut next, mut rest) = (index.get(opening).copied(), out.as_slice());
            if next.is_none() {
                let begun = s.frames.iter().position(|frame| frame.ends_with(opening));
                next = begun.map(|i| i + 1);
                rest = &out[1..];
            }
            let mut next = next.expect(&label);
            for sample in rest {
                let i = *index.get(&sample.data).expect(&label);
                assert!(i >= next, "{label}");
                if i > next {
                    assert!(sample.lost_before + sample.dropped_before > 0, "{label}");
                }
                next = i + 1;
            }
            sent += s.frames.len();
            delivered += out.len();
            intact += stats.frames_dropped as usize + out.len();
            assert_eq!(stats.frames as usize, out.len());
            assert_eq!(stats.frames_corrupt, 0, "{label}");
        }
    }
    assert!(delivered * 10 > sent * 6, "{delivered} of {sent}");
    assert!(intact <= sent, "{intact} of {sent}");
}

/// Packets every 2 ms, delayed by up to 40 ms at random, 5 % twice, `loss` % never.
fn simulate(
    codec: &RTCCodec,
    s: &Stream,
    rng: &mut Rng,
    loss: usize,
) -> (Vec<MediaSample>, JitterStats) {
    let start = Instant::now();
    let mut arrivals = Vec::new();
    for (i, p) in s.packets.iter().enumerate() {
        let sent = i * 2;
        if rng.percent(loss as u64) {
            continue;
        }
        let copies = if rng.percent(5) { 2 } else { 1 };
        for _ in 0..copies {
            // Frames that the very first delivered one overtook are late by design.
            let delay = if i > 0 && rng.percent(20) {
                rng.range(0, 40)
            } else {
                0
            };
            arrivals.push((sent + delay, p));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    let mut jitter = buffer(codec);
    let mut out = Vec::new();
    for (at, p) in arrivals {
        let at = start + Duration::from_millis(at as u64);
        while let Some(timeout) = jitter.poll_timeout().filter(|timeout| *timeout <= at) {
            out.extend(drain(&mut jitter, timeout));
        }
        jitter.push(at, p.clone());
        out.extend(drain(&mut jitter, at));
    }
    while let Some(timeout) = jitter.poll_timeout() {
        out.extend(drain(&mut jitter, timeout));
    }
    assert_eq!(jitter.poll_timeout(), None);
    (out, jitter.stats())
}

/// Any sequence numbers, timestamps, payloads and times: bounded, no panic, no endless loop.
#[test]
fn arbitrary_packets_are_survived() {
    for seed in 0..20u64 {
        let rng = &mut Rng::new(seed);
        let codecs: Vec<_> = video_codecs().into_iter().map(|(codec, _)| codec).collect();
        let config = JitterConfig {
            max_wait: 20 * MS,
            max_packets: 64,
            audio_level_id: None,
        };
        let mut jitter = JitterBuffer::new(&codecs, config);
        let mut now = Instant::now();
        let mut sequence = 0u16;
        for _ in 0..5000 {
            now += MS * rng.range(0, 5) as u32;
            sequence = match rng.range(0, 99) {
                0 => rng.next_u64() as u16,
                1..=20 => sequence.wrapping_add(rng.range(0, 100) as u16),
                21..=40 => sequence.wrapping_sub(rng.range(0, 100) as u16),
                _ => sequence.wrapping_add(1),
            };
            let len = rng.range(0, 12);
            let p = RtpPacket {
                marker: rng.percent(30),
                payload_type: 96 + rng.range(0, 6) as u8,
                sequence_number: sequence,
                timestamp: rng.range(0, 3) as u32,
                payload: rng.bytes_but_0(len).into(),
                ..RtpPacket::default()
            };
            jitter.push(now, p);
            if rng.percent(50) {
                drain(&mut jitter, now);
                assert!(
                    jitter.poll_timeout().is_none_or(|at| at > now),
                    "seed {seed}"
                );
            }
            assert!(jitter.len() <= 64, "seed {seed}");
        }
    }
}

/// C6: what lies before a jump may be what the frames after it refer to, whatever the jump: ahead,
/// back, or a little back, where packets are taken for late at first.
#[test]
fn r_c06_a_jump_asks_for_a_key_frame() {
    for jump in [3_001u16, 20_000, 45_000, 60_000, 64_000] {
        let codec = RTCCodec::vp8(97);
        let mut jitter = buffer(&codec);
        let mut now = Instant::now();
        let mut asked = Vec::new();
        for (part, first) in [1u16, 1 + 40 + jump].into_iter().enumerate() {
            let rng = &mut Rng::new(7);
            // Only the very first is one.
            let frames = (0..200).map(|n| vp8_frame(rng, 50, part == 0 && n == 0));
            let s = stream(&codec, frames.collect(), first, 100);
            let count = if part == 0 { 40 } else { 200 };
            for packet in s.packets.into_iter().take(count) {
                now += 20 * MS;
                jitter.push(now, packet);
                drain(&mut jitter, now);
                if jitter.wants_keyframe(now) {
                    asked.push(part);
                }
            }
        }
        assert!(asked.first() == Some(&1), "{jump}: {asked:?}");
    }
}
