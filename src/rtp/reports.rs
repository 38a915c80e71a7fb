//! RTCP on the wire (RFC 3550 section 6, RFC 4585, RFC 5104): parsing without allocation, writing.

use std::time::Duration;

use super::wire::{slice, u16_at, u32_at, u64_at};

pub(super) const SR: u8 = 200;
pub(super) const RR: u8 = 201;
pub(super) const SDES: u8 = 202;
pub(super) const BYE: u8 = 203;
pub(super) const RTPFB: u8 = 205;
pub(super) const PSFB: u8 = 206;
const FMT_NACK: u8 = 1;
const FMT_TRANSPORT: u8 = 15;
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;

/// The most that a five-bit count can hold.
pub(super) const MAX_COUNT: usize = 31;
pub(super) const BLOCK_LEN: usize = 24;

/// The middle 32 bits of an NTP time, which reports refer to it by.
pub(super) fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// NTP format of a duration: seconds and 2^-32 seconds.
pub(super) fn to_ntp(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    (duration.as_secs() << 32) | fraction
}

pub(super) fn ntp_after(ntp: u64) -> Duration {
    let nanos = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    Duration::new(ntp >> 32, nanos as u32)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportBlock {
    pub(super) ssrc: u32,
    pub(super) fraction_lost: u8,
    /// 24 bits, signed.
    pub(super) cumulative_lost: i32,
    pub(super) highest_sequence_number: u32,
    pub(super) jitter: u32,
    pub(super) last_sr: u32,
    pub(super) delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(data: &[u8]) -> Option<Self> {
        let loss = u32_at(data, 4)?;
        Some(Self {
            ssrc: u32_at(data, 0)?,
            fraction_lost: (loss >> 24) as u8,
            // Sign-extended from 24 bits.
            cumulative_lost: ((loss << 8) as i32) >> 8,
            highest_sequence_number: u32_at(data, 8)?,
            jitter: u32_at(data, 12)?,
            last_sr: u32_at(data, 16)?,
            delay_since_last_sr: u32_at(data, 20)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let loss =
            u32::from(self.fraction_lost) << 24 | (self.cumulative_lost as u32 & 0x00ff_ffff);
        for word in [
            self.ssrc,
            loss,
            self.highest_sequence_number,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SenderInfo {
    pub(super) ssrc: u32,
    pub(super) ntp: u64,
    pub(super) rtp_timestamp: u32,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

/// One packet of a compound, borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rtcp<'a> {
    SenderReport(SenderInfo, Blocks<'a>),
    ReceiverReport(Blocks<'a>),
    /// Chunks are not looked into: their only use would be the CNAME.
    SourceDescription,
    /// SSRCs as whole words, and the reason.
    Bye(&'a [u8], &'a [u8]),
    Pli {
        media: u32,
    },
    /// Entries of eight bytes: SSRC, sequence number, reserved.
    Fir(&'a [u8]),
    /// Entries of four bytes: packet id, bitmask of the following 16.
    Nack {
        media: u32,
        entries: &'a [u8],
    },
    /// Transport-wide feedback, after the two SSRCs.
    Transport(&'a [u8]),
    /// A type or format this endpoint makes nothing of.
    Other,
    /// A known type whose contents do not fit its length.
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks<'a>(&'a [u8]);

impl Blocks<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len() / BLOCK_LEN
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ReportBlock> + '_ {
        self.0
            .chunks_exact(BLOCK_LEN)
            .filter_map(ReportBlock::parse)
    }
}

/// Whether `data` is a sequence of whole RTCP packets (RFC 3550 appendix A.2): version 2
/// throughout, lengths that add up, padding in the last one only.
///
/// The first need not be a report: browsers may send reduced-size RTCP (RFC 5506), and SRTCP has
/// authenticated it.
pub(super) fn is_valid_compound(data: &[u8]) -> bool {
    let mut rest = data;
    while let [first, kind, ..] = *rest {
        let Some(words) = u16_at(rest, 2) else {
            return false;
        };
        let length = (usize::from(words) + 1) * 4;
        if first >> 6 != 2 || !(192..=223).contains(&kind) || rest.len() < length {
            return false;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(rest.last().copied().unwrap_or(0));
            if rest.len() != length
                || padding == 0
                || !padding.is_multiple_of(4)
                || padding > length - 4
            {
                return false;
            }
        }
        rest = slice(rest, length..rest.len());
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// The packets of a valid compound.
pub(super) fn packets(data: &[u8]) -> impl Iterator<Item = Rtcp<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let [first, kind, ..] = *rest else {
            return None;
        };
        let length = (usize::from(u16_at(rest, 2)?) + 1) * 4;
        let mut packet = rest.get(..length)?;
        rest = slice(rest, length..rest.len());
        if first & 0x20 != 0 {
            let padding = usize::from(packet.last().copied()?);
            packet = packet.get(..packet.len().checked_sub(padding)?)?;
        }
        let body = slice(packet, 4..packet.len());
        Some(parse(first & 0x1f, kind, body).unwrap_or(Rtcp::Malformed))
    })
}

/// `None` if malformed.
fn parse(count: u8, kind: u8, body: &[u8]) -> Option<Rtcp<'_>> {
    let blocks_len = usize::from(count) * BLOCK_LEN;
    Some(match (kind, count) {
        (SR, _) => Rtcp::SenderReport(
            SenderInfo {
                ssrc: u32_at(body, 0)?,
                ntp: u64_at(body, 4)?,
                rtp_timestamp: u32_at(body, 12)?,
                packets: u32_at(body, 16)?,
                octets: u32_at(body, 20)?,
            },
            Blocks(body.get(24..24 + blocks_len)?),
        ),
        (RR, _) => Rtcp::ReceiverReport(Blocks(body.get(4..4 + blocks_len)?)),
        (SDES, _) => Rtcp::SourceDescription,
        (BYE, _) => {
            let (ssrcs, rest) = body.split_at_checked(usize::from(count) * 4)?;
            let reason = match rest.split_first() {
                Some((length, text)) => text.get(..usize::from(*length))?,
                None => &[],
            };
            Rtcp::Bye(ssrcs, reason)
        }
        (PSFB, FMT_PLI) => Rtcp::Pli {
            media: u32_at(body, 4)?,
        },
        (PSFB, FMT_FIR) => Rtcp::Fir(body.get(8..)?),
        (RTPFB, FMT_TRANSPORT) => Rtcp::Transport(body.get(8..)?),
        (RTPFB, FMT_NACK) => Rtcp::Nack {
            media: u32_at(body, 4)?,
            entries: body.get(8..)?,
        },
        _ => Rtcp::Other,
    })
}

/// Reports and report blocks of a valid compound.
pub(super) fn parts(compound: &[u8]) -> usize {
    let parts = packets(compound).map(|packet| match packet {
        Rtcp::SenderReport(_, blocks) | Rtcp::ReceiverReport(blocks) => 1 + blocks.len(),
        _ => 0,
    });
    parts.sum()
}

/// Whole words, as in a BYE.
pub(super) fn words(data: &[u8]) -> impl Iterator<Item = u32> + '_ {
    data.chunks_exact(4).filter_map(|word| u32_at(word, 0))
}

/// The SSRCs and sequence numbers of a FIR (RFC 5104 section 4.3.1.1).
pub(super) fn fir_entries(data: &[u8]) -> impl Iterator<Item = (u32, u8)> + '_ {
    data.chunks_exact(8)
        .filter_map(|entry| Some((u32_at(entry, 0)?, *entry.get(4)?)))
}

/// The sequence numbers of a NACK (RFC 4585 section 6.2.1).
pub(super) fn nack_sequence_numbers(data: &[u8]) -> impl Iterator<Item = u16> + '_ {
    data.chunks_exact(4).flat_map(|entry| {
        let pid = u16_at(entry, 0).unwrap_or(0);
        let mask = u16_at(entry, 2).unwrap_or(0);
        std::iter::once(pid).chain(
            (0..16u16)
                .filter(move |bit| mask >> bit & 1 != 0)
                .map(move |bit| pid.wrapping_add(bit + 1)),
        )
    })
}

/// Appends a packet: the header, what `body` writes, zeros to a whole word.
fn write_packet(out: &mut Vec<u8>, count: usize, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count.min(MAX_COUNT) as u8, kind, 0, 0]);
    body(out);
    let length = (out.len() - start).next_multiple_of(4);
    out.resize(start + length, 0);
    let words = ((length / 4 - 1) as u16).to_be_bytes();
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&words);
    }
}

pub(super) fn write_sender_report(out: &mut Vec<u8>, info: &SenderInfo, blocks: &[ReportBlock]) {
    write_packet(out, blocks.len(), SR, |out| {
        out.extend_from_slice(&info.ssrc.to_be_bytes());
        out.extend_from_slice(&info.ntp.to_be_bytes());
        out.extend_from_slice(&info.rtp_timestamp.to_be_bytes());
        out.extend_from_slice(&info.packets.to_be_bytes());
        out.extend_from_slice(&info.octets.to_be_bytes());
        blocks.iter().take(MAX_COUNT).for_each(|b| b.write(out));
    });
}

pub(super) fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    write_packet(out, blocks.len(), RR, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        blocks.iter().take(MAX_COUNT).for_each(|b| b.write(out));
    });
}

/// Length of an SDES chunk: SSRC, type, length, text, at least one zero, to a whole word
/// (RFC 3550 section 6.5).
pub(super) fn sdes_chunk_len(cname: &str) -> usize {
    (4 + 2 + cname.len().min(255) + 1).next_multiple_of(4)
}

/// A source description with the same CNAME for each SSRC.
pub(super) fn write_cname(out: &mut Vec<u8>, ssrcs: &[u32], cname: &str) {
    let text = cname.as_bytes();
    let text = text.get(..255).unwrap_or(text);
    write_packet(out, ssrcs.len(), SDES, |out| {
        for ssrc in ssrcs.iter().take(MAX_COUNT) {
            let start = out.len();
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&[1, text.len() as u8]);
            out.extend_from_slice(text);
            out.resize(start + sdes_chunk_len(cname), 0);
        }
    });
}

pub(super) fn write_bye(out: &mut Vec<u8>, ssrcs: &[u32]) {
    write_packet(out, ssrcs.len(), BYE, |out| {
        for ssrc in ssrcs.iter().take(MAX_COUNT) {
            out.extend_from_slice(&ssrc.to_be_bytes());
        }
    });
}

pub(super) fn write_pli(out: &mut Vec<u8>, from: u32, media: u32) {
    write_packet(out, usize::from(FMT_PLI), PSFB, |out| {
        out.extend_from_slice(&from.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
    });
}

/// The most entries that one NACK of ours has.
pub(super) const MAX_NACK_ENTRIES: usize = 200;

/// Entries are a packet id and the bitmask of the 16 packets after it (RFC 4585 section 6.2.1).
pub(super) fn write_nack(out: &mut Vec<u8>, from: u32, media: u32, entries: &[(u16, u16)]) {
    write_packet(out, usize::from(FMT_NACK), RTPFB, |out| {
        out.extend_from_slice(&from.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        for (first, mask) in entries.iter().take(MAX_NACK_ENTRIES) {
            out.extend_from_slice(&first.to_be_bytes());
            out.extend_from_slice(&mask.to_be_bytes());
        }
    });
}

pub(super) fn write_transport(out: &mut Vec<u8>, from: u32, media: u32, body: &[u8]) {
    write_packet(out, usize::from(FMT_TRANSPORT), RTPFB, |out| {
        out.extend_from_slice(&from.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        out.extend_from_slice(body);
    });
}

/// The media source of the header is unused and 0 (RFC 5104 section 4.3.1.2).
pub(super) fn write_fir(out: &mut Vec<u8>, from: u32, media: u32, sequence: u8) {
    write_packet(out, usize::from(FMT_FIR), PSFB, |out| {
        out.extend_from_slice(&from.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&media.to_be_bytes());
        out.extend_from_slice(&[sequence, 0, 0, 0]);
    });
}
