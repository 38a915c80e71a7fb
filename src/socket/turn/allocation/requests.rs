//! Requests of an allocation and what the server's answers mean (RFC 8489 sections 6 and 9.2, RFC
//! 8656 sections 5 to 8).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::stream::ANSWER;
use super::{Allocation, Event, KEEPALIVE, Phase, RTO, TRANSMISSIONS, Transaction};
use crate::socket::ice_server::IceServerErrorKind;
use crate::socket::stun::new_transaction_id;
use crate::socket::turn::auth::Auth;
use crate::socket::turn::frame::{Answer, Frame};
use crate::socket::turn::peers::Verdict;
use crate::socket::turn::wire::{self, Ask, DEFAULT_LIFETIME};

/// New nonces taken for one request.
const MAX_NONCES: u32 = 3;
/// RFC 8656 section 3.3: a server's maximum should be an hour.
const MAX_LIFETIME: u32 = 3_600;
/// Messages that wait to be sent to the server; the driver takes them after every call.
const MAX_OUT: usize = 1_024;

impl Allocation {
    /// Starts a transaction, unless the same one is under way.
    pub(in crate::socket::turn) fn ask(&mut self, now: Instant, ask: Ask) {
        if !self.transactions.iter().any(|t| t.ask == ask) {
            self.send_request(now, ask, 0);
        }
    }

    /// The same at once, though one that is under way would be repeated in a while only.
    pub(in crate::socket::turn) fn ask_anew(&mut self, now: Instant, ask: Ask) {
        self.transactions.retain(|t| t.ask != ask || t.sent < 2);
        self.ask(now, ask);
    }

    fn send_request(&mut self, now: Instant, ask: Ask, nonces: u32) {
        let id = new_transaction_id();
        let Some(bytes) = wire::request(id, ask, self.server, self.auth.as_ref()) else {
            self.fail(IceServerErrorKind::Malformed, "a request cannot be encoded");
            return;
        };
        self.send(now, bytes.clone());
        let (sent, wait) = if self.carrier.is_stream() {
            (TRANSMISSIONS, ANSWER)
        } else {
            (1, RTO)
        };
        self.transactions.push(Transaction {
            id,
            ask,
            bytes,
            authenticated: self.auth.is_some(),
            nonces,
            sent,
            rto: RTO,
            next: now + wait,
            refusal: None,
        });
    }

    pub(in crate::socket::turn) fn send(&mut self, now: Instant, message: Vec<u8>) {
        self.last_sent = now;
        if self.out.len() < MAX_OUT {
            self.out.push_back(message);
        } else {
            self.counters.unsent += 1;
        }
    }

    pub(in crate::socket::turn) fn handle_answer(
        &mut self,
        now: Instant,
        at: usize,
        frame: Frame<'_>,
        data: &[u8],
    ) {
        let Some(transaction) = self.transactions.get(at) else {
            return;
        };
        let (ask, nonces) = (transaction.ask, transaction.nonces);
        let authenticated = transaction.authenticated;
        let Some(answer) = frame.answer(ask) else {
            self.counters.malformed += 1;
            return;
        };
        if let Answer::Error(code @ (401 | 438), _) = answer
            && let Some(auth) = self.new_auth(code, ask, authenticated, nonces, &frame)
        {
            self.transactions.swap_remove(at);
            self.auth = Some(auth);
            self.send_request(now, ask, nonces + 1);
            return;
        }
        let proven = !authenticated
            || self
                .auth
                .as_ref()
                .is_some_and(|auth| auth.verifies(data, frame.integrity_sha256()));
        match answer {
            Answer::Success if proven => {
                self.transactions.swap_remove(at);
                self.granted(now, ask, &frame);
            }
            // RFC 8489 section 9.2.5: discarded as if it had never been received.
            Answer::Success => self.counters.malformed += 1,
            // Also before anybody could authenticate anything, which is how coturn does it.
            Answer::Error(300, _) if proven && self.may_follow(ask, &frame) => {
                self.transactions.swap_remove(at);
                self.events
                    .extend(frame.alternate_server().map(Event::Redirected));
            }
            Answer::Error(code, reason) if proven => {
                self.transactions.swap_remove(at);
                self.refused(now, ask, code, &reason, true);
            }
            Answer::Error(code, reason) => self.refused_by_whom(now, at, code, reason),
        }
    }

    /// The credentials for another try (RFC 8489 section 9.2.5), `None` when there is none.
    fn new_auth(
        &self,
        code: u16,
        ask: Ask,
        authenticated: bool,
        nonces: u32,
        frame: &Frame<'_>,
    ) -> Option<Auth> {
        let challenge = frame.challenge()?;
        if nonces >= MAX_NONCES {
            return None;
        }
        let credentials = &self.credentials;
        match &self.auth {
            Some(auth) if authenticated => {
                // A 401 to our credentials means that they are wrong, but for a server that was
                // restarted and knows nothing of us: its nonce is another one, or its realm.
                let realm = frame.realm().filter(|realm| auth.realm() != realm);
                if let Some(realm) = realm {
                    return Auth::new(credentials, realm, challenge);
                }
                let other = ask != Ask::Allocate && !auth.has_nonce(challenge.nonce);
                match code == 438 || other {
                    true => auth.renewed(credentials, challenge),
                    false => None,
                }
            }
            _ if code == 401 => Auth::new(credentials, frame.realm()?, challenge),
            _ => None,
        }
    }

    fn granted(&mut self, now: Instant, ask: Ask, frame: &Frame<'_>) {
        let lifetime = frame.lifetime().unwrap_or(DEFAULT_LIFETIME);
        match ask {
            Ask::Allocate => {
                let own_family = |a: &SocketAddr| a.is_ipv4() == self.server.is_ipv4();
                let relayed = frame
                    .relayed()
                    .filter(|relayed| own_family(relayed) && !self.reserved.contains(relayed));
                let (Some(relayed), true) = (relayed, lifetime > 0) else {
                    let message = "no usable relayed address or lifetime";
                    self.fail(IceServerErrorKind::Malformed, message);
                    return;
                };
                self.relayed = Some(relayed);
                self.mapped = frame.mapped();
                self.keepalive_at = now + KEEPALIVE;
                self.set_lifetime(now, lifetime);
                if self.phase == Phase::Closing {
                    self.ask(now, Ask::Refresh { release: true });
                } else {
                    self.phase = Phase::Ready;
                    self.tell_ready();
                }
            }
            Ask::Refresh { release: true } => self.released(now),
            Ask::Refresh { release: false } if lifetime == 0 => {
                self.lose(now, "the server ended it");
            }
            Ask::Refresh { release: false } => {
                self.doubted = false;
                self.refresh_failed = false;
                self.set_lifetime(now, lifetime);
                if std::mem::take(&mut self.verifying) {
                    self.tell_ready();
                }
            }
            Ask::Permission(_) | Ask::Channel(..) => {
                for (peer, datagram) in self.peers.answered(now, ask, Verdict::Granted) {
                    let mut message = Vec::new();
                    wire::push_send_indication(&mut message, peer, &datagram);
                    self.send(now, message);
                }
            }
        }
    }

    /// Refreshed when half of it is over: two whole transactions fit into most lifetimes.
    fn set_lifetime(&mut self, now: Instant, seconds: u32) {
        let lifetime = Duration::from_secs(u64::from(seconds.min(MAX_LIFETIME)));
        self.expires = now + lifetime;
        self.refresh_at = now + (lifetime / 2).max(Duration::from_secs(1));
        self.peers.set_pace(self.refresh_at - now);
    }

    fn tell_ready(&mut self) {
        if let Some(relayed) = self.relayed {
            let mapped = self.mapped;
            self.events.push_back(Event::Ready { relayed, mapped });
        }
    }

    pub(in crate::socket::turn) fn fail(&mut self, kind: IceServerErrorKind, message: &str) {
        if self.phase == Phase::Allocating {
            self.events
                .push_back(Event::Failed(kind, message.to_owned()));
        }
        self.phase = Phase::Gone;
    }
}
