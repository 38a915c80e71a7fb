#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{from_str, json, to_value};

use super::*;

fn codec(json: &str) -> RTCCodec {
    from_str(json).unwrap()
}

#[test]
fn a081_payload_id_range() {
    for id in 0..=255u8 {
        let valid = id <= 127 && !(64..=95).contains(&id);
        let codec = RTCCodec::new("opus", id);
        assert_eq!(codec.payload_type, id);
        assert_eq!(codec.validate().is_ok(), valid, "{id}");
    }
    assert!(from_str::<RTCCodec>(r#"{"payload-id":256,"name":"opus"}"#).is_err());
    assert!(from_str::<RTCCodec>(r#"{"payload-id":-1,"name":"opus"}"#).is_err());
    assert!(from_str::<RTCCodec>(r#"{"name":"opus"}"#).is_err());
}

#[test]
fn a082_names_ignore_case() {
    for name in ["opus", "OPUS", "Opus"] {
        assert_eq!(lookup(name).unwrap().id, CodecId::Opus);
        let codec = RTCCodec::new(name, 96);
        assert_eq!((&*codec.name, codec.id()), (name, Some(CodecId::Opus)));
    }
    assert_eq!(lookup("nonesuch"), None);
    assert_eq!(lookup(""), None);
}

#[test]
fn a083_a084_null_clock_rate_and_channels_mean_the_default() {
    let opus = codec(r#"{"payload-id":96,"name":"opus","clockRate":null,"numChannels":null}"#);
    assert_eq!((opus.clock_rate, opus.num_channels), (None, None));
    assert_eq!(opus.effective_clock_rate(), 48_000);
    assert_eq!(opus.effective_channels(), 2);
    let g722 = codec(r#"{"payload-id":9,"name":"G722"}"#);
    assert_eq!(g722.effective_clock_rate(), 8_000);
    assert!(
        codec(r#"{"payload-id":96,"name":"opus","clockRate":0}"#)
            .validate()
            .is_err()
    );
    assert!(
        codec(r#"{"payload-id":96,"name":"opus","numChannels":0}"#)
            .validate()
            .is_err()
    );
}

#[test]
fn a085_a086_params() {
    assert!(
        codec(r#"{"payload-id":96,"name":"opus"}"#)
            .params
            .is_empty()
    );
    assert!(
        codec(r#"{"payload-id":96,"name":"opus","params":null}"#)
            .params
            .is_empty()
    );
    let text = r#"{"payload-id":96,"name":"opus","params":[{"name":"useinbandfec","value":1},{"name":"flag"},{"name":"x","value":null}]}"#;
    let opus = codec(text);
    let param = &opus.params[0];
    assert_eq!(param.name, "useinbandfec");
    assert_eq!(param.value.as_deref(), Some("1"));
    assert_eq!(opus.params[1].value, None);
    assert_eq!(opus.param("UseInbandFec"), Some("1"));
    assert_eq!(opus.param("flag"), Some(""));
    assert_eq!(opus.param("absent"), None);
    assert_eq!(
        to_value(&opus).unwrap(),
        json!({"payload-id":96,"name":"opus","params":[{"name":"useinbandfec","value":"1"},{"name":"flag"},{"name":"x"}]})
    );
}

#[test]
fn a072_first_supported_codec() {
    let list = [
        RTCCodec::new("rtx", 102),
        RTCCodec::new("red", 103),
        RTCCodec::new("ulpfec", 104),
        RTCCodec::new("flexfec-03", 105),
        RTCCodec::new("CN", 13),
        RTCCodec::dtmf(101),
        RTCCodec::new("nonesuch", 106),
        RTCCodec::new("VP8", 97),
        RTCCodec::opus(96),
    ];
    assert_eq!(first_supported(&list), Some(&list[7]));
    assert_eq!(first_supported(&list[..7]), None);
}

#[test]
fn a108_mandatory_codecs_are_known() {
    for name in ["opus", "alaw", "ulaw", "dtmf", "vp8", "h264"] {
        assert_eq!(lookup(name).unwrap().name, name);
    }
}

#[test]
fn b025_the_earlier_names_are_accepted() {
    let first =
        codec(r#"{"payloadId":96,"kind":"audio","name":"<name>","hzRate":32000,"channels":1}"#);
    assert_eq!(first.payload_type, 96);
    assert_eq!(first.clock_rate, Some(32_000));
    assert_eq!(first.num_channels, Some(1));
    assert_eq!(first.kind, Some(Kind::Audio));
}

#[test]
fn b027_the_same_payload_id_for_audio_and_video() {
    let text = r#"[{"payloadId":96,"kind":"audio","name":"opus","hzRate":48000,"channels":2},
        {"payloadId":96,"kind":"video","name":"vp8","hzRate":90000}]"#;
    let codecs: Vec<RTCCodec> = from_str(text).unwrap();
    assert!(codecs.iter().all(|codec| codec.validate().is_ok()));
    assert_eq!(codecs[1].kind, Some(Kind::Video));
}

#[test]
fn g026_aliases_in_and_the_draft_out() {
    let expected = json!({"payload-id":96,"name":"opus","clockRate":48000,"numChannels":2});
    for id in [
        "payload-id",
        "payloadId",
        "payloadType",
        "preferredPayloadType",
    ] {
        for rate in ["clockRate", "hzRate"] {
            for channels in ["numChannels", "channels"] {
                let text = format!(
                    r#"{{"{id}":96,"name":"opus","{rate}":48000,"{channels}":2,"unknown":[1]}}"#
                );
                assert_eq!(to_value(codec(&text)).unwrap(), expected);
            }
        }
    }
}

#[test]
fn g027_draft_names_and_iana_names_mean_the_same() {
    for (draft, iana) in [
        ("alaw", "PCMA"),
        ("ulaw", "PCMU"),
        ("dtmf", "telephone-event"),
        ("h264", "H264"),
        ("g722", "G722"),
    ] {
        assert_eq!(lookup(draft), lookup(&iana.to_lowercase()));
        assert_eq!(lookup(draft).unwrap().iana_name, iana);
    }
    let payload_types =
        ["ulaw", "alaw", "g722", "opus"].map(|n| lookup(n).unwrap().static_payload_type);
    assert_eq!(payload_types, [Some(0), Some(8), Some(9), None]);
}

#[test]
fn g039_kind_is_a_string_or_an_array() {
    for text in [
        r#""audio""#,
        r#"["audio"]"#,
        r#"["audio","dtmf"]"#,
        r#"["dtmf","audio"]"#,
    ] {
        assert_eq!(from_str::<Kind>(text).unwrap(), Kind::Audio, "{text}");
    }
    assert_eq!(from_str::<Kind>(r#"["dtmf"]"#).unwrap(), Kind::Dtmf);
    for text in [
        r#"["audio","video"]"#,
        "[]",
        r#""Audio""#,
        "1",
        r#"["audio","audio"]"#,
    ] {
        assert!(from_str::<Kind>(text).is_err(), "{text}");
    }
    assert_eq!(to_value(Kind::Video).unwrap(), json!("video"));
}

#[test]
fn default_codecs_are_valid_and_supported() {
    for kind in [Kind::Audio, Kind::Video] {
        let description = RTCTrackDescription::new(kind, default_codecs(kind));
        description.validate().unwrap();
        assert!(description.has_supported_codec());
        let media = |codec: &&RTCCodec| codec.id() != Some(CodecId::Rtx);
        assert_eq!(
            rtx_payload_types(&description.codecs).len(),
            description.codecs.len() - description.codecs.iter().filter(media).count()
        );
        for codec in description.codecs.iter().filter(media) {
            Packetizer::for_codec(codec).unwrap();
            Depacketizer::for_codec(codec).unwrap();
        }
    }
    assert_eq!(RTCCodec::h264(98).param("packetization-mode"), Some("1"));
}
