//! 002's RTCSocket: made by the application, with events of its own; and its descriptions of a
//! connection.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{
    both_connected, connected_pair, loopback, pair_with, run, strangers, watch, within,
};
use ortc::july::{Dialect, RTCSide, RTCSocketEvent, RTCSocketEvents, RTCSocketOptions};
use ortc::{
    DisconnectReason, Error, ErrorName, Kind, MediaStream, MediaStreamTrack, RTCCertificate,
    RTCConnection, RTCConnectionOptions, RTCConnectionSide, RTCIceCandidateDescription,
    RTCIceServer, RTCSocket,
};

fn socket_options() -> RTCSocketOptions {
    RTCSocketOptions::default().with_bind(([127, 0, 0, 1], 0).into())
}

fn socket(options: RTCSocketOptions) -> (RTCSocket, RTCSocketEvents) {
    RTCSocket::with_servers([], options).unwrap()
}

fn on(socket: &RTCSocket) -> RTCConnectionOptions {
    RTCConnectionOptions::default().socket(socket.clone())
}

async fn next(events: &mut RTCSocketEvents) -> RTCSocketEvent {
    within(10, events.next()).await.unwrap()
}

fn refused(options: RTCSocketOptions) -> ErrorName {
    RTCSocket::with_servers([], options).unwrap_err().name()
}

#[tokio::test]
async fn b028_b029_b033_b034_b035_b036_b037_b066_c002_c004_a_socket_and_its_own_events() {
    run(async {
        let (socket, mut events) = socket(socket_options());
        let RTCSocketEvent::Candidate(found) = next(&mut events).await else {
            panic!("no candidate");
        };
        assert_eq!(found.socket_id, Some(socket.id()));
        assert_eq!(found.connection_port, socket.port());
        let done = next(&mut events).await;
        assert_eq!(done, RTCSocketEvent::CandidatesDone);
        assert_eq!(done.name(), "candidatesdone");
        // Nothing is connected yet: connections come later, and get the candidate as well.
        let (a, b) = pair_with(on(&socket), loopback()).await;
        both_connected(&a.connection, &b.connection).await;
        assert!(a.connection.local_socket() == socket);
        let RTCSocketEvent::ActiveCandidate { local, remote } = next(&mut events).await else {
            panic!("no active candidate");
        };
        assert_eq!(local.connection_port, socket.port());
        assert_eq!(remote.connection_port, b.connection.local_socket().port());
        assert_eq!(next(&mut events).await, RTCSocketEvent::Connected);
        assert!(a.names().contains(&"candidate"));
        // The same with the names of the connection's own events.
        a.event(|event| (event.name() == "connected").then_some(()))
            .await;
        b.connection.close();
        let end = next(&mut events).await;
        assert_eq!(
            (end.name(), reason(&end)),
            ("disconnected", DisconnectReason::RemoteClosed)
        );
        a.connection.close();
        socket.close();
        assert_eq!(within(10, events.next()).await, None);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

fn reason(event: &RTCSocketEvent) -> DisconnectReason {
    match event {
        RTCSocketEvent::Disconnected { reason } => *reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn b030_c003_remote_candidates_of_the_socket_reach_the_connection_they_are_for() {
    run(async {
        let (socket, _events) = socket(socket_options());
        let (one, _events) = RTCConnection::new(on(&socket)).unwrap();
        let (other, _events) = RTCConnection::new(on(&socket)).unwrap();
        let (theirs, mut their_events) = RTCConnection::new(loopback()).unwrap();
        theirs.set_remote(one.local()).unwrap();
        one.set_remote(theirs.local()).unwrap();
        other
            .set_remote(RTCConnectionSide::new("else", "x".repeat(22)))
            .unwrap();
        one.connect().unwrap();
        theirs.connect().unwrap();
        let mut candidate = loop {
            if let Some(ortc::RTCConnectionEvent::Candidate(found)) = their_events.next().await {
                break found;
            }
        };
        candidate.username_frag = None;
        let error = socket.set_remote_candidate(&candidate).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidState, "which of the two?");
        candidate.username_frag = Some("nobody".into());
        let error = socket.set_remote_candidate(&candidate).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidState);
        candidate.username_frag = Some(theirs.local().ice.username_frag);
        socket.set_remote_candidate(&candidate).unwrap();
        both_connected(&one, &theirs).await;
        // The connection's own method does the same (row A18).
        other.set_remote_candidate(&candidate).unwrap();
    })
    .await;
}

#[tokio::test]
async fn b031_b043_b062_g039_what_a_socket_says_of_itself() {
    run(async {
        let certificate = RTCCertificate::generate().unwrap();
        let (socket, mut events) = socket(socket_options().with_keys(certificate.clone()));
        while next(&mut events).await.name() != "candidatesdone" {}
        let description = socket.description();
        let (connection, _events) = RTCConnection::new(on(&socket)).unwrap();
        let local = connection.local();
        assert_eq!(description.socket_id, socket.id());
        assert_eq!(description.context_id, local.ice.username_frag);
        assert_eq!(description.secret, local.ice.password);
        // G19: sha-1 is not announced, here as little as in `local`.
        assert_eq!(
            Some(&description.fingerprints),
            local.dtls.fingerprint.as_ref()
        );
        let [candidate] = &description.candidates[..] else {
            panic!("{description:?}");
        };
        assert_eq!(candidate.connection_port, socket.port());
        assert!(!format!("{description:?}").contains(&description.secret));
        let json = serde_json::to_value(&description).unwrap();
        let mut members: Vec<&String> = json.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(
            members,
            [
                "candidates",
                "context-id",
                "fingerprints",
                "secret",
                "socket-id"
            ]
        );
        assert_eq!(json["candidates"][0]["socket-id"], socket.id());
        // A peer can read it as the description of a side.
        let side: RTCConnectionSide = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(side.ice, local.ice);
        // As JSON: the order of an object's members says nothing (RFC 8259 section 4).
        let read = serde_json::to_value(&side.dtls.fingerprint).unwrap();
        assert_eq!(read, json["fingerprints"]);
    })
    .await;
}

#[tokio::test]
async fn b038_b039_b041_c016_g021_mux_keys_and_fingerprints() {
    run(async {
        let mut mux = socket_options();
        mux.mux = Some(false);
        assert_eq!(refused(mux), ErrorName::NotSupported);
        let mut relays = socket_options();
        relays.relay_only = true;
        assert_eq!(refused(relays), ErrorName::InvalidParameters);
        let certificate = RTCCertificate::generate().unwrap();
        let mut own = socket_options().with_keys(certificate.clone());
        own.mux = Some(true);
        own.fingerprints = Some(certificate.fingerprint());
        let (socket, _events) = socket(own.clone());
        // On demand: what the options list.
        assert_eq!(socket.description().fingerprints, certificate.fingerprint());
        let (a, b) = pair_with(on(&socket), loopback()).await;
        both_connected(&a.connection, &b.connection).await;
        let seen = b.connection.remote().unwrap().dtls.fingerprint.unwrap();
        let wanted = certificate.fingerprint();
        assert!(
            seen.iter()
                .all(|one| wanted.iter().any(|other| other == one))
        );
        for keys in [None, Some(RTCCertificate::generate().unwrap())] {
            let mut other = own.clone();
            other.keys = keys;
            assert_eq!(refused(other), ErrorName::InvalidParameters);
        }
        // The same for a connection that makes its socket itself.
        let options = loopback().certificate(certificate.clone());
        let (connection, _events) = RTCConnection::new(options).unwrap();
        let local = connection.local().dtls.fingerprint.unwrap();
        assert!(
            local
                .iter()
                .all(|one| wanted.iter().any(|other| other == one))
        );
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn b040_c018_a_socket_for_one_kind() {
    run(async {
        let (socket, _events) = socket(socket_options().with_kinds([Kind::Audio, Kind::Dtmf]));
        let (connection, _events) = RTCConnection::new(on(&socket)).unwrap();
        let stream = MediaStream::new();
        stream.add_track(&MediaStreamTrack::audio());
        connection.add_stream(&stream).unwrap();
        let video = MediaStream::new();
        video.add_track(&MediaStreamTrack::video());
        let error = connection.add_stream(&video).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
        assert_eq!(connection.sending_streams(), std::slice::from_ref(&stream));
        // Nor when it comes to a stream that is sent.
        let later = stream.add_track(&MediaStreamTrack::video());
        assert!(connection.track(&later).is_none());
        assert_eq!(connection.tracks().len(), 1);
        let (peer, _events) = RTCConnection::new(loopback()).unwrap();
        peer.add_stream(&video).unwrap();
        let description = peer.tracks()[0].description().unwrap();
        let error = connection.receive_track(description).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
    })
    .await;
}

#[tokio::test]
async fn b042_servers_are_checked_when_the_socket_is_made() {
    run(async {
        let made = RTCSocket::with_servers([RTCIceServer::new("http://x")], socket_options());
        assert_eq!(made.unwrap_err().name(), ErrorName::InvalidParameters);
        let (socket, mut events) =
            RTCSocket::with_servers([RTCIceServer::new("stun:127.0.0.1:9")], socket_options())
                .unwrap();
        assert_eq!(next(&mut events).await.name(), "candidate");
        // A connection that names the same servers may use it (row G6).
        let servers = [RTCIceServer::new("stun:127.0.0.1:9")];
        RTCConnection::new(on(&socket).ice_servers(servers)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn b001_b002_c001_a_connection_from_description_and_options() {
    run(async {
        let mut local = RTCConnectionSide::new("alice123", "a".repeat(24));
        local.cname = Some("alice".into());
        let given = loopback().description(local.clone());
        let (a, b) = pair_with(given, loopback()).await;
        both_connected(&a.connection, &b.connection).await;
        assert_eq!(a.connection.local().ice, local.ice);
        let own = a.connection.description(RTCSide::Local).unwrap();
        assert_eq!((own.ice, own.cname), (local.ice.clone(), local.cname));
        for bad in [
            RTCConnectionSide::new("al", "a".repeat(24)),
            RTCConnectionSide::new("alice123", "short"),
        ] {
            let error = RTCConnection::new(loopback().description(bad)).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters);
        }
        let taken = RTCConnectionOptions::default()
            .socket(a.connection.local_socket())
            .description(RTCConnectionSide::new("alice124", "a".repeat(24)));
        let error = RTCConnection::new(taken).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        // A fork shares what the first was made with.
        let (fork, _events) = a.connection.fork().unwrap();
        assert_eq!(fork.local().ice, local.ice);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn b003_b015_events_and_close() {
    run(async {
        let (a, b) = connected_pair().await;
        a.connection.close();
        let reason = within(10, b.connection.closed()).await;
        assert_eq!(reason, DisconnectReason::RemoteClosed);
        let names = a.names();
        for name in [
            "candidate",
            "endofcandidates",
            "activecandidate",
            "connected",
        ] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        let gone = a.connection.set_options(None, RTCSide::Local).unwrap_err();
        assert_eq!(gone, Error::Closed(DisconnectReason::Closed));
        a.connection.close();
        b.connection.close();
    })
    .await;
}

fn fingerprints(side: &RTCConnectionSide) -> BTreeMap<String, Vec<u8>> {
    let all = side.dtls.fingerprint.as_ref().unwrap();
    all.iter()
        .map(|one| (one.algorithm.clone(), one.bytes.clone()))
        .collect()
}

#[tokio::test]
async fn b004_b005_b019_b020_c005_c006_g036_descriptions_of_both_sides() {
    run(async {
        let (a, b) = strangers(loopback(), loopback());
        assert_eq!(a.connection.description(RTCSide::Remote), None);
        let local = b.connection.description(RTCSide::Local).unwrap();
        assert_eq!(local.ice, b.connection.local().ice);
        assert_eq!(local.dtls, b.connection.local().dtls);
        assert!(local.cname.is_some());
        // July's flat form is another view of the same.
        let flat: Value = serde_json::from_str(&local.to_json(Dialect::V002)).unwrap();
        assert_eq!(flat["context-id"], local.ice.username_frag.as_str());
        assert_eq!(flat["secret"], local.ice.password.as_str());
        let read: RTCConnectionSide = serde_json::from_value(flat).unwrap();
        assert_eq!((&read.ice, &read.cname), (&local.ice, &local.cname));
        assert_eq!(fingerprints(&read), fingerprints(&local));
        a.connection
            .set_description(Some(read), RTCSide::Remote)
            .unwrap();
        b.connection
            .set_description(a.connection.description(RTCSide::Local), RTCSide::Remote)
            .unwrap();
        let remote = a.connection.description(RTCSide::Remote).unwrap();
        assert_eq!(fingerprints(&remote), fingerprints(&local));
        assert_eq!(
            a.connection.remote(),
            a.connection.description(RTCSide::Remote)
        );
        a.connection.set_description(None, RTCSide::Remote).unwrap();
        assert!(a.connection.remote().is_some(), "nothing to change");
        a.connection.connect().unwrap();
        b.connection.connect().unwrap();
        both_connected(&a.connection, &b.connection).await;

        // Row B19: a cname of one's own, also while connected.
        let mut named = a.connection.local();
        named.cname = Some("alice".into());
        a.connection
            .set_description(Some(named), RTCSide::Local)
            .unwrap();
        let local = a.connection.description(RTCSide::Local).unwrap();
        assert_eq!(local.cname.as_deref(), Some("alice"));

        let mut other = a.connection.local();
        other.ice.password = "p".repeat(24);
        let error = a
            .connection
            .set_description(Some(other), RTCSide::Local)
            .unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn b021_the_secret_is_long_random_and_never_shown() {
    run(async {
        let (a, _events) = RTCConnection::new(loopback()).unwrap();
        let (b, _events) = RTCConnection::new(loopback()).unwrap();
        let (one, other) = (a.local().ice, b.local().ice);
        assert_ne!(one.password, other.password);
        assert_ne!(one.username_frag, other.username_frag);
        // Six bits a character: at least 128 and 24.
        assert!(one.password.len() >= 22 && one.username_frag.len() >= 4);
        for shown in [
            format!("{:?}", a.local()),
            format!("{:?}", a.local_socket()),
        ] {
            assert!(!shown.contains(&one.password));
        }
    })
    .await;
}

#[tokio::test]
async fn b044_b045_c017_candidates_in_both_dialects() {
    run(async {
        let (connection, events) = RTCConnection::new(loopback()).unwrap();
        let (peer, _events) = RTCConnection::new(loopback()).unwrap();
        let watched = watch(connection, events, &peer);
        let candidate = watched.event(crate::common::candidate).await;
        let flat: Value = serde_json::from_str(&candidate.to_json(Dialect::V002)).unwrap();
        assert_eq!(flat["socket-id"], "");
        assert!(flat.get("relAddress").is_none());
        let read: RTCIceCandidateDescription = serde_json::from_value(flat).unwrap();
        assert_eq!(read.foundation, candidate.foundation);
        assert_eq!(read.connection_address, candidate.connection_address);
        assert_eq!(read.connection_port, candidate.connection_port);
        peer.set_remote_candidate(&read).unwrap();
    })
    .await;
}
