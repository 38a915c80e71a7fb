//! What a connection is willing to send and to receive: 002's options.
#![allow(clippy::unwrap_used)]

use crate::common::{loopback, run, send_track, strangers, stream_of, while_writing};
use ortc::july::{RTCMediaLimits, RTCRestrictions, RTCSide};
use ortc::{ErrorName, Kind, RTCCodec, RTCConnection, RTCMediaAttributes, RTCTrackDescription};
use serde_json::json;

fn options(json: serde_json::Value) -> RTCRestrictions {
    serde_json::from_value(json).unwrap()
}

fn codec(name: &str, payload_type: u8) -> RTCCodec {
    let mut codec = ortc::capabilities::rtc_codec(name).unwrap();
    codec.payload_type = payload_type;
    codec
}

fn sized(width: i32, ssrc: u32) -> RTCTrackDescription {
    let mut description = RTCTrackDescription::new(Kind::Video, vec![codec("vp8", 96)]);
    description.ssrc = Some(ssrc);
    let mut attributes = RTCMediaAttributes::default();
    attributes.video_max_width = Some(width);
    description.media_attributes = Some(vec![attributes]);
    description
}

#[tokio::test]
async fn b006_b007_b022_c007_codecs_of_each_direction() {
    run(async {
        let (a, b) = strangers(loopback(), loopback());
        for side in [RTCSide::Local, RTCSide::Remote] {
            assert_eq!(a.connection.options(side), RTCRestrictions::default());
        }
        // Remote: what is sent.
        let sending = options(json!({"codecs": [
            {"payload-id": 8, "kind": "audio", "name": "alaw", "hzRate": 8000, "channels": 1},
        ]}));
        a.connection
            .set_options(Some(sending.clone()), RTCSide::Remote)
            .unwrap();
        assert_eq!(a.connection.options(RTCSide::Remote), sending);
        assert_eq!(
            a.connection.options(RTCSide::Local),
            RTCRestrictions::default()
        );
        a.connection.set_remote(b.connection.local()).unwrap();
        b.connection.set_remote(a.connection.local()).unwrap();
        a.connection.connect().unwrap();
        b.connection.connect().unwrap();
        let (source, track, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        let codecs = track.codecs().unwrap();
        assert_eq!(codecs.len(), 1);
        assert_eq!(
            (codecs[0].name.as_str(), codecs[0].payload_type),
            ("alaw", 8)
        );
        crate::common::both_connected(&a.connection, &b.connection).await;
        let packet = while_writing(&source, received.recv_rtp()).await.unwrap();
        assert_eq!(packet.payload_type, 8);
        // Video is of a kind that is not listed.
        let (video, _) = stream_of(Kind::Video);
        a.connection.add_stream(&video).unwrap();
        assert!(a.connection.tracks()[1].codecs().unwrap().len() > 1);

        // Local: what is received. Others are ignored, none left is refused.
        let receiving = options(json!({"codecs": [{"payload-id": 111, "name": "opus"}]}));
        b.connection
            .set_options(Some(receiving), RTCSide::Local)
            .unwrap();
        let only = |name| RTCTrackDescription::new(Kind::Audio, vec![codec(name, 8)]);
        let error = b.connection.receive_track(only("PCMA")).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
        let mut both = only("PCMA");
        both.ssrc = Some(5);
        both.codecs.push(codec("opus", 111));
        b.connection.receive_track(both).unwrap();
        // No restrictions any more.
        b.connection.set_options(None, RTCSide::Local).unwrap();
        assert_eq!(
            b.connection.options(RTCSide::Local),
            RTCRestrictions::default()
        );
        b.connection.receive_track(only("PCMA")).unwrap();

        let bad = options(json!({"codecs": [{"payload-id": 200, "name": "opus"}]}));
        let error = b
            .connection
            .set_options(Some(bad), RTCSide::Local)
            .unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn b006_b007_encryption_and_header_extensions() {
    run(async {
        let tags = || {
            let extension = ortc::RTCHeaderExtension::new;
            loopback().header_extensions([extension("urn:x:one", 5), extension("urn:x:two", 6)])
        };
        let (a, b) = strangers(tags(), tags());
        const AES_256: &str = "SRTP_AEAD_AES_256_GCM";
        let local = options(json!({"encryption": [AES_256]}));
        let remote = options(json!({"headerExtensions": ["urn:x:two"]}));
        let a_set =
            |options: &RTCRestrictions, side| a.connection.set_options(Some(options.clone()), side);
        a_set(&local, RTCSide::Local).unwrap();
        a_set(&remote, RTCSide::Remote).unwrap();
        assert_eq!(a.connection.options(RTCSide::Local), local);
        assert_eq!(a.connection.options(RTCSide::Remote), remote);
        let other = options(json!({"encryption": ["SRTP_AES128_CM_HMAC_SHA1_80"]}));
        let error = a_set(&other, RTCSide::Remote).unwrap_err();
        assert_eq!(
            error.name(),
            ErrorName::InvalidParameters,
            "nothing is left"
        );
        let unknown = options(json!({"encryption": ["ROT13"]}));
        let error = a_set(&unknown, RTCSide::Remote).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
        assert_eq!(
            a.connection.options(RTCSide::Remote),
            remote,
            "that in force stays"
        );

        crate::common::introduce(&a, b.connection.local());
        crate::common::introduce(&b, a.connection.local());
        crate::common::both_connected(&a.connection, &b.connection).await;
        for peer in [&a, &b] {
            assert_eq!(peer.connection.stats().transport.srtp_cipher, Some(AES_256));
        }
        let error = a_set(&RTCRestrictions::default(), RTCSide::Local).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidState);

        let (source, track, received) = send_track(&a.connection, &b.connection, Kind::Audio);
        let headers = [("urn:x:one", "1"), ("urn:x:two", "2")];
        let headers = headers.map(|(uri, value)| (uri.to_owned(), value.to_owned()));
        track.set_header_extension_values(headers.into()).unwrap();
        let packet = while_writing(&source, received.recv_rtp()).await.unwrap();
        let ids: Vec<u8> = packet.extensions.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [6]);
        a.connection.close();
        b.connection.close();
    })
    .await;
}

#[tokio::test]
async fn b023_b024_b026_c015_required_is_an_error_and_optional_is_not() {
    run(async {
        let (connection, _events) = RTCConnection::new(loopback()).unwrap();
        let limits =
            |name: &str| options(json!({name: {"video": {"maxWdith": 640, "maxHeight": 480}}}));
        let set = |options| {
            connection
                .set_options(Some(options), RTCSide::Local)
                .unwrap()
        };
        set(limits("required"));
        connection.receive_track(sized(640, 1)).unwrap();
        let error = connection.receive_track(sized(641, 2)).unwrap_err();
        assert_eq!(error.name(), ErrorName::NotSupported);
        set(limits("optional"));
        connection.receive_track(sized(641, 2)).unwrap();

        // Sent tracks have them as limits for their encoder, required before optional.
        let both = options(json!({
            "required": [{"kind": "video", "maxWidth": 320}],
            "optional": {"video": {"maxWidth": 640, "maxHeight": 480}},
        }));
        let width = |limits: &RTCMediaLimits| limits.video.as_ref().unwrap().video_max_width;
        assert_eq!(width(&both.required), Some(320));
        assert_eq!(width(&both.optional), Some(640));
        connection.set_options(Some(both), RTCSide::Remote).unwrap();
        let (stream, _) = stream_of(Kind::Video);
        connection.add_stream(&stream).unwrap();
        let attributes = connection.tracks()[0].media_attributes().unwrap();
        assert_eq!(attributes[0].video_max_width, Some(320));
        assert_eq!(attributes[0].video_max_height, Some(480));
        let bad = options(json!({"required": {"video": {"maxWidth": -1}}}));
        let error = connection
            .set_options(Some(bad), RTCSide::Remote)
            .unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
    })
    .await;
}

#[tokio::test]
async fn b002_b027_g039_the_example_of_the_forerunner_as_constructor_options() {
    run(async {
        let example = options(json!({
            "codecs": [
                {"payloadId": 96, "kind": "audio", "name": "opus", "hzRate": 48000, "channels": 2},
                {"payloadId": 96, "kind": "video", "name": "vp8", "hzRate": 90000},
            ],
            "required": {},
            "optional": {"video": {"maxWdith": 640, "maxHeight": 480}},
        }));
        let made = loopback().options(example.clone());
        let (connection, _events) = RTCConnection::new(made).unwrap();
        for side in [RTCSide::Local, RTCSide::Remote] {
            assert_eq!(connection.options(side), example);
        }
        for kind in [Kind::Audio, Kind::Video] {
            connection.add_stream(&stream_of(kind).0).unwrap();
        }
        let tracks = connection.tracks();
        assert_eq!(tracks[0].codecs().unwrap()[0].payload_type, 96);
        assert_eq!(tracks[1].codecs().unwrap()[0].payload_type, 96);
        assert_eq!(tracks[1].codecs().unwrap()[0].name, "vp8");
        // A fork has the options of the first.
        let (fork, _events) = connection.fork().unwrap();
        assert_eq!(fork.options(RTCSide::Local), example);
        let bad = options(json!({"codecs": [{"payload-id": 200, "name": "opus"}]}));
        let error = RTCConnection::new(loopback().options(bad)).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
    })
    .await;
}
