//! Reliability row B5 in full: an attacker on the path during the handshake.

use super::forger::{Forger, KINDS};
use super::*;

fn is_soak() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

/// Ten seconds are promised.
const LIMIT: Duration = Duration::from_secs(10);

/// The first message of a forged flight decides nothing: a cookie that leads nowhere and a
/// ServerHello of one byte in one datagram.
#[test]
fn r_b05_a_forged_flight_before_the_first_answer() {
    let message = |number: u64, kind: u8, message: u16, body: &[u8]| {
        let body = record::fragment(kind, body.len(), message, 0, body);
        record::plaintext(record::HANDSHAKE, record::DTLS_1_2, number, &body)
    };
    let verify = [&[0xfe, 0xfd, 20][..], &[7; 20]].concat();
    let forgery = [message(0, 3, 0, &verify), message(1, 2, 1, &[7])].concat();
    for at in 0..6 {
        let mut pair = Pair::new();
        pair.inject(0, DELAY * at / 2, forgery.clone());
        pair.run(LIMIT, whole, Pair::both_connected);
        assert!(pair.both_connected(), "at {at}");
        let taken = pair.now - pair.start;
        assert!(
            taken <= DELAY * 8,
            "{taken:?}: the next cookie is tried at once"
        );
    }
}

/// The messages of a case, cut into two datagrams after `cut` of them.
fn forgeries(forger: &mut Forger, kinds: &[u64], cut: usize) -> Vec<Vec<u8>> {
    let records: Vec<Vec<u8>> = kinds.iter().map(|kind| forger.message(*kind)).collect();
    let (one, two) = records.split_at(cut);
    let datagrams = [one.concat(), two.concat()];
    datagrams
        .into_iter()
        .filter(|datagram| !datagram.is_empty())
        .collect()
}

/// Runs one handshake with these messages added; how long it took.
fn disturbed(seed: u64, victim: usize, kinds: &[u64], cut: usize, during: bool) -> Duration {
    let mut forger = Forger::new(seed);
    let mut pair = match seed % 4 {
        0 => Pair::new(),
        _ => Pair::pinned(),
    };
    let when = match during {
        true => DELAY * forger.rng.below(60) as u32 / 10,
        false => Duration::ZERO,
    };
    let forger = std::cell::RefCell::new(forger);
    let read = |side: usize, _: u64, datagram: &[u8]| {
        forger.borrow_mut().read(side, datagram);
        whole(side, 0, datagram)
    };
    let start = pair.start;
    pair.run(LIMIT, read, |pair| pair.now - start >= when);
    let after = if during { DELAY / 20 } else { Duration::ZERO };
    for datagram in forgeries(&mut forger.borrow_mut(), kinds, cut) {
        pair.inject(victim, after, datagram);
    }
    pair.run(LIMIT, read, Pair::both_connected);
    assert!(
        pair.both_connected(),
        "seed {seed}, to {victim}: {kinds:?} cut at {cut}, during: {during}, {:?} {:?}",
        pair.outcome.each_ref().map(|side| side.failed.clone()),
        pair.sides.each_ref().map(DtlsTransport::counters),
    );
    for side in 0..2 {
        pair.sides[side].write(pair.now, b"still here").unwrap();
    }
    pair.run(pair.now - start + DELAY * 3, whole, |_| false);
    assert!(pair.outcome.iter().all(|side| side.data.len() == 1));
    pair.now - start
}

/// Every sequence of up to so many of the kinds, and how it is cut into two datagrams.
pub(in crate::engine) fn sequences() -> Vec<(Vec<u64>, usize)> {
    let mut cases = Vec::new();
    let all = 0..KINDS;
    for one in all.clone() {
        cases.push((vec![one], 1));
        for two in all.clone() {
            cases.extend((1..=2).map(|cut| (vec![one, two], cut)));
            for three in all.clone() {
                cases.extend((1..=3).map(|cut| (vec![one, two, three], cut)));
            }
        }
    }
    cases
}

/// In full each of the sequences once, before and during the handshake, to both roles; else as many
/// as the seeds pick.
#[test]
fn r_b05_every_sequence_of_up_to_three_forged_messages() {
    let cases = sequences();
    let picked: Vec<(u64, usize)> = match is_soak() {
        true => (0..cases.len()).map(|at| (at as u64, at)).collect(),
        false => (0..70)
            .map(|seed| (seed, Rng::new(seed).below(cases.len() as u64) as usize))
            .collect(),
    };
    let (mut worst, mut count) = ([Duration::ZERO; 2], 0);
    for (victim, during) in [(0, false), (1, false), (0, true), (1, true)] {
        for (seed, which) in &picked {
            let (kinds, cut) = &cases[*which];
            let taken = disturbed(*seed, victim, kinds, *cut, during);
            worst[victim] = worst[victim].max(taken);
            count += 1;
            if count % 20_000 == 0 {
                println!("{count} so far, worst {worst:?}");
            }
        }
    }
    println!(
        "{count} handshakes of {} sequences, worst at the client and the server {worst:?}",
        cases.len()
    );
}

/// A hello with the cookie of ours and something else changed: the server answers both, and the
/// client takes the answer to the other for its own.
#[test]
fn r_b05_a_second_hello_with_the_same_cookie() {
    assert!(disturbed(355, 1, &[1, 23, 10], 2, true) < Duration::from_secs(2));
}

/// Ten forged datagrams beside each genuine one, to both sides, that were told each other's
/// fingerprints or were not: then a whole flight that a stranger signed is as good as the peer's, and
/// each one taken costs an association, so less than all connect.
#[test]
fn r_b05_ten_forged_datagrams_beside_each_genuine_one() {
    for (is_pinned, seeds, least) in [
        (true, if is_soak() { 200 } else { 20 }, 99),
        (false, if is_soak() { 100 } else { 10 }, 70),
    ] {
        let (mut done, mut late, mut worst) = (0, 0, Duration::ZERO);
        for seed in 0..seeds {
            let mut forger = Forger::new(seed);
            let mut pair = match is_pinned {
                true => Pair::pinned(),
                false => Pair::new(),
            };
            pair.run(
                LIMIT,
                |side, _, datagram| {
                    forger.read(side, datagram);
                    // At the one it goes to, some before and some behind it.
                    let mut out = whole(side, 0, datagram);
                    for _ in 0..10 {
                        let delay = DELAY / 2 + DELAY * forger.rng.below(100) as u32 / 100;
                        out.push((delay, forger.datagram()));
                    }
                    out
                },
                Pair::both_connected,
            );
            let taken = pair.now - pair.start;
            if pair.both_connected() {
                done += 1;
                late += u32::from(taken > Duration::from_secs(1));
                worst = worst.max(taken);
            } else {
                println!(
                    "pinned {is_pinned}, seed {seed}: {:?} {:?}",
                    pair.outcome.each_ref().map(|side| side.failed.clone()),
                    pair.sides.each_ref().map(DtlsTransport::counters)
                );
            }
        }
        println!("pinned {is_pinned}: {done} of {seeds}, {late} after 1 s, worst {worst:?}");
        assert!(done * 100 >= seeds * least);
    }
}

/// No forgery shortens the patience of 30 s: a path that is down for long still leads on.
#[test]
fn r_b05_forgeries_and_a_long_pause() {
    let hello = {
        let mut pair = Pair::new();
        pair.sides[0].poll_transmit().unwrap().to_vec()
    };
    let alert = record::plaintext(record::ALERT, record::DTLS_1_2, 7, &[2, 40]);
    for pause in [9, 20, 28] {
        for (victim, forgery) in [(0, &alert), (0, &hello), (1, &alert)] {
            for every in [None, Some(50)] {
                let mut pair = Pair::new();
                let start = pair.start;
                let up = start + Duration::from_secs(pause);
                pair.consent = None;
                let copies = every.map_or(1, |every| pause * 1_000 / every);
                for copy in 0..copies {
                    let after = Duration::from_millis(copy * every.unwrap_or(0));
                    pair.inject(victim, after, forgery.clone());
                }
                pair.run(Duration::from_secs(pause), |_, _, _| vec![], |_| false);
                pair.now = up;
                pair.consent = Some(up);
                pair.run(Duration::from_secs(30), whole, Pair::both_connected);
                assert!(
                    pair.both_connected(),
                    "{pause} s to {victim} every {every:?}"
                );
                assert!(pair.now - up < Duration::from_secs(2));
            }
        }
    }
}

/// Forged cookies as fast as they come, for eight seconds.
#[test]
fn r_b05_a_stream_of_forged_cookies() {
    for every in [1, 7, 50] {
        let mut pair = Pair::new();
        for step in 0..8_000 / every {
            let mut body = vec![0xfe, 0xfd, 20];
            body.extend_from_slice(&[step as u8; 18]);
            body.extend_from_slice(&(step as u16).to_be_bytes());
            let body = record::fragment(3, body.len(), 0, 0, &body);
            let datagram = record::plaintext(record::HANDSHAKE, record::DTLS_1_2, step % 9, &body);
            pair.inject(0, Duration::from_millis(step * every), datagram);
        }
        pair.run(LIMIT, whole, Pair::both_connected);
        assert!(pair.both_connected(), "every {every} ms");
        let taken = pair.now - pair.start;
        println!("every {every} ms: {taken:?}, {} datagrams", pair.sent[0]);
    }
}
