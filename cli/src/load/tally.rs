//! What arrived.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ortc::Kind;

use super::frame::Stamp;

/// Of latencies, in milliseconds: what is beyond is in the last.
const BUCKETS: usize = 10_000;

/// A track of one who sends, as one who watches has it: the numbers of both, and the kind.
pub(crate) type Way = (usize, usize, bool);

pub(crate) fn way(watcher: usize, publisher: usize, kind: Kind) -> Way {
    (watcher, publisher, kind == Kind::Video)
}

#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    /// In the span that is measured.
    frames: u64,
    /// What comes twice, as by two ways while a room moves to a hub, counts once.
    next: u64,
    last: Option<Instant>,
    gap: Duration,
}

#[derive(Default)]
struct State {
    flows: BTreeMap<Way, Flow>,
    /// Numbers of the frames that count, of each track that is sent.
    spans: BTreeMap<(usize, bool), (u64, u64)>,
    latencies: Vec<u32>,
}

/// What arrived, of all.
#[derive(Default)]
pub(crate) struct Tally(Mutex<State>);

/// What the test came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum {
    /// Tracks that are watched, each by each, and those of them of which nothing came.
    pub(crate) ways: u64,
    pub(crate) silent: u64,
    /// Frames that were to arrive, and that did.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    /// Of those that arrived: half took no longer, 95 and 99 of a hundred.
    pub(crate) latency: [Duration; 3],
    /// The longest time in which one track brought nothing.
    pub(crate) gap: Duration,
}

impl Sum {
    /// Of a hundred.
    pub(crate) fn delivered(&self) -> f64 {
        100.0 * self.arrived as f64 / self.sent.max(1) as f64
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A track is there, of which something came.
    pub(crate) fn came(&self, way: Way) {
        self.lock().flows.entry(way).or_default();
    }

    /// How many tracks bring something.
    pub(crate) fn ways(&self) -> usize {
        self.lock().flows.len()
    }

    /// From now on frames of this track count that have at least this number.
    pub(crate) fn begin(&self, publisher: usize, kind: Kind, from: u64) {
        let span = (from, u64::MAX);
        self.lock()
            .spans
            .insert((publisher, kind == Kind::Video), span);
    }

    /// Those from this number on do not.
    pub(crate) fn end(&self, publisher: usize, kind: Kind, to: u64) {
        let mut state = self.lock();
        if let Some((_, end)) = state.spans.get_mut(&(publisher, kind == Kind::Video)) {
            *end = to;
        }
    }

    pub(crate) fn frame(&self, way: Way, stamp: Stamp, latency: Duration, now: Instant) {
        let (_, publisher, video) = way;
        let mut state = self.lock();
        let state = &mut *state;
        let flow = state.flows.entry(way).or_default();
        let span = state.spans.get(&(publisher, video));
        if !span.is_some_and(|(from, to)| (*from..*to).contains(&stamp.number)) {
            return;
        }
        if stamp.number < flow.next {
            return;
        }
        flow.next = stamp.number.saturating_add(1);
        flow.frames = flow.frames.saturating_add(1);
        if let Some(last) = flow.last {
            flow.gap = flow.gap.max(now.saturating_duration_since(last));
        }
        flow.last = Some(now);
        let bucket = usize::try_from(latency.as_millis()).unwrap_or(BUCKETS);
        let bucket = bucket.min(BUCKETS - 1);
        state.latencies.resize(BUCKETS, 0);
        if let Some(count) = state.latencies.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    /// With so many who watch each track but those of their own.
    pub(crate) fn sum(&self, watchers: impl Fn(usize) -> u64) -> Sum {
        let state = self.lock();
        let mut sum = Sum::default();
        for ((publisher, _), (from, to)) in &state.spans {
            let watchers = watchers(*publisher);
            sum.ways = sum.ways.saturating_add(watchers);
            let frames = to.saturating_sub(*from).saturating_mul(watchers);
            sum.sent = sum.sent.saturating_add(frames);
        }
        let heard = state.flows.values().filter(|flow| flow.frames > 0);
        sum.silent = sum.ways.saturating_sub(heard.count() as u64);
        sum.arrived = state.flows.values().map(|flow| flow.frames).sum();
        sum.gap = state
            .flows
            .values()
            .map(|flow| flow.gap)
            .max()
            .unwrap_or_default();
        sum.latency = [50, 95, 99].map(|share| quantile(&state.latencies, share));
        sum
    }
}

fn quantile(buckets: &[u32], share: u64) -> Duration {
    let all: u64 = buckets.iter().map(|count| u64::from(*count)).sum();
    let wanted = (all * share).div_ceil(100);
    let mut seen = 0_u64;
    for (ms, count) in (0..).zip(buckets) {
        seen += u64::from(*count);
        if seen >= wanted {
            return Duration::from_millis(ms);
        }
    }
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> Stamp {
        Stamp {
            number,
            at: Duration::ZERO,
        }
    }

    #[test]
    fn what_is_missing_is_missed_and_what_is_not_measured_is_not() {
        let tally = Tally::default();
        let now = Instant::now();
        let ms = Duration::from_millis;
        let way = way(1, 0, Kind::Video);
        tally.frame(way, stamp(9), ms(5), now);
        assert_eq!(tally.sum(|_| 2), Sum::default());
        tally.begin(0, Kind::Video, 10);
        for number in 9..20 {
            if number != 15 {
                let at = now + ms(number * 30);
                tally.frame(way, stamp(number), ms(number), at);
                // By another way as well.
                tally.frame(way, stamp(number), ms(number), at);
            }
        }
        tally.end(0, Kind::Video, 20);
        tally.frame(way, stamp(20), ms(900), now + ms(900));
        let sum = tally.sum(|_| 2);
        assert_eq!((sum.ways, sum.silent), (2, 1));
        assert_eq!((sum.sent, sum.arrived), (20, 9));
        assert_eq!(sum.latency, [ms(14), ms(19), ms(19)]);
        assert_eq!(sum.gap, ms(60));
        assert!((sum.delivered() - 45.0).abs() < 0.01);
    }
}
