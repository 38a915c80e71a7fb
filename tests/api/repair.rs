//! Lost video comes back and lost audio comes twice, through the public API.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::common::relay::Relay;
use crate::common::session::End;
use crate::common::{run, within};
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

/// Audio whose packets carry the ones before them, on and off while it is sent.
#[tokio::test]
async fn g043_audio_with_redundancy_loses_nothing_to_single_losses() {
    run(async {
        let (mut near, mut far) = (End::loopback(), End::loopback());
        let mut count = 0u32;
        let relay = Relay::between_if(&mut near, &mut far, move |datagram: &[u8]| {
            count += u32::from(is_rtp(datagram));
            !(is_rtp(datagram) && count % 4 == 2)
        });
        near.connected().await;
        far.connected().await;
        let stream = MediaStream::new();
        let voice = stream.add_track(&MediaStreamTrack::audio());
        near.connection.add_stream(&stream).unwrap();
        let sending = near.connection.track(&voice).unwrap();
        let plain = sending.codecs().unwrap();
        let opus = plain[0].clone();
        // Not by default, and not where it is only listed.
        assert!(plain.iter().all(|codec| codec.name != "red"));
        let red = RTCCodec::red(63, &opus);
        let listed: Vec<_> = plain.iter().cloned().chain([red.clone()]).collect();
        sending.set_codecs(listed.clone()).unwrap();
        assert_eq!(sending.description().unwrap().fec, None);
        let first: Vec<_> = [red].into_iter().chain(plain).collect();
        sending.set_codecs(first.clone()).unwrap();
        let json = serde_json::to_value(sending.description().unwrap()).unwrap();
        assert_eq!(json["fec"], serde_json::json!({ "mechanism": "red" }));
        assert_eq!(json["rtcp"], serde_json::json!({ "reducedSize": true }));
        assert_eq!(json["codecs"][0]["params"][0]["name"], "96/96");
        let heard = far
            .connection
            .receive_track(serde_json::from_value(json).unwrap());
        let heard = heard.unwrap();

        let frame = |n: u32| n.to_be_bytes().repeat(1 + n as usize % 40);
        let send = async |from: u32, to: u32| {
            for n in from..to {
                voice
                    .write_sample(frame(n), Duration::from_millis(20))
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        };
        let next = async || within(5, heard.recv_sample()).await.unwrap();
        send(0, 200).await;
        for n in 0..198 {
            let sample = next().await;
            assert!(sample.data[..] == frame(n)[..], "frame {n} differs");
            assert_eq!((sample.lost_before, sample.payload_type), (0, 96));
        }
        let got = far.connection.stats().inbound_rtp.remove(0);
        let saved = got.fec_packets_received - got.fec_packets_discarded;
        assert!((45..=51).contains(&saved), "{got:?}");
        assert!(
            got.packets_lost >= 45 && got.fec_bytes_received > 0,
            "{got:?}"
        );

        // Off: what is lost is lost. The packets that the receiver gets stay the same to it.
        sending.set_codecs(listed).unwrap();
        send(200, 240).await;
        sending.set_codecs(first).unwrap();
        send(240, 300).await;
        let mut lost = 0;
        loop {
            let sample = next().await;
            lost += sample.lost_before;
            let n = u32::from_be_bytes(sample.data[..4].try_into().unwrap());
            assert!(sample.data[..] == frame(n)[..], "frame {n} differs");
            if n >= 244 {
                assert_eq!(sample.lost_before, 0, "frame {n}");
            }
            if n >= 297 {
                break;
            }
        }
        assert!((8..=11).contains(&lost), "{lost}");
        drop(relay);
    })
    .await;
}
