//! What a client keeps during its handshake: the hello that is out, cookies, proofs.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use super::attempt::Attempt;
use crate::engine::dtls::flight::Flight;

/// Hearing a cookie more often than this says no more for it.
const MAX_HEARD: u32 = 4;

/// A cookie that a server, or somebody else, asked for.
pub(super) struct Cookie {
    pub(super) value: Vec<u8>,
    pub(super) heard: u32,
    pub(super) tried: u32,
    pub(super) records: Vec<u64>,
}

/// A proved part of the server's flight, by the ids of the messages.
pub(super) struct Proved {
    pub(super) base: u16,
    pub(super) hello: u32,
    pub(super) certificate: u32,
    pub(super) exchange: u32,
    /// Whether the certificate is one that was announced.
    pub(super) is_the_peers: bool,
    pub(super) key: Vec<u8>,
    pub(super) said: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Client {
    /// The association whose hello is out; none once its flight was answered.
    pub(super) attempt: Option<Attempt>,
    pub(super) random: [u8; 32],
    /// Our hello without a cookie, and the version of its record.
    pub(super) hello: Vec<u8>,
    pub(super) version: [u8; 2],
    pub(super) flight: Flight,
    pub(super) cookies: Vec<Cookie>,
    /// Hellos sent without a cookie.
    pub(super) bare: u32,
    /// Somebody asked for a cookie.
    pub(super) is_asked: bool,
    pub(super) credit: usize,
    pub(super) proved: Vec<Proved>,
    pub(super) is_disturbed: bool,
    pub(super) restarts: u32,
    pub(super) restart_at: Option<Instant>,
}

impl Client {
    pub(super) fn due(&self) -> Option<Instant> {
        let flight = self.attempt.as_ref().and(self.flight.due());
        self.restart_at.into_iter().chain(flight).min()
    }

    /// Which cookie to send next: one heard often and tried seldom; `None` is none at all, for a
    /// server that asks for none.
    pub(super) fn choice(&self) -> Option<usize> {
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
    pub(super) fn taken(&self, first_record: u64) -> Option<&Cookie> {
        let by_record = self
            .cookies
            .iter()
            .find(|cookie| cookie.records.contains(&first_record));
        let tried = self.cookies.iter().filter(|cookie| cookie.tried > 0);
        by_record.or_else(|| tried.max_by_key(|cookie| cookie.heard))
    }
}
