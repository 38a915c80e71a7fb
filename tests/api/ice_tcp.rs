//! Connections over TCP (RFC 6544), on loopback: no candidate of UDP is told, so that none is used.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortc::{
    Kind, RTCCandidatePolicy, RTCConnection, RTCConnectionEvent, RTCConnectionOptions,
    RTCDataChannelMessage, RTCDataChannelOptions, RTCIceCandidateDescription, RTCIceRole,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::common::session::{End, audio, exchange};
use crate::common::{connected_pair_with, loopback, run, send_track, while_writing, within};

fn tcp() -> RTCConnectionOptions {
    loopback().candidate_policy(RTCCandidatePolicy::default().tcp(true))
}

/// The candidates that there are at once.
fn candidates(end: &mut End) -> Vec<RTCIceCandidateDescription> {
    let mut found = Vec::new();
    while let Some(event) = end.events.try_next() {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            found.push(candidate);
        }
    }
    found
}

/// Tells `to` who `from` is and those of its candidates over TCP that `pass` lets by.
fn tell(from: &mut End, to: &End, mut pass: impl FnMut(&mut RTCIceCandidateDescription) -> bool) {
    to.connection.set_remote(from.connection.local()).unwrap();
    for mut candidate in candidates(from) {
        if candidate.transport == "tcp" && pass(&mut candidate) {
            to.connection.set_remote_candidate(&candidate).unwrap();
        }
    }
}

async fn over_tcp(a: RTCConnectionOptions, b: RTCConnectionOptions) -> [End; 2] {
    let [mut a, mut b] = [End::new(a), End::new(b)];
    tell(&mut a, &b, |_| true);
    tell(&mut b, &a, |_| true);
    for end in [&a, &b] {
        end.connection.connect().unwrap();
    }
    within(10, async {
        a.connection.connected().await.unwrap();
        b.connection.connected().await.unwrap();
    })
    .await;
    [a, b]
}

fn pair_in_use(end: &End) -> (String, String) {
    let stats = end.connection.stats();
    let pair = stats.candidate_pairs.iter().find(|pair| pair.selected);
    let pair = pair.unwrap();
    let of = |candidate: &RTCIceCandidateDescription| {
        format!(
            "{} {}",
            candidate.transport,
            candidate.tcp_type.clone().unwrap_or_default()
        )
    };
    (of(&pair.local_candidate), of(&pair.remote_candidate))
}

#[tokio::test]
async fn audio_video_and_data_go_both_ways_over_tcp() {
    run(async {
        for role in [RTCIceRole::Controlling, RTCIceRole::Controlled] {
            let [a, b] = over_tcp(tcp().role(role), tcp()).await;
            assert!(
                pair_in_use(&a).0.starts_with("tcp "),
                "{:?}",
                pair_in_use(&a)
            );
            for (from, to) in [(&a, &b), (&b, &a)] {
                for kind in [Kind::Audio, Kind::Video] {
                    let (source, _, received) = send_track(&from.connection, &to.connection, kind);
                    while_writing(&source, async {
                        for _ in 0..30 {
                            received.recv_rtp().await.unwrap();
                        }
                    })
                    .await;
                }
            }
            for end in [&a, &b] {
                assert_eq!(end.connection.stats().socket.tcp_unsent, 0);
            }
            let options = || RTCDataChannelOptions::default().negotiated(1);
            let one = a.connection.create_data_channel("", options()).unwrap();
            let other = b.connection.create_data_channel("", options()).unwrap();
            within(20, async {
                one.opened().await.unwrap();
                other.opened().await.unwrap();
                for (from, to) in [(&one, &other), (&other, &one)] {
                    for _ in 0..10 {
                        from.send(vec![7u8; 100_000]).await.unwrap();
                    }
                    for _ in 0..10 {
                        let RTCDataChannelMessage::Binary(got) = to.recv().await.unwrap() else {
                            panic!("no bytes")
                        };
                        assert_eq!(got.len(), 100_000);
                    }
                }
            })
            .await;
            a.connection.close();
            b.connection.close();
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_offered_over_tcp() {
    run(async {
        let mut end = End::new(tcp());
        let found = candidates(&mut end);
        let tcp: Vec<_> = found.iter().filter(|c| c.transport == "tcp").collect();
        let types: BTreeSet<_> = tcp.iter().map(|c| c.tcp_type.as_deref().unwrap()).collect();
        assert_eq!(types, BTreeSet::from(["active", "passive"]));
        let udp = found.iter().find(|c| c.transport == "udp").unwrap();
        assert!(tcp.iter().all(|c| c.priority < udp.priority));
        let active = tcp.iter().find(|c| c.tcp_type.as_deref() == Some("active"));
        assert_eq!(active.unwrap().connection_port, 9);
        // The number of the UDP port, which is free most of the time.
        let passive = tcp
            .iter()
            .find(|c| c.tcp_type.as_deref() == Some("passive"));
        assert_ne!(passive.unwrap().connection_port, 9);
        end.connection.close();

        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let policy = || RTCCandidatePolicy::default().tcp_port(port);
        let refused = RTCConnection::new(loopback().candidate_policy(policy()));
        assert!(refused.is_err());
        drop(taken);
        let mut end = End::new(loopback().candidate_policy(policy()));
        let found = candidates(&mut end);
        assert!(
            found
                .iter()
                .any(|c| c.transport == "tcp" && c.connection_port == port)
        );
        end.connection.close();

        let off = policy().tcp(false);
        let mut end = End::new(loopback().candidate_policy(off));
        assert!(candidates(&mut end).iter().all(|c| c.transport == "udp"));
        end.connection.close();
    })
    .await;
}

/// Where both are there, UDP carries, whichever connects first.
#[tokio::test]
async fn udp_is_preferred() {
    run(async {
        let (a, b) = connected_pair_with(tcp(), tcp()).await;
        within(10, async {
            loop {
                let stats = a.connection.stats();
                let pair = stats.candidate_pairs.iter().find(|pair| pair.selected);
                if pair.is_some_and(|pair| pair.local_candidate.transport == "udp") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        a.connection.close();
        b.connection.close();
    })
    .await;
}

/// A way that can be cut: connections go through it to `to`.
struct Way {
    at: SocketAddr,
    cut: Arc<Notify>,
    /// Nothing more is read of what goes to `to`.
    stuck: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

async fn way(to: SocketAddr) -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let cut = Arc::new(Notify::new());
    let (stuck, look) = watch::channel(false);
    let cuts = cut.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut ways = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let (cut, mut look) = (cuts.clone(), look.clone());
            ways.spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let stuck = tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => false,
                    () = cut.notified() => false,
                    _ = look.wait_for(|stuck| *stuck) => true,
                };
                if stuck {
                    // As long as the test runs.
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    Way {
        at,
        cut,
        stuck,
        _tasks: tasks,
    }
}

/// `a` connects to `b`, through the way.
async fn through(a: RTCConnectionOptions, b: RTCConnectionOptions) -> ([End; 2], Way) {
    let [mut a, mut b] = [End::new(a), End::new(b)];
    tell(&mut a, &b, |c| c.tcp_type.as_deref() == Some("active"));
    let mut listening = None;
    let mut all = Vec::new();
    a.connection.set_remote(b.connection.local()).unwrap();
    for candidate in candidates(&mut b) {
        if candidate.tcp_type.as_deref() == Some("passive") {
            let ip = candidate.connection_address.parse().unwrap();
            listening = Some(SocketAddr::new(ip, candidate.connection_port));
            all.push(candidate);
        }
    }
    let way = way(listening.unwrap()).await;
    for mut candidate in all {
        candidate.connection_port = way.at.port();
        a.connection.set_remote_candidate(&candidate).unwrap();
    }
    for end in [&a, &b] {
        end.connection.connect().unwrap();
    }
    within(10, async {
        a.connection.connected().await.unwrap();
        b.connection.connected().await.unwrap();
    })
    .await;
    ([a, b], way)
}

#[tokio::test]
async fn a_connection_that_breaks_is_begun_again() {
    run(async {
        for role in [RTCIceRole::Controlling, RTCIceRole::Controlled] {
            let ([a, b], way) = through(tcp().role(role), tcp()).await;
            assert_eq!(pair_in_use(&a), ("tcp active".into(), "tcp passive".into()));
            let tracks = [audio(&a, &b), audio(&b, &a)];
            for track in &tracks {
                assert_eq!(exchange(track, 5).await, 5);
            }
            way.cut.notify_waiters();
            let start = Instant::now();
            for (sent, received) in &tracks {
                // What was on its way may come late; then nothing until there is a way again.
                while_writing(sent, async {
                    let mut in_a_row = 0;
                    while in_a_row < 20 {
                        received.recv_rtp().await.unwrap();
                        in_a_row += 1;
                    }
                })
                .await;
            }
            println!("{role:?}: media again after {:?}", start.elapsed());
            a.connection.close();
            b.connection.close();
        }
    })
    .await;
}

/// The peer reads nothing any more: what has no room is dropped and counted, nothing waits.
#[tokio::test]
async fn a_connection_that_does_not_drain_drops_media() {
    run(async {
        let ([a, b], way) = through(tcp(), tcp()).await;
        let (source, _, received) = send_track(&a.connection, &b.connection, Kind::Video);
        while_writing(&source, async {
            received.recv_rtp().await.unwrap();
        })
        .await;
        way.stuck.send(true).unwrap();
        within(30, async {
            while a.connection.stats().socket.tcp_unsent < 100 {
                for _ in 0..10 {
                    let frame = vec![1; 50_000];
                    source
                        .write_sample(frame, Duration::from_millis(33))
                        .unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        a.connection.close();
        b.connection.close();
    })
    .await;
}

/// Reads until the other side closes.
async fn closed(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while matches!(stream.read(&mut buffer).await, Ok(count) if count > 0) {}
}

/// A binding request for `to`, as one of `from` would name itself, in a frame (RFC 4571).
fn unsigned_check(to: &RTCConnection, from: &RTCConnection) -> Vec<u8> {
    let fragment = |of: &RTCConnection| of.local().ice.username_frag;
    let name = format!("{}:{}", fragment(to), fragment(from));
    let padded = name.len().next_multiple_of(4);
    let mut check = vec![0, 1, 0, 4 + padded as u8, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend([0, 6, 0, name.len() as u8]);
    check.extend(name.as_bytes());
    check.resize(24 + padded, 0);
    [&[0, check.len() as u8], &check[..]].concat()
}

/// A thousand connections that say nothing, and others that say something else, beside a call.
#[tokio::test]
async fn strangers_are_closed_within_10_s_and_a_call_beside_them_goes_on() {
    run(async {
        let [mut a, mut b] = [End::new(tcp()), End::new(tcp())];
        let mut at = None;
        tell(&mut b, &a, |candidate| {
            if candidate.tcp_type.as_deref() == Some("passive") {
                at = Some(candidate.connection_port);
            }
            true
        });
        tell(&mut a, &b, |_| true);
        let at = SocketAddr::from(([127, 0, 0, 1], at.unwrap()));
        // Also before the call is there: strangers must not keep its own connection out.
        let mut strangers = Vec::new();
        within(20, async {
            for n in 0..1_000 {
                if n == 500 {
                    a.connection.connect().unwrap();
                    b.connection.connect().unwrap();
                }
                strangers.push(TcpStream::connect(at).await.unwrap());
            }
        })
        .await;
        // "GE" is a length, of which the rest never comes; the others are no STUN.
        for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0], &[0, 3, 1, 2, 3]] {
            let mut stranger = TcpStream::connect(at).await.unwrap();
            stranger.write_all(said).await.unwrap();
            strangers.push(stranger);
        }
        // Who has overheard for whom it would be, and does not know the password.
        for _ in 0..3 {
            let mut stranger = TcpStream::connect(at).await.unwrap();
            let check = unsigned_check(&a.connection, &b.connection);
            stranger.write_all(&check).await.unwrap();
            strangers.push(stranger);
        }
        within(10, a.connection.connected()).await.unwrap();
        within(10, b.connection.connected()).await.unwrap();
        let start = Instant::now();
        let closing = async {
            for stranger in strangers {
                closed(stranger).await;
            }
            start.elapsed()
        };
        let call = [audio(&a, &b), audio(&b, &a)];
        let talking = async {
            for _ in 0..10 {
                for track in &call {
                    assert_eq!(exchange(track, 5).await, 5);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let (took, ()) = within(60, async { tokio::join!(closing, talking) }).await;
        println!("1,000 strangers were closed after {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        for track in &call {
            assert_eq!(exchange(track, 5).await, 5);
        }
        a.connection.close();
        b.connection.close();
    })
    .await;
}
