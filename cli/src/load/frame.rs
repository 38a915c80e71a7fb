//! Frames that say when they were made: they look like VP8 and Opus to whoever passes them on, and
//! nobody can show or play them.

use std::time::{Duration, Instant};

use ortc::Kind;

/// Where the number and the time are.
const AT: usize = 10;
const MAGIC: [u8; 4] = *b"load";
/// The least that a frame has.
pub(crate) const LEAST: usize = AT + MAGIC.len() + 16;
/// The frame header of a key frame, RFC 6386 section 9.1: 16 by 16 pixels.
const KEY: [u8; AT] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0];
const DELTA: [u8; AT] = [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Opus, 20 ms of one frame (RFC 6716 section 3.1).
const OPUS: [u8; AT] = [0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Frames of its track before it.
    pub(crate) number: u64,
    /// Since the test began.
    pub(crate) at: Duration,
}

pub(crate) fn write(kind: Kind, key: bool, stamp: Stamp, size: usize) -> Vec<u8> {
    let head = match (kind, key) {
        (Kind::Video, true) => KEY,
        (Kind::Video, false) => DELTA,
        _ => OPUS,
    };
    let mut frame = Vec::with_capacity(size.max(LEAST));
    frame.extend(head);
    frame.extend(MAGIC);
    frame.extend(stamp.number.to_be_bytes());
    let at = u64::try_from(stamp.at.as_nanos()).unwrap_or(u64::MAX);
    frame.extend(at.to_be_bytes());
    frame.resize(size.max(LEAST), 0xa5);
    frame
}

/// `None` for what others send.
pub(crate) fn read(frame: &[u8]) -> Option<Stamp> {
    let rest = frame.get(AT..)?.strip_prefix(&MAGIC)?;
    let (number, rest) = rest.split_first_chunk()?;
    let (at, _) = rest.split_first_chunk()?;
    Some(Stamp {
        number: u64::from_be_bytes(*number),
        at: Duration::from_nanos(u64::from_be_bytes(*at)),
    })
}

/// How long a frame that was received at `received` has taken.
pub(crate) fn latency(begun: Instant, stamp: Stamp, received: Instant) -> Duration {
    received
        .saturating_duration_since(begun)
        .saturating_sub(stamp.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_what_was_written() {
        let stamp = Stamp {
            number: 70_000,
            at: Duration::from_nanos(123_456_789_012),
        };
        for (kind, key, size) in [
            (Kind::Video, true, 5_000),
            (Kind::Video, false, 0),
            (Kind::Audio, false, 80),
        ] {
            let frame = write(kind, key, stamp, size);
            assert_eq!((frame.len(), read(&frame)), (size.max(LEAST), Some(stamp)));
        }
        assert_eq!(read(&[0; 100]), None);
        assert_eq!(read(b"short"), None);
    }
}
