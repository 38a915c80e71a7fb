//! What is counted for one SSRC this endpoint sends from, for its sender reports.

use std::time::{Duration, Instant};

use super::label::MediaLabel;
use super::reports::{ReportBlock, ntp_after, ntp_middle};

/// What the peer's last report block said about one of our SSRCs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RemoteView {
    /// Loss since the peer's previous report, in 1/256.
    pub(crate) fraction_lost: u8,
    /// Packets lost since the start, as the peer counts; negative with duplicates.
    pub(crate) cumulative_lost: i32,
    pub(crate) jitter: Duration,
    pub(crate) rtt: Option<Duration>,
    pub(crate) at: Instant,
}

/// Figures of one SSRC this endpoint sends from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OutboundStats {
    pub(crate) ssrc: u32,
    pub(crate) clock_rate: u32,
    pub(crate) active: bool,
    pub(crate) packets_sent: u64,
    /// Payload octets, without headers and padding.
    pub(crate) bytes_sent: u64,
    pub(crate) last_sent: Option<Instant>,
    pub(crate) remote: Option<RemoteView>,
    /// All round-trip times that the peer's reports gave, and how many.
    pub(crate) total_rtt: Duration,
    pub(crate) rtt_measurements: u64,
    pub(crate) plis: u64,
    pub(crate) firs: u64,
    /// Sequence numbers the peer asked for again.
    pub(crate) nacked: u64,
    /// NACK messages received.
    pub(crate) nacks: u64,
    /// Packets sent again in this stream, and their payload octets; in the figures above as well.
    pub(crate) resent: u64,
    pub(crate) resent_bytes: u64,
}

/// How far a timestamp may be behind the newest and still belong to the same timeline: two
/// segments of a digit.
const MAX_BEHIND: u32 = 0x1_ffff;

#[derive(Debug)]
pub(super) struct SenderState {
    pub(super) stats: OutboundStats,
    /// The newest timestamp, and when it was first sent.
    last_timestamp: u32,
    stamped_at: Option<Instant>,
    /// A moment, and the timestamp of it, where the source of the media knows.
    pub(super) reference: Option<(Instant, u32)>,
    pub(super) label: Option<Box<MediaLabel>>,
    /// When it appeared on the wire; then its end is worth a BYE (RFC 3550 section 6.3.7).
    pub(super) since: Option<Instant>,
    pub(super) last_keyframe_event: Option<Instant>,
    pub(super) keyframe_due: Option<Instant>,
    pub(super) last_fir: Option<u8>,
    pub(super) collided: bool,
}

impl SenderState {
    pub(super) fn new(ssrc: u32, clock_rate: u32) -> Self {
        Self {
            stats: OutboundStats {
                ssrc,
                clock_rate,
                active: true,
                packets_sent: 0,
                bytes_sent: 0,
                last_sent: None,
                remote: None,
                total_rtt: Duration::ZERO,
                rtt_measurements: 0,
                plis: 0,
                firs: 0,
                nacked: 0,
                nacks: 0,
                resent: 0,
                resent_bytes: 0,
            },
            last_timestamp: 0,
            stamped_at: None,
            reference: None,
            label: None,
            since: None,
            last_keyframe_event: None,
            keyframe_due: None,
            last_fir: None,
            collided: false,
        }
    }

    pub(super) fn sent(&mut self, now: Instant, timestamp: u32, payload_len: usize) {
        self.stats.active = true;
        self.stats.packets_sent = self.stats.packets_sent.wrapping_add(1);
        self.stats.bytes_sent = self.stats.bytes_sent.wrapping_add(payload_len as u64);
        self.stats.last_sent = Some(now);
        // Packets that repeat a timestamp of before say nothing of the present: those of a digit
        // (RFC 4733 section 2.5.1.2) have that of its start.
        let behind = self.last_timestamp.wrapping_sub(timestamp);
        if self.stamped_at.is_none() || behind > MAX_BEHIND {
            self.last_timestamp = timestamp;
            self.stamped_at = Some(now);
        }
        self.since.get_or_insert(now);
    }

    pub(super) fn announced(&self) -> bool {
        self.since.is_some()
    }

    // Row G33.
    /// Whether it is due in sender reports. Also while nothing is sent (mute, DTX): the reports
    /// keep the track alive at the peer, and the clocks mapped.
    pub(super) fn reports(&self) -> bool {
        self.stats.active && self.stats.last_sent.is_some()
    }

    /// The RTP timestamp of `now` (RFC 3550 section 6.4.1): the last packet's, carried forward.
    pub(super) fn timestamp_at(&self, now: Instant) -> u32 {
        let stamped = self.stamped_at.map(|at| (at, self.last_timestamp));
        let Some((at, timestamp)) = self.reference.or(stamped) else {
            return self.last_timestamp;
        };
        let elapsed = now.saturating_duration_since(at);
        let units = elapsed
            .as_nanos()
            .wrapping_mul(u128::from(self.stats.clock_rate))
            / 1_000_000_000;
        timestamp.wrapping_add(units as u32)
    }

    /// Takes in the peer's report block; `ntp_now` is the wall clock at `now`.
    pub(super) fn reported(&mut self, now: Instant, ntp_now: u64, block: &ReportBlock) {
        // RFC 3550 section 6.4.1: A - LSR - DLSR. The peer may have made it up: a delay in the
        // upper half of the range is a negative one, and one over a minute is no round trip.
        let delay = ntp_middle(ntp_now)
            .wrapping_sub(block.last_sr)
            .wrapping_sub(block.delay_since_last_sr);
        let rtt =
            (block.last_sr != 0 && delay < 60 << 16).then(|| ntp_after(u64::from(delay) << 16));
        if let Some(rtt) = rtt {
            self.stats.total_rtt = self.stats.total_rtt.saturating_add(rtt);
            self.stats.rtt_measurements = self.stats.rtt_measurements.wrapping_add(1);
        }
        let jitter = f64::from(block.jitter) / f64::from(self.stats.clock_rate.max(1));
        self.stats.remote = Some(RemoteView {
            fraction_lost: block.fraction_lost,
            cumulative_lost: block.cumulative_lost,
            jitter: Duration::try_from_secs_f64(jitter).unwrap_or_default(),
            rtt,
            at: now,
        });
    }
}
