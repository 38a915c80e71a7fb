//! What a connection is willing to send and to receive.

// Rows B6, B7, B22 to B27, C7.

#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use serde::{Deserialize, Deserializer, Serialize};

use super::encryption::srtp_name;
use crate::engine::dtls::SrtpProfile;
use crate::error::{Error, Result};
use crate::media::{Kind, RTCCodec, RTCMediaAttributes, RTCTrackDescription};

crate::json::wire_object! {
"options: an object with codecs, required and optional", RawRestrictions:
// Rows G39, B26.
/// July's `RTCConnectionOptionsDictionary`: limits on the tracks of one direction. The default
/// limits nothing.
///
/// JSON: `{"codecs":[..],"required":{"video":{..}},"optional":{"video":{..}}}`; the limits may also
/// be an array of such objects, or of objects with a `kind`, and `maxWidth`, `maxWdith` and
/// `maxHeight` are read.
#[derive(Debug, Clone, Default, PartialEq)]
#[serde(default)]
#[doc(alias = "RTCConnectionOptionsDictionary")]
#[non_exhaustive]
pub struct RTCRestrictions {
    /// The codecs to use, in order of preference; of a kind that is not listed any.
    pub codecs: Vec<RTCCodec>,
    /// Limits that must hold: a track that declares more is refused.
    pub required: RTCMediaLimits,
    /// Limits to keep to if possible: nothing is refused.
    pub optional: RTCMediaLimits,
    /// The SRTP profiles that may protect media, by the names of
    /// [`RTCTransportStats::srtp_cipher`](crate::stats::RTCTransportStats::srtp_cipher); empty: all. One
    /// profile serves both directions, so the restrictions of both apply. Fixed by `connect`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encryption: Vec<String>,
    /// The URIs of the header extensions that are read or sent, of those that the connection has;
    /// empty: all.
    #[serde(
        rename = "headerExtensions",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub header_extensions: Vec<String>,
}
}

/// Limits by kind of track.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RTCMediaLimits {
    /// For audio tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<RTCMediaAttributes>,
    /// For video tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<RTCMediaAttributes>,
}

#[derive(Deserialize)]
struct Keyed {
    audio: Option<RTCMediaAttributes>,
    video: Option<RTCMediaAttributes>,
    kind: Option<Kind>,
    #[serde(flatten)]
    attributes: RTCMediaAttributes,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(Box<Keyed>),
    Many(Vec<Keyed>),
}

impl<'de> Deserialize<'de> for RTCMediaLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let entries = match Input::deserialize(deserializer)? {
            Input::One(one) => vec![*one],
            Input::Many(many) => many,
        };
        let mut limits = Self::default();
        for entry in entries {
            limits.audio = entry.audio.or(limits.audio);
            limits.video = entry.video.or(limits.video);
            match entry.kind {
                Some(Kind::Video) => limits.video = Some(entry.attributes),
                Some(Kind::Audio | Kind::Dtmf) => limits.audio = Some(entry.attributes),
                None => {}
            }
        }
        Ok(limits)
    }
}

impl RTCMediaLimits {
    /// The limits for tracks of a kind.
    pub fn of(&self, kind: Kind) -> Option<&RTCMediaAttributes> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio | Kind::Dtmf => self.audio.as_ref(),
        }
    }
}

impl RTCRestrictions {
    /// Checks the ranges of every member.
    ///
    /// # Errors
    /// `InvalidParameters` names the member at fault.
    pub fn validate(&self) -> Result<()> {
        for codec in &self.codecs {
            codec.validate()?;
        }
        profiles(&[self])?;
        for limits in [&self.required, &self.optional] {
            for attributes in limits.audio.iter().chain(&limits.video) {
                attributes.validate()?;
            }
        }
        Ok(())
    }

    /// The codecs for tracks of a kind; `None` when it is not restricted.
    pub(crate) fn codecs_of(&self, kind: Kind) -> Option<Vec<RTCCodec>> {
        let codecs: Vec<RTCCodec> = self
            .codecs
            .iter()
            .filter(|codec| codec.effective_kind() == Some(kind))
            .cloned()
            .collect();
        (!codecs.is_empty()).then_some(codecs)
    }

    /// What the encoder of a track has to keep to: required before optional.
    pub(crate) fn attributes(&self, kind: Kind) -> Vec<RTCMediaAttributes> {
        let required = self.required.of(kind);
        let Some(mut limits) = required.or(self.optional.of(kind)).cloned() else {
            return Vec::new();
        };
        if let Some(optional) = self.optional.of(kind) {
            limits.video_max_width = limits.video_max_width.or(optional.video_max_width);
            limits.video_max_height = limits.video_max_height.or(optional.video_max_height);
            limits.max_bitrate = limits.max_bitrate.or(optional.max_bitrate);
            limits.max_framerate = limits.max_framerate.or(optional.max_framerate);
        }
        vec![limits]
    }

    // Row B24.
    /// A description cut down to the codecs that are allowed.
    ///
    /// `NotSupported` when nothing is left, or when it declares more than is required (an error, no
    /// silent failure).
    pub(crate) fn admit(
        &self,
        mut description: RTCTrackDescription,
    ) -> Result<RTCTrackDescription> {
        let kind = description.kind;
        if let Some(allowed) = self.codecs_of(kind) {
            description.codecs.retain(|codec| {
                let same = |other: &RTCCodec| match (codec.id(), other.id()) {
                    (Some(one), Some(other)) => one == other,
                    _ => codec.name.eq_ignore_ascii_case(&other.name),
                };
                // Digits, retransmission and the like come with the codec they serve.
                !codec.facts().is_some_and(|facts| facts.is_primary) || allowed.iter().any(same)
            });
        }
        let declared = description.media_attributes.iter().flatten();
        if let Some(limit) = self.required.of(kind)
            && declared.clone().any(|declared| exceeds(declared, limit))
        {
            return Err(Error::not_supported(
                "the track declares more than this connection's required limits",
            ));
        }
        Ok(description)
    }
}

/// The SRTP profiles that all of these allow.
pub(crate) fn profiles(restrictions: &[&RTCRestrictions]) -> Result<Vec<SrtpProfile>> {
    let mut allowed = SrtpProfile::ALL.to_vec();
    for names in restrictions.iter().map(|one| &one.encryption) {
        let unknown = |name: &&String| !SrtpProfile::ALL.iter().any(|p| srtp_name(*p) == **name);
        if let Some(name) = names.iter().find(unknown) {
            return Err(Error::not_supported(format!("encryption {name:?}")));
        }
        allowed.retain(|p| names.is_empty() || names.iter().any(|name| name == srtp_name(*p)));
    }
    if allowed.is_empty() {
        return Err(Error::invalid_parameters(
            "no encryption is allowed in both directions",
        ));
    }
    Ok(allowed)
}

fn exceeds(declared: &RTCMediaAttributes, limit: &RTCMediaAttributes) -> bool {
    fn more<T: PartialOrd>(declared: Option<T>, limit: Option<T>) -> bool {
        matches!((declared, limit), (Some(declared), Some(limit)) if declared > limit)
    }
    more(declared.video_max_width, limit.video_max_width)
        || more(declared.video_max_height, limit.video_max_height)
        || more(declared.max_bitrate, limit.max_bitrate)
        || more(declared.max_framerate, limit.max_framerate)
}
