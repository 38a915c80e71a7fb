//! What transport-wide feedback tells of the path to the peer: whether it carries what is sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::transport_cc::{Feedback, TICK_MICROS, TICKS_PER_REFERENCE};

/// Packets are remembered for so long, and so many.
const KEPT: i64 = 1_000_000;
const MAX_KEPT: usize = 2_048;
/// What is sent is measured over so long at least.
const MEASURED: i64 = 250_000;
/// The shortest way of this time is the way without a queue.
const LEAST_WITHIN: i64 = 10_000_000;
/// A packet that was so much longer on its way waited in a queue, and with so much that is full.
const WAITED: i64 = 15_000;
const FULL: i64 = 60_000;
/// From so many packets in a queue its rate can be told, if they come evenly, or over so long.
const IN_QUEUE: usize = 3;
const LONG: i64 = 300_000;
/// What a path seems to carry, times this, is less than what is sent, if that is too much.
const SURE: f64 = 1.25;
/// So many losses show that a queue is full. Without one: so many, and so large a part.
const OVERFLOW: usize = 2;
const LOSSES: usize = 4;
const LOST: f64 = 0.3;
/// Over so long losses are counted.
const LOST_WITHIN: i64 = 300_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Untold,
    Lost,
    /// By the peer's clock.
    Arrived(i64),
}

/// A packet that was sent; times are in microseconds.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: i64,
    size: u16,
    fate: Fate,
}

/// The path does not carry what is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Strain {
    /// The part of it that is too much, 0 to 1.
    pub(crate) part: f64,
    pub(crate) at: Instant,
    /// Bytes a second that it carries.
    pub(crate) carried: f64,
    /// How long what is sent now waits in its queue.
    pub(crate) waits: Duration,
}

/// Packets that waited on the path.
#[derive(Debug)]
struct Queue {
    /// When the first and the last were sent, and arrived.
    sent: (i64, i64),
    arrived: (i64, i64),
    /// The longest that one of them waited.
    longest: i64,
    /// When the queue is empty, by this side's clock, but for the bytes that nothing was told of.
    empty: i64,
    untold: u64,
    /// Of those after the first: bytes, and bytes a second since the one before.
    bytes: u64,
    rates: Vec<f64>,
    /// Bytes among them that did not come.
    lost: u64,
}

impl Queue {
    fn new(sent: &Sent, arrived: i64, waited: i64) -> Self {
        Self {
            sent: (sent.at, sent.at),
            arrived: (arrived, arrived),
            longest: waited,
            empty: sent.at.saturating_add(waited),
            untold: 0,
            bytes: 0,
            rates: Vec::new(),
            lost: 0,
        }
    }

    fn add(&mut self, sent: &Sent, arrived: i64, waited: i64) {
        let bytes = u64::from(sent.size);
        let since = arrived.saturating_sub(self.arrived.1);
        self.rates.push(per_second(bytes, since));
        self.bytes = self.bytes.saturating_add(bytes);
        self.sent.1 = sent.at;
        self.arrived.1 = arrived.max(self.arrived.1);
        self.longest = waited.max(self.longest);
        self.empty = sent.at.saturating_add(waited);
        self.untold = 0;
    }

    /// How long what is sent now waits, where so many bytes a second are carried.
    fn waits(&self, now: i64, carried: f64) -> Duration {
        let untold = (self.untold as f64 * 1e6 / carried.max(1.0)) as i64;
        let waits = self.empty.saturating_add(untold).saturating_sub(now);
        let waits = waits.clamp(0, self.longest.max(0));
        Duration::from_micros(u64::try_from(waits).unwrap_or_default())
    }

    /// Bytes a second that come out of it, if that is certain and less than what goes in, of which
    /// `rate` is usual. A machine that stands still for a moment looks like a queue as well, but
    /// what waited for it comes at once.
    fn carried(&mut self, rate: f64, overflows: bool) -> Option<f64> {
        let time = self.sent.1.saturating_sub(self.sent.0);
        let less = |carried: f64| {
            let all = self.bytes.saturating_add(self.lost);
            let goes_in = per_second(all, time).min(rate);
            carried * SURE < goes_in
        };
        let arriving = self.arrived.1.saturating_sub(self.arrived.0);
        let mean = per_second(self.bytes, arriving);
        let count = self.rates.len();
        if (time >= LONG || overflows && count >= IN_QUEUE) && less(mean) {
            return Some(mean);
        }
        self.rates.sort_unstable_by(f64::total_cmp);
        let nearly_all = count.saturating_sub(count / 4).saturating_sub(1);
        let fast = self.rates.get(nearly_all).filter(|_| count >= IN_QUEUE)?;
        less(*fast).then_some(mean)
    }
}

/// Measures a path by what is sent and what the peer says of its arrival.
#[derive(Debug, Default)]
pub(crate) struct PathMeter {
    epoch: Option<Instant>,
    kept: VecDeque<Sent>,
    /// The transport-wide number of the oldest.
    first: u16,
    /// The last reference time of the peer, without wraps.
    reference: Option<i64>,
    /// The shortest way since a moment, and of the time before it.
    least: Option<(i64, i64)>,
    least_before: Option<i64>,
    strain: Option<Strain>,
}

impl PathMeter {
    /// A packet goes out.
    pub(crate) fn sent(&mut self, now: Instant, number: u16, size: usize) {
        let epoch = *self.epoch.get_or_insert(now);
        let at = micros(now.saturating_duration_since(epoch));
        let next = self.first.wrapping_add(self.kept.len() as u16);
        if next != number {
            self.kept.clear();
        }
        if self.kept.is_empty() {
            self.first = number;
        }
        self.kept.push_back(Sent {
            at,
            size: u16::try_from(size).unwrap_or(u16::MAX),
            fate: Fate::Untold,
        });
        let old = |sent: &Sent| at.saturating_sub(sent.at) > KEPT;
        while self.kept.len() > MAX_KEPT || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// What is sent becomes less: that of before is no measure for it.
    pub(crate) fn restart(&mut self) {
        self.kept.clear();
    }

    /// The last that was found.
    pub(crate) fn strain(&self) -> Option<Strain> {
        self.strain
    }

    /// Takes in feedback; true when the path does not carry what is sent.
    pub(super) fn told(&mut self, now: Instant, feedback: &Feedback) -> bool {
        let reference = self.unwrapped(feedback.reference);
        let mut ticks = reference.saturating_mul(TICKS_PER_REFERENCE);
        for (place, arrival) in feedback.arrivals.iter().enumerate() {
            ticks = ticks.saturating_add(i64::from(arrival.unwrap_or_default()));
            let number = feedback.base.wrapping_add(place as u16);
            let index = usize::from(number.wrapping_sub(self.first));
            let Some(sent) = self.kept.get_mut(index) else {
                continue;
            };
            if matches!(sent.fate, Fate::Arrived(_)) {
                continue;
            }
            sent.fate = Fate::Lost;
            if arrival.is_some() {
                let arrived = ticks.saturating_mul(TICK_MICROS as i64);
                sent.fate = Fate::Arrived(arrived);
                let (at, way) = (sent.at, arrived.saturating_sub(sent.at));
                self.note_way(at, way);
            }
        }
        let found = self.excess(now);
        self.strain = found.or(self.strain);
        found.is_some()
    }

    /// 24 bits, which wrap.
    fn unwrapped(&mut self, reference: u32) -> i64 {
        let own = i64::from(reference);
        let before = self.reference.unwrap_or(own);
        let step = own.wrapping_sub(before) & 0xff_ffff;
        let step = if step >= 0x80_0000 {
            step - 0x100_0000
        } else {
            step
        };
        let now = before.saturating_add(step);
        self.reference = Some(now);
        now
    }

    fn note_way(&mut self, at: i64, way: i64) {
        match &mut self.least {
            Some((since, least)) if at.saturating_sub(*since) < LEAST_WITHIN => {
                *least = way.min(*least);
            }
            _ => {
                self.least_before = self.least.map(|(_, least)| least);
                self.least = Some((at, way));
            }
        }
    }

    /// The part of what is sent that the path does not carry, if that is certain.
    fn excess(&self, now: Instant) -> Option<Strain> {
        let rate = self.sent_rate()?;
        let mut queue = self.queue().filter(|queue| queue.longest >= FULL);
        let (lost, all) = self.losses();
        let carried = queue
            .as_mut()
            .and_then(|queue| queue.carried(rate, lost >= OVERFLOW));
        let queued = carried.map(|carried| 1.0 - carried / rate);
        let part = lost as f64 / all.max(1) as f64;
        let lossy = (lost >= LOSSES && part >= LOST).then_some(part);
        let parts = queued.into_iter().chain(lossy);
        let part = parts.max_by(f64::total_cmp)?;
        let carried = carried.unwrap_or(rate * (1.0 - part));
        let since = now.saturating_duration_since(self.epoch?);
        let waits = queue.map(|queue| queue.waits(micros(since), carried));
        Some(Strain {
            part,
            at: now,
            carried,
            waits: waits.unwrap_or_default(),
        })
    }

    /// Bytes a second that are sent.
    fn sent_rate(&self) -> Option<f64> {
        let (first, last) = (self.kept.front()?, self.kept.back()?);
        let time = last.at.saturating_sub(first.at);
        let bytes = self.kept.iter().skip(1).map(|sent| u64::from(sent.size));
        (time >= MEASURED).then(|| per_second(bytes.sum(), time))
    }

    /// The packets that waited on the path, one after the other, up to the newest that came.
    fn queue(&self) -> Option<Queue> {
        let (_, least) = self.least?;
        let least = least.min(self.least_before.unwrap_or(least));
        let mut queue: Option<Queue> = None;
        for sent in &self.kept {
            let at = match (sent.fate, &mut queue) {
                (Fate::Arrived(at), _) => at,
                (Fate::Lost, Some(queue)) => {
                    queue.lost = queue.lost.saturating_add(u64::from(sent.size));
                    continue;
                }
                (Fate::Untold, Some(queue)) => {
                    queue.untold = queue.untold.saturating_add(u64::from(sent.size));
                    continue;
                }
                _ => continue,
            };
            let waited = at.saturating_sub(sent.at).saturating_sub(least);
            match &mut queue {
                _ if waited < WAITED => queue = None,
                Some(queue) => queue.add(sent, at, waited),
                None => queue = Some(Queue::new(sent, at, waited)),
            }
        }
        queue
    }

    /// Packets that were lost lately, and all.
    fn losses(&self) -> (usize, usize) {
        let told = |sent: &&Sent| sent.fate != Fate::Untold;
        let newest = self.kept.iter().rev().find(told);
        let newest = newest.map_or(0, |sent| sent.at);
        let lately = |sent: &&Sent| newest.saturating_sub(sent.at) <= LOST_WITHIN;
        let lately = self.kept.iter().filter(told).filter(lately);
        let (mut lost, mut all) = (0usize, 0usize);
        for sent in lately {
            lost = lost.saturating_add(usize::from(sent.fate == Fate::Lost));
            all = all.saturating_add(1);
        }
        (lost, all)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn per_second(bytes: u64, micros: i64) -> f64 {
    bytes as f64 * 1e6 / micros.max(1) as f64
}
