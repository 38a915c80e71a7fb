//! One side closes, at every moment of the handshake: the other hears of it.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What the path does to the datagrams of the closing side's handshake.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Path {
    Whole,
    /// Nothing of the client's second flight gets through before the close.
    NoFlight,
    /// All but the client's Finished gets through before the close.
    NoFinished,
    /// What is sent at the close comes in the other order.
    Turned,
}

/// The records that the path lets through, each in a datagram of its own.
fn passes(path: Path, side: usize, datagram: &[u8]) -> Vec<Vec<u8>> {
    let is_flight = |record: &record::Record<'_>| {
        let kind = record::fragments(record.body)
            .next()
            .map(|piece| piece.kind);
        record.epoch == 1 || kind.is_some_and(|kind| kind != kind::CLIENT_HELLO)
    };
    record::records(datagram)
        .filter(|record| match path {
            _ if side == 1 => true,
            Path::NoFlight => !is_flight(record),
            Path::NoFinished => record.epoch == 0,
            Path::Whole | Path::Turned => true,
        })
        .map(|record| record.raw.to_vec())
        .collect()
}

/// Closes side `closer` at `at` after the start; whether it had keys then, and the pair a second
/// later.
fn closed(path: Path, closer: usize, at: Duration) -> (bool, Pair) {
    let mut pair = Pair::new();
    let start = pair.start;
    let fate = |side: usize, _: u64, datagram: &[u8]| {
        let passing = passes(path, side, datagram).into_iter();
        passing.map(|record| (DELAY, record)).collect::<Vec<_>>()
    };
    // A timer of nobody: time has to reach the moment whatever happens then.
    pair.inject(closer, at, vec![]);
    pair.run(SECOND, fate, |pair| pair.now - start >= at);
    let had_keys = pair.sides[closer].has_keys();
    pair.sides[closer].close(pair.now);
    let mut order = 0;
    let until = pair.now - start + SECOND;
    pair.run(
        until,
        |_, _, datagram| {
            order += 1;
            let late = match path {
                Path::Turned => Duration::from_millis(50) / order,
                _ => Duration::ZERO,
            };
            vec![(DELAY + late, datagram.to_vec())]
        },
        |_| false,
    );
    (had_keys, pair)
}

fn every_moment(mut case: impl FnMut(Path, usize, Duration)) {
    for path in [Path::Whole, Path::NoFlight, Path::NoFinished, Path::Turned] {
        for closer in 0..2 {
            for step in 0..=14 {
                case(path, closer, DELAY * step / 2);
            }
        }
    }
}

/// Reliability row B11: no ghost for 30 s.
#[test]
fn r_b11_a_close_is_heard_wherever_there_are_keys() {
    let (mut heard, mut unheard) = (0, 0);
    every_moment(|path, closer, at| {
        let (had_keys, pair) = closed(path, closer, at);
        let other = &pair.outcome[1 - closer];
        let what = format!(
            "{path:?}, side {closer} closes at {at:?}: {:?}",
            other.failed
        );
        assert_eq!(other.failed, None, "{what}");
        if had_keys {
            assert!(other.closed, "{what}");
            heard += 1;
        } else {
            // Nothing that it could say would be believed.
            assert!(!other.closed, "{what}");
            unheard += 1;
        }
    });
    println!("{heard} heard at once, {unheard} without keys");
    assert!(heard >= 30 && unheard >= 60, "{heard}, {unheard}");
}

/// The same where the other side has to find out by the time.
#[test]
fn r_b11_a_close_without_keys_ends_by_the_time() {
    for (closer, failure) in [(0, DtlsFailure::Timeout), (1, DtlsFailure::Timeout)] {
        let (_, mut pair) = closed(Path::Whole, closer, DELAY * 3 / 2);
        pair.run(Duration::from_secs(40), whole, |_| false);
        assert_eq!(pair.outcome[1 - closer].failed, Some(failure));
        assert_eq!(pair.now - pair.start, Duration::from_secs(30));
    }
}

/// Records that rtc-dtls protects itself, too.
#[test]
fn r_b11_a_close_is_heard_with_the_other_cipher() {
    only_chacha(|| {
        for path in [Path::Whole, Path::NoFlight, Path::NoFinished] {
            for closer in 0..2 {
                for step in [8, 9, 12] {
                    let (had_keys, pair) = closed(path, closer, DELAY * step / 2);
                    let connected = &pair.outcome[1 - closer].connected;
                    if let Some((_, _, suite)) = connected {
                        assert!(suite.contains("CHACHA20"), "{suite}");
                    }
                    let told = pair.outcome[1 - closer].closed;
                    assert_eq!(told, had_keys, "{path:?}, {closer} at {step}");
                }
            }
        }
    });
}

/// Whoever gives up says so under the keys, if there are some: here the time is over.
#[test]
fn r_b11_a_time_out_is_heard_as_well() {
    let short = DtlsConfig {
        handshake_timeout: Duration::from_millis(500),
        ..DtlsConfig::default()
    };
    let mut pair = Pair::with(short, DtlsConfig::default());
    // The server's Finished never comes.
    let fate = |side: usize, _: u64, datagram: &[u8]| {
        let records = record::records(datagram);
        let passing = records.filter(|record| side == 0 || record.epoch == 0);
        passing
            .map(|record| (DELAY, record.raw.to_vec()))
            .collect::<Vec<_>>()
    };
    pair.run(SECOND, fate, |_| false);
    assert_eq!(pair.outcome[0].failed, Some(DtlsFailure::Timeout));
    let description = Some(40);
    let alert = DtlsFailure::PeerAlert { description };
    assert_eq!(pair.outcome[1].failed, Some(alert));
}
