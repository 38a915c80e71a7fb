//! A sender by the letter of RFC 9260 section 7.2 with its receiver, as what shares a path with
//! this crate's: slow start, congestion avoidance, fast retransmit and recovery, RTO. It always
//! has something to send. Packets carry their number and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::engine::sctp::MAX_PACKET;

const MTU: usize = MAX_PACKET;
/// Sections 6.2 (SFR: every second packet, or 200 ms) and 16.
const ACK_DELAY: Duration = Duration::from_millis(200);
const RTO_MIN: Duration = Duration::from_secs(1);
const RTO_MAX: Duration = Duration::from_secs(60);
const MAX_BURST: usize = 4;

struct InFlight {
    sent_at: Instant,
    /// Section 7.2.4: told to be missing, by acknowledgements of later ones.
    misses: u8,
    lost: bool,
    again: bool,
}

pub(super) struct Neighbour {
    cwnd: usize,
    ssthresh: usize,
    partial_bytes_acked: usize,
    next: u64,
    flight: BTreeMap<u64, InFlight>,
    /// How many of them count as lost.
    lost: usize,
    /// Fast recovery goes on until this is acknowledged.
    recovery: Option<u64>,
    rto: Duration,
    smoothed: Option<(Duration, Duration)>,
    rto_at: Option<Instant>,
    burst: usize,
    /// The receiver's.
    cumulative: u64,
    above: BTreeSet<u64>,
    to_ack: usize,
    ack_at: Option<Instant>,
    ack_now: bool,
    pub(super) active: bool,
}

impl Neighbour {
    pub(super) fn new() -> Self {
        Self {
            // Section 7.2.1.
            cwnd: (4 * MTU).min((2 * MTU).max(4_404)),
            ssthresh: usize::MAX,
            partial_bytes_acked: 0,
            next: 1,
            flight: BTreeMap::new(),
            lost: 0,
            recovery: None,
            rto: RTO_MIN,
            smoothed: None,
            rto_at: None,
            burst: 0,
            cumulative: 0,
            above: BTreeSet::new(),
            to_ack: 0,
            ack_at: None,
            ack_now: false,
            active: true,
        }
    }

    /// Bytes that came, in order.
    pub(super) fn delivered(&self) -> usize {
        self.cumulative as usize * MTU
    }

    fn outstanding(&self) -> usize {
        (self.flight.len() - self.lost) * MTU
    }

    fn packet(&mut self, now: Instant, number: u64) -> Vec<u8> {
        let again = self.flight.contains_key(&number);
        let sent = InFlight {
            sent_at: now,
            misses: 0,
            lost: false,
            again,
        };
        let before = self.flight.insert(number, sent);
        self.lost -= usize::from(before.is_some_and(|before| before.lost));
        // Section 6.3.2 R1.
        if self.rto_at.is_none() {
            self.rto_at = now.checked_add(self.rto);
        }
        let mut data = vec![0; MTU];
        data[..8].copy_from_slice(&number.to_be_bytes());
        data
    }

    /// The next packet of the sender.
    pub(super) fn poll_data(&mut self, now: Instant) -> Option<Vec<u8>> {
        if !self.active || self.outstanding() + MTU > self.cwnd || self.burst >= MAX_BURST {
            return None;
        }
        self.burst += 1;
        let mut flight = self.flight.iter().filter(|_| self.lost > 0);
        let lost = flight.find(|(_, sent)| sent.lost);
        if let Some(number) = lost.map(|(number, _)| *number) {
            return Some(self.packet(now, number));
        }
        let number = self.next;
        self.next += 1;
        Some(self.packet(now, number))
    }

    /// The next acknowledgement of the receiver: the cumulative number and all above it.
    pub(super) fn poll_ack(&mut self) -> Option<Vec<u8>> {
        if !self.ack_now && self.to_ack < 2 {
            return None;
        }
        self.ack_now = false;
        self.to_ack = 0;
        self.ack_at = None;
        let numbers = [self.cumulative]
            .into_iter()
            .chain(self.above.iter().copied());
        Some(numbers.flat_map(u64::to_be_bytes).collect())
    }

    pub(super) fn on_data(&mut self, now: Instant, packet: &[u8]) {
        let number = u64::from_be_bytes(packet[..8].try_into().unwrap());
        if number > self.cumulative {
            self.above.insert(number);
        }
        while self.above.remove(&(self.cumulative + 1)) {
            self.cumulative += 1;
        }
        self.to_ack += 1;
        self.ack_now |=
            !self.above.is_empty() || number <= self.cumulative - self.cumulative.min(1);
        self.ack_at = self.ack_at.or(now.checked_add(ACK_DELAY));
    }

    pub(super) fn on_ack(&mut self, now: Instant, packet: &[u8]) {
        let mut numbers = packet
            .chunks_exact(8)
            .map(|number| u64::from_be_bytes(number.try_into().unwrap()));
        let cumulative = numbers.next().unwrap();
        let above: BTreeSet<u64> = numbers.collect();
        self.burst = 0;
        let full = self.outstanding() + MTU > self.cwnd;
        let earliest = self.flight.keys().next().copied();
        let mut acked = 0;
        let mut newest = None;
        let mut found = 0;
        let mut take = |sent: InFlight, number: u64| {
            acked += MTU;
            found += usize::from(sent.lost);
            newest = newest.max(Some(number));
            (!sent.again).then_some(sent.sent_at)
        };
        let mut timed = None;
        while let Some(entry) = self.flight.first_entry().filter(|e| *e.key() <= cumulative) {
            let number = *entry.key();
            timed = take(entry.remove(), number).or(timed);
        }
        for &number in &above {
            if let Some(sent) = self.flight.remove(&number) {
                timed = take(sent, number).or(timed);
            }
        }
        self.lost -= found;
        if let Some(sent_at) = timed {
            self.measure(now.saturating_duration_since(sent_at));
        }
        let advanced = earliest.is_some_and(|earliest| earliest <= cumulative);
        if advanced {
            // Section 6.3.2 R2 and R3.
            self.rto_at = (!self.flight.is_empty()).then_some(now + self.rto);
        }
        if self.recovery.is_some_and(|until| cumulative >= until) {
            self.recovery = None;
        }
        self.grow(acked, advanced, full);
        self.miss(newest);
    }

    fn measure(&mut self, rtt: Duration) {
        let (smoothed, variation) = match self.smoothed {
            None => (rtt, rtt / 2),
            Some((smoothed, variation)) => (
                smoothed * 7 / 8 + rtt / 8,
                variation * 3 / 4 + smoothed.abs_diff(rtt) / 4,
            ),
        };
        self.smoothed = Some((smoothed, variation));
        self.rto = (smoothed + variation * 4).clamp(RTO_MIN, RTO_MAX);
    }

    /// Sections 7.2.1 and 7.2.2.
    fn grow(&mut self, acked: usize, advanced: bool, full: bool) {
        if !advanced {
            return;
        }
        if self.cwnd <= self.ssthresh {
            if full && self.recovery.is_none() {
                self.cwnd += acked.min(MTU);
            }
            return;
        }
        self.partial_bytes_acked += acked;
        if self.partial_bytes_acked >= self.cwnd && full {
            self.partial_bytes_acked -= self.cwnd;
            self.cwnd += MTU;
        }
    }

    /// Section 7.2.4.
    fn miss(&mut self, newest: Option<u64>) {
        let Some(newest) = newest else {
            return;
        };
        let mut lost = false;
        for (_, sent) in self.flight.range_mut(..newest) {
            if sent.lost {
                continue;
            }
            sent.misses = sent.misses.saturating_add(1);
            // Only once: a retransmission that is lost waits for the timer.
            if sent.misses >= 3 && !sent.again {
                sent.lost = true;
                self.lost += 1;
                lost = true;
            }
        }
        if lost && self.recovery.is_none() {
            self.ssthresh = (self.cwnd / 2).max(4 * MTU);
            self.cwnd = self.ssthresh;
            self.partial_bytes_acked = 0;
            self.recovery = Some(self.next - 1);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.rto_at.into_iter().chain(self.ack_at).min()
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_at = None;
            self.ack_now = true;
        }
        if self.rto_at.is_some_and(|at| at <= now) {
            // Sections 6.3.3 and 7.2.3.
            self.rto_at = None;
            self.ssthresh = (self.cwnd / 2).max(4 * MTU);
            self.cwnd = MTU;
            self.partial_bytes_acked = 0;
            self.recovery = None;
            self.burst = 0;
            self.rto = (self.rto * 2).min(RTO_MAX);
            for sent in self.flight.values_mut() {
                sent.lost = true;
            }
            self.lost = self.flight.len();
        }
    }
}
