//! When reports are due, and who counts for that (RFC 3550 section 6.3).

use std::time::{Duration, Instant};

use super::RtpSession;
use crate::rtp::interval::{FIXED_MINIMUM, Membership};
use crate::rtp::reports::to_ntp;
use crate::rtp::sender::SenderState;

/// The first report waits no longer, whatever the number of sources.
const FIRST_REPORT: Duration = Duration::from_secs(2);

impl RtpSession {
    pub(super) fn ntp_at(&self, now: Instant) -> u64 {
        let (base, ntp) = self.wall_clock;
        ntp.wrapping_add(to_ntp(now.saturating_duration_since(base)))
            .wrapping_sub(to_ntp(base.saturating_duration_since(now)))
    }

    /// RFC 3550 section 6.3.6: on expiry the interval is drawn again with what is known now.
    pub(super) fn reconsider(&mut self, now: Instant) {
        if self.senders.is_empty() && self.sources.is_empty() {
            self.next_report = None;
            return;
        }
        let membership = self.membership(now);
        let due = self.last_report + self.draw(membership);
        if due > now {
            self.next_report = Some(due);
            return;
        }
        self.report_due = true;
        self.follow_bandwidth(now);
        self.last_report = now;
        self.timer.initial = false;
        self.interval = self.timer.deterministic(membership);
        self.next_report = Some(now + self.timer.randomised(membership));
    }

    /// An interval, in its range. With one receiver the first report need not wait at all (RFC
    /// 3550 section 6.2), so it comes in time for the peer to know all sources.
    fn draw(&mut self, membership: Membership) -> Duration {
        let drawn = self.timer.randomised(membership);
        match self.timer.initial {
            true => drawn.min(FIRST_REPORT.max(self.config.min_interval)),
            false => drawn,
        }
    }

    /// RTCP takes its share of what is sent (RFC 3550 section 6.2), the configured bandwidth at
    /// least.
    fn follow_bandwidth(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.last_report).as_millis() as u64;
        let bits = std::mem::take(&mut self.octets).saturating_mul(8_000);
        let rate = bits.checked_div(millis).unwrap_or_default();
        self.timer
            .set_bandwidth(rate.max(self.config.session_bandwidth));
    }

    pub(super) fn start_timer(&mut self, now: Instant) {
        if self.next_report.is_none() && !self.closed {
            self.last_report = now;
            let membership = self.membership(now);
            self.next_report = Some(now + self.draw(membership));
        }
    }

    /// Who counts for the interval: a member that was heard within five intervals, a sender
    /// within two (RFC 3550 section 6.3.5). Sources leave `sources` with their membership.
    pub(super) fn membership(&self, now: Instant) -> Membership {
        let window = self.interval.max(FIXED_MINIMUM) * 2;
        let recent = |at: Instant| now.saturating_duration_since(at) < window;
        let sent = |sender: &&SenderState| sender.stats.last_sent.is_some_and(recent);
        let ours = self.senders.values().filter(|s| s.announced()).count();
        let ours_sending = self.senders.values().filter(sent).count();
        let theirs = self.sources.values().filter(|s| s.left_at.is_none());
        let theirs_sending = theirs.clone().filter(|s| recent(s.last_rtp)).count();
        Membership {
            members: ours
                .saturating_add(theirs.count())
                .saturating_add(usize::from(self.reporter_announced)),
            senders: ours_sending.saturating_add(theirs_sending),
            we_sent: ours_sending > 0,
        }
    }
}
