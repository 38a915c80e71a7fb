//! The draft's `RTCCodec`.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{CodecFacts, CodecId, Kind, lookup};
use crate::{Error, Result};

crate::json::wire_object! {
"a codec, e.g. {\"payload-id\":96,\"name\":\"opus\"}", RawCodec after take_browser_members:
/// A codec and the payload type that stands for it on the wire.
///
/// JSON follows the draft: `{"payload-id":96,"name":"opus","clockRate":48000,"numChannels":2}`.
/// On input `payloadId`, `payloadType` and `preferredPayloadType` are accepted for `payload-id`,
/// `hzRate` for `clockRate`, `channels` for `numChannels`, and as in the final specification and
/// its libraries `parameters`, an object, for `params`, and a `mimeType` for `name` and `kind`; as
/// browsers list codecs, an `sdpFmtpLine` for `params`; unknown members are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RTCCodec {
    /// RTP payload type: 0 to 127 but not 64 to 95, which RTCP occupies (RFC 5761).
    #[doc(alias = "payload-id")]
    #[serde(
        rename = "payload-id",
        alias = "payloadId",
        alias = "payloadType",
        alias = "preferredPayloadType"
    )]
    pub payload_type: u8,
    /// Codec name, compared without regard to case. The draft's names ("ulaw", "alaw", "dtmf")
    /// and the registered ones ("PCMU", "PCMA", "telephone-event") mean the same.
    pub name: String,
    /// What the codec carries; None means: what its name implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// RTP clock rate in Hz; None means the codec's default.
    #[serde(
        rename = "clockRate",
        alias = "hzRate",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub clock_rate: Option<u32>,
    /// Number of audio channels; None means the codec's default.
    #[serde(
        rename = "numChannels",
        alias = "channels",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub num_channels: Option<u32>,
    /// Format parameters, as in an SDP `fmtp` line.
    #[serde(
        default,
        alias = "parameters",
        deserialize_with = "read_params",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub params: Vec<RTCCodecParam>,
}
}

/// A format parameter of a codec, e.g. `packetization-mode` = `1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RTCCodecParam {
    /// Name of the parameter.
    pub name: String,
    /// Value; None for a parameter that is only a flag. Numbers are accepted on input.
    #[serde(
        default,
        deserialize_with = "read_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub value: Option<String>,
}

/// An array of names and values, or an object of them. A name without value is a flag.
fn read_params<'de, D>(deserializer: D) -> std::result::Result<Vec<RTCCodecParam>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "params: an array of {name, value}, or an object of names and values"
    )]
    enum Input {
        Array(Vec<RTCCodecParam>),
        Object(serde_json::Map<String, Value>),
    }
    let members = match Input::deserialize(deserializer)? {
        Input::Array(params) => return Ok(params),
        Input::Object(members) => members,
    };
    let param = |(name, value)| {
        let value = text_of(value).map_err(D::Error::custom)?;
        Ok(RTCCodecParam { name, value })
    };
    members.into_iter().map(param).collect()
}

fn read_text<'de, D>(deserializer: D) -> std::result::Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    text_of(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The value of a parameter as an fmtp line has it.
fn text_of(value: Value) -> std::result::Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(flag) => Ok(Some(u8::from(flag).to_string())),
        Value::Array(_) | Value::Object(_) => Err("the value of a parameter is a text or number"),
    }
}

/// The final specification's libraries have `"mimeType":"video/VP8"`, browsers
/// `"sdpFmtpLine":"apt=96"` beside it.
fn take_browser_members(codec: &mut Value) {
    let Some(members) = codec.as_object_mut() else {
        return;
    };
    if let Some(Value::String(line)) = members.remove("sdpFmtpLine")
        && !["params", "parameters"]
            .iter()
            .any(|name| members.contains_key(*name))
    {
        let params = line
            .split(';')
            .map(str::trim)
            .filter(|param| !param.is_empty());
        let params = params.map(|param| match param.split_once('=') {
            Some((name, value)) => {
                serde_json::json!({ "name": name.trim(), "value": value.trim() })
            }
            None => serde_json::json!({ "name": param }),
        });
        let params: Vec<Value> = params.collect();
        members.insert("params".to_owned(), params.into());
    }
    let mime = members.get("mimeType").and_then(Value::as_str);
    let parts = mime.and_then(|mime| mime.split_once('/'));
    if let Some((kind, name)) = parts.map(|(kind, name)| (kind.to_lowercase(), name.to_owned())) {
        members.entry("name").or_insert(name.into());
        if ["audio", "video"].contains(&kind.as_str()) {
            members.entry("kind").or_insert(kind.into());
        }
    }
}

impl RTCCodecParam {
    /// A parameter with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        RTCCodecParam {
            name: name.into(),
            value: Some(value.into()),
        }
    }
}

impl RTCCodec {
    /// The codec of this name with the crate's defaults: clock rate, channels, and for H.264
    /// `packetization-mode=1;profile-level-id=42e01f`. An unknown name gives a codec without them.
    pub fn new(name: impl Into<String>, payload_type: u8) -> Self {
        let name = name.into();
        let facts = lookup(&name);
        let params = match facts.map(|facts| facts.id) {
            Some(CodecId::H264) => vec![
                RTCCodecParam::new("packetization-mode", "1"),
                RTCCodecParam::new("profile-level-id", "42e01f"),
            ],
            _ => Vec::new(),
        };
        RTCCodec {
            payload_type,
            kind: None,
            clock_rate: facts.map(|facts| facts.clock_rate),
            num_channels: facts.and_then(|facts| facts.channels),
            params,
            name,
        }
    }

    /// Opus, 48 kHz, two channels (RFC 7587).
    pub fn opus(payload_type: u8) -> Self {
        Self::new("opus", payload_type)
    }

    /// G.711 mu-law with its static payload type 0.
    pub fn ulaw() -> Self {
        Self::new("ulaw", 0)
    }

    /// G.711 A-law with its static payload type 8.
    pub fn alaw() -> Self {
        Self::new("alaw", 8)
    }

    /// Telephone digits (RFC 4733), 8 kHz clock.
    pub fn dtmf(payload_type: u8) -> Self {
        RTCCodec {
            kind: Some(Kind::Dtmf),
            ..Self::new("dtmf", payload_type)
        }
    }

    /// VP8 (RFC 7741).
    pub fn vp8(payload_type: u8) -> Self {
        Self::new("vp8", payload_type)
    }

    /// H.264, constrained baseline 3.1, packetisation mode 1 (RFC 6184).
    pub fn h264(payload_type: u8) -> Self {
        Self::new("h264", payload_type)
    }

    /// The value of a format parameter; its name is compared without regard to case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name))
            .map(|param| param.value.as_deref().unwrap_or(""))
    }

    /// Checks the ranges of the payload type, clock rate, channels and name.
    ///
    /// # Errors
    /// `InvalidParameters` names the member at fault.
    pub fn validate(&self) -> Result<()> {
        let id = self.payload_type;
        // RFC 5761 section 4: with RTCP multiplexed, 64 to 95 are read as RTCP packet types.
        if id > 127 || (64..=95).contains(&id) {
            return Err(Error::invalid_parameters(format!(
                "payload-id {id}: must be 0 to 127 and not 64 to 95"
            )));
        }
        let name_ok = (1..=64).contains(&self.name.len()) && self.name.is_ascii();
        if !name_ok {
            return Err(Error::invalid_parameters(
                "codec name: must be 1 to 64 ASCII characters",
            ));
        }
        if self.clock_rate == Some(0) {
            return Err(Error::invalid_parameters("clockRate: must not be 0"));
        }
        if self.num_channels.is_some_and(|n| n == 0 || n > 255) {
            return Err(Error::invalid_parameters("numChannels: must be 1 to 255"));
        }
        if self.params.len() > MAX_PARAMS {
            return Err(Error::invalid_parameters(format!(
                "params: at most {MAX_PARAMS}"
            )));
        }
        Ok(())
    }

    pub(crate) fn facts(&self) -> Option<&'static CodecFacts> {
        lookup(&self.name)
    }

    pub(crate) fn id(&self) -> Option<CodecId> {
        self.facts().map(|facts| facts.id)
    }

    /// The RTP clock rate in force.
    pub(crate) fn effective_clock_rate(&self) -> u32 {
        self.clock_rate
            .filter(|rate| *rate > 0)
            .or_else(|| self.facts().map(|facts| facts.clock_rate))
            .unwrap_or(90_000)
    }

    pub(crate) fn effective_channels(&self) -> u32 {
        self.num_channels
            .filter(|n| *n > 0)
            .or_else(|| self.facts().and_then(|facts| facts.channels))
            .unwrap_or(1)
    }

    pub(crate) fn effective_kind(&self) -> Option<Kind> {
        // Redundancy serves both kinds; that of video has the clock of video.
        let is_red = self.id() == Some(CodecId::Red);
        let audio = is_red && self.clock_rate.is_some_and(|rate| rate != 90_000);
        self.kind
            .or(audio.then_some(Kind::Audio))
            .or_else(|| self.facts().map(|facts| facts.kind))
    }
}

/// More parameters than this in one codec are refused.
const MAX_PARAMS: usize = 64;
