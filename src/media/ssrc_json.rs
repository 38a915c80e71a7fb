//! An SSRC in JSON: a text of digits, since it may exceed what some readers take as a number.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn write_ssrc<S: Serializer>(
    ssrc: &Option<u32>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match ssrc {
        Some(ssrc) => serializer.collect_str(ssrc),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn read_ssrc<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<u32>, D::Error> {
    use serde::de::Error as _;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Input {
        Number(u32),
        Text(String),
    }
    match Option::<Input>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Input::Number(ssrc)) => Ok(Some(ssrc)),
        Some(Input::Text(text)) if text.is_empty() => Ok(None),
        Some(Input::Text(text)) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map(Some).map_err(D::Error::custom)
        }
        Some(Input::Text(_)) => Err(D::Error::custom("ssrc must be a decimal number")),
    }
}
