//! IVF: a 32-byte header, then each frame behind 12 bytes of size and time. All little-endian.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

const HEADER: usize = 32;

/// A video in memory.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ivf {
    /// As [`RTCCodec`](ortc::RTCCodec) names it: `vp8`, `vp9` or `av1`.
    pub codec: &'static str,
    /// How long a frame is shown, were all equal.
    pub duration: Duration,
    /// The frames, as they were encoded.
    pub frames: Vec<Vec<u8>>,
}

/// The four letters of a codec.
const CODECS: [(&[u8; 4], &str); 3] = [(b"VP80", "vp8"), (b"VP90", "vp9"), (b"AV01", "av1")];

impl Ivf {
    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// What it is not.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let not = "not VP8, VP9 or AV1 in IVF";
        let (header, mut rest) = bytes.split_at_checked(HEADER).ok_or(not)?;
        if header.get(..4) != Some(b"DKIF") {
            return Err(not);
        }
        let letters = header.get(8..12).ok_or(not)?;
        let (_, codec) = CODECS
            .into_iter()
            .find(|(of, _)| of.as_slice() == letters)
            .ok_or(not)?;
        let number = |at: usize| {
            let four = header.get(at..at + 4).and_then(|four| four.try_into().ok());
            four.map_or(0, u32::from_le_bytes)
        };
        let (rate, scale) = (number(16).max(1), number(20).max(1));
        let mut frames = Vec::new();
        while let Some((head, behind)) = rest.split_at_checked(12) {
            let size = head
                .first_chunk()
                .map_or(0, |four| u32::from_le_bytes(*four));
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            // A file that is still written ends in a part of a frame.
            let Some((data, behind)) = behind.split_at_checked(size) else {
                break;
            };
            frames.push(data.to_vec());
            rest = behind;
        }
        if frames.is_empty() {
            return Err("an IVF file without a frame");
        }
        let seconds = f64::from(scale) / f64::from(rate);
        Ok(Self {
            codec,
            duration: Duration::from_secs_f64(seconds.clamp(0.001, 10.0)),
            frames,
        })
    }
}

/// A video that is written as it comes; what is there can be played at any time.
#[derive(Debug)]
pub struct IvfWriter {
    file: BufWriter<File>,
    frames: u32,
}

impl IvfWriter {
    /// `codec` as [`RTCCodec`](ortc::RTCCodec) names it; the times of the frames have this rate a
    /// second.
    ///
    /// # Errors
    ///
    /// As of the file, which must not be there.
    pub fn create(
        path: &Path,
        codec: &str,
        (width, height): (u16, u16),
        rate: u32,
    ) -> io::Result<Self> {
        let letters = CODECS
            .into_iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(codec))
            .map_or(*b"VP80", |(letters, _)| *letters);
        let mut file = BufWriter::new(File::create_new(path)?);
        file.write_all(b"DKIF")?;
        file.write_all(&[0, 0, 32, 0])?;
        file.write_all(&letters)?;
        file.write_all(&width.to_le_bytes())?;
        file.write_all(&height.to_le_bytes())?;
        file.write_all(&rate.to_le_bytes())?;
        file.write_all(&1_u32.to_le_bytes())?;
        file.write_all(&[0; 8])?;
        Ok(Self { file, frames: 0 })
    }

    /// A frame at its time.
    ///
    /// # Errors
    ///
    /// As of the file.
    pub fn frame(&mut self, time: u64, data: &[u8]) -> io::Result<()> {
        let size = u32::try_from(data.len()).map_err(io::Error::other)?;
        self.file.write_all(&size.to_le_bytes())?;
        self.file.write_all(&time.to_le_bytes())?;
        self.file.write_all(data)?;
        self.frames = self.frames.saturating_add(1);
        self.file.flush()
    }

    /// Notes how many frames there are.
    ///
    /// # Errors
    ///
    /// As of the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(24))?;
        self.file.write_all(&self.frames.to_le_bytes())?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let path = std::env::temp_dir().join(format!("ortc-rooms-{}.ivf", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut writer = IvfWriter::create(&path, "vp8", (320, 180), 90_000).unwrap();
        writer.frame(0, b"one").unwrap();
        writer.frame(3000, b"two").unwrap();
        // Before its end.
        let begun = Ivf::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(begun.frames.len(), 2);
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            IvfWriter::create(&path, "vp8", (1, 1), 1).is_err(),
            "nothing is overwritten"
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes[24..28], 2_u32.to_le_bytes());
        let file = Ivf::parse(&bytes).unwrap();
        assert_eq!(
            (file.codec, file.frames),
            ("vp8", vec![b"one".to_vec(), b"two".to_vec()])
        );
    }

    #[test]
    fn what_is_no_video_says_so() {
        for bytes in [
            &b""[..],
            b"DKIF",
            &[0; 64],
            b"DKIF\0\0\x20\0MJPG____________________",
        ] {
            assert!(Ivf::parse(bytes).is_err());
        }
        // A size beyond the end.
        let mut bytes = b"DKIF\0\0\x20\0VP80".to_vec();
        bytes.resize(32, 0);
        bytes.extend([0xff; 12]);
        assert!(Ivf::parse(&bytes).is_err());
    }
}
