//! What a test costs the machine, and whether it runs in its full size.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

/// Whether tests run in their full size, which takes minutes (`tests/soak`).
pub(crate) fn full_size() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

/// CPU time of this thread. A busy machine does not change it.
pub(crate) fn cpu() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

/// Resident memory of the process in KiB.
pub(crate) fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.unwrap().split_whitespace().nth(1);
    words.unwrap().parse().unwrap()
}

/// Watches how resident memory grows. Other tests of the process count, too: only where tests run
/// in their full size, one at a time, is it this test's.
pub(crate) struct Growth {
    before: u64,
    most: u64,
}

impl Growth {
    pub(crate) fn start() -> Self {
        let before = rss_kib();
        Self {
            before,
            most: before,
        }
    }

    pub(crate) fn look(&mut self) {
        self.most = self.most.max(rss_kib());
    }

    /// The most that was seen beyond the beginning, in KiB.
    pub(crate) fn kib(&mut self) -> u64 {
        self.look();
        self.most - self.before
    }

    /// In full size the process must not have grown by more than this.
    pub(crate) fn at_most(&mut self, kib: u64) {
        let grown = self.kib();
        if full_size() {
            println!("RSS +{grown} KiB");
            assert!(grown <= kib, "RSS +{grown} KiB, {kib} at most");
        }
    }
}
