//! Fuzz targets of what the peer sends as frames.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Depacketizer, JitterBuffer, JitterConfig, RTCCodec, Templates};
use crate::rtp::RtpPacket;
use crate::simnet::Script;

const ALL: [Depacketizer; 6] = [
    Depacketizer::Vp8,
    Depacketizer::Vp9,
    Depacketizer::H264,
    Depacketizer::H265,
    Depacketizer::Av1,
    Depacketizer::Audio,
];

/// The payloads of one frame; the first byte says of which codec.
pub(crate) fn depacketize(data: &[u8]) {
    let mut script = Script::new(data);
    let depacketizer = ALL[usize::from(script.byte()) % ALL.len()];
    let mut packets = Vec::new();
    while !script.is_done() {
        packets.push(Bytes::copy_from_slice(script.block()));
    }
    let mut templates = Templates::default();
    for packet in &packets {
        depacketizer.starts_frame(packet);
        depacketizer.begins_keyframe(packet);
        // It may be a dependency descriptor as well.
        templates.note(packet);
        let numbers = depacketizer.numbers(packet).unwrap_or_default();
        numbers.or_of_descriptor(Some(packet), &templates);
    }
    if let Ok(frame) = depacketizer.assemble(&packets) {
        let bytes: usize = packets.iter().map(|packet| packet.len() + 8).sum();
        assert!(frame.data.len() <= bytes * 4, "{depacketizer:?}");
    }
}

fn codecs() -> [RTCCodec; 6] {
    [
        RTCCodec::vp8(96),
        RTCCodec::new("vp9", 97),
        RTCCodec::h264(98),
        RTCCodec::new("h265", 99),
        RTCCodec::new("av1", 100),
        RTCCodec::opus(101),
    ]
}

/// Packets of all codecs in any order and at any time.
pub(crate) fn jitter(data: &[u8]) {
    let mut now = Instant::now();
    let mut script = Script::new(data);
    let mut buffer = JitterBuffer::new(
        &codecs(),
        JitterConfig {
            max_wait: Duration::from_millis(60),
            max_packets: 1 + usize::from(script.byte()),
            audio_level_id: Some(1),
        },
    );
    let (mut sequence_number, mut timestamp) = (65_530u16, 0u32);
    let mut pushed = 0u64;
    while !script.is_done() {
        let kind = script.byte();
        match kind >> 6 {
            0 => now += Duration::from_millis(u64::from(kind) * 4),
            1 => sequence_number = sequence_number.wrapping_add_signed(script.u16() as i16),
            step => {
                sequence_number = sequence_number.wrapping_add(1);
                if step == 3 {
                    timestamp = timestamp.wrapping_add(3_000);
                }
                let packet = RtpPacket {
                    marker: kind & 0x20 != 0,
                    payload_type: 96 + kind % 8,
                    sequence_number,
                    timestamp,
                    ssrc: 1,
                    payload: Bytes::copy_from_slice(script.block()),
                    ..RtpPacket::default()
                };
                buffer.push(now, packet);
                pushed += 1;
            }
        }
        let mut popped = 0;
        while buffer.pop(now).is_some() {
            popped += 1;
            assert!(popped <= 70_000, "spins");
        }
        if let Some(at) = buffer.poll_timeout() {
            assert!(at > now, "a timer that is due already");
        }
    }
    assert_eq!(buffer.stats().received, pushed);
}

#[cfg(test)]
pub(crate) mod seeds {
    use super::*;
    use crate::media::test_frames::video_codecs;
    use crate::media::{Packetizer, Payload};
    use crate::simnet::Rng;
    use crate::simnet::script::block;

    /// Frames of each codec as this crate packetises them.
    fn frames() -> Vec<(u8, Vec<Vec<u8>>)> {
        let rng = &mut Rng::new(1);
        let mut all = vec![(5, vec![vec![0xf8, 0xff, 0xfe]])];
        for (codec, make) in video_codecs() {
            let depacketizer = Depacketizer::for_codec(&codec).unwrap();
            let index = ALL.iter().position(|one| *one == depacketizer).unwrap() as u8;
            for (length, key) in [(40, true), (400, true), (90, false)] {
                let mut out: Vec<Payload> = Vec::new();
                let mut packetizer = Packetizer::for_codec(&codec).unwrap();
                let frame = make(rng, length, key);
                packetizer.packetize(&frame, 100, &mut out).unwrap();
                all.push((index, out.iter().map(|p| p.payload.to_vec()).collect()));
            }
        }
        all
    }

    pub(crate) fn depacketize() -> Vec<Vec<u8>> {
        let script = |(codec, packets): (u8, Vec<Vec<u8>>)| {
            let blocks = packets.iter().flat_map(|packet| block(packet));
            std::iter::once(codec).chain(blocks).collect()
        };
        frames().into_iter().map(script).collect()
    }

    pub(crate) fn jitter() -> Vec<Vec<u8>> {
        let script = |(codec, packets): (u8, Vec<Vec<u8>>)| {
            let last = packets.len() - 1;
            let mut out = vec![200];
            for (n, packet) in packets.iter().enumerate() {
                let marker = if n == last { 0x20 } else { 0 };
                let step = if n == 0 { 0xc0 } else { 0x80 };
                out.push(step | marker | codec);
                out.extend(block(packet));
            }
            out.extend([0x10, 0x40, 0, 1, 0xe0 | codec, 0, 0x3f]);
            out
        };
        frames().into_iter().map(script).collect()
    }
}
