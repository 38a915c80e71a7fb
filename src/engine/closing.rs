//! The end of a connection: first what is queued on data channels, then the goodbye.

use std::time::{Duration, Instant};

use super::data::ClosedBecause;
use super::guard;
use super::ice::IceEvent;
use super::machine::Engine;
use super::model::{Closing, EngineEvent, EngineState};
use crate::error::DisconnectReason;

/// How long a peer that ended its association has to answer: what three checks take, at 0, 0.5 and
/// 1.5 s, with a second for the last answer.
const LEAVES_WITHIN: Duration = Duration::from_millis(2_500);

impl Engine {
    /// Says goodbye (RTCP BYE, DTLS close_notify) and ends. Idempotent.
    pub(crate) fn close(&mut self, now: Instant, reason: DisconnectReason) {
        if self.state == EngineState::Closed {
            return;
        }
        // Whoever ends it first: this side had closed it before.
        let reason = match self.closing() {
            Some(own) if reason != DisconnectReason::Internal => own,
            _ => reason,
        };
        self.media.close();
        self.flush_rtcp(now);
        self.close_data(now);
        self.secure.close(now);
        self.flush_secure();
        self.ice.close();
        while let Some(event) = self.ice.poll_event() {
            if let IceEvent::State(state) = event {
                self.events.push(EngineEvent::Ice(state));
            }
        }
        self.media.forget_keys();
        self.set_state(EngineState::Closed);
        self.events.push(EngineEvent::Disconnected(reason));
        self.log_end(reason);
    }

    /// The association ended, which may be all that a peer says which leaves: some send no
    /// close_notify. Whether it is still there, the path is asked.
    pub(super) fn suspect_leave(&mut self, now: Instant) {
        if self.state == EngineState::Connected {
            self.leaving.get_or_insert(now);
            self.ask_for_peer(now);
        }
    }

    pub(super) fn leaving_timeout(&self) -> Option<Instant> {
        self.leaving.map(|since| since + LEAVES_WITHIN)
    }

    /// What did not answer after its last word has left.
    pub(super) fn ask_for_peer(&mut self, now: Instant) {
        let Some(since) = self.leaving else { return };
        if self.ice.last_response().is_some_and(|at| at > since) {
            self.leaving = None;
        } else if now >= since + LEAVES_WITHIN {
            self.close(now, DisconnectReason::RemoteClosed);
        } else {
            self.ice.question_path(now);
        }
    }

    /// Ends all channels with the connection.
    fn close_data(&mut self, now: Instant) {
        self.data.told(now);
        if self.data.is_ending() {
            // The answers to what the peer has closed meanwhile.
            self.flush_data();
        }
        if self.data.abort(now) {
            self.flush_data();
        }
        self.data.end(ClosedBecause::Connection);
    }

    /// Ends after a panic. What panicked may panic again, so the goodbye is behind the guard, too.
    pub(super) fn collapse(&mut self, now: Instant) {
        let _ = guard::contain(|| self.close(now, DisconnectReason::Internal));
        self.secure.abandon();
        self.media.forget_keys();
        if self.state != EngineState::Closed {
            self.set_state(EngineState::Closed);
            let reason = DisconnectReason::Internal;
            self.events.push(EngineEvent::Disconnected(reason));
        }
    }

    /// Closes once the peer has what is queued on data channels, after `patience` at the latest.
    /// Media ends now. Idempotent.
    ///
    /// Every channel is closed as one by one: the peer ends its direction after what it has
    /// queued itself, so that two sides that close at once both get everything.
    pub(crate) fn close_after_data(
        &mut self,
        now: Instant,
        reason: DisconnectReason,
        patience: Duration,
    ) {
        if self.state == EngineState::Closed || self.closing.is_some() {
            return;
        }
        // Without a path nothing can be handed over, and only a restart, which is refused from
        // now on, could bring one back.
        let useless = self.state != EngineState::Connected || self.data.is_delivered();
        let Some(until) = now
            .checked_add(patience)
            .filter(|_| !patience.is_zero() && !useless)
        else {
            return self.close(now, reason);
        };
        self.closing = Some(Closing { until, reason });
        self.media.close();
        self.flush_rtcp(now);
        self.data.close_all(now);
        self.poll_data(now);
        self.close_if_due(now);
    }

    /// Why the connection is being closed, or was.
    pub(crate) fn closing(&self) -> Option<DisconnectReason> {
        self.closing.map(|closing| closing.reason)
    }

    pub(super) fn closing_timeout(&self) -> Option<Instant> {
        self.closing.map(|closing| closing.until)
    }

    pub(super) fn close_if_due(&mut self, now: Instant) {
        let Some(Closing { until, reason }) = self.closing else {
            return;
        };
        if self.state != EngineState::Connected || now >= until || self.data.is_over() {
            self.close(now, reason);
        }
    }
}
