//! Encodings of a track, and what belongs to each or to all of them: retransmission, error
//! correction, RTCP.

use serde::{Deserialize, Serialize};

use super::attributes::is_rid;
use super::ssrc_json::{read_ssrc, write_ssrc};
use crate::{Error, Result};

crate::json::wire_object! {
"an encoding", RawEncoding:
/// One encoding of a simulcast track.
#[derive(Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCRtpEncoding {
    /// Synchronisation source of this encoding.
    #[serde(
        serialize_with = "write_ssrc",
        deserialize_with = "read_ssrc",
        skip_serializing_if = "Option::is_none"
    )]
    pub ssrc: Option<u32>,
    /// Restriction identifier (RFC 8851). `encodingId` is accepted on input.
    #[serde(alias = "encodingId", skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Payload type of this encoding's codec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_payload_type: Option<u8>,
    /// Retransmission of this encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtx: Option<RTCRtxParameters>,
    /// Forward error correction of this encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fec: Option<RTCFecParameters>,
    /// Whether the encoding is sent; None means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Greatest bit rate in bit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<u64>,
    /// Divides width and height; at least 1.
    #[serde(
        alias = "scaleResolutionDownBy",
        skip_serializing_if = "Option::is_none"
    )]
    pub resolution_scale: Option<f64>,
}
}

/// More encodings of one track than this are refused.
pub(crate) const MAX_ENCODINGS: usize = 16;

impl RTCRtpEncoding {
    /// An encoding that is known by this RID.
    pub fn new(rid: impl Into<String>) -> Self {
        Self {
            rid: Some(rid.into()),
            ..Self::default()
        }
    }

    /// What `MediaStreamTrack::encoding` knows a received one by: its RID, else its SSRC.
    pub(crate) fn label(&self) -> String {
        match (&self.rid, self.ssrc) {
            (Some(rid), _) => rid.clone(),
            (None, ssrc) => ssrc.map(|ssrc| ssrc.to_string()).unwrap_or_default(),
        }
    }

    /// The encodings of one track: each well-formed, and told from the others.
    pub(crate) fn validate_all(encodings: &[Self]) -> Result<()> {
        let invalid = |reason: &str| Err(Error::invalid_parameters(format!("encodings: {reason}")));
        if encodings.len() > MAX_ENCODINGS {
            return invalid("at most 16");
        }
        for (i, encoding) in encodings.iter().enumerate() {
            if encoding.rid.as_ref().is_some_and(|rid| !is_rid(rid)) {
                return invalid("a rid is letters and digits, at most 255 (RFC 8851)");
            }
            if encoding
                .resolution_scale
                .is_some_and(|n| !n.is_finite() || n < 1.0)
            {
                return invalid("resolutionScale must be at least 1");
            }
            let label = encoding.label();
            if encodings.len() > 1 && label.is_empty() {
                return invalid("neither rid nor ssrc tells one from the others");
            }
            let same = |other: &Self| {
                other.label() == label || (other.ssrc.is_some() && other.ssrc == encoding.ssrc)
            };
            if encodings.iter().take(i).any(same) {
                return invalid("a rid or ssrc is used twice");
            }
        }
        Ok(())
    }
}

/// Retransmission parameters (RFC 4588).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCRtxParameters {
    /// Synchronisation source of the retransmissions.
    #[serde(
        serialize_with = "write_ssrc",
        deserialize_with = "read_ssrc",
        skip_serializing_if = "Option::is_none"
    )]
    pub ssrc: Option<u32>,
}

/// Forward error correction parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCFecParameters {
    /// Synchronisation source of the repair packets; None where they are part of the media.
    #[serde(
        serialize_with = "write_ssrc",
        deserialize_with = "read_ssrc",
        skip_serializing_if = "Option::is_none"
    )]
    pub ssrc: Option<u32>,
    /// Mechanism: "red", which is in use for audio; "red+ulpfec" and "flexfec" are carried only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<String>,
}

/// RTCP parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RTCRtcpParameters {
    /// Synchronisation source used in reports.
    #[serde(
        serialize_with = "write_ssrc",
        deserialize_with = "read_ssrc",
        skip_serializing_if = "Option::is_none"
    )]
    pub ssrc: Option<u32>,
    /// Canonical name (RFC 7022).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// Whether RTCP of reduced size (RFC 5506) may be sent to the side that says so; None means no.
    /// It is sent once the descriptions of all received tracks say yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduced_size: Option<bool>,
    /// RTP and RTCP on one port (RFC 5761); only true is supported, None means true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mux: Option<bool>,
}
