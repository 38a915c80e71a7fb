//! Greater packets on paths that have shown to carry them: datagram packetization layer path MTU
//! discovery (RFC 8899; section 6.2.3 for SCTP over DTLS, RFC 8261 section 5).
//!
//! A probe is a packet of its own, a HEARTBEAT, that nothing else counts: one that is lost says
//! nothing of congestion (RFC 8899 section 3). It is its information that is long, which every peer
//! must return as it came (RFC 9260 sections 3.3.5 and 8.3). A PAD chunk (RFC 4820) would spare the
//! way back, but there are peers that drop the packet for it, or die of it. So the answer is as long
//! as the probe, and what is shown is that both directions carry the size: where the way back is the
//! narrower one, or the peer sends nothing so long, packets stay as they are. No chunk is greater than fits the packet that
//! every path carries, a greater packet only has more of them. So nothing need be cut again, which
//! SCTP cannot, when a path turns out to be narrower than it was.

use std::time::{Duration, Instant};

use tracing::Span;

use crate::engine::sctp::wire::{self, MAX_PACKET, RECORD};
use crate::trace;

/// Datagrams that are tried, from the least: what is left of 1,500 bytes by IPv4 and IPv6, and by
/// both less a tunnel, PPPoE, or the 4 bytes of a relay.
const LADDER: [usize; 4] = [
    packet_of(1_392),
    packet_of(1_432),
    packet_of(1_452),
    packet_of(1_472),
];
/// Before this much was sent in full packets, greater ones are not worth a probe.
const DEMAND: usize = 64 * 1024;
/// Packets almost as long as they may be count for `DEMAND`.
const FULL: usize = MAX_PACKET - 256;
/// RFC 8899 section 5.1.2.
const MAX_PROBES: u8 = 3;
/// RFC 8899 section 5.1.1: PROBE_TIMER is never shorter, PMTU_RAISE_TIMER.
const MIN_WAIT: Duration = Duration::from_secs(1);
const RAISE: Duration = Duration::from_secs(600);
/// No probe this soon after the path was suspected; twice as long the next time.
const DISTRUST: Duration = Duration::from_secs(1);
/// Greater packets lost, with none sent later acknowledged, before the path is suspected.
const BLACK_HOLE: u32 = 4;

/// RFC 9260 section 3.3.5: the parameter that comes back as it was.
const HEARTBEAT_INFO: u16 = 1;
/// Nonce and size.
const INFO: usize = 12;
const HEARTBEAT: usize = wire::CHUNK_HEADER + 4;

/// The SCTP packet whose chunks are whole words that makes a datagram of so many bytes.
const fn packet_of(datagram: usize) -> usize {
    (datagram - RECORD) / 4 * 4
}

struct Probe {
    nonce: u64,
    size: usize,
    /// Lost when there is no answer by then.
    due: Instant,
}

pub(super) struct PathMtu {
    /// The connection in the log.
    span: Span,
    enabled: bool,
    /// The largest packet for data.
    limit: usize,
    /// The next size to be tried.
    rung: usize,
    /// Probes of that size that were lost.
    tries: u8,
    probe: Option<Probe>,
    /// Bytes sent in full packets since the last conclusion.
    sent: usize,
    not_before: Option<Instant>,
    distrust: Duration,
    /// The limit and the next size before the path was suspected.
    suspected: Option<(usize, usize)>,
    /// The latest transmission in a greater packet that was acknowledged, and how many after it
    /// were lost.
    acked: Option<u64>,
    lost: u32,
}

impl PathMtu {
    pub(super) fn new(enabled: bool, span: Span) -> Self {
        Self {
            span,
            enabled,
            limit: MAX_PACKET,
            rung: 0,
            tries: 0,
            probe: None,
            sent: 0,
            not_before: None,
            distrust: DISTRUST,
            suspected: None,
            acked: None,
            lost: 0,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.probe.as_ref().map(|probe| probe.due)
    }

    pub(super) fn on_sent(&mut self, len: usize) {
        if len >= FULL {
            self.sent = self.sent.saturating_add(len);
        }
    }

    /// The packet to be probed with now.
    pub(super) fn wanted(&self, now: Instant) -> Option<usize> {
        let idle = !self.enabled || self.probe.is_some() || self.sent < DEMAND;
        if idle || self.not_before.is_some_and(|at| at > now) {
            return None;
        }
        LADDER.get(self.rung).copied()
    }

    /// Appends the chunk of a probe of `size` bytes to a packet that is begun.
    pub(super) fn put_probe(
        &mut self,
        now: Instant,
        rto: Duration,
        size: usize,
        out: &mut Vec<u8>,
    ) {
        let nonce = crate::random::u64();
        let len = size.saturating_sub(out.len()).saturating_sub(HEARTBEAT);
        wire::put_chunk(out, wire::HEARTBEAT, 0, |out| {
            let mut info = nonce.to_be_bytes().to_vec();
            let told = u32::try_from(size).unwrap_or(u32::MAX);
            info.extend_from_slice(&told.to_be_bytes());
            info.resize(len.max(INFO), 0);
            wire::put_parameter(out, HEARTBEAT_INFO, &info);
        });
        self.suspected = None;
        let due = now.checked_add(rto.max(MIN_WAIT)).unwrap_or(now);
        self.probe = Some(Probe { nonce, size, due });
    }

    /// A HEARTBEAT ACK.
    pub(super) fn on_answer(&mut self, body: &[u8]) -> Option<()> {
        let (kind, info) = wire::parameters(body).next()?.ok()?;
        let nonce = u64::from_be_bytes(*info.first_chunk::<8>()?);
        let ours = |probe: &mut Probe| {
            kind == HEARTBEAT_INFO
                && nonce == probe.nonce
                && wire::u32_at(info, 8).map(|size| size as usize) == Some(probe.size)
        };
        // The answer to a probe that was given up says what it says, too late.
        if let Some(probe) = self.probe.take_if(ours) {
            self.limit = probe.size;
            self.rung = self.rung.saturating_add(1);
            self.tries = 0;
            let bytes = probe.size;
            let span = &self.span;
            tracing::debug!(target: trace::SCTP, parent: span, bytes, "the path carries greater packets");
        }
        Some(())
    }

    /// The probe is lost. After enough of them the search is over, until the path may have changed.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        self.probe = None;
        self.tries = self.tries.saturating_add(1);
        if self.tries >= MAX_PROBES {
            self.tries = 0;
            self.sent = 0;
            self.not_before = now.checked_add(RAISE);
        }
    }

    /// A greater packet has come over. If it is suspected that none does, it was late only.
    pub(super) fn on_acked(&mut self, order: u64) {
        if let Some((limit, rung)) = self.suspected.take() {
            self.limit = limit;
            self.rung = rung;
            self.not_before = None;
            self.distrust = DISTRUST;
        }
        self.acked = Some(self.acked.unwrap_or(0).max(order));
        self.lost = 0;
    }

    /// A greater packet has not come over, though something sent later has.
    pub(super) fn on_lost(&mut self, now: Instant, order: u64) {
        if self.limit == MAX_PACKET || self.acked.is_some_and(|acked| order < acked) {
            return;
        }
        self.lost = self.lost.saturating_add(1);
        if self.lost >= BLACK_HOLE {
            self.suspect(now);
        }
    }

    /// The path may have become narrower (RFC 8899 section 4.3): back to what every path carries.
    /// To be wrong costs little.
    pub(super) fn suspect(&mut self, now: Instant) {
        if self.limit > MAX_PACKET {
            let (span, bytes) = (&self.span, self.limit);
            tracing::debug!(target: trace::SCTP, parent: span, bytes, "greater packets do not come over");
            *self = Self {
                suspected: Some((self.limit, self.rung)),
                distrust: self.distrust.saturating_mul(2).min(RAISE),
                not_before: now.checked_add(self.distrust),
                ..Self::new(self.enabled, self.span.clone())
            };
        }
    }

    /// The path is another one, of which nothing is known.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.enabled, self.span.clone());
    }
}
