//! Codecs and certificates.

use serde::Serialize;

use crate::connection::description::fingerprint::{Fingerprint, fingerprints};
use crate::engine::certificate::HashAlgorithm;
use crate::media::{Kind, RTCCodec};

/// A codec in a payload type of the connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCCodecStats {
    /// What `codec_id` of the RTP streams refers to.
    pub id: String,
    /// RTP payload type.
    pub payload_type: u8,
    /// "encode" for what is sent, "decode" for what is received.
    pub codec_type: &'static str,
    /// Media type and registered name, e.g. "video/VP8".
    pub mime_type: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Audio channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Format parameters as in an SDP `fmtp` line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdp_fmtp_line: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCCertificateStats {
    /// "local" or "remote".
    pub id: &'static str,
    /// The fingerprint, colons between its bytes in hex.
    pub fingerprint: String,
    /// The hash function of the fingerprint: "sha-256".
    pub fingerprint_algorithm: &'static str,
    /// The certificate in DER, as base 64.
    pub base64_certificate: String,
}

/// The direction goes into the id: both may use one payload type for different codecs.
pub(super) fn codec_id(sending: bool, payload_type: u8) -> String {
    let direction = if sending { "CO" } else { "CI" };
    format!("{direction}{payload_type}")
}

pub(super) fn codec_described(
    id: &str,
    sending: bool,
    kind: Kind,
    codec: &RTCCodec,
) -> RTCCodecStats {
    let name = codec
        .facts()
        .map_or(codec.name.as_str(), |facts| facts.iana_name);
    let kind = match kind {
        Kind::Video => "video",
        Kind::Audio | Kind::Dtmf => "audio",
    };
    let parameters: Vec<String> = codec
        .params
        .iter()
        .map(|param| match &param.value {
            Some(value) => format!("{}={value}", param.name),
            None => param.name.clone(),
        })
        .collect();
    RTCCodecStats {
        id: id.to_owned(),
        payload_type: codec.payload_type,
        codec_type: if sending { "encode" } else { "decode" },
        mime_type: format!("{kind}/{name}"),
        clock_rate: codec.effective_clock_rate(),
        channels: (kind == "audio").then(|| codec.effective_channels()),
        sdp_fmtp_line: (!parameters.is_empty()).then(|| parameters.join(";")),
    }
}

pub(super) fn certificates(local: &[u8], remote: Option<&[u8]>) -> Vec<RTCCertificateStats> {
    let both = [("local", Some(local)), ("remote", remote)];
    both.into_iter()
        .filter_map(|(id, der)| {
            let der = der?;
            let all = fingerprints(der, &[HashAlgorithm::Sha256])?;
            let fingerprint = all.iter().next().map(Fingerprint::value)?;
            Some(RTCCertificateStats {
                id,
                fingerprint,
                fingerprint_algorithm: HashAlgorithm::Sha256.name(),
                base64_certificate: base64(der),
            })
        })
        .collect()
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 0x3f;
            let letter = ALPHABET
                .get(index as usize)
                .filter(|_| digit <= chunk.len());
            text.push(char::from(*letter.unwrap_or(&b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_has_the_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
