//! The draft's `RTCTrackDescription`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::encoding::{RTCFecParameters, RTCRtcpParameters, RTCRtpEncoding, RTCRtxParameters};
use super::ssrc_json::{read_ssrc, write_ssrc};
use super::{Kind, RTCCodec, RTCMediaAttributes};
use crate::rtp::RTCHeaderExtension;
use crate::{Error, Result};

crate::json::wire_object! {
"a track description: an object with kind, ssrc and codecs", RawTrack:
/// Everything the peer must know to receive a track.
///
/// JSON follows the draft: `ssrc` is a string (a number is accepted too), members that are None
/// or empty are left out, unknown members are ignored.
#[derive(Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCTrackDescription {
    /// What the track carries.
    pub kind: Kind,
    /// Synchronisation source; None matches by `mid` or payload type instead.
    #[serde(
        default,
        serialize_with = "write_ssrc",
        deserialize_with = "read_ssrc",
        skip_serializing_if = "Option::is_none"
    )]
    pub ssrc: Option<u32>,
    // Row B62.
    /// The socket of the sender that the track goes over; None or empty: its first.
    #[serde(
        default,
        rename = "socket-id",
        alias = "socketId",
        skip_serializing_if = "Option::is_none"
    )]
    pub socket_id: Option<String>,
    /// Ids of the streams the track belongs to.
    #[serde(default)]
    pub msid: Vec<String>,
    /// The codecs to be ready for, in order of preference.
    #[serde(default)]
    pub codecs: Vec<RTCCodec>,
    /// Limits and layering, one entry per encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_attributes: Option<Vec<RTCMediaAttributes>>,
    /// Values of header extensions, by URI.
    #[doc(alias = "rtpExtHeaders")]
    #[serde(
        default,
        rename = "rtpExtHeaders",
        deserialize_with = "read_values",
        skip_serializing_if = "Option::is_none"
    )]
    pub header_extension_values: Option<BTreeMap<String, String>>,
    /// Header extensions in use and their ids. Receiving the track takes them over where the
    /// connection has mapped neither the URI nor the id, but for those that stamp or number packets
    /// (abs-send-time, transport-wide numbers): these are for the connection's options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_extensions: Vec<RTCHeaderExtension>,
    /// Simulcast encodings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encodings: Vec<RTCRtpEncoding>,
    /// Retransmission (RFC 4588).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx: Option<RTCRtxParameters>,
    /// Forward error correction. Of a sent track: `red` while its packets carry earlier ones, as
    /// its codecs say, see [`RTCCodec::red`]. A receiver goes by the codecs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fec: Option<RTCFecParameters>,
    /// RTCP parameters. Of a sent track: that this side reads RTCP of reduced size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtcp: Option<RTCRtcpParameters>,
    /// Media identification carried in the RTP header extension `mid` (RFC 9143).
    #[doc(alias = "muxId")]
    #[serde(default, rename = "muxId", alias = "mid", skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Canonical name of the source (RFC 7022).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
}
}

type ExtensionValues = BTreeMap<String, String>;

fn read_values<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<ExtensionValues>, D::Error> {
    let values = BTreeMap::<String, Option<String>>::deserialize(deserializer)?;
    let said = values.into_iter();
    Ok(Some(
        said.filter_map(|(uri, value)| Some((uri, value?)))
            .collect(),
    ))
}

/// A longer list in a description is refused.
const MAX_ENTRIES: usize = 128;

impl RTCTrackDescription {
    /// A description with these codecs and nothing else.
    pub fn new(kind: Kind, codecs: Vec<RTCCodec>) -> Self {
        RTCTrackDescription {
            kind,
            ssrc: None,
            socket_id: None,
            msid: Vec::new(),
            codecs,
            media_attributes: None,
            header_extension_values: None,
            header_extensions: Vec::new(),
            encodings: Vec::new(),
            rtx: None,
            fec: None,
            rtcp: None,
            mid: None,
            cname: None,
        }
    }

    /// Checks ranges and contradictions. Codec names the crate does not know are no error.
    ///
    /// # Errors
    /// `InvalidParameters` for a value out of range or a contradiction; `UnsupportedTransport` if RTCP is
    /// not to be multiplexed.
    pub fn validate(&self) -> Result<()> {
        let lengths = [
            ("msid", self.msid.len()),
            ("codecs", self.codecs.len()),
            (
                "mediaAttributes",
                self.media_attributes.as_ref().map_or(0, Vec::len),
            ),
            (
                "rtpExtHeaders",
                self.header_extension_values
                    .as_ref()
                    .map_or(0, BTreeMap::len),
            ),
            ("headerExtensions", self.header_extensions.len()),
            ("encodings", self.encodings.len()),
        ];
        if let Some((member, _)) = lengths.iter().find(|(_, len)| *len > MAX_ENTRIES) {
            return Err(Error::invalid_parameters(format!(
                "{member}: at most {MAX_ENTRIES} entries"
            )));
        }
        self.validate_codecs()?;
        for attributes in self.media_attributes.iter().flatten() {
            attributes.validate()?;
        }
        self.validate_extensions()?;
        self.validate_sources()?;
        // RFC 8285 section 4.3: the length of an extension element has eight bits.
        let mid = self.mid.as_ref().map_or(1, String::len);
        if !(1..=255).contains(&mid) {
            return Err(Error::invalid_parameters("muxId must have 1 to 255 bytes"));
        }
        if self
            .rtcp
            .as_ref()
            .is_some_and(|rtcp| rtcp.mux == Some(false))
        {
            return Err(Error::unsupported_transport("RTCP on a port of its own"));
        }
        Ok(())
    }

    fn validate_codecs(&self) -> Result<()> {
        for (i, codec) in self.codecs.iter().enumerate() {
            codec.validate()?;
            let twice = |other: &&RTCCodec| other.payload_type == codec.payload_type;
            if self.codecs.iter().take(i).find(twice).is_some() {
                return Err(Error::invalid_parameters(format!(
                    "payload-id {} is used twice in one track",
                    codec.payload_type
                )));
            }
            // Helpers such as rtx and red serve both kinds.
            let primary = codec.facts().is_some_and(|facts| facts.is_primary);
            let foreign = codec
                .effective_kind()
                .is_some_and(|kind| kind != self.kind && primary);
            if foreign {
                return Err(Error::invalid_parameters(format!(
                    "codec {:?} in a track of kind {}",
                    codec.name, self.kind
                )));
            }
        }
        Ok(())
    }

    fn validate_extensions(&self) -> Result<()> {
        for (i, extension) in self.header_extensions.iter().enumerate() {
            // RFC 8285 section 4.2: 0 is padding, 15 is reserved in the one-byte form.
            if extension.id == 0 || extension.id == 15 {
                return Err(Error::invalid_parameters(
                    "headerExtensions: id must be 1 to 14 or 16 to 255",
                ));
            }
            let clash = |other: &RTCHeaderExtension| other.id == extension.id;
            if self.header_extensions.iter().take(i).any(clash) {
                return Err(Error::invalid_parameters(format!(
                    "headerExtensions: id {} is used twice",
                    extension.id
                )));
            }
        }
        Ok(())
    }

    fn validate_sources(&self) -> Result<()> {
        let rtx = |rtx: &Option<RTCRtxParameters>| rtx.as_ref().and_then(|rtx| rtx.ssrc);
        let repair = self
            .encodings
            .iter()
            .map(|encoding| rtx(&encoding.rtx))
            .chain([rtx(&self.rtx)])
            .flatten();
        for ssrc in repair {
            let media = self.encodings.iter().map(|encoding| encoding.ssrc);
            if media
                .chain([self.ssrc])
                .flatten()
                .any(|other| other == ssrc)
            {
                return Err(Error::invalid_parameters(format!(
                    "ssrc {ssrc} is both media and retransmission"
                )));
            }
        }
        RTCRtpEncoding::validate_all(&self.encodings)
    }

    /// Whether at least one of the codecs can be received.
    pub(crate) fn has_supported_codec(&self) -> bool {
        self.codecs.iter().any(|codec| match codec.facts() {
            Some(facts) => facts.is_primary || self.kind == Kind::Dtmf,
            None => false,
        })
    }
}
