//! Big-endian integers at an offset; out of bounds is `None`.

use std::ops::Range;

pub(super) fn u16_at(data: &[u8], offset: usize) -> Option<u16> {
    array_at(data, offset).map(u16::from_be_bytes)
}

pub(super) fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    array_at(data, offset).map(u32::from_be_bytes)
}

pub(super) fn u64_at(data: &[u8], offset: usize) -> Option<u64> {
    array_at(data, offset).map(u64::from_be_bytes)
}

/// Like indexing with a range, but empty when the range is not inside `data`.
pub(super) fn slice(data: &[u8], range: Range<usize>) -> &[u8] {
    data.get(range).unwrap_or_default()
}

fn array_at<const N: usize>(data: &[u8], offset: usize) -> Option<[u8; N]> {
    data.get(offset..)?.first_chunk().copied()
}
