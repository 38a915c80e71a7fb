//! The end of a connection: first what is queued on data channels, then the goodbye.

use std::time::{Duration, Instant};

use super::{Engine, EngineState};
use crate::error::DisconnectReason;

/// A connection that is closed once what is queued has been handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    until: Instant,
    pub(super) reason: DisconnectReason,
}

impl Engine {
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
        self.rtp.close();
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
