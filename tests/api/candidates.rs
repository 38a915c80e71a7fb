//! Candidates entering a connection, and several connections on one socket.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::common::stalls::Watch;
use crate::common::{
    FRAME, both_connected, candidate, connected_pair, introduce, loopback, pair_with, run,
    send_track, stays_pending, strangers, stream_of, watch, while_writing, within,
};
use ortc::{
    DisconnectReason, ErrorName, GatherStart, Kind, LocalCandidates, RTCConnection,
    RTCConnectionEvent, RTCConnectionOptions, RTCConnectionState, RTCIceCandidateDescription,
    RTCIceServer,
};

fn host(port: u16) -> RTCIceCandidateDescription {
    serde_json::from_value(serde_json::json!({
        "foundation": "app1", "component": 1, "transport": "udp", "priority": 2130706431u32,
        "connectionAddress": "127.0.0.1", "connectionPort": port, "type": "host",
    }))
    .unwrap()
}

fn on_set() -> RTCConnectionOptions {
    loopback().local_candidates(LocalCandidates::OnSet)
}

#[tokio::test]
async fn a007_a017_g003_a_local_candidate_takes_effect_once_it_is_set() {
    let (a, b) = pair_with(on_set(), loopback()).await;
    let own = a.event(candidate).await;
    assert!(stays_pending(a.connection.connected()).await);
    assert!(!a.names().contains(&"activecandidate"));
    a.connection.set_local_candidate(&own).unwrap();
    // The same again does nothing.
    a.connection.set_local_candidate(&own).unwrap();
    both_connected(&a.connection, &b.connection).await;
}

#[tokio::test]
async fn g003_auto_needs_no_call_and_bears_one() {
    let (a, b) = pair_with(loopback(), loopback()).await;
    let own = a.event(candidate).await;
    a.connection.set_local_candidate(&own).unwrap();
    both_connected(&a.connection, &b.connection).await;
    assert_eq!(a.connection.state(), RTCConnectionState::Connected);
}

#[tokio::test]
async fn a017_a020_g003_a_candidate_that_gathering_did_not_find_is_accepted() {
    let (a, b) = pair_with(loopback().gather(GatherStart::Manual), loopback()).await;
    assert!(stays_pending(a.connection.connected()).await);
    let own = host(a.connection.local_socket().port());
    a.connection.set_local_candidate(&own).unwrap();
    both_connected(&a.connection, &b.connection).await;
    let used = a
        .event(|event| match event {
            RTCConnectionEvent::ActiveCandidate { local, .. } => Some(local.clone()),
            _ => None,
        })
        .await;
    assert_eq!(used.foundation, "app1");
}

#[tokio::test]
async fn a017_unusable_local_candidates_are_refused() {
    let (connection, _events) = RTCConnection::new(loopback()).unwrap();
    let change = [
        |c: &mut RTCIceCandidateDescription| c.transport = "tcp".into(),
        |c: &mut RTCIceCandidateDescription| c.component = 2,
        |c: &mut RTCIceCandidateDescription| c.connection_address = "a.local".into(),
        |c: &mut RTCIceCandidateDescription| c.connection_address = "nonsense".into(),
        |c: &mut RTCIceCandidateDescription| c.connection_port = 0,
        |c: &mut RTCIceCandidateDescription| c.typ = "future".into(),
        |c: &mut RTCIceCandidateDescription| c.foundation = String::new(),
    ];
    for change in change {
        let mut bad = host(5000);
        change(&mut bad);
        let error = connection.set_local_candidate(&bad).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported, "{bad:?}");
    }
}

#[tokio::test]
async fn a008_a018_remote_candidates_add_up_and_doubles_do_nothing() {
    let (a, mut a_events) = RTCConnection::new(loopback()).unwrap();
    let (b, mut b_events) = RTCConnection::new(loopback()).unwrap();
    for (events, to) in [(&mut a_events, &b), (&mut b_events, &a)] {
        let good = candidate(&within(5, events.next()).await.unwrap()).unwrap();
        // One that leads nowhere before, and one after: neither replaces the good one.
        to.set_remote_candidate(&host(9)).unwrap();
        for _ in 0..3 {
            to.set_remote_candidate(&good).unwrap();
        }
        to.set_remote_candidate(&host(1)).unwrap();
    }
    a.set_remote(b.local()).unwrap();
    b.set_remote(a.local()).unwrap();
    a.connect().unwrap();
    b.connect().unwrap();
    both_connected(&a, &b).await;
    let dropped = a.stats().dropped;
    assert_eq!(dropped.ignored_candidates, 0);
}

#[tokio::test]
async fn a006_a020_candidates_after_connect_are_considered() {
    let manual = || loopback().gather(GatherStart::Manual);
    let (a, b) = pair_with(manual(), manual()).await;
    assert!(stays_pending(a.connection.connected()).await);
    assert_eq!(a.connection.state(), RTCConnectionState::Searching);
    // One after the other, a while apart.
    a.connection.update().unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    b.connection.update().unwrap();
    both_connected(&a.connection, &b.connection).await;
}

#[tokio::test]
async fn a058_a059_a063_g021_g022_unusable_remote_candidates_are_counted_never_fatal() {
    let (a, b) = strangers(loopback(), loopback());
    let change = [
        |c: &mut RTCIceCandidateDescription| c.transport = "tcp".into(),
        |c: &mut RTCIceCandidateDescription| c.transport = "sctp".into(),
        |c: &mut RTCIceCandidateDescription| c.component = 2,
        |c: &mut RTCIceCandidateDescription| c.typ = "future".into(),
        |c: &mut RTCIceCandidateDescription| c.connection_address = "host.example.net".into(),
        |c: &mut RTCIceCandidateDescription| c.connection_address = "not an address".into(),
        |c: &mut RTCIceCandidateDescription| c.connection_address = "0.0.0.0".into(),
        |c: &mut RTCIceCandidateDescription| c.connection_port = 0,
    ];
    let count = change.len() as u64;
    for change in change {
        let mut bad = host(5000);
        change(&mut bad);
        a.connection.set_remote_candidate(&bad).unwrap();
    }
    assert_eq!(a.connection.stats().dropped.ignored_candidates, count);
    introduce(&a, b.connection.local());
    introduce(&b, a.connection.local());
    both_connected(&a.connection, &b.connection).await;
}

#[tokio::test]
async fn a016_a043_a048_g006_connections_on_one_socket_share_what_forking_needs() {
    let (a, _a_events) = RTCConnection::new(loopback()).unwrap();
    let socket = a.local_socket();
    let reuse = RTCConnectionOptions::default().socket(socket.clone());
    let (b, mut b_events) = RTCConnection::new(reuse).unwrap();
    assert_eq!(b.local_socket(), socket);
    assert_eq!(b.local(), a.local());
    assert_eq!(b.local_socket().port(), a.local_socket().port());
    // The second connection learns of the candidates although they were found before it.
    let found = candidate(&within(5, b_events.next()).await.unwrap()).unwrap();
    assert_eq!(found.connection_port, socket.port());

    let (other, _other_events) = RTCConnection::new(loopback()).unwrap();
    assert_ne!(other.local_socket(), socket);
    assert_ne!(other.local(), a.local());
}

#[tokio::test]
async fn a043_g006_a_socket_and_other_ice_servers_exclude_each_other() {
    let server = || RTCIceServer::new("stun:127.0.0.1:9");
    let (a, _events) = RTCConnection::new(loopback().ice_servers([server()])).unwrap();
    let reuse = || RTCConnectionOptions::default().socket(a.local_socket());
    let name = |options| RTCConnection::new(options).unwrap_err().name();
    let other = RTCIceServer::new("stun:127.0.0.1:10");
    assert_eq!(
        name(reuse().ice_servers([other])),
        ErrorName::InvalidParameters
    );
    assert_eq!(name(reuse().ice_servers([])), ErrorName::InvalidParameters);
    assert_eq!(
        name(reuse().bind(([127, 0, 0, 1], 0).into())),
        ErrorName::InvalidParameters
    );
    // The same servers are no contradiction.
    assert!(RTCConnection::new(reuse().ice_servers([server()])).is_ok());
    a.local_socket().close();
    within(5, a.closed()).await;
    assert_eq!(name(reuse()), ErrorName::InvalidState);
}

#[tokio::test]
async fn a044_a048_g006_one_socket_forks_media_to_two_peers() {
    let (caller, caller_events) = RTCConnection::new(loopback()).unwrap();
    let reuse = RTCConnectionOptions::default().socket(caller.local_socket());
    let (fork, fork_events) = RTCConnection::new(reuse).unwrap();
    let (stream, source) = stream_of(Kind::Audio);
    let mut received = Vec::new();
    let mut peers = Vec::new();
    for (own, events) in [(&caller, caller_events), (&fork, fork_events)] {
        let (peer, peer_events) = RTCConnection::new(loopback()).unwrap();
        let own = watch(own.clone(), events, &peer);
        let peer = watch(peer, peer_events, &own.connection);
        introduce(&own, peer.connection.local());
        introduce(&peer, own.connection.local());
        own.connection.add_stream(&stream).unwrap();
        let description = own
            .connection
            .track(&source)
            .unwrap()
            .description()
            .unwrap();
        received.push(peer.connection.receive_track(description).unwrap());
        peers.push((own, peer));
    }
    for (own, peer) in &peers {
        both_connected(&own.connection, &peer.connection).await;
    }
    for track in &received {
        assert!(while_writing(&source, track.recv_rtp()).await.is_some());
    }
    // Closing one leaves the other.
    caller.close();
    assert_eq!(
        within(5, peers[0].1.connection.closed()).await,
        DisconnectReason::RemoteClosed
    );
    let before = peers[1].1.connection.stats().inbound_rtp[0].packets_received;
    let more = async {
        while peers[1].1.connection.stats().inbound_rtp[0].packets_received < before + 3 {
            tokio::time::sleep(FRAME).await;
        }
    };
    while_writing(&source, more).await;
    assert_eq!(fork.state(), RTCConnectionState::Connected);
}

#[tokio::test]
async fn a105_one_port_carries_rtp_and_rtcp() {
    let (a, b) = connected_pair().await;
    let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Video);
    let frame = vec![0x10; 3000];
    source
        .write_sample(frame.clone(), crate::common::FRAME)
        .unwrap();
    assert_eq!(within(5, received.recv_sample()).await.unwrap().data, frame);
    // A key frame request comes back as RTCP, and there is no other path than the one port.
    received.request_keyframe();
    assert_eq!(
        within(5, source.next_event()).await,
        Some(ortc::MediaStreamTrackEvent::KeyframeRequested)
    );
    for peer in [&a, &b] {
        assert!(peer.events().iter().filter_map(candidate).all(|found| {
            found.component == 1 && found.connection_port == peer.connection.local_socket().port()
        }));
    }
}

/// One address, however it is written (RFC 5952 section 2), is one candidate; what has a zone means
/// nothing here.
#[tokio::test]
async fn r_f10_an_address_in_many_spellings_is_one_pair() {
    run(async {
        let v6 = [
            "::1",
            "0:0:0:0:0:0:0:1",
            "0000:0000:0000:0000:0000:0000:0000:0001",
            "[::1]",
            "::0:1",
        ];
        let v4 = [
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "::FFFF:7f00:1",
            "0:0:0:0:0:ffff:7F00:0001",
        ];
        for spellings in [&v6[..], &v4[..]] {
            let own: std::net::IpAddr = spellings[0].parse().unwrap();
            let options = || RTCConnectionOptions::default().bind((own, 0).into());
            let (a, b) = strangers(options(), options());
            a.connection.set_remote(b.connection.local()).unwrap();
            b.connection.set_remote(a.connection.local()).unwrap();
            let of_b = b.event(candidate).await;
            for spelling in spellings.iter().chain(&["fe80::1%eth0", "fe80::1%2"]) {
                let mut told = of_b.clone();
                told.connection_address = (*spelling).to_owned();
                a.connection.set_remote_candidate(&told).unwrap();
            }
            a.connection.connect().unwrap();
            b.connection.connect().unwrap();
            both_connected(&a.connection, &b.connection).await;
            let stats = a.connection.stats();
            assert_eq!(
                stats.candidate_pairs.len(),
                1,
                "{:?}",
                stats.candidate_pairs
            );
            assert_eq!(stats.dropped.ignored_candidates, 2);
            a.connection.close();
            b.connection.close();
        }
    })
    .await;
}

/// They are asked for a few at a time, each for 5 s, and what asks ends with the connection.
#[tokio::test]
async fn r_f11_a_thousand_names_that_never_resolve_hold_nothing_up() {
    const WAITING: usize = 256;
    /// Eight at a time, on eight interfaces each, and by the system's resolver.
    const ASKING: usize = 8 * (8 + 1);
    run(async {
        let (a, b) = connected_pair().await;
        let tasks = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        let before = tasks();
        let start = Watch::start();
        for n in 0..1_000 {
            let mut named = host(5_000);
            named.connection_address = format!("{n:08x}-ea17-4bcf-a596-105139dfd8bf.local");
            a.connection.set_remote_candidate(&named).unwrap();
        }
        let ignored = || a.connection.stats().dropped.ignored_candidates as usize;
        let refused = ignored();
        assert!(refused >= 1_000 - WAITING, "{refused}");
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        while_writing(&source, async {
            let mut most = 0;
            within(20, async {
                while ignored() < 1_000 - WAITING + 8 {
                    received.recv_rtp().await.unwrap();
                    most = most.max(tasks());
                }
            })
            .await;
            println!("{most} tasks at most, {before} before");
            assert!(most <= before + WAITING + ASKING, "{most}");
        })
        .await;
        let took = start.took();
        println!("the first eight were given up after {took:?}");
        assert!(took < Duration::from_secs(6), "{took:?}");
        a.connection.close();
        b.connection.close();
    })
    .await;
}
