//! How long nothing came of a track that could be shown or heard, whichever way it came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ortc::{Kind, MediaStreamTrack};
use serde_json::{Value, json};

/// Between two beats, and what is late of one.
const BEAT: Duration = Duration::from_millis(5);
const LATE: Duration = Duration::from_millis(10);
/// Moments in which this process did not run; older ones are forgotten.
const MAX_LATE: usize = 10_000;

/// Who watches whom, and whether the picture.
type Way = (u16, String, bool);

#[derive(Default)]
struct State {
    ways: BTreeMap<Way, Flow>,
    late: Vec<(Instant, Instant)>,
}

struct Flow {
    last: Instant,
    longest: Duration,
    count: u64,
}

/// What all who watch have seen and heard since they were last asked.
#[derive(Clone, Default)]
pub(crate) struct Gaps(Arc<Mutex<State>>);

impl Gaps {
    pub(crate) fn begin() -> Self {
        let gaps = Self::default();
        let of = gaps.clone();
        tokio::spawn(async move {
            let mut last = Instant::now();
            loop {
                tokio::time::sleep(BEAT).await;
                let now = Instant::now();
                if now - last > LATE {
                    of.with(|state| {
                        if state.late.len() < MAX_LATE {
                            state.late.push((last, now));
                        }
                    });
                }
                last = now;
            }
        });
        gaps
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Watches one more track of somebody's.
    pub(crate) fn watch(&self, watcher: u16, of: String, track: MediaStreamTrack) {
        let gaps = self.clone();
        tokio::spawn(async move {
            let way = (watcher, of, track.kind() == Kind::Video);
            let mut shows = false;
            while let Some(sample) = track.recv_sample().await {
                // A decoder begins with a key frame, and again after a loss.
                let whole = sample.dropped_before + sample.lost_before == 0;
                shows = sample.keyframe.unwrap_or(true) || shows && whole;
                if shows {
                    gaps.with(|state| state.came(&way));
                }
            }
        });
    }

    /// Nothing more is to come of this user.
    pub(crate) fn forget(&self, of: &str) {
        self.with(|state| state.ways.retain(|(_, known, _), _| known != of));
    }

    /// The longest of each kind and whose it was, and begins anew.
    pub(crate) fn take(&self) -> Value {
        self.with(|state| {
            let now = Instant::now();
            let mut told = json!({ "ways": state.ways.len(), "late": millis(state.late.iter().map(|(begin, end)| *end - *begin).max().unwrap_or_default()) });
            for (kind, video) in [("sound", false), ("picture", true)] {
                let flows = state.ways.iter().filter(|((.., is), _)| *is == video);
                let open = |flow: &Flow| flow.longest.max(state.ran(flow.last, now));
                let longest = flows.max_by_key(|(_, flow)| open(flow));
                if let Some(((watcher, of, _), flow)) = longest {
                    told[kind] = json!({ "ms": millis(open(flow)), "of": of, "at": watcher, "frames": flow.count });
                }
            }
            for flow in state.ways.values_mut() {
                (flow.last, flow.longest, flow.count) = (now, Duration::ZERO, 0);
            }
            state.late.clear();
            told
        })
    }
}

impl State {
    fn came(&mut self, way: &Way) {
        let now = Instant::now();
        let Some(flow) = self.ways.get(way) else {
            let flow = Flow {
                last: now,
                longest: Duration::ZERO,
                count: 1,
            };
            self.ways.insert(way.clone(), flow);
            return;
        };
        let gap = self.ran(flow.last, now);
        if let Some(flow) = self.ways.get_mut(way) {
            (flow.last, flow.longest) = (now, flow.longest.max(gap));
            flow.count += 1;
        }
    }

    /// The time between two moments, less what this process did not run.
    fn ran(&self, from: Instant, to: Instant) -> Duration {
        let within = |(begin, end): &(Instant, Instant)| {
            (*end).min(to).saturating_duration_since((*begin).max(from))
        };
        let late = self.late.iter().rev();
        let late: Duration = late.take_while(|(_, end)| *end > from).map(within).sum();
        to.saturating_duration_since(from).saturating_sub(late)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
