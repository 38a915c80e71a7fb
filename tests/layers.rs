//! What lies above a transport when that is closed under it (row G5).
#![allow(clippy::unwrap_used)]

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::leaks::{alone, cpu_time_of, current_thread, tasks};
use common::session::{End, PACKET, joined};
use common::stalls::Watch;
use common::{full_size, loopback, within};
use futures_util::{SinkExt, StreamExt};
use nix::sys::resource::UsageWho;
use ortc::dtmf::DTMFMediaStreamTrack;
use ortc::{
    Error, MediaStream, MediaStreamTrack, RTCConnectionEvent, RTCConnectionState, RTCDataChannel,
    RTCDataChannelOptions, RTCIceServer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[derive(Debug, Clone, Copy)]
enum Way {
    Peer,
    Connection,
    Socket,
    PeersSocket,
}

const WAYS: [Way; 4] = [Way::Peer, Way::Connection, Way::Socket, Way::PeersSocket];

async fn channels(a: &End, b: &mut End) -> (RTCDataChannel, RTCDataChannel) {
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("", options).unwrap();
    within(10, here.opened()).await.unwrap();
    loop {
        if let Some(RTCConnectionEvent::DataChannel(there)) = within(10, b.events.next()).await {
            return (here, there);
        }
    }
}

fn fill(channel: &RTCDataChannel) {
    while channel.try_send(vec![0; 60_000]).is_ok() {}
}

#[derive(Debug)]
struct Media {
    sent: MediaStreamTrack,
    digits: DTMFMediaStreamTrack,
    received: MediaStreamTrack,
    heard: DTMFMediaStreamTrack,
}

/// Audio and digits, which are played as long as the test takes.
fn media(from: &End, to: &End) -> Media {
    let stream = MediaStream::new();
    let sent = stream.add_track(&MediaStreamTrack::audio());
    let digits = DTMFMediaStreamTrack::new();
    stream.add_track(&digits);
    from.connection.add_stream(&stream).unwrap();
    let description = from.connection.track(&sent).unwrap().description().unwrap();
    let received = to.connection.receive_track(description).unwrap();
    let heard = to.connection.dtmf_track(&received).unwrap();
    digits.play("0123456789".repeat(20).as_str()).unwrap();
    sent.write_sample(vec![1; 40], PACKET).unwrap();
    Media {
        sent,
        digits,
        received,
        heard,
    }
}

#[test]
fn r_g05_all_layers_end_within_a_second_and_cost_nothing_afterwards() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = &silent;
    for way in WAYS {
        alone(current_thread, move || async move {
            let url = format!("stun:{}", silent.local_addr().unwrap());
            let gathers = || {
                let options = loopback().linger(Duration::ZERO);
                End::new(options.ice_servers([RTCIceServer::new(&url)]))
            };
            // Connected while the server has not answered: gathering goes on.
            let (a, mut b) = joined(gathers(), gathers()).await;
            let queued = channels(&a, &mut b).await;
            let views = channels(&a, &mut b).await;
            let messages = channels(&a, &mut b).await;
            let media = [media(&a, &b), media(&b, &a)];
            tokio::time::sleep(Duration::from_millis(100)).await;
            for channel in [&queued.0, &queued.1, &views.0, &messages.0] {
                fill(channel);
            }

            let mut ends = tokio::task::JoinSet::new();
            for channel in [&queued.0, &queued.1, &messages.1] {
                let (one, two, three) = (channel.clone(), channel.clone(), channel.clone());
                ends.spawn(async move { while one.send(vec![0; 60_000]).await.is_ok() {} });
                ends.spawn(async move { while two.next_event().await.is_some() {} });
                ends.spawn(async move {
                    three.closed().await;
                    assert!(three.flush().await.is_err() || three.buffered_amount() == 0);
                });
            }
            let (one, two) = (queued.0.clone(), queued.1.clone());
            ends.spawn(async move { while one.recv().await.is_some() {} });
            // The other side reads nothing: its window is shut.
            drop(two);
            let mut writes = views.0.clone().into_bytes_stream();
            ends.spawn(async move { while writes.write_all(&[0; 10_000]).await.is_ok() {} });
            let mut reads = views.0.clone().into_bytes_stream();
            ends.spawn(async move {
                let mut room = [0; 100];
                while reads.read(&mut room).await.is_ok_and(|read| read > 0) {}
            });
            let mut sink = messages.0.clone().into_messages();
            ends.spawn(async move { while sink.send("one").await.is_ok() {} });
            let mut stream = messages.0.clone().into_messages();
            ends.spawn(async move { while stream.next().await.is_some() {} });
            for one in &media {
                let (rtp, sample) = (one.received.clone(), one.received.clone());
                let (events, heard) = (one.received.clone(), one.heard.clone());
                ends.spawn(async move { while rtp.recv_rtp().await.is_some() {} });
                ends.spawn(async move { while sample.recv_sample().await.is_some() {} });
                ends.spawn(async move { while events.next_event().await.is_some() {} });
                ends.spawn(async move { while heard.next_event().await.is_some() {} });
            }
            let (mut a_events, mut b_events) = (a.events, b.events);
            ends.spawn(async move { while a_events.next().await.is_some() {} });
            ends.spawn(async move { while b_events.next().await.is_some() {} });
            tokio::time::sleep(Duration::from_millis(50)).await;

            let begin = Watch::start();
            match way {
                Way::Peer => b.connection.close(),
                Way::Connection => a.connection.close(),
                Way::Socket => a.connection.local_socket().close(),
                Way::PeersSocket => b.connection.local_socket().close(),
            }
            let all = ends.len();
            while let Some(done) = within(2, ends.join_next()).await {
                done.unwrap();
            }
            let took = begin.took();
            assert!(took <= Duration::from_secs(1), "{way:?}: {took:?}");
            for end in [&a.connection, &b.connection] {
                assert_eq!(end.state(), RTCConnectionState::Closed);
            }
            for one in &media {
                let refused = one.digits.play("1");
                assert!(matches!(refused, Err(Error::Closed(_))), "{refused:?}");
                let _ = one.sent.write_sample(vec![1; 40], PACKET);
            }
            within(1, async {
                while tasks() > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;

            // Every handle is still there.
            let idle = Duration::from_secs(if full_size() { 10 } else { 1 });
            let before = cpu_time_of(UsageWho::RUSAGE_THREAD);
            tokio::time::sleep(idle).await;
            let cpu = cpu_time_of(UsageWho::RUSAGE_THREAD) - before;
            println!("{way:?}: {all} layers over after {took:?}; then {cpu:?} in {idle:?}");
            assert!(cpu <= idle / 100, "{way:?}: {cpu:?} in {idle:?}");
            drop((a.connection, b.connection, queued, views, messages, media));
        });
    }
}
