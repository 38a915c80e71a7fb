//! What a payload descriptor numbers, for who leaves pictures out or puts streams together: picture
//! id, index of the base layer's pictures, temporal layer.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

/// The numbers of one payload, and where they are in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// 7 bits, or 15 with `is_long`.
    pub(crate) picture: Option<u16>,
    pub(super) is_long: bool,
    pub(super) picture_at: usize,
    pub(crate) base: Option<u8>,
    pub(super) base_at: usize,
    pub(crate) temporal: u8,
    /// Who gets lower temporal layers alone may have this one and those above it from here on.
    pub(crate) may_switch_up: bool,
    /// The picture's number is that of the dependency descriptor; the payload has none.
    pub(crate) is_of_descriptor: bool,
    /// Bytes of the payload in which all of that is.
    pub(crate) length: usize,
}

/// More than any descriptor needs.
pub(crate) const MAX_HEAD: usize = 8;

/// Where a dependency descriptor has the number of its frame: after a byte (AV1 RTP payload format,
/// section A.8.3, mandatory_descriptor_fields).
const FRAME_NUMBER: std::ops::Range<usize> = 1..3;

/// Writes a dependency descriptor anew, with so much added to the number of its frame. `None` if it
/// has none, or does not fit.
pub(crate) fn renumber_descriptor<'a>(
    value: &[u8],
    by: u16,
    into: &'a mut [u8; 255],
) -> Option<&'a [u8]> {
    let own = frame_number(value)?;
    let into = into.get_mut(..value.len())?;
    into.copy_from_slice(value);
    let number = own.wrapping_add(by).to_be_bytes();
    into.get_mut(FRAME_NUMBER)?.copy_from_slice(&number);
    Some(into)
}

fn frame_number(descriptor: &[u8]) -> Option<u16> {
    let bytes = descriptor.get(FRAME_NUMBER)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

impl Numbers {
    /// The same with the number of the frame, if the payload has none and the descriptor has one.
    pub(crate) fn or_of_descriptor(mut self, descriptor: Option<&[u8]>) -> Self {
        if self.picture.is_none()
            && let Some(number) = descriptor.and_then(frame_number)
        {
            self.picture = Some(number);
            self.is_of_descriptor = true;
        }
        self
    }

    /// Writes the first bytes of a payload anew, with so much added to its numbers; says how many.
    pub(crate) fn rewrite(
        &self,
        payload: &[u8],
        (picture, base): (u16, u8),
        head: &mut [u8; MAX_HEAD],
    ) -> usize {
        let (Some(from), Some(to)) = (payload.get(..self.length), head.get_mut(..self.length))
        else {
            return 0;
        };
        to.copy_from_slice(from);
        if let Some(own) = self.picture {
            let number = own.wrapping_add(picture);
            let [high, low] = number.to_be_bytes();
            let bytes = match self.is_long {
                true => [high | 0x80, low],
                false => [low & 0x7f, 0],
            };
            let length = 1usize.saturating_add(usize::from(self.is_long));
            let places = to.iter_mut().skip(self.picture_at).take(length);
            for (place, byte) in places.zip(bytes) {
                *place = byte;
            }
        }
        if let Some(own) = self.base
            && let Some(place) = to.get_mut(self.base_at)
        {
            *place = own.wrapping_add(base);
        }
        self.length
    }

    /// Reads the picture id at `at`; where it ends.
    pub(super) fn read_picture(&mut self, payload: &[u8], at: usize) -> Option<usize> {
        let first = *payload.get(at)?;
        self.picture_at = at;
        self.is_long = first & 0x80 != 0;
        if !self.is_long {
            self.picture = Some(u16::from(first));
            return at.checked_add(1);
        }
        let low = *payload.get(at.checked_add(1)?)?;
        self.picture = Some(u16::from_be_bytes([first & 0x7f, low]));
        at.checked_add(2)
    }
}
