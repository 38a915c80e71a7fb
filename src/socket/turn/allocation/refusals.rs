//! Errors of a server: which count, and what becomes of the allocation (RFC 8489 sections 9.2.5, 10
//! and 14.8, RFC 8656 sections 5 and 7.4).
//!
//! | Answer | Allocate | Refresh | CreatePermission, ChannelBind |
//! |---|---|---|---|
//! | 300 | followed once, if authentic or before any credentials | tried again | this peer is refused |
//! | 400, 401, 438 | an error | tried again | the allocation is doubted, tried again |
//! | 437, 441 | 437: given back and tried again; 441: an error | made again | made again |
//! | 500 | tried again | tried again | tried again |
//! | others | an error | tried again | this peer is refused |
//!
//! Tried again is what may pass, until the allocation expires. A doubted allocation is made again
//! when its Refresh is refused, too, and nothing comes through it any more.
//!
//! An error that is not authentic never takes an allocation away that something else shows to work:
//! it waits for a better answer.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Allocation, Event, Phase, REFRESH_RETRY};
use crate::socket::ice_server::IceServerErrorKind;
use crate::socket::turn::frame::Frame;
use crate::socket::turn::peers::{Peers, Verdict};
use crate::socket::turn::wire::Ask;
use crate::trace;

/// RFC 8656 section 7.4 wants three tries from three ports after 437. There is one port only, so
/// they are spread in time: servers keep what was given back for a second or so.
const MAX_RETRIES: u32 = 2;
const RETRY_ALLOCATE: Duration = Duration::from_millis(1_200);
/// Consent checks come every 6 s at the latest through an allocation that is in use.
const IN_USE: Duration = Duration::from_secs(10);
/// An allocation is made again at most once in this time, should the server lose it at once.
const RENEWAL_SPACING: Duration = Duration::from_secs(60);
/// A Refresh that was refused is repeated after this when gathering waits for it.
const VERIFY_AGAIN: Duration = Duration::from_millis(500);
/// An error of a server that never authenticates its errors counts after this many requests.
const PATIENCE: u32 = 4;

/// RFC 8489 section 14.8: with 400 no MESSAGE-INTEGRITY may be expected. Section 9.2.5: 401 and 438
/// come of a server that does not know what to authenticate with.
fn counts_unproven(code: u16) -> bool {
    matches!(code, 400 | 401 | 438)
}

impl Allocation {
    /// An error that is not authentic came for the transaction at `at`.
    pub(in crate::socket::turn) fn refused_by_whom(
        &mut self,
        now: Instant,
        at: usize,
        code: u16,
        reason: String,
    ) {
        if !counts_unproven(code) {
            // RFC 8489 section 9.2.5 discards it.
            self.counters.malformed += 1;
        } else if self.phase != Phase::Ready {
            let transaction = self.transactions.swap_remove(at);
            self.refused(now, transaction.ask, code, &reason, false);
            return;
        }
        if let Some(transaction) = self.transactions.get_mut(at) {
            transaction.refusal.get_or_insert((code, reason));
        }
    }

    /// The error to be believed by now of a transaction that is about to be repeated.
    pub(in crate::socket::turn) fn believed(
        &self,
        refusal: Option<&(u16, String)>,
        sent: u32,
    ) -> bool {
        refusal.is_some_and(|(code, _)| {
            counts_unproven(*code) || (self.phase == Phase::Allocating && sent >= PATIENCE)
        })
    }

    /// `proven`: the server said so, beyond doubt.
    pub(in crate::socket::turn) fn refused(
        &mut self,
        now: Instant,
        ask: Ask,
        code: u16,
        reason: &str,
        proven: bool,
    ) {
        tracing::debug!(
            target: trace::TURN,
            parent: &self.span,
            code,
            reason,
            ?ask,
            proven,
            "a TURN server refused"
        );
        let gone = proven && matches!(code, 437 | 441);
        match ask {
            Ask::Allocate
                if proven
                    && matches!(code, 437 | 500)
                    && self.phase == Phase::Allocating
                    && self.attempts < MAX_RETRIES =>
            {
                self.attempts += 1;
                if code == 437 {
                    // What is left of an earlier allocation on this port is given back first.
                    self.ask(now, Ask::Refresh { release: true });
                } else {
                    self.allocate_at = Some(now + RETRY_ALLOCATE);
                }
            }
            Ask::Allocate => self.fail(
                IceServerErrorKind::Refused(code),
                &format!("TURN error {code}: {reason}"),
            ),
            Ask::Refresh { release: true } => self.released(now),
            _ if gone => self.lose(now, "the server no longer knows it"),
            Ask::Refresh { release: false } => {
                let in_use = self.last_data.is_some_and(|at| now < at + IN_USE);
                if self.doubted && (self.verifying || !in_use) {
                    self.lose(now, "the server refuses to refresh it");
                    return;
                }
                self.note_refresh_failed(Some(code), "the server refuses");
                if self.verifying {
                    // Somebody waits for it: once more, and then it is doubted.
                    self.doubted = true;
                    self.refresh_at = now + VERIFY_AGAIN;
                } else {
                    self.refresh_at = now + REFRESH_RETRY;
                }
            }
            Ask::Permission(_) | Ask::Channel(..) => {
                if counts_unproven(code) && self.phase == Phase::Ready {
                    self.doubted = true;
                    self.ask(now, Ask::Refresh { release: false });
                }
                let passes = counts_unproven(code) || code >= 500;
                let verdict = if passes {
                    Verdict::NotNow
                } else {
                    self.not_permitted = Some(code);
                    Verdict::Refused
                };
                self.peers.answered(now, ask, verdict);
            }
        }
    }

    pub(in crate::socket::turn) fn released(&mut self, now: Instant) {
        if self.phase == Phase::Allocating {
            self.allocate_at = Some(now + RETRY_ALLOCATE);
        } else {
            self.phase = Phase::Gone;
        }
    }

    /// The allocation is no more. Another one is asked for, but not over and over.
    pub(in crate::socket::turn) fn lose(&mut self, now: Instant, cause: &'static str) {
        if self.phase != Phase::Ready {
            self.phase = Phase::Gone;
            return;
        }
        tracing::warn!(target: trace::TURN, parent: &self.span, cause, "a relay is lost");
        self.refresh_failed = false;
        self.events.push_back(Event::Lost(self.relayed));
        let again = self.renewed.is_some_and(|at| now < at + RENEWAL_SPACING);
        if again && !self.carrier.is_stream() {
            self.phase = Phase::Gone;
            return;
        }
        self.renewed = Some(now);
        if again {
            self.reopen_later(now);
        } else {
            self.forget_failures();
            self.begin_again(now);
        }
    }

    /// The local address is no more: there is nobody to ask for another.
    pub(in crate::socket::turn) fn base_gone(&mut self) {
        match self.phase {
            Phase::Ready => self.events.push_back(Event::Lost(self.relayed)),
            Phase::Allocating => self.events.push_back(Event::Failed(
                IceServerErrorKind::Unreachable,
                "the local address is gone".to_owned(),
            )),
            Phase::Closing | Phase::Gone => {}
        }
        self.phase = Phase::Gone;
    }

    /// It is there as long as its lifetime lasts. The first time in a row it is news.
    pub(in crate::socket::turn) fn note_refresh_failed(
        &mut self,
        code: Option<u16>,
        cause: &'static str,
    ) {
        if !std::mem::replace(&mut self.refresh_failed, true) {
            tracing::warn!(
                target: trace::TURN,
                parent: &self.span,
                code,
                cause,
                "a relay could not be refreshed"
            );
        }
    }

    /// Without credentials at first: a server that forgot the allocation may have forgotten its
    /// nonces as well, and a 401 to old ones would say that the credentials are wrong.
    fn begin_again(&mut self, now: Instant) {
        self.start_over();
        self.ask(now, Ask::Allocate);
    }

    pub(super) fn start_over(&mut self) {
        self.leave_stream();
        self.auth = None;
        self.phase = Phase::Allocating;
        self.relayed = None;
        self.mapped = None;
        self.transactions.clear();
        self.peers = Peers::default();
        self.verifying = false;
        self.doubted = false;
        self.last_data = None;
        self.asked_after = None;
        self.attempts = 0;
    }

    /// RFC 8489 section 10: to a server of the same family, and not to one that was asked already.
    pub(in crate::socket::turn) fn may_follow(&self, ask: Ask, frame: &Frame<'_>) -> bool {
        let alternate = frame.alternate_server().filter(|alternate| {
            alternate.is_ipv4() == self.server.is_ipv4()
                && *alternate != self.server
                && !self.reserved.contains(alternate)
        });
        let first = self.server == self.asked;
        ask == Ask::Allocate && self.phase == Phase::Allocating && first && alternate.is_some()
    }

    /// Goes on at the server that the first one named. RFC 8489 section 10: with the same
    /// credentials; realm and nonce are its own.
    pub(in crate::socket::turn) fn redirect(&mut self, now: Instant, server: SocketAddr) {
        self.server = server;
        self.begin_again(now);
    }
}
