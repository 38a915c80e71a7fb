//! Acknowledgements and losses (RFC 9260 sections 6.2.1 and 6.3; the time-based detection is that
//! of RFC 8985, which sees a lost retransmission, too).

use std::time::{Duration, Instant};

use super::congestion::Acked;
use super::news::News;
use super::sent::{Fate, Sent};
use super::state::{Association, State};
use crate::engine::sctp::wire::{self, Sack};

const MAX_PATIENCE: u32 = 16;

impl Association {
    pub(super) fn on_sack(&mut self, now: Instant, body: &[u8]) -> Option<()> {
        let sack = Sack::parse(body)?;
        let outbox = &mut self.outbox;
        let before_first = outbox.first_tsn.wrapping_sub(1);
        // What was never sent cannot be acknowledged; what is old says nothing new.
        if wire::before(outbox.last_tsn(), sack.cumulative) {
            return None;
        }
        if wire::before(sack.cumulative, before_first) {
            return Some(());
        }
        let limited = outbox.flight.saturating_mul(2) >= self.congestion.window();
        let mut news = News::default();
        while wire::before_or_at(outbox.first_tsn, sack.cumulative)
            && let Some(sent) = outbox.sent.pop_front()
        {
            outbox.first_tsn = outbox.first_tsn.wrapping_add(1);
            if sent.fate == Fate::InFlight {
                outbox.flight = outbox.flight.saturating_sub(sent.data.len());
            }
            if matches!(sent.fate, Fate::InFlight | Fate::Lost) {
                news.note(&sent);
            }
        }
        self.acknowledge_gaps(&sack, &mut news);
        let outbox = &mut self.outbox;
        outbox.peer_window = (sack.window as usize).saturating_sub(outbox.flight);
        if sack.duplicates > 0 && outbox.retransmitted > 0 {
            // What counted as lost was late.
            if outbox.patience < MAX_PATIENCE {
                outbox.patience = outbox.patience.saturating_mul(2);
                self.congestion.on_spurious();
            }
        }
        if let Some(order) = news.greater {
            self.path_mtu.on_acked(order);
        }
        if let Some((order, sent_at, first)) = news.latest {
            outbox.acked_order = Some(outbox.acked_order.unwrap_or(0).max(order));
            let rtt = now.saturating_duration_since(sent_at);
            if first {
                self.rtt.sample(now, rtt);
            }
            self.rtt.acked();
            self.congestion.on_acked(&Acked {
                now,
                bytes: news.bytes,
                limited,
                rtt: first.then_some(rtt),
                lowest: self.rtt.lowest(),
                variation: self.rtt.variation(),
                order,
                next_order: outbox.next_order,
            });
            outbox.rto_at = None;
        }
        outbox.forward();
        outbox.forward_due |= outbox.forward_to.is_some();
        self.detect_losses(now);
        self.arm(now);
        Some(())
    }

    /// A chunk is lost when one sent later has come and it is late by more than reordering does.
    pub(super) fn detect_losses(&mut self, now: Instant) {
        let outbox = &mut self.outbox;
        outbox.loss_at = None;
        let (Some(acked), Some(smoothed)) = (outbox.acked_order, self.rtt.smoothed()) else {
            return;
        };
        let patience = smoothed.saturating_add(outbox.reordering(smoothed));
        while let Some(&(order, tsn)) = outbox.order.front() {
            let Some(sent) = outbox
                .get_mut(tsn)
                .filter(|sent| sent.order == order && sent.fate == Fate::InFlight)
            else {
                outbox.order.pop_front();
                continue;
            };
            if order >= acked {
                break;
            }
            let due = sent.sent_at.checked_add(patience);
            if due.is_some_and(|due| due > now) {
                outbox.loss_at = due;
                break;
            }
            sent.fate = Fate::Lost;
            if sent.greater {
                self.path_mtu.on_lost(now, order);
            }
            let len = sent.data.len();
            outbox.flight = outbox.flight.saturating_sub(len);
            outbox.order.pop_front();
            outbox.lost.push_back(tsn);
            self.congestion.on_lost(len, order, outbox.next_order);
        }
    }

    /// The window is used up: what has expired in flight need not be waited for (RFC 3758
    /// section 4.1), once there was time for an acknowledgement.
    pub(super) fn expire_in_flight(&mut self, now: Instant) {
        let patience = self.rtt.smoothed().unwrap_or_default() * 3 / 2;
        while let Some(&(order, tsn)) = self.outbox.order.front() {
            let Some(sent) = self
                .outbox
                .get_mut(tsn)
                .filter(|sent| sent.order == order && sent.fate == Fate::InFlight)
            else {
                self.outbox.order.pop_front();
                continue;
            };
            let waited = now.saturating_duration_since(sent.sent_at) >= patience;
            if !waited || sent.expires.is_none_or(|at| at > now) {
                return;
            }
            self.outbox.abandon(tsn);
        }
    }

    /// Nothing was acknowledged for a while.
    pub(super) fn retransmission_timeout(&mut self, now: Instant) {
        self.outbox.rto_at = None;
        let greater = |sent: &Sent| sent.greater && sent.fate == Fate::InFlight;
        if self.outbox.sent.iter().any(greater) {
            self.path_mtu.suspect(now);
        }
        self.rtt.backoff();
        if self.rtt.timeouts() == 1 {
            // One chunk asks first: the last acknowledgement may just be late.
            let earliest = self
                .outbox
                .sent
                .iter()
                .position(|sent| sent.fate == Fate::InFlight);
            if let Some(at) = earliest {
                self.lose(at);
            }
        } else {
            self.lose_all();
            self.congestion.collapse(self.outbox.next_order);
        }
        self.outbox.probe = true;
        self.outbox.forward_due |= self.outbox.forward_to.is_some();
        self.arm(now);
    }

    /// The path was away and is back: all that is under way went into the void.
    pub(super) fn retry(&mut self, now: Instant) {
        self.rtt.acked();
        self.lose_all();
        self.outbox.probe = true;
        self.outbox.forward_due |= self.outbox.forward_to.is_some();
        self.outbox.rto_at = None;
        if self.handshake.due.is_some() {
            self.handshake.due = Some(now);
        }
        if self.resets.due.is_some() {
            self.resets.due = Some(now);
        }
        self.arm(now);
    }

    fn lose(&mut self, at: usize) {
        let first = self.outbox.first_tsn;
        if let Some(sent) = self.outbox.sent.get_mut(at) {
            if sent.fate == Fate::InFlight {
                self.outbox.flight = self.outbox.flight.saturating_sub(sent.data.len());
            }
            sent.fate = Fate::Lost;
            let offset = u32::try_from(at).unwrap_or(0);
            self.outbox.lost.push_front(first.wrapping_add(offset));
        }
    }

    /// Also what the peer has told to have: it may have thrown it away (RFC 9260 section 6.2).
    fn lose_all(&mut self) {
        self.outbox.lost.clear();
        self.outbox.forget_acknowledged();
        for at in (0..self.outbox.sent.len()).rev() {
            let given_up = self
                .outbox
                .sent
                .get(at)
                .is_none_or(|sent| sent.fate == Fate::Abandoned);
            if !given_up {
                self.lose(at);
            }
        }
        self.outbox.order.clear();
        self.outbox.flight = 0;
    }

    /// Has the retransmission timer run while something is to be heard of.
    pub(super) fn arm(&mut self, now: Instant) {
        let outbox = &mut self.outbox;
        let waiting = outbox.flight > 0
            || outbox.forward_to.is_some()
            || outbox.has_work() && self.state == State::Established;
        if !waiting {
            outbox.rto_at = None;
        } else if outbox.rto_at.is_none() {
            outbox.rto_at = now.checked_add(self.rtt.rto().max(Duration::from_millis(1)));
        }
    }
}
