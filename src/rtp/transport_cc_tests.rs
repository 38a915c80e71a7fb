//! Transport-wide feedback: what is told is what happened, and anything may come back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use rtc_shared::marshal::Unmarshal;
use rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;

use super::reports::{is_valid_compound, write_transport};
use super::transport_cc::{Feedback, Recorder, parse};
use crate::simnet::Rng;

fn messages(recorder: &mut Recorder) -> Vec<Feedback> {
    let mut all = Vec::new();
    while let Some(body) = recorder.message() {
        let mut packet = Vec::new();
        write_transport(&mut packet, 1, 2, &body);
        assert!(packet.len() <= 1_000 && is_valid_compound(&packet));
        // Another implementation reads the same.
        let theirs = TransportLayerCc::unmarshal(&mut &packet[..]).unwrap();
        let feedback = parse(&body).unwrap();
        assert_eq!(theirs.base_sequence_number, feedback.base);
        assert_eq!(
            usize::from(theirs.packet_status_count),
            feedback.arrivals.len()
        );
        let received = feedback.arrivals.iter().flatten().count();
        assert_eq!(theirs.recv_deltas.len(), received);
        all.push(feedback);
    }
    all
}

#[test]
fn arrivals_and_losses_are_told() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let start = Instant::now();
        let mut recorder = Recorder::new(start);
        let (mut now, mut number) = (start, 65_000u16);
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for n in 0..3_000 {
            now += rng.duration(Duration::from_micros(20_000));
            if rng.chance(0.002) {
                now += rng.duration(Duration::from_secs(20));
            }
            // The first and the last arrive, so that all losses show.
            let arrives = n == 0 || n == 2_999 || !rng.chance(0.3);
            if arrives {
                recorder.arrived(now, number, 7);
            }
            sent.push(number);
            expected.push(arrives.then_some(now));
            number = number.wrapping_add(1);
            let due = recorder.due.is_some_and(|at| at <= now);
            if due || n == 2_999 {
                recorder.due = None;
                let mut next = sent[0];
                let mut told = Vec::new();
                for feedback in messages(&mut recorder) {
                    assert_eq!(feedback.base, next, "seed {seed}");
                    next = next.wrapping_add(feedback.arrivals.len() as u16);
                    told.extend(feedback.arrivals);
                }
                let whole = &expected[..told.len()];
                let same = told
                    .iter()
                    .zip(whole)
                    .all(|(a, b)| a.is_some() == b.is_some());
                assert!(same, "seed {seed}");
                sent.drain(..told.len());
                expected.drain(..told.len());
            }
        }
        assert!(
            sent.is_empty(),
            "seed {seed}: {} are not told of",
            sent.len()
        );
    }
}

#[test]
fn deltas_are_times_between_arrivals() {
    let start = Instant::now();
    let mut recorder = Recorder::new(start);
    let at = |micros| start + Duration::from_micros(micros);
    // A reference of 64 ms, then 1 ms after it, 63.75 ms later, 100 ms later, and one overtaken.
    for (number, micros) in [
        (10, 65_000),
        (11, 128_750),
        (12, 228_750),
        (14, 229_000),
        (13, 230_000),
    ] {
        recorder.arrived(at(micros), number, 7);
    }
    assert_eq!(recorder.due, Some(at(115_000)));
    let told = messages(&mut recorder).remove(0);
    let micros: Vec<_> = told
        .arrivals
        .iter()
        .map(|d| i64::from(d.unwrap()) * 250)
        .collect();
    assert_eq!((told.base, told.reference), (10, 1));
    assert_eq!(micros, [1_000, 63_750, 100_000, 1_250, -1_000]);
    // Told of as lost, then it comes after all: it stays so, and the next begins after it.
    recorder.arrived(at(300_000), 16, 7);
    assert_eq!(messages(&mut recorder)[0].base, 15);
    recorder.arrived(at(301_000), 15, 7);
    assert!(messages(&mut recorder).is_empty());
}

#[test]
fn r_c03_waiting_arrivals_are_bounded() {
    let start = Instant::now();
    let mut recorder = Recorder::new(start);
    for n in 0..60_000u32 {
        recorder.arrived(start, n as u16, 7);
    }
    assert_eq!(recorder.due, Some(start), "many are told of at once");
    let told: usize = messages(&mut recorder)
        .iter()
        .map(|f| f.arrivals.len())
        .sum();
    assert_eq!(told, 4_000);
    // A long gap does not make for a long message.
    recorder.arrived(start, 50_000, 7);
    let told = messages(&mut recorder);
    assert_eq!((told.len(), told[0].arrivals.len()), (1, 1));
}

#[test]
fn anything_is_parsed_or_refused() {
    let mut rng = Rng::new(5);
    let mut accepted = 0;
    for _ in 0..100_000 {
        let len = rng.below(60) as usize;
        let mut body = rng.bytes(len);
        if len > 4 && rng.chance(0.7) {
            body[2] = 0;
        }
        if let Some(feedback) = parse(&body) {
            accepted += 1;
            assert_eq!(
                feedback.arrivals.len(),
                usize::from(u16::from_be_bytes([body[2], body[3]]))
            );
        }
    }
    assert!(accepted > 100, "{accepted}");
}
