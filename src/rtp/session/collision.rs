//! An SSRC that both sides use (RFC 3550 section 8.2).

use std::time::Instant;

use super::RtpSession;
use crate::rtp::event::RtpEvent;
use crate::rtp::interval::FIXED_MINIMUM;

/// A conflicting address is remembered for so many report intervals (RFC 3550 section 8.2).
const CONFLICT_INTERVALS: u32 = 10;

impl RtpSession {
    /// RFC 3550 section 8.2 for an RTP packet that arrived. What a report says proves nothing: the
    /// path is the peer's alone, and it may send its reports under the SSRC that they are about.
    pub(crate) fn check_collision(&mut self, now: Instant, ssrc: u32) {
        if ssrc == self.reporter {
            self.new_reporter();
        }
        let Some(sender) = self.senders.get_mut(&ssrc) else {
            return;
        };
        let keep = self.interval.max(FIXED_MINIMUM) * CONFLICT_INTERVALS;
        let known = self
            .conflict
            .filter(|(_, last)| now.saturating_duration_since(*last) < keep);
        // Whoever takes up an SSRC that we began with after a collision returns our own packets:
        // no number would please them.
        let is_loop = known.is_some_and(|(first, _)| sender.since.is_some_and(|at| at > first));
        if !sender.collided && !is_loop {
            sender.collided = true;
            self.events.push_back(RtpEvent::SsrcCollision { ssrc });
        }
        self.conflict = Some((known.map_or(now, |(first, _)| first), now));
    }

    pub(super) fn new_reporter(&mut self) {
        if self.reporter_announced {
            self.byes.push(self.reporter);
            self.reporter_announced = false;
        }
        self.reporter = self.timer.random() as u32;
    }
}
