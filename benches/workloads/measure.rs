//! Time, CPU and memory of this process.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// A span of time and what it cost.
pub(crate) struct Span {
    start: Instant,
    cpu: Duration,
}

/// Wall clock, and user plus system time.
pub(crate) struct Used {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Span {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu: cpu(),
        }
    }

    pub(crate) fn end(&self) -> Used {
        Used {
            wall: self.start.elapsed(),
            cpu: cpu().saturating_sub(self.cpu),
        }
    }
}

fn cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_SELF)
}

/// User plus system time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_THREAD)
}

fn cpu_of(who: UsageWho) -> Duration {
    let duration = |time: TimeVal| {
        Duration::new(time.tv_sec() as u64, 0) + Duration::from_micros(time.tv_usec() as u64)
    };
    getrusage(who).map_or(Duration::ZERO, |usage| {
        duration(usage.user_time()) + duration(usage.system_time())
    })
}

/// Resident set size in KiB.
pub(crate) fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.split_whitespace().next())
        .and_then(|kb| kb.parse().ok())
        .unwrap_or_default()
}

/// The value below which the fraction `part` of the sorted values is.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * part).round();
    sorted.get(at as usize).copied().unwrap_or_default()
}
