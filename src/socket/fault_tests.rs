//! Tasks that end before their time, and foreign code that panics, blocks or comes back (rows G8
//! and G9): what they did ends with a cause, and nobody waits for ever.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::tasks::{Task, faults};
use crate::{
    DTMFMediaStreamTrack, DisconnectReason, Error, MediaStream, MediaStreamTrack, RTCConnection,
    RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions, RTCConnectionState,
    RTCDataChannel, RTCDataChannelOptions, RTCIceServer, RTCSocket,
};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> RTCConnectionOptions {
    RTCConnectionOptions::default().bind(([127, 0, 0, 1], 0).into())
}

struct End {
    connection: RTCConnection,
    events: RTCConnectionEvents,
}

impl End {
    fn new(options: RTCConnectionOptions) -> Self {
        let (connection, events) = RTCConnection::new(options).unwrap();
        Self { connection, events }
    }

    fn introduce_to(&mut self, other: &Self) {
        let side = self.connection.local();
        other.connection.set_remote(side).unwrap();
        while let Some(event) = self.events.try_next() {
            if let RTCConnectionEvent::Candidate(candidate) = event {
                other.connection.set_remote_candidate(&candidate).unwrap();
            }
        }
    }
}

/// Within a second, and what a machine that is busy adds.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(5 * SECOND, future).await.expect("it is late")
}

async fn connected(mut a: End, mut b: End) -> (End, End) {
    a.introduce_to(&b);
    b.introduce_to(&a);
    a.connection.connect().unwrap();
    b.connection.connect().unwrap();
    for end in [&a, &b] {
        let up = timeout(10 * SECOND, end.connection.connected());
        up.await.unwrap().unwrap();
    }
    (a, b)
}

async fn pair() -> (End, End) {
    connected(End::new(options()), End::new(options())).await
}

/// A channel of `a`, and what `b` has of it.
async fn channel(a: &End, b: &mut End) -> (RTCDataChannel, RTCDataChannel) {
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("test", options).unwrap();
    timeout(10 * SECOND, here.opened()).await.unwrap().unwrap();
    let there = timeout(10 * SECOND, async {
        loop {
            if let Some(RTCConnectionEvent::DataChannel(there)) = b.events.next().await {
                return there;
            }
        }
    });
    (here, there.await.unwrap())
}

/// Reads the events to their end, which comes soon, and gives the last.
async fn last_event(events: &mut RTCConnectionEvents) -> Option<RTCConnectionEvent> {
    let mut last = None;
    while let Some(event) = soon(events.next()).await {
        last = Some(event);
    }
    last
}

/// That of an audio track which `a` sends, as `b` receives it, and the digits beside it.
fn audio(a: &End, b: &End) -> (MediaStreamTrack, MediaStreamTrack, DTMFMediaStreamTrack) {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    let digits = DTMFMediaStreamTrack::new();
    stream.add_track(&digits);
    a.connection.add_stream(&stream).unwrap();
    let description = a.connection.track(&track).unwrap().description().unwrap();
    let received = b.connection.receive_track(description).unwrap();
    (track, received, digits)
}

type Waiting = (&'static str, Pin<Box<dyn Future<Output = bool> + Send>>);

/// One of each future of a connection that can be waiting; each says whether it ended as it should.
fn everything_waits(
    end: &End,
    (here, there): &(RTCDataChannel, RTCDataChannel),
    received: &MediaStreamTrack,
    reason: DisconnectReason,
) -> Vec<Waiting> {
    let (connection, channel) = (end.connection.clone(), here.clone());
    let (rtp, sample, track) = (received.clone(), received.clone(), received.clone());
    let (first, second, third) = (there.clone(), there.clone(), there.clone());
    let (full, flushed, closed) = (here.clone(), here.clone(), connection.clone());
    let (mut streams, opening) = (
        connection.stream_events(None).unwrap(),
        connection
            .create_data_channel("new", RTCDataChannelOptions::default())
            .unwrap(),
    );
    vec![
        (
            "closed",
            Box::pin(async move { closed.closed().await == reason }),
        ),
        (
            "streams",
            Box::pin(async move {
                while streams.next().await.is_some() {}
                true
            }),
        ),
        (
            "opened",
            Box::pin(async move {
                let _ = opening.opened().await;
                true
            }),
        ),
        (
            "recv",
            Box::pin(async move { first.recv().await.is_none() }),
        ),
        (
            "channel closed",
            Box::pin(async move {
                second.closed().await;
                true
            }),
        ),
        (
            "channel events",
            Box::pin(async move {
                while third.next_event().await.is_some() {}
                true
            }),
        ),
        (
            "send",
            Box::pin(async move {
                let all = async { while full.send(vec![0; 60_000]).await.is_ok() {} };
                all.await;
                true
            }),
        ),
        (
            "flush",
            Box::pin(async move {
                let _ = flushed.flush().await;
                true
            }),
        ),
        (
            "own events",
            Box::pin(async move {
                while channel.next_event().await.is_some() {}
                true
            }),
        ),
        (
            "rtp",
            Box::pin(async move { rtp.recv_rtp().await.is_none() }),
        ),
        (
            "sample",
            Box::pin(async move { sample.recv_sample().await.is_none() }),
        ),
        (
            "track events",
            Box::pin(async move {
                while track.next_event().await.is_some() {}
                true
            }),
        ),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Abort,
    Panic,
}

impl Fault {
    fn strike(self, task: Task) {
        assert!(faults::running(task) > 0, "{task:?} does not run");
        match self {
            Self::Abort => faults::abort(task),
            Self::Panic => faults::panic(task),
        }
    }

    fn reason(self) -> DisconnectReason {
        match self {
            Self::Abort => DisconnectReason::RuntimeShutdown,
            Self::Panic => DisconnectReason::Internal,
        }
    }
}

const FAULTS: [Fault; 2] = [Fault::Abort, Fault::Panic];

/// Every verb says why it does nothing.
fn verbs_are_refused(connection: &RTCConnection, socket: &RTCSocket, reason: DisconnectReason) {
    let closed = || Error::Closed(reason);
    assert_eq!(connection.state(), RTCConnectionState::Closed);
    assert_eq!(connection.connect(), Err(closed()));
    assert_eq!(connection.restart(), Err(closed()));
    assert_eq!(connection.update(), Err(closed()));
    assert_eq!(connection.add_stream(&MediaStream::new()), Err(closed()));
    let made = connection.create_data_channel("", RTCDataChannelOptions::default());
    assert_eq!(made.map(drop), Err(closed()));
    connection.stats();
    connection.close();
    // The socket, too, is there to be asked and no longer to be used.
    socket.description();
    let again = RTCConnection::new(RTCConnectionOptions::default().socket(socket.clone()));
    assert_eq!(
        again.map(drop),
        Err(Error::invalid_state("the socket is closed"))
    );
    let leg = connection.add_socket(socket).map(|_| ());
    assert!(leg.is_ok() || leg == Err(closed()), "{leg:?}");
    socket.close();
}

#[tokio::test]
async fn r_g09_connections_end_with_the_task_of_their_socket() {
    for fault in FAULTS {
        faults::calm();
        let (mut a, mut b) = pair().await;
        let (here, there) = channel(&a, &mut b).await;
        let (_, received, digits) = audio(&b, &a);
        digits.play("0123456789").unwrap();
        let sent = audio(&a, &b).0;
        // The peer reads nothing, so that its window closes.
        while timeout(SECOND / 4, here.send(vec![0; 60_000]))
            .await
            .is_ok()
        {}
        let reason = fault.reason();
        let channels = (here.clone(), there);
        let waiting = everything_waits(&a, &(here.clone(), here.clone()), &received, reason);
        drop(channels);
        let mut tasks = Vec::new();
        for (name, future) in waiting {
            tasks.push((name, tokio::spawn(future)));
        }
        tokio::task::yield_now().await;
        let socket = a.connection.local_socket();
        let begin = Instant::now();
        fault.strike(Task::Socket);
        for (name, task) in tasks {
            let ended = timeout(5 * SECOND, task).await;
            assert!(
                ended.unwrap_or_else(|_| panic!("{name} hangs")).unwrap(),
                "{name}"
            );
        }
        println!("{fault:?}: all over after {:?}", begin.elapsed());
        assert_eq!(soon(b.connection.closed()).await, reason);
        for end in [&mut a, &mut b] {
            let told = Some(RTCConnectionEvent::Disconnected { reason });
            assert_eq!(last_event(&mut end.events).await, told);
        }
        verbs_are_refused(&a.connection, &socket, reason);
        assert!(here.try_send("x").is_err());
        let _ = sent.write_sample(vec![1; 40], SECOND / 50);
        assert_eq!(faults::running(Task::Socket), 0);
    }
}

/// In every state, also where nothing was sent yet.
#[tokio::test]
async fn r_g09_in_any_state_there_is_an_end_with_a_cause() {
    for fault in FAULTS {
        for stage in 0..5 {
            faults::calm();
            let (mut a, mut b) = (End::new(options()), End::new(options()));
            if stage > 1 {
                a.introduce_to(&b);
                b.introduce_to(&a);
                a.connection.connect().unwrap();
            }
            if stage > 2 {
                b.connection.connect().unwrap();
            }
            if stage > 3 {
                a.connection.connected().await.unwrap();
            } else if stage > 0 {
                tokio::task::yield_now().await;
            }
            let connection = a.connection.clone();
            let waiting = tokio::spawn(async move { connection.connected().await });
            tokio::task::yield_now().await;
            fault.strike(Task::Socket);
            let reason = fault.reason();
            assert_eq!(soon(a.connection.closed()).await, reason, "{stage}");
            let waited = soon(waiting).await.unwrap();
            assert!(
                stage > 3 || waited == Err(Error::Closed(reason)),
                "{waited:?}"
            );
            let told = Some(RTCConnectionEvent::Disconnected { reason });
            assert_eq!(last_event(&mut a.events).await, told);
            let late = a.connection.connected().await;
            assert_eq!(late, Err(Error::Closed(reason)));
        }
    }
}

/// Gathering that waits for a name ends although nobody answers any more.
#[tokio::test]
async fn r_g09_a_lookup_that_dies_is_a_server_without_address() {
    for task in [Task::ServerName, Task::Resolver] {
        for fault in FAULTS {
            faults::calm();
            let server = RTCIceServer::new("stun:server.invalid");
            let mut end = End::new(options().ice_servers([server]));
            while faults::running(task) == 0 {
                tokio::task::yield_now().await;
            }
            fault.strike(task);
            let mut errors = 0;
            loop {
                match soon(end.events.next()).await.unwrap() {
                    RTCConnectionEvent::IceServerError(_) => errors += 1,
                    RTCConnectionEvent::EndOfCandidates => break,
                    _ => {}
                }
            }
            assert_eq!(errors, 1, "{task:?} {fault:?}");
            assert_eq!(end.connection.state(), RTCConnectionState::New);
        }
    }
}

/// Names of the peer's that nobody looks up any more make room for others, and harm nothing.
#[tokio::test]
async fn r_g09_a_lookup_for_the_peer_that_dies_is_a_candidate_less() {
    for task in [Task::PeerName, Task::Resolver] {
        for fault in FAULTS {
            faults::calm();
            let (a, b) = (End::new(options()), End::new(options()));
            for n in 0..100 {
                let line = format!("candidate:1 1 udp 99 {n}.local 9 typ host");
                let candidate = line.parse().unwrap();
                a.connection.set_remote_candidate(&candidate).unwrap();
            }
            while faults::running(task) == 0 {
                tokio::task::yield_now().await;
            }
            let waiting = a.connection.shared().lock().remote_names;
            assert!(waiting > 0);
            // Those that wait for their turn take it when others are gone.
            soon(async {
                while a.connection.shared().lock().remote_names > 0 {
                    if faults::running(task) > 0 {
                        fault.strike(task);
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
            assert_eq!(a.connection.shared().lock().ignored_candidates, 100);
            connected(a, b).await;
        }
    }
}

/// Tasks begin in one place, where the tests above can end them.
#[test]
fn r_g09_every_task_of_the_crate_can_be_struck() {
    fn sources(dir: &std::path::Path, into: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                into.push(path);
            }
        }
    }
    let mut all = Vec::new();
    sources(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut all,
    );
    for path in all {
        let name = path.to_string_lossy();
        if name.ends_with("src/tasks.rs") || name.contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\n#[allow").next().unwrap();
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let begins = [
                "spawn(",
                "spawn_blocking(",
                "spawn_local(",
                "thread::Builder",
            ]
            .iter()
            .any(|call| line.contains(call));
            let ours = ["tasks::spawn(", "driver::spawn(", "fn spawn("];
            let known = ours.iter().any(|call| line.contains(call));
            assert!(!begins || known, "{name}: {line}");
        }
    }
}

// ---- row G8 -----------------------------------------------------------------------------------

/// What the application's code does when it is called.
struct Foreign(Box<dyn Fn() + Send + Sync>);

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(does: impl Fn() + Send + Sync + 'static) -> Waker {
    Arc::new(Foreign(Box::new(does))).into()
}

/// Polls each of them once; they stay where they are.
fn leave_waiting(waiting: &mut [Waiting], waker: &Waker) {
    for (name, future) in waiting {
        // Some have something to read already, or room to send into.
        let ready = future.as_mut().poll(&mut Context::from_waker(waker));
        assert!(ready.is_pending(), "{name}");
    }
}

/// Messages go there and are read, both ways.
async fn carries(one: &RTCDataChannel, other: &RTCDataChannel) {
    for (from, to) in [(one, other), (other, one)] {
        soon(from.send("works")).await.unwrap();
        assert_eq!(soon(to.recv()).await.unwrap(), "works".into());
    }
}

#[tokio::test]
async fn r_g08_wakers_that_panic_or_come_back() {
    let (mut a, mut b) = pair().await;
    let (here, there) = channel(&a, &mut b).await;
    let (_, received, _) = audio(&b, &a);
    let reason = DisconnectReason::RemoteClosed;
    let mut waiting = everything_waits(&a, &(here.clone(), here.clone()), &received, reason);
    // Senders fill the buffer first; that is not what this is about.
    waiting.retain(|(name, _)| !["send", "flush"].contains(name));
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    leave_waiting(
        &mut waiting,
        &waker(move || {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }),
    );
    let mut again = everything_waits(&a, &(here.clone(), here.clone()), &received, reason);
    again.retain(|(name, _)| !["send", "flush"].contains(name));
    let (count, connection, channel) = (woken.clone(), a.connection.clone(), here.clone());
    leave_waiting(
        &mut again,
        &waker(move || {
            // Verbs of everything that may be locked.
            count.fetch_add(1, Ordering::Relaxed);
            connection.stats();
            connection.state();
            connection.local();
            let _ = connection.update();
            let _ = connection.create_data_channel("", RTCDataChannelOptions::default());
            channel.buffered_amount();
            channel.try_recv();
            let _ = channel.try_send("from inside");
            connection.local_socket().description();
            connection.ice_role();
        }),
    );
    // Tasks like any other wait beside them.
    let normal = everything_waits(&a, &(here.clone(), here.clone()), &received, reason);
    let tasks: Vec<_> = normal
        .into_iter()
        .map(|(name, future)| (name, tokio::spawn(future)))
        .collect();
    tokio::task::yield_now().await;
    let bystanders = {
        let socket = a.connection.local_socket();
        let options = RTCConnectionOptions::default().socket(socket);
        let (c, mut d) = connected(End::new(options), End::new(self::options())).await;
        let channels = self::channel(&c, &mut d).await;
        (c, d, channels)
    };
    b.connection.close();
    assert_eq!(soon(a.connection.closed()).await, reason);
    for (name, task) in tasks {
        let ended = timeout(5 * SECOND, task).await;
        assert!(
            ended.unwrap_or_else(|_| panic!("{name} hangs")).unwrap(),
            "{name}"
        );
    }
    assert!(woken.load(Ordering::Relaxed) >= waiting.len() + again.len());
    let told = Some(RTCConnectionEvent::Disconnected { reason });
    assert_eq!(last_event(&mut a.events).await, told);
    drop(there);
    let (one, other) = &bystanders.2;
    carries(one, other).await;
}

/// Row G1, from inside what stands for a callback: at each event in turn.
#[tokio::test]
async fn r_g01_closed_from_inside_a_waker() {
    for at_event in 0..40 {
        let (mut a, mut b) = (End::new(options()), End::new(options()));
        a.introduce_to(&b);
        b.introduce_to(&a);
        a.connection.connect().unwrap();
        b.connection.connect().unwrap();
        for _ in 0..at_event {
            soon(a.events.next()).await.unwrap();
        }
        let (woken, connection) = (Arc::new(AtomicUsize::new(0)), a.connection.clone());
        let count = woken.clone();
        let closes = waker(move || {
            count.fetch_add(1, Ordering::Relaxed);
            connection.close();
            connection.close();
            connection.local_socket().close();
        });
        let polled = Box::pin(a.events.next())
            .as_mut()
            .poll(&mut Context::from_waker(&closes));
        if matches!(polled, Poll::Ready(Some(RTCConnectionEvent::Connected))) {
            return;
        }
        if polled.is_ready() {
            continue;
        }
        // Kept waiting until something happens.
        let mut next = Box::pin(a.events.next());
        let again = next.as_mut().poll(&mut Context::from_waker(&closes));
        assert!(again.is_pending());
        let reason = soon(a.connection.closed()).await;
        assert_eq!(reason, DisconnectReason::Closed);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        drop(next);
        let told = Some(RTCConnectionEvent::Disconnected { reason });
        assert_eq!(last_event(&mut a.events).await, told);
    }
    panic!("it never connected");
}

/// The task of its socket is held up, and those of others are not; afterwards it goes on.
#[test]
fn r_g08_a_waker_that_blocks_holds_up_its_own_socket() {
    let full = std::env::var_os("ORTC_SOAK").is_some();
    let block = if full { 10 * SECOND } else { 2 * SECOND };
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let blocking = Arc::new(AtomicUsize::new(0));
    let (seen, called) = (blocking.clone(), blocking.clone());
    let blocked = std::thread::spawn(move || {
        runtime().block_on(async {
            let (a, mut b) = pair().await;
            let (here, there) = channel(&a, &mut b).await;
            let blocker = waker(move || {
                seen.store(1, Ordering::Release);
                std::thread::sleep(block);
                seen.store(2, Ordering::Release);
            });
            let mut reading = Box::pin(here.recv());
            let polled = reading.as_mut().poll(&mut Context::from_waker(&blocker));
            assert!(polled.is_pending());
            there.send("blocks").await.unwrap();
            // Polled again only when it was woken, or this task would be woken instead.
            while called.load(Ordering::Acquire) == 0 {
                tokio::time::sleep(SECOND / 1_000).await;
            }
            let read = timeout(block + 5 * SECOND, reading).await.unwrap();
            assert_eq!(read.unwrap(), "blocks".into());
            carries(&here, &there).await;
        });
    });
    runtime().block_on(async {
        let (c, mut d) = pair().await;
        let (one, other) = channel(&c, &mut d).await;
        let begun = async {
            while blocking.load(Ordering::Acquire) == 0 {
                tokio::time::sleep(SECOND / 100).await;
            }
        };
        timeout(10 * SECOND, begun).await.unwrap();
        let mut rounds = 0;
        while blocking.load(Ordering::Acquire) == 1 {
            carries(&one, &other).await;
            rounds += 1;
        }
        println!("{rounds} rounds in the {block:?} of another's waker");
        assert!(rounds >= 3, "{rounds}");
    });
    blocked.join().unwrap();
}

/// A buffer with a destructor of the application's.
struct Buffer(Vec<u8>, Box<dyn Fn() + Send + Sync>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        (self.1)();
    }
}

/// They run where the last bit of a message is acknowledged, in the middle of everything.
#[tokio::test]
async fn r_g08_destructors_of_buffers_that_panic_or_come_back() {
    for comes_back in [false, true] {
        let (a, mut b) = pair().await;
        let (here, there) = channel(&a, &mut b).await;
        let socket = a.connection.local_socket();
        let shared = RTCConnectionOptions::default().socket(socket);
        let (c, mut d) = connected(End::new(shared), End::new(options())).await;
        let (one, other) = channel(&c, &mut d).await;
        let connection = a.connection.clone();
        let does = move || {
            if comes_back {
                connection.stats();
            } else {
                panic!("on purpose");
            }
        };
        let buffer = bytes::Bytes::from_owner(Buffer(vec![1; 50_000], Box::new(does)));
        let sending = here.clone();
        let sent = tokio::spawn(async move { sending.send(buffer).await });
        let sent = soon(sent).await;
        carries(&one, &other).await;
        // Who sends may get the panic, or the connection ends, and nothing hangs.
        let read = soon(there.recv()).await;
        println!("comes back {comes_back}: {sent:?}, read {}", read.is_some());
        carries(&one, &other).await;
        if a.connection.state() == RTCConnectionState::Closed {
            assert_eq!(a.connection.closed().await, DisconnectReason::Internal);
            assert!(soon(here.recv()).await.is_none());
        } else {
            carries(&here, &there).await;
        }
        assert!(c.connection.state() == RTCConnectionState::Connected);
    }
}

/// Does something at each line of this crate's log.
struct Log(Box<dyn Fn() + Send + Sync>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("ortc")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        (self.0)();
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn r_g08_logs_that_panic_or_come_back() {
    for comes_back in [false, true] {
        let (a, mut b) = pair().await;
        let (here, there) = channel(&a, &mut b).await;
        let connection = a.connection.clone();
        let lines = Arc::new(AtomicUsize::new(0));
        let count = lines.clone();
        let log = Log(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            if comes_back {
                connection.stats();
            } else {
                panic!("on purpose");
            }
        }));
        let guard = tracing::subscriber::set_default(log);
        // Logged with the connection locked.
        let tcp = "candidate:1 1 tcp 99 192.0.2.1 9 typ host tcptype active";
        let tcp = tcp.parse().unwrap();
        let verb = std::panic::AssertUnwindSafe(|| a.connection.set_remote_candidate(&tcp));
        assert!(std::panic::catch_unwind(verb).is_err());
        assert_eq!(lines.load(Ordering::Relaxed), 1);
        drop(guard);
        // The verb was the application's, and so is the panic; the connection is as it was.
        carries(&here, &there).await;
    }
}
