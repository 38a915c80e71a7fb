//! DTLS 1.2 records and handshake fragments on the wire (RFC 6347 sections 4.1 and 4.2.2).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

pub(super) const DTLS_1_0: [u8; 2] = [0xfe, 0xff];
pub(super) const DTLS_1_2: [u8; 2] = [0xfe, 0xfd];

/// Alerts: level and description (RFC 5246 section 7.2).
pub(super) const CLOSE_NOTIFY: [u8; 2] = [1, 0];
pub(super) const HANDSHAKE_FAILURE: [u8; 2] = [2, 40];

pub(super) const RECORD_HEADER: usize = 13;
const FRAGMENT_HEADER: usize = 12;

/// One record as received; `raw` is the record with its header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) content_type: u8,
    pub(super) epoch: u16,
    pub(super) sequence: u64,
    pub(super) body: &'a [u8],
    pub(super) raw: &'a [u8],
}

/// The records of a datagram, up to the first malformed one.
pub(super) fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
        let &[
            content_type,
            major,
            _,
            e0,
            e1,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            l0,
            l1,
        ] = header;
        if major != 0xfe {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let body = rest.get(..length)?;
        let raw = datagram.get(..RECORD_HEADER.checked_add(length)?)?;
        datagram = rest.get(length..)?;
        Some(Record {
            content_type,
            epoch: u16::from_be_bytes([e0, e1]),
            sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            body,
            raw,
        })
    })
}

/// A plaintext (epoch 0) record.
pub(super) fn plaintext(content_type: u8, version: [u8; 2], sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_HEADER.saturating_add(body.len()));
    out.push(content_type);
    out.extend_from_slice(&version);
    let [_, _, number @ ..] = sequence.to_be_bytes();
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&number);
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body.get(..usize::from(length)).unwrap_or(&[]));
    out
}

/// One fragment of a handshake message; always inside its message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    pub(super) length: usize,
    pub(super) message: u16,
    pub(super) offset: usize,
    pub(super) data: &'a [u8],
}

/// The fragments in a handshake record, up to the first malformed one.
pub(super) fn fragments(mut body: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    std::iter::from_fn(move || {
        let (header, rest) = body.split_first_chunk::<FRAGMENT_HEADER>()?;
        let &[kind, l0, l1, l2, m0, m1, o0, o1, o2, f0, f1, f2] = header;
        let number = |a, b, c| u32::from_be_bytes([0, a, b, c]) as usize;
        let (length, offset) = (number(l0, l1, l2), number(o0, o1, o2));
        let data = rest.get(..number(f0, f1, f2))?;
        body = rest.get(data.len()..)?;
        (offset.checked_add(data.len())? <= length).then_some(Fragment {
            kind,
            length,
            message: u16::from_be_bytes([m0, m1]),
            offset,
            data,
        })
    })
}

/// A fragment with its header.
pub(super) fn fragment(
    kind: u8,
    length: usize,
    message: u16,
    offset: usize,
    data: &[u8],
) -> Vec<u8> {
    let number = |value: usize| {
        let [_, rest @ ..] = u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
        rest
    };
    let mut out = Vec::with_capacity(FRAGMENT_HEADER.saturating_add(data.len()));
    out.push(kind);
    out.extend_from_slice(&number(length));
    out.extend_from_slice(&message.to_be_bytes());
    out.extend_from_slice(&number(offset));
    out.extend_from_slice(&number(data.len()));
    out.extend_from_slice(data);
    out
}
