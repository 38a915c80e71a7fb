//! When a fault that nobody vouches for ends the handshake. Anybody can forge an alert, but nobody
//! who only adds datagrams keeps the peer's own from coming: so a fault counts when the peer
//! insists on it while the path is shown to work, and nothing genuine comes.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::engine::dtls::DtlsFailure;

/// Least time between the two proofs that the path works.
const BETWEEN_PROOFS: Duration = Duration::from_secs(3);
/// Time for a genuine answer after the second: our flights go out every 800 ms at least.
const ANSWER: Duration = Duration::from_millis(2_500);
/// A fault is insisted on if it came again within this time.
const RECENT: Duration = Duration::from_millis(1_800);

struct Fault {
    failure: DtlsFailure,
    first: Instant,
    last: Instant,
}

#[derive(Default)]
pub(super) struct Doubt {
    fault: Option<Fault>,
    /// When the path was shown to work since the fault was first heard.
    proofs: Option<(Instant, Option<Instant>)>,
}

impl Doubt {
    pub(super) fn heard(&mut self, now: Instant, failure: DtlsFailure) {
        let fault = self.fault.get_or_insert(Fault {
            failure,
            first: now,
            last: now,
        });
        fault.last = now;
    }

    /// The peer answered a check of the path then.
    pub(super) fn path_proved(&mut self, at: Instant) {
        let Some(fault) = &self.fault else { return };
        match &mut self.proofs {
            None if at > fault.first => self.proofs = Some((at, None)),
            Some((first, second @ None))
                if at.saturating_duration_since(*first) >= BETWEEN_PROOFS =>
            {
                *second = Some(at);
            }
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.proofs?.1?.checked_add(ANSWER)
    }

    /// To be called when the deadline is over: the failure, if it is one.
    pub(super) fn verdict(&mut self, now: Instant) -> Option<DtlsFailure> {
        self.proofs = None;
        let fault = self.fault.as_ref()?;
        (now.saturating_duration_since(fault.last) <= RECENT).then(|| fault.failure.clone())
    }

    pub(super) fn failure(&self) -> Option<DtlsFailure> {
        self.fault.as_ref().map(|fault| fault.failure.clone())
    }
}
