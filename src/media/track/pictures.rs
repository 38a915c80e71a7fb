//! The numbers of the pictures that go out, one line without a break, and which temporal layers of
//! them do.

use crate::media::Numbers;

/// What is known of the pictures of one fed track.
pub(super) struct Pictures {
    /// The newest that went out, and its index in the base layer.
    last: Option<u16>,
    base: Option<u8>,
    /// The newest that was left out, as its source numbers it.
    left_out: Option<u16>,
    /// The highest temporal layer that goes out, and that may.
    temporal: u8,
    most: u8,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            last: None,
            base: None,
            left_out: None,
            temporal: u8::MAX,
            most: u8::MAX,
        }
    }
}

impl Pictures {
    /// Temporal layers above this one are left out; those below come back where the stream lets them.
    pub(super) fn limit(&mut self, most: u8) {
        self.most = most;
        self.temporal = self.temporal.min(most);
    }

    /// Whether a picture goes out.
    pub(super) fn has(&mut self, numbers: &Numbers) -> bool {
        let layer = numbers.temporal;
        if layer > self.temporal && layer <= self.most && numbers.may_switch_up {
            self.temporal = self.most;
        }
        layer <= self.temporal
    }

    /// Notes a picture that is left out; true for its first packet.
    pub(super) fn is_left_out(&mut self, numbers: &Numbers) -> bool {
        let is_new = numbers.picture.is_some() && self.left_out != numbers.picture;
        self.left_out = numbers.picture;
        is_new
    }

    /// A key frame begins the line, or goes on with it: what is added to its numbers.
    pub(super) fn begin(&mut self, numbers: &Numbers) -> (u16, u8) {
        self.temporal = self.most;
        let picture = self.last.zip(numbers.picture);
        let base = self.base.zip(numbers.base);
        (
            picture.map_or(0, |(last, own)| last.wrapping_add(1).wrapping_sub(own)),
            base.map_or(0, |(last, own)| last.wrapping_add(1).wrapping_sub(own)),
        )
    }

    /// A packet went out that is the newest.
    pub(super) fn went_out(&mut self, numbers: &Numbers, (picture, base): (u16, u8)) {
        if let Some(own) = numbers.picture {
            self.last = Some(own.wrapping_add(picture));
        }
        if let Some(own) = numbers.base {
            self.base = Some(own.wrapping_add(base));
        }
    }
}
