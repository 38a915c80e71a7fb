//! What code costs, for tests that compare few with many.

use std::time::Duration;

/// The CPU time of this thread that `work` takes: the least of a few runs, since others on the
/// machine only add to it.
pub(crate) fn least(mut work: impl FnMut()) -> Duration {
    use nix::time::{ClockId, clock_gettime};
    let cpu = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let run = |_| {
        let begin = cpu();
        work();
        cpu() - begin
    };
    (0..5).map(run).min().unwrap()
}

/// Asserts that what was done with 900 costs about what it does with 100.
pub(crate) fn assert_alike(what: &str, few: Duration, many: Duration) {
    println!("{what}: {few:?} with 100, {many:?} with 900");
    // Nine times, if the cost were in proportion.
    assert!(
        many < few * 4 + Duration::from_micros(100),
        "{what}: {few:?} {many:?}"
    );
}
