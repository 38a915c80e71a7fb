//! Tracks that arrive without a description, and the header extensions that identify them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{Peer, loopback, pair_with, run, within};
use ortc::rtp::{HeaderExtensionValue, RtpPacket};
use ortc::{
    ErrorName, Kind, MediaStream, MediaStreamTrack, RTCCodec, RTCConnectionEvent,
    RTCHeaderExtension, RTCTrack, RTCTrackDescription, UnknownTrack,
};

const TAG: &str = "urn:example:tag";
const TAG_ID: u8 = 5;
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const FRAME: Duration = Duration::from_millis(20);

fn extension(uri: &str, id: u8) -> RTCHeaderExtension {
    RTCHeaderExtension::new(uri, id)
}

/// A sends, B knows nothing of it.
async fn connected(b_extensions: Vec<RTCHeaderExtension>) -> (Peer, Peer) {
    let a = loopback().header_extensions([extension(TAG, TAG_ID), extension(MID, 3)]);
    let (a, b) = pair_with(a, loopback().header_extensions(b_extensions)).await;
    within(10, async {
        a.connection.connected().await.unwrap();
        b.connection.connected().await.unwrap();
    })
    .await;
    (a, b)
}

fn send(peer: &Peer) -> (MediaStreamTrack, RTCTrack) {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    peer.connection.add_stream(&stream).unwrap();
    let sending = peer.connection.track(&track).unwrap();
    (track, sending)
}

fn tag(sending: &RTCTrack, value: &str) {
    sending
        .set_header_extension_values(BTreeMap::from([(TAG.to_owned(), value.to_owned())]))
        .unwrap();
}

async fn unknown(peer: &Peer, ssrc: u32) -> UnknownTrack {
    peer.event(|event| match event {
        RTCConnectionEvent::UnknownTrack(track) if track.ssrc == ssrc => Some(track.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a038_a039_a041_a_track_without_a_description_is_announced_once() {
    run(async {
        let (a, b) = connected(vec![extension(TAG, TAG_ID), extension(MID, 3)]).await;
        let (track, sending) = send(&a);
        tag(&sending, "camera-7");
        sending.set_mid(Some("m1".into())).unwrap();
        for n in 0..20 {
            track.write_sample(vec![n; 40], FRAME).unwrap();
        }
        let ssrc = sending.ssrc().unwrap();
        let announced = unknown(&b, ssrc).await;
        assert_eq!(announced.payload_type, 96);
        assert_eq!(announced.mid.as_deref(), Some("m1"));
        assert_eq!(announced.header_extension(TAG), Some(&b"camera-7"[..]));
        assert_eq!(announced.header_extension("urn:other"), None);
        let of = |header: &HeaderExtensionValue| {
            let value = String::from_utf8(header.value.to_vec()).unwrap();
            (header.id, header.uri.clone().unwrap(), value)
        };
        let mut headers: Vec<_> = announced.header_extension_values.iter().map(of).collect();
        headers.sort();
        let wanted = [(3, MID, "m1"), (TAG_ID, TAG, "camera-7")];
        assert_eq!(
            headers,
            wanted.map(|(id, uri, value)| (id, uri.to_owned(), value.to_owned()))
        );

        // The description comes late; what came before it is not lost, in order.
        let description = announced.description(Kind::Audio, [RTCCodec::opus(96)]);
        let receiving = b.connection.receive_track(description).unwrap();
        for n in 20..30 {
            track.write_sample(vec![n; 40], FRAME).unwrap();
        }
        within(10, async {
            for n in 0..30 {
                let packet = receiving.recv_rtp().await.unwrap();
                assert_eq!(packet.payload[..], [n; 40]);
            }
        })
        .await;
        let announcements = b.names().iter().filter(|n| **n == "unknowntrack").count();
        assert_eq!(announcements, 1);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

/// The description never comes, and of the header extensions none was agreed: the event has them
/// all the same, and what else the peer sends is not held up.
#[tokio::test]
async fn a039_a041_a_track_that_is_never_described_is_announced_with_its_headers() {
    run(async {
        let (a, b) = connected(Vec::new()).await;
        let (track, sending) = send(&a);
        tag(&sending, "camera-7");
        let (other, described) = send(&a);
        let description = described.description().unwrap();
        let receiving = b.connection.receive_track(description).unwrap();
        let ssrc = sending.ssrc().unwrap();
        for n in 0..200 {
            track.write_sample(vec![n; 40], FRAME).unwrap();
            other.write_sample(vec![n; 40], FRAME).unwrap();
            let packet = within(10, receiving.recv_rtp()).await.unwrap();
            assert_eq!(packet.payload[..], [n; 40]);
        }
        let announced = unknown(&b, ssrc).await;
        let [header] = &announced.header_extension_values[..] else {
            panic!("{announced:?}");
        };
        assert_eq!((header.id, &header.value[..]), (TAG_ID, &b"camera-7"[..]));
        assert_eq!(header.uri, None, "no URI was agreed for it");
        assert_eq!(announced.header_extension(TAG), None);
        let announcements = b.names().iter().filter(|n| **n == "unknowntrack").count();
        assert_eq!(announcements, 1);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn a040_c020_the_application_picks_its_track_by_an_agreed_header() {
    run(async {
        let (a, b) = connected(vec![extension(TAG, TAG_ID)]).await;
        let wanted = "only-this";
        let mut tracks = Vec::new();
        for value in ["one", wanted, "three"] {
            let (track, sending) = send(&a);
            tag(&sending, value);
            tracks.push((value, track, sending.ssrc().unwrap()));
        }
        for (value, track, _) in &tracks {
            track
                .write_sample(value.as_bytes().to_vec(), FRAME)
                .unwrap();
        }
        let found = b
            .event(|event| match event {
                RTCConnectionEvent::UnknownTrack(track)
                    if track.header_extension(TAG) == Some(wanted.as_bytes()) =>
                {
                    Some(track.clone())
                }
                _ => None,
            })
            .await;
        assert_eq!(found.ssrc, tracks[1].2);
        let receiving = b
            .connection
            .receive_track(found.description(Kind::Audio, [RTCCodec::opus(96)]))
            .unwrap();
        let packet = within(10, receiving.recv_rtp()).await.unwrap();
        assert_eq!(packet.payload[..], *wanted.as_bytes());
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn g016_headers_without_a_mapping_come_as_id_and_bytes() {
    run(async {
        let (a, b) = connected(Vec::new()).await;
        let (track, sending) = send(&a);
        tag(&sending, "x");
        sending.set_codecs(vec![RTCCodec::ulaw()]).unwrap();
        let packet = RtpPacket {
            csrcs: vec![11, 12],
            payload: vec![1].into(),
            ..RtpPacket::default()
        };
        track.write_rtp(&packet).unwrap();
        let announced = unknown(&b, sending.ssrc().unwrap()).await;
        assert_eq!(announced.mid, None);
        assert_eq!(announced.csrcs, [11, 12]);
        // RFC 3551 gives payload type 0 to PCMU.
        assert_eq!(announced.kind, Some(Kind::Audio));
        let headers = &announced.header_extension_values;
        assert_eq!(headers.len(), 1);
        assert_eq!((headers[0].uri.as_deref(), headers[0].id), (None, TAG_ID));
        assert_eq!(headers[0].value[..], *b"x");
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn a071_header_values_go_out_with_every_packet_and_may_change_while_sending() {
    run(async {
        let (a, b) = connected(vec![extension(TAG, TAG_ID)]).await;
        let (track, sending) = send(&a);
        let description: RTCTrackDescription = sending.description().unwrap();
        let receiving = b.connection.receive_track(description).unwrap();
        for value in ["one", "two", ""] {
            tag(&sending, value);
            assert_eq!(sending.header_extension_values().unwrap()[TAG], value);
            let described = sending
                .description()
                .unwrap()
                .header_extension_values
                .unwrap();
            assert_eq!(described[TAG], value);
            for _ in 0..3 {
                track.write_sample(vec![1; 10], FRAME).unwrap();
                let packet = within(10, receiving.recv_rtp()).await.unwrap();
                assert_eq!(packet.extensions.get(TAG_ID), Some(value.as_bytes()));
            }
        }
        sending
            .set_header_extension_values(BTreeMap::new())
            .unwrap();
        track.write_sample(vec![1; 10], FRAME).unwrap();
        let packet = within(10, receiving.recv_rtp()).await.unwrap();
        assert_eq!(packet.extensions.get(TAG_ID), None);

        for bad in [
            BTreeMap::from([(TAG.to_owned(), "x".repeat(256))]),
            (0..5).map(|n| (n.to_string(), String::new())).collect(),
        ] {
            let error = sending.set_header_extension_values(bad).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters);
        }
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn g024_g043_a_source_is_matched_by_ssrc_then_mid_then_payload_type() {
    run(async {
        let (a, b) = connected(vec![extension(MID, 3)]).await;
        let describe = |edit: &dyn Fn(&mut RTCTrackDescription), payload_type| {
            let mut description =
                RTCTrackDescription::new(Kind::Audio, vec![RTCCodec::opus(payload_type)]);
            edit(&mut description);
            b.connection.receive_track(description).unwrap()
        };
        let (by_ssrc, ssrc_sending) = send(&a);
        let (by_mid, mid_sending) = send(&a);
        let (by_type, type_sending) = send(&a);
        let ssrc = ssrc_sending.ssrc().unwrap();
        // All three could go by payload type 100, but only the last has nothing better.
        for sending in [&ssrc_sending, &mid_sending, &type_sending] {
            sending.set_codecs(vec![RTCCodec::opus(100)]).unwrap();
        }
        ssrc_sending.set_mid(Some("m".into())).unwrap();
        mid_sending.set_mid(Some("m".into())).unwrap();
        let receiving = [
            describe(&|d| d.ssrc = Some(ssrc), 100),
            describe(&|d| d.mid = Some("m".into()), 100),
            describe(&|_| {}, 100),
        ];
        for (n, track) in [by_ssrc, by_mid, by_type].iter().enumerate() {
            track.write_sample(vec![n as u8; 10], FRAME).unwrap();
        }
        for (n, track) in receiving.iter().enumerate() {
            let packet = within(10, track.recv_rtp()).await.unwrap();
            assert_eq!(packet.payload[..], [n as u8; 10]);
        }
        assert!(!b.names().contains(&"unknowntrack"));
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn g011_a_source_that_was_stopped_is_not_announced() {
    run(async {
        let (a, b) = connected(Vec::new()).await;
        let (track, sending) = send(&a);
        let ssrc = sending.ssrc().unwrap();
        let receiving = b
            .connection
            .receive_track(sending.description().unwrap())
            .unwrap();
        track.write_sample(vec![1; 10], FRAME).unwrap();
        within(10, receiving.recv_rtp()).await.unwrap();
        assert!(b.connection.stop_receiving(ssrc).unwrap());
        assert_eq!(within(10, receiving.recv_rtp()).await, None);
        track.write_sample(vec![2; 10], FRAME).unwrap();
        let (other, other_sending) = send(&a);
        other.write_sample(vec![3; 10], FRAME).unwrap();
        unknown(&b, other_sending.ssrc().unwrap()).await;
        let announcements = b.names().iter().filter(|n| **n == "unknowntrack").count();
        assert_eq!(announcements, 1);

        // Received again, it starts with what comes now.
        let receiving = b
            .connection
            .receive_track(sending.description().unwrap())
            .unwrap();
        track.write_sample(vec![4; 10], FRAME).unwrap();
        let packet = within(10, receiving.recv_rtp()).await.unwrap();
        assert_eq!(packet.payload[..], [4; 10]);
        a.connection.close();
        b.connection.close();
    })
    .await;
}
