//! SCTP packets and chunks on the wire (RFC 9260 section 3), read strictly: what passes here has
//! lengths that are true, however deep.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

pub(super) const DATA: u8 = 0;
pub(super) const INIT: u8 = 1;
pub(super) const INIT_ACK: u8 = 2;
pub(super) const SACK: u8 = 3;
pub(super) const HEARTBEAT: u8 = 4;
pub(super) const HEARTBEAT_ACK: u8 = 5;
pub(super) const ABORT: u8 = 6;
pub(super) const SHUTDOWN: u8 = 7;
pub(super) const SHUTDOWN_ACK: u8 = 8;
pub(super) const COOKIE_ECHO: u8 = 10;
pub(super) const COOKIE_ACK: u8 = 11;
pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
/// RFC 6525 section 3.
pub(super) const RECONFIG: u8 = 130;
/// RFC 4820 section 3.
pub(super) const PAD: u8 = 132;
/// RFC 3758 section 3.2.
pub(super) const FORWARD_TSN: u8 = 192;

/// The largest SCTP packet on a path that has not shown to carry more: with the DTLS record a
/// datagram has at most 1,200 bytes, which every path carries (RFC 8831 section 5).
pub(crate) const MAX_PACKET: usize = 1_160;
/// The most that DTLS adds to a packet.
pub(crate) const RECORD: usize = 37;

/// Ports, verification tag, checksum.
pub(super) const COMMON_HEADER: usize = 12;
pub(super) const CHUNK_HEADER: usize = 4;
/// Chunk header, TSN, stream, stream sequence number, payload protocol identifier.
pub(super) const DATA_HEADER: usize = 16;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The common header. The ports say nothing: there is one association.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) tag: u32,
    pub(super) checksum: u32,
}

pub(super) fn header(packet: &[u8]) -> Option<(Header, &[u8])> {
    let chunks = packet.get(COMMON_HEADER..)?;
    let checksum = packet.get(8..)?.first_chunk::<4>()?;
    Some((
        Header {
            tag: u32_at(packet, 4)?,
            // RFC 9260 appendix A: CRC32c goes out with its least significant byte first.
            checksum: u32::from_le_bytes(*checksum),
        },
        chunks,
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) body: &'a [u8],
}

/// The items of a list of type-length-value entries with `header` bytes each in front, padded to
/// four bytes (the last need not be). `Err` for a length that is not true.
fn next_entry(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, _) = rest.split_at_checked(CHUNK_HEADER)?;
    let length = usize::from(u16_at(head, 2)?);
    let body = rest.get(CHUNK_HEADER..length)?;
    let padded = length.checked_next_multiple_of(4)?;
    let after = rest.get(padded..).unwrap_or_default();
    Some((head, body, after))
}

/// The chunks of a packet; a malformed one ends them with an `Err`.
pub(super) fn chunks(mut rest: &[u8]) -> impl Iterator<Item = Result<Chunk<'_>, ()>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((head, body, after)) = next_entry(rest) else {
            rest = &[];
            return Some(Err(()));
        };
        rest = after;
        let &[kind, flags, ..] = head else {
            return Some(Err(()));
        };
        Some(Ok(Chunk { kind, flags, body }))
    })
}

/// Parameters of a chunk, or causes of an error: type and value.
pub(super) fn parameters(mut rest: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), ()>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((head, body, after)) = next_entry(rest) else {
            rest = &[];
            return Some(Err(()));
        };
        rest = after;
        Some(u16_at(head, 0).map(|kind| (kind, body)).ok_or(()))
    })
}

/// Whether all parameters have true lengths.
pub(super) fn well_formed(parameter_list: &[u8]) -> bool {
    parameters(parameter_list).all(|one| one.is_ok())
}

/// A DATA chunk (RFC 9260 section 3.3.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) tsn: u32,
    pub(super) stream: u16,
    pub(super) ssn: u16,
    pub(super) ppid: u32,
    pub(super) unordered: bool,
    pub(super) begin: bool,
    pub(super) end: bool,
    pub(super) immediate: bool,
    pub(super) payload: &'a [u8],
}

pub(super) const FLAG_END: u8 = 1;
pub(super) const FLAG_BEGIN: u8 = 2;
pub(super) const FLAG_UNORDERED: u8 = 4;
pub(super) const FLAG_IMMEDIATE: u8 = 8;

impl<'a> Data<'a> {
    pub(super) fn parse(flags: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self {
            tsn: u32_at(body, 0)?,
            stream: u16_at(body, 4)?,
            ssn: u16_at(body, 6)?,
            ppid: u32_at(body, 8)?,
            unordered: flags & FLAG_UNORDERED != 0,
            begin: flags & FLAG_BEGIN != 0,
            end: flags & FLAG_END != 0,
            immediate: flags & FLAG_IMMEDIATE != 0,
            payload: body.get(12..)?,
        })
    }
}

/// A SACK (RFC 9260 section 3.3.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Sack<'a> {
    pub(super) cumulative: u32,
    pub(super) window: u32,
    /// TSNs that came more than once.
    pub(super) duplicates: usize,
    gaps: &'a [u8],
}

impl<'a> Sack<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let gaps = usize::from(u16_at(body, 8)?).checked_mul(4)?;
        let duplicates = usize::from(u16_at(body, 10)?).checked_mul(4)?;
        let rest = body.get(12..)?;
        if rest.len() != gaps.checked_add(duplicates)? {
            return None;
        }
        Some(Self {
            cumulative: u32_at(body, 0)?,
            window: u32_at(body, 4)?,
            duplicates: duplicates / 4,
            gaps: rest.get(..gaps)?,
        })
    }

    /// Offsets from the cumulative TSN: first and last of each block.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (u16, u16)> + 'a {
        self.gaps.chunks_exact(4).filter_map(|block| {
            let (start, end) = (u16_at(block, 0)?, u16_at(block, 2)?);
            (start > 0 && end >= start).then_some((start, end))
        })
    }
}

/// RFC 1982 arithmetic: whether `a` comes before `b`.
pub(super) fn before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < 1 << 31
}

pub(super) fn before_or_at(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) < 1 << 31
}

pub(super) fn is_known(kind: u8) -> bool {
    matches!(
        kind,
        0..=11 | SHUTDOWN_COMPLETE | RECONFIG | PAD | FORWARD_TSN
    )
}

/// A chunk with its header and padding.
pub(super) fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(8));
    put_chunk(&mut out, kind, flags, |out| out.extend_from_slice(body));
    out
}

/// Appends a chunk whose body `write` appends.
pub(super) fn put_chunk(out: &mut Vec<u8>, kind: u8, flags: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind, flags, 0, 0]);
    write(out);
    finish_entry(out, start);
}

/// Appends a parameter.
pub(super) fn put_parameter(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(body);
    finish_entry(out, start);
}

fn finish_entry(out: &mut Vec<u8>, start: usize) {
    let length = out.len().saturating_sub(start);
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    if let Some(place) = out
        .get_mut(start.saturating_add(2)..)
        .and_then(|rest| rest.first_chunk_mut::<2>())
    {
        *place = length.to_be_bytes();
    }
    while out.len() % 4 != start % 4 {
        out.push(0);
    }
}

/// CRC32c of a packet whose checksum field counts as zero.
pub(super) fn checksum(packet: &[u8]) -> Option<u32> {
    let crc = crc32c::crc32c(packet.get(..8)?);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    Some(crc32c::crc32c_append(crc, packet.get(COMMON_HEADER..)?))
}

/// Begins a packet.
pub(super) fn begin_packet(out: &mut Vec<u8>, port: u16, tag: u32) {
    out.clear();
    out.extend_from_slice(&port.to_be_bytes());
    out.extend_from_slice(&port.to_be_bytes());
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
}

pub(super) fn put_checksum(out: &mut [u8]) {
    let crc = crc32c::crc32c(out);
    if let Some(place) = out
        .get_mut(8..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    {
        *place = crc.to_le_bytes();
    }
}
