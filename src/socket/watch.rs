//! Whether the addresses or routes of this host change: watched once for all sockets of a runtime.

#[cfg(target_os = "linux")]
mod netlink;

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;

use super::interfaces;
use crate::queue::lock;
use crate::tasks::{self, Task};

/// Changes come in bursts: an address, its routes, then those of the other family.
const SETTLE: Duration = Duration::from_millis(100);
/// Between two looks where the system does not tell.
const POLL: Duration = Duration::from_secs(3);

static WATCHES: Mutex<Vec<(Id, Weak<Watch>)>> = Mutex::new(Vec::new());

/// Who wants to know.
pub(super) trait Watcher: Send + Sync {
    fn networks_changed(&self);
}

/// Ends with the last who holds it.
pub(super) struct Watch {
    watchers: Mutex<Vec<Weak<dyn Watcher>>>,
    task: OnceLock<AbortHandle>,
}

impl Watch {
    /// Has this one told from now on, for as long as the watch is held.
    pub(super) fn begin(runtime: &Handle, watcher: Weak<dyn Watcher>) -> Arc<Self> {
        let watch = Self::of(runtime);
        let mut watchers = lock(&watch.watchers);
        watchers.retain(|one| one.strong_count() > 0);
        watchers.push(watcher);
        drop(watchers);
        watch
    }

    fn of(runtime: &Handle) -> Arc<Self> {
        let mut watches = lock(&WATCHES);
        watches.retain(|(_, watch)| watch.strong_count() > 0);
        let known = watches.iter().find(|(id, _)| *id == runtime.id());
        if let Some(watch) = known.and_then(|(_, watch)| watch.upgrade()) {
            return watch;
        }
        let watch = Arc::new(Self {
            watchers: Mutex::default(),
            task: OnceLock::new(),
        });
        watches.push((runtime.id(), Arc::downgrade(&watch)));
        drop(watches);
        let task = tasks::spawn(Task::Networks, runtime, run(Arc::downgrade(&watch)));
        let _ = watch.task.set(task.abort_handle());
        watch
    }

    fn tell(&self) {
        let watchers: Vec<_> = lock(&self.watchers)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for watcher in watchers {
            watcher.networks_changed();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn run(watch: Weak<Watch>) {
    let mut changes = Changes::new();
    let mut known = None;
    loop {
        changes.next().await;
        let found = interfaces::snapshot().ok();
        // Routes of others change all day on hosts of containers.
        let news = found.is_none() || found != known;
        let first = known.is_none() && changes.is_polling();
        known = found;
        if news && !first {
            let Some(watch) = watch.upgrade() else {
                return;
            };
            watch.tell();
        }
    }
}

/// What wakes the watch.
struct Changes {
    #[cfg(target_os = "linux")]
    told: Option<netlink::Told>,
    polled: bool,
}

impl Changes {
    fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            told: netlink::Told::new().ok(),
            polled: false,
        }
    }

    fn is_polling(&self) -> bool {
        #[cfg(target_os = "linux")]
        if self.told.is_some() {
            return false;
        }
        true
    }

    /// Waits until something may have changed.
    async fn next(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(told) = &mut self.told {
            if told.next().await.is_ok() {
                tokio::time::sleep(SETTLE).await;
                told.forget();
                return;
            }
            self.told = None;
        }
        if std::mem::replace(&mut self.polled, true) {
            tokio::time::sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::tasks::faults;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Watcher for Counter {
        fn networks_changed(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One task, however many watch; none when nobody does.
    #[tokio::test]
    async fn r_d13_one_watch_serves_all_and_ends_with_the_last() {
        let counters: Vec<Arc<Counter>> = (0..100).map(|_| Arc::default()).collect();
        let watcher = |counter: &Arc<Counter>| -> Weak<dyn Watcher> {
            let watcher: Arc<dyn Watcher> = counter.clone();
            Arc::downgrade(&watcher)
        };
        let runtime = Handle::current();
        let mut watches: Vec<_> = counters
            .iter()
            .map(|counter| Watch::begin(&runtime, watcher(counter)))
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(faults::running(Task::Networks), 1);
        watches[0].tell();
        for counter in &counters {
            assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        }
        let last = watches.pop();
        drop(watches);
        tokio::task::yield_now().await;
        assert_eq!(faults::running(Task::Networks), 1);
        drop(last);
        tokio::task::yield_now().await;
        assert_eq!(faults::running(Task::Networks), 0);
    }
}
