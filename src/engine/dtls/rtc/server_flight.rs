//! The flight of a server: answered once the signature in it proves it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::adapter::{SUITES, profile_ids};
use super::client::Proved;
use super::side::{MAX_TRIED, MAX_VERIFICATIONS, RtcDtls};
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::hello::{self, Offer};
use crate::engine::dtls::inbox::{Heard, Inbox, follows};
use crate::engine::dtls::reassembly::Message;
use crate::engine::dtls::{DtlsFailure, kind, proof};

/// How long messages that are less likely the peer's wait for better ones.
const GRACE: Duration = Duration::from_millis(100);

impl RtcDtls {
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
        let grace = (coherence != COHERENT).then_some(GRACE);
        let ids: Vec<u32> = flight.iter().map(|heard| heard.id).collect();
        let first_record = flight.first().map_or(0, |hello| hello.first_record);
        let messages: Vec<Message> = flight.iter().map(|heard| heard.message.clone()).collect();
        if is_the_peers {
            self.handshake.stranger.peer_is_there();
        } else if !self.handshake.stranger.may_have_it(now) {
            return;
        }
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
    pub(super) fn find_proofs(&mut self, now: Instant) {
        let random = self.handshake.client.random;
        let profiles = profile_ids(&self.config);
        let offer = Offer {
            suites: &SUITES.map(|suite| suite as u16),
            srtp_profiles: &profiles,
        };
        let mut found = Vec::new();
        let mut fault = None;
        let mut combinations = combinations(&self.handshake.inbox);
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
                let why = "no signature proves the server's messages";
                fault = Some(DtlsFailure::Protocol(why.to_owned()));
            }
        }
        while self.handshake.tried.len() > MAX_TRIED {
            self.handshake.tried.pop_front();
        }
        let proved = &mut self.handshake.client.proved;
        proved.extend(found);
        while proved.len() > MAX_VERIFICATIONS {
            proved.remove(0);
        }
        if let Some(why) = fault {
            self.doubted(now, why);
        }
    }

    /// Hands the server's flight to rtc-dtls, which answers it.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        at: usize,
        first: u64,
        ids: Vec<u32>,
        flight: &[Message],
    ) {
        let client = &mut self.handshake.client;
        let Some(proved) = client.proved.get(at) else {
            return;
        };
        let is_the_peers = proved.is_the_peers;
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
            return self.went_astray(now, DtlsFailure::Protocol(unreadable));
        }
        let server_random = flight.first().and_then(|hello| hello.body.get(2..34));
        let server_random = server_random.and_then(|random| random.try_into().ok());
        attempt.randoms = server_random.map(|server| (self.handshake.client.random, server));
        attempt.answered = ids;
        attempt.is_strangers = !is_the_peers;
        attempt.flight = Flight::new(output.flight);
        attempt.send(
            now,
            &mut self.next_number,
            &mut self.transmits,
            &self.config.span,
        );
        self.expect_restart(now);
        self.get_ready(now, attempt);
    }

    /// rtc-dtls refused what the signature proves only in part.
    pub(super) fn went_astray(&mut self, now: Instant, failure: DtlsFailure) {
        self.doubted(now, failure);
        self.handshake.client.restart_at = now.checked_add(GRACE);
    }
}

/// What speaks for a flight: whose certificate, how it hangs together, how late it came.
type Worth = (bool, u8, u64);

const COHERENT: u8 = 2;

/// Which messages may be one flight of the server.
fn combinations(inbox: &Inbox) -> Vec<(u16, &Heard, &Heard, &Heard)> {
    let mut combinations = Vec::new();
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
    combinations
}

/// How likely messages of one flight belong together: the server requests a certificate, and sends
/// the messages that no signature covers right behind those that one does.
fn coherence(flight: &[&Heard]) -> u8 {
    match flight {
        [_, _, exchange, request, done] => match follows(exchange, request) {
            true if follows(request, done) => COHERENT,
            _ => 1,
        },
        _ => 0,
    }
}
