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

type Change = fn(&mut [u8]);

/// What becomes of a pair when one side's hello, the one behind the cookie, is changed on its way.
fn with_hello_changed(from: usize, hello: u8, change: Change) -> Pair {
    let mut pair = Pair::new();
    let on_path = |side, _, datagram: &[u8]| {
        let mut out = Vec::new();
        for record in record::records(datagram) {
            let piece = record::fragments(record.body).next();
            let wanted = |piece: &record::Fragment<'_>| {
                side == from && (piece.kind, piece.message) == (hello, 1)
            };
            let Some(piece) = piece.filter(wanted) else {
                out.push((DELAY, record.raw.to_vec()));
                continue;
            };
            let mut body = piece.data.to_vec();
            change(&mut body);
            let body = record::fragment(piece.kind, body.len(), piece.message, 0, &body);
            let (kind, number) = (record::HANDSHAKE, record.sequence);
            let changed = record::plaintext(kind, record::DTLS_1_2, number, &body);
            out.push((DELAY, changed));
        }
        out
    };
    pair.run(Duration::from_secs(31), on_path, |_| false);
    pair
}

fn other_version(hello: &mut [u8]) {
    hello[1] = 0xff;
}

/// The extended master secret becomes an extension of nobody.
fn no_extended_master_secret(hello: &mut [u8]) {
    let at = hello.windows(4).rposition(|four| four == [0, 23, 0, 0]);
    hello[at.unwrap() + 1] = 99;
}

/// A hello with one thing changed, and what the server says of it.
#[test]
fn r_b10_a_server_says_what_is_not_common() {
    // Behind version, random, session and cookie.
    let other_suites = |hello: &mut [u8]| {
        let at = 2 + 32 + 1 + 1 + 20;
        let count = usize::from(hello[at + 1]);
        hello[at + 2..at + 2 + count].fill(0x13);
    };
    let cases: [(Change, DtlsFailure); 3] = [
        (other_version, DtlsFailure::NoCommonVersion),
        (other_suites, DtlsFailure::NoCommonCipher),
        (
            no_extended_master_secret,
            DtlsFailure::NoExtendedMasterSecret,
        ),
    ];
    for (change, expected) in cases {
        let pair = with_hello_changed(0, kind::CLIENT_HELLO, change);
        assert_eq!(pair.outcome[1].failed, Some(expected));
        assert!(pair.now - pair.start <= Duration::from_secs(31));
    }
}

/// The same of a client that hears a server choose what it did not offer.
#[test]
fn r_b10_a_client_says_what_is_not_common() {
    let other_suite = |hello: &mut [u8]| {
        let session = usize::from(hello[34]);
        hello[36 + session] ^= 0x55;
    };
    let cases: [(Change, DtlsFailure); 3] = [
        (other_version, DtlsFailure::NoCommonVersion),
        (other_suite, DtlsFailure::NoCommonCipher),
        (
            no_extended_master_secret,
            DtlsFailure::NoExtendedMasterSecret,
        ),
    ];
    for (change, expected) in cases {
        let pair = with_hello_changed(1, kind::SERVER_HELLO, change);
        assert_eq!(pair.outcome[0].failed, Some(expected));
    }
}
