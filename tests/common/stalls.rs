//! The time in which this machine did nothing: one that is busy or stands still for a second must
//! not fail a test of the crate. A thread looks at the clock all the time and counts what it missed.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(10);
/// Lateness of a sleep that says nothing.
const USUAL: Duration = Duration::from_millis(20);

static LOST_MS: AtomicU64 = AtomicU64::new(0);

fn lost() -> Duration {
    static THREAD: Once = Once::new();
    THREAD.call_once(|| {
        std::thread::spawn(|| {
            loop {
                let begin = Instant::now();
                std::thread::sleep(LOOK);
                let late = begin.elapsed().saturating_sub(LOOK);
                if late > USUAL {
                    LOST_MS.fetch_add(late.as_millis() as u64, Ordering::Relaxed);
                }
            }
        });
    });
    Duration::from_millis(LOST_MS.load(Ordering::Relaxed))
}

/// Time that the test had since, without what the machine lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    begin: Instant,
    lost: Duration,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let lost = lost();
        let begin = Instant::now();
        Self { begin, lost }
    }

    pub(crate) fn took(&self) -> Duration {
        let all = self.begin.elapsed();
        all.saturating_sub(self.lost())
    }

    pub(crate) fn lost(&self) -> Duration {
        lost().saturating_sub(self.lost)
    }
}

/// `future`, unless it takes longer than `limit`.
pub(crate) async fn in_time<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let watch = Watch::start();
    let mut future = std::pin::pin!(future);
    loop {
        let left = limit.saturating_sub(watch.took());
        if let Ok(result) = tokio::time::timeout(left, &mut future).await {
            return Some(result);
        }
        // The thread may be about to notice; and what is ready by now was in time.
        if let Ok(result) = tokio::time::timeout(LOOK * 20, &mut future).await {
            return Some(result);
        }
        if watch.took() >= limit + LOOK * 20 {
            return None;
        }
    }
}
