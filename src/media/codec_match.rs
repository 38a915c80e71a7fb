//! Whether two codecs are the same, so that what is made for one can be read as the other.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::{CodecId, RTCCodec};

/// Whether both have the same name, by any of its spellings.
pub(crate) fn same_name(a: &RTCCodec, b: &RTCCodec) -> bool {
    match (a.facts(), b.facts()) {
        (Some(a), Some(b)) => a.id == b.id,
        _ => a.name.eq_ignore_ascii_case(&b.name),
    }
}

/// Whether two codecs of one name have the parameters in common that must be.
pub(crate) fn same_format(own: &RTCCodec, theirs: &RTCCodec) -> bool {
    let same = |name: &str, default: &str| {
        own.param(name).unwrap_or(default) == theirs.param(name).unwrap_or(default)
    };
    let shape = own.effective_clock_rate() == theirs.effective_clock_rate()
        && own.effective_channels() == theirs.effective_channels();
    shape
        && match own.id() {
            // RFC 6184 section 8.2.2: mode and profile must be the same; the level may differ.
            Some(CodecId::H264) => {
                same("packetization-mode", "0") && h264_profile(own) == h264_profile(theirs)
            }
            // RFC 9628 section 7.2, and the AV1 payload format section 7.2.1.
            Some(CodecId::Vp9) => same("profile-id", "0"),
            Some(CodecId::Av1) => same("profile", "0"),
            _ => true,
        }
}

/// The profile without the level; constrained baseline is known by one bit of the second byte
/// (RFC 6184 section 8.1).
fn h264_profile(codec: &RTCCodec) -> Option<(u8, bool)> {
    let id = u32::from_str_radix(codec.param("profile-level-id").unwrap_or("42000a"), 16).ok()?;
    let [_, profile, constraints, _] = id.to_be_bytes();
    let constrained = constraints & 0x40 != 0;
    Some((profile, profile == 0x42 && constrained))
}
