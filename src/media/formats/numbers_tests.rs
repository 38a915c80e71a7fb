//! The numbers of payload descriptors, read and written anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::numbers::{MAX_HEAD, Numbers};
use super::{h264, vp8, vp9};

fn rewritten(numbers: &Numbers, payload: &[u8], by: (u16, u8)) -> Vec<u8> {
    let mut head = [0; MAX_HEAD];
    let length = numbers.rewrite(payload, by, &mut head);
    [&head[..length], &payload[length..]].concat()
}

#[test]
fn vp8_numbers_are_found_and_wrap() {
    let payload = [0x90, 0xe0, 0xff, 0xfe, 0xff, 0x60, 1, 2, 3];
    let numbers = vp8::numbers(&payload).unwrap();
    assert_eq!((numbers.picture, numbers.base), (Some(0x7ffe), Some(0xff)));
    assert_eq!((numbers.temporal, numbers.may_switch_up), (1, true));
    let expected = [0x90, 0xe0, 0x80, 0x01, 0x01, 0x60, 1, 2, 3];
    assert_eq!(rewritten(&numbers, &payload, (3, 2)), expected);
    // Seven bits, and nothing at all.
    let payload = [0x90, 0x80, 0x7f, 9];
    let numbers = vp8::numbers(&payload).unwrap();
    assert_eq!(rewritten(&numbers, &payload, (2, 2)), [0x90, 0x80, 0x01, 9]);
    let payload = [0x10, 7];
    let numbers = vp8::numbers(&payload).unwrap();
    assert_eq!(numbers, Numbers::default());
    assert_eq!(rewritten(&numbers, &payload, (2, 2)), payload);
}

#[test]
fn vp9_numbers_are_found_in_both_modes() {
    // Without flexible mode: picture id, layers, index of the base layer.
    let payload = [0xa8, 0x81, 0x00, 0x50, 7, 1, 2];
    let numbers = vp9::numbers(&payload).unwrap();
    assert_eq!((numbers.picture, numbers.base), (Some(256), Some(7)));
    assert_eq!((numbers.temporal, numbers.may_switch_up), (2, true));
    let expected = [0xa8, 0x81, 0x05, 0x50, 8, 1, 2];
    assert_eq!(rewritten(&numbers, &payload, (5, 1)), expected);
    let flexible = [0xb8, 0x05, 0x20, 1, 2];
    let numbers = vp9::numbers(&flexible).unwrap();
    assert_eq!((numbers.picture, numbers.base), (Some(5), None));
    assert_eq!((numbers.temporal, numbers.may_switch_up), (1, false));
    // There pictures are referred to by the difference of their numbers (RFC 9628 section 4.2).
    assert!(numbers.is_referred_to);
    assert!(!vp9::numbers(&payload).unwrap().is_referred_to);
}

#[test]
fn h264_pictures_that_nothing_refers_to_are_a_layer() {
    let is_above = |payload: &[u8]| h264::numbers(payload).is_some_and(|n| n.temporal == 1);
    // A slice, its first fragment, another, and one together with a delimiter and messages.
    let aggregate = [24, 0, 2, 9, 0xf0, 0, 2, 6, 5, 0, 3, 1, 0x9a, 2];
    for payload in [
        &[1, 0x9a, 2][..],
        &[28, 0x81, 3],
        &[28, 0x01, 3],
        &aggregate,
    ] {
        assert!(is_above(payload), "{payload:?}");
        // The same, which others refer to.
        let mut referred = payload.to_vec();
        referred[0] |= 0x20;
        assert!(!is_above(&referred), "{payload:?}");
    }
    // A message, a delimiter, an IDR picture and its fragment, parameters beside a slice, nothing.
    let parameters = [24, 0, 2, 8, 1, 0, 3, 1, 0x9a, 2];
    for payload in [
        &[6, 5][..],
        &[9, 0xf0],
        &[5, 0x88],
        &[28, 0x85, 3],
        &parameters,
        &[28],
        &[],
    ] {
        assert!(!is_above(payload), "{payload:?}");
    }
}

#[test]
fn what_is_cut_short_has_no_numbers() {
    for payload in [
        &[0x90u8, 0xe0, 0xff, 0xfe, 0xff, 0x60][..],
        &[0xa8, 0x81, 0, 0x50, 7],
    ] {
        for length in 0..payload.len() {
            for numbers in [vp8::numbers, vp9::numbers] {
                if let Some(numbers) = numbers(&payload[..length]) {
                    assert!(numbers.length <= length);
                    let mut head = [0; MAX_HEAD];
                    numbers.rewrite(&payload[..length], (1, 1), &mut head);
                }
            }
        }
    }
}
