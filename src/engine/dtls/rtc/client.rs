//! The client's handshake up to its Finished. Cookies are tried in turn, a flight of the server is
//! answered once the signature in it proves it, and what turns out astray is begun anew beside it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use rtc_shared::TransportProtocol;
use webrtc_dtls::endpoint::Endpoint;

use super::adapter::{SUITES, profile_ids};
use super::attempt::{Attempt, own_hello};
use super::{
    DtlsRole, GRACE, MAX_ATTEMPTS, MAX_VERIFICATIONS, PEER, RtcDtls, STRANGER_GRACE, State,
};
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::hello::{self, Offer};
use crate::engine::dtls::inbox::Heard;
use crate::engine::dtls::reassembly::Message;
use crate::engine::dtls::record::{HANDSHAKE, fragment, plaintext};
use crate::engine::dtls::{DtlsFailure, kind, proof};
use crate::engine::guard::contain;

/// The headers of a handshake record, and what a HelloVerifyRequest has beside its cookie.
const HEADERS: usize = 25;
const VERIFY_REQUEST: usize = HEADERS + 3;
/// Cookies that are kept; the one that was heard least makes room.
const MAX_COOKIES: usize = 16;
/// Numbers of the records that brought a cookie back.
const MAX_RECORDS: usize = 8;
/// Hearing a cookie more often than this says no more for it.
const MAX_HEARD: u32 = 4;
/// Bytes that hellos with further cookies may weigh more than what asked for them.
const HELLO_CREDIT: usize = 600;
/// After this long without the server's Finished a client begins anew, with and without a sign of
/// somebody else; longer each time.
const PATIENCE_DISTURBED: Duration = Duration::from_millis(1_000);
const PATIENCE: Duration = Duration::from_secs(4);

/// A cookie that a server, or somebody else, asked for.
struct Cookie {
    value: Vec<u8>,
    heard: u32,
    tried: u32,
    records: Vec<u64>,
}

/// A proved part of the server's flight, by the ids of the messages.
struct Proved {
    base: u16,
    hello: u32,
    certificate: u32,
    exchange: u32,
    /// Whether the certificate is one that was announced.
    is_the_peers: bool,
    key: Vec<u8>,
    said: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Client {
    /// The association whose hello is out; none once its flight was answered.
    attempt: Option<Attempt>,
    random: [u8; 32],
    /// Our hello without a cookie, and the version of its record.
    hello: Vec<u8>,
    version: [u8; 2],
    flight: Flight,
    cookies: Vec<Cookie>,
    /// Hellos sent without a cookie.
    bare: u32,
    /// Somebody asked for a cookie.
    is_asked: bool,
    credit: usize,
    proved: Vec<Proved>,
    is_disturbed: bool,
    restarts: u32,
    restart_at: Option<Instant>,
}

impl Client {
    pub(super) fn due(&self) -> Option<Instant> {
        let flight = self.attempt.as_ref().and(self.flight.due());
        self.restart_at.into_iter().chain(flight).min()
    }

    /// Which cookie to send next: one heard often and tried seldom; `None` is none at all, for a
    /// server that asks for none.
    fn choice(&self) -> Option<usize> {
        let weight = |heard: u32, tried: u32| {
            heard
                .saturating_mul(1_000)
                .checked_div(tried.saturating_add(1))
                .unwrap_or(0)
        };
        let best = self
            .cookies
            .iter()
            .map(|cookie| weight(cookie.heard.min(MAX_HEARD).saturating_mul(4), cookie.tried))
            .enumerate()
            .max_by_key(|(_, weight)| *weight);
        best.filter(|(_, best)| *best >= weight(1, self.bare))
            .map(|(at, _)| at)
    }

    /// Which of the cookies the server took: its hello has the number of the record that brought
    /// the cookie (RFC 6347 section 4.2.1), unless it was sent again.
    fn taken(&self, first_record: u64) -> Option<&Cookie> {
        let by_record = self
            .cookies
            .iter()
            .find(|cookie| cookie.records.contains(&first_record));
        let tried = self.cookies.iter().filter(|cookie| cookie.tried > 0);
        by_record.or_else(|| tried.max_by_key(|cookie| cookie.heard))
    }
}

impl RtcDtls {
    /// Begins a handshake with a hello of its own.
    pub(super) fn begin(&mut self, now: Instant) {
        let Some((attempt, hello, version)) = self.new_hello(now) else {
            return self.fail(DtlsFailure::Internal);
        };
        let Some((random, _)) = hello.get(2..).and_then(<[u8]>::split_first_chunk::<32>) else {
            return self.fail(DtlsFailure::Internal);
        };
        let client = &mut self.handshake.client;
        client.random = *random;
        client.attempt = Some(attempt);
        client.hello = hello;
        client.version = version;
        client.cookies = Vec::new();
        client.bare = 0;
        client.is_asked = false;
        client.credit = HELLO_CREDIT;
        client.proved = Vec::new();
        client.restart_at = None;
        client.flight = Flight::new(Vec::new());
        self.send_hello(now);
    }

    fn new_hello(&mut self, now: Instant) -> Option<(Attempt, Vec<u8>, [u8; 2])> {
        let making = self.making().ok()?;
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        contain(|| endpoint.connect(now, PEER, making.config, None))
            .ok()?
            .ok()?;
        let mut attempt = Attempt::new(endpoint, making.provider);
        let (hello, version) = own_hello(&attempt.output().flight)?;
        Some((attempt, hello, version))
    }

    fn send_hello(&mut self, now: Instant) {
        let client = &mut self.handshake.client;
        let choice = client.choice().and_then(|at| client.cookies.get_mut(at));
        let (number, body) = match choice {
            Some(cookie) => {
                cookie.tried = cookie.tried.saturating_add(1);
                cookie.records.truncate(MAX_RECORDS.saturating_sub(1));
                cookie.records.insert(0, self.next_number);
                (1, hello::with_cookie(&client.hello, &cookie.value))
            }
            None => {
                client.bare = client.bare.saturating_add(1);
                (0, Some(client.hello.clone()))
            }
        };
        let Some(body) = body else { return };
        let body = fragment(kind::CLIENT_HELLO, body.len(), number, 0, &body);
        client
            .flight
            .replace(vec![plaintext(HANDSHAKE, client.version, 0, &body)]);
        client
            .flight
            .send(now, &mut self.next_number, &mut self.transmits);
    }

    pub(super) fn verify_request(&mut self, now: Instant, message: &Message) {
        let client = &mut self.handshake.client;
        let Some(value) = hello::requested_cookie(&message.body) else {
            return self.drop_record();
        };
        if client.attempt.is_none() || message.number > 1 {
            return self.drop_record();
        }
        let weight = value.len().saturating_add(VERIFY_REQUEST);
        client.credit = client.credit.saturating_add(weight).min(HELLO_CREDIT * 2);
        if let Some(known) = client.cookies.iter_mut().find(|known| known.value == value) {
            known.heard = known.heard.saturating_add(1);
        } else {
            let worth = |(_, cookie): &(usize, &Cookie)| (cookie.heard, Reverse(cookie.tried));
            if client.cookies.len() >= MAX_COOKIES
                && let Some((least, _)) = client.cookies.iter().enumerate().min_by_key(worth)
            {
                client.cookies.remove(least);
            }
            client.cookies.push(Cookie {
                value: value.to_vec(),
                heard: 1,
                tried: 0,
                records: Vec::new(),
            });
        }
        let length = client
            .hello
            .len()
            .saturating_add(value.len())
            .saturating_add(HEADERS);
        let is_first = !std::mem::replace(&mut client.is_asked, true);
        let is_untried = client
            .choice()
            .and_then(|at| client.cookies.get(at))
            .is_some_and(|cookie| cookie.tried == 0);
        if is_first {
            client.flight = Flight::new(Vec::new());
            self.send_hello(now);
        } else if is_untried && client.credit >= length {
            client.credit = client.credit.saturating_sub(length);
            self.send_hello(now);
        }
        if self.handshake.client.cookies.len() > 1 {
            self.disturbed(now);
        }
    }

    /// Looks for messages of the server that belong together, and answers them.
    pub(super) fn prove_server(&mut self, now: Instant) {
        if self.handshake.client.attempt.is_none() {
            return;
        }
        self.find_proofs(now);
        let inbox = &self.handshake.inbox;
        let find = |number: u16, kind: u8, id: u32| {
            inbox.of(number, kind).find(move |heard| heard.id == id)
        };
        // The best of what is complete.
        let mut best: Option<(Worth, usize, Vec<&Heard>)> = None;
        for (at, proved) in self.handshake.client.proved.iter().enumerate() {
            let base = proved.base;
            let parts = (
                find(base, kind::SERVER_HELLO, proved.hello),
                find(
                    base.saturating_add(1),
                    kind::CERTIFICATE,
                    proved.certificate,
                ),
                find(
                    base.saturating_add(2),
                    kind::SERVER_KEY_EXCHANGE,
                    proved.exchange,
                ),
            );
            let (Some(hello), Some(certificate), Some(exchange)) = parts else {
                continue;
            };
            let (third, fourth) = (base.saturating_add(3), base.saturating_add(4));
            let requested = inbox
                .of(third, kind::CERTIFICATE_REQUEST)
                .flat_map(|request| {
                    let done = inbox.of(fourth, kind::SERVER_HELLO_DONE);
                    done.map(move |done| vec![hello, certificate, exchange, request, done])
                });
            let unrequested = inbox
                .of(third, kind::SERVER_HELLO_DONE)
                .map(|done| vec![hello, certificate, exchange, done]);
            for flight in requested.chain(unrequested) {
                let datagrams = flight.iter().map(|heard| heard.datagram);
                let worth = (
                    proved.is_the_peers,
                    coherence(&flight),
                    datagrams.min().unwrap_or(0),
                );
                if best.as_ref().is_none_or(|(known, _, _)| worth > *known) {
                    best = Some((worth, at, flight));
                }
            }
        }
        let Some(((is_the_peers, coherence, _), at, flight)) = best else {
            return;
        };
        let grace = match (is_the_peers, coherence) {
            (true, COHERENT) => None,
            (true, _) => Some(GRACE),
            (false, _) => Some(STRANGER_GRACE),
        };
        let ids: Vec<u32> = flight.iter().map(|heard| heard.id).collect();
        let first_record = flight.first().map_or(0, |hello| hello.first_record);
        let messages: Vec<Message> = flight.iter().map(|heard| heard.message.clone()).collect();
        if let Some(grace) = grace {
            let until = self.handshake.grace.or_else(|| now.checked_add(grace));
            self.handshake.grace = until;
            if until.is_some_and(|until| now < until) {
                return;
            }
        }
        self.handshake.grace = None;
        self.answer(now, at, first_record, ids, &messages);
    }

    /// Finds which ServerHello, Certificate and ServerKeyExchange a signature joins.
    fn find_proofs(&mut self, now: Instant) {
        let random = self.handshake.client.random;
        let profiles = profile_ids(&self.config);
        let offer = Offer {
            suites: &SUITES.map(|suite| suite as u16),
            srtp_profiles: &profiles,
        };
        let mut found = Vec::new();
        let mut fault = None;
        let mut combinations = Vec::new();
        let inbox = &self.handshake.inbox;
        for base in [0u16, 1] {
            let (second, third) = (base.saturating_add(1), base.saturating_add(2));
            for exchange in inbox.of(third, kind::SERVER_KEY_EXCHANGE) {
                for certificate in inbox.of(second, kind::CERTIFICATE) {
                    for hello in inbox.of(base, kind::SERVER_HELLO) {
                        combinations.push((base, hello, certificate, exchange));
                    }
                }
            }
        }
        // The peer's certificate before any other.
        if combinations.len() > 1 {
            combinations.sort_by_key(|(_, _, certificate, _)| {
                !self.may_be_the_peers(&certificate.message.body)
            });
        }
        let mut budget = MAX_VERIFICATIONS;
        for (base, hello, certificate, exchange) in combinations {
            let combination = [hello.id, certificate.id, exchange.id, 0];
            if budget == 0 || self.handshake.tried.contains(&combination) {
                self.handshake.unproved |= budget == 0;
                continue;
            }
            let server_random = match hello::server_random(&hello.message.body, offer) {
                Ok(random) => random,
                Err(why) => {
                    fault = Some(why);
                    continue;
                }
            };
            let leaf = proof::leaf(&certificate.message.body);
            let Some(key) = leaf.and_then(proof::key) else {
                continue;
            };
            let Some((parameters, signed)) = proof::key_exchange(&exchange.message.body) else {
                continue;
            };
            budget = budget.saturating_sub(1);
            // RFC 8422 section 5.4.
            let said = [&random, server_random, parameters].concat();
            let is_proved = proof::verify(&key, &said, &signed);
            if is_proved {
                found.push(Proved {
                    base,
                    hello: hello.id,
                    certificate: certificate.id,
                    exchange: exchange.id,
                    is_the_peers: self.may_be_the_peers(&certificate.message.body),
                    key: key.bytes.to_vec(),
                    said,
                    signature: signed.signature.to_vec(),
                });
            }
            self.handshake.tried.push_back(combination);
            if !is_proved {
                fault = Some("no signature proves the server's messages");
            }
        }
        while self.handshake.tried.len() > super::MAX_TRIED {
            self.handshake.tried.pop_front();
        }
        let proved = &mut self.handshake.client.proved;
        proved.extend(found);
        while proved.len() > MAX_VERIFICATIONS {
            proved.remove(0);
        }
        if let Some(why) = fault {
            self.doubted(now, DtlsFailure::Handshake(why.to_owned()));
        }
    }

    /// Hands the server's flight to rtc-dtls, which answers it.
    fn answer(&mut self, now: Instant, at: usize, first: u64, ids: Vec<u32>, flight: &[Message]) {
        let client = &mut self.handshake.client;
        let Some(proved) = client.proved.get(at) else {
            return;
        };
        let cookie = (proved.base == 1).then(|| client.taken(first));
        let cookie = match cookie {
            Some(Some(cookie)) => Some(cookie.value.clone()),
            // It answers a cookie that we never sent.
            Some(None) => return,
            None => None,
        };
        let Some(mut attempt) = client.attempt.take() else {
            return;
        };
        attempt
            .provider
            .seen
            .prove(&proved.key, &proved.said, &proved.signature);
        let asked = cookie.map(|cookie| Message {
            kind: kind::HELLO_VERIFY_REQUEST,
            number: 0,
            body: hello::verify_request(&cookie),
            records: (0, 0),
        });
        for message in asked.iter().chain(flight) {
            // The hello with the cookie is out already.
            attempt.output();
            if let Err(failure) = attempt.message(now, message) {
                return self.went_astray(now, failure);
            }
        }
        let output = attempt.output();
        if !attempt.has_keys() || attempt.change_cipher_spec(now).is_err() {
            let unreadable = "unreadable message".to_owned();
            return self.went_astray(now, DtlsFailure::Handshake(unreadable));
        }
        attempt.answered = ids;
        attempt.flight = Flight::new(output.flight);
        attempt.send(now, &mut self.next_number, &mut self.transmits);
        self.expect_restart(now);
        self.get_ready(now, attempt);
    }

    /// rtc-dtls refused what the signature proves only in part.
    fn went_astray(&mut self, now: Instant, failure: DtlsFailure) {
        self.doubted(now, failure);
        self.handshake.client.restart_at = now.checked_add(GRACE);
    }

    /// Sets when the client begins anew beside what it has.
    fn expect_restart(&mut self, now: Instant) {
        let client = &mut self.handshake.client;
        let patience = match client.is_disturbed {
            true => PATIENCE_DISTURBED,
            false => PATIENCE,
        };
        // Half as long again each time.
        let longer = (0..client.restarts.min(8)).fold(patience, |time, _| time * 3 / 2);
        client.restart_at = now.checked_add(longer);
    }

    /// Somebody else has a hand in the handshake.
    pub(super) fn disturbed(&mut self, now: Instant) {
        let client = &mut self.handshake.client;
        if self.role == DtlsRole::Client && !std::mem::replace(&mut client.is_disturbed, true) {
            let is_waiting = client.attempt.is_none() && client.restart_at.is_some();
            if is_waiting {
                self.expect_restart(now);
            }
        }
    }

    pub(super) fn client_timeout(&mut self, now: Instant) {
        if self.role != DtlsRole::Client || self.state != State::Handshaking {
            return;
        }
        let client = &mut self.handshake.client;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if client.attempt.is_some() && is_due(client.flight.due()) {
            self.counters.resent_flights = self.counters.resent_flights.saturating_add(1);
            self.send_hello(now);
        } else if is_due(client.restart_at) {
            client.restarts = client.restarts.saturating_add(1);
            self.counters.restarts = self.counters.restarts.saturating_add(1);
            let handshake = &mut self.handshake;
            handshake.inbox = Default::default();
            // The messages are numbered anew.
            handshake.tried = Default::default();
            handshake.unproved = false;
            handshake.grace = None;
            handshake.pieces = Default::default();
            if handshake.attempts.len() >= MAX_ATTEMPTS {
                handshake.attempts.remove(0);
            }
            self.begin(now);
        }
    }
}

/// What speaks for a flight: whose certificate, how it hangs together, how late it came.
type Worth = (bool, u8, u64);

const COHERENT: u8 = 2;

/// How likely messages of one flight belong together: the server requests a certificate, and sends
/// the messages that no signature covers right behind those that one does.
fn coherence(flight: &[&Heard]) -> u8 {
    let follows = |before: &Heard, after: &Heard| {
        let (_, last) = before.message.records;
        let (first, _) = after.message.records;
        first == last || Some(first) == last.checked_add(1)
    };
    match flight {
        [_, _, exchange, request, done] => match follows(exchange, request) {
            true if follows(request, done) => COHERENT,
            _ => 1,
        },
        _ => 0,
    }
}
