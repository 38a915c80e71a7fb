//! What is known about each codec name.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::Kind;

/// Every codec name the crate recognises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CodecId {
    Opus,
    Pcmu,
    Pcma,
    G722,
    Dtmf,
    Vp8,
    Vp9,
    H264,
    H265,
    Av1,
    Rtx,
    Red,
    Ulpfec,
    Flexfec,
    ComfortNoise,
}

/// What is known about a codec from its name alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CodecFacts {
    pub(crate) id: CodecId,
    pub(crate) kind: Kind,
    /// The draft's name, used in JSON.
    pub(crate) name: &'static str,
    /// The name registered with IANA, used towards SDP.
    pub(crate) iana_name: &'static str,
    pub(crate) clock_rate: u32,
    pub(crate) channels: Option<u32>,
    pub(crate) static_payload_type: Option<u8>,
    /// Whether the codec carries media by itself, so that a track can be sent with it.
    pub(crate) is_primary: bool,
}

#[allow(clippy::too_many_arguments)] // the columns of the table below
const fn facts(
    id: CodecId,
    kind: Kind,
    name: &'static str,
    iana_name: &'static str,
    clock_rate: u32,
    channels: Option<u32>,
    static_payload_type: Option<u8>,
    is_primary: bool,
) -> CodecFacts {
    CodecFacts {
        id,
        kind,
        name,
        iana_name,
        clock_rate,
        channels,
        static_payload_type,
        is_primary,
    }
}

// RFC 3551 section 4.5.2: the RTP clock of G722 is 8000 although it samples at 16000.
// RFC 7587 section 7: opus is always announced as 48000/2.
#[rustfmt::skip]
pub(crate) static CODECS: [CodecFacts; 15] = [
    facts(CodecId::Opus, Kind::Audio, "opus", "opus", 48_000, Some(2), None, true),
    facts(CodecId::Pcmu, Kind::Audio, "ulaw", "PCMU", 8_000, Some(1), Some(0), true),
    facts(CodecId::Pcma, Kind::Audio, "alaw", "PCMA", 8_000, Some(1), Some(8), true),
    facts(CodecId::G722, Kind::Audio, "g722", "G722", 8_000, Some(1), Some(9), true),
    facts(CodecId::Dtmf, Kind::Dtmf, "dtmf", "telephone-event", 8_000, None, None, false),
    facts(CodecId::Vp8, Kind::Video, "vp8", "VP8", 90_000, None, None, true),
    facts(CodecId::Vp9, Kind::Video, "vp9", "VP9", 90_000, None, None, true),
    facts(CodecId::H264, Kind::Video, "h264", "H264", 90_000, None, None, true),
    facts(CodecId::H265, Kind::Video, "h265", "H265", 90_000, None, None, true),
    facts(CodecId::Av1, Kind::Video, "av1", "AV1", 90_000, None, None, true),
    facts(CodecId::Rtx, Kind::Video, "rtx", "rtx", 90_000, None, None, false),
    facts(CodecId::Red, Kind::Video, "red", "red", 90_000, None, None, false),
    facts(CodecId::Ulpfec, Kind::Video, "ulpfec", "ulpfec", 90_000, None, None, false),
    facts(CodecId::Flexfec, Kind::Video, "flexfec", "flexfec-03", 90_000, None, None, false),
    facts(CodecId::ComfortNoise, Kind::Audio, "cn", "CN", 8_000, Some(1), Some(13), false),
];

/// Finds a codec by the draft's name, the IANA name or a usual alias, without regard to case.
pub(crate) fn lookup(name: &str) -> Option<&'static CodecFacts> {
    const ALIASES: [(&str, &str); 3] =
        [("hevc", "h265"), ("av1x", "av1"), ("flexfec-03", "flexfec")];
    let name = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name))
        .map_or(name, |(_, known)| known);
    CODECS.iter().find(|facts| {
        facts.name.eq_ignore_ascii_case(name) || facts.iana_name.eq_ignore_ascii_case(name)
    })
}

/// The codecs that carry media by themselves, in order of preference.
pub(crate) fn primary_codecs() -> impl Iterator<Item = &'static CodecFacts> {
    CODECS.iter().filter(|facts| facts.is_primary)
}

/// The codec that RFC 3551 gives this payload type to.
pub(crate) fn static_payload_type(payload_type: u8) -> Option<&'static CodecFacts> {
    CODECS
        .iter()
        .find(|facts| facts.static_payload_type == Some(payload_type))
}
