//! Data channels through the public API, on loopback.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::common::session::{End, join, joined};
use crate::common::{loopback, run, within};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ortc::{
    DataChannelCloseReason, Error, Misuse, RTCConnectionEvent, RTCDataChannel, RTCDataChannelEvent,
    RTCDataChannelMessage, RTCDataChannelOptions, RTCDataChannelState, RTCPriorityType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The channel that the peer made, by its label.
async fn incoming(peer: &mut End, label: &str) -> RTCDataChannel {
    within(10, async {
        loop {
            match peer.events.next().await.unwrap() {
                RTCConnectionEvent::DataChannel(channel) if channel.label() == label => {
                    return channel;
                }
                _ => {}
            }
        }
    })
    .await
}

async fn connected_pair() -> (End, End) {
    joined(End::loopback(), End::loopback()).await
}

/// A channel between two connected peers, both ends.
async fn channel_of(
    a: &mut End,
    b: &mut End,
    options: RTCDataChannelOptions,
) -> (RTCDataChannel, RTCDataChannel) {
    let here = a.connection.create_data_channel("test", options).unwrap();
    within(10, here.opened()).await.unwrap();
    let there = incoming(b, "test").await;
    (here, there)
}

async fn pair_with_channel() -> (End, End, RTCDataChannel, RTCDataChannel) {
    let (mut a, mut b) = connected_pair().await;
    let (here, there) = channel_of(&mut a, &mut b, RTCDataChannelOptions::default()).await;
    (a, b, here, there)
}

fn numbered(n: usize, len: usize) -> Bytes {
    let mut data = vec![n as u8; len];
    for (place, byte) in data.iter_mut().zip(n.to_be_bytes()) {
        *place = byte;
    }
    data.into()
}

#[tokio::test]
async fn g040_text_bytes_and_empty_messages_cross_both_ways() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        let sent = [
            RTCDataChannelMessage::from("grüße"),
            RTCDataChannelMessage::from(vec![1, 2, 3]),
            RTCDataChannelMessage::from(""),
            RTCDataChannelMessage::from(Vec::new()),
            RTCDataChannelMessage::from(vec![7; 100_000]),
            RTCDataChannelMessage::from(vec![8; 256 * 1024]),
        ];
        for (from, to) in [(&here, &there), (&there, &here)] {
            for message in &sent {
                from.send(message.clone()).await.unwrap();
            }
            for message in &sent {
                assert_eq!(within(10, to.recv()).await.as_ref(), Some(message));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn g040_what_a_channel_is_made_of_reaches_the_peer() {
    run(async {
        let (mut a, mut b) = connected_pair().await;
        let options = RTCDataChannelOptions::default()
            .ordered(false)
            .max_retransmits(3)
            .protocol("chat")
            .priority(RTCPriorityType::High);
        let (here, there) = channel_of(&mut a, &mut b, options).await;
        for channel in [&here, &there] {
            assert_eq!(channel.protocol(), "chat");
            assert!(!channel.ordered() && !channel.negotiated());
            assert_eq!(channel.max_retransmits(), Some(3));
            assert_eq!(channel.max_packet_life_time(), None);
            assert_eq!(channel.priority(), RTCPriorityType::High);
            assert_eq!(channel.ready_state(), RTCDataChannelState::Open);
        }
        assert_eq!(here.id(), there.id());
        let life = RTCDataChannelOptions::default().max_packet_life_time(Duration::from_millis(70));
        let timed = b.connection.create_data_channel("timed", life).unwrap();
        let timed_there = incoming(&mut a, "timed").await;
        assert_eq!(
            timed_there.max_packet_life_time(),
            Some(Duration::from_millis(70))
        );
        // RFC 8832 section 6: one side has even ids, the other odd ones.
        timed.opened().await.unwrap();
        assert_ne!(timed.id().unwrap() % 2, here.id().unwrap() % 2);
    })
    .await;
}

#[tokio::test]
async fn channels_made_before_the_connection_open_with_it() {
    run(async {
        let (mut a, mut b) = (End::loopback(), End::loopback());
        let early = a
            .connection
            .create_data_channel("early", RTCDataChannelOptions::default())
            .unwrap();
        assert_eq!(early.ready_state(), RTCDataChannelState::Connecting);
        assert_eq!(early.id(), None);
        let refused = early.try_send("too soon");
        assert!(matches!(
            refused,
            Err(Error::Misuse(Misuse::ChannelNotOpen))
        ));
        let sending = tokio::spawn({
            let early = early.clone();
            async move { early.send("patient").await }
        });
        join(&mut a, &mut b);
        let there = incoming(&mut b, "early").await;
        assert_eq!(
            within(10, there.recv()).await,
            Some(RTCDataChannelMessage::from("patient"))
        );
        sending.await.unwrap().unwrap();
        assert_eq!(early.next_event().await, Some(RTCDataChannelEvent::Open));
    })
    .await;
}

#[tokio::test]
async fn a_negotiated_channel_needs_no_word_on_the_wire() {
    run(async {
        let (a, mut b) = connected_pair().await;
        let options = || RTCDataChannelOptions::default().negotiated(42);
        let here = a.connection.create_data_channel("x", options()).unwrap();
        within(10, here.opened()).await.unwrap();
        // The peer has not made it yet: nothing is lost.
        here.send("first").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let there = b.connection.create_data_channel("y", options()).unwrap();
        assert_eq!(
            within(10, there.recv()).await,
            Some(RTCDataChannelMessage::from("first"))
        );
        there.send("second").await.unwrap();
        assert_eq!(
            within(10, here.recv()).await,
            Some(RTCDataChannelMessage::from("second"))
        );
        assert_eq!((here.id(), there.id()), (Some(42), Some(42)));
        assert!(here.negotiated());
        let mut events = std::iter::from_fn(|| b.events.try_next());
        assert!(!events.any(|event| event.name() == "datachannel"));
        let again = a.connection.create_data_channel("z", options());
        assert!(matches!(
            again,
            Err(Error::Misuse(Misuse::InvalidParameters(_)))
        ));
    })
    .await;
}

#[tokio::test]
async fn contradicting_options_and_large_messages_are_errors_at_the_call() {
    run(async {
        let (mut a, b) = joined(
            End::new(loopback().max_message_size(1_000)),
            End::loopback(),
        )
        .await;
        let both = RTCDataChannelOptions::default()
            .max_retransmits(1)
            .max_packet_life_time(Duration::from_secs(1));
        assert!(a.connection.create_data_channel("", both).is_err());
        let long = "x".repeat(65_536);
        let options = RTCDataChannelOptions::default();
        assert!(
            a.connection
                .create_data_channel(long, options.clone())
                .is_err()
        );
        let here = b.connection.create_data_channel("small", options).unwrap();
        here.opened().await.unwrap();
        here.send(vec![0; 1_000]).await.unwrap();
        let refused = here.send(vec![0; 1_001]).await;
        assert!(matches!(
            refused,
            Err(Error::Misuse(Misuse::InvalidParameters(_)))
        ));
        let there = incoming(&mut a, "small").await;
        assert_eq!(within(10, there.recv()).await.unwrap().len(), 1_000);
    })
    .await;
}

#[tokio::test]
async fn two_hundred_messages_then_close_and_all_arrive() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        for n in 0..200 {
            here.send(numbered(n, 10_000)).await.unwrap();
        }
        here.close();
        let late = here.try_send("late");
        let closed = Error::ChannelClosed(DataChannelCloseReason::Closed);
        assert_eq!(late, Err(closed));
        for n in 0..200 {
            let message = within(10, there.recv()).await.unwrap();
            assert_eq!(message.into_bytes(), numbered(n, 10_000), "{n}");
        }
        assert_eq!(within(10, there.recv()).await, None);
        assert_eq!(
            within(10, here.closed()).await,
            DataChannelCloseReason::Closed
        );
        assert_eq!(
            within(10, there.closed()).await,
            DataChannelCloseReason::RemoteClosed
        );
        assert_eq!(there.ready_state(), RTCDataChannelState::Closed);
    })
    .await;
}

#[tokio::test]
async fn ids_are_used_again_and_nothing_crosses_over() {
    run(async {
        let (a, mut b) = connected_pair().await;
        for n in 0..100 {
            let label = format!("round {n}");
            let options = RTCDataChannelOptions::default();
            let here = a
                .connection
                .create_data_channel(label.clone(), options)
                .unwrap();
            here.send(label.clone()).await.unwrap();
            assert!(here.id().unwrap() < 2, "{:?}", here.id());
            let there = incoming(&mut b, &label).await;
            let message = within(10, there.recv()).await.unwrap();
            assert_eq!(message.text(), Some(label.as_str()));
            if n % 2 == 0 { &here } else { &there }.close();
            within(10, here.closed()).await;
            within(10, there.closed()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_channel() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        here.send("last words").await.unwrap();
        drop(here);
        assert_eq!(
            within(10, there.recv()).await,
            Some(RTCDataChannelMessage::from("last words"))
        );
        assert_eq!(
            within(10, there.closed()).await,
            DataChannelCloseReason::RemoteClosed
        );
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_connection_ends_its_channels() {
    run(async {
        let (a, b, here, there) = pair_with_channel().await;
        a.connection.close();
        assert_eq!(
            here.closed().await,
            DataChannelCloseReason::ConnectionClosed
        );
        let reason = within(10, there.closed()).await;
        assert_ne!(reason, DataChannelCloseReason::Closed);
        assert_eq!(there.recv().await, None);
        assert!(matches!(here.send("x").await, Err(Error::Closed(_))));
        let options = RTCDataChannelOptions::default();
        let made = b.connection.create_data_channel("late", options);
        within(10, b.connection.closed()).await;
        drop(made);
    })
    .await;
}

#[tokio::test]
async fn buffers_are_bounded_and_tell_when_they_are_low() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        assert_eq!(here.next_event().await, Some(RTCDataChannelEvent::Open));
        here.set_buffered_amount_low_threshold(100_000);
        assert_eq!(here.buffered_amount_low_threshold(), 100_000);
        // Nothing is sent before this task waits: it all stays in the buffer.
        let mut sent = 0;
        let full = loop {
            match here.try_send(vec![1; 60_000]) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 2_000, "no bound");
        };
        assert_eq!(full, Error::BufferFull);
        assert_eq!(here.buffered_amount(), sent * 60_000);
        let reading = tokio::spawn(async move {
            for _ in 0..=sent {
                assert_eq!(there.recv().await.unwrap().len(), 60_000);
            }
            there
        });
        within(20, here.send(vec![1; 60_000])).await.unwrap();
        let event = within(20, here.next_event()).await;
        assert_eq!(event, Some(RTCDataChannelEvent::BufferedAmountLow));
        within(20, here.flush()).await.unwrap();
        within(20, reading).await.unwrap();
        assert_eq!(here.buffered_amount(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_channel_is_a_stream_and_a_sink_of_messages() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        let mut sink = here.into_messages();
        let mut stream = there.into_messages();
        let sending = async {
            for n in 0..300 {
                sink.send(numbered(n, 20_000)).await.unwrap();
            }
            SinkExt::<Bytes>::close(&mut sink).await.unwrap();
        };
        let receiving = async {
            let mut count = 0;
            while let Some(message) = stream.next().await {
                assert_eq!(message.into_bytes(), numbered(count, 20_000));
                count += 1;
            }
            count
        };
        let ((), count) = within(20, async { tokio::join!(sending, receiving) }).await;
        assert_eq!(count, 300);
    })
    .await;
}

#[tokio::test]
async fn a_channel_is_a_stream_of_bytes() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        let (mut from, mut to) = (here.into_bytes_stream(), there.into_bytes_stream());
        let data: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let sending = async {
            from.write_all(&data).await.unwrap();
            from.flush().await.unwrap();
            from.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let receiving = to.read_to_end(&mut got);
        let ((), read) = within(20, async { tokio::join!(sending, receiving) }).await;
        assert_eq!(read.unwrap(), data.len());
        assert_eq!(got, data);
        // Nothing goes into a channel that is closed.
        let refused = async {
            loop {
                from.write_all(b"late").await?;
                from.flush().await?;
            }
        };
        let refused: std::io::Result<()> = within(5, refused).await;
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    })
    .await;
}

/// The peer opens channels that nobody reads: they close when their handles go.
#[tokio::test]
async fn r_c18_channels_come_and_go_from_both_ends() {
    run(async {
        let (mut a, mut b) = connected_pair().await;
        for round in 0..20 {
            let options = RTCDataChannelOptions::default;
            let mut ours = Vec::new();
            for n in 0..50 {
                let label = format!("{round}/{n}");
                ours.push(a.connection.create_data_channel(&label, options()).unwrap());
                ours.push(b.connection.create_data_channel(&label, options()).unwrap());
            }
            for (peer, mine) in [(&mut b, 0), (&mut a, 1)] {
                for n in 0..50 {
                    let there = incoming(peer, &format!("{round}/{n}")).await;
                    let here: &RTCDataChannel = &ours[n * 2 + mine];
                    there.send(there.label().to_owned()).await.unwrap();
                    let message = within(10, here.recv()).await.unwrap();
                    assert_eq!(message.text(), Some(here.label()));
                    assert!(here.id().unwrap() < 200, "{:?}", here.id());
                    if n % 2 == 0 {
                        there.close();
                    } else {
                        here.close();
                    }
                    drop(there);
                }
            }
            for channel in ours {
                within(10, channel.closed()).await;
            }
        }
        assert_eq!(a.connection.stats().data.channels, 0);
    })
    .await;
}

/// 64 MiB for a reader that sleeps: what waits stays within the bounds, and all of it arrives.
#[tokio::test]
async fn r_c12_a_sender_waits_for_a_slow_reader() {
    run(async {
        let (_a, _b, here, there) = pair_with_channel().await;
        let message = Bytes::from(vec![1; 64 * 1024]);
        let mut sent = 0;
        let mut queued = async || {
            while tokio::time::timeout(Duration::from_millis(500), here.send(message.clone()))
                .await
                .is_ok_and(|result| result.is_ok())
            {
                sent += message.len();
                assert!(here.buffered_amount() <= 2 << 20);
            }
            sent
        };
        let held = within(30, queued()).await;
        // The window of the reader, what is queued here, and nothing else.
        assert!(held <= (13 << 20) + (3 << 20), "{held}");
        assert!(held >= 12 << 20, "{held}");
        let mut left = held;
        while left > 0 {
            left -= within(10, there.recv()).await.unwrap().len();
        }
        here.send("on").await.unwrap();
        assert_eq!(within(3, there.recv()).await.unwrap().text(), Some("on"));
    })
    .await;
}
