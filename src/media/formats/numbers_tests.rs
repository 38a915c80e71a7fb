//! The numbers of payload descriptors, read and written anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::numbers::{MAX_HEAD, Numbers};
use super::{vp8, vp9};

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
