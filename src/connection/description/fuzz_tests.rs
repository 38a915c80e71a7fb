//! Signalling is untrusted: no input may panic a parser, and what is read must be written and read
//! again as the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::candidate::RTCIceCandidateDescription;
use super::fingerprint::CertificateFingerprint;
use super::fuzz::round_trip;
use super::ice_server::RTCIceServer;
use super::side::RTCConnectionSide;
use crate::simnet::Rng;

const SEED: u64 = 11;
const RUNS: usize = 5_000;

/// One well-formed text of each kind: a candidate, a side, fingerprints and a server.
pub(super) const BASES: [&str; 4] = [
    r#"{"foundation":"abcd1234","component":1,"transport":"udp","priority":1694498815,"connectionAddress":"192.0.2.33","connectionPort":10000,"type":"srflx","relAddress":"10.0.0.1","relPort":5}"#,
    r#"{"ice":{"usernameFrag":"abcd","password":"0123456789abcdefghij+/"},"dtls":{"fingerprint":{"shake128":"AB:CD","x":["01","02"]},"role":"client"},"cname":"alice"}"#,
    r#"[{"algorithm":"shake128","value":"AB:CD:EF"},"shake256 01:02:03"]"#,
    r#"{"urls":["stun:stun.example.net:3478","turn:user@[2001:db8::1]?transport=udp"],"username":"u","credential":"p"}"#,
];
pub(super) const LINE: &str = "candidate:42 1 udp 2043278322 192.0.2.172 44323 typ srflx raddr 10.0.0.1 rport 44323 ufrag EEtu";

/// Flips, inserts, removes and repeats bytes; half of the changes are characters with a meaning.
fn mutate(rng: &mut Rng, text: &str) -> String {
    const MEANING: &[u8] = b"\"{}[]:,.0123456789-+@/?%= \n\\u";
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64) as usize;
        let byte = if rng.chance(0.5) {
            MEANING[rng.below(MEANING.len() as u64) as usize]
        } else {
            rng.next_u64() as u8
        };
        match rng.below(4) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => {
                let tail = bytes[at..].to_vec();
                bytes.extend_from_slice(&tail);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    base: &str,
    used: impl Fn(&T),
) {
    let mut rng = Rng::new(SEED);
    serde_json::from_str::<T>(base).unwrap();
    let mut read = 0;
    for _ in 0..RUNS {
        let text = mutate(&mut rng, base);
        if let Some(value) = round_trip::<T>(&text) {
            used(&value);
            read += 1;
        }
    }
    assert!(
        read > RUNS / 100,
        "only {read} mutations were readable, seed {SEED}"
    );
}

#[test]
fn candidates_survive_mutation() {
    check::<RTCIceCandidateDescription>(BASES[0], |candidate| {
        let _ = candidate.to_engine();
        if let Ok(line) = candidate.to_candidate_line() {
            line.parse::<RTCIceCandidateDescription>().unwrap();
        }
    });
}

#[test]
fn sides_survive_mutation() {
    check::<RTCConnectionSide>(BASES[1], |side| drop(side.validate()));
}

#[test]
fn fingerprints_survive_mutation() {
    check::<CertificateFingerprint>(BASES[2], |set| {
        let _ = set.get("sha-256");
    });
}

#[test]
fn servers_survive_mutation() {
    check::<RTCIceServer>(BASES[3], |server| drop(server.parse()));
}

#[test]
fn candidate_lines_survive_mutation() {
    let mut rng = Rng::new(SEED);
    let mut read = 0;
    for _ in 0..RUNS {
        let text = mutate(&mut rng, LINE);
        if let Ok(candidate) = text.parse::<RTCIceCandidateDescription>() {
            let _ = candidate.to_engine();
            read += 1;
        }
    }
    assert!(read > RUNS / 100, "only {read} readable, seed {SEED}");
}
