//! After the machine slept: the clock that the timers follow may have stood still meanwhile, so
//! consent may be older than it looks (RFC 7675 section 5.1).

use std::time::{Duration, Instant};

use super::consent;
use super::path::{Doubt, Path};
use super::{IceAgent, IceState};

/// How long the peer may take to answer: what four transmissions of a STUN request have (RFC 8489
/// section 6.2.1, RTO 500 ms). Wi-Fi needs some of it to associate anew.
const PROOF: Duration = Duration::from_millis(7_500);

impl IceAgent {
    /// The machine may have slept for so long. The path is checked at once, and repeatedly; if
    /// nothing is answered, its consent is as much older.
    pub(crate) fn resumed(&mut self, now: Instant, slept: Duration) {
        for t in self.transactions.iter_mut().filter(|t| t.live) {
            t.next_at = t.next_at.min(now);
        }
        if let Some(path) = &mut self.selected {
            let before = path.doubt.as_ref().map_or(Duration::ZERO, |d| d.slept);
            path.doubt = Some(Doubt {
                since: now,
                until: now + PROOF,
                slept: slept.saturating_add(before),
            });
            if self.state == IceState::Disconnected {
                self.search_again();
            }
            if self.verify_path() {
                self.consent_asked(now);
            } else {
                self.send_consent(now);
            }
        }
        self.drive(now);
    }

    /// Nothing was answered in time: the sleep counts. False when consent is over with it.
    pub(super) fn consent_stands(&mut self, now: Instant) -> bool {
        let timeout = consent::TIMEOUT;
        let Some(path) = &mut self.selected else {
            return true;
        };
        if let Some(doubt) = path.doubt.take_if(|doubt| now >= doubt.until) {
            let silent = now.saturating_duration_since(path.last_response);
            if silent.saturating_add(doubt.slept) >= timeout {
                return false;
            }
            path.last_response = path
                .last_response
                .checked_sub(doubt.slept)
                .unwrap_or(path.last_response);
        }
        now.saturating_duration_since(path.last_response) < timeout
    }

    pub(super) fn path_in_doubt(&self) -> Option<&Path> {
        self.selected.as_ref().filter(|path| path.doubt.is_some())
    }
}
