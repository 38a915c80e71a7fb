#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Instant;

use super::session_tests::{header, ms, session};
use super::*;
use crate::simnet::Rng;

const OURS: u32 = 0x1000;

fn packet(count: u8, kind: u8, words: &[u32]) -> Vec<u8> {
    let length = (words.len() as u16).to_be_bytes();
    let mut out = vec![0x80 | count, kind, length[0], length[1]];
    out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    out
}

/// One of each kind of reliability.md's row A4.
pub(super) fn corpus() -> Vec<Vec<u8>> {
    let block = [OURS, 0x0100_0002, 3, 4, 5, 6];
    let sr = [&[0x2000, 1, 2, 3, 4, 5][..], &block].concat();
    vec![
        packet(1, 200, &sr),
        packet(1, 201, &[&[0x3000][..], &block].concat()),
        packet(1, 202, &[0x2000, 0x0105_6161, 0x6161_6100]),
        packet(2, 203, &[0x2000, OURS, 0x0362_7965]),
        packet(0, 204, &[0x2000, 0x6e61_6d65, 9]),
        packet(0, 207, &[0x2000, 0x0400_0002, 1, 2]),
        packet(1, 205, &[0x3000, OURS, 0x0007_ffff, 0xfffe_8001]),
        packet(1, 206, &[0x3000, OURS]),
        packet(4, 206, &[0x3000, 0, OURS, 0x0100_0000]),
        packet(15, 206, &[0x3000, 0, 0x5245_4d42, 0x01ff_ffff, OURS]),
        packet(
            15,
            205,
            &[0x3000, OURS, 0x0001_0002, 0x0000_0100, 0x4002_0000],
        ),
        packet(11, 205, &[0x3000, OURS, 0x0001_0002, 0x8000_8001, 7]),
    ]
}

#[test]
fn r_a04_mutated_compounds_do_no_harm() {
    let seed = 0x0a04;
    let mut rng = Rng::new(seed);
    let corpus = corpus();
    let start = Instant::now();
    let mut session = session(start, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    for round in 0..100_000u64 {
        let now = start + ms(round);
        let mut compound = Vec::new();
        for _ in 0..rng.range(1, 4) {
            compound.extend_from_slice(&corpus[rng.range(0, corpus.len() - 1)]);
        }
        for _ in 0..rng.below(4) {
            let at = rng.range(0, compound.len() - 1);
            compound[at] = rng.below(256) as u8;
        }
        if rng.below(8) == 0 {
            compound.truncate(rng.range(0, compound.len()));
        }
        session.sent(now, OURS, round as u32, 1);
        session.received(now, &header(0x2000, rng.below(65_536) as u16, 7), 1, 8_000);
        session.handle_rtcp(now, &compound);
        session.handle_timeout(now);
        let mut events = 0;
        while session.poll_event().is_some() {
            events += 1;
        }
        // One for each four bytes, and those that this end caused.
        assert!(
            events <= compound.len() / 4 + 4,
            "seed {seed}, round {round}"
        );
        while let Some(out) = session.poll_rtcp(now) {
            assert!(out.len() <= 1_200, "seed {seed}, round {round}");
            rtcp::packet::unmarshal(&mut &out[..]).unwrap();
        }
    }
    let counters = session.counters();
    assert!(counters.compounds_invalid > 10_000, "{counters:?}");
    assert!(counters.compounds_received - counters.compounds_invalid > 10_000);
    assert!(counters.packets_malformed > 100, "{counters:?}");
}

#[test]
fn r_a04_prefixes_and_noise() {
    let mut rng = Rng::new(1);
    let now = Instant::now();
    let mut session = session(now, RtpConfig::default());
    let whole = corpus().concat();
    session.handle_rtcp(now, &whole);
    assert_eq!(session.counters().compounds_invalid, 0);
    for end in 0..whole.len() {
        session.handle_rtcp(now, &whole[..end]);
    }
    for _ in 0..20_000 {
        let length = rng.below(64);
        let noise: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
        session.handle_rtcp(now, &noise);
    }
}

#[test]
fn r_a04_compounds_are_checked_as_a_whole() {
    let now = Instant::now();
    let valid = packet(1, 206, &[0x3000, OURS]);
    let with = |at: usize, byte: u8| {
        let mut compound = [packet(0, 201, &[1]), valid.clone()].concat();
        compound[at] = byte;
        compound
    };
    let padded = |count: u8| {
        let mut compound = [packet(0, 201, &[1]), packet(1, 206, &[1, OURS, 0])].concat();
        compound[8] |= 0x20;
        *compound.last_mut().unwrap() = count;
        compound
    };
    for (compound, invalid) in [
        (with(0, 0x80), false),
        (with(8, 0x41), true),
        (with(11, 1), true),
        (with(11, 3), true),
        (with(9, 0x60), true),
        // Padding in a packet that is not the last.
        ([with(0, 0xa0), packet(0, 201, &[4])].concat(), true),
        (padded(4), false),
        (padded(0), true),
        (padded(3), true),
        (padded(16), true),
        (vec![], true),
        (vec![0x80, 201, 0], true),
    ] {
        let mut session = session(now, RtpConfig::default());
        session.add_sender(OURS, 8_000).unwrap();
        session.handle_rtcp(now, &compound);
        assert_eq!(
            session.counters().compounds_invalid == 1,
            invalid,
            "{compound:?}"
        );
        assert_eq!(session.poll_event().is_none(), invalid, "{compound:?}");
    }
}

#[test]
fn r_a05_feedback_bombs_are_bounded() {
    let now = Instant::now();
    let mut session = session(now, RtpConfig::default());
    session.add_sender(OURS, 8_000).unwrap();
    // 370 entries of 17 numbers.
    let mut nack = vec![0x3000, OURS];
    nack.extend((0..370u32).map(|entry| (entry * 17) << 16 | 0xffff));
    session.handle_rtcp(now, &packet(1, 205, &nack));
    let Some(RtpEvent::Nack {
        sequence_numbers, ..
    }) = session.poll_event()
    else {
        panic!("a NACK");
    };
    assert!(sequence_numbers.iter().copied().eq(0..1_000));
    assert_eq!(session.counters().nacks_dropped, 370 * 17 - 1_000);
    // The bound is for the compound, not for each packet in it.
    session.handle_rtcp(now, &packet(1, 205, &nack).repeat(5));
    let numbers: usize = std::iter::from_fn(|| session.poll_event())
        .map(|event| match event {
            RtpEvent::Nack {
                sequence_numbers, ..
            } => sequence_numbers.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(numbers, 1_000);
    // Status count 65,535 of runs, and of the reserved symbol 3; REMB of 255 SSRCs.
    let mut twcc = vec![0x3000, OURS, 0x0000_ffff, 0];
    twcc.extend([0x7fff_7fff; 20]);
    let mut remb = vec![0x3000, 0, 0x5245_4d42, 0xffff_ffff];
    remb.extend([OURS; 255]);
    let before = session.counters();
    session.handle_rtcp(now, &packet(15, 205, &twcc));
    session.handle_rtcp(now, &packet(15, 206, &remb));
    let after = session.counters();
    assert_eq!(after.packets_malformed, before.packets_malformed + 1);
    assert_eq!(after.packets_ignored, before.packets_ignored + 1);
    assert_eq!(session.transport_reports(), Default::default());
    // Report blocks about one SSRC, over and over in one large compound.
    let blocks = [&[0x3000][..], &[OURS, 1, 2, 3, 4, 5].repeat(31)].concat();
    session.handle_rtcp(now, &packet(31, 201, &blocks).repeat(80));
    assert_eq!(session.poll_event(), None);
    // Requests that nobody takes.
    for _ in 0..1_500 {
        session.handle_rtcp(now, &packet(1, 205, &[0x3000, OURS, 7 << 16]));
    }
    assert_eq!(std::iter::from_fn(|| session.poll_event()).count(), 1_000);
    assert_eq!(session.counters().events_dropped, 500);
    assert_eq!(session.poll_rtcp(now), None);
}
