//! Opus in Ogg (RFC 7845), by way of the `ogg` crate.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use ogg::writing::PacketWriteEndInfo;
use ogg::{PacketReader, PacketWriter};

use super::Result;

/// Samples of one packet at 48 kHz; the recordings here have 20 ms packets.
pub(crate) const PACKET_SAMPLES: u32 = 960;
pub(crate) const PACKET_DURATION: Duration = Duration::from_millis(20);

/// The packets of a recording, without its two header packets.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut reader = PacketReader::new(File::open(path)?);
    let mut headers = Vec::new();
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet()? {
        if headers.len() < 2 {
            headers.push(packet.data);
        } else {
            packets.push(packet.data);
        }
    }
    if !headers
        .first()
        .is_some_and(|head| head.starts_with(b"OpusHead"))
    {
        return Err("not an Opus recording in Ogg".into());
    }
    Ok(packets)
}

/// RFC 7845 section 5: identification and comment headers of a stereo recording without pre-skip.
pub(crate) fn headers() -> Vec<Vec<u8>> {
    let mut head = b"OpusHead".to_vec();
    head.extend_from_slice(&[1, 2]);
    head.extend_from_slice(&0u16.to_le_bytes());
    head.extend_from_slice(&48_000u32.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    let mut tags = b"OpusTags".to_vec();
    tags.extend_from_slice(&4u32.to_le_bytes());
    tags.extend_from_slice(b"ortc");
    tags.extend_from_slice(&0u32.to_le_bytes());
    vec![head, tags]
}

/// Writes packets of 20 ms each.
pub(crate) fn write(path: &Path, packets: &[Vec<u8>]) -> Result<()> {
    const SERIAL: u32 = 1;
    let mut writer = PacketWriter::new(BufWriter::new(File::create(path)?));
    for header in headers() {
        writer.write_packet(header, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
    }
    let mut position = 0;
    for (index, packet) in packets.iter().enumerate() {
        position += u64::from(PACKET_SAMPLES);
        let end = if index + 1 == packets.len() {
            PacketWriteEndInfo::EndStream
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        writer.write_packet(packet.clone(), SERIAL, end, position)?;
    }
    Ok(())
}
