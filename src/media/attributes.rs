//! The draft's `RTCMediaAttributes`, completed.

use crate::{Error, Result};

crate::json::wire_object! {
"limits of an encoding", RawAttributes:
/// Limits and layering of one encoding of a track; entry i of a list belongs to encoding i.
///
/// Of these `active` and `rid` act by themselves. The others are for who encodes, which is the
/// application: they are checked, kept and signalled, and the crate changes no media for them.
///
/// All members are optional; unknown JSON members are ignored.
#[derive(Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCMediaAttributes {
    /// Greatest width in pixels. `maxWidth` and `maxWdith` are accepted on input.
    #[serde(
        alias = "maxWidth",
        alias = "maxWdith",
        skip_serializing_if = "Option::is_none"
    )]
    pub video_max_width: Option<i32>,
    /// Greatest height in pixels. `maxHeight` is accepted on input.
    #[serde(alias = "maxHeight", skip_serializing_if = "Option::is_none")]
    pub video_max_height: Option<i32>,
    /// Greatest bit rate in bit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<u64>,
    /// Greatest frame rate in frames/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_framerate: Option<f64>,
    /// Divides width and height; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution_scale: Option<f64>,
    /// Whether this encoding is sent; None means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Restriction identifier of the encoding (RFC 8851).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Scalability mode, e.g. "L1T2".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scalability_mode: Option<String>,
    /// Share of the bandwidth relative to other encodings; greater than 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
}
}

pub(super) fn is_rid(rid: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=255).contains(&rid.len()) && rid.bytes().all(allowed)
}

impl RTCMediaAttributes {
    /// Checks the range of each member.
    ///
    /// # Errors
    /// `InvalidParameters` names the member at fault.
    pub fn validate(&self) -> Result<()> {
        let checks = [
            ("videoMaxWidth", self.video_max_width.is_none_or(|n| n >= 0)),
            (
                "videoMaxHeight",
                self.video_max_height.is_none_or(|n| n >= 0),
            ),
            (
                "maxFramerate",
                self.max_framerate.is_none_or(|n| n.is_finite() && n >= 0.0),
            ),
            (
                "resolutionScale",
                self.resolution_scale
                    .is_none_or(|n| n.is_finite() && n >= 1.0),
            ),
            (
                "priority",
                self.priority.is_none_or(|n| n.is_finite() && n > 0.0),
            ),
            // RFC 8851: alphanumerics; '-' and '_' are tolerated, as its grammar first had them.
            ("rid", self.rid.as_ref().is_none_or(|rid| is_rid(rid))),
        ];
        match checks.iter().find(|(_, ok)| !ok) {
            Some((member, _)) => Err(Error::invalid_parameters(format!(
                "mediaAttributes.{member} is out of range"
            ))),
            None => Ok(()),
        }
    }
}
