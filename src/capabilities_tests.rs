#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::json;

use super::*;
use crate::RTCCodecParam;

fn names(codecs: &[RTCCodec]) -> Vec<&str> {
    codecs.iter().map(|codec| codec.name.as_str()).collect()
}

fn only(codecs: Vec<RTCCodec>) -> RTCCapabilities {
    RTCCapabilities {
        video_codecs: codecs,
        ..RTCCapabilities::default()
    }
}

fn dropped(result: &Negotiated) -> Vec<(&str, DropReason)> {
    result
        .dropped
        .iter()
        .map(|d| (d.what.as_str(), d.why))
        .collect()
}

#[test]
fn a106_a109_capabilities_list_audio_and_video_codecs() {
    let all = rtc_capabilities();
    assert_eq!(
        names(&all.audio_codecs),
        ["opus", "ulaw", "alaw", "g722", "dtmf", "red"]
    );
    assert_eq!(
        names(&all.video_codecs),
        ["vp8", "vp9", "h264", "h265", "av1"]
    );
    for list in [&all.audio_codecs, &all.video_codecs] {
        for codec in list {
            codec.validate().unwrap();
        }
    }
    let mut ids: Vec<u8> = all
        .audio_codecs
        .iter()
        .chain(&all.video_codecs)
        .map(|codec| codec.payload_type)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 11, "a payload type is used twice");
}

#[test]
fn a109_g028_capabilities_are_json_with_the_names_of_the_draft() {
    let mut one = rtc_capabilities();
    one.audio_codecs.truncate(1);
    one.video_codecs.truncate(1);
    one.header_extensions.truncate(2);
    let value = serde_json::to_value(&one).unwrap();
    assert_eq!(
        value,
        json!({
            "audioCodecs": [{"payload-id": 96, "name": "opus", "clockRate": 48000, "numChannels": 2}],
            "videoCodecs": [{"payload-id": 97, "name": "vp8", "clockRate": 90000}],
            "headerExtensions": [
                {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 1},
                {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "preferredId": 2,
                 "kinds": ["audio"]},
            ],
            "rtcpFeedback": [
                {"type": "nack"},
                {"type": "nack", "parameter": "pli"},
                {"type": "ccm", "parameter": "fir"},
            ],
            "fecMechanisms": ["red"],
            "maxEncodings": 16,
        })
    );
    assert_eq!(
        serde_json::from_value::<RTCCapabilities>(value).unwrap(),
        one
    );
    let minimal: RTCCapabilities =
        serde_json::from_value(json!({"audioCodecs": [], "videoCodecs": []})).unwrap();
    assert_eq!(minimal, RTCCapabilities::default());
}

#[test]
fn a107_a108_the_mandatory_codecs_are_there_and_others_are_null() {
    for name in ["opus", "alaw", "ulaw", "dtmf", "vp8", "h264"] {
        let codec = rtc_codec(name).unwrap();
        assert_eq!(codec.name, name);
        codec.validate().unwrap();
        assert!(codec.clock_rate.is_some(), "{name}");
    }
    for name in ["", "speex", "rtx", "red", "ulpfec", "cn", "op us"] {
        assert_eq!(rtc_codec(name), None, "{name:?}");
    }
}

#[test]
fn g027_codecs_are_found_by_every_name_in_any_case() {
    for (alias, name) in [
        ("PCMA", "alaw"),
        ("pcmu", "ulaw"),
        ("Telephone-Event", "dtmf"),
        ("OPUS", "opus"),
        ("VP8", "vp8"),
        ("H264", "h264"),
        ("hevc", "h265"),
    ] {
        assert_eq!(rtc_codec(alias), rtc_codec(name), "{alias}");
        assert_eq!(rtc_codec(alias).unwrap().name, name);
    }
}

#[test]
fn two_equal_sides_have_everything_in_common() {
    let all = rtc_capabilities();
    for kind in [Kind::Audio, Kind::Video] {
        let result = negotiate(&all, &all, kind);
        assert_eq!(result.codecs, all.codecs(kind));
        assert_eq!(result.dropped, []);
        let wanted = if kind == Kind::Audio { 5 } else { 3 };
        assert_eq!(result.header_extensions.len(), wanted);
    }
}

#[test]
fn g043_redundant_audio_is_paired_with_what_it_carries() {
    let local = rtc_capabilities();
    let opus = RTCCodec::opus(111);
    let remote = |codecs: Vec<RTCCodec>| RTCCapabilities {
        audio_codecs: codecs,
        ..RTCCapabilities::default()
    };
    let both = remote(vec![
        opus.clone(),
        RTCCodec::red(63, &opus),
        RTCCodec::dtmf(110),
    ]);
    let result = negotiate(&local, &both, Kind::Audio);
    // Last, as the local side has it: it is received, and sent once it is moved to the front.
    assert_eq!(
        result.codecs,
        [opus.clone(), RTCCodec::dtmf(110), RTCCodec::red(63, &opus)]
    );
    let without = remote(vec![RTCCodec::ulaw(), RTCCodec::red(63, &opus)]);
    let result = negotiate(&local, &without, Kind::Audio);
    assert_eq!(names(&result.codecs), ["ulaw"]);
    assert!(dropped(&result).contains(&("red", DropReason::Mismatch)));
}

#[test]
fn the_local_order_counts_and_the_remote_payload_types() {
    let local = only(vec![
        RTCCodec::vp8(97),
        RTCCodec::h264(98),
        RTCCodec::new("av1", 45),
    ]);
    let remote = only(vec![
        RTCCodec::h264(125),
        RTCCodec::new("theora", 50),
        RTCCodec::new("VP8", 110),
    ]);
    let result = negotiate(&local, &remote, Kind::Video);
    let got: Vec<(&str, u8)> = result
        .codecs
        .iter()
        .map(|codec| (codec.name.as_str(), codec.payload_type))
        .collect();
    assert_eq!(got, [("vp8", 110), ("h264", 125)]);
    assert_eq!(
        dropped(&result),
        [
            ("av1", DropReason::NotRemote),
            ("theora", DropReason::NotLocal)
        ]
    );
}

#[test]
fn h264_needs_the_same_mode_and_profile_and_takes_the_lower_level() {
    let h264 = |id: &str, mode: &str, payload_type| {
        let mut codec = RTCCodec::h264(payload_type);
        codec.params = vec![
            RTCCodecParam::new("profile-level-id", id),
            RTCCodecParam::new("packetization-mode", mode),
        ];
        codec
    };
    let local = only(vec![h264("42e01f", "1", 98)]);
    for (id, mode, expected) in [
        ("42e01f", "1", Some("42e01f")),
        ("42e034", "1", Some("42e01f")),
        ("42e00a", "1", Some("42e00a")),
        // Another spelling of constrained baseline.
        ("42c01f", "1", Some("42c01f")),
        ("42e01f", "0", None),
        ("64001f", "1", None),
        ("42001f", "1", None),
    ] {
        let result = negotiate(&local, &only(vec![h264(id, mode, 99)]), Kind::Video);
        let level = result
            .codecs
            .first()
            .and_then(|codec| codec.param("profile-level-id"));
        assert_eq!(level, expected, "{id} {mode}");
        let reasons: Vec<DropReason> = result.dropped.iter().map(|d| d.why).collect();
        match expected {
            Some(_) => assert_eq!(reasons, []),
            None => assert_eq!(reasons, [DropReason::Mismatch]),
        }
    }
    // Of several variants the one that fits is found.
    let remote = only(vec![h264("64001f", "1", 100), h264("42e01f", "1", 101)]);
    let result = negotiate(&local, &remote, Kind::Video);
    assert_eq!(result.codecs[0].payload_type, 101);
    assert_eq!(result.dropped, []);
}

#[test]
fn bad_values_of_the_peer_are_dropped_never_taken_over() {
    let local = rtc_capabilities();
    let mut remote = only(vec![RTCCodec::vp8(70), RTCCodec::h264(98)]);
    remote.video_codecs.push(RTCCodec::new("vp9", 98));
    for (id, uri) in [(0, MID), (15, RID), (3, ABS_SEND_TIME)] {
        remote.header_extensions.push(RTCHeaderExtensionCapability {
            uri: uri.into(),
            preferred_id: id,
            kinds: Vec::new(),
            direction: RTCDirection::RecvOnly,
        });
    }
    let result = negotiate(&local, &remote, Kind::Video);
    assert_eq!(names(&result.codecs), ["vp9"].as_slice());
    assert_eq!(
        result.header_extensions,
        [RTCHeaderExtension {
            uri: ABS_SEND_TIME.into(),
            id: 3
        }]
    );
    let reasons = dropped(&result);
    for what in ["vp8", "h264", MID, RID] {
        let why = reasons.iter().find(|(w, _)| *w == what).unwrap().1;
        assert_eq!(why, DropReason::Invalid, "{what}");
    }
}

#[test]
fn g028_a_header_extension_goes_in_one_direction_at_least() {
    use RTCDirection::{RecvOnly, SendOnly, SendRecv};
    let side = |direction| RTCCapabilities {
        header_extensions: vec![RTCHeaderExtensionCapability {
            uri: MID.into(),
            preferred_id: 1,
            kinds: Vec::new(),
            direction,
        }],
        ..rtc_capabilities()
    };
    for own in [SendRecv, SendOnly, RecvOnly] {
        for theirs in [SendRecv, SendOnly, RecvOnly] {
            let result = negotiate(&side(own), &side(theirs), Kind::Audio);
            let nobody_would_hear = own == theirs && own != SendRecv;
            assert_eq!(result.header_extensions.is_empty(), nobody_would_hear);
            let why = dropped(&result).into_iter().find(|(what, _)| *what == MID);
            let mismatch = nobody_would_hear.then_some(DropReason::Mismatch);
            assert_eq!(why.map(|(_, why)| why), mismatch, "{own:?}, {theirs:?}");
        }
    }
}
