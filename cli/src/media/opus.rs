//! Opus in Ogg (RFC 7845), by way of the `ogg` crate.

use std::fs::File;
use std::io::{self, BufWriter, Cursor};
use std::path::Path;
use std::time::Duration;

use ogg::writing::PacketWriteEndInfo;
use ogg::{PacketReader, PacketWriter};

const SERIAL: u32 = 1;
/// The clock of Opus in Ogg, whatever was recorded.
const RATE: u64 = 48_000;

/// The packets of a recording, without its two headers. The error says what it is not.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
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

/// How long a packet plays: RFC 6716 section 3.1, the table of configurations, and section 3.2,
/// how many frames it has.
pub(crate) fn duration(packet: &[u8]) -> Duration {
    let Some(&toc) = packet.first() else {
        return Duration::ZERO;
    };
    let frame = match toc >> 3 {
        config @ 0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config % 4)],
        config @ 12..=15 => [10_000, 20_000][usize::from(config % 2)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1).map_or(1, |count| count & 0x3f)),
    };
    Duration::from_micros(frame * frames)
}

/// A recording that is written as it comes.
pub(crate) struct OpusWriter {
    writer: PacketWriter<'static, BufWriter<File>>,
    /// Samples so far.
    position: u64,
    /// The last packet, which waits to be known as such.
    held: Option<Vec<u8>>,
}

impl OpusWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut writer = PacketWriter::new(BufWriter::new(File::create_new(path)?));
        // RFC 7845 section 5: identification and comment headers of a stereo recording without pre-skip.
        let mut head = b"OpusHead".to_vec();
        head.extend_from_slice(&[1, 2]);
        head.extend_from_slice(&0_u16.to_le_bytes());
        head.extend_from_slice(&48_000_u32.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&4_u32.to_le_bytes());
        tags.extend_from_slice(b"ortc");
        tags.extend_from_slice(&0_u32.to_le_bytes());
        writer.write_packet(head, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        writer.write_packet(tags, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self {
            writer,
            position: 0,
            held: None,
        })
    }

    /// What was lost before a packet stays a gap: a decoder conceals it.
    pub(crate) fn gap(&mut self, lost: Duration) {
        self.position = self.position.saturating_add(samples(lost));
    }

    pub(crate) fn packet(&mut self, data: &[u8]) -> io::Result<()> {
        self.write(PacketWriteEndInfo::NormalPacket)?;
        self.held = Some(data.to_vec());
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.write(PacketWriteEndInfo::EndStream)
    }

    fn write(&mut self, end: PacketWriteEndInfo) -> io::Result<()> {
        let Some(packet) = self.held.take() else {
            return Ok(());
        };
        self.position = self.position.saturating_add(samples(duration(&packet)));
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
    fn packets_know_how_long_they_play() {
        let ms = |packet: &[u8]| duration(packet).as_micros();
        assert_eq!(ms(&[0b0000_0000]), 10_000); // SILK, narrow band
        assert_eq!(ms(&[0b0101_1001]), 120_000); // SILK, 60 ms, two frames
        assert_eq!(ms(&[0b0110_1000]), 20_000); // hybrid
        assert_eq!(ms(&[0b1111_1100]), 20_000); // CELT, 20 ms
        assert_eq!(ms(&[0b1110_0011, 4]), 10_000); // CELT, four of 2.5 ms
        assert_eq!(ms(&[]), 0);
    }

    #[test]
    fn what_is_written_is_read() {
        let path = std::env::temp_dir().join(format!("ortc-cli-{}.ogg", std::process::id()));
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
