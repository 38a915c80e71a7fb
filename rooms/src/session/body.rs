//! What two peers of a room say to each other by the server.

use ortc::RTCTrackDescription;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kinds::Kinds;
use crate::signalling::{Extra, SessionKind, UserId};

/// What a peer says. One that has none of these members is the application's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body {
    /// Which connection of the pair; greater than all before.
    pub(super) instance: Option<u64>,
    pub(super) pake: Option<String>,
    pub(super) ice_info: Option<Value>,
    pub(super) mac: Option<String>,
    pub(super) wrong_secret: bool,
    pub(super) candidate: Option<Value>,
    pub(super) end_of_candidates: bool,
    pub(super) track: Option<Value>,
    /// An SSRC, a string or a number; or the `muxId` of a track that has none, in an object.
    pub(super) gone: Option<Value>,
    pub(super) bye: bool,
    pub(super) again: bool,
    pub(super) tell: bool,
    pub(super) streams: Option<Vec<StreamInfo>>,
    pub(super) mute: Option<Mute>,
    pub(super) pause: Option<Mute>,
    /// To a hub: how large a stream is shown.
    pub(super) want: Option<Want>,
    /// To a hub: what it is to send of a stream that was not asked for.
    pub(super) unasked: Option<Kinds>,
    /// Of a hub: who is connected to it.
    pub(super) peers: Option<Vec<UserId>>,
}

/// A stream as its sender tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StreamInfo {
    /// The `msid` of its tracks.
    pub(super) id: String,
    #[serde(default)]
    pub(super) session: SessionKind,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) extra: Extra,
    /// Whose it is, of what a hub sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<UserId>,
    /// Its id as its user has it, where a hub had to choose another.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub(super) original: Option<String>,
    /// Those whom a hub is to send it to; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Vec<UserId>>,
}

impl StreamInfo {
    /// Its id as its user has it.
    pub(super) fn shown(&self) -> &str {
        self.original.as_ref().unwrap_or(&self.id)
    }

    /// Whether it is for some alone.
    pub(super) fn is_private(&self) -> bool {
        self.to.is_some()
    }
}

/// What a peer's track is known by: several encodings have a MID in common, and no SSRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Ssrc(u32),
    Mid(String),
}

impl Source {
    pub(super) fn of(description: &RTCTrackDescription) -> Option<Self> {
        let mid = || description.mid.clone().map(Self::Mid);
        description.ssrc.map(Self::Ssrc).or_else(mid)
    }
}

/// How large a stream of a hub's is shown, in pixels; absent: as large as there is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Want {
    pub(super) stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) height: Option<u16>,
}

/// A stream or a part of it is silent, or is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mute {
    pub(super) stream: String,
    pub(super) kinds: Kinds,
    pub(super) on: bool,
}

impl Mute {
    pub(super) fn new(stream: &str, kinds: Kinds, on: bool) -> Self {
        Self {
            stream: stream.to_owned(),
            kinds,
            on,
        }
    }
}

/// Streams of one peer that are listened to, and of a hub, which sends those of all.
pub(super) const MAX_STREAMS: usize = 64;
pub(super) const MAX_HUB_STREAMS: usize = 1024;

impl Body {
    /// `None` if it is the application's.
    pub(super) fn read(text: &str) -> Option<Self> {
        let body: Self = serde_json::from_str(text).ok()?;
        body.is_ours().then_some(body)
    }

    fn is_ours(&self) -> bool {
        self.pake.is_some()
            || self.ice_info.is_some()
            || self.wrong_secret
            || self.candidate.is_some()
            || self.end_of_candidates
            || self.track.is_some()
            || self.gone.is_some()
            || self.bye
            || self.again
            || self.tell
            || self.streams.is_some()
            || self.mute.is_some()
            || self.pause.is_some()
            || self.want.is_some()
            || self.unasked.is_some()
            || self.peers.is_some()
    }

    /// What is gone.
    pub(super) fn gone_source(&self) -> Option<Source> {
        match self.gone.as_ref()? {
            Value::String(text) => text.parse().ok().map(Source::Ssrc),
            Value::Object(named) => {
                let mid = named.get("muxId")?.as_str()?;
                Some(Source::Mid(mid.to_owned()))
            }
            other => u32::try_from(other.as_u64()?).ok().map(Source::Ssrc),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_the_application_are_left_to_it() {
        for other in ["1", "null", "{}", "{\"chat\":\"hi\"}", "{\"instance\":3}"] {
            assert!(Body::read(other).is_none(), "{other}");
        }
        let body = Body::read("{\"instance\":3,\"gone\":\"77\"}").unwrap();
        let gone = body.gone_source();
        assert_eq!((body.instance, gone), (Some(3), Some(Source::Ssrc(77))));
        let gone = |text| Body::read(text).unwrap().gone_source();
        let named = gone(r#"{"instance":3,"gone":{"muxId":"7"}}"#);
        assert_eq!(named, Some(Source::Mid("7".to_owned())));
        assert_eq!(gone(r#"{"gone":{"muxId":7}}"#), None);
        let unasked = Body::read(r#"{"unasked":["audio"]}"#).unwrap().unasked;
        assert_eq!(unasked, Some(Kinds::AUDIO));
        let mute = r#"{"mute":{"stream":"s","kinds":["audio"],"on":true}}"#;
        assert_eq!(Body::read(mute).unwrap().mute.unwrap().kinds, Kinds::AUDIO);
    }
}
