#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::RedWindow;
use super::*;
use crate::simnet::Rng;

#[test]
fn blocks_are_found_where_they_were_written() {
    let mut payload = Vec::new();
    write_red_header(&mut payload, 111, 1_920, 3);
    write_red_header(&mut payload, 0, MAX_RED_OFFSET, 0);
    write_red_header(&mut payload, 127, 960, MAX_RED_BLOCK);
    write_red_last_header(&mut payload, 111);
    // RFC 2198 section 3: F, block PT, 14 bits of offset, 10 of length.
    assert_eq!(payload[..4], [0x80 | 111, 0x1e, 0x00, 3]);
    assert_eq!(payload[12], 111);
    payload.extend_from_slice(&[1; 3]);
    payload.extend_from_slice(&[2; MAX_RED_BLOCK]);
    payload.extend_from_slice(&[3; 5]);
    let red = parse_red(&payload).unwrap();
    let blocks: Vec<_> = red
        .redundant
        .iter()
        .map(|b| (b.payload_type, b.offset, &payload[b.range.clone()]))
        .collect();
    let expected: [(u8, u32, &[u8]); 3] = [
        (111, 1_920, &[1; 3]),
        (0, MAX_RED_OFFSET, &[]),
        (127, 960, &[2; MAX_RED_BLOCK]),
    ];
    assert_eq!(blocks, expected);
    assert_eq!(red.primary.payload_type, 111);
    assert_eq!(payload[red.primary.range.clone()], [3; 5]);
    // Every shorter one lacks its own block at least.
    for len in 0..payload.len() - 5 {
        let cut = parse_red(&payload[..=len]);
        assert_eq!(cut.is_some(), len >= payload.len() - 5, "{len}");
    }
    assert!(parse_red(&payload[..payload.len() - 5]).is_none());
}

#[test]
fn hostile_payloads_are_refused_or_stay_inside() {
    for len in [0, 1, 3, 4, 5, 64, 1_400] {
        // Headers without end, and one that promises what is not there.
        assert_eq!(parse_red(&vec![0xff; len]), None);
        assert_eq!(parse_red(&vec![0x80; len]), None);
    }
    let chain = |blocks: usize| {
        let mut payload = Vec::new();
        (0..blocks).for_each(|_| write_red_header(&mut payload, 111, 960, 0));
        payload.extend_from_slice(&[111, 1]);
        parse_red(&payload)
    };
    assert_eq!(chain(16).unwrap().redundant.len(), 16);
    assert_eq!(chain(17), None);
    let seed = 0x2198;
    let mut rng = Rng::new(seed);
    let mut taken = 0;
    for round in 0..200_000 {
        let len = rng.below(60) as usize;
        let mut payload = rng.bytes(len);
        if round % 2 == 0 && len > 6 {
            // A header that may well be right.
            payload.splice(..5, [0xef, 0x0f, 0, rng.below(60) as u8, 111]);
        }
        let Some(red) = parse_red(&payload) else {
            continue;
        };
        taken += 1;
        let mut at = red.redundant.len() * RED_HEADER + RED_LAST_HEADER;
        for block in red.redundant.iter().chain([&red.primary]) {
            assert_eq!(block.range.start, at, "seed {seed} round {round}");
            assert!(block.payload_type < 128 && block.offset <= MAX_RED_OFFSET);
            at = block.range.end;
        }
        assert_eq!(at, payload.len(), "seed {seed} round {round}");
        assert!(!red.primary.range.is_empty());
    }
    assert!(taken > 10_000, "{taken}");
}

/// Packets of 960 units each, from the number and time 0 on, wrapping.
fn window(numbers: &[u16]) -> RedWindow {
    let mut window = RedWindow::new(numbers[0], false);
    for &number in numbers {
        assert!(window.arrived(number, Some(time(number))), "{number}");
    }
    window
}

fn time(number: u16) -> u32 {
    (i32::from(number as i16) * 960) as u32
}

#[test]
fn a_block_belongs_to_the_packet_that_is_missing() {
    // 8 and 9 are missing; 10 carries both.
    let mut known = window(&[6, 7, 10]);
    assert_eq!(known.place(9, time(9)), Some(9));
    assert!(known.arrived(9, Some(time(9))));
    assert_eq!(known.place(8, time(8)), Some(8));
    assert!(known.arrived(8, Some(time(8))));
    // Now all of them are there, and come too late.
    for number in 6..=10 {
        assert_eq!(known.place(9, time(number)), None);
        assert!(!known.arrived(number, Some(time(number))));
    }
    // A packet that only carries the one before the last: its number is not the one below.
    let known = window(&[6, 7, 9, 10]);
    assert_eq!(known.place(9, time(8)), Some(8));
    // Around the end of the numbers and of the timestamps.
    let known = window(&[0xfffe, 0xffff, 1, 2]);
    assert_eq!(known.place(0, time(0)), Some(0));
    assert_eq!(known.place(0, time(0xffff)), None);
    // Of no time that is missing; of a longer gap, the last.
    assert_eq!(window(&[6, 7, 8]).place(7, time(7) + 1), None);
    assert_eq!(window(&[1, 9]).place(8, time(8)), Some(8));
    // What was before the first packet, unless others were there before.
    assert_eq!(window(&[6]).place(5, time(5)), Some(5));
    let mut midway = RedWindow::new(6, true);
    midway.arrived(6, Some(time(6)));
    assert_eq!(midway.place(5, time(5)), None);
    midway.arrived(8, Some(time(8)));
    assert_eq!(midway.place(7, time(7)), Some(7));
}

#[test]
fn packets_outside_the_line_of_the_audio_have_no_say() {
    // 8 is of a digit that began at 5; 7 is missing.
    let mut known = window(&[5, 6, 9]);
    known.arrived(8, None);
    assert_eq!(known.place(8, time(7)), Some(7));
    // 6 and its copy: not the digit, if that is missing.
    let known = window(&[5, 6, 8]);
    assert_eq!(known.place(7, time(6)), None);
}

#[test]
fn numbers_that_begin_anew_and_jumps_are_followed() {
    let mut known = window(&[5_000, 5_001]);
    assert!(known.arrived(100, Some(7)));
    assert_eq!(known.place(99, 6), None);
    assert!(known.arrived(102, Some(27)));
    assert_eq!(known.place(101, 17), Some(101));
    assert!(known.arrived(30_000, Some(90)));
    assert!(known.arrived(30_001, Some(100)));
    assert_eq!(known.place(29_999, 80), Some(29_999));
    known.forget(30_000);
    assert_eq!(known.place(30_000, 90), Some(30_000));
    let seed = 0x2199;
    let mut rng = Rng::new(seed);
    for _ in 0..200_000 {
        let (number, timestamp) = (rng.next_u64() as u16, rng.next_u64() as u32);
        known.arrived(number, rng.chance(0.9).then_some(timestamp));
        if let Some(found) = known.place(number.wrapping_sub(1), timestamp.wrapping_sub(960)) {
            assert!(number.wrapping_sub(found) <= 16, "seed {seed}");
            assert!(known.arrived(found, Some(timestamp)), "seed {seed}");
        }
    }
}
