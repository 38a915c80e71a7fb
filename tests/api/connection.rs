//! The life of a connection: construction, connecting, updating, closing, and its events.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::common::relay::Relay;
use crate::common::session::{End, joined};
use crate::common::{
    both_connected, connected_pair, connected_pair_with, loopback, pair, run, send_track,
    stays_pending, stream_of, watch, while_writing, within,
};
use ortc::{
    DisconnectReason, Error, ErrorName, GatherStart, Kind, MediaStream, MediaStreamTrack,
    RTCCertificate, RTCCodec, RTCConnection, RTCConnectionEvent, RTCConnectionOptions,
    RTCConnectionSide, RTCConnectionState, RTCDtlsState, RTCIceCandidateDescription, RTCIceState,
    RTCTrackDescription,
};

async fn next_named(events: &mut ortc::RTCConnectionEvents, name: &str) -> RTCConnectionEvent {
    within(5, async {
        loop {
            let event = events.next().await.unwrap();
            if event.name() == name {
                return event;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a003_a032_a033_a012_construction_alone_gathers_and_no_event_is_missed() {
    let (connection, mut events) = RTCConnection::new(loopback()).unwrap();
    // Long after gathering is over, the first candidate is still there to be read.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let RTCConnectionEvent::Candidate(candidate) = events.try_next().unwrap() else {
        panic!("the first event is a candidate");
    };
    assert_eq!(candidate.typ, "host");
    assert_eq!(candidate.connection_address, "127.0.0.1");
    assert_eq!(
        candidate.connection_port,
        connection.local_socket().port(),
        "the candidate is the socket's"
    );
    next_named(&mut events, "endofcandidates").await;
    assert_eq!(connection.state(), RTCConnectionState::New);
}

#[tokio::test]
async fn a012_default_options_are_legal() {
    let (connection, _events) = RTCConnection::new(RTCConnectionOptions::default()).unwrap();
    assert_eq!(connection.state(), RTCConnectionState::New);
}

#[tokio::test]
async fn g001_manual_gathering_waits_for_update() {
    let (connection, mut events) =
        RTCConnection::new(loopback().gather(GatherStart::Manual)).unwrap();
    assert!(stays_pending(events.next()).await);
    connection.update().unwrap();
    next_named(&mut events, "candidate").await;
    next_named(&mut events, "endofcandidates").await;
}

#[tokio::test]
async fn a004_a014_a053_g005_the_local_side_is_complete_at_once_and_readonly() {
    let (connection, _events) = RTCConnection::new(loopback()).unwrap();
    let mut side = connection.local();
    side.validate().unwrap();
    let sha256 = side.dtls.fingerprint.as_ref().unwrap().get("sha-256");
    assert_eq!(sha256.unwrap().len(), 32);
    let before = side.clone();
    // What `local` gives is a copy: changing it changes nothing.
    side.ice.username_frag = "changed".into();
    side.dtls.fingerprint = None;
    assert_eq!(connection.local(), before);
    let (other, _events) = RTCConnection::new(loopback()).unwrap();
    assert_ne!(other.local().ice, before.ice);
    assert_ne!(other.local().dtls, before.dtls);
}

#[tokio::test]
async fn a015_a051_a052_the_remote_side_is_what_the_application_set() {
    let (connection, _events) = RTCConnection::new(loopback()).unwrap();
    assert_eq!(connection.remote(), None);
    let (peer, _peer_events) = RTCConnection::new(loopback()).unwrap();
    connection.set_remote(peer.local()).unwrap();
    assert_eq!(connection.remote().unwrap(), peer.local());
    let (ours, theirs) = (connection.remote().unwrap().ice, peer.local().ice);
    assert_eq!(ours.username_frag, theirs.username_frag);
}

#[tokio::test]
async fn a021_a019_connect_needs_the_remote_credentials() {
    let (connection, _events) = RTCConnection::new(loopback()).unwrap();
    let error = connection.connect().unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidState);
    assert!(error.to_string().contains("usernameFrag"), "{error}");
    assert_eq!(connection.state(), RTCConnectionState::New);
    for (ufrag, password) in [
        ("abc", "0123456789012345678901"),
        ("abcd", "012345678901234567890"),
        ("", ""),
        ("ab d", "0123456789012345678901"),
        ("abcd", "01234567890123456789:1"),
    ] {
        let error = connection
            .set_remote(RTCConnectionSide::new(ufrag, password))
            .unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters, "{ufrag:?}");
    }
    // The refused sides left no trace.
    assert_eq!(connection.remote(), None);
    assert_eq!(
        connection.connect().unwrap_err().name(),
        ErrorName::InvalidState
    );
}

#[tokio::test]
async fn g002_a005_remote_info_alone_does_not_start_connect_does() {
    let (a, a_events) = RTCConnection::new(loopback()).unwrap();
    let (b, b_events) = RTCConnection::new(loopback()).unwrap();
    let (a, b) = (
        watch(a.clone(), a_events, &b),
        watch(b.clone(), b_events, &a),
    );
    a.connection.set_remote(b.connection.local()).unwrap();
    b.connection.set_remote(a.connection.local()).unwrap();
    assert!(stays_pending(a.connection.connected()).await);
    for peer in [&a, &b] {
        assert_eq!(peer.connection.state(), RTCConnectionState::New);
        assert_eq!(peer.names(), ["candidate", "endofcandidates"]);
    }
    a.connection.connect().unwrap();
    b.connection.connect().unwrap();
    // Calling it again does nothing.
    a.connection.connect().unwrap();
    both_connected(&a.connection, &b.connection).await;
    a.connection.connect().unwrap();
    assert_eq!(a.connection.state(), RTCConnectionState::Connected);
}

#[tokio::test]
async fn a001_a002_a006_signalling_is_plain_json_in_any_transport() {
    // Everything the peers tell each other, as the text that would be carried.
    let (a, mut a_events) = RTCConnection::new(loopback()).unwrap();
    let (b, mut b_events) = RTCConnection::new(loopback()).unwrap();
    let mut wire = Vec::new();
    let mut carry = |text: String| {
        wire.push(text.clone());
        text
    };
    let a_side = carry(serde_json::to_string(&a.local()).unwrap());
    let b_side = carry(serde_json::to_string(&b.local()).unwrap());
    // No offer, no answer: the sides go at the same time.
    a.set_remote(serde_json::from_str(&b_side).unwrap())
        .unwrap();
    b.set_remote(serde_json::from_str(&a_side).unwrap())
        .unwrap();
    a.connect().unwrap();
    b.connect().unwrap();
    for (events, to) in [(&mut a_events, &b), (&mut b_events, &a)] {
        while let RTCConnectionEvent::Candidate(candidate) = events.next().await.unwrap() {
            let text = carry(serde_json::to_string(&candidate).unwrap());
            to.set_remote_candidate(&serde_json::from_str(&text).unwrap())
                .unwrap();
        }
    }
    both_connected(&a, &b).await;
    let (source, sending, _) = send_track(&a, &b, Kind::Audio);
    let text = carry(serde_json::to_string(&sending.description().unwrap()).unwrap());
    let received = b
        .receive_track(serde_json::from_str(&text).unwrap())
        .unwrap();
    let sample = while_writing(&source, received.recv_sample())
        .await
        .unwrap();
    assert_eq!(sample.data.len(), 40);
    for text in &wire {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(json.is_object(), "{text}");
        assert!(!text.contains("v=0") && !text.contains("a="), "SDP: {text}");
    }
}

#[tokio::test]
async fn a022_g008_update_gathers_again_and_keeps_the_pair() {
    let (a, b) = connected_pair().await;
    let credentials = a.connection.local();
    let ends = |names: Vec<&str>| {
        names
            .iter()
            .filter(|name| **name == "endofcandidates")
            .count()
    };
    assert_eq!(ends(a.names()), 1);
    a.connection.update().unwrap();
    within(5, async {
        while ends(a.names()) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(a.connection.local(), credentials);
    assert_eq!(a.connection.state(), RTCConnectionState::Connected);
    let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    assert!(while_writing(&source, received.recv_rtp()).await.is_some());
    assert!(!a.names().contains(&"disconnected"));
}

#[tokio::test]
async fn g008_restart_takes_new_credentials_while_media_goes_on() {
    let (a, b) = connected_pair().await;
    let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    let before = (a.connection.local(), b.connection.local());
    a.connection.restart().unwrap();
    b.connection.restart().unwrap();
    let after = (a.connection.local(), b.connection.local());
    assert_ne!(before.0.ice, after.0.ice);
    assert_ne!(before.1.ice, after.1.ice);
    assert_eq!(before.0.dtls, after.0.dtls, "the certificate stays");
    // The old path carries media until the new credentials are known to both.
    assert!(while_writing(&source, received.recv_rtp()).await.is_some());
    let pairs = |names: Vec<&str>| {
        names
            .iter()
            .filter(|name| **name == "activecandidate")
            .count()
    };
    let old = pairs(a.names());
    a.connection.set_remote(after.1).unwrap();
    b.connection.set_remote(after.0).unwrap();
    for (from, to) in [(&a, &b), (&b, &a)] {
        for event in from.events() {
            if let RTCConnectionEvent::Candidate(candidate) = event {
                to.connection.set_remote_candidate(&candidate).unwrap();
            }
        }
    }
    within(10, async {
        while pairs(a.names()) == old {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(while_writing(&source, received.recv_rtp()).await.is_some());
    assert_eq!(a.connection.state(), RTCConnectionState::Connected);
    assert!(!a.names().contains(&"disconnected"));
}

#[tokio::test]
async fn a034_a035_g013_connected_follows_ice_dtls_and_the_fingerprint() {
    let (a, b) = connected_pair().await;
    for (peer, other) in [(&a, &b), (&b, &a)] {
        peer.event(|event| matches!(event, RTCConnectionEvent::Connected).then_some(()))
            .await;
        let events = peer.events();
        let at = |wanted: RTCConnectionEvent| {
            let found = events.iter().position(|event| *event == wanted);
            found.unwrap_or_else(|| panic!("{wanted:?} in {events:?}"))
        };
        let connected = at(RTCConnectionEvent::Connected);
        assert!(at(RTCConnectionEvent::IceStateChange(RTCIceState::Connected)) < connected);
        assert!(at(RTCConnectionEvent::DtlsStateChange(RTCDtlsState::Connected)) < connected);
        assert!(
            at(RTCConnectionEvent::StateChange(
                RTCConnectionState::Searching
            )) < connected
        );
        let (local, remote) = events
            .iter()
            .find_map(|event| match event {
                RTCConnectionEvent::ActiveCandidate { local, remote } => Some((local, remote)),
                _ => None,
            })
            .unwrap();
        assert_eq!(local.connection_port, peer.connection.local_socket().port());
        assert_eq!(
            remote.connection_port,
            other.connection.local_socket().port()
        );
        let stats = peer.connection.stats();
        assert_eq!(stats.transport.state, RTCConnectionState::Connected);
        assert!(stats.transport.srtp_cipher.is_some());
    }
}

/// The first route leads through somebody else; then each hears of a direct one.
#[tokio::test]
async fn a034_activecandidate_fires_again_when_a_better_route_is_found() {
    run(within(30, async {
        let (mut a, mut b) = (End::loopback(), End::loopback());
        let _relay = Relay::between(&mut a, &mut b);
        a.connected().await;
        b.connected().await;
        let port = |end: &End| end.connection.local_socket().port();
        let ports = [port(&a), port(&b)];
        for (end, direct) in [(&mut a, ports[1]), (&mut b, ports[0])] {
            let (_, remote) = active_candidate(end).await;
            assert_ne!(remote.connection_port, direct, "not through the relay");
        }
        for (end, direct) in [(&a, ports[1]), (&b, ports[0])] {
            let line = format!("candidate:9 1 udp 2147483000 127.0.0.1 {direct} typ host");
            let better = RTCIceCandidateDescription::parse_candidate_line(&line).unwrap();
            end.connection.set_remote_candidate(&better).unwrap();
        }
        for (end, direct) in [(&mut a, ports[1]), (&mut b, ports[0])] {
            // The other end may have shown by its checks before that it has a path.
            let (mut local, mut remote) = active_candidate(end).await;
            while remote.connection_port != direct {
                (local, remote) = active_candidate(end).await;
            }
            assert_eq!(local.connection_port, port(end));
            assert_eq!(end.connection.state(), RTCConnectionState::Connected);
        }
        a.connection.close();
        b.connection.close();
    }))
    .await;
}

/// The next `ActiveCandidate` of an end: local and remote.
async fn active_candidate(
    end: &mut End,
) -> (RTCIceCandidateDescription, RTCIceCandidateDescription) {
    loop {
        let event = end.events.next().await.unwrap();
        if let RTCConnectionEvent::ActiveCandidate { local, remote } = event {
            return (local, remote);
        }
    }
}

#[tokio::test]
async fn a013_g004_every_event_has_the_drafts_name() {
    let (a, b) = connected_pair().await;
    send_track(&b.connection, &a.connection, Kind::Audio);
    a.connection.close();
    a.event(|event| (event.name() == "disconnected").then_some(()))
        .await;
    let names = a.names();
    for name in [
        "candidate",
        "endofcandidates",
        "activecandidate",
        "connected",
        "addstream",
        "disconnected",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn a031_g012_close_says_goodbye_and_is_final() {
    let (a, b) = connected_pair().await;
    let (source, sending, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    assert!(while_writing(&source, received.recv_rtp()).await.is_some());
    a.connection.close();
    a.connection.close();
    assert_eq!(a.connection.closed().await, DisconnectReason::Closed);
    let reason = |event: &RTCConnectionEvent| match event {
        RTCConnectionEvent::Disconnected { reason } => Some(*reason),
        _ => None,
    };
    assert_eq!(a.event(reason).await, DisconnectReason::Closed);
    // close_notify: the peer knows at once, and its track has ended after the BYE.
    assert_eq!(b.event(reason).await, DisconnectReason::RemoteClosed);
    assert_eq!(
        received.next_event().await,
        Some(ortc::MediaStreamTrackEvent::Connected)
    );
    assert_eq!(
        received.next_event().await,
        Some(ortc::MediaStreamTrackEvent::Disconnected)
    );
    within(5, async { while received.recv_rtp().await.is_some() {} }).await;
    assert_eq!(received.next_event().await, None);

    // Every later verb is an error of one kind, every view still works.
    let c = &a.connection;
    let stream = MediaStream::new();
    let codecs = vec![RTCCodec::opus(111)];
    let candidate = a
        .event(|event| match event {
            RTCConnectionEvent::Candidate(candidate) => Some(candidate.clone()),
            _ => None,
        })
        .await;
    let closed = |result: ortc::Result<()>| {
        assert_eq!(result, Err(Error::Closed(DisconnectReason::Closed)));
    };
    closed(c.connect());
    closed(c.update());
    closed(c.restart());
    closed(c.accept_peer());
    closed(c.set_remote(b.connection.local()));
    closed(c.set_local_candidate(&candidate));
    closed(c.set_remote_candidate(&candidate));
    closed(c.end_of_remote_candidates());
    closed(c.add_stream(&stream));
    closed(c.remove_stream(&c.sending_streams()[0]).map(drop));
    closed(c.stop_receiving(1).map(drop));
    closed(c.stop_receiving_track(&received).map(drop));
    closed(
        c.receive_track(RTCTrackDescription::new(Kind::Audio, codecs.clone()))
            .map(drop),
    );
    closed(c.connected().await);
    closed(sending.start());
    closed(sending.stop());
    closed(sending.set_codecs(codecs));
    closed(sending.set_msid(vec![]));
    closed(sending.set_media_attributes(vec![]));
    closed(sending.set_header_extension_values(Default::default()));
    closed(sending.set_mid(None));
    closed(sending.remove());
    assert_eq!(
        Error::Closed(DisconnectReason::Closed).name(),
        ErrorName::InvalidState
    );
    assert_eq!(c.state(), RTCConnectionState::Closed);
    assert_eq!(c.sending_streams().len(), 1);
    assert_eq!(c.tracks().len(), 1);
    assert!(sending.description().is_ok());
    assert!(c.remote().is_some());
    assert_eq!(c.stats().outbound_rtp.len(), 1);
    c.local().validate().unwrap();
    assert!(c.receiving_streams().is_empty());
    assert!(c.local_socket().port() > 0);
    source.write_sample(vec![1], crate::common::FRAME).unwrap();
}

#[tokio::test]
async fn g012_dropping_the_last_handle_closes() {
    let (a, b) = joined(End::loopback(), End::loopback()).await;
    let End {
        connection,
        mut events,
    } = a;
    let clone = connection.clone();
    drop(connection);
    assert_eq!(clone.state(), RTCConnectionState::Connected);
    assert_eq!(b.connection.state(), RTCConnectionState::Connected);
    drop(clone);
    assert_eq!(
        within(5, b.connection.closed()).await,
        DisconnectReason::RemoteClosed
    );
    let mut last = None;
    while let Some(event) = within(5, events.next()).await {
        last = Some(event);
    }
    let reason = DisconnectReason::Closed;
    assert_eq!(last, Some(RTCConnectionEvent::Disconnected { reason }));
}

#[tokio::test]
async fn g012_events_end_after_disconnected() {
    let (connection, mut events) = RTCConnection::new(loopback()).unwrap();
    connection.close();
    let mut last = None;
    while let Some(event) = within(5, events.next()).await {
        last = Some(event);
    }
    assert_eq!(
        last,
        Some(RTCConnectionEvent::Disconnected {
            reason: DisconnectReason::Closed
        })
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a036_g014_a_lost_socket_and_a_closing_peer_are_final_and_told_apart() {
    let (a, b) = pair().await;
    both_connected(&a.connection, &b.connection).await;
    a.connection.local_socket().close();
    assert_eq!(
        within(5, a.connection.closed()).await,
        DisconnectReason::SocketClosed
    );
    assert!(!DisconnectReason::SocketClosed.is_transient());
    assert_eq!(
        within(5, b.connection.closed()).await,
        DisconnectReason::RemoteClosed
    );
    assert_eq!(b.connection.state(), RTCConnectionState::Closed);
}

#[tokio::test]
async fn a036_g014_states_go_from_new_to_closed() {
    let (a, b) = connected_pair().await;
    b.connection.close();
    within(5, a.connection.closed()).await;
    a.event(|event| (event.name() == "disconnected").then_some(()))
        .await;
    let states: Vec<_> = a
        .events()
        .iter()
        .filter_map(|event| match event {
            RTCConnectionEvent::StateChange(state) => Some(*state),
            _ => None,
        })
        .collect();
    assert_eq!(
        states,
        [
            RTCConnectionState::Searching,
            RTCConnectionState::Connected,
            RTCConnectionState::Closed
        ]
    );
    let json: Vec<_> = states
        .iter()
        .map(|s| serde_json::to_value(s).unwrap())
        .collect();
    assert_eq!(json, ["searching", "connected", "closed"]);
    for (reason, transient) in [
        (DisconnectReason::IceFailed, true),
        (DisconnectReason::NoAddress, true),
        (DisconnectReason::ConsentLost, true),
        (DisconnectReason::DtlsFailed, false),
        (DisconnectReason::FingerprintMismatch, false),
        (DisconnectReason::Closed, false),
        (DisconnectReason::RemoteClosed, false),
    ] {
        assert_eq!(reason.is_transient(), transient, "{reason}");
    }
}

#[tokio::test]
async fn a055_a056_sha_1_and_sha_256_can_be_read_on_both_sides() {
    let certificate = RTCCertificate::generate().unwrap();
    let own = certificate.fingerprint();
    let names: Vec<&str> = own.iter().map(|one| one.algorithm.as_str()).collect();
    assert_eq!(names, ["sha-512", "sha-384", "sha-256", "sha-1"]);
    let options = loopback().certificate(certificate).announce_sha_1(true);
    let (a, b) = connected_pair_with(options, loopback()).await;
    let local = a.connection.local().dtls.fingerprint.unwrap();
    assert_eq!(local.iter().next().unwrap().algorithm, "sha-256");
    // Unasked, sha-1 is not announced: some peers answer in the hash that they see first.
    let unasked = b.connection.local().dtls.fingerprint.unwrap();
    assert_eq!((unasked.len(), unasked.get("sha-1")), (1, None));
    let remote = b.connection.remote().unwrap().dtls.fingerprint.unwrap();
    for (name, len) in [("sha-1", 20), ("sha-256", 32)] {
        assert_eq!(local.get(name).unwrap().len(), len);
        assert_eq!(local.get(name), own.get(name));
        assert_eq!(remote.get(name), own.get(name));
    }
    assert_eq!(local.get("sha-999"), None);
}

#[tokio::test]
async fn g041_errors_carry_the_final_specifications_names() {
    let (connection, _events) = RTCConnection::new(loopback()).unwrap();
    let audio = |codec| RTCTrackDescription::new(Kind::Audio, vec![codec]);
    let name = |result: ortc::Result<MediaStreamTrack>| result.unwrap_err().name();
    assert_eq!(
        name(connection.receive_track(audio(RTCCodec::new("nonsense", 96)))),
        ErrorName::NotSupported
    );
    assert_eq!(
        name(connection.receive_track(audio(RTCCodec::opus(72)))),
        ErrorName::InvalidParameters
    );
    assert_eq!(
        connection.connect().unwrap_err().name(),
        ErrorName::InvalidState
    );
    connection.close();
    assert_eq!(
        name(connection.receive_track(audio(RTCCodec::opus(96)))),
        ErrorName::InvalidState
    );
    let taken = connection.local_socket().local_addr();
    let error = RTCConnection::new(RTCConnectionOptions::default().bind(taken)).unwrap_err();
    assert_eq!(error.name(), ErrorName::Operation);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[test]
fn g041_no_runtime_is_an_error_and_no_panic() {
    let error = RTCConnection::new(loopback()).unwrap_err();
    assert_eq!(error, ortc::TransportFault::NoRuntime.into());
}

#[tokio::test]
async fn r_g06_calls_in_the_wrong_order_are_errors_and_do_no_harm() {
    let (a, a_events) = RTCConnection::new(loopback()).unwrap();
    let (b, b_events) = RTCConnection::new(loopback()).unwrap();
    assert!(a.connect().is_err());
    assert!(a.accept_peer().is_err());
    assert!(!a.stop_receiving(1).unwrap());
    let (stream, track) = stream_of(Kind::Audio);
    assert!(!a.stop_receiving_track(&track).unwrap());
    assert!(!a.remove_stream(&stream).unwrap());
    assert!(a.track(&track).is_none());
    a.restart().unwrap();
    a.end_of_remote_candidates().unwrap();
    track
        .write_sample(vec![1, 2, 3], crate::common::FRAME)
        .unwrap();
    assert_eq!(track.recv_rtp().await, None);
    assert!(track.recv_sample().await.is_none());
    track.request_keyframe();
    // After all that it connects and carries media.
    let (a, b) = (
        watch(a.clone(), a_events, &b),
        watch(b.clone(), b_events, &a),
    );
    a.connection.set_remote(b.connection.local()).unwrap();
    b.connection.set_remote(a.connection.local()).unwrap();
    a.connection.connect().unwrap();
    b.connection.connect().unwrap();
    assert!(a.connection.accept_peer().is_err());
    both_connected(&a.connection, &b.connection).await;
    assert!(a.connection.accept_peer().is_err());
    let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
    assert!(while_writing(&source, received.recv_rtp()).await.is_some());
    let error = received
        .write_sample(vec![1], crate::common::FRAME)
        .unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidState);
}
