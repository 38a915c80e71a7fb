//! Two connections without any task of the test's own, and audio between them.

use std::time::Duration;

use ortc::{
    MediaStream, MediaStreamTrack, RTCConnection, RTCConnectionEvent, RTCConnectionEvents,
    RTCConnectionOptions,
};

use super::{loopback, stalls, within};

pub(crate) const PACKET: Duration = Duration::from_millis(20);

/// A connection and its events; host candidates are known at once, so nothing needs to trickle.
pub(crate) struct End {
    pub(crate) connection: RTCConnection,
    pub(crate) events: RTCConnectionEvents,
}

impl End {
    pub(crate) fn new(options: RTCConnectionOptions) -> Self {
        let (connection, events) = RTCConnection::new(options).unwrap();
        Self { connection, events }
    }

    pub(crate) fn loopback() -> Self {
        Self::new(loopback())
    }

    /// Tells `other` this side's description and candidates.
    pub(crate) fn introduce_to(&mut self, other: &Self) {
        other
            .connection
            .set_remote(self.connection.local())
            .unwrap();
        while let Some(event) = self.events.try_next() {
            if let RTCConnectionEvent::Candidate(candidate) = event {
                other.connection.set_remote_candidate(&candidate).unwrap();
            }
        }
    }

    pub(crate) async fn connected(&self) {
        within(10, self.connection.connected()).await.unwrap();
    }
}

/// Both know each other and are connecting.
pub(crate) fn join(a: &mut End, b: &mut End) {
    a.introduce_to(b);
    b.introduce_to(a);
    a.connection.connect().unwrap();
    b.connection.connect().unwrap();
}

pub(crate) async fn joined(mut a: End, mut b: End) -> (End, End) {
    join(&mut a, &mut b);
    a.connected().await;
    b.connected().await;
    (a, b)
}

/// An audio track of `from`, and how `to` receives it.
pub(crate) fn audio(from: &End, to: &End) -> (MediaStreamTrack, MediaStreamTrack) {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    from.connection.add_stream(&stream).unwrap();
    let sending = from.connection.track(&track).unwrap();
    let description = sending.description().unwrap();
    let received = to.connection.receive_track(description).unwrap();
    (track, received)
}

/// Sends `count` packets and returns how many of them came.
pub(crate) async fn exchange(
    (sent, received): &(MediaStreamTrack, MediaStreamTrack),
    count: usize,
) -> usize {
    let mut came = 0;
    for n in 0..count {
        sent.write_sample(vec![n as u8; 40], PACKET).unwrap();
    }
    while came < count {
        let packet = stalls::in_time(Duration::from_secs(2), received.recv_rtp());
        let Some(Some(_)) = packet.await else {
            break;
        };
        came += 1;
    }
    came
}
