#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, from_str, from_value, json, to_value};

use super::*;
use crate::rtp::RTCHeaderExtension;

fn round_trip(value: &Value) -> RTCTrackDescription {
    let description: RTCTrackDescription = from_value(value.clone()).unwrap();
    assert_eq!(to_value(&description).unwrap(), *value);
    description
}

/// The draft's example, "RTCTrackDescription Example".
#[test]
fn a080_example_round_trips() {
    let text = r#"{"kind":"audio","ssrc":"1234","msid":["m1"],"codecs":[{"payload-id":96,"name":"opus","clockRate":48000,"numChannels":2}]}"#;
    let description: RTCTrackDescription = from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&description).unwrap(), text);
    assert_eq!(description.kind, Kind::Audio);
    assert_eq!(description.ssrc, Some(1234));
    assert_eq!(description.codecs, [RTCCodec::opus(96)]);
    description.validate().unwrap();
}

/// The draft's example, "Audio RTCTrackDescription Example with DTMF".
#[test]
fn a103_example_with_dtmf_round_trips() {
    let text = r#"{"kind":"audio","ssrc":"1234","msid":["m1"],"codecs":[{"payload-id":96,"name":"opus","kind":"audio","clockRate":48000,"numChannels":2},{"payload-id":101,"name":"dtmf","kind":"dtmf"}]}"#;
    let description: RTCTrackDescription = from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&description).unwrap(), text);
    description.validate().unwrap();
    assert_eq!(description.codecs[1].id(), Some(CodecId::Dtmf));
}

#[test]
fn a088_the_kind_of_a_codec_is_optional() {
    let without: RTCCodec = from_str(r#"{"payload-id":101,"name":"dtmf"}"#).unwrap();
    assert_eq!(
        (without.kind, without.effective_kind()),
        (None, Some(Kind::Dtmf))
    );
}

#[test]
fn a077_all_fields() {
    let value = json!({
        "kind": "video", "ssrc": "7", "msid": ["a", "b"],
        "codecs": [{"payload-id": 97, "name": "vp8"}],
        "mediaAttributes": [{"videoMaxWidth": 1280, "videoMaxHeight": 720}],
        "rtpExtHeaders": {"urn:ietf:params:rtp-hdrext:sdes:mid": "x"}
    });
    let description = round_trip(&value);
    description.validate().unwrap();
    assert_eq!(
        description.media_attributes.unwrap()[0].video_max_width,
        Some(1280)
    );
}

#[test]
fn a077_nullable_and_unknown_members() {
    let text = r#"{"kind":"audio","ssrc":null,"msid":null,"codecs":[],"mediaAttributes":null,"rtpExtHeaders":null,"label":{"a":1}}"#;
    let description: RTCTrackDescription = from_str(text).unwrap();
    assert_eq!(
        description,
        RTCTrackDescription::new(Kind::Audio, Vec::new())
    );
    assert!(!description.has_supported_codec());
}

#[test]
fn g024_ssrc_is_a_string_or_a_number() {
    let read = |ssrc: Value| {
        from_value::<RTCTrackDescription>(json!({"kind":"audio","ssrc":ssrc,"msid":[],"codecs":[]}))
            .map(|description| description.ssrc)
    };
    assert_eq!(read(json!("4294967295")).unwrap(), Some(u32::MAX));
    assert_eq!(read(json!(4294967295u32)).unwrap(), Some(u32::MAX));
    for bad in [
        json!("4294967296"),
        json!(4294967296u64),
        json!(-1),
        json!("-1"),
        json!("+1"),
        json!("x"),
        json!(1.5),
        json!([]),
    ] {
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
    let mut description = RTCTrackDescription::new(Kind::Audio, Vec::new());
    description.ssrc = Some(5);
    assert_eq!(to_value(&description).unwrap()["ssrc"], json!("5"));
}

#[test]
fn g023_dtmf_belongs_to_an_audio_track() {
    let codecs = vec![RTCCodec::opus(96), RTCCodec::dtmf(101)];
    RTCTrackDescription::new(Kind::Audio, codecs)
        .validate()
        .unwrap();
    let only = RTCTrackDescription::new(Kind::Audio, vec![RTCCodec::dtmf(101)]);
    assert!(!only.has_supported_codec());
    assert!(RTCTrackDescription::new(Kind::Dtmf, vec![RTCCodec::dtmf(101)]).has_supported_codec());
}

#[test]
fn g011_unknown_codecs_are_kept() {
    let codecs = vec![RTCCodec::new("nonesuch", 99), RTCCodec::vp8(97)];
    let description = RTCTrackDescription::new(Kind::Video, codecs);
    description.validate().unwrap();
    assert!(description.has_supported_codec());
    assert_eq!(description.codecs.len(), 2);
    let unknown = RTCTrackDescription::new(Kind::Video, vec![RTCCodec::new("nonesuch", 99)]);
    assert!(!unknown.has_supported_codec());
}

#[test]
fn g043_extra_fields_round_trip() {
    let value = json!({
        "kind": "video", "ssrc": "7", "msid": [],
        "codecs": [{"payload-id": 97, "name": "vp8"}, {"payload-id": 98, "name": "rtx", "params": [{"name": "apt", "value": "97"}]}],
        "headerExtensions": [{"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4}],
        "encodings": [
            {"ssrc": "10", "rid": "hi", "codecPayloadType": 97, "rtx": {"ssrc": "11"}, "active": true, "maxBitrate": 900000, "resolutionScale": 1.0},
            {"rid": "lo", "fec": {"ssrc": "12", "mechanism": "flexfec"}}
        ],
        "rtx": {"ssrc": "8"},
        "fec": {"ssrc": "9", "mechanism": "red+ulpfec"},
        "rtcp": {"ssrc": "1", "cname": "c", "reducedSize": true, "mux": true},
        "muxId": "m0",
        "cname": "c"
    });
    let description = round_trip(&value);
    assert_eq!(description.validate(), Ok(()));
    let rtcp = description.rtcp.unwrap();
    assert_eq!((rtcp.reduced_size, rtcp.mux), (Some(true), Some(true)));
}

#[test]
fn contradictions_are_refused() {
    let base = || RTCTrackDescription::new(Kind::Video, vec![RTCCodec::vp8(97)]);
    let refused = |description: RTCTrackDescription| {
        assert!(description.validate().is_err(), "{description:?}");
    };
    base().validate().unwrap();
    let mut twice = base();
    twice.codecs.push(RTCCodec::h264(97));
    refused(twice);
    let mut foreign = base();
    foreign.codecs.push(RTCCodec::opus(96));
    refused(foreign);
    for ids in [vec![0], vec![15], vec![3, 3]] {
        let mut extensions = base();
        extensions.header_extensions = ids
            .into_iter()
            .map(|id| RTCHeaderExtension {
                uri: "u".into(),
                id,
            })
            .collect();
        refused(extensions);
    }
    let mut rtx = base();
    rtx.ssrc = Some(5);
    rtx.rtx = Some(RTCRtxParameters { ssrc: Some(5) });
    refused(rtx);
    let mut long = base();
    long.msid = vec![String::new(); 1000];
    refused(long);
    let mut unmuxed = base();
    unmuxed.rtcp = Some(RTCRtcpParameters {
        mux: Some(false),
        ..Default::default()
    });
    let error = unmuxed.validate().unwrap_err();
    assert_eq!(error.name(), crate::ErrorName::NotSupported);
}

#[test]
fn a087_b026_attribute_names() {
    let expected = RTCMediaAttributes {
        video_max_width: Some(1280),
        video_max_height: Some(720),
        ..Default::default()
    };
    for text in [
        r#"{"videoMaxWidth":1280,"videoMaxHeight":720}"#,
        r#"{"maxWdith":1280,"maxHeight":720}"#,
        r#"{"maxWidth":1280,"maxHeight":720,"unknown":null}"#,
    ] {
        assert_eq!(
            from_str::<RTCMediaAttributes>(text).unwrap(),
            expected,
            "{text}"
        );
    }
    assert_eq!(
        to_value(&expected).unwrap(),
        json!({"videoMaxWidth":1280,"videoMaxHeight":720})
    );
}

#[test]
fn g028_completed_attributes_round_trip() {
    let value = json!({
        "maxBitrate": 500000, "maxFramerate": 30.0, "resolutionScale": 2.0, "active": false,
        "rid": "q", "scalabilityMode": "L1T2", "priority": 1.5
    });
    let attributes: RTCMediaAttributes = from_value(value.clone()).unwrap();
    attributes.validate().unwrap();
    assert_eq!(to_value(&attributes).unwrap(), value);
    for bad in [
        json!({"videoMaxWidth": -1}),
        json!({"resolutionScale": 0.5}),
        json!({"maxFramerate": -1.0}),
        json!({"priority": 0.0}),
        json!({"rid": ""}),
        json!({"rid": "a b"}),
    ] {
        let attributes: RTCMediaAttributes = from_value(bad.clone()).unwrap();
        assert!(attributes.validate().is_err(), "{bad}");
    }
}

#[test]
fn a067_a068_filters() {
    let msid = ["m1".to_string(), "m2".to_string()];
    assert!(RTCTrackFilter::default().matches(Kind::Audio, &[]));
    assert!(RTCTrackFilter::kind(Kind::Audio).matches(Kind::Audio, &msid));
    assert!(!RTCTrackFilter::kind(Kind::Audio).matches(Kind::Video, &msid));
    assert!(RTCTrackFilter::media_stream("m2").matches(Kind::Audio, &msid));
    assert!(!RTCTrackFilter::media_stream("m3").matches(Kind::Audio, &msid));
    let both: RTCTrackFilter = from_str(r#"{"mediaStream":"m1","kind":"video"}"#).unwrap();
    assert!(both.matches(Kind::Video, &msid));
    assert!(!both.matches(Kind::Audio, &msid) && !both.matches(Kind::Video, &[]));
    let null: RTCTrackFilter = from_str(r#"{"mediaStream":null,"kind":null}"#).unwrap();
    assert_eq!(null, RTCTrackFilter::default());
}
