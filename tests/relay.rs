//! Connections through a real TURN server on loopback.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "relay/lifetimes.rs"]
mod lifetimes;
#[path = "relay/shipped.rs"]
mod shipped;

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use common::coturn::{Coturn, LossyWay, PASSWORD, USER, is_open, turn};
use common::log::{Kept, leak};
use common::stalls::Watch;
use common::{
    FRAME, Peer, candidate, connected_pair_with, loopback, reason, run, send_track, while_writing,
    within,
};
use ortc::{
    ErrorName, IceServerError, IceServerErrorKind, Kind, MediaStreamTrack, RTCConnection,
    RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions, RTCIceCandidateDescription,
    RTCIceServer, RTCIceState,
};
use serde_json::json;
use tracing::Level;

fn relay_only(servers: impl IntoIterator<Item = RTCIceServer>) -> RTCConnectionOptions {
    loopback().relay_only(true).ice_servers(servers)
}

fn relay_only_v6(server: SocketAddr) -> RTCConnectionOptions {
    let own = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    relay_only([turn(server)]).bind(own)
}

/// What gathering found and which servers failed, and how long it took.
struct Found {
    connection: RTCConnection,
    events: RTCConnectionEvents,
    candidates: Vec<RTCIceCandidateDescription>,
    errors: Vec<IceServerError>,
    took: Duration,
}

async fn gather(options: RTCConnectionOptions) -> Found {
    let start = Watch::start();
    let (connection, mut events) = RTCConnection::new(options).unwrap();
    let (mut candidates, mut errors) = (Vec::new(), Vec::new());
    within(12, async {
        loop {
            match events.next().await.unwrap() {
                RTCConnectionEvent::Candidate(found) => candidates.push(found),
                RTCConnectionEvent::IceServerError(error) => errors.push(error),
                RTCConnectionEvent::EndOfCandidates => break,
                _ => {}
            }
        }
    })
    .await;
    Found {
        connection,
        events,
        candidates,
        errors,
        took: start.took(),
    }
}

impl Found {
    /// Until so many servers have failed: that of a dead one is known after the end.
    async fn wait_for_errors(&mut self, count: usize) {
        within(12, async {
            while self.errors.len() < count {
                if let RTCConnectionEvent::IceServerError(error) = self.events.next().await.unwrap()
                {
                    self.errors.push(error);
                }
            }
        })
        .await;
    }

    fn types(&self) -> Vec<&str> {
        self.candidates.iter().map(|c| c.typ.as_str()).collect()
    }
}

fn relay_port(peer: &Peer) -> u16 {
    let relay = peer.events().iter().find_map(candidate).unwrap();
    assert_eq!(relay.typ, "relay");
    relay.connection_port
}

fn close(a: &Peer, b: &Peer) {
    a.connection.close();
    b.connection.close();
}

/// Audio goes over, both ways, and all that either side knows of the other is a relay.
async fn media_both_ways(a: &Peer, b: &Peer) {
    for (from, to) in [(a, b), (b, a)] {
        let (source, _, received) = send_track(&from.connection, &to.connection, Kind::Audio);
        while_writing(&source, async {
            for _ in 0..50 {
                received.recv_sample().await.unwrap();
            }
        })
        .await;
        let pair = from.event(|event| match event {
            RTCConnectionEvent::ActiveCandidate { local, remote } => {
                Some([local.clone(), remote.clone()])
            }
            _ => None,
        });
        for end in pair.await {
            assert_eq!(end.typ, "relay", "{end:?}");
        }
        let socket = from.connection.stats().socket;
        let dropped = [
            socket.relay_malformed,
            socket.relay_unpermitted,
            socket.relay_unsent,
        ];
        assert_eq!(dropped, [0; 3]);
    }
}

#[tokio::test]
async fn a046_relay_only_media_goes_both_ways_through_a_turn_server() {
    run(async {
        let server = Coturn::start(&[]);
        let options = || relay_only([turn(server.v4())]);
        let (a, b) = connected_pair_with(options(), options()).await;
        media_both_ways(&a, &b).await;
        let found = a.events().iter().find_map(candidate).unwrap();
        assert_eq!(found.connection_address, "127.0.0.1");
        assert_ne!(found.connection_port, a.connection.local_socket().port());
        // RFC 8828: the related address would tell what the policy hides.
        assert_eq!(found.rel_address.as_deref(), Some("0.0.0.0"));
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn a046_relay_only_media_goes_both_ways_over_ipv6() {
    run(async {
        let server = Coturn::start(&[]);
        let options = || relay_only_v6(server.v6());
        let (a, b) = connected_pair_with(options(), options()).await;
        media_both_ways(&a, &b).await;
        let found = a.events().iter().find_map(candidate).unwrap();
        assert_eq!(found.connection_address, "::1");
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn a_relay_reaches_a_peer_that_has_none() {
    run(async {
        let server = Coturn::start(&[]);
        let (a, b) = connected_pair_with(relay_only([turn(server.v4())]), loopback()).await;
        let (source, _, received) = send_track(&b.connection, &a.connection, Kind::Video);
        while_writing(&source, received.recv_rtp()).await.unwrap();
        let relays = a.events().iter().filter_map(candidate).count();
        assert_eq!(relays, 1);
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn a045_g017_every_way_to_name_a_turn_server_gives_a_relay() {
    run(async {
        let server = Coturn::start(&[]);
        let (host, port) = (server.v4().ip(), server.v4().port());
        let url = format!("turn:{}", server.v4());
        let with_user = format!("turn:{USER}@{host}:{port}?transport=udp");
        for json in [
            json!({ "url": url, "username": USER, "credential": PASSWORD }),
            json!({ "url": [url], "username": USER, "credential": PASSWORD }),
            json!({ "urls": url, "username": USER, "credential": PASSWORD }),
            json!({ "url": with_user, "credential": PASSWORD }),
            json!({ "server": host, "port": port, "username": USER, "password": PASSWORD,
                "realm": "another" }),
        ] {
            let named: RTCIceServer = serde_json::from_value(json.clone()).unwrap();
            let found = gather(loopback().ice_servers([named])).await;
            assert_eq!(
                found.types(),
                ["host", "relay"],
                "{json}: {:?}",
                found.errors
            );
            let relay = &found.candidates[1];
            let own = found.connection.local_socket().local_addr();
            assert_eq!(relay.rel_address, Some(own.ip().to_string()));
            assert_eq!(relay.rel_port, Some(own.port()));
        }
    })
    .await;
}

#[tokio::test]
async fn a046_a_wrong_credential_is_one_error_and_no_relay() {
    run(async {
        let server = Coturn::start(&[]);
        let url = format!("turn:{}", server.v4());
        for (user, password) in [(USER, "wrong"), ("stranger", PASSWORD)] {
            let server = RTCIceServer::new(&url).with_credential(user, password);
            let found = gather(relay_only([server])).await;
            assert!(found.candidates.is_empty());
            let errors = found.errors;
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].kind, IceServerErrorKind::Refused(401));
            assert_eq!(errors[0].url, url);
            assert!(found.took < Duration::from_secs(2), "{:?}", found.took);
        }
    })
    .await;
}

#[tokio::test]
async fn a047_each_of_several_turn_servers_gives_a_relay_or_one_error_in_10_s() {
    run(async {
        let (first, second) = (Coturn::start(&[]), Coturn::start(&[]));
        let (full, strict) = (Coturn::start(&["--user-quota=1"]), Coturn::start(&[]));
        let taken = gather(relay_only([turn(full.v4())])).await;
        assert_eq!(taken.types(), ["relay"]);
        // Bound, and nobody reads.
        let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let dead = dead.local_addr().unwrap();
        let mut found = gather(relay_only([
            turn(dead),
            turn(first.v4()),
            RTCIceServer::new(format!("turn:{}", strict.v4())).with_credential(USER, "wrong"),
            turn(full.v4()),
            turn(second.v4()),
            RTCIceServer::new("turn:nowhere.invalid").with_credential(USER, PASSWORD),
        ]))
        .await;
        assert_eq!(found.types(), ["relay", "relay"], "{:?}", found.errors);
        found.wait_for_errors(4).await;
        let mut kinds: Vec<_> = found.errors.iter().map(|e| (&*e.url, e.kind)).collect();
        kinds.sort_by_key(|(url, _)| url.len());
        println!("{kinds:?} after {:?}", found.took);
        for (url, kind) in [
            (format!("turn:{dead}"), IceServerErrorKind::Timeout),
            (
                format!("turn:{}", strict.v4()),
                IceServerErrorKind::Refused(401),
            ),
            (
                format!("turn:{}", full.v4()),
                IceServerErrorKind::Refused(486),
            ),
            ("turn:nowhere.invalid".into(), IceServerErrorKind::Resolve),
        ] {
            let same = kinds.iter().filter(|found| **found == (&*url, kind));
            assert_eq!(same.count(), 1, "{url} {kind:?}");
        }
        assert_eq!(kinds.len(), 4);
        assert!(found.took < Duration::from_secs(8), "{:?}", found.took);
    })
    .await;
}

#[tokio::test]
async fn g012_r_f6_the_relay_is_given_back_within_a_second_of_close() {
    run(async {
        let server = Coturn::start(&[]);
        let ways = [1, 2].map(|seed| LossyWay::to(server.v4(), 0, seed));
        let [a, b] = [&ways[0], &ways[1]].map(|way| relay_only([turn(way.address)]));
        let (a, b) = connected_pair_with(a, b).await;
        let ports = [relay_port(&a), relay_port(&b)];
        assert_eq!(ports.map(is_open), [true, true]);
        assert!(ways.iter().all(|way| way.given_back().is_none()));
        let (start, watch) = (Instant::now(), Watch::start());
        // One way that it ends, and another.
        a.connection.close();
        b.connection.local_socket().close();
        within(3, async {
            // coturn itself keeps the port for another second.
            while ports.map(is_open) != [false, false] {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        println!("the ports are closed after {:?}", start.elapsed());
        for way in &ways {
            let took = way.given_back().unwrap() - start;
            println!("given back after {took:?}");
            assert!(took < Duration::from_secs(1) + watch.lost(), "{took:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_gave_its_relay_back_gets_one_for_the_next_connection() {
    run(async {
        let server = Coturn::start(&[]);
        let first = gather(relay_only([turn(server.v4())])).await;
        assert_eq!(first.types(), ["relay"]);
        let socket = first.connection.local_socket();
        first.connection.close();
        // The server's goodbye to it is still under way, or has just come.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let second = gather(loopback_on(&socket)).await;
        assert_eq!(second.types(), ["relay"], "{:?}", second.errors);
        println!("{:?}", second.took);
    })
    .await;
}

#[tokio::test]
async fn a_restart_asks_the_servers_again_and_keeps_the_relays() {
    run(async {
        let server = Coturn::start(&[]);
        let options = || relay_only([turn(server.v4())]);
        let (a, b) = connected_pair_with(options(), options()).await;
        let before = [relay_port(&a), relay_port(&b)];
        a.connection.restart().unwrap();
        b.connection.restart().unwrap();
        a.connection.set_remote(b.connection.local()).unwrap();
        b.connection.set_remote(a.connection.local()).unwrap();
        for (from, to) in [(&a, &b), (&b, &a)] {
            let relay = from.events().iter().find_map(candidate).unwrap();
            to.connection.set_remote_candidate(&relay).unwrap();
        }
        within(10, async {
            // Gathering is complete again, so each server has confirmed its relay.
            for peer in [&a, &b] {
                while peer
                    .names()
                    .iter()
                    .filter(|n| **n == "endofcandidates")
                    .count()
                    < 2
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        })
        .await;
        media_both_ways(&a, &b).await;
        for (peer, before) in [(&a, before[0]), (&b, before[1])] {
            let found: Vec<_> = peer.events().iter().filter_map(candidate).collect();
            let ports: Vec<_> = found.iter().map(|c| (&*c.typ, c.connection_port)).collect();
            assert!(
                ports.iter().all(|port| *port == ("relay", before)),
                "{ports:?}"
            );
            assert_eq!(peer.events().iter().find_map(reason), None);
        }
        close(&a, &b);
    })
    .await;
}

fn loopback_on(socket: &ortc::RTCSocket) -> RTCConnectionOptions {
    RTCConnectionOptions::default()
        .socket(socket.clone())
        .relay_only(true)
}

#[tokio::test]
async fn relay_only_is_refused_where_it_could_not_hold() {
    run(async {
        let stun = RTCIceServer::new("stun:127.0.0.1:9");
        for options in [loopback().relay_only(true), relay_only([stun])] {
            let error = RTCConnection::new(options).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters);
        }
        let (open, _events) = RTCConnection::new(loopback()).unwrap();
        let error = RTCConnection::new(loopback_on(&open.local_socket())).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
    })
    .await;
}

/// What providers hand out: every transport of the same server, of which not all can be used.
#[tokio::test]
async fn g017_r_f4_servers_that_cannot_be_used_are_an_error_each_and_the_others_are_used() {
    run(async {
        let server = Coturn::start(&[]);
        let at = server.v4();
        let unusable = [format!("turns:{at}?transport=udp"), format!("stuns:{at}")];
        let with = |urls: &[String]| {
            let mut server = turn(at);
            server.urls = urls.to_vec();
            server
        };
        let mut urls = unusable.to_vec();
        // Before, between and after, and more of them than there may be servers.
        urls.insert(2, format!("turn:{at}?transport=udp"));
        urls.extend((0..20).map(|i| format!("stuns:h{i}.example")));
        urls.push(format!("stun:{at}"));
        for relay_only in [false, true] {
            let options = loopback().relay_only(relay_only);
            let found = gather(options.ice_servers([with(&urls)])).await;
            assert!(found.types().contains(&"relay"), "{:?}", found.errors);
            assert_eq!(found.errors.len(), unusable.len() + 20);
            for error in &found.errors {
                assert_eq!(error.kind, IceServerErrorKind::Unsupported);
                assert!(error.message.contains("not supported"), "{error}");
                assert!(urls.contains(&error.url));
            }
            found.connection.close();
        }
        // None that can be used.
        let found = gather(loopback().ice_servers([with(&unusable)])).await;
        assert_eq!((found.types(), found.errors.len()), (vec!["host"], 2));
        found.connection.close();
        let options = loopback().relay_only(true);
        let error = RTCConnection::new(options.ice_servers([with(&unusable)])).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
        assert!(error.to_string().contains("DTLS"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn r_s20_a_server_that_sends_its_clients_to_another_one_gives_a_relay_there() {
    run(async {
        let second = Coturn::start(&[]);
        let to = second.v4();
        let first = Coturn::start(&[&format!("--alternate-server={to}")]);
        let options = || relay_only([turn(first.v4())]);
        let (a, b) = connected_pair_with(options(), options()).await;
        media_both_ways(&a, &b).await;
        close(&a, &b);
        drop(first);
    })
    .await;
}

/// How long it takes until something that is written from now on is heard.
async fn heard_after(source: &MediaStreamTrack, received: &MediaStreamTrack, mark: u8) -> Duration {
    let watch = Watch::start();
    let mut tick = tokio::time::interval(FRAME);
    within(60, async {
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    let _ = source.write_sample(vec![mark; 80], FRAME);
                }
                packet = received.recv_rtp() => {
                    if packet.unwrap().payload.first() == Some(&mark) {
                        return watch.took();
                    }
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn r_f3_a_call_goes_on_through_new_relays_of_a_server_that_was_restarted() {
    run(async {
        let mut server = Coturn::start(&[]);
        let options = || relay_only([turn(server.v4())]);
        let (a, b) = connected_pair_with(options(), options()).await;
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        heard_after(&source, &received, 1).await;
        let before = [relay_port(&a), relay_port(&b)];
        server.kill();
        server.start_again();
        let took = heard_after(&source, &received, 2).await;
        println!("heard again after {took:?}");
        assert!(took < Duration::from_secs(30), "{took:?}");
        for (peer, before) in [(&a, before[0]), (&b, before[1])] {
            let found: Vec<_> = peer.events().iter().filter_map(candidate).collect();
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found.iter().all(|c| c.typ == "relay"));
            assert_eq!(found[0].connection_port, before);
            // None was for good.
            let ends: Vec<_> = peer.events().iter().filter_map(reason).collect();
            assert!(ends.iter().all(|reason| reason.is_transient()), "{ends:?}");
        }
        close(&a, &b);
    })
    .await;
}

/// The server stays away: a restart once it is back brings all of it back. With `ORTC_SOAK` it stays
/// away until the call has failed, which is told in time.
#[tokio::test]
async fn r_f3_a_dead_server_fails_the_call_in_30_s_and_a_restart_mends_it_in_10_s() {
    run(async {
        let mut server = Coturn::start(&[]);
        let options = || relay_only([turn(server.v4())]);
        let (a, b) = connected_pair_with(options(), options()).await;
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        heard_after(&source, &received, 1).await;
        server.kill();
        let dead = Watch::start();
        let full = std::env::var_os("ORTC_SOAK").is_some();
        tokio::time::sleep(Duration::from_secs(2)).await;
        within(40, async {
            let failed = |e: &RTCConnectionEvent| {
                matches!(e, RTCConnectionEvent::IceStateChange(RTCIceState::Failed))
            };
            let both = || [&a, &b].iter().all(|peer| peer.events().iter().any(failed));
            while full && !both() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        println!("failed after {:?}", dead.took());
        assert!(dead.took() < Duration::from_secs(31) + dead.lost());

        server.start_again();
        let back = Watch::start();
        a.connection.restart().unwrap();
        b.connection.restart().unwrap();
        a.connection.set_remote(b.connection.local()).unwrap();
        b.connection.set_remote(a.connection.local()).unwrap();
        heard_after(&source, &received, 2).await;
        println!("mended after {:?}", back.took());
        assert!(back.took() < Duration::from_secs(10) + back.lost());
        close(&a, &b);
    })
    .await;
}

/// The way to the server alone is cut, for longer than a path may be silent, and comes back.
#[tokio::test]
async fn r_f3_a_call_goes_on_when_the_way_to_its_server_was_cut() {
    run(async {
        let server = Coturn::start(&[]);
        let ways = [1, 2].map(|seed| LossyWay::to(server.v4(), 0, seed));
        let options = |way: &LossyWay| relay_only([turn(way.address)]);
        let (a, b) = connected_pair_with(options(&ways[0]), options(&ways[1])).await;
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        heard_after(&source, &received, 1).await;
        ways.iter().for_each(|way| way.cut(true));
        let cut = tokio::time::sleep(Duration::from_secs(11));
        tokio::pin!(cut);
        let mut tick = tokio::time::interval(FRAME);
        loop {
            tokio::select! {
                () = &mut cut => break,
                _ = tick.tick() => {
                    let _ = source.write_sample(vec![1; 80], FRAME);
                }
            }
        }
        ways.iter().for_each(|way| way.cut(false));
        let took = heard_after(&source, &received, 2).await;
        println!("heard again after {took:?}");
        assert!(took < Duration::from_secs(19), "{took:?}");
        for peer in [&a, &b] {
            // The allocations were kept.
            assert_eq!(peer.events().iter().filter_map(candidate).count(), 1);
        }
        close(&a, &b);
    })
    .await;
}

#[tokio::test]
async fn r_f4_of_five_servers_four_are_dead_and_hosts_come_at_once() {
    run(async {
        let (live, full) = (Coturn::start(&[]), Coturn::start(&["--user-quota=1"]));
        let taken = gather(relay_only([turn(full.v4())])).await;
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let options = loopback().ice_servers([
            turn(silent.local_addr().unwrap()),
            RTCIceServer::new("stun:nowhere.invalid"),
            turn(full.v4()),
            RTCIceServer::new(format!("turns:{}", live.v4())).with_credential(USER, PASSWORD),
            turn(live.v4()),
        ]);
        let start = Watch::start();
        let (connection, mut events) = RTCConnection::new(options).unwrap();
        let first = within(5, events.next()).await.unwrap();
        let took = start.took();
        // Nothing but the errors that need no network comes before.
        let host = |event: &RTCConnectionEvent| candidate(event).is_some_and(|c| c.typ == "host");
        let mut all = vec![first];
        if !host(&all[0]) {
            all.push(within(5, events.next()).await.unwrap());
        }
        assert!(all.iter().any(host), "{all:?}");
        assert!(took < Duration::from_millis(100) + start.lost(), "{took:?}");
        within(12, async {
            while !all.contains(&RTCConnectionEvent::EndOfCandidates) {
                all.push(events.next().await.unwrap());
            }
            println!("the end after {:?}", start.took());
            // Nothing but the look-up, which has 5 s, came after the relay.
            assert!(start.took() < Duration::from_secs(8) + start.lost());
            // The one that is silent is known after the end.
            let failed = |e: &&_| matches!(e, RTCConnectionEvent::IceServerError(_));
            while all.iter().filter(failed).count() < 4 {
                all.push(events.next().await.unwrap());
            }
        })
        .await;
        assert!(start.took() < Duration::from_secs(10) + start.lost());
        let errors = all.iter().filter_map(|event| match event {
            RTCConnectionEvent::IceServerError(error) => Some(error.kind),
            _ => None,
        });
        let errors: Vec<_> = errors.collect();
        for kind in [
            IceServerErrorKind::Timeout,
            IceServerErrorKind::Resolve,
            IceServerErrorKind::Refused(486),
            // Nobody listens there over TCP.
            IceServerErrorKind::Unreachable,
        ] {
            assert!(errors.contains(&kind), "{kind:?}: {errors:?}");
        }
        assert_eq!(errors.len(), 4);
        let relay = |event: &RTCConnectionEvent| candidate(event).is_some_and(|c| c.typ == "relay");
        assert_eq!(all.iter().filter(|event| relay(event)).count(), 1);
        connection.close();
        taken.connection.close();
    })
    .await;
}

/// The server gives relays, and lets nobody be reached over them.
#[tokio::test]
async fn a_turn_server_that_gives_no_permission_is_named_in_the_log() {
    run(async {
        let kept = Kept::new(Level::INFO);
        let server = Coturn::start(&["--denied-peer-ip=127.0.0.0-127.255.255.255"]);
        let options = relay_only([turn(server.v4())]);
        let (a, b) = common::pair_with(options, loopback()).await;
        let refused = || kept.lines().iter().any(|line| line.contains("code=403"));
        within(20, async {
            while !refused() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let cause = "the TURN server gives no permission for the peer's address";
        kept.expect(1, &["WARN ortc::turn", "nothing can be relayed", cause]);
        let text = a.connection.explain();
        assert!(
            text.contains("refused to relay to a peer (error 403)"),
            "{text}"
        );
        for line in kept.lines() {
            assert_eq!(leak(&line), None, "{line}");
        }
        close(&a, &b);
    })
    .await;
}

/// A relay that is there no more is a warning, and what became of it.
#[tokio::test]
async fn a_lost_relay_is_named_in_the_log() {
    run(async {
        let kept = Kept::new(Level::INFO);
        let mut server = Coturn::start(&[]);
        let options = || relay_only([turn(server.v4())]);
        let (a, b) = connected_pair_with(options(), options()).await;
        server.kill();
        server.start_again();
        let lost = || {
            kept.lines()
                .iter()
                .any(|line| line.contains("a relay is lost"))
        };
        within(30, async {
            while !lost() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let lines = kept.lines();
        let line = lines
            .iter()
            .find(|line| line.contains("a relay is lost"))
            .unwrap();
        assert!(line.starts_with("WARN ortc::turn socket{id="), "{line}");
        assert!(line.contains("the server no longer knows it"), "{line}");
        close(&a, &b);
    })
    .await;
}
