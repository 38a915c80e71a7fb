//! Whoever waits for something learns when it cannot come, wherever he waits.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::common::leaks::{current_thread, multi_thread};
use crate::common::session::{End, audio, joined};
use crate::common::within;
use futures_util::StreamExt;
use ortc::dtmf::DTMFMediaStreamTrack;
use ortc::rtp::RtpPacket;
use ortc::{
    DisconnectReason, Error, MediaStream, MediaStreamTrack, RTCConnection, RTCDataChannelOptions,
};
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// An executor that is none of tokio's.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park_timeout(Duration::from_secs(5));
    }
}

fn packet(sequence: u16) -> RtpPacket {
    RtpPacket {
        payload_type: 111,
        sequence_number: sequence,
        timestamp: u32::from(sequence) * 960,
        payload: vec![1, 2, 3].into(),
        ..RtpPacket::default()
    }
}

/// The second packet is missing: what waits for it does so by a timer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_can_be_read_where_there_is_no_runtime() {
    let (a, b) = within(10, joined(End::loopback(), End::loopback())).await;
    let (sent, received) = audio(&a, &b);
    for sequence in [1, 3] {
        sent.write_rtp(&packet(sequence)).unwrap();
    }
    let read = thread::spawn(move || {
        block_on(async {
            (
                received.recv_sample().await.is_some(),
                received.recv_sample().await.is_some(),
            )
        })
    });
    let read = within(10, tokio::task::spawn_blocking(move || read.join()))
        .await
        .unwrap();
    assert_eq!(read.unwrap(), (true, true));
}

/// Each by a task of its own, with what it is and what it ended with.
struct Waits {
    runtime: Runtime,
    tasks: Vec<(&'static str, JoinHandle<String>)>,
}

impl Waits {
    fn begin<T: Debug>(
        &mut self,
        name: &'static str,
        future: impl Future<Output = T> + Send + 'static,
    ) {
        let task = self
            .runtime
            .spawn(async move { format!("{:?}", future.await) });
        self.tasks.push((name, task));
    }

    /// What a channel and what is received end with.
    fn views(&mut self, a: &RTCConnection, b: &RTCConnection) {
        let channel = || {
            let options = RTCDataChannelOptions::default();
            a.create_data_channel("never used", options).unwrap()
        };
        let never = channel();
        self.begin("channel: closed", async move { never.closed().await });
        let never = channel();
        self.begin("channel: event", async move {
            while never.next_event().await.is_some() {}
        });
        let never = channel();
        self.begin("channel: recv", async move { never.recv().await });
        let never = channel();
        self.begin("channel: messages", async move {
            never.into_messages().next().await
        });
        let mut never = channel().into_bytes_stream();
        self.begin("channel: bytes", async move {
            never.read(&mut [0]).await.map_err(|error| error.kind())
        });

        let stream = MediaStream::new();
        let track = stream.add_track(&MediaStreamTrack::audio());
        stream.add_track(&DTMFMediaStreamTrack::new());
        b.add_stream(&stream).unwrap();
        let description = b.track(&track).unwrap().description().unwrap();
        let received = a.receive_track(description).unwrap();
        let stream = a.receiving_streams().remove(0);
        let digits = stream.dtmf_tracks().remove(0);
        let track = received.clone();
        self.begin("track: RTP", async move {
            while track.recv_rtp().await.is_some() {}
        });
        let track = received.clone();
        self.begin("track: sample", async move {
            while track.recv_sample().await.is_some() {}
        });
        self.begin("track: event", async move {
            while received.next_event().await.is_some() {}
        });
        self.begin("stream: event", async move {
            while stream.next_event().await.is_some() {}
        });
        self.begin("digits: event", async move {
            while digits.next_event().await.is_some() {}
            while MediaStreamTrack::next_event(&digits).await.is_some() {}
        });
        let mut events = a.stream_events(None).unwrap();
        self.begin("stream events", async move {
            while events.next().await.is_some() {}
        });
    }

    /// What one ends with that has been waited for.
    fn all(self, context: &str) -> Vec<(&'static str, String)> {
        let ended = async {
            let mut all = Vec::new();
            for (name, task) in self.tasks {
                println!("{context}: {name}");
                all.push((name, within(5, task).await.unwrap()));
            }
            all
        };
        self.runtime.block_on(ended)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Close,
    PeerCloses,
    SocketCloses,
    RuntimeEnds,
    DropAll,
}

const WAYS: [Way; 5] = [
    Way::Close,
    Way::PeerCloses,
    Way::SocketCloses,
    Way::RuntimeEnds,
    Way::DropAll,
];

impl Way {
    fn reason(self) -> DisconnectReason {
        match self {
            Way::Close | Way::DropAll => DisconnectReason::Closed,
            Way::PeerCloses => DisconnectReason::RemoteClosed,
            Way::SocketCloses => DisconnectReason::SocketClosed,
            Way::RuntimeEnds => DisconnectReason::RuntimeShutdown,
        }
    }
}

/// All that can be awaited ends with the connection, however that ends, whether or not it has ever
/// been connected.
#[test]
fn r_g03_whatever_is_awaited_ends_with_the_connection() {
    for (way, is_connected) in WAYS.into_iter().flat_map(|way| [(way, true), (way, false)]) {
        if (way, is_connected) == (Way::PeerCloses, false) {
            continue;
        }
        let carries = multi_thread(1);
        let (a, b) = carries.block_on(async {
            match is_connected {
                true => joined(End::loopback(), End::loopback()).await,
                false => (End::loopback(), End::loopback()),
            }
        });
        let mut waits = Waits {
            runtime: current_thread(),
            tasks: Vec::new(),
        };
        waits.views(&a.connection, &b.connection);
        let End {
            connection,
            mut events,
        } = a;
        waits.begin(
            "events",
            async move { while events.next().await.is_some() {} },
        );
        if way != Way::DropAll {
            let own = connection.clone();
            waits.begin("closed", async move { own.closed().await });
        }
        if way != Way::DropAll && !is_connected {
            let own = connection.clone();
            waits.begin("connected", async move { own.connected().await });
            let options = RTCDataChannelOptions::default();
            let never = connection.create_data_channel("", options).unwrap();
            waits.begin("channel: opened", async move {
                let opened = never.opened().await.is_ok();
                (opened, never.send("x").await.is_ok())
            });
        }
        // So that each waits by now.
        waits.runtime.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        match way {
            Way::Close => connection.close(),
            Way::PeerCloses => b.connection.close(),
            Way::SocketCloses => connection.local_socket().close(),
            Way::RuntimeEnds => carries.shutdown_timeout(Duration::from_secs(5)),
            Way::DropAll => drop(connection),
        }
        for (name, end) in waits.all(&format!("{way:?}, connected {is_connected}")) {
            let reason = way.reason();
            let expected = match name {
                "closed" => format!("{reason:?}"),
                "connected" => format!("{:?}", Err::<(), _>(Error::Closed(reason))),
                // The peer's channels, or what carries them, may end before the connection does.
                "channel: closed" | "channel: bytes" if way == Way::PeerCloses => {
                    let all = ["RemoteClosed", "TransportClosed", "ConnectionClosed"];
                    let bytes = ["Ok(0)", "Err(ConnectionAborted)"];
                    let known = all.iter().chain(&bytes).find(|known| **known == end);
                    known.map_or_else(String::new, |known| (*known).to_owned())
                }
                "channel: closed" => "ConnectionClosed".to_owned(),
                "channel: opened" => "(false, false)".to_owned(),
                "channel: recv" | "channel: messages" => "None".to_owned(),
                // Nobody knows whether that was all.
                "channel: bytes" => "Err(ConnectionAborted)".to_owned(),
                _ => "()".to_owned(),
            };
            assert_eq!(end, expected, "{name}, {way:?}, connected {is_connected}");
        }
    }
}

/// Nothing happens to what is one's own, so nobody waits for it.
#[tokio::test]
async fn own_streams_and_digits_have_no_events_of_what_is_received() {
    let stream = MediaStream::new();
    let digits = DTMFMediaStreamTrack::new();
    assert_eq!(within(1, stream.next_event()).await, None);
    assert_eq!(within(1, MediaStreamTrack::next_event(&digits)).await, None);
    let track = MediaStreamTrack::audio();
    assert_eq!(within(1, track.recv_rtp()).await, None);
    assert!(within(1, track.recv_sample()).await.is_none());
}
