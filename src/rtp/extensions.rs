//! Header extensions (RFC 8285): identifiers, the known URIs, and their values.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::u16_at;
use crate::error::{Error, Result};
use crate::trace;

/// Media identification (RFC 9143).
pub(crate) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// RTP stream identifier (RFC 8852).
pub(crate) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// RTP stream identifier of the stream a repair stream repairs (RFC 8852).
pub(crate) const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
/// Sending time.
pub(crate) const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
/// Audio level of the packet (RFC 6464).
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// Audio levels of the contributing sources (RFC 6465).
pub(crate) const CSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";
/// Frames and what they depend on (AV1 RTP payload format, appendix A).
pub(crate) const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
pub(crate) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// A header extension and the identifier it has on the wire (RFC 8285).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RTCHeaderExtension {
    /// What the extension means.
    pub uri: String,
    /// Identifier, 1 to 255. One above 14 costs the two-byte form.
    pub id: u8,
}

impl RTCHeaderExtension {
    /// The extension that has this meaning, under this identifier.
    pub fn new(uri: impl Into<String>, id: u8) -> Self {
        Self {
            uri: uri.into(),
            id,
        }
    }
}

/// The header extensions of a connection, each with its identifier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExtensionMap {
    entries: Vec<RTCHeaderExtension>,
    pub(crate) mid: Option<u8>,
    pub(crate) rid: Option<u8>,
    pub(crate) repaired_rid: Option<u8>,
    pub(crate) abs_send_time: Option<u8>,
    pub(crate) audio_level: Option<u8>,
    pub(crate) csrc_audio_level: Option<u8>,
    pub(crate) transport_cc: Option<u8>,
}

impl ExtensionMap {
    /// `InvalidParameters` for an identifier of 0, and for an identifier or URI that comes twice.
    pub(crate) fn new(entries: &[RTCHeaderExtension]) -> Result<Self> {
        let mut map = Self::default();
        for entry in entries {
            map.add(entry)?;
        }
        Ok(map)
    }

    fn add(&mut self, entry: &RTCHeaderExtension) -> Result<()> {
        if entry.id == 0 {
            return Err(Error::invalid_parameters(format!(
                "header extension {} has id 0, not one of 1 to 255",
                entry.uri
            )));
        }
        if self.uri(entry.id).is_some() {
            return Err(Error::invalid_parameters(format!(
                "header extension id {} is used twice",
                entry.id
            )));
        }
        if self.id(&entry.uri).is_some() {
            return Err(Error::invalid_parameters(format!(
                "header extension {} is listed twice",
                entry.uri
            )));
        }
        let known = match entry.uri.as_str() {
            MID => Some(&mut self.mid),
            RID => Some(&mut self.rid),
            REPAIRED_RID => Some(&mut self.repaired_rid),
            ABS_SEND_TIME => Some(&mut self.abs_send_time),
            AUDIO_LEVEL => Some(&mut self.audio_level),
            CSRC_AUDIO_LEVEL => Some(&mut self.csrc_audio_level),
            TRANSPORT_CC => Some(&mut self.transport_cc),
            _ => None,
        };
        if let Some(id) = known {
            *id = Some(entry.id);
        }
        self.entries.push(entry.clone());
        Ok(())
    }

    /// Those whose URI is listed; all if none is.
    pub(crate) fn only(&self, uris: &[String]) -> Self {
        let listed = |entry: &&RTCHeaderExtension| uris.is_empty() || uris.contains(&entry.uri);
        let mut map = Self::default();
        for entry in self.entries.iter().filter(listed) {
            // What was accepted once contradicts nothing.
            let _ = map.add(entry);
        }
        map
    }

    /// Adds what a description says about the packets of its track. What is mapped already, by
    /// either member, stays; and what would have packets numbered or stamped is left to the
    /// connection's own options.
    pub(crate) fn learn(&mut self, entries: &[RTCHeaderExtension]) {
        for entry in entries {
            let stamps = matches!(entry.uri.as_str(), ABS_SEND_TIME | TRANSPORT_CC);
            if self.entries.len() >= MAX_ENTRIES || stamps {
                continue;
            }
            if let Err(error) = self.add(entry) {
                tracing::debug!(target: trace::RTP, %error, "a header extension of a description is not used");
            }
        }
    }

    pub(crate) fn entries(&self) -> &[RTCHeaderExtension] {
        &self.entries
    }

    pub(crate) fn id(&self, uri: &str) -> Option<u8> {
        self.entries.iter().find(|e| e.uri == uri).map(|e| e.id)
    }

    pub(crate) fn uri(&self, id: u8) -> Option<&str> {
        self.entries
            .iter()
            .find(|e| e.id == id)
            .map(|e| e.uri.as_str())
    }
}

/// Identifiers are one byte, of which 0 is padding.
const MAX_ENTRIES: usize = 255;
/// The most an extension block can hold: its length is 16 bits of words.
const MAX_BLOCK: usize = 4 * u16::MAX as usize;

/// Appends an extension block (RFC 8285 section 4) padded to whole words, without the four bytes
/// before it, and returns its profile: the one-byte form if every element fits it, else two-byte.
/// Elements that no form can carry (id 0, over 255 bytes, past the end of the block) are left out;
/// `None` if nothing is left.
pub(crate) fn encode_elements<'a>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = (u8, &'a [u8])> + Clone,
) -> Option<u16> {
    let start = out.len();
    let elements = elements.filter(|(id, value)| *id != 0 && value.len() <= 255);
    let one_byte = elements
        .clone()
        .all(|(id, value)| id <= 14 && (1..=16).contains(&value.len()));
    for (id, value) in elements {
        if out.len() - start + 2 + value.len() > MAX_BLOCK {
            break;
        }
        // Both lengths were checked to fit above.
        if one_byte {
            out.push(id << 4 | (value.len() - 1) as u8);
        } else {
            out.extend_from_slice(&[id, value.len() as u8]);
        }
        out.extend_from_slice(value);
    }
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(4), 0);
    match (length, one_byte) {
        (0, _) => None,
        (_, true) => Some(0xbede),
        (_, false) => Some(0x1000),
    }
}

/// MID, RID or repaired RID.
pub(crate) fn decode_text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|s| !s.is_empty())
}

/// How loud the audio of a packet is (RFC 6464 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioLevel {
    /// The V bit: the packet is believed to contain voice.
    pub voice: bool,
    /// Level in -dBov, 0 to 127: 0 is the loudest, 127 is silence.
    pub level: u8,
}

pub(crate) fn encode_audio_level(level: AudioLevel) -> [u8; 1] {
    [u8::from(level.voice) << 7 | level.level.min(127)]
}

pub(crate) fn decode_audio_level(value: &[u8]) -> Option<AudioLevel> {
    // In the two-byte form the element may have padding after its one byte (RFC 6464 section 3).
    value.first().map(|byte| AudioLevel {
        voice: byte & 0x80 != 0,
        level: byte & 0x7f,
    })
}

/// Levels in -dBov of the contributing sources, in their order (RFC 6465 section 3).
pub(crate) fn decode_csrc_audio_levels(value: &[u8]) -> impl Iterator<Item = u8> + '_ {
    value.iter().map(|byte| byte & 0x7f)
}

/// Sending time in seconds, 6.18 fixed point, so it wraps every 64 s. The epoch is the sender's
/// own: a monotonic clock will do.
pub(crate) fn encode_abs_send_time(since_epoch: Duration) -> [u8; 3] {
    let seconds = since_epoch.as_secs() & 0x3f;
    let fraction = (u64::from(since_epoch.subsec_nanos()) << 18) / 1_000_000_000;
    let [_, a, b, c] = ((seconds << 18 | fraction) as u32).to_be_bytes();
    [a, b, c]
}

/// Less than 64 s; the difference of two is meaningful modulo 64 s.
#[cfg_attr(not(test), allow(dead_code))] // For bandwidth estimation.
pub(crate) fn decode_abs_send_time(value: &[u8]) -> Option<Duration> {
    let [a, b, c] = *value else { return None };
    let ticks = u64::from(u32::from_be_bytes([0, a, b, c]));
    Some(Duration::from_nanos((ticks * 1_000_000_000) >> 18))
}

pub(crate) fn encode_transport_cc(sequence_number: u16) -> [u8; 2] {
    sequence_number.to_be_bytes()
}

pub(crate) fn decode_transport_cc(value: &[u8]) -> Option<u16> {
    // Version 2 of the extension appends a feedback request to the sequence number.
    u16_at(value, 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::error::ErrorName;

    fn entry(uri: &str, id: u8) -> RTCHeaderExtension {
        RTCHeaderExtension {
            uri: uri.into(),
            id,
        }
    }

    #[test]
    fn json_is_uri_and_id() {
        let json = r#"{"uri":"urn:ietf:params:rtp-hdrext:sdes:mid","id":3}"#;
        let parsed: RTCHeaderExtension = serde_json::from_str(json).unwrap();
        assert_eq!(parsed, entry(MID, 3));
        assert_eq!(serde_json::to_string(&parsed).unwrap(), json);
    }

    #[test]
    fn map_refuses_duplicates_and_zero() {
        let map = ExtensionMap::new(&[entry(MID, 1), entry("x", 255), entry(RID, 15)]).unwrap();
        assert_eq!(
            (map.mid, map.rid, map.audio_level),
            (Some(1), Some(15), None)
        );
        assert_eq!(map.id("x"), Some(255));
        assert_eq!(map.uri(15), Some(RID));
        for bad in [
            [entry(MID, 1), entry(RID, 1)],
            [entry(MID, 1), entry(MID, 2)],
            [entry(MID, 1), entry(RID, 0)],
        ] {
            let error = ExtensionMap::new(&bad).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters, "{bad:?}");
        }
    }

    #[test]
    fn what_descriptions_say_does_not_change_what_is_known() {
        let mut map = ExtensionMap::new(&[entry(MID, 1)]).unwrap();
        map.learn(&[
            entry(MID, 2),
            entry(RID, 1),
            entry(AUDIO_LEVEL, 3),
            entry("x", 0),
        ]);
        map.learn(&[
            entry(RID, 4),
            entry(TRANSPORT_CC, 5),
            entry(ABS_SEND_TIME, 6),
        ]);
        let expected = [entry(MID, 1), entry(AUDIO_LEVEL, 3), entry(RID, 4)];
        assert_eq!(map, ExtensionMap::new(&expected).unwrap());
    }

    #[test]
    fn abs_send_time_is_6_18_fixed_point() {
        assert_eq!(
            encode_abs_send_time(Duration::from_millis(500)),
            [0x02, 0, 0]
        );
        assert_eq!(encode_abs_send_time(Duration::from_secs(1)), [0x04, 0, 0]);
        assert_eq!(encode_abs_send_time(Duration::from_secs(64)), [0, 0, 0]);
        assert_eq!(
            encode_abs_send_time(Duration::new(63, 999_999_999)),
            [0xff, 0xff, 0xff]
        );
        for ms in (0..64_000).step_by(37) {
            let time = Duration::from_millis(ms);
            let decoded = decode_abs_send_time(&encode_abs_send_time(time)).unwrap();
            assert!(time - decoded < Duration::from_micros(4), "{ms}");
        }
        assert_eq!(decode_abs_send_time(&[1, 2]), None);
    }

    #[test]
    fn audio_level_has_a_voice_bit_and_seven_bits() {
        for byte in 0..=255u8 {
            let level = decode_audio_level(&[byte]).unwrap();
            assert_eq!(encode_audio_level(level), [byte]);
        }
        assert_eq!(
            decode_audio_level(&[0x8a]),
            Some(AudioLevel {
                voice: true,
                level: 10
            })
        );
        assert_eq!(decode_audio_level(&[]), None);
        assert_eq!(
            decode_csrc_audio_levels(&[0x85, 7]).collect::<Vec<_>>(),
            [5, 7]
        );
        assert_eq!(
            decode_transport_cc(&encode_transport_cc(0xbeef)),
            Some(0xbeef)
        );
        assert_eq!(decode_transport_cc(&[1]), None);
        assert_eq!(decode_text(b"a1"), Some("a1"));
        assert_eq!(decode_text(&[0xff]), None);
        assert_eq!(decode_text(b""), None);
    }
}
