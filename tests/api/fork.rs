//! Several peers over one socket.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::common::{Peer, loopback, pair, run, watch, within};
use ortc::{
    DisconnectReason, Error, ErrorName, MediaStream, MediaStreamTrack, RTCConnection,
    RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions, RTCIceServer,
};

const FRAME: Duration = Duration::from_millis(20);

fn connect(ours: RTCConnection, our_events: RTCConnectionEvents) -> (Peer, Peer) {
    let (theirs, their_events) = RTCConnection::new(loopback()).unwrap();
    let (a, b) = (
        watch(ours.clone(), our_events, &theirs),
        watch(theirs.clone(), their_events, &ours),
    );
    ours.set_remote(theirs.local()).unwrap();
    theirs.set_remote(ours.local()).unwrap();
    ours.connect().unwrap();
    theirs.connect().unwrap();
    (a, b)
}

async fn both_connected(pair: &(Peer, Peer)) {
    within(10, async {
        pair.0.connection.connected().await.unwrap();
        pair.1.connection.connected().await.unwrap();
    })
    .await;
}

/// The port that the peer sees packets come from.
async fn remote_port(peer: &Peer) -> u16 {
    peer.event(|event| match event {
        RTCConnectionEvent::ActiveCandidate { remote, .. } => Some(remote.connection_port),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn b014_c014_g037_a_fork_shares_the_socket_and_has_its_own_peer_and_streams() {
    run(async {
        let (first, first_events) = RTCConnection::new(loopback().cname("alice")).unwrap();
        let stream = MediaStream::new();
        stream.add_track(&MediaStreamTrack::audio());
        first.add_stream(&stream).unwrap();
        let one = connect(first.clone(), first_events);

        let (second, second_events) = first.fork().unwrap();
        assert_eq!(second.local(), first.local());
        assert!(second.local_socket() == first.local_socket());
        assert_eq!(second.remote(), None);
        assert!(second.sending_streams().is_empty() && second.tracks().is_empty());
        assert!(second.receiving_streams().is_empty());
        let two = connect(second.clone(), second_events);
        both_connected(&one).await;
        both_connected(&two).await;
        assert_ne!(first.remote(), second.remote());
        let port = first.local_socket().port();
        assert_eq!(remote_port(&one.1).await, port);
        assert_eq!(remote_port(&two.1).await, port);

        // Each has a life of its own.
        first.close();
        let error = first.fork().unwrap_err();
        assert_eq!(error, Error::Closed(DisconnectReason::Closed));
        let stream = MediaStream::new();
        let track = stream.add_track(&MediaStreamTrack::audio());
        second.add_stream(&stream).unwrap();
        let description = second.track(&track).unwrap().description().unwrap();
        let received = two.1.connection.receive_track(description).unwrap();
        track.write_sample(vec![7; 10], FRAME).unwrap();
        let packet = within(10, received.recv_rtp()).await.unwrap();
        assert_eq!(packet.payload[..], [7; 10]);
        second.close();
    })
    .await;
}

#[tokio::test]
async fn a043_a044_a048_a_socket_is_reused_for_media_forking() {
    run(async {
        let (first, first_events) = RTCConnection::new(loopback()).unwrap();
        let socket = first.local_socket();
        let stream = MediaStream::new();
        let track = stream.add_track(&MediaStreamTrack::audio());
        let mut pairs = vec![connect(first, first_events)];
        for n in 0..4 {
            // Two ways to say the same.
            let options = RTCConnectionOptions::default().socket(socket.clone());
            let (next, events) = match n % 2 {
                0 => RTCConnection::new(options).unwrap(),
                _ => pairs[0].0.connection.fork().unwrap(),
            };
            pairs.push(connect(next, events));
        }
        let mut received = Vec::new();
        for pair in &pairs {
            both_connected(pair).await;
            assert_eq!(remote_port(&pair.1).await, socket.port());
            pair.0.connection.add_stream(&stream).unwrap();
            let sending = pair.0.connection.track(&track).unwrap();
            let description = sending.description().unwrap();
            received.push(pair.1.connection.receive_track(description).unwrap());
        }
        for n in 0..10 {
            track.write_sample(vec![n; 20], FRAME).unwrap();
        }
        for track in &received {
            for n in 0..10 {
                let packet = within(10, track.recv_rtp()).await.unwrap();
                assert_eq!(packet.payload[..], [n; 20]);
            }
        }
        for pair in &pairs {
            pair.0.connection.close();
        }
    })
    .await;
}

#[tokio::test]
async fn g006_a_socket_keeps_its_servers_and_its_identity() {
    run(async {
        let servers = [RTCIceServer::new("stun:127.0.0.1:9")];
        let (first, _events) = RTCConnection::new(loopback().ice_servers(servers.clone())).unwrap();
        let on = || RTCConnectionOptions::default().socket(first.local_socket());
        let (same, _events) = RTCConnection::new(on().ice_servers(servers)).unwrap();
        assert_eq!(same.local(), first.local());
        let other = [RTCIceServer::new("stun:127.0.0.1:10")];
        for options in [
            on().ice_servers(other),
            on().ice_servers([]),
            on().bind(([127, 0, 0, 1], 0).into()),
        ] {
            let error = RTCConnection::new(options).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters);
        }
        // A fork of a connection with servers of its own is no contradiction.
        first.fork().unwrap();
    })
    .await;
}

#[tokio::test]
async fn b032_closing_the_socket_disconnects_every_fork() {
    run(async {
        let (a, _b) = pair().await;
        let (fork, _events) = a.connection.fork().unwrap();
        a.connection.local_socket().close();
        for connection in [&a.connection, &fork] {
            let reason = within(10, connection.closed()).await;
            assert_eq!(reason, DisconnectReason::SocketClosed);
        }
        assert!(a.connection.fork().is_err());
    })
    .await;
}

/// All connections on a socket share its credentials (row G6), so that two between the same two
/// sockets could not be told apart: the second `connect` says so, on either side, and the first
/// connection is not disturbed.
#[tokio::test]
async fn g006_two_connections_between_the_same_two_sockets_are_refused() {
    run(async {
        for order in [[0, 1], [1, 0]] {
            let (a, b) = (
                RTCConnection::new(loopback()),
                RTCConnection::new(loopback()),
            );
            let ((a, a_events), (b, b_events)) = (a.unwrap(), b.unwrap());
            let (a2, _a2_events) = a.fork().unwrap();
            let on_b = loopback_on(&b.local_socket());
            let (b2, _b2_events) = RTCConnection::new(on_b).unwrap();
            let sides = [[a.clone(), a2], [b.clone(), b2]];
            // The sides first, so that none is the only one to know the peer.
            for at in order {
                sides[0][at].set_remote(b.local()).unwrap();
                sides[1][at].set_remote(a.local()).unwrap();
            }
            let first = order[0];
            for side in &sides {
                side[first].connect().unwrap();
                side[first].connect().unwrap();
                let error = side[1 - first].connect().unwrap_err();
                assert_eq!(error.name(), ortc::ErrorName::InvalidState);
            }
            let _events = (
                crate::common::watch(a, a_events, &sides[1][first]),
                crate::common::watch(b, b_events, &sides[0][first]),
            );
            crate::common::both_connected(&sides[0][first], &sides[1][first]).await;
            // Once it is over, the other may take its place.
            sides[0][first].close();
            sides[1][first].close();
            sides[0][1 - first].connect().unwrap();
            sides[1][1 - first].connect().unwrap();
        }
        // Nor can a socket be its own peer.
        let (own, _events) = RTCConnection::new(loopback()).unwrap();
        own.set_remote(own.local()).unwrap();
        assert!(own.connect().is_err());
    })
    .await;
}

fn loopback_on(socket: &ortc::RTCSocket) -> ortc::RTCConnectionOptions {
    ortc::RTCConnectionOptions::default().socket(socket.clone())
}
