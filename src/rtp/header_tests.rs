#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::extensions::encode_elements;
use super::header::{RtpDrop, payload_range};
use super::packet::Elements;
use super::*;

/// Parses, and runs everything that follows on a packet that parses.
fn exercise(packet: &[u8]) -> Result<RtpPacket, RtpDrop> {
    let header = RtpHeader::parse(packet)?;
    assert!(header.header_len <= packet.len());
    assert_eq!(header.csrcs(packet).count(), usize::from(header.csrc_count));
    let elements = header.elements(packet).count();
    let parsed = to_packet(&header, packet)?;
    assert_eq!(parsed.extensions.iter().count(), elements);
    Ok(parsed)
}

#[test]
fn parse_survives_every_length_and_first_byte() {
    let mut accepted = 0;
    for length in 0..64 {
        for first in 0..=255u8 {
            for profile in [0xbedeu16, 0x1000, 0x100f, 0x1234] {
                for fill in [0x00, 0x01, 0x10, 0x1f, 0x52, 0xff] {
                    for words in 0..14u16 {
                        let mut packet = vec![fill; length];
                        packet.splice(0..1.min(length), (length > 0).then_some(first));
                        let at = 12 + 4 * usize::from(first & 15);
                        if length >= at + 4 {
                            packet[at..at + 2].copy_from_slice(&profile.to_be_bytes());
                            packet[at + 2..at + 4].copy_from_slice(&words.to_be_bytes());
                        }
                        let result = exercise(&packet);
                        if first >> 6 != 2 {
                            assert!(result.is_err());
                        }
                        accepted += u32::from(result.is_ok());
                        if first & 0x10 == 0 || length < at + 4 {
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}

#[test]
fn every_prefix_of_a_header_is_refused() {
    let mut packet = Vec::new();
    let length = write_header(
        &mut packet,
        &OutgoingHeader {
            csrcs: &[1, 2, 3],
            extensions: &[(1, b"mid"), (3, &[9])],
            ..Default::default()
        },
    );
    assert_eq!(length, packet.len());
    for end in 0..length {
        assert!(RtpHeader::parse(&packet[..end]).is_err(), "{end}");
    }
    assert!(RtpHeader::parse(&packet).is_ok());
}

#[test]
fn padding() {
    let packet = |payload: &[u8]| {
        let mut packet = vec![0xa0, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend_from_slice(payload);
        packet
    };
    let range = |payload: &[u8]| {
        let packet = packet(payload);
        payload_range(&RtpHeader::parse(&packet).unwrap(), &packet)
    };
    assert_eq!(range(&[7, 7, 7, 1]), Ok(12..15));
    assert_eq!(range(&[7, 7, 0, 2]), Ok(12..14));
    // Nothing but padding: no payload, but not a fault.
    assert_eq!(range(&[0, 0, 0, 4]), Ok(12..12));
    assert_eq!(range(&[0, 0, 0, 0]), Err(RtpDrop::Padding));
    assert_eq!(range(&[0, 0, 0, 5]), Err(RtpDrop::Padding));
    assert_eq!(range(&[]), Err(RtpDrop::Padding));
    // The decrypted packet is shorter than the header that was parsed before decryption.
    let header = RtpHeader::parse(&packet(&[7])).unwrap();
    assert_eq!(payload_range(&header, &[0x80; 5]), Err(RtpDrop::TooShort));
    assert!(to_packet(&header, &[0x80; 5]).is_err());
}

#[test]
fn write_then_parse_and_the_other_library_agree() {
    use rtc_shared::marshal::Unmarshal;
    let csrcs = [0x11, 0x2222_2222];
    let long = [5u8; 17];
    type Element<'a> = (u8, &'a [u8]);
    let sets: [(&[Element<'_>], u16); 5] = [
        (&[], 0),
        (&[(1, b"a"), (14, &[2; 16])], 0xbede),
        (&[(1, b"a"), (15, b"bc")], 0x1000),
        (&[(1, &long)], 0x1000),
        (&[(1, b""), (200, &[3; 255])], 0x1000),
    ];
    for (extensions, profile) in sets {
        let header = OutgoingHeader {
            marker: true,
            payload_type: 111,
            sequence_number: 0xfffe,
            timestamp: 0xdead_beef,
            ssrc: 0xcafe_babe,
            csrcs: &csrcs,
            extensions,
        };
        // Appends: what is in the buffer already stays.
        let mut out = vec![0xee];
        let length = write_header(&mut out, &header);
        assert_eq!((out.remove(0), out.len()), (0xee, length));
        out.extend_from_slice(b"payload");
        let packet = exercise(&out).unwrap();
        assert!(packet.marker);
        assert_eq!(packet.payload_type, 111);
        assert_eq!(packet.sequence_number, 0xfffe);
        assert_eq!(packet.timestamp, 0xdead_beef);
        assert_eq!(packet.ssrc, 0xcafe_babe);
        assert_eq!(packet.csrcs, csrcs);
        assert_eq!(packet.payload, &b"payload"[..]);
        assert_eq!(packet.extensions.iter().collect::<Vec<_>>(), extensions);
        let parsed = RtpHeader::parse(&out).unwrap();
        assert_eq!(parsed.extension.as_ref().map_or(0, |(p, _)| *p), profile);
        assert_eq!(parsed.element(&out, 1), extensions.first().map(|(_, v)| *v));
        let theirs = rtp::packet::Packet::unmarshal(&mut &out[..]).unwrap();
        assert_eq!(theirs.header.ssrc, 0xcafe_babe);
        assert_eq!(theirs.header.csrc, csrcs);
        assert_eq!(theirs.payload, &b"payload"[..]);
        for (id, value) in extensions {
            assert_eq!(theirs.header.get_extension(*id).unwrap(), *value);
        }
    }
}

#[test]
fn payload_and_extensions_are_those_of_the_wire() {
    let mut out = Vec::new();
    write_header(
        &mut out,
        &OutgoingHeader {
            extensions: &[(1, b"m")],
            ..Default::default()
        },
    );
    out.extend_from_slice(b"xyz");
    let packet = to_packet(&RtpHeader::parse(&out).unwrap(), &out).unwrap();
    assert_eq!(packet.payload, &b"xyz"[..]);
    assert_eq!(packet.extensions.get(1), Some(&b"m"[..]));
}

#[test]
fn elements_of_rfc_8285() {
    let of = |profile, block: &'static [u8]| Elements::new(profile, block).collect::<Vec<_>>();
    // Padding between and after; id 15 ends the one-byte form, whatever its length.
    assert_eq!(
        of(0xbede, &[0x10, 0xaa, 0, 0, 0x21, 1, 2, 0]),
        [(1, &[0xaa][..]), (2, &[1, 2][..])]
    );
    assert_eq!(
        of(0xbede, &[0x10, 1, 0xf0, 1, 0x20, 1, 0, 0]),
        [(1, &[1][..])]
    );
    // Id 0 with a length ends it too.
    assert_eq!(
        of(0xbede, &[0x10, 1, 0x03, 0x20, 1, 0, 0, 0]),
        [(1, &[1][..])]
    );
    // Cut short.
    assert_eq!(of(0xbede, &[0x10, 1, 0x23, 1]), [(1, &[1][..])]);
    // Two-byte form, any app bits; 15 is an id like any other.
    for profile in [0x1000, 0x100f] {
        assert_eq!(
            of(profile, &[15, 0, 0, 0, 16, 2, 7, 8]),
            [(15, &[][..]), (16, &[7, 8][..])]
        );
    }
    assert_eq!(of(0x1000, &[1]), []);
    assert_eq!(of(0x1000, &[1, 3, 0, 0]), []);
    assert_eq!(of(0x1010, &[1, 1, 9, 0]), []);
}

#[test]
fn insert_and_remove_encode_anew() {
    let mut extensions = HeaderExtensionValues::default();
    assert!(extensions.is_empty());
    extensions.insert(3, b"abc").unwrap();
    extensions.insert(1, b"x").unwrap();
    extensions.insert(3, b"de").unwrap();
    assert_eq!(
        extensions.iter().collect::<Vec<_>>(),
        [(1, &b"x"[..]), (3, &b"de"[..])]
    );
    // A large id turns all into the two-byte form, its removal turns them back.
    extensions.insert(77, b"").unwrap();
    assert_eq!(extensions.get(77), Some(&b""[..]));
    assert_eq!(extensions.get(3), Some(&b"de"[..]));
    extensions.remove(77);
    let mut same = HeaderExtensionValues::default();
    same.insert(1, b"x").unwrap();
    same.insert(3, b"de").unwrap();
    assert_eq!(extensions, same);
    assert!(extensions.insert(0, b"x").is_err());
    assert!(extensions.insert(1, &[0; 256]).is_err());
    assert_eq!(extensions, same);
    for id in [1, 3] {
        extensions.remove(id);
    }
    assert_eq!(extensions, HeaderExtensionValues::default());
}

#[test]
fn what_no_form_can_carry_is_left_out() {
    let mut out = Vec::new();
    let elements: [(u8, &[u8]); 2] = [(0, &[1]), (1, &[0; 256])];
    assert_eq!(encode_elements(&mut out, elements.into_iter()), None);
    assert!(out.is_empty());
    // More than 2^16 words do not fit the length field.
    let value = [1u8; 255];
    let many: Vec<(u8, &[u8])> = (0..2_000).map(|_| (200, &value[..])).collect();
    let length = write_header(
        &mut out,
        &OutgoingHeader {
            extensions: &many,
            ..Default::default()
        },
    );
    let parsed = RtpHeader::parse(&out).unwrap();
    assert_eq!(parsed.header_len, length);
    assert_eq!(parsed.elements(&out).count(), 4 * 65_535 / 257);
}
