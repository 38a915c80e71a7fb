//! Certificate fingerprints (draft section "CertificateFingerprint", RFC 8122 section 5).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::lenient::OneOrMany;
use crate::engine::certificate::{HashAlgorithm, digest};
use crate::error::{Error, Result};

/// The hash of a certificate.
///
/// Its text form is RFC 8122's attribute value: `sha-256 4A:AD:...`, hash name lower case, bytes
/// upper case. Lower-case hexadecimal is accepted on input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The [IANA textual name](https://www.iana.org/assignments/hash-function-text-names) of the
    /// hash function, lower case, e.g. `sha-256`.
    pub algorithm: String,
    /// The hash.
    pub bytes: Vec<u8>,
}

impl Fingerprint {
    /// Unknown hash functions are kept, up to this many bytes.
    const MAX_BYTES: usize = 128;

    /// Makes a fingerprint; the name is normalised to lower case.
    ///
    /// # Errors
    /// `InvalidParameters`: the name is no token, or the length is not the hash function's.
    pub fn new(algorithm: &str, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let algorithm = algorithm.to_ascii_lowercase();
        let bytes = bytes.into();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if algorithm.is_empty() || algorithm.len() > 32 || !algorithm.bytes().all(token) {
            return Err(Error::invalid_parameters(
                "the hash function of a fingerprint is not a name",
            ));
        }
        let fits = match hash_len(&algorithm) {
            Some(len) => bytes.len() == len,
            None => (1..=Self::MAX_BYTES).contains(&bytes.len()),
        };
        if !fits {
            return Err(Error::invalid_parameters(format!(
                "{} bytes cannot be a {algorithm} fingerprint",
                bytes.len()
            )));
        }
        Ok(Self { algorithm, bytes })
    }

    /// The bytes as upper-case hexadecimal pairs joined by colons.
    pub fn value(&self) -> String {
        let pairs: Vec<String> = self.bytes.iter().map(|b| format!("{b:02X}")).collect();
        pairs.join(":")
    }

    fn from_parts(algorithm: &str, value: &str) -> Result<Self> {
        let malformed =
            || Error::invalid_parameters("a fingerprint is hexadecimal pairs joined by colons");
        if value.len() > Self::MAX_BYTES.saturating_mul(3) {
            return Err(malformed());
        }
        let bytes = value
            .split(':')
            .map(|pair| {
                let digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
                digits
                    .then(|| u8::from_str_radix(pair, 16).ok())
                    .flatten()
                    .ok_or_else(malformed)
            })
            .collect::<Result<Vec<u8>>>()?;
        Self::new(algorithm, bytes)
    }
}

/// Bytes of the hash functions that RFC 8122 section 5 names.
fn hash_len(algorithm: &str) -> Option<usize> {
    Some(match algorithm {
        "md2" | "md5" => 16,
        "sha-1" => 20,
        "sha-224" => 28,
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return None,
    })
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.value())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (algorithm, value) = text.trim().split_once(' ').ok_or_else(|| {
            Error::invalid_parameters("a fingerprint is a hash function and its value")
        })?;
        Self::from_parts(algorithm, value.trim_start())
    }
}

/// The fingerprints of one side, read by hash name.
///
/// JSON: an object keyed by hash name, `{"sha-256":"4A:AD:..."}`; a hash that occurs more than
/// once has an array of values. Accepted as well: `{"algorithm","value"}`, an array of those or of
/// `"sha-256 4A:AD:..."` strings, and one such string. At most 20 fingerprints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CertificateFingerprint(Vec<Fingerprint>);

impl CertificateFingerprint {
    pub(crate) const MAX: usize = 20;

    /// The first fingerprint made with this hash function, e.g. `sha-256`; case does not matter.
    pub fn get(&self, algorithm: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|f| f.algorithm.eq_ignore_ascii_case(algorithm))
            .map(|f| f.bytes.as_slice())
    }

    /// All of them, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.0.iter()
    }

    /// How many there are, 0 to 20.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one; an equal one is not added again.
    ///
    /// # Errors
    /// `InvalidParameters`: there are 20 already, or the length is not the hash function's.
    pub fn push(&mut self, fingerprint: Fingerprint) -> Result<()> {
        let fingerprint = Fingerprint::new(&fingerprint.algorithm, fingerprint.bytes)?;
        if self.0.contains(&fingerprint) {
            return Ok(());
        }
        if self.0.len() >= Self::MAX {
            return Err(Error::invalid_parameters("more than 20 fingerprints"));
        }
        self.0.push(fingerprint);
        Ok(())
    }
}

impl From<Fingerprint> for CertificateFingerprint {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(vec![fingerprint])
    }
}

impl Serialize for CertificateFingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut done: Vec<&str> = Vec::new();
        for Fingerprint { algorithm, .. } in &self.0 {
            if done.contains(&algorithm.as_str()) {
                continue;
            }
            done.push(algorithm);
            let same = self.0.iter().filter(|f| f.algorithm == *algorithm);
            let values: Vec<String> = same.map(Fingerprint::value).collect();
            match values.as_slice() {
                [one] => map.serialize_entry(algorithm, one)?,
                many => map.serialize_entry(algorithm, many)?,
            }
        }
        map.end()
    }
}

#[derive(serde::Deserialize)]
struct Pair {
    algorithm: String,
    value: String,
}

#[derive(serde::Deserialize)]
#[serde(
    untagged,
    expecting = "a fingerprint: {algorithm, value} or \"sha-256 4A:AD:...\""
)]
enum Item {
    Text(String),
    Pair(Pair),
}

impl<'de> Deserialize<'de> for CertificateFingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = CertificateFingerprint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fingerprints: an object keyed by hash name, an array, or a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Self::Value, E> {
        text.parse::<Fingerprint>()
            .map(CertificateFingerprint::from)
            .map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut seq: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut all = CertificateFingerprint::default();
        while let Some(item) = seq.next_element::<Item>()? {
            let parsed = match item {
                Item::Text(text) => text.parse(),
                Item::Pair(pair) => Fingerprint::from_parts(&pair.algorithm, &pair.value),
            };
            parsed
                .and_then(|fingerprint| all.push(fingerprint))
                .map_err(de::Error::custom)?;
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut entries: Vec<(String, Vec<String>)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if entries.len() >= CertificateFingerprint::MAX {
                return Err(de::Error::custom("more than 20 fingerprints"));
            }
            let values: Option<OneOrMany<{ CertificateFingerprint::MAX }>> = map.next_value()?;
            entries.extend(values.map(|values| (key, values.0)));
        }
        let of = |name: &str| entries.iter().find(|(key, _)| key == name);
        if let (Some((_, algorithm)), Some((_, value))) = (of("algorithm"), of("value")) {
            entries = vec![(algorithm.concat(), value.clone())];
        }
        let mut all = CertificateFingerprint::default();
        for (algorithm, value) in entries
            .iter()
            .flat_map(|(algorithm, values)| values.iter().map(move |value| (algorithm, value)))
        {
            Fingerprint::from_parts(algorithm, value)
                .and_then(|fingerprint| all.push(fingerprint))
                .map_err(de::Error::custom)?;
        }
        Ok(all)
    }
}

// Rows A53 to A56.
/// The fingerprints of a certificate, the strongest first.
pub(crate) fn fingerprints(
    der: &[u8],
    algorithms: &[HashAlgorithm],
) -> Option<CertificateFingerprint> {
    let mut all = CertificateFingerprint::default();
    let mut algorithms = algorithms.to_vec();
    algorithms.sort_by(|one, two| two.cmp(one));
    for algorithm in algorithms {
        let one = Fingerprint::new(algorithm.name(), digest(algorithm, der)).ok()?;
        all.push(one).ok()?;
    }
    Some(all)
}
