//! Lost video comes back, through the public API.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::relay::Relay;
use common::session::End;
use common::{run, within};
use ortc::{MediaStream, MediaStreamTrack, RTCCodec};

/// Media by its first byte and payload type, RTCP excepted (RFC 5761, RFC 7983).
fn is_rtp(datagram: &[u8]) -> bool {
    (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1])
}

/// Every twentieth media packet is lost, by its own count each way.
fn one_in_twenty() -> impl FnMut(&[u8]) -> bool + Clone + Send {
    let mut count = 0u32;
    move |datagram| {
        count += u32::from(is_rtp(datagram));
        !(is_rtp(datagram) && count.is_multiple_of(20))
    }
}

/// Frames of several packets each, sent over the lossy path; all of them arrive whole. How many
/// packets were sent again.
async fn all_frames_arrive(codecs: Option<Vec<RTCCodec>>) -> u64 {
    let (mut near, mut far) = (End::loopback(), End::loopback());
    let relay = Relay::between_if(&mut near, &mut far, one_in_twenty());
    near.connected().await;
    far.connected().await;
    let stream = MediaStream::new();
    let camera = stream.add_track(&MediaStreamTrack::video());
    near.connection.add_stream(&stream).unwrap();
    let sending = near.connection.track(&camera).unwrap();
    if let Some(codecs) = codecs {
        sending.set_codecs(codecs).unwrap();
    }
    let description = sending.description().unwrap();
    let json = serde_json::to_string(&description).unwrap();
    let screen = far
        .connection
        .receive_track(serde_json::from_str(&json).unwrap())
        .unwrap();
    let frame = |n: u32| -> Vec<u8> {
        let size = 500 + (n as usize * 577) % 5_000;
        // VP8: the lowest bit of the first byte is clear for key frames.
        let first = u8::from(n != 0);
        std::iter::once(first)
            .chain((1..size).map(|at| (at as u32 ^ n) as u8))
            .collect()
    };
    let frames = 200;
    let writing = async {
        for n in 0..frames {
            camera
                .write_sample(frame(n), Duration::from_millis(10))
                .unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What is lost last of all is noticed by what comes after it.
        for n in frames..frames + 30 {
            camera
                .write_sample(frame(n), Duration::from_millis(10))
                .unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reading = async {
        for n in 0..frames {
            let sample = screen.recv_sample().await.unwrap();
            assert!(sample.data[..] == frame(n)[..], "frame {n} differs");
            assert_eq!((sample.lost_before, sample.dropped_before), (0, 0));
        }
    };
    within(20, async { tokio::join!(writing, reading) }).await;
    let sent = &near.connection.stats().outbound_rtp[0];
    let got = &far.connection.stats().inbound_rtp[0];
    assert!(
        got.nack_count > 0 && sent.nack_count > 0,
        "{got:?} {sent:?}"
    );
    drop(relay);
    sent.retransmitted_packets_sent
}

#[tokio::test]
async fn g043_lost_packets_come_back_in_a_stream_of_their_own() {
    assert!(run(all_frames_arrive(None)).await > 0);
}

#[tokio::test]
async fn lost_packets_come_back_in_the_same_stream_where_the_codecs_have_no_rtx() {
    let codecs = Some(vec![RTCCodec::vp8(97)]);
    assert!(run(all_frames_arrive(codecs)).await > 0);
}
