//! Forwarded tracks on their way through several connections, and what becomes of them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use ortc::rtp::RtpPacket;
use ortc::{MediaStream, MediaStreamTrack, MediaStreamTrackEvent};

use crate::common::session::{End, joined};
use crate::common::within;

/// A packet of VP8: the first of a key frame, or of another.
fn video(track: &MediaStreamTrack, number: u16, is_key: bool) {
    let payload = Bytes::from(vec![0x10, u8::from(!is_key), 7, 7, number as u8]);
    let packet = RtpPacket {
        marker: true,
        sequence_number: number,
        timestamp: u32::from(number) * 3_000,
        payload,
        ..RtpPacket::default()
    };
    track.write_rtp(&packet).unwrap();
}

async fn next(track: &MediaStreamTrack) -> RtpPacket {
    within(10, track.recv_rtp()).await.unwrap()
}

async fn nothing(track: &MediaStreamTrack) {
    let next = tokio::time::timeout(Duration::from_millis(200), track.recv_rtp()).await;
    assert!(next.is_err(), "{next:?}");
}

async fn asked(track: &MediaStreamTrack) {
    let event = within(10, track.next_event()).await;
    assert_eq!(event, Some(MediaStreamTrackEvent::KeyframeRequested));
}

/// `from` sends the track, `to` receives it.
fn given(from: &End, to: &End, track: &MediaStreamTrack) -> (MediaStream, MediaStreamTrack) {
    let stream = MediaStream::new();
    let local = stream.add_track(track);
    from.connection.add_stream(&stream).unwrap();
    let description = from.connection.track(&local).unwrap().description();
    let received = to.connection.receive_track(description.unwrap()).unwrap();
    (stream, received)
}

async fn pair() -> (End, End) {
    joined(End::loopback(), End::loopback()).await
}

fn follows(a: &RtpPacket, b: &RtpPacket) {
    assert_eq!(b.sequence_number, a.sequence_number.wrapping_add(1));
}

#[tokio::test]
async fn through_three_servers_and_their_wish_for_a_picture_back() {
    let hops = [pair().await, pair().await, pair().await, pair().await];
    let camera = MediaStreamTrack::video();
    let (stream, mut track) = given(&hops[0].0, &hops[0].1, &camera);
    let camera = stream.tracks()[0].clone();
    let mut forwards = Vec::new();
    for (from, to) in &hops[1..] {
        let forward = track.forward().unwrap();
        track = given(from, to, forward.track()).1;
        forwards.push(forward);
    }
    video(&camera, 1, false);
    asked(&camera).await;
    video(&camera, 2, true);
    let mut last = next(&track).await;
    for number in 3..60 {
        video(&camera, number, false);
        let packet = next(&track).await;
        follows(&last, &packet);
        assert_eq!(packet.payload[4], number as u8);
        last = packet;
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    track.request_keyframe();
    asked(&camera).await;
}

#[tokio::test]
async fn back_to_who_sent_it() {
    let (end, server) = pair().await;
    let (stream, received) = given(&end, &server, &MediaStreamTrack::video());
    let camera = stream.tracks()[0].clone();
    let forward = received.forward().unwrap();
    let (_, own) = given(&server, &end, forward.track());
    video(&camera, 1, false);
    asked(&camera).await;
    for number in 2..40 {
        video(&camera, number, number == 2);
        assert_eq!(next(&own).await.payload[4], number as u8);
    }
}

#[tokio::test]
async fn both_ways_at_once_between_two() {
    let (a, sa) = pair().await;
    let (b, sb) = pair().await;
    let (from_a, at_a) = given(&a, &sa, &MediaStreamTrack::audio());
    let (from_b, at_b) = given(&b, &sb, &MediaStreamTrack::audio());
    let (to_b, to_a) = (at_a.forward().unwrap(), at_b.forward().unwrap());
    let (_, b_hears) = given(&sb, &b, to_b.track());
    let (_, a_hears) = given(&sa, &a, to_a.track());
    let talk = |stream: &MediaStream| {
        let track = stream.tracks()[0].clone();
        tokio::spawn(async move {
            for n in 0..200u8 {
                track
                    .write_sample(vec![n; 40], Duration::from_millis(20))
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let (one, two) = (talk(&from_a), talk(&from_b));
    for n in 0..200u8 {
        assert_eq!(next(&b_hears).await.payload[0], n);
        assert_eq!(next(&a_hears).await.payload[0], n);
    }
    one.await.unwrap();
    two.await.unwrap();
}

#[tokio::test]
async fn who_sends_leaves_and_another_takes_its_place() {
    let (a, sa) = pair().await;
    let (b, sb) = pair().await;
    let (server, watcher) = pair().await;
    let (stream_a, at_a) = given(&a, &sa, &MediaStreamTrack::audio());
    let (stream_b, at_b) = given(&b, &sb, &MediaStreamTrack::audio());
    let forward = at_a.forward().unwrap();
    let (_, heard) = given(&server, &watcher, forward.track());
    let say = |stream: &MediaStream, n: u8| {
        let sample = stream.tracks()[0].write_sample(vec![n; 40], Duration::from_millis(20));
        sample.unwrap();
    };
    say(&stream_a, 1);
    let first = next(&heard).await;
    a.connection.close();
    sa.connection.close();
    within(10, sa.connection.closed()).await;
    drop((a, sa, at_a));
    nothing(&heard).await;
    forward.set_source(&at_b).unwrap();
    say(&stream_b, 2);
    let second = next(&heard).await;
    follows(&first, &second);
    assert_eq!(second.payload[0], 2);
    let passed = second.timestamp.wrapping_sub(first.timestamp);
    assert!((1..480_000).contains(&passed), "{passed}");
    // Nobody holds the forward itself any more.
    drop(forward);
    say(&stream_b, 3);
    follows(&second, &next(&heard).await);
}

#[tokio::test]
async fn a_source_that_is_disabled_feeds_nobody_and_goes_on_with_a_key_frame() {
    let (end, server) = pair().await;
    let (hub, watcher) = pair().await;
    let (stream, received) = given(&end, &server, &MediaStreamTrack::video());
    let camera = stream.tracks()[0].clone();
    let forward = received.forward().unwrap();
    let (_, seen) = given(&hub, &watcher, forward.track());
    video(&camera, 1, true);
    let first = next(&seen).await;
    received.set_enabled(false);
    video(&camera, 2, false);
    nothing(&seen).await;
    received.set_enabled(true);
    video(&camera, 3, false);
    asked(&camera).await;
    nothing(&seen).await;
    video(&camera, 4, true);
    let second = next(&seen).await;
    assert_eq!(second.payload[4], 4);
    follows(&first, &second);
}

#[tokio::test]
async fn one_forward_for_two_connections_and_none_and_again() {
    let (end, server) = pair().await;
    let (one, at_one) = pair().await;
    let (two, at_two) = pair().await;
    let (stream, received) = given(&end, &server, &MediaStreamTrack::audio());
    let forward = received.forward().unwrap();
    let (sent_one, heard_one) = given(&one, &at_one, forward.track());
    let (_, heard_two) = given(&two, &at_two, forward.track());
    let say = |n: u8| {
        let sample = stream.tracks()[0].write_sample(vec![n; 40], Duration::from_millis(20));
        sample.unwrap();
    };
    say(1);
    let first = next(&heard_two).await;
    assert_eq!(next(&heard_one).await.payload[0], 1);
    one.connection.remove_stream(&sent_one).unwrap();
    say(2);
    let second = next(&heard_two).await;
    follows(&first, &second);
    two.connection.close();
    within(10, two.connection.closed()).await;
    say(3);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (_, again) = given(&one, &at_one, forward.track());
    say(4);
    assert_eq!(next(&again).await.payload[0], 4);
}
