#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{FORGET_AFTER, MAX_BYTES, MAX_PACKETS, MAX_SOURCES, UnknownSources, Verdict};
use crate::rtp::{RtpHeader, RtpPacket};

fn packet(ssrc: u32, sequence_number: u16, len: usize) -> (RtpHeader, RtpPacket) {
    let mut wire = vec![0x80, 96];
    wire.extend_from_slice(&sequence_number.to_be_bytes());
    wire.extend_from_slice(&[0; 4]);
    wire.extend_from_slice(&ssrc.to_be_bytes());
    let packet = RtpPacket {
        ssrc,
        sequence_number,
        payload: Bytes::from(vec![0; len]),
        ..RtpPacket::default()
    };
    (RtpHeader::parse(&wire).unwrap(), packet)
}

fn news(unknown: &mut UnknownSources) -> Vec<u32> {
    std::iter::from_fn(|| unknown.poll_news().map(|packet| packet.ssrc)).collect()
}

#[test]
fn g016_each_source_is_announced_once() {
    let now = Instant::now();
    let mut unknown = UnknownSources::default();
    for n in 0..10 {
        assert_eq!(unknown.push(now, packet(7, n, 100)).0, Verdict::Kept);
        assert_eq!(unknown.push(now, packet(8, n, 100)).0, Verdict::Kept);
    }
    assert_eq!(news(&mut unknown), [7, 8]);
    unknown.push(now, packet(7, 10, 100));
    assert!(news(&mut unknown).is_empty());
    unknown.announce_later(7);
    unknown.push(now, packet(7, 11, 100));
    assert_eq!(news(&mut unknown), [7]);
    let replayed: Vec<u16> = unknown
        .take(7)
        .iter()
        .map(|(header, _)| header.sequence_number)
        .collect();
    assert_eq!(replayed, (0..12).collect::<Vec<u16>>());
    assert_eq!(unknown.held().0, 1);
}

#[test]
fn g016_a_flooding_source_takes_nothing_from_the_others() {
    let now = Instant::now();
    for (floods, len) in [(1, 1_200), (20, 1_200), (20, 10)] {
        let mut unknown = UnknownSources::default();
        for n in 0..2_000 {
            for flood in 0..floods {
                unknown.push(now, packet(flood, n, len));
            }
        }
        for n in 0..20 {
            let (kept, _) = unknown.push(now, packet(1_000, n, len));
            assert_eq!(kept, Verdict::Kept, "{floods} x {len}: packet {n}");
        }
        let (_, packets, bytes) = unknown.held();
        assert!(packets <= MAX_PACKETS && bytes <= MAX_BYTES);
        assert_eq!(unknown.take(1_000).len(), 20);
        for flood in 0..floods {
            let held: Vec<u16> = unknown
                .take(flood)
                .iter()
                .map(|p| p.1.sequence_number)
                .collect();
            assert_eq!(held, (0..held.len() as u16).collect::<Vec<_>>(), "{flood}");
        }
        assert_eq!(unknown.held(), (0, 0, 0));
    }
}

#[test]
fn g016_ten_thousand_sources_leave_memory_flat() {
    let now = Instant::now();
    let mut unknown = UnknownSources::default();
    let mut announced = 0;
    for ssrc in 0..10_000 {
        let (kept, forgotten) = unknown.push(now, packet(ssrc, 1, 1_200));
        assert_eq!(
            kept == Verdict::Refused,
            ssrc as usize >= MAX_SOURCES,
            "{ssrc}"
        );
        assert_eq!(forgotten, None);
    }
    announced += news(&mut unknown).len();
    assert_eq!(announced, 64);
    let (sources, packets, bytes) = unknown.held();
    assert_eq!(sources, MAX_SOURCES);
    assert!(packets <= MAX_PACKETS && bytes <= MAX_BYTES);
    // Those that found no room are announced with their next packets.
    for _ in 0..20 {
        for ssrc in 0..1_000 {
            unknown.push(now, packet(ssrc, 2, 10));
        }
        announced += news(&mut unknown).len();
    }
    assert!(announced >= packets, "{announced} of {packets}");
    // Long silent ones make room, once all places are taken.
    let later = now + FORGET_AFTER + Duration::from_secs(1);
    let (_, forgotten) = unknown.push(later, packet(50_000, 1, 10));
    assert!(forgotten.is_some());
    assert_eq!(unknown.held().0, MAX_SOURCES);
}

#[test]
fn g016_what_was_given_up_is_not_announced() {
    let now = Instant::now();
    let mut unknown = UnknownSources::default();
    unknown.give_up(now, 9);
    assert_eq!(unknown.push(now, packet(9, 1, 10)).0, Verdict::GivenUp);
    assert!(news(&mut unknown).is_empty());
    assert!(unknown.take(9).is_empty());
}
