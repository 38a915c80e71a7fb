//! Somebody on the path who holds a certificate of his own and does a whole handshake with it.

use super::*;

/// A pair that was told each other's fingerprints, and somebody who plays the part of `part` with a
/// certificate of his own, `ahead` of the genuine one. When both are connected.
fn meets(part: usize, ahead: Duration, count: usize) -> Option<Duration> {
    let [one, two] = certificates();
    let stranger = Certificate::generate().unwrap();
    let sides = [
        RtcDtls::new(&one, DtlsRole::Client, pinned(&two)).unwrap(),
        RtcDtls::new(&two, DtlsRole::Server, pinned(&one)).unwrap(),
    ];
    let mut pair = Pair::of(sides);
    pair.round_trip = (DELAY + ahead) * 2;
    let role = [DtlsRole::Client, DtlsRole::Server][part];
    let mut strangers: Vec<RtcDtls> = (0..count)
        .map(|_| {
            let mut side = RtcDtls::new(&stranger, role, DtlsConfig::default()).unwrap();
            side.start(pair.now);
            side
        })
        .collect();
    let victim = 1 - part;
    let (start, mut clock) = (pair.start, 0);
    // The stranger reads what the victim sends, at once, and what he says is there at once.
    pair.run(
        Duration::from_secs(10),
        |side, number, datagram| {
            clock += 1;
            let now = start + Duration::from_millis(clock);
            let mut out = Vec::new();
            for stranger in &mut strangers {
                if side == victim {
                    stranger.handle_datagram(now, datagram);
                }
            }
            let genuine = whole(side, number, datagram);
            out.extend(
                genuine
                    .into_iter()
                    .map(|(delay, copy)| (delay + ahead, copy)),
            );
            out
        },
        |_| true,
    );
    let mut result = None;
    while pair.now - start < Duration::from_secs(10) {
        for stranger in &mut strangers {
            stranger.handle_timeout(pair.now);
            while let Some(datagram) = stranger.poll_transmit() {
                pair.inject(victim, DELAY / 20, datagram.to_vec());
            }
        }
        let until = pair.now + Duration::from_millis(1);
        pair.inject(part, Duration::from_millis(1), vec![]);
        let mut heard = Vec::new();
        pair.run(
            Duration::from_secs(10),
            |side, number, datagram| {
                if side == victim {
                    heard.push(datagram.to_vec());
                }
                let genuine = whole(side, number, datagram).into_iter();
                genuine.map(|(delay, copy)| (delay + ahead, copy)).collect()
            },
            |pair| pair.now >= until || pair.both_connected(),
        );
        for datagram in heard {
            for stranger in &mut strangers {
                stranger.handle_datagram(pair.now, &datagram);
            }
        }
        if pair.both_connected() {
            result = Some(pair.now - start);
            break;
        }
        assert!(
            pair.outcome
                .iter()
                .all(|side| side.failed.is_none() && !side.closed),
            "to {victim}, {ahead:?}: {:?}",
            pair.outcome.each_ref().map(|side| side.failed.clone())
        );
        let known = &pair.outcome[victim].connected;
        assert!(
            known
                .as_ref()
                .is_none_or(|(shown, ..)| shown != stranger.der()),
            "as {part}, {ahead:?}, {count}: connected to the stranger after {:?}",
            pair.now - start
        );
    }
    result
}

/// Reliability row B5: a complete handshake of somebody else, with a certificate that was not
/// announced, ends nothing.
#[test]
fn r_b05_a_whole_handshake_of_a_stranger() {
    // Beside the client's, a server has two associations.
    let crowd = 2;
    let mut worst = Duration::ZERO;
    for part in 0..2 {
        for ahead in [0, 50, 200, 450, 900] {
            for count in [1, crowd] {
                let taken = meets(part, Duration::from_millis(ahead), count);
                let taken = taken.unwrap_or_else(|| panic!("as {part}, {ahead} ms, {count}"));
                worst = worst.max(taken);
            }
        }
    }
    println!("worst {worst:?}");
    assert!(worst <= Duration::from_secs(10));
}

/// A peer whose certificate is not the one announced is told from that by the silence of the peer
/// on a path that works.
#[test]
fn r_b01_a_stranger_alone_is_found_out() {
    let [one, two] = certificates();
    let other = Certificate::generate().unwrap();
    for wrong in 0..2 {
        let told = |side: usize, right: &Certificate| match side == wrong {
            true => pinned(&other),
            false => pinned(right),
        };
        let sides = [
            RtcDtls::new(&one, DtlsRole::Client, told(0, &two)).unwrap(),
            RtcDtls::new(&two, DtlsRole::Server, told(1, &one)).unwrap(),
        ];
        let mut pair = Pair::of(sides);
        let start = pair.start;
        while pair.now - start < Duration::from_secs(5) {
            let until = pair.now + Duration::from_millis(10);
            pair.inject(0, Duration::from_millis(10), vec![]);
            pair.run(Duration::from_secs(10), whole, |pair| pair.now >= until);
            if pair.outcome[wrong].connected.is_some() {
                break;
            }
        }
        let taken = pair.now - start;
        assert!(
            pair.outcome[wrong].connected.is_some(),
            "{wrong}: {taken:?}"
        );
        assert!(taken < Duration::from_secs(1), "{taken:?}");
    }
    // Where nothing shows that the path works, it is the reason once the time is over.
    let sides = [
        RtcDtls::new(&one, DtlsRole::Client, pinned(&other)).unwrap(),
        RtcDtls::new(&two, DtlsRole::Server, pinned(&one)).unwrap(),
    ];
    let mut pair = Pair::of(sides);
    pair.consent = None;
    pair.run(Duration::from_secs(40), whole, |_| false);
    let failed = pair.outcome[0].failed.clone();
    assert_eq!(failed, Some(DtlsFailure::FingerprintMismatch));
}
