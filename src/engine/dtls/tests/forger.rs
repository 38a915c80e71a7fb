//! An attacker on the path: reads every datagram and adds some of its own, but can hold none back.

use std::collections::BTreeMap;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

use super::record::{self, ALERT, CHANGE_CIPHER_SPEC, DTLS_1_2, HANDSHAKE};
use crate::simnet::Rng;

/// How many different messages `Forger::message` makes.
pub(in crate::engine) const KINDS: u64 = 30;

pub(in crate::engine) struct Forger {
    pub(in crate::engine) rng: Rng,
    /// The cookies and the randoms seen on the way.
    cookie: Option<Vec<u8>>,
    client_hello: Option<Vec<u8>>,
    server_hello: Option<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    /// The key of the first of them, which is the forger's own.
    key: EcdsaKeyPair,
    /// The genuine messages: by sender and number, the kind and the body.
    messages: BTreeMap<(usize, u16), (u8, Vec<u8>)>,
    /// Numbers of the latest plaintext records.
    numbers: u64,
    pub(in crate::engine) seen: Vec<(usize, Vec<u8>)>,
}

/// A certificate in DER, and its key in PKCS#8.
fn stranger() -> (Vec<u8>, Vec<u8>) {
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let key = key.as_ref().to_vec();
    let pair = rcgen::KeyPair::try_from(key.as_slice()).unwrap();
    let params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    (params.self_signed(&pair).unwrap().der().to_vec(), key)
}

fn list(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[1..], bytes].concat()
}

/// The key exchange of a server whose signature is made up.
fn key_exchange(rng: &mut Rng) -> Vec<u8> {
    let mut body = vec![3, 0, 29, 32];
    body.extend((0..32).map(|_| rng.next_u64() as u8));
    body.extend_from_slice(&signature(rng));
    body
}

fn signature(rng: &mut Rng) -> Vec<u8> {
    let mut out = vec![4, 3, 0, 70, 0x30, 68, 2, 32];
    out.extend((0..32).map(|_| rng.next_u64() as u8 & 0x7f | 1));
    out.extend_from_slice(&[2, 32]);
    out.extend((0..32).map(|_| rng.next_u64() as u8 & 0x7f | 1));
    out
}

/// A ServerHello that a client of ours could accept.
fn server_hello(random: &[u8], suite: [u8; 2], profile: u8) -> Vec<u8> {
    let extensions = [
        &[0xff, 0x01, 0, 1, 0][..],
        &[0, 23, 0, 0],
        &[0, 14, 0, 5, 0, 2, 0, profile, 0],
    ]
    .concat();
    let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    [
        &[0xfe, 0xfd],
        random,
        &[0],
        &suite,
        &[0],
        &length,
        &extensions,
    ]
    .concat()
}

impl Forger {
    pub(in crate::engine) fn new(seed: u64) -> Self {
        thread_local! {
            static STRANGER: (Vec<u8>, Vec<u8>) = stranger();
        }
        let (certificate, key) = STRANGER.with(Clone::clone);
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        Self {
            rng: Rng::new(seed ^ 0xf0f0),
            cookie: None,
            client_hello: None,
            server_hello: None,
            certificates: vec![certificate],
            key: EcdsaKeyPair::from_pkcs8(algorithm, &key, &SystemRandom::new()).unwrap(),
            messages: BTreeMap::new(),
            numbers: 0,
            seen: Vec::new(),
        }
    }

    /// Reads a datagram of side `from`.
    pub(in crate::engine) fn read(&mut self, from: usize, datagram: &[u8]) {
        if self.seen.len() < 100 {
            self.seen.push((from, datagram.to_vec()));
        }
        for record in record::records(datagram).filter(|record| record.epoch == 0) {
            self.numbers = self.numbers.max(record.sequence);
            if record.content_type != HANDSHAKE {
                continue;
            }
            for piece in record::fragments(record.body) {
                if piece.data.len() < piece.length {
                    continue;
                }
                let body = piece.data.to_vec();
                let place = (from, piece.message);
                self.messages.insert(place, (piece.kind, body.clone()));
                match piece.kind {
                    1 => self.client_hello = Some(body),
                    2 => self.server_hello = Some(body),
                    3 => self.cookie = body.get(3..).map(<[u8]>::to_vec),
                    11 if body.len() > 6 => self.certificates.push(body[6..].to_vec()),
                    _ => {}
                }
            }
        }
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.rng.next_u64() as u8).collect()
    }

    fn number(&mut self, around: u16) -> u16 {
        match self.rng.below(4) {
            0 => self.rng.below(8) as u16,
            1 => around,
            _ => around + 1,
        }
    }

    fn certificate(&mut self) -> Vec<u8> {
        let which = self.rng.below(self.certificates.len() as u64) as usize;
        list(&list(&self.certificates[which]))
    }

    /// A ClientHello: of a stranger, or the one seen with something changed, and a cookie.
    fn hello(&mut self, own: bool) -> Vec<u8> {
        let seen = self.client_hello.clone();
        let mut body = match seen {
            Some(body) if own => body,
            _ => {
                let random = self.bytes(32);
                let suites = [0, 4, 0xc0, 0x2b, 0xc0, 0x2f];
                [&[0xfe, 0xfd], &random[..], &[0, 0], &suites, &[1, 0]].concat()
            }
        };
        if own {
            // Another order of the suites, or less at the end.
            match self.rng.below(3) {
                0 => body.truncate(body.len() - 1),
                1 => *body.last_mut().unwrap() ^= 1,
                _ => {}
            }
        }
        body
    }

    fn sign(&self, said: &[u8]) -> Vec<u8> {
        let signature = self.key.sign(&SystemRandom::new(), said).unwrap();
        let length = u16::try_from(signature.as_ref().len()).unwrap();
        [&[4, 3], &length.to_be_bytes()[..], signature.as_ref()].concat()
    }

    fn whole(&mut self, kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
        let body = record::fragment(kind, body.len(), number, 0, body);
        self.record(HANDSHAKE, 0, &body)
    }

    /// A server's flight without a fault, of the forger's own.
    fn server_flight(&mut self) -> Vec<u8> {
        let base = self.rng.below(2) as u16;
        let random = self.bytes(32);
        let client = self
            .client_hello
            .as_ref()
            .and_then(|hello| hello.get(2..34));
        let client = client.map_or(vec![1; 32], <[u8]>::to_vec);
        let point = self.bytes(32);
        let parameters = [&[3, 0, 29, 32], &point[..]].concat();
        let said = [&client, &random, &parameters[..]].concat();
        let exchange = [parameters, self.sign(&said)].concat();
        let certificate = list(&list(&self.certificates[0].clone()));
        [
            self.whole(2, base, &server_hello(&random, [0xc0, 0x2b], 7)),
            self.whole(11, base + 1, &certificate),
            self.whole(12, base + 2, &exchange),
            self.whole(13, base + 3, &[1, 64, 0, 2, 4, 3, 0, 0]),
            self.whole(14, base + 4, &[]),
        ]
        .concat()
    }

    /// A client's flight without a fault, which signs the genuine handshake so far.
    fn client_flight(&mut self) -> Vec<u8> {
        let certificate = list(&list(&self.certificates[0].clone()));
        let point = self.bytes(32);
        let exchange = [&[32], &point[..]].concat();
        let genuine = [(0, 1), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5)];
        let mut said = Vec::new();
        for (from, number) in genuine {
            if let Some((kind, body)) = self.messages.get(&(from, number)) {
                said.extend(record::fragment(*kind, body.len(), number, 0, body));
            }
        }
        for (kind, number, body) in [(11, 2, &certificate), (16, 3, &exchange)] {
            said.extend(record::fragment(kind, body.len(), number, 0, body));
        }
        let verify = self.sign(&said);
        let finished = self.bytes(40);
        [
            self.whole(11, 2, &certificate),
            self.whole(16, 3, &exchange),
            self.whole(15, 4, &verify),
            self.record(CHANGE_CIPHER_SPEC, 0, &[1]),
            self.record(HANDSHAKE, 1, &finished),
        ]
        .concat()
    }

    /// A genuine message.
    fn genuine(&mut self) -> (u8, u16, Vec<u8>) {
        let count = self.messages.len() as u64;
        if count == 0 {
            return (2, 0, vec![7; 60]);
        }
        let which = self.rng.below(count) as usize;
        let (&(_, number), (kind, body)) = self.messages.iter().nth(which).unwrap();
        (*kind, number, body.clone())
    }

    /// One record with one message, or a whole flight; `which` is taken modulo [`KINDS`].
    pub(in crate::engine) fn message(&mut self, which: u64) -> Vec<u8> {
        let (kind, number, body) = match which % KINDS {
            0 => {
                let length = [0, 1, 7, 20, 32, 255][self.rng.below(6) as usize];
                let cookie = self.bytes(length);
                let body = [&[0xfe, 0xfd, length as u8], &cookie[..]].concat();
                (3, self.rng.below(2) as u16, body)
            }
            1 => (2, self.number(0), vec![7]),
            2 => {
                let random = self.bytes(32);
                (2, self.number(0), server_hello(&random, [0xc0, 0x2b], 7))
            }
            3 => {
                // The server's own random, and another choice.
                let seen = self.server_hello.clone();
                let random = match &seen {
                    Some(seen) => seen[2..34].to_vec(),
                    None => self.bytes(32),
                };
                let suite = [[0xc0, 0x2b], [0xcc, 0xa9], [0, 0]][self.rng.below(3) as usize];
                let profile = [1, 7, 8, 99][self.rng.below(4) as usize];
                (2, self.number(0), server_hello(&random, suite, profile))
            }
            4 => (11, self.number(1), self.certificate()),
            5 => (11, self.number(1), vec![0, 0, 0]),
            6 => (12, self.number(2), key_exchange(&mut self.rng)),
            7 => (13, self.number(3), vec![1, 64, 0, 2, 4, 3, 0, 0]),
            8 => (14, self.number(3), vec![]),
            9 => (1, self.rng.below(2) as u16, self.hello(false)),
            10 => (1, self.rng.below(2) as u16, self.hello(true)),
            11 => (15, self.number(4), signature(&mut self.rng)),
            12 => {
                let point = self.bytes(32);
                (16, self.number(3), [&[32], &point[..]].concat())
            }
            13 => (20, self.number(5), self.bytes(12)),
            14 => return self.record(CHANGE_CIPHER_SPEC, 0, &[1]),
            15 => return self.record(ALERT, 0, &[2, 40]),
            16 => {
                let body = self.bytes(40);
                return self.record(HANDSHAKE, 1, &body);
            }
            17 => {
                // A message of the right kind and length, in pieces that contradict it.
                let number = self.number(1);
                let body = record::fragment(11, 400, number, 100, &[9; 100]);
                return self.record(HANDSHAKE, 0, &body);
            }
            18 => {
                let kind = [1, 2, 11, 12, 13, 15, 16][self.rng.below(7) as usize];
                let length = self.rng.below(60_000) as usize + 2;
                let number = self.number(1);
                let body = record::fragment(kind, length, number, length - 1, &[1]);
                return self.record(HANDSHAKE, 0, &body);
            }
            19 => {
                let cookie = self.cookie.clone().unwrap_or_else(|| vec![1; 20]);
                let body = [&[0xfe, 0xff, cookie.len() as u8], &cookie[..]].concat();
                (3, 0, body)
            }
            20 => (self.rng.below(30) as u8, self.number(0), self.bytes(50)),
            21 => (12, self.number(2), vec![3, 0, 23, 65, 4]),
            22 => (14, self.number(3), vec![1, 2, 3]),
            23 => return self.server_flight(),
            24 => return self.client_flight(),
            25 => {
                // The same number, another content.
                let (kind, number, mut body) = self.genuine();
                if !body.is_empty() {
                    let at = self.rng.below(body.len() as u64) as usize;
                    body[at] ^= 1 << self.rng.below(8);
                }
                (kind, number, body)
            }
            26 => {
                // A piece among those of a genuine message.
                let (kind, number, body) = self.genuine();
                let offset = self.rng.below(body.len().max(2) as u64 - 1) as usize;
                let length = (body.len() - offset.min(body.len())).min(30);
                let piece = self.bytes(length as u64);
                let body = record::fragment(kind, body.len(), number, offset, &piece);
                return self.record(HANDSHAKE, 0, &body);
            }
            27 => {
                // A record number far ahead.
                let (kind, number, body) = self.genuine();
                let body = record::fragment(kind, body.len(), number, 0, &body);
                let ahead = (1 << 47) + self.rng.below(1 << 47);
                return record::plaintext(HANDSHAKE, DTLS_1_2, ahead, &body);
            }
            28 => {
                // Under keys that nobody has, with the number of the Finished or the next.
                let content_type = [HANDSHAKE, ALERT, 23][self.rng.below(3) as usize];
                let body = self.bytes(26);
                let mut out = self.record(content_type, 1, &body);
                out[10] = self.rng.below(3) as u8;
                return out;
            }
            _ => return self.record(ALERT, 0, &[1, 0]),
        };
        let body = record::fragment(kind, body.len(), number, 0, &body);
        self.record(HANDSHAKE, 0, &body)
    }

    fn record(&mut self, content_type: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let number = self.numbers.saturating_sub(2) + self.rng.below(5);
        let mut out = record::plaintext(content_type, DTLS_1_2, number, body);
        out[3..5].copy_from_slice(&epoch.to_be_bytes());
        out
    }

    /// One of what an attacker may add: up to three messages, or a copy of what was seen, whole,
    /// damaged or turned back.
    pub(in crate::engine) fn datagram(&mut self) -> Vec<u8> {
        if self.rng.below(4) == 0 && !self.seen.is_empty() {
            let which = self.rng.below(self.seen.len() as u64) as usize;
            let mut copy = self.seen[which].1.clone();
            for _ in 0..self.rng.below(4) {
                let at = self.rng.below(copy.len() as u64) as usize;
                copy[at] ^= 1 << self.rng.below(8);
            }
            return copy;
        }
        let count = self.rng.below(3) + 1;
        (0..count)
            .flat_map(|_| {
                let which = self.rng.next_u64();
                self.message(which)
            })
            .collect()
    }
}
