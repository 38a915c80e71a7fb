//! What the kernel may answer instead of sending or receiving a datagram.

use std::time::Duration;

use tokio::time::timeout;

use super::core::event::RTCConnectionEvent;
use super::test_ends::{end, introduce};
use crate::data::options::{RTCDataChannelMessage, RTCDataChannelOptions};
use crate::error::DisconnectReason;
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::queue::lock;

/// EPERM, EINTR, EIO, EAGAIN, ENOMEM, EACCES, EINVAL, EPIPE, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP,
/// EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ECONNRESET, ENOBUFS, ETIMEDOUT, ECONNREFUSED, EHOSTDOWN,
/// EHOSTUNREACH, ENONET, EPROTO of Linux.
const ERRNOS: [i32; 22] = [
    1, 4, 5, 11, 12, 13, 22, 32, 90, 92, 95, 99, 100, 101, 104, 105, 110, 111, 112, 113, 64, 71,
];
const MESSAGES: u32 = 40;

/// Each of them, once, and in a row that ended the socket before, in the set-up and in a transfer
/// in both directions.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn r_d13_no_error_of_one_datagram_ends_a_socket() {
    let run = async {
        let (a, mut a_events) = end();
        let (b, mut b_events) = end();
        let faults = &a.shared().socket.udp_counters.faults;
        let strew = || {
            // Every third datagram out is hit, and what comes in.
            let outward = ERRNOS.iter().flat_map(|errno| [0, 0, *errno]);
            lock(&faults.send).extend(outward.cycle().take(200));
            lock(&faults.recv).extend(ERRNOS.iter().flat_map(|errno| [*errno, 0]));
        };
        strew();
        introduce(&b, &a, &mut a_events).await;
        introduce(&a, &b, &mut b_events).await;
        let options = || RTCDataChannelOptions::default().negotiated(0);
        let here = a.create_data_channel("", options()).unwrap();
        let there = b.create_data_channel("", options()).unwrap();
        a.connected().await.unwrap();
        b.connected().await.unwrap();
        here.opened().await.unwrap();
        there.opened().await.unwrap();
        for errno in ERRNOS {
            lock(&faults.recv).extend([errno; 60]);
        }
        let message = |n: u32| {
            let word = n.to_be_bytes();
            RTCDataChannelMessage::from(word.repeat(4_000))
        };
        for (from, to) in [(&here, &there), (&there, &here)] {
            strew();
            let sending = async {
                for n in 0..MESSAGES {
                    from.send(message(n)).await.unwrap();
                }
            };
            let receiving = async {
                for n in 0..MESSAGES {
                    assert!(to.recv().await.unwrap() == message(n), "message {n}");
                }
            };
            tokio::join!(sending, receiving);
        }
        while !lock(&faults.recv).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stats = a.stats();
        assert!(stats.socket.send_errors > 20, "{stats:?}");
        assert!(stats.socket.receive_errors > 1_000, "{stats:?}");
        assert!(a.state() == b.state());
    };
    timeout(Duration::from_secs(30), run).await.unwrap();
}

/// The descriptor is gone: the connection says so instead of trying for ever.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn r_d13_a_socket_that_is_gone_ends_its_connections() {
    let (a, mut events) = end();
    lock(&a.shared().socket.udp_counters.faults.recv).push_back(9);
    let port = a.local_socket().port();
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    other.send_to(b"wakes it", ("127.0.0.1", port)).unwrap();
    let ended = async {
        loop {
            if let RTCConnectionEvent::Disconnected { reason } = events.next().await.unwrap() {
                return reason;
            }
        }
    };
    let reason = timeout(Duration::from_secs(5), ended).await.unwrap();
    assert_eq!(reason, DisconnectReason::SocketClosed);
}

/// A leg that is at fault is not waited for any more.
#[tokio::test]
async fn r_g09_a_leg_at_fault_is_not_waited_for() {
    let (a, _a_events) = end();
    let (other, _other_events) = end();
    let leg = a.add_socket(&other.local_socket()).unwrap();
    let stream = MediaStream::new();
    stream.add_track(&MediaStreamTrack::audio());
    leg.add_stream(&stream).unwrap();
    let (b, mut b_events) = end();
    b.set_remote(a.local()).unwrap();
    b.connect().unwrap();
    introduce(&a, &b, &mut b_events).await;
    assert!(a.leg(&other.local_socket()).is_some());
    let soon = timeout(Duration::from_millis(200), a.connected()).await;
    assert!(soon.is_err(), "the leg carries a track: {soon:?}");
    leg.shared().abandon(DisconnectReason::Internal);
    let connected = timeout(Duration::from_secs(5), a.connected());
    connected.await.unwrap().unwrap();
}
