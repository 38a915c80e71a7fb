//! IVF: a 32-byte header, then each frame behind 12 bytes of size and time. All little-endian.

use std::path::Path;
use std::time::Duration;

use super::Result;

/// A video file in memory.
pub(crate) struct Ivf {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Ticks per second of the frames' times.
    pub(crate) rate: u32,
    pub(crate) scale: u32,
    pub(crate) frames: Vec<Frame>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) time: u64,
    pub(crate) data: Vec<u8>,
}

impl Ivf {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&std::fs::read(path)?)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let header = bytes
            .get(..32)
            .ok_or("an IVF file has 32 bytes of header")?;
        let codecs: [&[u8]; 3] = [b"VP80", b"VP90", b"AV01"];
        if &header[..4] != b"DKIF" || !codecs.contains(&&header[8..12]) {
            return Err("not VP8, VP9 or AV1 in IVF".into());
        }
        let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let mut frames = Vec::new();
        let mut rest = &bytes[32..];
        while rest.len() >= 12 {
            let size = u32::from_le_bytes(rest[..4].try_into()?) as usize;
            let time = u64::from_le_bytes(rest[4..12].try_into()?);
            let data = rest.get(12..12 + size).ok_or("the last frame is cut off")?;
            frames.push(Frame {
                time,
                data: data.to_vec(),
            });
            rest = &rest[12 + size..];
        }
        Ok(Self {
            width: u16_at(12),
            height: u16_at(14),
            rate: u32_at(16),
            scale: u32_at(20).max(1),
            frames,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut out = Vec::new();
        out.extend_from_slice(b"DKIF");
        out.extend_from_slice(&[0, 0, 32, 0]);
        out.extend_from_slice(b"VP80");
        out.extend_from_slice(&self.width.to_le_bytes());
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(&self.rate.to_le_bytes());
        out.extend_from_slice(&self.scale.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.frames.len())?.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for frame in &self.frames {
            out.extend_from_slice(&u32::try_from(frame.data.len())?.to_le_bytes());
            out.extend_from_slice(&frame.time.to_le_bytes());
            out.extend_from_slice(&frame.data);
        }
        Ok(std::fs::write(path, out)?)
    }

    /// How long one frame is shown, were all equal.
    pub(crate) fn frame_duration(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.scale) / f64::from(self.rate.max(1)))
    }
}
