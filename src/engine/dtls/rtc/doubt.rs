//! When a fault that nobody vouches for ends the handshake. Anybody can forge an alert, but nobody
//! who only adds datagrams keeps the peer's own from coming: so a fault counts when the peer
//! insists on it while the path is shown to work, and nothing genuine comes.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::engine::dtls::DtlsFailure;

/// Least time between the two proofs that the path works: no handshake that may succeed within ten
/// seconds ends by a doubt. Both are asked for, so that both sides come to the same end at the same
/// time: the one that ends first answers no more.
const BETWEEN_PROOFS: Duration = Duration::from_secs(8);
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
    asked: Option<Instant>,
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

    /// When a proof is to be asked for.
    pub(super) fn asking(&self) -> Option<Instant> {
        let fault = self.fault.as_ref()?;
        let earliest = match self.proofs {
            None => fault.first,
            Some((first, None)) => first.checked_add(BETWEEN_PROOFS)?,
            Some((_, Some(_))) => return None,
        };
        Some(rested(self.asked, ASK).map_or(earliest, |rested| rested.max(earliest)))
    }

    /// Whether a proof of the path is to be asked for now.
    pub(super) fn asks(&mut self, now: Instant) -> bool {
        let asks = self.asking().is_some_and(|at| at <= now);
        if asks {
            self.asked = Some(now);
        }
        asks
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

/// Least time between the two proofs of the path that a stranger's messages wait for.
const STRANGER_PROOFS: Duration = Duration::from_millis(50);
/// Least time for the peer's own messages after the second.
const STRANGER_ANSWER: Duration = Duration::from_millis(400);
/// How often a proof is asked for, after a fault and after a stranger's messages.
const ASK: Duration = Duration::from_millis(500);
const STRANGER_ASK: Duration = Duration::from_millis(100);

fn rested(asked: Option<Instant>, pause: Duration) -> Option<Instant> {
    asked?.checked_add(pause)
}

/// Messages that are signed well, by somebody whose certificate was not announced. They are taken
/// only once the path is shown twice to work and the peer's own still do not come: who adds a
/// handshake of his own must not have the connection end by his certificate.
#[derive(Default)]
pub(super) struct Stranger {
    heard: Option<Instant>,
    first: Option<Instant>,
    second: Option<Instant>,
    asked: Option<Instant>,
    is_over: bool,
    /// The peer signed for this handshake, so whoever else does is a stranger for good.
    is_peer_there: bool,
}

impl Stranger {
    /// A stranger's messages are complete; whether they may be taken.
    pub(super) fn may_have_it(&mut self, now: Instant) -> bool {
        self.heard.get_or_insert(now);
        self.is_over && !self.is_peer_there
    }

    /// Messages signed under an announced certificate came: nobody else can make them.
    pub(super) fn peer_is_there(&mut self) {
        self.is_peer_there = true;
    }

    /// Strangers alone were heard.
    pub(super) fn was_heard(&self) -> bool {
        self.heard.is_some() && !self.is_peer_there
    }

    pub(super) fn path_proved(&mut self, at: Instant) {
        match (self.heard, self.first, self.second) {
            (Some(heard), None, _) if at > heard => self.first = Some(at),
            (_, Some(first), None) if at.saturating_duration_since(first) >= STRANGER_PROOFS => {
                self.second = Some(at);
            }
            _ => {}
        }
    }

    /// When the wait is over: two round trips after the second proof at least, since the peer's
    /// flight takes two with its cookie.
    fn end(&self) -> Option<Instant> {
        let round_trip = self.first?.saturating_duration_since(self.heard?);
        let answer = round_trip.saturating_mul(2).max(STRANGER_ANSWER);
        self.second?.checked_add(answer)
    }

    /// When a proof is to be asked for.
    fn asking(&self) -> Option<Instant> {
        let earliest = match (self.first, self.second) {
            (_, Some(_)) => return None,
            (Some(first), None) => first.checked_add(STRANGER_PROOFS)?,
            (None, None) => self.heard?,
        };
        Some(rested(self.asked, STRANGER_ASK).map_or(earliest, |rested| rested.max(earliest)))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.is_over || self.is_peer_there {
            return None;
        }
        self.asking().or_else(|| self.end())
    }

    /// Whether a proof of the path is to be asked for now.
    pub(super) fn asks(&mut self, now: Instant) -> bool {
        let asks =
            !self.is_over && !self.is_peer_there && self.asking().is_some_and(|at| at <= now);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// Whether the wait has just ended.
    pub(super) fn ends(&mut self, now: Instant) -> bool {
        let ends = !self.is_over && !self.is_peer_there && self.end().is_some_and(|at| at <= now);
        self.is_over |= ends;
        ends
    }
}
