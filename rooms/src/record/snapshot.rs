//! The last key frame as a picture.

use bytes::Bytes;

use super::codec::RecordedCodec;

/// A key frame: a picture without being decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The codec of the frame.
    pub codec: RecordedCodec,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// VP8: a picture in WebP. Others: the frame as it came.
    pub data: Bytes,
}

impl Snapshot {
    pub(super) fn new(codec: RecordedCodec, (width, height): (u32, u32), frame: Bytes) -> Self {
        let data = match codec {
            RecordedCodec::Vp8 => webp(&frame).unwrap_or(frame),
            _ => frame,
        };
        Self {
            codec,
            width,
            height,
            data,
        }
    }

    /// What a file of it is to end in.
    pub fn extension(&self) -> &'static str {
        match self.codec {
            RecordedCodec::Vp8 => "webp",
            RecordedCodec::H264 => "h264",
            RecordedCodec::Av1 => "obu",
            codec => codec.name(),
        }
    }
}

/// A VP8 key frame is what a lossy WebP holds (RFC 9649 section 2.5): a RIFF of one chunk.
fn webp(frame: &[u8]) -> Option<Bytes> {
    let size = u32::try_from(frame.len()).ok()?;
    let padded = size.checked_add(size & 1)?;
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&padded.checked_add(12)?.to_le_bytes());
    out.extend_from_slice(b"WEBPVP8 ");
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(frame);
    if padded > size {
        out.push(0);
    }
    Some(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d32_a_key_frame_of_vp8_is_a_webp() {
        let frame = Bytes::from_static(&[0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0, 7]);
        let snapshot = Snapshot::new(RecordedCodec::Vp8, (320, 180), frame.clone());
        assert_eq!(snapshot.data[..4], *b"RIFF");
        assert_eq!(snapshot.data[4..8], 24_u32.to_le_bytes());
        assert_eq!(snapshot.data[8..16], *b"WEBPVP8 ");
        assert_eq!(snapshot.data[16..20], 11_u32.to_le_bytes());
        assert_eq!(snapshot.data[20..31], frame);
        assert_eq!(snapshot.data.len(), 32);
        assert_eq!(snapshot.extension(), "webp");
    }
}
