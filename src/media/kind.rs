//! What a track carries.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, Result};

/// What a track, or a codec, carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Telephone digits; they travel in the packets of an audio track.
    Dtmf,
}

impl Kind {
    /// The name in JSON: "audio", "video" or "dtmf".
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Dtmf => "dtmf",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Kind::Audio, Kind::Video, Kind::Dtmf]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| Error::invalid_parameters(format!("unknown kind {name:?}")))
    }
}

impl<'de> Deserialize<'de> for Kind {
    /// A name, or an array of one name (the earlier draft's form); the pair audio and dtmf is an
    /// audio track that also carries digits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        use serde::de::Error as _;
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Input {
            One(String),
            Many(Vec<String>),
        }
        let names = match Input::deserialize(deserializer)? {
            Input::One(name) => vec![name],
            Input::Many(names) => names,
        };
        let mut kinds = names
            .iter()
            .map(|name| name.parse::<Kind>())
            .collect::<Result<Vec<_>>>()
            .map_err(D::Error::custom)?;
        kinds.sort();
        match kinds.as_slice() {
            [kind] => Ok(*kind),
            [Kind::Audio, Kind::Dtmf] => Ok(Kind::Audio),
            _ => Err(D::Error::custom(
                "kind must be one of \"audio\", \"video\", \"dtmf\"",
            )),
        }
    }
}
