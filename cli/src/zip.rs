//! A ZIP archive of a few small texts, stored as they are: APPNOTE.TXT 6.3.10 of PKWARE.

/// The archive. Names are of ASCII; the first 65535 entries are taken.
pub(crate) fn archive(entries: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let at = u32::try_from(archive.len()).ok()?;
        let about = about(name, content)?;
        // 4.3.7: local file header.
        archive.extend_from_slice(b"PK\x03\x04");
        archive.extend_from_slice(&about);
        archive.extend_from_slice(&[0; 2]);
        archive.extend_from_slice(name.as_bytes());
        archive.extend_from_slice(content);
        // 4.3.12: central directory header; made by version 2.0 of no system in particular.
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&about);
        // Extra field, comment, disk, attributes inside and outside.
        directory.extend_from_slice(&[0; 2 + 2 + 2 + 2 + 4]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let count = u16::try_from(entries.len()).ok()?.to_le_bytes();
    let at = u32::try_from(archive.len()).ok()?.to_le_bytes();
    let size = u32::try_from(directory.len()).ok()?.to_le_bytes();
    archive.append(&mut directory);
    // 4.3.16: end of central directory.
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    for part in [&count[..], &count, &size, &at, &[0; 2]] {
        archive.extend_from_slice(part);
    }
    Some(archive)
}

/// What both headers have in common, up to the length of the name.
fn about(name: &str, content: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(content.len()).ok()?.to_le_bytes();
    let name = u16::try_from(name.len()).ok()?.to_le_bytes();
    // Version 2.0, no flags, stored, at midnight of the first of January 1980.
    let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    for part in [&crc32(content).to_le_bytes(), &size, &size] {
        about.extend_from_slice(part);
    }
    about.extend_from_slice(&name);
    Some(about)
}

/// 4.4.7: the CRC-32 of ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d39_the_check_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(archive(&[]).unwrap().len(), 22);
    }
}
