//! Opus in Ogg (RFC 7845), by way of the `ogg` crate.

use std::fs::File;
use std::io::{self, BufWriter, Cursor, Write};
use std::path::Path;
use std::time::Duration;

use ogg::writing::PacketWriteEndInfo;
use ogg::{PacketReader, PacketWriter};

use super::codec::opus_microseconds;
use super::webm::opus_head;

const SERIAL: u32 = 1;
/// The clock of Opus in Ogg, whatever was recorded.
const RATE: u64 = 48_000;

/// The packets of a recording, without its two headers.
///
/// # Errors
///
/// What it is not.
pub fn parse(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut reader = PacketReader::new(Cursor::new(bytes));
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet().map_err(|_| "not an Ogg file")? {
        packets.push(packet.data);
    }
    let opus = packets
        .first()
        .is_some_and(|head| head.starts_with(b"OpusHead"));
    if !opus || packets.len() < 3 {
        return Err("not an Opus recording in Ogg");
    }
    Ok(packets.split_off(2))
}

/// How long a packet of Opus plays.
pub fn duration(packet: &[u8]) -> Duration {
    Duration::from_micros(opus_microseconds(packet))
}

/// A recording that is written as it comes.
pub struct OpusWriter {
    writer: PacketWriter<'static, BufWriter<File>>,
    /// Samples so far.
    position: u64,
    /// The last packet, which waits to be known as such.
    held: Option<Vec<u8>>,
    /// Samples in the pages that are complete: what is in a page goes out with its end.
    paged: u64,
}

impl OpusWriter {
    /// A new file.
    ///
    /// # Errors
    ///
    /// As of the file, which must not be there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut writer = PacketWriter::new(BufWriter::new(File::create_new(path)?));
        // RFC 7845 section 5: identification and comment headers.
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&4_u32.to_le_bytes());
        tags.extend_from_slice(b"ortc");
        tags.extend_from_slice(&0_u32.to_le_bytes());
        writer.write_packet(opus_head(), SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        writer.write_packet(tags, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self {
            writer,
            position: 0,
            held: None,
            paged: 0,
        })
    }

    /// What was lost before a packet stays a gap: a decoder conceals it.
    pub fn gap(&mut self, lost: Duration) {
        self.position = self.position.saturating_add(samples(lost));
    }

    /// A packet, which plays after all that came before.
    ///
    /// # Errors
    ///
    /// As of the file.
    pub fn packet(&mut self, data: &[u8]) -> io::Result<()> {
        self.write(PacketWriteEndInfo::NormalPacket)?;
        self.held = Some(data.to_vec());
        Ok(())
    }

    /// Writes the last packet.
    ///
    /// # Errors
    ///
    /// As of the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.write(PacketWriteEndInfo::EndStream)
    }

    /// Writes what waits, but for the last packet.
    ///
    /// # Errors
    ///
    /// As of the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.inner_mut().flush()
    }

    fn write(&mut self, end: PacketWriteEndInfo) -> io::Result<()> {
        let Some(packet) = self.held.take() else {
            return Ok(());
        };
        self.position = self.position.saturating_add(samples(duration(&packet)));
        let due = self.position.saturating_sub(self.paged) >= RATE;
        let end = match end {
            PacketWriteEndInfo::NormalPacket if due => PacketWriteEndInfo::EndPage,
            end => end,
        };
        if end != PacketWriteEndInfo::NormalPacket {
            self.paged = self.position;
        }
        self.writer.write_packet(packet, SERIAL, end, self.position)
    }
}

fn samples(time: Duration) -> u64 {
    u64::try_from(time.as_micros())
        .unwrap_or(u64::MAX)
        .saturating_mul(RATE)
        / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let path = std::env::temp_dir().join(format!("ortc-rooms-{}.ogg", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let packets = [
            vec![0b1111_1100, 1],
            vec![0b1111_1100, 2],
            vec![0b1111_1100, 3],
        ];
        let mut writer = OpusWriter::create(&path).unwrap();
        for packet in &packets {
            writer.packet(packet).unwrap();
        }
        writer.gap(Duration::from_millis(20));
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(parse(&bytes).unwrap(), packets);
        let mut reader = PacketReader::new(Cursor::new(bytes));
        let mut last = 0;
        while let Some(packet) = reader.read_packet().unwrap() {
            last = packet.absgp_page();
        }
        assert_eq!(last, 4 * 960);
    }

    #[test]
    fn what_is_no_recording_says_so() {
        assert!(parse(b"").is_err());
        assert!(parse(b"OggS").is_err());
    }
}
