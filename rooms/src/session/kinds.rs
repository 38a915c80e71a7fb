//! Audio, video, or both.

use ortc::Kind;
use serde::{Deserialize, Serialize};

/// Audio, video, or both; in JSON `["audio","video"]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<&'static str>")]
pub struct Kinds {
    audio: bool,
    video: bool,
}

impl Kinds {
    /// Neither.
    pub const NONE: Self = Self {
        audio: false,
        video: false,
    };
    /// Audio alone.
    pub const AUDIO: Self = Self {
        audio: true,
        video: false,
    };
    /// Video alone.
    pub const VIDEO: Self = Self {
        audio: false,
        video: true,
    };
    /// Both.
    pub const ALL: Self = Self {
        audio: true,
        video: true,
    };

    /// True if tracks of the kind are among them; digits go with audio.
    pub fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Video => self.video,
            _ => self.audio,
        }
    }

    /// What is in either.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            audio: self.audio || other.audio,
            video: self.video || other.video,
        }
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            audio: self.audio && !other.audio,
            video: self.video && !other.video,
        }
    }

    /// True if it is neither.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Video => Self::VIDEO,
            _ => Self::AUDIO,
        }
    }
}

impl From<Vec<String>> for Kinds {
    fn from(names: Vec<String>) -> Self {
        let has = |name: &str| names.iter().any(|known| known == name);
        Self {
            audio: has("audio"),
            video: has("video"),
        }
    }
}

impl From<Kinds> for Vec<&'static str> {
    fn from(kinds: Kinds) -> Self {
        let audio = kinds.audio.then_some("audio");
        audio
            .into_iter()
            .chain(kinds.video.then_some("video"))
            .collect()
    }
}
