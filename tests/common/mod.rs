//! Two connections on loopback whose signalling is a task in this process.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub(crate) mod coturn;
pub(crate) mod leaks;
/// What of the log concerns tests, here and in the library.
#[path = "../../src/trace/watch.rs"]
pub(crate) mod log;
#[cfg(target_os = "linux")]
pub(crate) mod network;
pub(crate) mod random;
pub(crate) mod relay;
pub(crate) mod session;
pub(crate) mod stalls;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::{
    DisconnectReason, Kind, MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent,
    RTCConnectionEvents, RTCConnectionOptions, RTCConnectionSide, RTCIceCandidateDescription,
    RTCTrack,
};
use tokio::sync::Notify;

pub(crate) use leaks::run;

/// Fails the test when `future` takes longer than `seconds`, or when anything panics meanwhile, be
/// it in a task that nobody waits for.
pub(crate) async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    leaks::record_panics();
    let limit = Duration::from_secs(seconds);
    let result = stalls::in_time(limit, future).await.expect("time is up");
    leaks::check_panics();
    result
}

/// Where the repository is.
pub(crate) fn root() -> &'static Path {
    // This package is in its folder tests.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Whether tests run in their full size, which takes minutes (`tests/soak`).
pub(crate) fn full_size() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

/// Options that stay on loopback.
pub(crate) fn loopback() -> RTCConnectionOptions {
    RTCConnectionOptions::default().bind(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A connection whose events are kept, and whose candidates go to the peer.
pub(crate) struct Peer {
    pub(crate) connection: RTCConnection,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    events: Mutex<Vec<RTCConnectionEvent>>,
    changed: Notify,
}

impl Peer {
    /// The events so far.
    pub(crate) fn events(&self) -> Vec<RTCConnectionEvent> {
        self.log.events.lock().unwrap().clone()
    }

    /// The names of the events so far.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.events().iter().map(RTCConnectionEvent::name).collect()
    }

    /// Waits for an event, also one that has already come.
    pub(crate) async fn event<T>(&self, find: impl Fn(&RTCConnectionEvent) -> Option<T>) -> T {
        within(10, async {
            loop {
                let changed = self.log.changed.notified();
                if let Some(found) = self.events().iter().find_map(&find) {
                    return found;
                }
                changed.await;
            }
        })
        .await
    }
}

/// Keeps the events of a connection and trickles its candidates to `peer`.
pub(crate) fn watch(
    connection: RTCConnection,
    mut events: RTCConnectionEvents,
    peer: &RTCConnection,
) -> Peer {
    let log = Arc::new(Log::default());
    let (into, peer) = (log.clone(), peer.clone());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let RTCConnectionEvent::Candidate(candidate) = &event {
                // The peer may be closed already; then its candidates are of no use.
                let _ = peer.set_remote_candidate(candidate);
            }
            into.events.lock().unwrap().push(event);
            into.changed.notify_waiters();
        }
    });
    Peer { connection, log }
}

/// Two connections that know each other and are connecting.
pub(crate) async fn pair() -> (Peer, Peer) {
    pair_with(loopback(), loopback()).await
}

/// The same with options.
pub(crate) async fn pair_with(a: RTCConnectionOptions, b: RTCConnectionOptions) -> (Peer, Peer) {
    let (a, b) = strangers(a, b);
    introduce(&a, b.connection.local());
    introduce(&b, a.connection.local());
    (a, b)
}

/// Two connections that trickle their candidates to each other, and do no more yet.
pub(crate) fn strangers(a: RTCConnectionOptions, b: RTCConnectionOptions) -> (Peer, Peer) {
    let (a, a_events) = RTCConnection::new(a).unwrap();
    let (b, b_events) = RTCConnection::new(b).unwrap();
    (
        watch(a.clone(), a_events, &b),
        watch(b.clone(), b_events, &a),
    )
}

/// Connects a peer to the side given.
pub(crate) fn introduce(peer: &Peer, side: RTCConnectionSide) {
    peer.connection.set_remote(side).unwrap();
    peer.connection.connect().unwrap();
}

/// What a `Disconnected` event says.
pub(crate) fn reason(event: &RTCConnectionEvent) -> Option<DisconnectReason> {
    match event {
        RTCConnectionEvent::Disconnected { reason } => Some(*reason),
        _ => None,
    }
}

/// The candidate of a `Candidate` event.
pub(crate) fn candidate(event: &RTCConnectionEvent) -> Option<RTCIceCandidateDescription> {
    match event {
        RTCConnectionEvent::Candidate(candidate) => Some(candidate.clone()),
        _ => None,
    }
}

/// Two connections that are connected.
pub(crate) async fn connected_pair() -> (Peer, Peer) {
    connected_pair_with(loopback(), loopback()).await
}

/// The same with options.
pub(crate) async fn connected_pair_with(
    a: RTCConnectionOptions,
    b: RTCConnectionOptions,
) -> (Peer, Peer) {
    let (a, b) = pair_with(a, b).await;
    both_connected(&a.connection, &b.connection).await;
    (a, b)
}

/// Waits until both are connected.
pub(crate) async fn both_connected(a: &RTCConnection, b: &RTCConnection) {
    within(10, async {
        a.connected().await.unwrap();
        b.connected().await.unwrap();
    })
    .await;
}

/// A stream with one track of this kind, and the track in it.
pub(crate) fn stream_of(kind: Kind) -> (MediaStream, MediaStreamTrack) {
    let stream = MediaStream::new();
    let track = match kind {
        Kind::Video => MediaStreamTrack::video(),
        _ => MediaStreamTrack::audio(),
    };
    let track = stream.add_track(&track);
    (stream, track)
}

/// A track that `from` sends and `to` receives: the source, its RTCTrack, the received track.
pub(crate) fn send_track(
    from: &RTCConnection,
    to: &RTCConnection,
    kind: Kind,
) -> (MediaStreamTrack, RTCTrack, MediaStreamTrack) {
    let (stream, source) = stream_of(kind);
    from.add_stream(&stream).unwrap();
    let sending = from.track(&source).unwrap();
    let received = to.receive_track(sending.description().unwrap()).unwrap();
    (source, sending, received)
}

/// Writes a frame of 20 ms every few milliseconds until `future` is done.
pub(crate) async fn while_writing<T>(
    track: &MediaStreamTrack,
    future: impl Future<Output = T>,
) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let mut count = 0u8;
    within(10, async {
        tokio::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return done,
                _ = tick.tick() => {
                    count = count.wrapping_add(1);
                    track.write_sample(vec![count | 1; 40], FRAME).unwrap();
                }
            }
        }
    })
    .await
}

/// The duration of the frames of `while_writing`.
pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// Time in which nothing is expected to happen.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

/// Whether `future` stays pending for a while.
pub(crate) async fn stays_pending(future: impl Future) -> bool {
    tokio::time::timeout(QUIET, future).await.is_err()
}
