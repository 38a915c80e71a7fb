//! The SSRCs that the peer sends from: their packets, and when they come, fall silent and leave.

use std::time::{Duration, Instant};

use super::{MAX_SOURCES, MAX_TIMEOUT, RtpSession};
use crate::rtp::event::RtpEvent;
use crate::rtp::header::RtpHeader;
use crate::rtp::interval::{FIXED_MINIMUM, LONGEST_DRAW};
use crate::rtp::receiver::{InboundStats, SourceState};
use crate::rtp::reception::Reception;

/// For so long after a BYE a source is remembered, so that packets that were overtaken by it do not
/// bring it back (RFC 3550 section 6.2.1 delays the removal for the same reason).
const BYE_LINGER: Duration = Duration::from_secs(1);

/// Reports further apart than this have a say in what counts as silence.
const NOTABLE_GAP: Duration = Duration::from_secs(2);

impl RtpSession {
    /// Counts an authenticated RTP packet, and says whether it is to be delivered.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        payload_len: usize,
        clock_rate: u32,
    ) -> Reception {
        if self.closed {
            return Reception::Refused;
        }
        let ssrc = header.ssrc;
        let sequence_number = header.sequence_number;
        // One look-up for each packet of a source that is known and alive.
        if let Some(source) = self.sources.get_mut(&ssrc).filter(|s| s.active) {
            self.octets = self.octets.wrapping_add(payload_len as u64);
            source.payload_type = header.payload_type;
            let fresh = source.received(
                now,
                sequence_number,
                header.timestamp,
                payload_len,
                clock_rate,
            );
            let nack_at = source.nack.as_ref().and_then(|nack| nack.next_at());
            self.nack_no_later_than(nack_at);
            return Reception::of(fresh);
        }
        self.check_collision(now, ssrc);
        if let Some(source) = self.sources.get_mut(&ssrc)
            && let Some(left) = source.left_at
        {
            if now.saturating_duration_since(left) < BYE_LINGER {
                return source.after_bye(now, left, sequence_number);
            }
            self.sources.remove(&ssrc);
        }
        if !self.sources.contains_key(&ssrc) {
            if self.sources.len() >= MAX_SOURCES && !self.forget_ended() {
                self.counters.sources_refused = self.counters.sources_refused.wrapping_add(1);
                return Reception::Refused;
            }
            let timeout = self.config.source_timeout;
            self.sources.insert(
                ssrc,
                SourceState::new(now, ssrc, sequence_number, clock_rate, timeout),
            );
            self.sweep_no_later_than(now + timeout);
            self.start_timer(now);
        }
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return Reception::Refused;
        };
        source.payload_type = header.payload_type;
        let fresh = source.received(
            now,
            sequence_number,
            header.timestamp,
            payload_len,
            clock_rate,
        );
        self.activate(ssrc);
        Reception::of(fresh)
    }

    #[cfg(test)]
    pub(crate) fn received(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        payload_len: usize,
        clock_rate: u32,
    ) -> bool {
        matches!(
            self.receive(now, header, payload_len, clock_rate),
            Reception::Deliver | Reception::Repeat
        )
    }

    /// Forgets a source, without an event.
    pub(crate) fn remove_receiver(&mut self, ssrc: u32) {
        self.sources.remove(&ssrc);
        self.requests.retain(|(source, _)| *source != ssrc);
        self.nacks.retain(|(source, _)| *source != ssrc);
    }

    /// Another timeout than the configured one, for a source that has been heard.
    pub(crate) fn set_source_timeout(&mut self, ssrc: u32, timeout: Duration) {
        if let Some(source) = self.sources.get_mut(&ssrc) {
            source.timeout = timeout.min(MAX_TIMEOUT);
            let deadline = source.last_heard + source.timeout;
            self.sweep_no_later_than(deadline);
        }
    }

    pub(crate) fn inbound_stats(&self, ssrc: u32) -> Option<InboundStats> {
        self.sources.get(&ssrc).map(SourceState::stats)
    }

    /// Whether a source of the peer is heard.
    pub(crate) fn is_active(&self, ssrc: u32) -> bool {
        self.sources.get(&ssrc).is_some_and(|source| source.active)
    }

    /// Makes room for a source: the one that ended, or fell silent, longest ago. False if all are
    /// alive.
    fn forget_ended(&mut self) -> bool {
        let ended = self.sources.iter().filter(|(_, source)| !source.active);
        let oldest = ended.min_by_key(|(_, source)| source.last_heard);
        let Some(ssrc) = oldest.map(|(ssrc, _)| *ssrc) else {
            return false;
        };
        self.remove_receiver(ssrc);
        true
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        let forget = self.interval.max(FIXED_MINIMUM) * 5;
        // Silence is no shorter than two intervals, as long as they really are: a muted source is
        // heard of once in each.
        let interval = self
            .interval
            .max(self.timer.deterministic(self.membership(now)));
        let grown = match self.reports_heard && interval > self.config.min_interval {
            true => interval.mul_f64(2.0 * LONGEST_DRAW),
            false => Duration::ZERO,
        };
        let mut next: Option<Instant> = None;
        let mut timed_out = Vec::new();
        self.sources.retain(|ssrc, source| {
            let forget_at = match source.left_at {
                Some(left) => left + BYE_LINGER,
                None => source.last_heard + forget.max(source.timeout),
            };
            let gaps = match source.report_gap >= NOTABLE_GAP {
                true => source.report_gap * 2,
                false => Duration::ZERO,
            };
            let silent_at = source.last_heard + source.timeout.max(grown).max(gaps);
            if source.active && silent_at <= now {
                source.active = false;
                timed_out.push(*ssrc);
            }
            let deadline = if source.active { silent_at } else { forget_at };
            if deadline <= now {
                return false;
            }
            next = Some(next.map_or(deadline, |at| at.min(deadline)));
            true
        });
        self.sweep_at = next;
        // Each source is in here once at most until it is heard again.
        for ssrc in timed_out {
            self.events.push_back(RtpEvent::Timeout { ssrc });
        }
    }

    fn sweep_no_later_than(&mut self, deadline: Instant) {
        self.sweep_at = Some(self.sweep_at.map_or(deadline, |at| at.min(deadline)));
    }

    /// Marks a source as alive.
    pub(super) fn activate(&mut self, ssrc: u32) {
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return;
        };
        if !source.active {
            source.active = true;
            let deadline = source.last_heard + source.timeout;
            self.sweep_no_later_than(deadline);
        }
    }

    /// Marks a source as gone; false if the peer does not send from it.
    pub(super) fn leave(&mut self, now: Instant, ssrc: u32, reason: &[u8]) -> bool {
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return false;
        };
        if source.left_at.is_some() {
            return false;
        }
        source.active = false;
        source.left_at = Some(now);
        self.sweep_no_later_than(now + BYE_LINGER);
        let reason = String::from_utf8_lossy(reason).into_owned();
        self.events.push_back(RtpEvent::Bye { ssrc, reason });
        true
    }
}
