//! Tones and payloads as they are written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::payload::{TelephoneEvent, digit_of, event_of};
use super::tone::{DTMFTone, DTMFTones, MAX_STEPS, Step};
use crate::error::{Error, ErrorName, Misuse};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn steps(tones: impl Into<DTMFTones>) -> Vec<Step> {
    tones.into().steps().unwrap()
}

fn tone(digits: &str, duration: u64, gap: u64) -> DTMFTone {
    DTMFTone::new(digits)
        .with_duration(ms(duration))
        .with_inter_tone_gap(ms(gap))
}

#[test]
fn a101_tone_is_the_drafts_dictionary_in_milliseconds() {
    let text = r#"{"digits":"12#","duration":250,"interToneGap":80}"#;
    let parsed: DTMFTone = serde_json::from_str(text).unwrap();
    assert_eq!(parsed, tone("12#", 250, 80));
    assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    for short in [
        r#"{"digits":"5"}"#,
        r#"{"digits":"5","duration":null,"x":1}"#,
    ] {
        let parsed: DTMFTone = serde_json::from_str(short).unwrap();
        assert_eq!(parsed, tone("5", 100, 70));
    }
    let odd: DTMFTone =
        serde_json::from_str(r#"{"digits":"5","duration":-3,"interToneGap":1e300}"#).unwrap();
    assert_eq!((odd.duration, odd.inter_tone_gap), (ms(0), Duration::MAX));
    assert!(serde_json::from_str::<DTMFTone>(r#"{"duration":100}"#).is_err());
}

#[test]
fn g029_defaults_limits_pause_and_case() {
    let sounds = |event, duration, gap| Step::Tone {
        event,
        duration: ms(duration),
        gap: ms(gap),
    };
    assert_eq!(
        steps("1,d"),
        [
            sounds(1, 100, 70),
            Step::Pause(ms(2_000)),
            sounds(15, 100, 70)
        ]
    );
    assert_eq!(steps("abcd"), steps("ABCD"));
    assert_eq!(steps(tone("9", 39, 29)), [sounds(9, 40, 30)]);
    assert_eq!(steps(tone("9", 6_001, 6_001)), [sounds(9, 6_000, 6_000)]);
    assert_eq!(steps(tone("9", 41, 31)), [sounds(9, 41, 31)]);
}

#[test]
fn g029_any_other_character_is_refused_and_nothing_is_queued() {
    for (digits, wrong) in [("12e4", 'e'), (" ", ' '), ("1+2", '+'), ("१", '१')] {
        let error = DTMFTones::from(digits).steps().unwrap_err();
        assert_eq!(error, Error::Misuse(Misuse::InvalidCharacter(wrong)));
        assert_eq!(error.name(), ErrorName::InvalidCharacter);
        // Also when it is in the last of several.
        let several = DTMFTones::from([DTMFTone::new("123"), DTMFTone::new(digits)]);
        assert_eq!(several.steps().unwrap_err(), error);
    }
}

#[test]
fn a_play_of_more_tones_than_the_buffer_holds_is_refused() {
    assert_eq!(steps("1".repeat(MAX_STEPS)).len(), MAX_STEPS);
    let error = DTMFTones::from("1".repeat(MAX_STEPS + 1))
        .steps()
        .unwrap_err();
    assert_eq!(error.name(), ErrorName::InvalidState);
}

#[test]
fn r_s43_events_0_to_15_are_the_digits() {
    for (event, digit) in "0123456789*#ABCD".chars().enumerate() {
        let event = u8::try_from(event).unwrap();
        assert_eq!(
            (event_of(digit), digit_of(event)),
            (Some(event), Some(digit))
        );
    }
    assert!((16..=255).all(|event| digit_of(event).is_none()));
    assert_eq!(
        (event_of(','), event_of('a'), event_of('E')),
        (None, None, None)
    );
}

#[test]
fn payload_is_four_octets_exactly() {
    // The example of RFC 4733 section 2.3: event 9, end, volume 7, duration 400.
    let event = TelephoneEvent {
        event: 9,
        end: true,
        volume: 7,
        duration: 400,
    };
    assert_eq!(event.encode(), [9, 0x87, 0x01, 0x90]);
    assert_eq!(TelephoneEvent::decode(&event.encode()), Some(event));
    // The reserved bit is no reason to refuse.
    assert_eq!(TelephoneEvent::decode(&[9, 0xc7, 0x01, 0x90]), Some(event));
    for len in (0..=16).filter(|&len| len != 4) {
        assert_eq!(TelephoneEvent::decode(&vec![0; len]), None, "{len}");
    }
}
