//! What is counted can be read.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::data::RTCDataChannelStats;
use super::drops::RTCDropStats;
use crate::connection::RTCConnection;
use crate::connection::test_ends::{end, introduce};
use crate::data::options::{RTCDataChannelOptions, RTCDataChannelState};
use crate::trace::page_tests::sources;

async fn connected() -> (RTCConnection, RTCConnection) {
    let ((a, mut a_events), (b, mut b_events)) = (end(), end());
    introduce(&a, &b, &mut b_events).await;
    introduce(&b, &a, &mut a_events).await;
    a.connected().await.unwrap();
    b.connected().await.unwrap();
    (a, b)
}

/// Each struct of counters is taken apart whole where it becomes statistics, so that one that is
/// added and not shown does not compile without a warning.
#[test]
fn no_counter_is_left_out_by_default() {
    // Atomic counters, which are read into one of the others, or one by one; and what a handle
    // gives by itself.
    const INSIDE: [&str; 4] = [
        "RelayCounters",
        "UdpCounters",
        "Counters",
        "MediaForwardStats",
    ];
    let all = sources();
    let mut seen = 0;
    for (name, text) in &all {
        let structs = text.lines().filter_map(|line| line.split_once("struct "));
        let structs = structs.filter_map(|(_, rest)| rest.split([' ', '<', '(']).next());
        for found in structs.filter(|s| s.ends_with("Counters") || s.ends_with("Stats")) {
            if found.starts_with("RTC") || INSIDE.contains(&found) {
                continue;
            }
            seen += 1;
            let apart = format!("let {found} {{");
            // In the layer above, where more are put together.
            let whole = all.iter().any(|(_, text)| {
                text.split(&apart).skip(1).any(|rest| {
                    let fields = rest.split(';').next().unwrap_or_default();
                    !fields
                        .split(['}', '='])
                        .next()
                        .unwrap_or_default()
                        .contains("..")
                })
            });
            assert!(whole, "{found} of {name} is not taken apart anywhere");
        }
    }
    assert!(seen >= 14, "{seen}");
}

/// Datagrams as if from the peer, each counted under its reason.
#[tokio::test]
async fn what_is_dropped_is_counted_by_its_reason() {
    type Of = fn(&RTCDropStats) -> u64;
    let (a, b) = connected().await;
    let remote = b.shared().socket.local_addr;
    let stranger = "127.0.0.1:9".parse().unwrap();
    let stun = |class: u8| {
        let mut message = vec![class, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        message
    };
    let mut srtp = vec![0x80, 96];
    srtp.extend([1; 60]);
    let cases: [(&str, Vec<u8>, std::net::SocketAddr, Of); 7] = [
        ("unknown protocol", vec![7; 50], remote, |d| {
            d.unknown_protocol
        }),
        ("wrong path", srtp.clone(), stranger, |d| d.wrong_path),
        ("malformed RTP", vec![0x80, 96, 0, 0, 0], remote, |d| {
            d.malformed_rtp
        }),
        ("no SRTP of the peer", srtp, remote, |d| d.rejected_srtp),
        ("STUN without FINGERPRINT", stun(0), remote, |d| {
            d.stun_faults.malformed
        }),
        ("DTLS of no epoch", vec![23; 40], remote, |d| d.dtls),
        (
            "an alert in plain text",
            vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
            remote,
            |d| d.dtls_alerts,
        ),
    ];
    let local = a.shared().socket.local_addr;
    for (what, datagram, from, count) in cases {
        let before = count(&a.stats().dropped);
        for _ in 0..3 {
            let mut state = a.shared().lock();
            let now = Instant::now();
            state
                .engine
                .handle_datagram(now, local, from, &mut datagram.clone());
        }
        let dropped = a.stats().dropped;
        assert!(count(&dropped) >= before + 3, "{what}: {dropped:?}");
    }
    a.close();
    b.close();
}

#[tokio::test]
async fn each_channel_has_figures_of_its_own() {
    let run = async {
        let (a, b) = connected().await;
        let options = |id| RTCDataChannelOptions::default().negotiated(id);
        let [(one, there), (other, _there)] = [1, 2].map(|id| {
            let label = format!("number {id}");
            let near = a.create_data_channel(label.clone(), options(id)).unwrap();
            (near, b.create_data_channel(label, options(id)).unwrap())
        });
        for message in ["", "four", "seventeen letters"] {
            one.send(message).await.unwrap();
            there.recv().await.unwrap();
        }
        there.send(vec![0; 1_000]).await.unwrap();
        one.recv().await.unwrap();
        other.opened().await.unwrap();
        let of = |connection: &RTCConnection, id| -> RTCDataChannelStats {
            let all = connection.stats().data_channels;
            let mut all = all.into_iter();
            all.find(|c| c.data_channel_identifier == Some(id)).unwrap()
        };
        let near = of(&a, 1);
        assert_eq!((near.messages_sent, near.bytes_sent), (3, 21));
        assert_eq!((near.messages_received, near.bytes_received), (1, 1_000));
        assert_eq!(
            (near.label.as_str(), near.state),
            ("number 1", RTCDataChannelState::Open)
        );
        let far = of(&b, 1);
        assert_eq!((far.messages_received, far.bytes_received), (3, 21));
        assert_eq!(
            (of(&a, 2).messages_sent, of(&b, 2).messages_received),
            (0, 0)
        );
        let data = a.stats().data;
        assert_eq!(
            (data.channels, data.channels_opened, data.channels_closed),
            (2, 2, 0)
        );
        one.close();
        one.closed().await;
        let data = a.stats().data;
        assert_eq!(
            (data.channels, data.channels_opened, data.channels_closed),
            (1, 2, 1)
        );
        // The names are those of the W3C.
        let json = serde_json::to_value(a.stats()).unwrap();
        assert_eq!(json["dataChannels"][0]["dataChannelIdentifier"], 2);
        assert_eq!(json["data"]["dataChannelsOpened"], 2);
        a.close();
        b.close();
    };
    timeout(Duration::from_secs(20), run).await.unwrap();
}
