//! Connections of this crate with everything on them that can be waiting.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::dtmf::DTMFMediaStreamTrack;
use crate::{
    DisconnectReason, MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent,
    RTCConnectionEvents, RTCConnectionOptions, RTCDataChannel, RTCDataChannelOptions,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn options() -> RTCConnectionOptions {
    RTCConnectionOptions::default().bind(([127, 0, 0, 1], 0).into())
}

pub(super) struct End {
    pub(super) connection: RTCConnection,
    pub(super) events: RTCConnectionEvents,
}

impl End {
    pub(super) fn new(options: RTCConnectionOptions) -> Self {
        let (connection, events) = RTCConnection::new(options).unwrap();
        Self { connection, events }
    }

    pub(super) fn introduce_to(&mut self, other: &Self) {
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
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(5 * SECOND, future).await.expect("it is late")
}

pub(super) async fn connected(mut a: End, mut b: End) -> (End, End) {
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

pub(super) async fn pair() -> (End, End) {
    connected(End::new(options()), End::new(options())).await
}

/// A channel of `a`, and what `b` has of it.
pub(super) async fn channel(a: &End, b: &mut End) -> (RTCDataChannel, RTCDataChannel) {
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
pub(super) async fn last_event(events: &mut RTCConnectionEvents) -> Option<RTCConnectionEvent> {
    let mut last = None;
    while let Some(event) = soon(events.next()).await {
        last = Some(event);
    }
    last
}

/// That of an audio track which `a` sends, as `b` receives it, and the digits beside it.
pub(super) fn audio(
    a: &End,
    b: &End,
) -> (MediaStreamTrack, MediaStreamTrack, DTMFMediaStreamTrack) {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    let digits = DTMFMediaStreamTrack::new();
    stream.add_track(&digits);
    a.connection.add_stream(&stream).unwrap();
    let description = a.connection.track(&track).unwrap().description().unwrap();
    let received = b.connection.receive_track(description).unwrap();
    (track, received, digits)
}

pub(super) type Waiting = (&'static str, Pin<Box<dyn Future<Output = bool> + Send>>);

/// One of each future of a connection that can be waiting; each says whether it ended as it should.
pub(super) fn everything_waits(
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
