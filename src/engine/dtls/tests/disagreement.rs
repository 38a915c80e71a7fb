//! Two sides that cannot agree: each says why.

use super::*;

fn failures(pair: &Pair) -> [Option<DtlsFailure>; 2] {
    pair.outcome.each_ref().map(|side| side.failed.clone())
}

/// Reliability row B10.
#[test]
fn r_b10_disagreement_is_an_explicit_error() {
    let gcm = DtlsConfig {
        srtp_profiles: vec![SrtpProfile::AeadAes128Gcm],
        ..DtlsConfig::default()
    };
    let cm = DtlsConfig {
        srtp_profiles: vec![SrtpProfile::Aes128CmHmacSha1_80],
        ..DtlsConfig::default()
    };
    let mut pair = Pair::with(gcm, cm);
    pair.run(Duration::from_secs(60), whole, |_| false);
    assert!(pair.outcome.iter().all(|side| side.failed.is_some()));
    assert!(pair.now - pair.start < Duration::from_secs(15));
    assert!(matches!(
        pair.outcome[0].failed,
        Some(DtlsFailure::PeerAlert {
            description: Some(71)
        })
    ));

    let client = (DtlsRole::Client, DtlsConfig::default());
    let mut pair = Pair::roles(client.clone(), client);
    pair.run(Duration::from_secs(60), whole, |_| false);
    assert!(pair.outcome.iter().all(|side| side.failed.is_some()));
    assert!(pair.now - pair.start < Duration::from_secs(15));
}

/// Both wait for the other: that nothing was heard is the reason.
#[test]
fn r_b10_two_servers_say_that_nothing_was_heard() {
    let server = (DtlsRole::Server, DtlsConfig::default());
    let mut pair = Pair::roles(server.clone(), server);
    pair.run(Duration::from_secs(60), whole, |_| false);
    assert_eq!(failures(&pair), [const { Some(DtlsFailure::Silent) }; 2]);
}

type Change = fn(&mut Vec<u8>);

/// A hello with one thing changed, and what the server says of it.
#[test]
fn r_b10_a_server_says_what_is_not_common() {
    let cases: [(Change, DtlsFailure); 3] = [
        (|hello| hello[1] = 0xff, DtlsFailure::NoCommonVersion),
        (
            // Other suites: behind version, random, session and cookie.
            |hello| {
                let at = 2 + 32 + 1 + 1 + 20;
                let count = usize::from(hello[at + 1]);
                for byte in &mut hello[at + 2..at + 2 + count] {
                    *byte = 0x13;
                }
            },
            DtlsFailure::NoCommonCipher,
        ),
        (
            |hello| {
                // The extended master secret becomes an extension of nobody.
                let at = hello.windows(4).rposition(|four| four == [0, 23, 0, 0]);
                hello[at.unwrap() + 1] = 99;
            },
            DtlsFailure::NoExtendedMasterSecret,
        ),
    ];
    for (change, expected) in cases {
        let mut pair = Pair::new();
        pair.run(
            Duration::from_secs(31),
            |side, number, datagram| {
                let hello = record::records(datagram).next().unwrap();
                let piece = record::fragments(hello.body).next();
                let second = |piece: &record::Fragment<'_>| {
                    side == 0 && (piece.kind, piece.message) == (kind::CLIENT_HELLO, 1)
                };
                let Some(piece) = piece.filter(second) else {
                    return whole(side, number, datagram);
                };
                let mut body = piece.data.to_vec();
                change(&mut body);
                let body = record::fragment(piece.kind, body.len(), 1, 0, &body);
                let number = hello.sequence;
                let datagram =
                    record::plaintext(record::HANDSHAKE, record::DTLS_1_2, number, &body);
                vec![(DELAY, datagram)]
            },
            |_| false,
        );
        assert_eq!(pair.outcome[1].failed, Some(expected));
        assert!(pair.now - pair.start <= Duration::from_secs(31));
    }
}

/// The same of a client that hears a server choose what it did not offer.
#[test]
fn r_b10_a_client_says_what_is_not_common() {
    let cases: [(Change, DtlsFailure); 3] = [
        (|hello| hello[1] = 0xff, DtlsFailure::NoCommonVersion),
        (
            |hello| {
                let session = usize::from(hello[34]);
                hello[36 + session] ^= 0x55;
            },
            DtlsFailure::NoCommonCipher,
        ),
        (
            |hello| {
                let at = hello.windows(4).rposition(|four| four == [0, 23, 0, 0]);
                hello[at.unwrap() + 1] = 99;
            },
            DtlsFailure::NoExtendedMasterSecret,
        ),
    ];
    for (change, expected) in cases {
        let mut pair = Pair::new();
        pair.run(
            Duration::from_secs(31),
            |side, number, datagram| {
                let mut out = Vec::new();
                for record in record::records(datagram) {
                    let piece = record::fragments(record.body).next();
                    let hello = piece.filter(|piece| side == 1 && piece.kind == kind::SERVER_HELLO);
                    let Some(piece) = hello else {
                        out.push((DELAY, record.raw.to_vec()));
                        continue;
                    };
                    let mut body = piece.data.to_vec();
                    change(&mut body);
                    let body = record::fragment(piece.kind, body.len(), piece.message, 0, &body);
                    let copy = record::plaintext(
                        record::HANDSHAKE,
                        record::DTLS_1_2,
                        record.sequence,
                        &body,
                    );
                    out.push((DELAY, copy));
                }
                let _ = number;
                out
            },
            |_| false,
        );
        assert_eq!(pair.outcome[0].failed, Some(expected));
    }
}
