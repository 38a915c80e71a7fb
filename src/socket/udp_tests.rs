#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::*;

type Got = Vec<(SocketAddr, Option<IpAddr>, Vec<u8>)>;

fn localhost(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn transmit(remote: SocketAddr, local_ip: Option<IpAddr>, contents: &[u8]) -> Transmit<'_> {
    Transmit {
        remote,
        local_ip,
        contents,
        segment_size: None,
    }
}

/// Receives until `count` datagrams came; also returns how many receive calls that took.
async fn recv(endpoint: &UdpEndpoint, count: usize) -> (Got, usize) {
    let mut got = Vec::new();
    let mut calls = 0;
    let all = async {
        while got.len() < count {
            endpoint.readable().await.unwrap();
            let mut buffers = RecvBuffers::checkout();
            let result = endpoint.try_recv(&mut buffers, &mut |d| {
                got.push((d.from, d.local_ip, d.data.to_vec()));
            });
            match result {
                Ok(_) => calls += 1,
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), all)
        .await
        .expect("datagrams lost on loopback");
    (got, calls)
}

fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::1]:0").is_ok()
}

#[tokio::test]
async fn both_families_arrive_on_one_port_with_canonical_addresses() {
    let a = UdpEndpoint::bind(None).unwrap();
    let b = UdpEndpoint::bind(None).unwrap();
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let families: &[IpAddr] = if has_ipv6() { &[v4, v6] } else { &[v4] };
    for &ip in families {
        let to_b = transmit((ip, b.port()).into(), None, b"hello");
        assert!(matches!(a.try_send(&to_b), Ok(SendOutcome::Sent)));
        let (got, _) = recv(&b, 1).await;
        assert_eq!(got[0], ((ip, a.port()).into(), Some(ip), b"hello".to_vec()));
    }
}

#[tokio::test]
async fn exactly_one_socket_serves_both_families() {
    let endpoint = UdpEndpoint::bind(None).unwrap();
    let needle = format!(":{:04X} ", endpoint.port());
    let mut sockets = 0;
    for file in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
        let Ok(table) = std::fs::read_to_string(file) else {
            return;
        };
        sockets += table
            .lines()
            .filter(|line| {
                let local = line.split_whitespace().nth(1).unwrap_or_default();
                format!("{local} ").ends_with(&needle)
            })
            .count();
    }
    assert_eq!(sockets, 1);
}

#[tokio::test]
async fn the_source_address_is_the_one_asked_for() {
    let a = UdpEndpoint::bind(None).unwrap();
    let b = UdpEndpoint::bind(None).unwrap();
    let two: IpAddr = "127.0.0.2".parse().unwrap();
    let three: IpAddr = "127.0.0.3".parse().unwrap();
    let outcome = a.try_send(&transmit((three, b.port()).into(), Some(two), b"x"));
    assert!(matches!(outcome, Ok(SendOutcome::Sent)), "{outcome:?}");
    let (got, _) = recv(&b, 1).await;
    assert_eq!(got[0].0, SocketAddr::from((two, a.port())));
    assert_eq!(got[0].1, Some(three));

    // The same on a socket that fell back to IPv4.
    let c = UdpEndpoint::bind(Some("0.0.0.0:0".parse().unwrap())).unwrap();
    let outcome = c.try_send(&transmit((three, b.port()).into(), Some(two), b"y"));
    assert!(matches!(outcome, Ok(SendOutcome::Sent)), "{outcome:?}");
    assert_eq!(recv(&b, 1).await.0[0].0, SocketAddr::from((two, c.port())));
}

#[tokio::test]
async fn a_train_of_60_datagrams_leaves_and_arrives_in_few_calls() {
    let a = UdpEndpoint::bind(Some(localhost(0))).unwrap();
    let b = UdpEndpoint::bind(None).unwrap();
    let mut train = Vec::new();
    for i in 0..60u8 {
        train.extend([i; 1200]);
    }
    train.truncate(60 * 1200 - 100);
    let outcome = a.try_send(&Transmit {
        segment_size: Some(1200),
        ..transmit(localhost(b.port()), None, &train)
    });
    assert!(matches!(outcome, Ok(SendOutcome::Sent)), "{outcome:?}");
    let (got, calls) = recv(&b, 60).await;
    assert_eq!(got.len(), 60);
    for (i, (from, local_ip, data)) in got.iter().enumerate() {
        assert_eq!(*from, localhost(a.port()));
        assert_eq!(*local_ip, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(data.len(), if i == 59 { 1100 } else { 1200 });
        assert!(data.iter().all(|&byte| usize::from(byte) == i));
    }
    if a.gso_segments() > 1 {
        assert!(calls <= 3, "{calls} receive calls");
    }
}

#[tokio::test]
async fn nothing_waiting_is_would_block() {
    let a = UdpEndpoint::bind(Some(localhost(0))).unwrap();
    let error = a
        .try_recv(&mut RecvBuffers::checkout(), &mut |_| panic!("a datagram"))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn impossible_destinations_are_dropped_and_counted() {
    let a = UdpEndpoint::bind(Some(localhost(0))).unwrap();
    let gso = a.gso_segments();
    let big = vec![0; 70_000];
    let other = Some("127.0.0.2".parse().unwrap());
    let v6 = Some(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let refused = [
        transmit(localhost(0), None, b"x"),
        transmit("0.0.0.0:9".parse().unwrap(), None, b"x"),
        transmit("[::ffff:0.0.0.0]:9".parse().unwrap(), None, b"x"),
        transmit("224.0.0.1:9".parse().unwrap(), None, b"x"),
        transmit("[::1]:9".parse().unwrap(), None, b"x"),
        transmit(localhost(9), other, b"x"),
        transmit(localhost(9), v6, b"x"),
        transmit(localhost(9), None, &big),
    ];
    for one in &refused {
        let outcome = a.try_send(one);
        assert!(matches!(outcome, Ok(SendOutcome::Dropped(_))), "{one:?}");
    }
    assert_eq!(a.counters().stats().send_dropped, refused.len() as u64);

    // A local address that is gone is EINVAL over IPv6, which quinn-udp takes for missing GSO.
    let all = UdpEndpoint::bind(None).unwrap();
    for (remote, gone) in [("127.0.0.1:9", "192.0.2.77"), ("[::1]:9", "2001:db8::77")] {
        let outcome = all.try_send(&Transmit {
            segment_size: Some(100),
            ..transmit(
                remote.parse().unwrap(),
                Some(gone.parse().unwrap()),
                &[0; 1000],
            )
        });
        assert!(
            matches!(outcome, Ok(SendOutcome::Dropped(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(a.gso_segments(), gso);
    assert_eq!(all.gso_segments(), gso);
}

/// What is too great is refused, not fragmented: only so does a greater datagram that arrives
/// show what the path carries.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn datagrams_are_sent_whole_or_not_at_all() {
    for bind in [None, Some(localhost(0))] {
        assert!(UdpEndpoint::bind(bind).unwrap().whole_datagrams());
    }
}

#[tokio::test]
async fn a_closed_peer_port_does_not_disturb_the_socket() {
    let a = UdpEndpoint::bind(None).unwrap();
    let b = UdpEndpoint::bind(None).unwrap();
    let closed = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for _ in 0..20 {
        assert!(matches!(
            a.try_send(&transmit(closed, None, b"x")),
            Ok(SendOutcome::Sent)
        ));
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    b.try_send(&transmit(localhost(a.port()), None, b"alive"))
        .unwrap();
    assert_eq!(recv(&a, 1).await.0[0].2, b"alive");
}

#[tokio::test]
async fn buffers_are_shared_and_a_port_in_use_is_an_error() {
    let a = UdpEndpoint::bind(None).unwrap();
    let (recv_buffer, send_buffer) = a.granted_buffers();
    assert!(recv_buffer > 0 && send_buffer > 0);
    let taken = UdpEndpoint::bind(Some(
        ("0.0.0.0".parse::<IpAddr>().unwrap(), a.port()).into(),
    ));
    assert!(matches!(
        taken.err(),
        Some(Error::Transport(TransportFault::Io { .. }))
    ));
}

#[test]
fn binding_outside_a_runtime_is_an_error() {
    let error = UdpEndpoint::bind(None).err();
    assert_eq!(error, Some(Error::Transport(TransportFault::NoRuntime)));
}
