//! Two ends on loopback for the tests of connections.

use std::net::SocketAddr;

use super::RTCConnection;
use super::core::event::{RTCConnectionEvent, RTCConnectionEvents};
use super::options::RTCConnectionOptions;

pub(super) fn end() -> (RTCConnection, RTCConnectionEvents) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    RTCConnection::new(RTCConnectionOptions::default().bind(any)).unwrap()
}

/// Gives one what the other would signal to it, and has it connect.
pub(super) async fn introduce(
    to: &RTCConnection,
    peer: &RTCConnection,
    events: &mut RTCConnectionEvents,
) {
    to.set_remote(peer.local()).unwrap();
    loop {
        match events.next().await.unwrap() {
            RTCConnectionEvent::Candidate(candidate) => {
                to.set_remote_candidate(&candidate).unwrap()
            }
            RTCConnectionEvent::EndOfCandidates => break,
            _ => {}
        }
    }
    to.connect().unwrap();
}
