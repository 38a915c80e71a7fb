//! What this crate can do, and what two sides can do together.
//!
//! [`rtc_capabilities`] lists codecs and header extensions; the application signals that to its
//! peer if it wants to choose, and [`negotiate`] says what both have in common. Nothing in the
//! crate calls it: tracks are sent and received as their descriptions say.

// Rows A106 to A109, G27, G28.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::media::MAX_ENCODINGS;
use crate::media::{
    CodecFacts, CodecId, Kind, RTCCodec, lookup, primary_codecs, red_primary, same_format,
    same_name,
};
use crate::rtp::{ABS_SEND_TIME, AUDIO_LEVEL, CSRC_AUDIO_LEVEL, MID, RID, RTCHeaderExtension};

crate::json::wire_object! {
"capabilities: an object with audioCodecs and videoCodecs", RawCapabilities:
/// What a side can send and receive. Signal it to let the peer choose, see [`negotiate`].
///
/// JSON: `{"audioCodecs":[..],"videoCodecs":[..],"headerExtensions":[..]}`; a member that is
/// absent on input is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCCapabilities {
    /// Audio codecs in order of preference, `dtmf` and `red` among them.
    pub audio_codecs: Vec<RTCCodec>,
    /// Video codecs in order of preference.
    pub video_codecs: Vec<RTCCodec>,
    /// RTP header extensions, with the identifiers they have by preference.
    pub header_extensions: Vec<RTCHeaderExtensionCapability>,
    /// RTCP feedback that is sent and answered.
    pub rtcp_feedback: Vec<RTCRtcpFeedback>,
    /// Mechanisms of forward error correction, by codec name: `red` of audio (RFC 2198), see
    /// [`RTCCodec::red`].
    pub fec_mechanisms: Vec<String>,
    /// Encodings that one track can be sent in at once (simulcast layers). `None`: not said. The
    /// layers inside an encoding are the application's: this crate encodes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_encodings: Option<u8>,
}
}

crate::json::wire_object! {
"a kind of RTCP feedback", RawFeedback:
/// A kind of RTCP feedback, as in an SDP `rtcp-fb` line (RFC 4585 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RTCRtcpFeedback {
    /// `type` in JSON: "nack", "ccm", ...
    #[serde(rename = "type")]
    pub typ: String,
    /// "pli", "fir", ...; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parameter: String,
}
}

crate::json::wire_object! {
"a header extension with its preferred id", RawExtension:
/// An RTP header extension that a side understands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCHeaderExtensionCapability {
    /// What it means.
    pub uri: String,
    /// The identifier it has by preference, 1 to 14.
    pub preferred_id: u8,
    /// The kinds of track it is for; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    /// Whether it is sent, received or both.
    #[serde(default, skip_serializing_if = "RTCDirection::is_both")]
    pub direction: RTCDirection,
}
}

impl RTCHeaderExtensionCapability {
    /// An extension that is sent and received with any kind of track.
    pub fn new(uri: impl Into<String>, preferred_id: u8) -> Self {
        Self {
            uri: uri.into(),
            preferred_id,
            kinds: Vec::new(),
            direction: RTCDirection::SendRecv,
        }
    }
}

impl RTCRtcpFeedback {
    /// Feedback of this type with this parameter, empty for none.
    pub fn new(typ: impl Into<String>, parameter: impl Into<String>) -> Self {
        Self {
            typ: typ.into(),
            parameter: parameter.into(),
        }
    }
}

/// Which ways something can go, seen from the side that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RTCDirection {
    /// Both; not written in JSON.
    #[default]
    SendRecv,
    /// Out only.
    SendOnly,
    /// In only.
    RecvOnly,
}

impl RTCDirection {
    fn is_both(&self) -> bool {
        *self == Self::SendRecv
    }

    /// Whether what one side sends the other receives, in one direction at least.
    fn meets(self, theirs: Self) -> bool {
        self.is_both() || self != theirs
    }
}

/// What this crate supports, in its order of preference and with its default payload types.
#[doc(alias = "getRTCCapabilities")]
pub fn rtc_capabilities() -> RTCCapabilities {
    let of = |kind: Kind| {
        primary_codecs()
            .filter(|facts| facts.kind == kind)
            .map(codec)
            .collect::<Vec<_>>()
    };
    let mut audio_codecs = of(Kind::Audio);
    audio_codecs.push(RTCCodec::dtmf(101));
    // Last, so that a list made of these receives it and does not send it.
    let red = audio_codecs.first().map(|opus| RTCCodec::red(103, opus));
    audio_codecs.extend(red);
    RTCCapabilities {
        audio_codecs,
        video_codecs: of(Kind::Video),
        header_extensions: [
            (MID, 1, &[][..]),
            (AUDIO_LEVEL, 2, &[Kind::Audio][..]),
            (ABS_SEND_TIME, 3, &[]),
            (RID, 4, &[]),
            (CSRC_AUDIO_LEVEL, 5, &[Kind::Audio]),
        ]
        .into_iter()
        .map(|(uri, preferred_id, kinds)| RTCHeaderExtensionCapability {
            kinds: kinds.to_vec(),
            ..RTCHeaderExtensionCapability::new(uri, preferred_id)
        })
        .collect(),
        rtcp_feedback: [("nack", ""), ("nack", "pli"), ("ccm", "fir")]
            .into_iter()
            .map(|(typ, parameter)| RTCRtcpFeedback::new(typ, parameter))
            .collect(),
        fec_mechanisms: vec!["red".into()],
        max_encodings: u8::try_from(MAX_ENCODINGS).ok(),
    }
}

// Row G27.
/// The codec of this name with the crate's defaults, or `None` when it is not supported. The
/// draft's names, IANA's and usual aliases are known, in any case.
#[doc(alias = "getRTCCodec")]
pub fn rtc_codec(name: &str) -> Option<RTCCodec> {
    let facts = lookup(name).filter(|facts| facts.is_primary || facts.id == CodecId::Dtmf)?;
    Some(codec(facts))
}

/// With its static payload type, or the one this crate prefers.
fn codec(facts: &CodecFacts) -> RTCCodec {
    let payload_type = facts.static_payload_type.unwrap_or(match facts.id {
        CodecId::Opus => 96,
        CodecId::Vp8 => 97,
        CodecId::H264 => 98,
        CodecId::Vp9 => 99,
        CodecId::H265 => 100,
        CodecId::Dtmf => 101,
        _ => 102,
    });
    match facts.id {
        CodecId::Dtmf => RTCCodec::dtmf(payload_type),
        _ => RTCCodec::new(facts.name, payload_type),
    }
}

/// What two sides can do together with one kind of track.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The codecs both know, in the order of the local side, with the payload types of the
    /// remote side and those parameters that both can live with. Empty: nothing in common.
    pub codecs: Vec<RTCCodec>,
    /// The header extensions both know, with the identifiers of the remote side: for
    /// [`RTCConnectionOptions::header_extensions`](crate::RTCConnectionOptions::header_extensions).
    pub header_extensions: Vec<RTCHeaderExtension>,
    /// What one side had and did not survive, and why.
    pub dropped: Vec<Dropped>,
}

/// Something that only one side can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The codec's name or the header extension's URI.
    pub what: String,
    /// Why it is not used.
    pub why: DropReason,
}

/// Why two sides do not use something together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Only the local side has it.
    NotRemote,
    /// Only the remote side has it.
    NotLocal,
    /// Both have a codec of this name, with clock rates, channels or format parameters that
    /// exclude each other (H264: packetization mode or profile; VP9 and AV1: profile), or `red` of
    /// a codec that is not in common. Both only send a header extension, or both only receive it.
    Mismatch,
    /// The remote side's value is out of range, or is used for something else already.
    Invalid,
}

/// What `local` and `remote` can do together, for tracks of one kind. A pure function: nothing is
/// changed, and both sides get the same set when the payload types of one of them are taken.
///
/// ```
/// use ortc::Kind;
/// use ortc::capabilities::{negotiate, rtc_capabilities};
///
/// let mut remote = rtc_capabilities();
/// remote.video_codecs.retain(|codec| codec.name == "vp8");
/// let common = negotiate(&rtc_capabilities(), &remote, Kind::Video);
/// assert_eq!(common.codecs, remote.video_codecs);
/// ```
pub fn negotiate(local: &RTCCapabilities, remote: &RTCCapabilities, kind: Kind) -> Negotiated {
    let mut result = Negotiated::default();
    negotiate_codecs(local.codecs(kind), remote.codecs(kind), &mut result);
    negotiate_extensions(local, remote, kind, &mut result);
    result
}

impl RTCCapabilities {
    /// The codecs for tracks of this kind; digits are with audio.
    pub fn codecs(&self, kind: Kind) -> &[RTCCodec] {
        match kind {
            Kind::Audio | Kind::Dtmf => &self.audio_codecs,
            Kind::Video => &self.video_codecs,
        }
    }
}

fn negotiate_codecs(local: &[RTCCodec], remote: &[RTCCodec], result: &mut Negotiated) {
    let drop = |result: &mut Negotiated, codec: &RTCCodec, why| {
        result.dropped.push(Dropped {
            what: codec.name.clone(),
            why,
        });
    };
    for own in local {
        let mut why = Some(DropReason::NotRemote);
        for theirs in remote.iter().filter(|theirs| same_name(own, theirs)) {
            why = match check(theirs, &result.codecs) {
                Err(_) => Some(DropReason::Invalid),
                Ok(()) if !same_format(own, theirs) => Some(DropReason::Mismatch),
                Ok(()) => None,
            };
            if why.is_none() {
                result.codecs.push(combine(own, theirs));
                break;
            }
        }
        if let Some(why) = why {
            drop(result, own, why);
        }
    }
    // Redundancy of something that is not there.
    let common = result.codecs.clone();
    for red in common.iter().filter(|c| c.id() == Some(CodecId::Red)) {
        if red_primary(&common, red).is_none() {
            result.codecs.retain(|codec| codec != red);
            drop(result, red, DropReason::Mismatch);
        }
    }
    for theirs in remote {
        if !local.iter().any(|own| same_name(own, theirs)) {
            drop(result, theirs, DropReason::NotLocal);
        }
    }
}

fn check(theirs: &RTCCodec, taken: &[RTCCodec]) -> Result<()> {
    theirs.validate()?;
    if taken
        .iter()
        .any(|codec| codec.payload_type == theirs.payload_type)
    {
        return Err(crate::Error::invalid_parameters("payload type used twice"));
    }
    Ok(())
}

/// What the remote side said describes what it can receive, so that is what counts; of H264 levels
/// the lower one holds for both.
fn combine(own: &RTCCodec, theirs: &RTCCodec) -> RTCCodec {
    let mut codec = theirs.clone();
    codec.name.clone_from(&own.name);
    codec.kind = codec.kind.or(own.kind);
    codec.clock_rate = Some(own.effective_clock_rate());
    codec.num_channels = own.num_channels.or(theirs.num_channels);
    if own.id() == Some(CodecId::H264) {
        let level = |codec: &RTCCodec| {
            let id = codec.param("profile-level-id")?;
            u32::from_str_radix(id, 16).ok().map(|id| id & 0xff)
        };
        if let (Some(ours), Some(limit)) = (level(own), level(theirs))
            && ours < limit
            && let Some(param) = codec
                .params
                .iter_mut()
                .find(|param| param.name.eq_ignore_ascii_case("profile-level-id"))
        {
            param.value = own.param("profile-level-id").map(str::to_owned);
        }
    }
    codec
}

fn negotiate_extensions(
    local: &RTCCapabilities,
    remote: &RTCCapabilities,
    kind: Kind,
    result: &mut Negotiated,
) {
    let applies = |e: &&RTCHeaderExtensionCapability| e.kinds.is_empty() || e.kinds.contains(&kind);
    let find = |list: &[RTCHeaderExtensionCapability], uri: &str| {
        list.iter()
            .filter(applies)
            .find(|extension| extension.uri == uri)
            .cloned()
    };
    let mut drop = |uri: &str, why| {
        result.dropped.push(Dropped {
            what: uri.into(),
            why,
        });
    };
    for own in local.header_extensions.iter().filter(applies) {
        let Some(theirs) = find(&remote.header_extensions, &own.uri) else {
            drop(&own.uri, DropReason::NotRemote);
            continue;
        };
        if !own.direction.meets(theirs.direction) {
            drop(&own.uri, DropReason::Mismatch);
            continue;
        }
        let id = theirs.preferred_id;
        let taken = result
            .header_extensions
            .iter()
            .any(|known| known.id == id || known.uri == own.uri);
        // RFC 8285 section 4.2: 15 is reserved in the one-byte form, which everybody has.
        if taken || !(1..=14).contains(&id) {
            drop(&own.uri, DropReason::Invalid);
            continue;
        }
        result.header_extensions.push(RTCHeaderExtension {
            uri: own.uri.clone(),
            id,
        });
    }
    for theirs in remote.header_extensions.iter().filter(applies) {
        if find(&local.header_extensions, &theirs.uri).is_none() {
            drop(&theirs.uri, DropReason::NotLocal);
        }
    }
}

#[cfg(test)]
#[path = "capabilities_tests.rs"]
mod tests;
