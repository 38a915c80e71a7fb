//! Several encodings of one track, told apart by SSRC or by RID.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::common::relay::Relay;
use crate::common::session::End;
use crate::common::{
    FRAME, connected_pair, connected_pair_with, loopback, run, stays_pending, stream_of, within,
};
use ortc::{
    ErrorName, Kind, MediaStreamTrack, MediaStreamTrackEvent, RTCCodec, RTCConnectionOptions,
    RTCHeaderExtension, RTCRtpEncoding, RTCTrackDescription,
};

const RIDS: [&str; 3] = ["h", "m", "l"];

fn encodings(rids: &[&str]) -> Vec<RTCRtpEncoding> {
    rids.iter().map(|rid| RTCRtpEncoding::new(*rid)).collect()
}

fn over_json(description: &RTCTrackDescription) -> RTCTrackDescription {
    serde_json::from_str(&serde_json::to_string(description).unwrap()).unwrap()
}

/// The same, as one tells it who has no SSRCs yet.
fn without_ssrcs(description: &RTCTrackDescription) -> RTCTrackDescription {
    let mut description = over_json(description);
    (description.ssrc, description.rtx) = (None, None);
    for encoding in &mut description.encodings {
        (encoding.ssrc, encoding.rtx) = (None, None);
    }
    description
}

/// A VP8 frame that says which encoding it is of.
fn frame(rid: &str, n: u8) -> Vec<u8> {
    [&[0, n], rid.as_bytes(), &[n; 3_000]].concat()
}

async fn expect(track: &MediaStreamTrack, rid: &str, n: u8) {
    let sample = within(5, track.recv_sample()).await.unwrap();
    assert!(sample.data[..] == frame(rid, n)[..], "{rid} {n}");
}

#[tokio::test]
async fn g043_encodings_are_sent_and_received_each_by_its_rid() {
    run(async {
        let (a, b) = connected_pair().await;
        let (stream, camera) = stream_of(Kind::Video);
        a.connection.add_stream(&stream).unwrap();
        let sending = a.connection.track(&camera).unwrap();
        sending.set_encodings(&encodings(&RIDS)).unwrap();
        assert_eq!(a.connection.tracks().len(), 1, "one track all the same");
        let description = sending.description().unwrap();
        let mut ssrcs: Vec<u32> = description
            .encodings
            .iter()
            .filter_map(|e| e.ssrc)
            .collect();
        ssrcs.extend(
            description
                .encodings
                .iter()
                .filter_map(|e| e.rtx.as_ref()?.ssrc),
        );
        assert_eq!(description.ssrc, Some(ssrcs[0]));
        ssrcs.sort_unstable();
        ssrcs.dedup();
        assert_eq!(
            ssrcs.len(),
            6,
            "each has its own, and one for what is sent again"
        );

        let screen = b.connection.receive_track(over_json(&description)).unwrap();
        assert_eq!(b.connection.receiving_streams()[0].tracks().len(), 1);
        assert_eq!(screen.encoding("h"), Some(screen.clone()));
        assert_eq!(screen.encoding("x"), None);
        let received = RIDS.map(|rid| screen.encoding(rid).unwrap());
        for n in 1..=5 {
            for rid in RIDS {
                camera
                    .encoding(rid)
                    .unwrap()
                    .write_sample(frame(rid, n), FRAME)
                    .unwrap();
            }
            for (rid, track) in RIDS.iter().zip(&received) {
                expect(track, rid, n).await;
            }
        }
        // The track itself is its first encoding.
        camera.write_sample(frame("h", 6), FRAME).unwrap();
        expect(&screen, "h", 6).await;
        let stats = b.connection.stats();
        let rids: Vec<_> = stats
            .inbound_rtp
            .iter()
            .map(|s| s.rid.clone().unwrap())
            .collect();
        assert_eq!(rids, RIDS);

        // A key frame is asked of one encoding.
        let medium = camera.encoding("m").unwrap();
        received[1].request_keyframe();
        let event = within(5, medium.next_event()).await;
        assert_eq!(event, Some(MediaStreamTrackEvent::KeyframeRequested));
        assert!(stays_pending(camera.next_event()).await);

        // One is switched off, another goes, a third comes; what stays keeps its SSRC.
        let mut changed = encodings(&["h", "m", "n"]);
        changed[1].active = Some(false);
        sending.set_encodings(&changed).unwrap();
        let after = sending.description().unwrap();
        for (old, new) in description.encodings.iter().zip(&after.encodings).take(2) {
            assert_eq!(old.ssrc, new.ssrc);
        }
        let gone = received[2].clone();
        let again = b.connection.receive_track(over_json(&after)).unwrap();
        assert_eq!(again, screen);
        assert_eq!(screen.encoding("m"), Some(received[1].clone()));
        assert_eq!(screen.encoding("l"), None);
        assert_eq!(within(5, gone.recv_rtp()).await, None, "it has ended");
        medium.write_sample(frame("m", 7), FRAME).unwrap();
        camera
            .encoding("l")
            .unwrap()
            .write_sample(frame("l", 7), FRAME)
            .unwrap();
        camera
            .encoding("n")
            .unwrap()
            .write_sample(frame("n", 7), FRAME)
            .unwrap();
        expect(&screen.encoding("n").unwrap(), "n", 7).await;
        assert!(stays_pending(received[1].recv_rtp()).await);

        // Stop and start are the track's, and so is its end.
        sending.stop().unwrap();
        camera
            .encoding("n")
            .unwrap()
            .write_sample(frame("n", 8), FRAME)
            .unwrap();
        assert!(stays_pending(screen.encoding("n").unwrap().recv_rtp()).await);
        sending.start().unwrap();
        camera
            .encoding("n")
            .unwrap()
            .write_sample(frame("n", 9), FRAME)
            .unwrap();
        expect(&screen.encoding("n").unwrap(), "n", 9).await;
        sending.remove().unwrap();
        assert!(a.connection.stats().outbound_rtp.is_empty());
        for peer in [&a, &b] {
            peer.connection.close();
        }
    })
    .await;
}

fn extensions() -> impl Iterator<Item = RTCHeaderExtension> {
    let uris = ["mid", "rtp-stream-id", "repaired-rtp-stream-id"];
    uris.into_iter().zip(1..).map(|(uri, id)| {
        RTCHeaderExtension::new(format!("urn:ietf:params:rtp-hdrext:sdes:{uri}"), id)
    })
}

fn with_extensions() -> RTCConnectionOptions {
    loopback().header_extensions(extensions())
}

/// As browsers signal simulcast: RIDs and no SSRCs, neither of the media nor of what repairs it.
#[tokio::test]
async fn g043_encodings_are_found_and_repaired_by_rid_alone() {
    run(async {
        let (mut near, mut far) = (End::new(with_extensions()), End::new(with_extensions()));
        let mut count = 0u32;
        let relay = Relay::between_if(&mut near, &mut far, move |datagram| {
            let rtp = (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1]);
            count += u32::from(rtp);
            // Not the first packets: nobody asks for what came before them.
            !(rtp && count > 30 && count.is_multiple_of(15))
        });
        near.connected().await;
        far.connected().await;
        let (stream, camera) = stream_of(Kind::Video);
        near.connection.add_stream(&stream).unwrap();
        let sending = near.connection.track(&camera).unwrap();
        sending.set_mid(Some("v".into())).unwrap();
        sending.set_encodings(&encodings(&RIDS)).unwrap();
        let description = without_ssrcs(&sending.description().unwrap());
        let screen = far.connection.receive_track(description).unwrap();
        let writing = async {
            for n in 1..=60 {
                for rid in RIDS {
                    let media = camera.encoding(rid).unwrap();
                    media.write_sample(frame(rid, n), FRAME).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reading = async {
            for n in 1..=40 {
                for rid in RIDS {
                    expect(&screen.encoding(rid).unwrap(), rid, n).await;
                }
            }
        };
        within(20, async { tokio::join!(writing, reading) }).await;
        let stats = far.connection.stats();
        assert_eq!(stats.inbound_rtp.len(), 3);
        for inbound in &stats.inbound_rtp {
            assert!(inbound.retransmitted_packets_received > 0, "{inbound:?}");
            assert_eq!(inbound.mid.as_deref(), Some("v"));
        }
        drop(relay);
    })
    .await;
}

/// What has no SSRC is told by its MID when it comes again, with other encodings and codecs.
#[tokio::test]
async fn g011_g043_a_track_without_ssrc_is_described_anew() {
    run(async {
        let (mut near, mut far) = (End::new(with_extensions()), End::new(with_extensions()));
        let relay = Relay::between(&mut near, &mut far);
        near.connected().await;
        far.connected().await;
        let (stream, camera) = stream_of(Kind::Video);
        near.connection.add_stream(&stream).unwrap();
        let sending = near.connection.track(&camera).unwrap();
        sending.set_mid(Some("v".into())).unwrap();
        let described = || without_ssrcs(&sending.description().unwrap());
        let crosses = async |n: u8, rids: &[&str], screen: &MediaStreamTrack| {
            for rid in rids {
                let media = camera.encoding(rid).unwrap();
                media.write_sample(frame(rid, n), FRAME).unwrap();
            }
            for rid in rids {
                expect(&screen.encoding(rid).unwrap(), rid, n).await;
            }
        };
        sending.set_encodings(&encodings(&["h", "m"])).unwrap();
        let screen = far.connection.receive_track(described()).unwrap();
        let medium = screen.encoding("m").unwrap();
        crosses(1, &["h", "m"], &screen).await;
        // One more, and told in another order: each stays what it was.
        sending.set_encodings(&encodings(&RIDS)).unwrap();
        let mut turned = described();
        turned.encodings.reverse();
        assert_eq!(far.connection.receive_track(turned).unwrap(), screen);
        assert_eq!(screen.encoding("h"), Some(screen.clone()));
        assert_eq!(screen.encoding("m"), Some(medium.clone()));
        crosses(2, &["h", "m", "l"], &screen).await;
        // That of the track itself is gone: it is another one.
        sending.set_encodings(&encodings(&["m", "l"])).unwrap();
        assert_eq!(far.connection.receive_track(described()).unwrap(), screen);
        assert_eq!(screen.encoding("h"), None);
        assert_eq!(screen.encoding("m"), Some(screen.clone()));
        assert_eq!(within(5, medium.recv_rtp()).await, None, "it has ended");
        crosses(3, &["m", "l"], &screen).await;
        // Codecs, and nothing but a MID.
        sending.set_codecs(vec![RTCCodec::new("VP9", 99)]).unwrap();
        let mut plain = described();
        plain.encodings.clear();
        assert_eq!(far.connection.receive_track(plain).unwrap(), screen);
        assert_eq!(far.connection.receiving_streams()[0].tracks().len(), 1);
        let first = camera.encoding("m").unwrap();
        first.write_sample(frame("m", 4), FRAME).unwrap();
        let packet = within(5, screen.recv_rtp()).await.unwrap();
        assert_eq!(packet.payload_type, 99);
        // Another kind contradicts it, and what is known stays.
        let mut other = described();
        other.kind = Kind::Audio;
        other.codecs = vec![RTCCodec::opus(111)];
        let refused = far.connection.receive_track(other);
        assert_eq!(refused.unwrap_err().name(), ErrorName::InvalidParameters);
        assert_eq!(far.connection.receiving_streams()[0].tracks().len(), 1);
        drop(relay);
    })
    .await;
}

/// What the ids mean may come with the description.
#[tokio::test]
async fn g011_g043_header_extensions_of_a_description_are_used() {
    run(async {
        let (a, b) = connected_pair_with(with_extensions(), loopback()).await;
        let (stream, camera) = stream_of(Kind::Video);
        a.connection.add_stream(&stream).unwrap();
        let sending = a.connection.track(&camera).unwrap();
        sending.set_encodings(&encodings(&RIDS)).unwrap();
        let mut description = sending.description().unwrap();
        (description.ssrc, description.rtx) = (None, None);
        for encoding in &mut description.encodings {
            (encoding.ssrc, encoding.rtx) = (None, None);
        }
        description.header_extensions = extensions().collect();
        let screen = b.connection.receive_track(over_json(&description)).unwrap();
        for rid in RIDS {
            let media = camera.encoding(rid).unwrap();
            media.write_sample(frame(rid, 1), FRAME).unwrap();
            expect(&screen.encoding(rid).unwrap(), rid, 1).await;
        }
        assert_eq!(b.connection.stats().inbound_rtp.len(), RIDS.len());
        // Nobody told an SSRC that it could be stopped by.
        let others: Vec<_> = RIDS.map(|rid| screen.encoding(rid).unwrap()).into();
        assert!(b.connection.stop_receiving_track(&screen).unwrap());
        assert!(!b.connection.stop_receiving_track(&screen).unwrap());
        assert!(b.connection.receiving_streams().is_empty());
        for track in &others {
            assert!(within(5, track.recv_sample()).await.is_none());
        }
        for peer in [&a, &b] {
            peer.connection.close();
        }
    })
    .await;
}

#[tokio::test]
async fn g043_each_encoding_has_its_codec_and_bad_ones_are_refused() {
    run(async {
        let (a, b) = connected_pair().await;
        let (stream, camera) = stream_of(Kind::Video);
        a.connection.add_stream(&stream).unwrap();
        let sending = a.connection.track(&camera).unwrap();
        let mut two = encodings(&["h", "l"]);
        two[1].codec_payload_type = Some(112);
        sending
            .set_codecs(vec![RTCCodec::vp8(97), RTCCodec::new("vp9", 112)])
            .unwrap();
        sending.set_encodings(&two).unwrap();
        let screen = b
            .connection
            .receive_track(over_json(&sending.description().unwrap()))
            .unwrap();
        for (rid, payload_type) in [("h", 97), ("l", 112)] {
            camera
                .encoding(rid)
                .unwrap()
                .write_sample(vec![0x82; 40], FRAME)
                .unwrap();
            let packet = within(5, screen.encoding(rid).unwrap().recv_rtp())
                .await
                .unwrap();
            assert_eq!(packet.payload_type, payload_type);
        }
        let before = sending.description().unwrap();
        let many: Vec<String> = (0..17).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for bad in [&["h", "h"][..], &["h", "l l"], &["h", ""], &many] {
            let error = sending.set_encodings(&encodings(bad)).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters, "{bad:?}");
        }
        let nameless = [encodings(&["h"]), vec![RTCRtpEncoding::default()]].concat();
        let error = sending.set_encodings(&nameless).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        assert_eq!(sending.description().unwrap(), before);
        let mut twice = before.clone();
        twice.encodings[1].ssrc = twice.encodings[0].ssrc;
        let error = b.connection.receive_track(twice).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        // Back to one.
        sending.set_encodings(&[]).unwrap();
        assert!(sending.description().unwrap().encodings.is_empty());
        assert_eq!(a.connection.stats().outbound_rtp.len(), 1);
        for peer in [&a, &b] {
            peer.connection.close();
        }
    })
    .await;
}
