//! Every public future, stream and sink is dropped wherever it can be, and works when it is tried
//! again (row G3).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::leaks::{alone, current_thread};
use common::session::{End, PACKET, audio, join, joined};
use common::within;
use futures_util::{Sink, Stream};
use ortc::dtmf::DTMFMediaStreamTrack;
use ortc::july::RTCSocketOptions;
use ortc::{
    MediaStream, RTCConnectionEvent, RTCDataChannel, RTCDataChannelMessage, RTCDataChannelOptions,
    RTCSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What there is to be dropped, by file and name, and the test that does it.
const FUTURES: [(&str, &str); 22] = [
    ("connection/reaching.rs connected", "connection"),
    ("connection/ending.rs closed", "connection"),
    ("connection/core/event.rs next", "connection"),
    ("connection/receiving/stream_event.rs next", "connection"),
    ("july/socket.rs next", "connection"),
    ("media/stream.rs next_event", "media"),
    ("media/track.rs next_event", "media"),
    ("media/track.rs recv_rtp", "media"),
    ("media/track.rs recv_sample", "media"),
    ("media/track/tap.rs recv_sample", "media"),
    ("dtmf/track.rs next_event", "media"),
    ("data/channel.rs send", "channel"),
    ("data/channel.rs flush", "channel"),
    ("data/channel.rs recv", "channel"),
    ("data/channel.rs next_event", "channel"),
    ("data/channel.rs opened", "channel"),
    ("data/channel.rs closed", "channel"),
    ("data/views.rs Stream", "views"),
    ("data/views.rs Sink", "views"),
    ("data/views.rs AsyncRead", "views"),
    ("data/views.rs AsyncWrite", "views"),
    ("diagnose/run.rs diagnose", "diagnose"),
];

static TRIED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

fn public_futures(dir: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            public_futures(&path, into);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.to_string_lossy();
        let file = file.split_once("/src/").unwrap().1;
        for line in text.lines().map(str::trim_start) {
            let name = line.strip_prefix("pub async fn ").map(|rest| {
                let end = rest.find(['(', '<']).unwrap();
                &rest[..end]
            });
            let traits = ["Stream", "Sink", "AsyncRead", "AsyncWrite", "Future"];
            let implemented = traits.into_iter().find(|name| {
                let words = line.strip_prefix("impl").unwrap_or_default();
                [format!(" {name} for RTC"), format!(" {name}<M> for RTC")]
                    .iter()
                    .any(|wanted| words.contains(wanted))
            });
            let returned = line.starts_with("pub fn")
                && (line.contains("-> impl Future") || line.contains("-> impl Stream"));
            assert!(!returned, "{file}: {line}");
            if let Some(name) = name.or(implemented) {
                into.insert(format!("{file} {name}"));
            }
        }
    }
}

#[test]
fn r_g03_no_public_future_is_left_out() {
    let mut all = BTreeSet::new();
    public_futures(&common::root().join("src"), &mut all);
    let known: BTreeSet<_> = FUTURES.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(all, known);
}

/// That a test has tried all that the list says of it.
fn all_tried(test: &str) {
    let tried = TRIED.lock().unwrap();
    for (name, _) in FUTURES.iter().filter(|(_, by)| *by == test) {
        assert!(tried.contains(name), "{name} was not tried");
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Made<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Drops what `make` gives after each number of polls, then between being woken and being polled;
/// what `happens` says comes to whoever tries again.
async fn cancel<S, T>(
    name: &'static str,
    of: &mut S,
    make: impl for<'a> Fn(&'a mut S) -> Made<'a, T>,
    happens: impl FnOnce(),
) -> T {
    TRIED.lock().unwrap().insert(name);
    for polls in 0..4 {
        let mut future = make(of);
        for _ in 0..polls {
            let polled = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "{name}");
            tokio::task::yield_now().await;
        }
    }
    let woken = std::sync::Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    {
        let mut future = make(of);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "{name}");
        happens();
        within(10, async {
            while woken.0.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
    within(10, make(of)).await
}

#[test]
fn r_g03_connection() {
    alone(current_thread, || async {
        let (mut a, mut b) = (End::loopback(), End::loopback());
        let mut streams = a.connection.stream_events(None).unwrap();
        let mut connection = a.connection.clone();
        let up = cancel(
            "connection/reaching.rs connected",
            &mut connection,
            |connection| Box::pin(connection.connected()),
            || join(&mut a, &mut b),
        );
        up.await.unwrap();
        b.connected().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        while a.events.try_next().is_some() {}
        let closing = a.connection.clone();
        let next = cancel(
            "connection/core/event.rs next",
            &mut a.events,
            |events| Box::pin(events.next()),
            || closing.update().unwrap(),
        );
        assert!(next.await.is_some());
        let (sent, received) = audio(&b, &a);
        let write = || sent.write_sample(vec![1; 40], PACKET).unwrap();
        let next = cancel(
            "connection/receiving/stream_event.rs next",
            &mut streams,
            |streams| Box::pin(streams.next()),
            write,
        );
        assert!(next.await.is_some());
        drop(received);
        let closed = cancel(
            "connection/ending.rs closed",
            &mut connection,
            |connection| Box::pin(connection.closed()),
            || b.connection.close(),
        );
        assert_eq!(closed.await, ortc::DisconnectReason::RemoteClosed);

        let options = RTCSocketOptions::default().with_bind(([127, 0, 0, 1], 0).into());
        let (socket, mut events) = RTCSocket::with_servers([], options).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        while tokio::time::timeout(Duration::from_millis(20), events.next())
            .await
            .is_ok()
        {}
        let next = cancel(
            "july/socket.rs next",
            &mut events,
            |events| Box::pin(events.next()),
            || socket.close(),
        );
        assert!(next.await.is_none());
        all_tried("connection");
    });
}

#[test]
fn r_g03_media() {
    alone(current_thread, || async {
        let (a, b) = joined(End::loopback(), End::loopback()).await;
        let stream = MediaStream::new();
        let sent = stream.add_track(&ortc::MediaStreamTrack::audio());
        let digits = DTMFMediaStreamTrack::new();
        stream.add_track(&digits);
        a.connection.add_stream(&stream).unwrap();
        let description = a.connection.track(&sent).unwrap().description().unwrap();
        let mut received = b.connection.receive_track(description).unwrap();
        let mut heard = b.connection.dtmf_track(&received).unwrap();
        let write = || sent.write_sample(vec![1; 40], PACKET).unwrap();
        let first = cancel(
            "media/track.rs next_event",
            &mut received,
            |track| Box::pin(track.next_event()),
            write,
        );
        assert!(first.await.is_some());
        while within(5, received.recv_rtp()).await.is_none() {}
        let rtp = cancel(
            "media/track.rs recv_rtp",
            &mut received,
            |track| Box::pin(track.recv_rtp()),
            write,
        );
        assert!(rtp.await.is_some());
        let sample = cancel(
            "media/track.rs recv_sample",
            &mut received,
            |track| Box::pin(track.recv_sample()),
            write,
        );
        assert!(sample.await.is_some());
        let mut tap = received.tap().unwrap();
        let tapped = cancel(
            "media/track/tap.rs recv_sample",
            &mut tap,
            |tap| Box::pin(tap.recv_sample()),
            write,
        );
        assert!(tapped.await.is_some());
        let tone = cancel(
            "dtmf/track.rs next_event",
            &mut heard,
            |track| Box::pin(track.next_event()),
            || digits.play("1").unwrap(),
        );
        assert!(tone.await.is_some());
        let mut remote = b.connection.receiving_streams().remove(0);
        while tokio::time::timeout(Duration::from_millis(20), remote.next_event())
            .await
            .is_ok()
        {}
        let end = cancel(
            "media/stream.rs next_event",
            &mut remote,
            |stream| Box::pin(stream.next_event()),
            || a.connection.close(),
        );
        end.await;
        all_tried("media");
    });
}

fn write(
    bytes: &mut ortc::RTCDataChannelStream,
    context: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    Pin::new(bytes).poll_write(context, &[7; 60_000])
}

async fn channels(a: &End, b: &mut End) -> (RTCDataChannel, RTCDataChannel) {
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("", options).unwrap();
    within(10, here.opened()).await.unwrap();
    loop {
        if let Some(RTCConnectionEvent::DataChannel(there)) = within(10, b.events.next()).await {
            return (here, there);
        }
    }
}

/// Fills the buffer and the peer's window.
async fn fill(channel: &RTCDataChannel) {
    let patience = Duration::from_millis(200);
    while tokio::time::timeout(patience, channel.send(vec![0; 60_000]))
        .await
        .is_ok()
    {}
    while channel.try_send(vec![0; 60_000]).is_ok() {}
}

fn read_all(channel: &RTCDataChannel) {
    let channel = channel.clone();
    tokio::spawn(async move { while channel.recv().await.is_some() {} });
}

#[test]
fn r_g03_channel() {
    alone(current_thread, || async {
        let (a, mut b) = joined(End::loopback(), End::loopback()).await;
        let (mut here, mut there) = channels(&a, &mut b).await;
        let from = here.clone();
        let message = cancel(
            "data/channel.rs recv",
            &mut there,
            |channel| Box::pin(channel.recv()),
            || from.try_send("one").unwrap(),
        );
        assert_eq!(message.await.unwrap(), "one".into());
        let options = RTCDataChannelOptions::default();
        let mut opening = a.connection.create_data_channel("", options).unwrap();
        // Its task has not run yet; polls let it, so that they may be answered at once.
        let opened = within(10, opening.opened());
        opened.await.unwrap();
        while within(5, opening.next_event()).await.is_none() {}
        let mut fresh = End::loopback();
        let mut other = End::loopback();
        let options = RTCDataChannelOptions::default();
        let mut waiting = fresh.connection.create_data_channel("", options).unwrap();
        let opened = cancel(
            "data/channel.rs opened",
            &mut waiting,
            |channel| Box::pin(channel.opened()),
            || join(&mut fresh, &mut other),
        );
        opened.await.unwrap();

        let reader = there.clone();
        fill(&here).await;
        let sent = cancel(
            "data/channel.rs send",
            &mut here,
            |channel| Box::pin(channel.send(vec![1; 250_000])),
            || read_all(&reader),
        );
        sent.await.unwrap();
        within(20, here.flush()).await.unwrap();
        // The other way round, so that nobody reads.
        let reader = here.clone();
        fill(&there).await;
        let flushed = cancel(
            "data/channel.rs flush",
            &mut there,
            |channel| Box::pin(channel.flush()),
            || read_all(&reader),
        );
        flushed.await.unwrap();
        let closing = opening.clone();
        let event = cancel(
            "data/channel.rs next_event",
            &mut opening,
            |channel| Box::pin(channel.next_event()),
            || closing.close(),
        );
        event.await;
        let closed = cancel(
            "data/channel.rs closed",
            &mut here,
            |channel| Box::pin(channel.closed()),
            || a.connection.close(),
        );
        closed.await;
        all_tried("channel");
    });
}

#[test]
fn r_g03_views() {
    alone(current_thread, || async {
        let (a, mut b) = joined(End::loopback(), End::loopback()).await;
        let (here, there) = channels(&a, &mut b).await;
        let (from, reader) = (here.clone(), here.clone());
        let mut messages = there.into_messages();
        let next = cancel(
            "data/views.rs Stream",
            &mut messages,
            |messages| {
                Box::pin(std::future::poll_fn(|context| {
                    Pin::new(&mut *messages).poll_next(context)
                }))
            },
            || from.try_send("one").unwrap(),
        );
        assert_eq!(next.await.unwrap(), "one".into());
        fill(messages.channel()).await;
        Sink::<RTCDataChannelMessage>::start_send(Pin::new(&mut messages), vec![1; 250_000].into())
            .unwrap();
        let flushed = cancel(
            "data/views.rs Sink",
            &mut messages,
            |messages| {
                Box::pin(std::future::poll_fn(|context| {
                    Sink::<RTCDataChannelMessage>::poll_flush(Pin::new(&mut *messages), context)
                }))
            },
            || read_all(&reader),
        );
        flushed.await.unwrap();

        let (here, there) = channels(&a, &mut b).await;
        let (from, reader) = (here.clone(), here.clone());
        let mut bytes = there.into_bytes_stream();
        let read = cancel(
            "data/views.rs AsyncRead",
            &mut bytes,
            |bytes| {
                Box::pin(std::future::poll_fn(|context| {
                    let mut room = [0; 2];
                    let mut room = ReadBuf::new(&mut room);
                    let polled = Pin::new(&mut *bytes).poll_read(context, &mut room);
                    polled.map(|done| done.map(|()| room.filled().to_vec()))
                }))
            },
            || from.try_send("one").unwrap(),
        );
        assert_eq!(read.await.unwrap(), b"on");
        // Writes until no more is taken: what was taken is sent once.
        let mut taken = 0;
        for _ in 0..200 {
            let mut context = Context::from_waker(Waker::noop());
            while let Poll::Ready(written) = write(&mut bytes, &mut context) {
                taken += written.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let got = std::sync::Arc::new(AtomicUsize::new(0));
        let count = got.clone();
        let written = cancel(
            "data/views.rs AsyncWrite",
            &mut bytes,
            |bytes| Box::pin(std::future::poll_fn(|context| write(&mut *bytes, context))),
            || {
                tokio::spawn(async move {
                    while let Some(message) = reader.recv().await {
                        count.fetch_add(message.into_bytes().len(), Ordering::Relaxed);
                    }
                });
            },
        );
        taken += written.await.unwrap();
        let flush = std::future::poll_fn(|context| Pin::new(&mut bytes).poll_flush(context));
        within(20, flush).await.unwrap();
        let shut = std::future::poll_fn(|context| Pin::new(&mut bytes).poll_shutdown(context));
        within(20, shut).await.unwrap();
        within(20, here.closed()).await;
        within(20, async {
            while got.load(Ordering::Relaxed) < taken {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(got.load(Ordering::Relaxed), taken);
        all_tried("views");
    });
}

#[test]
fn r_g03_diagnose() {
    use ortc::diagnose::{DiagnoseOptions, diagnose};
    alone(current_thread, || async {
        // A STUN server that answers, once it may: with the address that asked.
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let url = format!("stun:{}", socket.local_addr().unwrap());
        let answers = std::sync::Arc::new(tokio::sync::Notify::new());
        let may = answers.clone();
        let server = tokio::spawn(async move {
            may.notified().await;
            let mut buffer = [0; 2_048];
            loop {
                let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
                let std::net::SocketAddr::V4(v4) = from else {
                    continue;
                };
                let mut answer = vec![1, 1, 0, 12];
                answer.extend(&buffer[4..20]);
                // RFC 8489 section 14.1: MAPPED-ADDRESS.
                answer.extend([0, 1, 0, 8, 0, 1]);
                answer.extend(v4.port().to_be_bytes());
                answer.extend(v4.ip().octets());
                let _ = socket.send_to(&answer, from).await;
            }
        });
        let options = DiagnoseOptions::default()
            .bind(([127, 0, 0, 1], 0).into())
            .include_loopback(true);
        let mut asked = (url, options);
        let diagnosed = cancel(
            "diagnose/run.rs diagnose",
            &mut asked,
            |(url, options)| {
                let servers = [ortc::RTCIceServer::new(url.clone())];
                Box::pin(diagnose(servers, options.clone()))
            },
            || answers.notify_one(),
        );
        let diagnosed = diagnosed.await.unwrap();
        assert!(diagnosed.calls_will_work, "{diagnosed}");
        server.abort();
        all_tried("diagnose");
    });
}
