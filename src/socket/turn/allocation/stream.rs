//! An allocation over TCP or TLS: the stream that it has, and what follows when that ends.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::{Allocation, Phase};
use crate::socket::ice_server::IceServerErrorKind;

/// RFC 8489 section 6.2.2: on a stream nothing is sent again, and the wait for an answer, Ti, is
/// for the client to choose. The kernel repeats what is lost, so that longer silence is an end.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// A stream that ended under a relay in use is opened again after this, then after twice as long,
/// and so on.
const REOPEN: Duration = Duration::from_secs(1);
const MAX_DOUBLINGS: u32 = 2;

impl Allocation {
    /// Whether there is something to say and no stream to say it on.
    pub(in crate::socket::turn) fn needs_stream(&self) -> bool {
        self.carrier.is_stream()
            && self.phase != Phase::Gone
            && self.stream.id.is_none()
            && !self.out.is_empty()
    }

    /// Its stream has ended, or could not be opened.
    pub(in crate::socket::turn) fn stream_ended(
        &mut self,
        now: Instant,
        kind: IceServerErrorKind,
        message: &str,
    ) {
        self.leave_stream();
        match self.phase {
            Phase::Gone => {}
            // RFC 8656 section 3.1: the allocation is the 5-tuple's and ends with it.
            Phase::Closing => self.phase = Phase::Gone,
            Phase::Ready => self.lose(now, "the connection to the server ended"),
            Phase::Allocating if self.offered && passes(kind) => self.reopen_later(now),
            Phase::Allocating => self.fail(kind, message),
        }
    }

    /// The next thing to be said is said on another stream.
    pub(super) fn leave_stream(&mut self) {
        self.stream.former.extend(self.stream.id.take());
        if self.carrier.is_stream() {
            self.out.clear();
        }
    }

    /// A relay that was in use is asked for until the server is back.
    pub(super) fn reopen_later(&mut self, now: Instant) {
        self.start_over();
        let wait = REOPEN.saturating_mul(1 << self.stream.failures.min(MAX_DOUBLINGS));
        self.stream.failures = self.stream.failures.saturating_add(1);
        self.allocate_at = Some(now + wait);
    }

    /// Whether the next stream is put off after failures.
    pub(in crate::socket::turn) fn waits_to_reopen(&self) -> bool {
        self.stream.failures > 0 && self.transactions.is_empty()
    }

    /// It has lasted.
    pub(super) fn forget_failures(&mut self) {
        self.stream.failures = 0;
    }
}

/// Whether it may be better the next time.
fn passes(kind: IceServerErrorKind) -> bool {
    matches!(
        kind,
        IceServerErrorKind::Timeout
            | IceServerErrorKind::Unreachable
            | IceServerErrorKind::Malformed
            | IceServerErrorKind::Certificate
    )
}
