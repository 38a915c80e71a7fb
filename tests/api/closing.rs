//! What is queued on data channels when a connection ends, by every way it can end (row G4).
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::common::leaks::{current_thread, multi_thread};
use crate::common::session::{End, joined};
use crate::common::stalls::{Watch, in_time};
use crate::common::{loopback, run, within};
use futures_util::SinkExt;
use ortc::{
    DataChannelCloseReason, DisconnectReason, Error, RTCConnectionEvent, RTCConnectionState,
    RTCDataChannel, RTCDataChannelMessage, RTCDataChannelOptions, RTCDataChannelState,
};

const COUNT: usize = 2_001;
const LENGTH: usize = 1_000;

async fn incoming(peer: &mut End) -> RTCDataChannel {
    within(10, async {
        loop {
            if let RTCConnectionEvent::DataChannel(channel) = peer.events.next().await.unwrap() {
                return channel;
            }
        }
    })
    .await
}

async fn pair() -> (End, End, RTCDataChannel, RTCDataChannel) {
    pair_lingering(Duration::from_secs(30)).await
}

/// A busy machine does not send all within the second that a connection lingers by default.
async fn pair_lingering(time: Duration) -> (End, End, RTCDataChannel, RTCDataChannel) {
    let (a, mut b) = joined(End::new(loopback().linger(time)), End::loopback()).await;
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("test", options).unwrap();
    within(10, here.opened()).await.unwrap();
    let there = incoming(&mut b).await;
    (a, b, here, there)
}

fn numbered(n: usize) -> RTCDataChannelMessage {
    let mut data = vec![0; LENGTH];
    data[..8].copy_from_slice(&(n as u64).to_be_bytes());
    data.into()
}

async fn send_all(channel: &RTCDataChannel, count: usize) {
    for n in 0..count {
        channel.send(numbered(n)).await.unwrap();
    }
}

async fn read_all(channel: &RTCDataChannel) -> usize {
    let mut count = 0;
    while let Some(message) = within(10, channel.recv()).await {
        assert_eq!(message, numbered(count));
        count += 1;
    }
    count
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Close,
    CloseTwice,
    DropAll,
    ChannelFirst,
    DropChannelFirst,
    DropWithChannelLeft,
}

const WAYS: [Way; 6] = [
    Way::Close,
    Way::CloseTwice,
    Way::DropAll,
    Way::ChannelFirst,
    Way::DropChannelFirst,
    Way::DropWithChannelLeft,
];

#[test]
fn r_g04_everything_queued_arrives_whichever_way_it_ends() {
    for threads in [0, 2] {
        let runtime = match threads {
            0 => current_thread(),
            threads => multi_thread(threads),
        };
        // Others of this file use sockets at the same time: the tasks of its own runtime count.
        runtime.block_on(run(async {
            for way in WAYS {
                let (a, b, here, there) = pair().await;
                send_all(&here, COUNT).await;
                // What the application keeps until the peer has read.
                let _kept: Box<dyn std::any::Any> = match way {
                    Way::Close => {
                        a.connection.close();
                        Box::new((a, here))
                    }
                    Way::CloseTwice => {
                        a.connection.close();
                        a.connection.close();
                        drop((a, here));
                        Box::new(())
                    }
                    Way::DropAll => {
                        drop((a, here));
                        Box::new(())
                    }
                    Way::ChannelFirst => {
                        here.close();
                        a.connection.close();
                        Box::new(a.events)
                    }
                    Way::DropChannelFirst => {
                        drop(here);
                        drop(a.connection);
                        Box::new(a.events)
                    }
                    Way::DropWithChannelLeft => {
                        drop(a);
                        Box::new(here)
                    }
                };
                assert_eq!(read_all(&there).await, COUNT, "{way:?}");
                let reason = within(5, b.connection.closed()).await;
                assert_eq!(reason, DisconnectReason::RemoteClosed, "{way:?}");
            }
        }));
        runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

/// The reader begins when the connection is long over.
#[tokio::test]
async fn r_g04_what_came_can_be_read_after_the_end() {
    run(async {
        let (a, mut b, here, there) = pair().await;
        let options = RTCDataChannelOptions::default();
        let second = a.connection.create_data_channel("late", options).unwrap();
        send_all(&here, 100).await;
        send_all(&second, 100).await;
        drop((a, here, second));
        within(5, b.connection.closed()).await;
        assert_eq!(read_all(&there).await, 100);
        assert_eq!(there.closed().await, DataChannelCloseReason::RemoteClosed);
        // One that nobody had seen before, too.
        let late = incoming(&mut b).await;
        assert_eq!(read_all(&late).await, 100);
    })
    .await;
}

#[tokio::test]
async fn r_g04_both_close_at_once_and_both_get_everything() {
    run(async {
        let (a, b, here, there) = pair().await;
        // Nothing is sent before this task waits: both have something left to hand over.
        for (channel, count) in [(&here, 1_000), (&there, 500)] {
            for n in 0..count {
                channel.try_send(numbered(n)).unwrap();
            }
        }
        a.connection.close();
        b.connection.close();
        let (one, other) = tokio::join!(read_all(&there), read_all(&here));
        assert_eq!((one, other), (1_000, 500));
        for end in [&a, &b] {
            let reason = within(5, end.connection.closed()).await;
            assert_eq!(reason, DisconnectReason::Closed);
        }
    })
    .await;
}

/// While it is being closed verbs are refused, events and states wait for the end.
#[tokio::test]
async fn r_g04_verbs_end_with_the_call_and_events_with_the_end() {
    run(async {
        let (mut a, b, here, _there) = pair_lingering(Duration::from_secs(1)).await;
        // More than the peer's window takes: nobody reads there, so that it takes the second.
        let closed = {
            let mut before = usize::MAX;
            while here.buffered_amount() != before {
                while here.try_send(vec![1; 60_000]).is_ok() {}
                before = here.buffered_amount();
                let pause = std::future::pending::<()>();
                assert_eq!(in_time(Duration::from_millis(500), pause).await, None);
            }
            let waiting = here.clone();
            let waiting = tokio::spawn(async move { waiting.send(vec![1; 200_000]).await });
            tokio::task::yield_now().await;
            a.connection.close();
            let begin = Watch::start();
            assert_eq!(here.ready_state(), RTCDataChannelState::Closing);
            let refused = Error::Closed(DisconnectReason::Closed);
            assert_eq!(a.connection.connect(), Err(refused.clone()));
            assert_eq!(a.connection.connected().await, Err(refused.clone()));
            assert_eq!(here.try_send("x"), Err(refused.clone()));
            assert_eq!(a.connection.state(), RTCConnectionState::Connected);
            // Whoever waits for room learns of it at once.
            let waited = within(1, waiting).await.unwrap();
            assert_eq!(waited, Err(refused));
            let reason = within(5, a.connection.closed()).await;
            assert!(begin.took() < Duration::from_secs(2), "{:?}", begin.took());
            reason
        };
        assert_eq!(closed, DisconnectReason::Closed);
        assert_eq!(a.connection.state(), RTCConnectionState::Closed);
        assert!(here.buffered_amount() > 0);
        let mut last = None;
        while let Some(event) = a.events.next().await {
            last = Some(event);
        }
        let reason = DisconnectReason::Closed;
        assert_eq!(last, Some(RTCConnectionEvent::Disconnected { reason }));
        drop(b);
    })
    .await;
}

#[tokio::test]
async fn g012_r_g04_an_abrupt_close_is_an_option() {
    run(async {
        let options = loopback().linger(Duration::ZERO);
        let (a, _b) = joined(End::new(options), End::loopback()).await;
        let options = RTCDataChannelOptions::default();
        let here = a.connection.create_data_channel("test", options).unwrap();
        within(10, here.opened()).await.unwrap();
        for _ in 0..10 {
            // Nothing is sent before this task waits.
            here.try_send(vec![1; 100_000]).unwrap();
        }
        a.connection.close();
        assert_eq!(a.connection.state(), RTCConnectionState::Closed);
        let reason = here.closed().await;
        assert_eq!(reason, DataChannelCloseReason::ConnectionClosed);
        // What never went out is told.
        let left = here.buffered_amount();
        assert!(left > 900_000, "{left}");
        assert!(here.flush().await.is_err());
    })
    .await;
}

/// With a timer of a millisecond behind each, a hundred took as long as a hundred such pauses and
/// more. The fastest of several counts, of both: a busy machine slows either.
#[tokio::test]
async fn a_sink_is_flushed_when_it_is_and_not_when_a_timer_looks() {
    run(async {
        let (_a, _b, here, there) = pair().await;
        let reading = tokio::spawn(async move {
            for n in 0..2_000 {
                assert_eq!(there.recv().await.unwrap(), numbered(n));
            }
            there
        });
        let channel = here.clone();
        let (mut fastest, mut pauses) = (Duration::MAX, Duration::MAX);
        let mut sink = here.into_messages();
        for hundred in 0..20 {
            let begin = Instant::now();
            for n in 0..100 {
                sink.send(numbered(hundred * 100 + n)).await.unwrap();
            }
            fastest = fastest.min(begin.elapsed());
            let begin = Instant::now();
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            pauses = pauses.min(begin.elapsed());
        }
        assert!(fastest < pauses, "{fastest:?}, {pauses:?}");
        let _there = within(10, reading).await.unwrap();
        // Several wait at once, and what is flushed does not wait.
        let flushes = (0..10).map(|_| channel.flush());
        channel.send(numbered(0)).await.unwrap();
        for done in futures_util::future::join_all(flushes).await {
            done.unwrap();
        }
        channel.flush().await.unwrap();
    })
    .await;
}
