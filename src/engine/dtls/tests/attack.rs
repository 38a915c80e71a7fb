//! What anybody who can spoof the peer's address may send, and peers that cheat.

use super::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, DTLS_1_2, HANDSHAKE};
use super::*;

pub(super) fn record(content_type: u8, epoch: u16, number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = record::plaintext(content_type, DTLS_1_2, number, body);
    out[3..5].copy_from_slice(&epoch.to_be_bytes());
    out
}

pub(super) fn message(kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
    let body = record::fragment(kind, body.len(), number, 0, body);
    record(HANDSHAKE, 0, 3, &body)
}

/// A ClientHello of somebody else, as our own client would send it.
fn foreign_hello() -> Vec<u8> {
    let mut pair = Pair::new();
    pair.sides[0].poll_transmit().unwrap().to_vec()
}

fn null_cipher_hello() -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 0, 2, 0, 0, 1, 0]);
    message(1, 0, &body)
}

fn send_both_ways(pair: &mut Pair) {
    let before = pair.outcome.each_ref().map(|side| side.data.len());
    for side in 0..2 {
        pair.sides[side].write(pair.now, b"still here").unwrap();
    }
    pair.run(Duration::from_secs(600), whole, |_| false);
    for (side, before) in pair.outcome.iter().zip(before) {
        assert_eq!(side.data.len(), before + 1);
        assert!(side.failed.is_none() && !side.closed);
    }
}

/// Reliability row B6.
#[test]
fn r_b06_an_established_association_ignores_forgeries() {
    let mut pair = Pair::new();
    pair.connect();
    let hello = foreign_hello();
    for count in [1, 1_000] {
        let forgeries = [
            record(ALERT, 0, 9, &[1, 0]),
            record(ALERT, 0, 9, &[2, 40]),
            record(APPLICATION_DATA, 0, 9, b"plain"),
            record(CHANGE_CIPHER_SPEC, 0, 9, &[1]),
            record(99, 0, 9, b"?"),
            record(ALERT, 1, 9, &[7; 40]),
            record(APPLICATION_DATA, 1, 9_000_000, &[7; 40]),
            record(APPLICATION_DATA, 2, 9, &[7; 40]),
            record(HANDSHAKE, 1, 9, &[7; 40]),
            record(HANDSHAKE, 0, 9, &[7; 40]),
            hello.clone(),
            null_cipher_hello(),
            vec![22; 9],
            vec![],
        ];
        for forgery in &forgeries {
            let sent: u64 = pair.sent.iter().sum();
            for _ in 0..count {
                for side in &mut pair.sides {
                    side.handle_datagram(pair.now, forgery);
                }
            }
            send_both_ways(&mut pair);
            let sent = pair.sent.iter().sum::<u64>() - sent;
            assert!(sent <= 2 + 2, "{sent} datagrams for {count}");
        }
    }
    assert!(pair.sides[0].counters().plaintext_alerts >= 2_000);
}

/// rtc-dtls alone gives up on one forged record in the handshake; behind the guard it does not.
/// Reliability rows B5 and B6.
#[test]
fn r_b05_forgeries_during_the_handshake() {
    let hello = foreign_hello();
    let mut verify = vec![0xfe, 0xfd, 20];
    verify.extend_from_slice(&[9; 20]);
    let mut forgeries = vec![
        hello.clone(),
        null_cipher_hello(),
        record(ALERT, 0, 9, &[2, 40]),
        record(ALERT, 0, 9, &[1, 0]),
        record(APPLICATION_DATA, 0, 9, b"plain"),
        record(CHANGE_CIPHER_SPEC, 0, 9, &[1]),
        record(99, 0, 9, b"?"),
        record(HANDSHAKE, 1, 0, &[7; 40]),
        record(ALERT, 1, 0, &[7; 40]),
        message(3, 0, &verify),
        message(20, 5, &[1; 12]),
        record(HANDSHAKE, 0, (1 << 48) - 1, &[7; 40]),
    ];
    for kind in [0, 2, 11, 12, 13, 14, 15, 16, 20, 200] {
        for number in 0..8 {
            forgeries.push(message(kind, number, &[3; 50]));
        }
    }
    let mut late = 0;
    for (which, forgery) in forgeries.iter().enumerate() {
        for victim in 0..2 {
            for at in 0..6 {
                let mut pair = Pair::new();
                pair.inject(victim, DELAY * at, forgery.clone());
                pair.run(Duration::from_secs(30), whole, Pair::both_connected);
                assert!(
                    pair.both_connected(),
                    "forgery {which} at {at} to {victim}: {:?}",
                    pair.outcome[victim].failed
                );
                late += u32::from(pair.now - pair.start > Duration::from_secs(10));
                send_both_ways(&mut pair);
            }
        }
    }
    assert_eq!(late, 0);
}

/// Sealed records of somebody else, of each length, down to none.
#[test]
fn r_b05_r_b08_sealed_forgeries_of_every_length() {
    for kind in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, 99] {
        for victim in 0..2 {
            for at in 0..6 {
                let mut pair = Pair::new();
                for epoch in 1..3 {
                    for length in 0..64 {
                        let forgery = record(kind, epoch, length, &vec![7; length as usize]);
                        pair.inject(victim, DELAY * at, forgery);
                    }
                }
                pair.run(Duration::from_secs(10), whole, Pair::both_connected);
                let failed = &pair.outcome[victim].failed;
                assert!(
                    pair.both_connected(),
                    "{kind} at {at} to {victim}: {failed:?}"
                );
                send_both_ways(&mut pair);
            }
        }
    }
}

#[test]
fn r_b05_twenty_hellos_around_the_handshake() {
    for (count, bad) in [(1, false), (20, false), (1, true), (20, true)] {
        let hello = if bad {
            null_cipher_hello()
        } else {
            foreign_hello()
        };
        for every in [1, 7, 20] {
            let mut pair = Pair::new();
            for step in 0..count {
                pair.inject(1, Duration::from_millis(step * every), hello.clone());
            }
            pair.run(Duration::from_secs(10), whole, Pair::both_connected);
            assert!(pair.both_connected(), "{count} bad {bad} every {every} ms");
        }
    }
}

/// Reliability row B7: fragments that contradict each other in length make no buffer of that
/// length, and one that contradicts another in content does not spoil the message.
#[test]
fn r_b07_what_is_held_is_what_came() {
    let mut pieces = super::super::reassembly::Reassembly::default();
    let mut worst = 0;
    for step in 0..20_000usize {
        let (length, offset) = (2_000 + step % 60_000, step % 2_000);
        let body = record::fragment(11, length, (step % 5) as u16, offset, &[step as u8; 3]);
        for fragment in record::fragments(&body) {
            pieces.add(&fragment, 0);
        }
        worst = worst.max(pieces.held());
    }
    assert!(worst <= 64 * 1_024, "{worst}");

    let genuine: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    let mut found = false;
    for (at, piece) in genuine.chunks(100).enumerate() {
        for data in [&[9; 100][..], piece] {
            let body = record::fragment(11, 1_000, 1, at * 100, data);
            for fragment in record::fragments(&body) {
                let complete = pieces.add(&fragment, 0).unwrap();
                found |= complete.iter().any(|message| message.body == genuine);
            }
        }
    }
    assert!(found);
}

/// Data that overtakes the end of the handshake is kept for it.
#[test]
fn early_data_is_delivered_after_the_handshake() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(30), whole, |pair| {
        pair.outcome[1].connected.is_some()
    });
    assert!(pair.outcome[0].connected.is_none());
    pair.sides[1].write(pair.now, b"early").unwrap();
    let early = pair.sides[1].poll_transmit().unwrap();
    pair.sides[0].handle_datagram(pair.now, &early);
    pair.run(Duration::from_secs(60), whole, |_| false);
    assert_eq!(pair.outcome[0].data, [Bytes::from_static(b"early")]);
}

/// Reliability row B15: before a cookie came back, less goes out than comes in.
#[test]
fn r_b15_no_amplification() {
    let hello = foreign_hello();
    let mut pair = Pair::new();
    let mut out = 0;
    for _ in 0..100 {
        pair.sides[1].handle_datagram(pair.now, &hello);
        while let Some(datagram) = pair.sides[1].poll_transmit() {
            out += datagram.len();
        }
    }
    assert!(out > 0 && out <= hello.len() * 100);
}

/// However a hello is cut: before a cookie came back, neither more datagrams nor more bytes go out
/// than came in.
#[test]
fn r_b15_no_amplification_of_many_hellos_in_one_datagram() {
    let hello = foreign_hello();
    let whole = record::records(&hello).next().unwrap().body[12..].to_vec();
    let tiny = record::fragment(1, 1, 0, 0, &[1]);
    let small = record::fragment(1, whole.len(), 0, 0, &whole);
    for (piece, count) in [(&tiny, 1_364), (&small, 250)] {
        let body: Vec<u8> = piece
            .iter()
            .copied()
            .cycle()
            .take(piece.len() * count)
            .collect();
        let one_record = record(HANDSHAKE, 0, 0, &body);
        let many_records = record(HANDSHAKE, 0, 0, piece).repeat(count);
        for datagram in [one_record, many_records] {
            let mut pair = Pair::new();
            let (mut number, mut bytes) = (0, 0);
            for _ in 0..10 {
                pair.sides[1].handle_datagram(pair.now, &datagram);
                while let Some(answer) = pair.sides[1].poll_transmit() {
                    number += 1;
                    bytes += answer.len();
                }
            }
            assert!(
                number <= 10 && bytes <= datagram.len() * 10,
                "{number}, {bytes}"
            );
        }
    }
    // In pieces of a byte, whose last alone is answered by more than it weighs.
    let mut pair = Pair::new();
    let (mut into, mut out) = (0, 0);
    for _ in 0..5 {
        for (offset, byte) in whole.iter().enumerate() {
            let body = record::fragment(1, whole.len(), 0, offset, &[*byte]);
            let datagram = record(HANDSHAKE, 0, 0, &body);
            into += datagram.len();
            pair.sides[1].handle_datagram(pair.now, &datagram);
            while let Some(answer) = pair.sides[1].poll_transmit() {
                out += answer.len();
                assert!(out <= into);
            }
        }
    }
    assert!(out > 0);
}

/// A client answers cookies by little more than what asks for them.
#[test]
fn r_b15_no_amplification_of_cookies() {
    let mut pair = Pair::new();
    let (mut into, mut out) = (0, 0);
    for step in 0..1_000u32 {
        let mut body = vec![0xfe, 0xfd, 20];
        body.extend_from_slice(&step.to_be_bytes().repeat(5));
        let datagram = message(3, 0, &body);
        into += datagram.len();
        pair.sides[0].handle_datagram(pair.now, &datagram);
        while let Some(answer) = pair.sides[0].poll_transmit() {
            out += answer.len();
        }
    }
    assert!(out <= into + 1_200, "{out} for {into}");
}

/// Each signature is verified once: what was looked at before is not looked at again.
#[test]
fn a_handshake_verifies_each_signature_once() {
    let before = super::super::fast::VERIFIED.get();
    Pair::new().connect();
    assert_eq!(super::super::fast::VERIFIED.get(), before);
}

/// Reliability row A7: flipped and truncated handshake datagrams.
#[test]
fn r_a07_damaged_datagrams() {
    for seed in 0..400 {
        let mut random = Rng::new(seed);
        let mut pair = Pair::new();
        pair.run(
            Duration::from_secs(30),
            |_, _, datagram| {
                let mut copy = datagram.to_vec();
                let bits = copy.len() as u64 * 8;
                match random.below(4) {
                    0 => copy.truncate((random.below(bits) / 8) as usize),
                    1 => {
                        let bit = random.below(bits);
                        copy[(bit / 8) as usize] ^= 1 << (bit % 8);
                    }
                    _ => {}
                }
                vec![(DELAY, copy)]
            },
            Pair::both_connected,
        );
        assert!(
            pair.outcome
                .iter()
                .all(|side| side.failed != Some(DtlsFailure::Internal)),
            "seed {seed}"
        );
    }
}

/// A peer that shows `shown` but holds the key of another certificate, or shows none.
fn cheat(role: DtlsRole, shown: Option<&Certificate>, key: &Certificate) -> RtcDtls {
    let mut side = RtcDtls::new(key, role, DtlsConfig::default()).unwrap();
    let chain = shown.map(|shown| {
        webrtc_dtls::crypto::Certificate::from_signing_key(
            shown.to_dtls().certificate,
            key.to_dtls().private_key.signing_key,
        )
    });
    side.present(chain.into_iter().collect());
    side
}

/// Reliability row B3.
#[test]
fn r_b03_no_certificate_or_no_possession() {
    let [one, two] = certificates();
    let honest = |role| RtcDtls::new(&two, role, DtlsConfig::default()).unwrap();
    let stolen = Certificate::generate().unwrap();
    let pairs = [
        [
            cheat(DtlsRole::Client, Some(&stolen), &one),
            honest(DtlsRole::Server),
        ],
        [
            cheat(DtlsRole::Client, None, &one),
            honest(DtlsRole::Server),
        ],
        [
            honest(DtlsRole::Client),
            cheat(DtlsRole::Server, Some(&stolen), &one),
        ],
    ];
    for (which, (sides, victim)) in pairs.into_iter().zip([1, 1, 0]).enumerate() {
        let mut pair = Pair::of(sides);
        pair.run(Duration::from_secs(60), whole, |_| false);
        let outcome = &pair.outcome[victim];
        assert!(outcome.connected.is_none(), "case {which}");
        let failed = outcome.failed.as_ref();
        let is_it = match which {
            1 => failed == Some(&DtlsFailure::NoCertificate),
            _ => matches!(failed, Some(DtlsFailure::Protocol(_))),
        };
        assert!(is_it, "case {which}: {failed:?}");
        assert!(outcome.data.is_empty());
    }
}

/// The faults that the guard is for, in rtc-dtls alone.
#[test]
fn the_bare_crate_has_the_faults() {
    use bytes::BytesMut;
    use rtc_shared::TransportProtocol;
    use webrtc_dtls::endpoint::Endpoint;

    let now = Instant::now();
    let peer = "127.0.0.1:1".parse().unwrap();
    let bare = || {
        let [one, _] = certificates();
        let config = RtcDtls::new(&one, DtlsRole::Server, DtlsConfig::default())
            .unwrap()
            .bare_config();
        Endpoint::new(peer, TransportProtocol::UDP, Some(config))
    };
    let read = |endpoint: &mut Endpoint, datagram: &[u8]| {
        endpoint
            .read(now, peer, None, BytesMut::from(datagram))
            .is_ok()
    };
    // One forged alert, or junk, and a reader that trusts errors gives up.
    for forgery in [
        record(ALERT, 0, 9, &[2, 40]),
        record(APPLICATION_DATA, 0, 9, b"plain"),
        record(99, 0, 9, b"?"),
        vec![22; 9],
    ] {
        assert!(!read(&mut bare(), &forgery), "{forgery:?}");
    }
}

/// Why the flights are ours: rtc-dtls alone sends a flight again only once per loss.
#[test]
fn the_bare_crate_stalls_under_loss() {
    use bytes::BytesMut;
    use rtc_shared::TransportProtocol;
    use webrtc_dtls::endpoint::{Endpoint, EndpointEvent};

    let [one, two] = certificates();
    let config = |certificate: &Certificate, role| {
        let side = RtcDtls::new(certificate, role, DtlsConfig::default()).unwrap();
        side.bare_config()
    };
    let client = config(&one, DtlsRole::Client);
    let server = config(&two, DtlsRole::Server);
    let peer = "127.0.0.1:1".parse().unwrap();
    let mut done = 0;
    for seed in 0..50 {
        let mut random = Rng::new(seed);
        let mut now = Instant::now();
        let mut sides = [
            Endpoint::new(peer, TransportProtocol::UDP, None),
            Endpoint::new(peer, TransportProtocol::UDP, Some(server.clone())),
        ];
        sides[0].connect(now, peer, client.clone(), None).unwrap();
        let mut complete = 0;
        for _ in 0..1_500 {
            for side in 0..2 {
                while let Some(transmit) = sides[side].poll_transmit() {
                    if random.percent(20) {
                        continue;
                    }
                    let datagram = BytesMut::from(&transmit.message[..]);
                    for event in sides[1 - side]
                        .read(now, peer, None, datagram)
                        .unwrap_or_default()
                    {
                        complete += u32::from(matches!(event, EndpointEvent::HandshakeComplete));
                    }
                }
                let _ = sides[side].handle_timeout(peer, now);
            }
            now += DELAY;
        }
        done += u32::from(complete == 2);
    }
    println!("bare: {done}/50 at 20 %");
    assert!(done < 50, "the fault is gone");
}
