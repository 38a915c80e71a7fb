//! The draft's `DTMFTone`, and what it means to play one.

// Rows A91 to A93, A101, G29.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

use super::payload::event_of;
use crate::error::{Error, Misuse, Result};

/// How long a digit sounds when nothing is said.
const DEFAULT_DURATION: Duration = Duration::from_millis(100);
/// How long the silence after a digit is when nothing is said.
pub(super) const DEFAULT_GAP: Duration = Duration::from_millis(70);
pub(super) const MIN_DURATION: Duration = Duration::from_millis(40);
const MAX_DURATION: Duration = Duration::from_millis(6_000);
const MIN_GAP: Duration = Duration::from_millis(30);
const MAX_GAP: Duration = Duration::from_millis(6_000);
const PAUSE: Duration = Duration::from_secs(2);
/// Tones and pauses that wait to be played.
pub(super) const MAX_STEPS: usize = 1_024;

crate::json::wire_object! {
"a tone: an object with digits", RawTone:
// Row A101.
/// One or several digits with the same length (draft `DTMFTone`).
///
/// JSON: `{"digits":"12#","duration":100,"interToneGap":70}`, times in milliseconds; `duration`
/// and `interToneGap` may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DTMFTone {
    /// `0` to `9`, `*`, `#`, `A` to `D` in either case, and `,` for a pause of two seconds. Each
    /// character is one tone.
    pub digits: String,
    // Row G29.
    /// How long each digit sounds. 100 ms if nothing is said; brought into 40 ms to 6 s when
    /// played. In an event: how long it sounded.
    #[serde(
        default = "default_duration",
        serialize_with = "to_millis",
        deserialize_with = "duration_from_millis"
    )]
    pub duration: Duration,
    // Row G29.
    /// The silence after each digit. 70 ms if nothing is said; brought into 30 ms to 6 s when
    /// played. Zero in the events of a received tone: it is not known yet.
    #[serde(
        default = "default_gap",
        serialize_with = "to_millis",
        deserialize_with = "gap_from_millis"
    )]
    pub inter_tone_gap: Duration,
}
}

impl DTMFTone {
    /// These digits, 100 ms each with 70 ms between them.
    pub fn new(digits: impl Into<String>) -> Self {
        Self {
            digits: digits.into(),
            duration: DEFAULT_DURATION,
            inter_tone_gap: DEFAULT_GAP,
        }
    }

    /// The same digits, each as long as this.
    pub fn with_duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// The same digits with this silence after each.
    pub fn with_inter_tone_gap(mut self, gap: Duration) -> Self {
        self.inter_tone_gap = gap;
        self
    }
}

fn default_duration() -> Duration {
    DEFAULT_DURATION
}

fn default_gap() -> Duration {
    DEFAULT_GAP
}

fn to_millis<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis().try_into().unwrap_or(u64::MAX))
}

/// A number, also a negative or fractional one: the limits are applied when the tone is played.
/// Null is the default.
fn from_millis<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Duration>, D::Error> {
    let millis = Option::<f64>::deserialize(deserializer)?;
    Ok(millis.map(|millis| {
        Duration::try_from_secs_f64((millis / 1_000.0).max(0.0)).unwrap_or(Duration::MAX)
    }))
}

fn duration_from_millis<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Duration, D::Error> {
    Ok(from_millis(deserializer)?.unwrap_or(DEFAULT_DURATION))
}

fn gap_from_millis<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Duration, D::Error> {
    Ok(from_millis(deserializer)?.unwrap_or(DEFAULT_GAP))
}

/// What [`DTMFMediaStreamTrack::play`](crate::dtmf::DTMFMediaStreamTrack::play) takes: a string of
/// digits, one [`DTMFTone`], or several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DTMFTones(Vec<DTMFTone>);

impl From<&str> for DTMFTones {
    fn from(digits: &str) -> Self {
        DTMFTone::new(digits).into()
    }
}

impl From<String> for DTMFTones {
    fn from(digits: String) -> Self {
        DTMFTone::new(digits).into()
    }
}

impl From<DTMFTone> for DTMFTones {
    fn from(tone: DTMFTone) -> Self {
        Self(vec![tone])
    }
}

impl From<Vec<DTMFTone>> for DTMFTones {
    fn from(tones: Vec<DTMFTone>) -> Self {
        Self(tones)
    }
}

impl<const N: usize> From<[DTMFTone; N]> for DTMFTones {
    fn from(tones: [DTMFTone; N]) -> Self {
        Self(tones.into())
    }
}

/// What the play buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Tone {
        event: u8,
        duration: Duration,
        gap: Duration,
    },
    Pause(Duration),
}

/// The event of a digit in either case.
pub(super) fn parse_digit(digit: char) -> Result<u8> {
    event_of(digit.to_ascii_uppercase()).ok_or_else(|| Misuse::InvalidCharacter(digit).into())
}

pub(super) fn clamp_duration(duration: Duration) -> Duration {
    duration.clamp(MIN_DURATION, MAX_DURATION)
}

impl DTMFTones {
    // Row G29.
    /// All the tones in order, or an error and none.
    pub(super) fn steps(&self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for tone in &self.0 {
            for digit in tone.digits.chars() {
                if steps.len() >= MAX_STEPS {
                    return Err(buffer_full());
                }
                steps.push(match digit {
                    ',' => Step::Pause(PAUSE),
                    digit => Step::Tone {
                        event: parse_digit(digit)?,
                        duration: clamp_duration(tone.duration),
                        gap: tone.inter_tone_gap.clamp(MIN_GAP, MAX_GAP),
                    },
                });
            }
        }
        Ok(steps)
    }
}

pub(super) fn buffer_full() -> Error {
    Error::invalid_state(format!("the play buffer holds at most {MAX_STEPS} tones"))
}
