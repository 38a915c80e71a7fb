//! What a payload descriptor numbers, for who leaves pictures out or puts streams together: picture
//! id, index of the base layer's pictures, temporal layer.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::descriptor::{Templates, frame_number};

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
    /// Who gets this one may have temporal layers up to that from here on.
    pub(crate) opens: u8,
    /// Others refer to pictures by the difference of their numbers: one that is left out keeps its.
    pub(crate) is_referred_to: bool,
    /// The picture's number is that of the dependency descriptor; the payload has none.
    pub(crate) is_of_descriptor: bool,
    /// Bytes of the payload in which all of that is.
    pub(crate) length: usize,
}

/// More than any descriptor needs.
pub(crate) const MAX_HEAD: usize = 8;

impl Numbers {
    /// The same with what the descriptor says of the frame, if it does and the payload has no number.
    pub(crate) fn or_of_descriptor(
        mut self,
        descriptor: Option<&[u8]>,
        templates: &Templates,
    ) -> Self {
        if self.picture.is_none()
            && let Some(value) = descriptor
            && let Some(number) = frame_number(value)
        {
            self.picture = Some(number);
            self.is_of_descriptor = true;
            self.is_referred_to = true;
            if let Some(template) = templates.of(value) {
                self.temporal = template.temporal;
                self.may_switch_up = false;
                self.opens = template.opens;
            }
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
