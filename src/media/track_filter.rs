//! The draft's `RTCTrackFilter`.

use serde::{Deserialize, Serialize};

use super::Kind;

/// Selects tracks; members that are None match every track.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCTrackFilter {
    /// Id of the stream the track must belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_stream: Option<String>,
    /// Kind the track must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
}

impl RTCTrackFilter {
    /// A filter that matches tracks of this kind.
    pub fn kind(kind: Kind) -> Self {
        RTCTrackFilter {
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// A filter that matches tracks of the stream with this id.
    pub fn media_stream(id: impl Into<String>) -> Self {
        RTCTrackFilter {
            media_stream: Some(id.into()),
            ..Self::default()
        }
    }

    /// Whether a track of this kind, in the streams with these ids, passes. Both members must
    /// match if both are given.
    pub fn matches(&self, kind: Kind, msid: &[String]) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind)
            && self
                .media_stream
                .as_ref()
                .is_none_or(|wanted| msid.contains(wanted))
    }
}
