//! Datagrams on a stream, each behind its length in two bytes (RFC 4571 section 2; RFC 6544 section
//! 3 has STUN, DTLS and media framed alike).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

const HEADER: usize = 2;

/// Where the first datagram of `data` is, once it is whole; it ends the frame.
pub(in crate::socket) fn first_frame(data: &[u8]) -> Option<std::ops::Range<usize>> {
    let [l0, l1, ..] = *data else {
        return None;
    };
    let end = HEADER.saturating_add(usize::from(u16::from_be_bytes([l0, l1])));
    (end <= data.len()).then_some(HEADER..end)
}

/// How much of `data` is whole frames. Any bytes begin one.
pub(in crate::socket) fn whole_frames(data: &[u8]) -> usize {
    let mut end = 0usize;
    while let Some(frame) = first_frame(data.get(end..).unwrap_or_default()) {
        end = end.saturating_add(frame.end);
    }
    end
}

/// Datagrams of `segment_size` bytes each, the last perhaps shorter, and how many they are. One
/// that no length can tell is left out; the engine makes none.
pub(in crate::socket) fn framed(contents: &[u8], segment_size: usize) -> (Vec<u8>, u64) {
    let segments = contents.chunks(segment_size.max(1));
    let mut out = Vec::with_capacity(contents.len().saturating_add(segments.len() * HEADER));
    let mut count = 0u64;
    for segment in segments {
        if let Ok(length) = u16::try_from(segment.len()) {
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(segment);
            count = count.saturating_add(1);
        }
    }
    (out, count)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in_wherever_the_stream_is_cut() {
        let contents: Vec<u8> = (0..250).collect();
        let (stream, count) = framed(&contents, 100);
        assert_eq!((count, stream.len()), (3, 256));
        for cut in 0..=stream.len() {
            let whole = whole_frames(&stream[..cut]);
            assert_eq!(
                whole,
                if cut < 102 {
                    0
                } else {
                    (cut / 102 * 102).max(if cut == 256 { 256 } else { 0 })
                }
            );
        }
        let (mut at, mut back) = (0, Vec::new());
        while let Some(frame) = first_frame(&stream[at..]) {
            back.extend_from_slice(&stream[at..][frame.clone()]);
            at += frame.end;
        }
        assert_eq!((at, back), (stream.len(), contents));
    }

    #[test]
    fn an_empty_datagram_is_a_frame_and_the_longest_is_too() {
        assert_eq!(first_frame(&[0, 0]), Some(2..2));
        assert_eq!(whole_frames(&[0, 0, 0, 0, 0]), 4);
        let longest = framed(&[7; 65_535], 65_535).0;
        assert_eq!(whole_frames(&longest), 65_537);
        assert_eq!(framed(&[7; 65_536], 65_536), (Vec::new(), 0));
        assert_eq!(framed(&[], 0), (Vec::new(), 0));
    }
}
