//! What an allocation does as time goes by: retransmissions, refreshes, keepalives, its end.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::{Allocation, KEEPALIVE, Phase, REFRESH_RETRY, TRANSMISSIONS};
use crate::socket::ice_server::IceServerErrorKind;
use crate::socket::turn::peers::Verdict;
use crate::socket::turn::wire::{self, Ask};

/// RFC 8489 section 6.2.1: Rm; with the RTO 39.5 s in all.
const LAST_WAIT: Duration = Duration::from_secs(8);

/// A server that does not answer for an allocation in use is asked this often: it may have been
/// restarted, and what it forgot be replaced as soon as it is back.
const URGENT: Duration = Duration::from_secs(3);

impl Allocation {
    pub(in crate::socket::turn) fn poll_timeout(&self) -> Option<Instant> {
        let transactions = self.transactions.iter().map(|t| t.next).min();
        let ready = (self.phase == Phase::Ready)
            .then(|| self.refresh_at.min(self.expires).min(self.keepalive_at));
        let peers = self
            .peers
            .next_timeout()
            .filter(|_| self.phase == Phase::Ready);
        (self.phase != Phase::Gone)
            .then_some([transactions, ready, peers, self.close_by, self.allocate_at])
            .into_iter()
            .flatten()
            .flatten()
            .min()
    }

    pub(in crate::socket::turn) fn handle_timeout(&mut self, now: Instant) {
        if self.close_by.is_some_and(|by| by <= now) {
            self.phase = Phase::Gone;
        }
        if self.phase == Phase::Gone {
            return;
        }
        self.run_transactions(now);
        if self.allocate_at.is_some_and(|at| at <= now) {
            self.allocate_at = None;
            if self.phase == Phase::Allocating {
                self.ask(now, Ask::Allocate);
            }
        }
        if self.phase != Phase::Ready {
            return;
        }
        if self.expires <= now {
            self.lose(now, "it was not refreshed in time");
            return;
        }
        if self.refresh_at <= now {
            self.refresh_at = self.expires;
            self.ask(now, Ask::Refresh { release: false });
        }
        for ask in self.peers.due(now) {
            self.ask(now, ask);
        }
        if self.keepalive_at <= now {
            if self.last_sent + KEEPALIVE <= now {
                self.send(now, wire::keepalive());
            }
            self.keepalive_at = self.last_sent + KEEPALIVE;
        }
    }

    /// The machine may have slept, and what the server granted be over: all of it is asked for
    /// again at once.
    pub(in crate::socket::turn) fn resumed(&mut self, now: Instant) {
        if self.phase == Phase::Ready {
            self.refresh_at = self.expires;
            self.ask_anew(now, Ask::Refresh { release: false });
            for ask in self.peers.resumed(now) {
                self.ask_anew(now, ask);
            }
        }
        for t in self.transactions.iter_mut().filter(|t| t.refusal.is_none()) {
            if t.sent > 1 && !self.carrier.is_stream() {
                t.next = t.next.min(now);
            }
        }
    }

    fn run_transactions(&mut self, now: Instant) {
        let mut resend = Vec::new();
        let mut expired = Vec::new();
        let mut refused = Vec::new();
        for at in (0..self.transactions.len()).rev() {
            let due = self
                .transactions
                .get(at)
                .is_some_and(|t| t.next <= now && self.believed(t.refusal.as_ref(), t.sent));
            if due {
                let transaction = self.transactions.swap_remove(at);
                refused.extend(
                    transaction
                        .refusal
                        .map(|refusal| (transaction.ask, refusal)),
                );
            }
        }
        // Closing waits for an answer to Allocate, but does not ask again.
        let silent = self.phase == Phase::Closing;
        let urgent = self.verifying || self.is_silent_in_use(now);
        self.transactions.retain_mut(|t| {
            if now < t.next {
                return true;
            }
            if t.sent >= TRANSMISSIONS {
                expired.push(t.ask);
                return false;
            }
            t.sent += 1;
            t.rto = t.rto.saturating_mul(2);
            t.next = now
                + if t.sent == TRANSMISSIONS {
                    LAST_WAIT
                } else {
                    t.rto
                };
            if urgent && t.ask == (Ask::Refresh { release: false }) {
                t.next = t.next.min(now + URGENT);
            }
            if !(silent && t.ask == Ask::Allocate) {
                resend.push(t.bytes.clone());
            }
            true
        });
        for bytes in resend {
            self.send(now, bytes);
        }
        for ask in expired {
            match ask {
                // Silence on a stream is the end of it.
                Ask::Allocate | Ask::Refresh { release: false } if self.carrier.is_stream() => {
                    self.stream_ended(now, IceServerErrorKind::Timeout, "no answer");
                    return;
                }
                Ask::Allocate => self.fail(IceServerErrorKind::Timeout, "no answer"),
                Ask::Refresh { release: true } => self.released(now),
                Ask::Refresh { release: false } => {
                    self.note_refresh_failed(None, "the server does not answer");
                    self.refresh_at = now + REFRESH_RETRY;
                }
                Ask::Permission(_) | Ask::Channel(..) => {
                    self.peers.answered(now, ask, Verdict::NotNow);
                }
            }
        }
        for (ask, (code, reason)) in refused {
            self.refused(now, ask, code, &reason, false);
        }
    }
}
