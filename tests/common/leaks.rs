//! What a test may leave behind: nothing. Tasks, UDP sockets, file descriptors and runtime threads
//! are counted before and after, and a panic in any task fails the test.

use std::future::Future;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

/// How long after the end of a test everything must be gone.
const SETTLE: Duration = Duration::from_secs(5);

static ALONE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
static PANICS: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);

/// What the process holds. Worth comparing only while no other test runs: see [`alone`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) fds: usize,
    pub(crate) runtime_threads: usize,
    /// Local ports of the process's UDP sockets, sorted.
    pub(crate) udp_ports: Vec<u16>,
}

impl Process {
    pub(crate) fn now() -> Self {
        let fds: Vec<String> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            // Not files: the crate opens none, but tests beside this one read the source.
            .filter(|target| !target.starts_with('/'))
            .collect();
        let runtime_threads = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("comm")).ok())
            .filter(|name| name.starts_with("tokio-"))
            .count();
        let mut udp_ports = Vec::new();
        for table in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
            let table = std::fs::read_to_string(table).unwrap_or_default();
            for line in table.lines().skip(1) {
                let mut words = line.split_whitespace();
                let local = words.nth(1).unwrap();
                let inode = words.nth(7).unwrap();
                if fds.contains(&format!("socket:[{inode}]")) {
                    let (_, port) = local.rsplit_once(':').unwrap();
                    udp_ports.push(u16::from_str_radix(port, 16).unwrap());
                }
            }
        }
        udp_ports.sort_unstable();
        Self {
            fds: fds.len(),
            runtime_threads,
            udp_ports,
        }
    }
}

/// Resident memory in KiB.
pub(crate) fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.unwrap().split_whitespace().nth(1);
    words.unwrap().parse().unwrap()
}

/// What the process has used of the processors; `RUSAGE_THREAD`: what this thread has.
pub(crate) fn cpu_time_of(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let time = |time: TimeVal| Duration::from_micros(time.num_microseconds() as u64);
    time(usage.user_time()) + time(usage.system_time())
}

/// What the process has used of the processors.
pub(crate) fn cpu_time() -> Duration {
    cpu_time_of(UsageWho::RUSAGE_SELF)
}

/// Lets the process have so many files open.
pub(crate) fn many_files(count: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count, hard.max(count)).unwrap();
    }
}

/// Tasks of the current runtime.
pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Runs a test body that must leave no task behind and in which nothing may panic. For
/// `#[tokio::test]`, also beside other tests.
pub(crate) async fn run<T>(body: impl Future<Output = T>) -> T {
    record_panics();
    let before = tasks();
    let result = body.await;
    let gone = eventually(|| tasks() <= before).await;
    assert!(gone, "{} tasks are left, {before} before", tasks());
    check_panics();
    result
}

/// Runs a test on a runtime of its own while no other such test of this program runs. Afterwards
/// the process must hold what it held before, first with the runtime still there.
pub(crate) fn alone<T, F: Future<Output = T>>(
    runtime: impl FnOnce() -> Runtime,
    body: impl FnOnce() -> F,
) -> T {
    let _turn = turn();
    let outside = Process::now();
    let runtime = runtime();
    let result = runtime.block_on(async {
        let handle = Handle::current();
        if handle.runtime_flavor() == RuntimeFlavor::MultiThread {
            // Workers are threads by name only once they run.
            let workers = handle.metrics().num_workers();
            eventually(|| Process::now().runtime_threads >= workers).await;
        }
        let before = Process::now();
        let result = run(body()).await;
        eventually(|| Process::now() == before).await;
        assert_eq!(Process::now(), before, "the process holds more than before");
        result
    });
    runtime.shutdown_timeout(SETTLE);
    let after = Process::now();
    assert_eq!(after.udp_ports, outside.udp_ports);
    check_panics();
    result
}

/// Keeps other tests that count things away; for tests that make their runtime by hand.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    record_panics();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn multi_thread(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all();
    builder.build().unwrap()
}

async fn eventually(mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + SETTLE;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}

/// Remembers each panic with its thread, besides printing it.
pub(crate) fn record_panics() {
    // Not of the panics, but it must be there as early.
    super::log::install();
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("unnamed");
            let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            panics.push(format!("{name}: {info}"));
            drop(panics);
            print(info);
        }));
    });
}

/// Fails when a task of this test has panicked: on this thread, or on a runtime's worker.
pub(crate) fn check_panics() {
    let own = std::thread::current();
    let own = format!("{}: ", own.name().unwrap_or("unnamed"));
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    let mine: Vec<String> = panics
        .iter()
        .filter(|text| text.starts_with(&own) || text.starts_with("tokio-"))
        .cloned()
        .collect();
    drop(panics);
    assert!(mine.is_empty(), "panics: {mine:#?}");
}
