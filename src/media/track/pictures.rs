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
    /// The highest temporal layer that the source has.
    highest: u8,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            last: None,
            base: None,
            left_out: None,
            temporal: u8::MAX,
            most: u8::MAX,
            highest: 0,
        }
    }
}

impl Pictures {
    /// Temporal layers above this one are left out; those below come back where the stream lets them.
    pub(super) fn limit(&mut self, most: u8) {
        self.most = most;
        self.temporal = self.temporal.min(most);
    }

    /// How many temporal layers the source has, as far as it is known.
    pub(super) fn layers(&self) -> u8 {
        self.highest.saturating_add(1)
    }

    /// Another source begins.
    pub(super) fn of_another(&mut self) {
        self.highest = 0;
    }

    /// Whether a picture goes out. Layers come back with what is the newest: of those after one that
    /// is late some were left out.
    pub(super) fn has(&mut self, numbers: &Numbers, is_newest: bool) -> bool {
        let layer = numbers.temporal;
        self.highest = self.highest.max(layer);
        if is_newest && layer > self.temporal && layer <= self.most && numbers.may_switch_up {
            self.temporal = self.most;
        }
        let goes_out = layer <= self.temporal;
        if is_newest && goes_out {
            self.temporal = self.temporal.max(numbers.opens.min(self.most));
        }
        goes_out
    }

    /// Notes a picture that is left out; true for its first packet, if its number is free then.
    pub(super) fn is_left_out(&mut self, numbers: &Numbers) -> bool {
        let is_new = numbers.picture.is_some() && self.left_out != numbers.picture;
        self.left_out = numbers.picture;
        is_new && !numbers.is_referred_to
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::media::{Templates, renumber_descriptor};

    /// A descriptor of three bytes and what follows: first and last packet of a frame, template 5.
    fn descriptor(frame: u16) -> Vec<u8> {
        let [high, low] = frame.to_be_bytes();
        vec![0b1100_0101, high, low, 0xab, 0xcd]
    }

    #[test]
    fn frames_of_another_source_go_on_in_the_line_by_their_descriptors() {
        let mut pictures = Pictures::default();
        let mut out = Vec::new();
        // The second source begins where it likes, and wraps.
        for (source, frames) in [(0, [7, 8, 9]), (1, [65_534, 65_535, 0]), (2, [9, 10, 11])] {
            let mut shift = (0, 0);
            for (place, frame) in frames.into_iter().enumerate() {
                let value = descriptor(frame);
                let numbers =
                    Numbers::default().or_of_descriptor(Some(&value), &Templates::default());
                assert_eq!(
                    (numbers.picture, numbers.is_of_descriptor),
                    (Some(frame), true)
                );
                if place == 0 {
                    shift = pictures.begin(&numbers);
                }
                pictures.went_out(&numbers, shift);
                let mut buffer = [0; 255];
                let new = renumber_descriptor(&value, shift.0, &mut buffer).unwrap();
                assert_eq!(
                    (new[0], &new[3..]),
                    (value[0], &value[3..]),
                    "source {source}"
                );
                out.push(u16::from_be_bytes([new[1], new[2]]));
            }
        }
        assert_eq!(out, (7..16).collect::<Vec<u16>>());
    }

    #[test]
    fn a_descriptor_that_is_none_numbers_nothing() {
        for value in [&[][..], &[0], &[0, 1]] {
            let numbers = Numbers::default().or_of_descriptor(Some(value), &Templates::default());
            assert_eq!(numbers, Numbers::default());
            assert_eq!(renumber_descriptor(value, 1, &mut [0; 255]), None);
        }
        assert_eq!(renumber_descriptor(&[0; 256], 1, &mut [0; 255]), None);
        // What the payload says goes before.
        let mut own = Numbers::default();
        own.picture = Some(3);
        assert_eq!(
            own.or_of_descriptor(Some(&descriptor(9)), &Templates::default()),
            own
        );
    }

    fn layer(temporal: u8, may_switch_up: bool, opens: u8) -> Numbers {
        let mut numbers = Numbers::default();
        numbers.temporal = temporal;
        numbers.may_switch_up = may_switch_up;
        numbers.opens = opens;
        numbers
    }

    #[test]
    fn layers_come_back_where_the_stream_lets_them() {
        // VP8 and VP9: with a picture of the layer that needs none of those that were left out.
        let mut pictures = Pictures::default();
        assert!(pictures.has(&layer(2, false, 0), true));
        assert_eq!(pictures.layers(), 3);
        pictures.limit(0);
        assert!(!pictures.has(&layer(1, true, 0), true));
        pictures.limit(2);
        assert!(!pictures.has(&layer(1, true, 0), false), "late");
        assert!(!pictures.has(&layer(2, false, 0), true));
        assert!(pictures.has(&layer(1, true, 0), true));
        assert!(pictures.has(&layer(2, false, 0), true));
        // Descriptors: after a picture that opens them.
        pictures.limit(0);
        assert!(pictures.has(&layer(0, false, 2), true));
        assert!(!pictures.has(&layer(1, false, 2), true));
        pictures.limit(1);
        assert!(!pictures.has(&layer(1, false, 2), true));
        assert!(pictures.has(&layer(0, false, 2), false), "late");
        assert!(!pictures.has(&layer(1, false, 2), true));
        assert!(pictures.has(&layer(0, false, 2), true));
        assert!(pictures.has(&layer(1, false, 2), true));
        assert!(!pictures.has(&layer(2, false, 0), true));
    }

    #[test]
    fn a_picture_that_is_left_out_leaves_its_number_if_none_refers_to_it_by_that() {
        let mut pictures = Pictures::default();
        let mut numbers = layer(1, false, 0);
        numbers.picture = Some(7);
        assert!(pictures.is_left_out(&numbers));
        assert!(!pictures.is_left_out(&numbers), "its second packet");
        numbers.picture = Some(8);
        numbers.is_referred_to = true;
        assert!(!pictures.is_left_out(&numbers));
    }
}
