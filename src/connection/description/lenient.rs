//! What signalling of several drafts has in common: one or many, text or number.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// No string of a description is longer than this, in bytes. It holds an ICE password
/// (RFC 8839 section 5.4) and a host name.
pub(super) const MAX_TEXT: usize = 256;

/// A string of at most MAX_TEXT bytes.
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX_TEXT {
            return Err(de::Error::invalid_length(
                text.len(),
                &"a string of at most 256 bytes",
            ));
        }
        Ok(Self(text))
    }
}

/// A string, or an unsigned number taken as its decimal text.
pub(super) struct TextOrNumber(pub(super) String);

impl<'de> Deserialize<'de> for TextOrNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = TextOrNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an unsigned number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(number.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// One string or an array of at most `N` strings.
pub(super) struct OneOrMany<const N: usize>(pub(super) Vec<String>);

impl<'de, const N: usize> Deserialize<'de> for OneOrMany<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings<const N: usize>(PhantomData<()>);
        impl<'de, const N: usize> Visitor<'de> for Strings<N> {
            type Value = OneOrMany<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a string or an array of at most {N} strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<N>, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany<N>, A::Error> {
                let mut many = Vec::new();
                while let Some(text) = seq.next_element::<String>()? {
                    if many.len() >= N {
                        return Err(de::Error::invalid_length(N.saturating_add(1), &self));
                    }
                    many.push(text);
                }
                Ok(OneOrMany(many))
            }
        }
        deserializer.deserialize_any(Strings(PhantomData))
    }
}

/// RFC 8839 section 5.1: ALPHA / DIGIT / "+" / "/".
pub(super) fn is_ice_chars(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}
