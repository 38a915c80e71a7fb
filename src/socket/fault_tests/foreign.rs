//! The application's wakers, destructors and subscribers, where this crate runs them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::time::timeout;

use super::support::{
    self, End, SECOND, Waiting, audio, channel, connected, everything_waits, last_event, options,
    pair, soon,
};
use crate::{
    DisconnectReason, RTCConnectionEvent, RTCConnectionOptions, RTCConnectionState, RTCDataChannel,
    RTCDataChannelOptions,
};

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
        let (c, mut d) = connected(End::new(options), End::new(support::options())).await;
        let channels = support::channel(&c, &mut d).await;
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
        let ran = Arc::new(AtomicBool::new(false));
        let runs = ran.clone();
        let does = move || {
            runs.store(true, Ordering::Release);
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
        let has_run = async {
            while !ran.load(Ordering::Acquire) {
                tokio::time::sleep(SECOND / 100).await;
            }
        };
        soon(has_run).await;
        // It ends just after, if it does.
        match timeout(SECOND, a.connection.closed()).await {
            Ok(reason) => {
                assert_eq!(reason, DisconnectReason::Internal);
                assert!(soon(here.recv()).await.is_none());
            }
            Err(_) => carries(&here, &there).await,
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
