//! What key frames tell of the picture: its size, and what a decoder must know before.

use super::av1;
use super::bits::Bits;
use super::codec::{Picture, RecordedCodec};
use super::h264;

/// What a frame tells, if it is a key frame that a decoder can begin with.
pub(super) fn picture(codec: RecordedCodec, frame: &[u8]) -> Option<Picture> {
    let plain = |(width, height)| Picture {
        width,
        height,
        private: None,
    };
    let picture = match codec {
        RecordedCodec::Vp8 => vp8(frame).map(plain),
        RecordedCodec::Vp9 => vp9(frame).map(plain),
        RecordedCodec::Av1 => av1::picture(frame),
        RecordedCodec::H264 => h264::picture(frame),
        RecordedCodec::Opus => None,
    };
    picture.filter(|picture| picture.width > 0 && picture.height > 0)
}

/// RFC 6386 section 9.1: a key frame has a start code, and its size behind it.
fn vp8(frame: &[u8]) -> Option<(u32, u32)> {
    let [first, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *frame.first_chunk()? else {
        return None;
    };
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    (first & 1 == 0).then(|| (size(w0, w1), size(h0, h1)))
}

/// VP9 bitstream specification sections 6.2 and 7.2: the uncompressed header of a key frame.
fn vp9(frame: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(frame);
    if bits.take(2)? != 2 {
        return None;
    }
    let (low, high) = (bits.take(1)?, bits.take(1)?);
    let profile = high << 1 | low;
    if profile == 3 {
        bits.skip(1)?;
    }
    let (shows_existing, between) = (bits.bit()?, bits.bit()?);
    if shows_existing || between {
        return None;
    }
    bits.skip(2)?;
    if bits.take(24)? != 0x49_8342 {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?;
    }
    let rgb = bits.take(3)? == 7;
    let odd = profile & 1 == 1;
    match (rgb, odd) {
        (false, true) => bits.skip(4)?,
        (false, false) | (true, true) => bits.skip(1)?,
        (true, false) => {}
    }
    let mut size = || bits.take(16)?.checked_add(1);
    Some((size()?, size()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_tell_their_size() {
        let frame = [0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0];
        assert_eq!(vp8(&frame), Some((320, 180)));
        assert_eq!(vp8(&[0x11, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0]), None);
        // Profile 0, a key frame that is shown: BT.601, 1280x720.
        let mut bits = String::from("10_0_0_0_0_1_0").replace('_', "");
        bits += &format!("{:024b}{:03b}0{:016b}{:016b}", 0x49_8342, 1, 1279, 719);
        assert_eq!(vp9(&packed(&bits)), Some((1280, 720)));
        assert_eq!(vp9(&[0x86, 0, 0, 0]), None);
    }

    #[test]
    fn what_is_cut_off_is_none() {
        let whole = [0x82, 0x49, 0x83, 0x42, 0x20, 0x4f, 0xf0, 0x2c, 0xf0];
        for codec in [
            RecordedCodec::Vp8,
            RecordedCodec::Vp9,
            RecordedCodec::Av1,
            RecordedCodec::H264,
        ] {
            for length in 0..8 {
                assert_eq!(picture(codec, &whole[..length]), None, "{codec:?} {length}");
            }
        }
    }

    fn packed(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().map(|bit| bit - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).unwrap_or(&0));
        bits.chunks(8).map(byte).collect()
    }
}
