//! The names of transfers.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Deserializer, Serialize};

/// Names a transfer at both ends: 128 random bits in the form of a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TransferId(String);

/// The longest that is taken from a peer.
const MAX: usize = 64;

impl TransferId {
    pub(crate) fn random() -> Self {
        let hex = random_hex();
        let (part, rest) = hex.split_at(8);
        let (two, rest) = rest.split_at(4);
        let (three, rest) = rest.split_at(4);
        let (four, five) = rest.split_at(4);
        // The fixed bits of version 4 (RFC 9562 section 5.4).
        let (three, four) = (three.get(1..), four.get(1..));
        let (three, four) = (three.unwrap_or_default(), four.unwrap_or_default());
        Self(format!("{part}-{two}-4{three}-8{four}-{five}"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 128 random bits, as 32 digits.
pub(super) fn random_hex() -> String {
    let mut bytes = [0; 16];
    // Fails on no system that ring runs on, and names need not be secret.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TransferId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if text.is_empty() || text.len() > MAX || !text.chars().all(plain) {
            return Err(serde::de::Error::custom("no name of a transfer"));
        }
        Ok(Self(text))
    }
}
