//! What is counted for one SSRC the peer sends from (RFC 3550 appendix A).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::label::MediaLabel;
use super::nack::{Arrival, NackTracker};
use super::reception::Reception;
use super::reports::{ReportBlock, ntp_middle};

/// RFC 3550 appendix A.1.
const MAX_DROPOUT: u16 = 3_000;
const MAX_MISORDER: u16 = 100;
/// So long after a BYE, packets newer than any before it may be strays that it overtook.
const STRAYS: Duration = Duration::from_millis(200);
/// Unless so many came, each newer than the one before it.
const RESUMING: u8 = 3;

/// A peer's clock mapping from its last sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderClock {
    /// NTP format: seconds and 2^-32 seconds.
    pub(crate) ntp: u64,
    pub(crate) rtp_timestamp: u32,
    pub(crate) arrived: Instant,
}

/// Figures of one SSRC the peer sends from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct InboundStats {
    pub(crate) ssrc: u32,
    pub(crate) clock_rate: u32,
    /// Of the last packet.
    pub(crate) payload_type: u8,
    /// Neither gone by BYE nor timed out.
    pub(crate) active: bool,
    pub(crate) packets_received: u64,
    /// Payload octets, without headers and padding.
    pub(crate) bytes_received: u64,
    /// Expected minus received; negative with duplicates.
    pub(crate) packets_lost: i64,
    pub(crate) jitter: Duration,
    /// Sequence number extended by the count of its cycles.
    pub(crate) highest_sequence_number: u32,
    pub(crate) last_packet: Instant,
    pub(crate) clock: Option<SenderClock>,
    pub(crate) plis_sent: u64,
    pub(crate) firs_sent: u64,
    /// NACK messages sent.
    pub(crate) nacks_sent: u64,
    /// Packets restored from a retransmission stream, and their payload octets; not in
    /// `packets_received`.
    pub(crate) restored: u64,
    pub(crate) restored_bytes: u64,
    /// Packets that came after they had been asked for, by either way.
    pub(crate) recovered: u64,
    /// Packets that came neither by themselves nor when asked for.
    pub(crate) given_up: u64,
}

#[derive(Debug)]
pub(super) struct SourceState {
    ssrc: u32,
    pub(super) label: Option<Arc<MediaLabel>>,
    clock_rate: u32,
    pub(super) payload_type: u8,
    epoch: Instant,
    max_seq: u16,
    cycles: u32,
    base_seq: u32,
    /// The sequence number that would confirm a restart of the peer's numbering.
    bad_seq: Option<u16>,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    transit: Option<u32>,
    /// Scaled by 16 (RFC 3550 appendix A.8).
    jitter: u32,
    packets: u64,
    bytes: u64,
    pub(super) last_rtp: Instant,
    /// RTP or a sender report.
    pub(super) last_heard: Instant,
    pub(super) timeout: Duration,
    pub(super) active: bool,
    pub(super) left_at: Option<Instant>,
    /// Newer packets since the BYE: the last one, and how many in order.
    resuming: Option<(u16, u8)>,
    pub(super) heard_since_report: bool,
    pub(super) clock: Option<SenderClock>,
    /// How long ago the sender report came is known.
    pub(super) delay_known: bool,
    /// How long the peer takes from one sender report to the next, of late at most.
    pub(super) report_gap: Duration,
    pub(super) last_request: Option<Instant>,
    pub(super) fir_sequence: u8,
    pub(super) plis_sent: u64,
    pub(super) firs_sent: u64,
    /// Where missing packets are asked for.
    pub(super) nack: Option<Box<NackTracker>>,
    pub(super) restored: u64,
    pub(super) restored_bytes: u64,
}

impl SourceState {
    /// Everything of the first packet but its statistics: [`Self::received`] comes after it.
    pub(super) fn new(
        now: Instant,
        ssrc: u32,
        sequence_number: u16,
        clock_rate: u32,
        timeout: Duration,
    ) -> Self {
        Self {
            ssrc,
            label: None,
            clock_rate,
            payload_type: 0,
            epoch: now,
            max_seq: sequence_number,
            cycles: 0,
            base_seq: u32::from(sequence_number),
            bad_seq: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
            packets: 0,
            bytes: 0,
            last_rtp: now,
            last_heard: now,
            timeout,
            active: false,
            left_at: None,
            resuming: None,
            heard_since_report: false,
            clock: None,
            delay_known: false,
            report_gap: Duration::ZERO,
            last_request: None,
            fir_sequence: 0,
            plis_sent: 0,
            firs_sent: 0,
            nack: None,
            restored: 0,
            restored_bytes: 0,
        }
    }

    /// What a packet is that comes after the BYE of its source: one that the BYE overtook, or the
    /// first of those with which the peer goes on under the same SSRC.
    pub(super) fn after_bye(&mut self, now: Instant, left: Instant, number: u16) -> Reception {
        if self.max_seq.wrapping_sub(number) < MAX_MISORDER {
            return Reception::Refused;
        }
        let in_order = match self.resuming {
            Some((last, count)) if (1..=MAX_MISORDER).contains(&number.wrapping_sub(last)) => {
                count.saturating_add(1)
            }
            _ => 1,
        };
        self.resuming = Some((number, in_order));
        if in_order < RESUMING && now.saturating_duration_since(left) < STRAYS {
            return Reception::Held;
        }
        self.left_at = None;
        self.resuming = None;
        Reception::Resumed
    }

    /// False for a packet that was here before, as far as that is known.
    pub(super) fn received(
        &mut self,
        now: Instant,
        sequence_number: u16,
        timestamp: u32,
        payload_len: usize,
        clock_rate: u32,
    ) -> bool {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(payload_len as u64);
        self.last_rtp = now;
        self.last_heard = now;
        self.heard_since_report = true;
        let arrival = match &mut self.nack {
            Some(nack) => nack.arrived(now, sequence_number),
            None => Arrival::Next,
        };
        // How long a packet that was sent again took says nothing about the path.
        let timely = arrival != Arrival::Missed { asked: true };
        if self.update_sequence(sequence_number) && timely {
            self.update_jitter(now, timestamp, clock_rate);
        }
        arrival != Arrival::Repeat
    }

    /// RFC 3550 appendix A.1, without probation: SRTP has authenticated the source.
    fn update_sequence(&mut self, seq: u16) -> bool {
        let delta = seq.wrapping_sub(self.max_seq);
        if delta < MAX_DROPOUT {
            if seq < self.max_seq {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.max_seq = seq;
        } else if delta <= 0u16.wrapping_sub(MAX_MISORDER) {
            if self.bad_seq == Some(seq) {
                self.restart(seq);
            } else {
                self.bad_seq = Some(seq.wrapping_add(1));
                return false;
            }
        }
        self.received = self.received.wrapping_add(1);
        true
    }

    fn restart(&mut self, seq: u16) {
        self.base_seq = u32::from(seq);
        self.max_seq = seq;
        self.bad_seq = None;
        self.cycles = 0;
        self.received = 0;
        self.received_prior = 0;
        self.expected_prior = 0;
        self.transit = None;
    }

    /// RFC 3550 appendix A.8.
    fn update_jitter(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if clock_rate == 0 {
            // Its timestamps are not those of media.
            return;
        }
        if clock_rate != self.clock_rate {
            // Another codec on the same SSRC: the units changed.
            self.clock_rate = clock_rate;
            self.transit = None;
            self.jitter = 0;
        }
        let since = now.saturating_duration_since(self.epoch);
        let rate = u64::from(clock_rate);
        let ticks = u64::from(since.subsec_nanos()) * rate / 1_000_000_000;
        let arrival = since.as_secs().wrapping_mul(rate).wrapping_add(ticks) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(previous) = self.transit {
            let difference = (transit.wrapping_sub(previous) as i32).unsigned_abs();
            self.jitter = self
                .jitter
                .wrapping_add(difference)
                .wrapping_sub(self.jitter.wrapping_add(8) >> 4);
        }
        self.transit = Some(transit);
    }

    pub(super) fn highest_sequence_number(&self) -> u16 {
        self.max_seq
    }

    fn extended_max(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.max_seq))
    }

    fn expected(&self) -> u64 {
        // The cycles wrap after 2^32 packets, as the report's field does.
        u64::from(self.extended_max().wrapping_sub(self.base_seq)).saturating_add(1)
    }

    fn lost(&self) -> i64 {
        (self.expected() as i64).wrapping_sub(self.received as i64)
    }

    /// The report block (RFC 3550 section 6.4.1), which also starts the next interval of the loss
    /// fraction (appendix A.3).
    pub(super) fn report(&mut self, now: Instant) -> ReportBlock {
        let expected = self.expected();
        let expected_interval = expected.wrapping_sub(self.expected_prior) as i64;
        let received_interval = self.received.wrapping_sub(self.received_prior) as i64;
        self.expected_prior = expected;
        self.received_prior = self.received;
        self.heard_since_report = false;
        let lost_interval = expected_interval.wrapping_sub(received_interval);
        let fraction_lost = if expected_interval <= 0 || lost_interval <= 0 {
            0
        } else {
            (lost_interval.saturating_mul(256) / expected_interval).min(255) as u8
        };
        let (last_sr, delay_since_last_sr) = match self.clock.filter(|_| self.delay_known) {
            Some(clock) => {
                let delay = now.saturating_duration_since(clock.arrived).as_nanos();
                let units = (delay << 16) / 1_000_000_000;
                (
                    ntp_middle(clock.ntp),
                    u32::try_from(units).unwrap_or(u32::MAX),
                )
            }
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence_number: self.extended_max(),
            jitter: self.jitter >> 4,
            last_sr,
            delay_since_last_sr,
        }
    }

    pub(super) fn stats(&self) -> InboundStats {
        let jitter = f64::from(self.jitter) / 16.0 / f64::from(self.clock_rate.max(1));
        InboundStats {
            ssrc: self.ssrc,
            clock_rate: self.clock_rate,
            payload_type: self.payload_type,
            active: self.active,
            packets_received: self.packets,
            bytes_received: self.bytes,
            packets_lost: self.lost(),
            jitter: Duration::try_from_secs_f64(jitter).unwrap_or_default(),
            highest_sequence_number: self.extended_max(),
            last_packet: self.last_rtp,
            clock: self.clock,
            plis_sent: self.plis_sent,
            firs_sent: self.firs_sent,
            nacks_sent: self.nack.as_ref().map_or(0, |nack| nack.messages),
            restored: self.restored,
            restored_bytes: self.restored_bytes,
            recovered: self.nack.as_ref().map_or(0, |nack| nack.recovered),
            given_up: self.nack.as_ref().map_or(0, |nack| nack.given_up),
        }
    }
}
