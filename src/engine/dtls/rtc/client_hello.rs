//! The client's hellos. Cookies are tried in turn, and what turns out astray is begun anew beside
//! what there is.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use rtc_shared::TransportProtocol;
use webrtc_dtls::endpoint::Endpoint;

use super::adapter::PEER;
use super::attempt::{Attempt, MAX_ATTEMPTS, own_hello};
use super::client::Cookie;
use super::side::{RtcDtls, State};
use crate::engine::dtls::flight::Flight;
use crate::engine::dtls::hello;
use crate::engine::dtls::reassembly::Message;
use crate::engine::dtls::record::{HANDSHAKE, fragment, plaintext};
use crate::engine::dtls::{DtlsFailure, DtlsRole, kind};
use crate::engine::guard::contain;

/// The headers of a handshake record, and what a HelloVerifyRequest has beside its cookie.
const HEADERS: usize = 25;
const VERIFY_REQUEST: usize = HEADERS + 3;
/// Cookies that are kept; the one that was heard least makes room.
const MAX_COOKIES: usize = 16;
/// Numbers of the records that brought a cookie back.
const MAX_RECORDS: usize = 8;
/// Bytes that hellos with further cookies may weigh more than what asked for them.
const HELLO_CREDIT: usize = 600;
/// After this long without the server's Finished a client begins anew, with and without a sign of
/// somebody else; longer each time.
const PATIENCE_DISTURBED: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(4);

impl RtcDtls {
    /// Begins a handshake with a hello of its own.
    pub(super) fn begin(&mut self, now: Instant) {
        let Some((attempt, hello, version)) = self.new_hello(now) else {
            return self.fail(now, DtlsFailure::Internal);
        };
        let Some((random, _)) = hello.get(2..).and_then(<[u8]>::split_first_chunk::<32>) else {
            return self.fail(now, DtlsFailure::Internal);
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
        client.flight.send(
            now,
            &mut self.next_number,
            &mut self.transmits,
            &self.config.span,
        );
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

    /// Sets when the client begins anew beside what it has.
    pub(super) fn expect_restart(&mut self, now: Instant) {
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
                let mut attempts = handshake.attempts.iter();
                let strangers = attempts.position(|attempt| attempt.is_strangers);
                handshake.attempts.remove(strangers.unwrap_or(0));
            }
            self.begin(now);
        }
    }
}
