//! Connections through a real TURN server over TCP and TLS, on loopback.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::coturn::{Certificate, Coturn, PASSWORD, USER, is_open, turn};
use common::stalls::Watch;
use common::{
    Peer, candidate, connected_pair_with, loopback, reason, run, send_track, while_writing, within,
};
use ortc::{
    ErrorName, IceServerError, IceServerErrorKind, Kind, RTCConnection, RTCConnectionEvent,
    RTCConnectionEvents, RTCConnectionOptions, RTCIceCandidateDescription, RTCIceServer,
};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// The three ways to one server.
fn ways(server: &Coturn) -> [RTCIceServer; 3] {
    [
        turn(server.v4()),
        server.over_tcp(),
        server.over_tls("localhost"),
    ]
}

fn relay_only(
    certificate: &Certificate,
    servers: impl IntoIterator<Item = RTCIceServer>,
) -> RTCConnectionOptions {
    let options = loopback().relay_only(true).ice_servers(servers);
    options.ice_server_certificates(&certificate.authority)
}

async fn media_both_ways(a: &Peer, b: &Peer) {
    for (from, to) in [(a, b), (b, a)] {
        for kind in [Kind::Audio, Kind::Video] {
            let (source, _, received) = send_track(&from.connection, &to.connection, kind);
            while_writing(&source, async {
                for _ in 0..30 {
                    received.recv_rtp().await.unwrap();
                }
            })
            .await;
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
async fn r_f5_media_goes_both_ways_over_tcp_and_over_tls() {
    run(async {
        let certificate = Certificate::of(&NAMES);
        let server = Coturn::start_with_tls(&certificate, &[]);
        for name in [None, Some("localhost"), Some("127.0.0.1")] {
            let way = || match name {
                None => server.over_tcp(),
                Some(name) => server.over_tls(name),
            };
            let options = || relay_only(&certificate, [way()]);
            let (a, b) = connected_pair_with(options(), options()).await;
            media_both_ways(&a, &b).await;
            let found: Vec<_> = a.events().iter().filter_map(candidate).collect();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].typ, "relay");
            a.connection.close();
            b.connection.close();
        }
    })
    .await;
}

/// What gathering found and which servers failed, and how long it took.
struct Found {
    _connection: RTCConnection,
    events: RTCConnectionEvents,
    relays: Vec<RTCIceCandidateDescription>,
    errors: Vec<IceServerError>,
    took: Duration,
}

async fn gather(options: RTCConnectionOptions) -> Found {
    let start = Watch::start();
    let (connection, mut events) = RTCConnection::new(options).unwrap();
    let (mut relays, mut errors) = (Vec::new(), Vec::new());
    within(30, async {
        loop {
            match events.next().await.unwrap() {
                RTCConnectionEvent::Candidate(found) if found.typ == "relay" => relays.push(found),
                RTCConnectionEvent::IceServerError(error) => errors.push(error),
                RTCConnectionEvent::EndOfCandidates => break,
                _ => {}
            }
        }
    })
    .await;
    Found {
        _connection: connection,
        events,
        relays,
        errors,
        took: start.took(),
    }
}

/// The relay that `peer` sends through at last.
async fn settled_on(peer: &Peer, port: u16) {
    within(20, async {
        loop {
            let events = peer.events();
            let last = events.iter().rev().find_map(|event| match event {
                RTCConnectionEvent::ActiveCandidate { local, .. } => Some(local.connection_port),
                _ => None,
            });
            if last == Some(port) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn relays_of(peer: &Peer) -> Vec<RTCIceCandidateDescription> {
    let mut found: Vec<_> = peer.events().iter().filter_map(candidate).collect();
    found.sort_by_key(|relay| std::cmp::Reverse(relay.priority));
    found
}

#[tokio::test]
async fn r_f5_three_ways_to_a_server_are_tried_side_by_side_and_the_cheapest_carries() {
    run(async {
        let certificate = Certificate::of(&NAMES);
        let server = Coturn::start_with_tls(&certificate, &[]);
        let mut reversed = ways(&server);
        reversed.reverse();
        let options = || relay_only(&certificate, reversed.clone());
        let found = gather(options()).await;
        assert_eq!((found.relays.len(), found.errors), (3, vec![]));
        let preference = |way: &str| {
            let one = ways(&server).into_iter().find(|w| w.urls[0].contains(way));
            let options = relay_only(&certificate, one);
            async { gather(options).await.relays[0].priority }
        };
        let [tcp, tls] = [preference("=tcp").await, preference("turns").await];
        let udp = gather(relay_only(&certificate, [turn(server.v4())])).await;
        let udp = udp.relays[0].priority;
        assert!(udp > tcp && tcp > tls, "{udp} {tcp} {tls}");

        let (a, b) = connected_pair_with(options(), options()).await;
        for peer in [&a, &b] {
            within(10, async {
                while relays_of(peer).len() < 3 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            let relays = relays_of(peer);
            assert_eq!(relays[0].priority, udp);
            settled_on(peer, relays[0].connection_port).await;
        }
        media_both_ways(&a, &b).await;
        a.connection.close();
        b.connection.close();
    })
    .await;
}

/// Each error says what is wrong, and the connection that can be made is not held up.
#[tokio::test]
async fn r_f5_a_wrong_name_or_authority_is_refused_and_named() {
    run(async {
        let certificate = Certificate::of(&["localhost"]);
        let stranger = Certificate::of(&["localhost"]);
        let server = Coturn::start_with_tls(&certificate, &[]);
        let by = |certificate: &str, name: &str| {
            let options = loopback().relay_only(true);
            let options = options.ice_servers([server.over_tls(name)]);
            options.ice_server_certificates(certificate)
        };
        for (options, words) in [
            (by(&certificate.authority, "127.0.0.1"), "for another name"),
            (
                by(&stranger.authority, "localhost"),
                "authority that is not trusted",
            ),
            (
                by(&stranger.own, "localhost"),
                "authority that is not trusted",
            ),
            (
                loopback()
                    .relay_only(true)
                    .ice_servers([server.over_tls("localhost")]),
                "authority that is not trusted",
            ),
        ] {
            let found = gather(options).await;
            assert!(found.relays.is_empty());
            let [error] = &found.errors[..] else {
                panic!("{:?}", found.errors);
            };
            assert_eq!(error.kind, IceServerErrorKind::Certificate, "{error}");
            assert!(error.message.contains(words), "{error}");
            println!("{error}, after {:?}", found.took);
        }
        // The very certificate is as good as its authority, and better than a name.
        for (pem, name) in [
            (&certificate.authority, "localhost"),
            (&certificate.own, "localhost"),
            (&certificate.own, "127.0.0.1"),
        ] {
            assert_eq!(gather(by(pem, name)).await.relays.len(), 1);
        }
        let none = RTCConnection::new(loopback().ice_server_certificates("none")).unwrap_err();
        assert_eq!(none.name(), ErrorName::InvalidParameters);
    })
    .await;
}

#[tokio::test]
async fn r_f4_servers_that_nobody_is_behind_are_an_error_each() {
    run(async {
        let certificate = Certificate::of(&NAMES);
        // Nobody listens; one that says nothing; one that speaks something else.
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (closed, silent, other) = (listen(), listen(), listen());
        let at = |listener: &std::net::TcpListener| listener.local_addr().unwrap();
        let [nobody, mute, web] = [at(&closed), at(&silent), at(&other)];
        drop(closed);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = other.accept() {
                let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-x\r\n");
            }
        });
        let server = |scheme: &str, at: SocketAddr| {
            let url = format!("{scheme}:{at}?transport=tcp");
            RTCIceServer::new(url).with_credential(USER, PASSWORD)
        };
        let mut found = gather(relay_only(
            &certificate,
            [
                server("turn", nobody),
                server("turn", web),
                server("turns", nobody),
                server("turns", web),
                // Turned away before it says a word of TURN.
                server("turns", mute),
            ],
        ))
        .await;
        // Nobody answers at all.
        assert!(found.took < Duration::from_secs(7), "{:?}", found.took);
        within(20, async {
            while found.errors.len() < 5 {
                let event = found.events.next().await.unwrap();
                if let RTCConnectionEvent::IceServerError(error) = event {
                    found.errors.push(error);
                }
            }
        })
        .await;
        let mut kinds: Vec<_> = found.errors.iter().map(|e| (&*e.url, e.kind)).collect();
        kinds.sort_unstable_by_key(|(url, _)| url.to_string());
        println!("{:?} after {:?}", found.errors, found.took);
        for (scheme, at, kind) in [
            ("turn", nobody, IceServerErrorKind::Unreachable),
            ("turn", web, IceServerErrorKind::Malformed),
            ("turns", nobody, IceServerErrorKind::Unreachable),
            ("turns", web, IceServerErrorKind::Malformed),
            ("turns", mute, IceServerErrorKind::Timeout),
        ] {
            let url = format!("{scheme}:{at}?transport=tcp");
            assert!(kinds.contains(&(&*url, kind)), "{url}: {kinds:?}");
        }
        drop(silent);
    })
    .await;
}

/// The server says so in its log: what it keeps for a while is no allocation.
#[tokio::test]
async fn r_f6_relays_over_streams_are_given_back_within_a_second_of_close() {
    run(async {
        let certificate = Certificate::of(&NAMES);
        let server = Coturn::start_with_tls(&certificate, &["--verbose"]);
        for way in ways(&server) {
            let options = || relay_only(&certificate, [way.clone()]);
            let before = server.count_in_log("lifetime=0");
            let (a, b) = connected_pair_with(options(), options()).await;
            let ports = [&a, &b].map(|peer| relays_of(peer)[0].connection_port);
            assert_eq!(ports.map(is_open), [true, true]);
            let watch = Watch::start();
            a.connection.close();
            b.connection.local_socket().close();
            within(10, async {
                while server.count_in_log("lifetime=0") < before + 2 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            let took = watch.took();
            println!("{}: given back after {took:?}", way.urls[0]);
            assert!(took < Duration::from_secs(1), "{took:?}");
            within(10, async {
                while ports.map(is_open) != [false, false] {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
        }
    })
    .await;
}

/// Over TCP to one server, and over TLS to another. The first one dies.
#[tokio::test]
async fn r_f3_a_call_goes_on_over_another_server_when_one_dies() {
    run(async {
        let certificate = Certificate::of(&NAMES);
        let mut first = Coturn::start_with_tls(&certificate, &[]);
        let second = Coturn::start_with_tls(&certificate, &[]);
        let ways = [first.over_tcp(), second.over_tls("localhost")];
        let options = || relay_only(&certificate, ways.clone());
        let (a, b) = connected_pair_with(options(), options()).await;
        for peer in [&a, &b] {
            settled_on(peer, relays_of(peer)[0].connection_port).await;
        }
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        while_writing(&source, async {
            received.recv_rtp().await.unwrap();
            first.kill();
            // What had come already.
            let waiting = async {
                loop {
                    received.recv_rtp().await.unwrap();
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(50), waiting).await;
            let watch = Watch::start();
            within(60, received.recv_rtp()).await.unwrap();
            let took = watch.took();
            println!("heard again after {took:?}");
            assert!(took < Duration::from_secs(10), "{took:?}");
        })
        .await;
        assert_eq!(a.events().iter().find_map(reason), None);
        a.connection.close();
        b.connection.close();
    })
    .await;
}
