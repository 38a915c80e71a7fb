//! Whether the machine slept: a laptop that sleeps stops the monotonic clock that all timers
//! follow, and not the wall clock.

use std::time::{Duration, Instant, SystemTime};

/// The wall clock must have gained so much on the monotonic one. Less is not worth a check: what
/// is counted here lasts half a minute or more, and daemons that keep the time step by less.
const THRESHOLD: Duration = Duration::from_secs(3);
/// The clocks are compared no more often than this; a driver that idles wakes every few seconds.
const SPACING: Duration = Duration::from_millis(100);

/// The system's, which tests may set.
#[derive(Default)]
pub(super) struct WallClock {
    #[cfg(test)]
    set_by: std::sync::atomic::AtomicI64,
}

impl WallClock {
    pub(super) fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        #[cfg(test)]
        let now = {
            let seconds = self.set_by.load(std::sync::atomic::Ordering::Relaxed);
            let step = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { now - step } else { now + step }
        };
        now
    }

    /// Sets it ahead by so many seconds, or back.
    #[cfg(test)]
    pub(super) fn step(&self, seconds: i64) {
        let order = std::sync::atomic::Ordering::Relaxed;
        self.set_by.fetch_add(seconds, order);
    }
}

/// Compares the clocks whenever the driver is awake anyway.
pub(super) struct SleepWatch {
    compared: Instant,
    monotonic: Instant,
    wall: SystemTime,
}

impl SleepWatch {
    pub(super) fn new(now: Instant, wall: SystemTime) -> Self {
        Self {
            compared: now,
            monotonic: now,
            wall,
        }
    }

    /// How long the machine seems to have slept since the last comparison. `wall` and `monotonic`
    /// are read after `now`, in this order.
    ///
    /// A process that was stopped between two readings must not take that for sleep, so the wall
    /// clock is compared with the later of its two neighbours, and kept with the earlier one.
    pub(super) fn slept(
        &mut self,
        now: Instant,
        wall: impl FnOnce() -> SystemTime,
        monotonic: impl FnOnce() -> Instant,
    ) -> Option<Duration> {
        if now.saturating_duration_since(self.compared) < SPACING {
            return None;
        }
        self.compared = now;
        let wall = wall();
        let later = monotonic();
        let awake = later.saturating_duration_since(self.monotonic);
        // A clock that was set back says nothing.
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        (self.monotonic, self.wall) = (now, wall);
        passed
            .checked_sub(awake)
            .filter(|slept| *slept >= THRESHOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3_600);

    struct Clocks {
        now: Instant,
        wall: SystemTime,
        watch: SleepWatch,
    }

    impl Clocks {
        fn new() -> Self {
            let (now, wall) = (Instant::now(), SystemTime::now());
            let watch = SleepWatch::new(now, wall);
            Self { now, wall, watch }
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
            self.wall += time;
        }

        fn slept(&mut self) -> Option<Duration> {
            self.watch.slept(self.now, || self.wall, || self.now)
        }
    }

    #[test]
    fn r_d14_sleep_is_told_once_and_by_its_length() {
        let mut clocks = Clocks::new();
        for length in [3 * SEC, 10 * SEC, HOUR, 100 * HOUR] {
            clocks.pass(SEC);
            assert_eq!(clocks.slept(), None);
            clocks.wall += length;
            clocks.pass(SEC);
            assert_eq!(clocks.slept(), Some(length));
        }
        clocks.pass(SEC);
        assert_eq!(clocks.slept(), None);
    }

    #[test]
    fn r_d14_late_ticks_small_steps_and_clocks_set_back_are_no_sleep() {
        let mut clocks = Clocks::new();
        // Stopped: both clocks go on.
        for late in [SEC, 60 * SEC, 100 * HOUR] {
            clocks.pass(late);
            assert_eq!(clocks.slept(), None);
        }
        for _ in 0..100 {
            clocks.wall += 2 * SEC;
            clocks.pass(5 * SEC);
            assert_eq!(clocks.slept(), None);
        }
        for back in [SEC, HOUR, 100 * HOUR] {
            clocks.wall -= back;
            clocks.pass(SEC);
            assert_eq!(clocks.slept(), None);
        }
    }

    /// Stopped for a minute between any two readings of the clocks.
    #[test]
    fn r_d14_a_stop_between_two_readings_is_no_sleep() {
        for place in [0, 1] {
            let mut clocks = Clocks::new();
            clocks.pass(SEC);
            let (now, wall) = (clocks.now, clocks.wall);
            let stop = 60 * SEC;
            let slept = clocks.watch.slept(
                now,
                || if place == 0 { wall + stop } else { wall },
                || now + stop,
            );
            assert_eq!(slept, None);
            clocks.pass(stop);
            for _ in 0..3 {
                clocks.pass(SEC);
                assert_eq!(clocks.slept(), None);
            }
            // And sleep is still seen.
            clocks.wall += HOUR;
            clocks.pass(SEC);
            assert!(clocks.slept() >= Some(HOUR));
        }
    }

    #[test]
    fn r_d14_busy_drivers_compare_ten_times_a_second() {
        let mut clocks = Clocks::new();
        let mut read = 0;
        for _ in 0..10_000 {
            clocks.pass(Duration::from_micros(100));
            let (now, wall) = (clocks.now, clocks.wall);
            clocks.watch.slept(
                now,
                || {
                    read += 1;
                    wall
                },
                || now,
            );
        }
        assert!((9..=10).contains(&read), "{read}");
    }
}
