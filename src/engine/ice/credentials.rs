//! Username fragment and password (RFC 8445 section 5.3).

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, Result};

/// RFC 8839 section 5.4, ice-char: 64 of them, so six random bits choose one without bias.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// 48 bits; RFC 8445 section 5.3 asks for 24.
const UFRAG_CHARS: usize = 8;
/// 144 bits; RFC 8445 section 5.3 asks for 128.
const PWD_CHARS: usize = 24;

/// One side's ICE credentials. Ordered by (ufrag, pwd), which decides an unset role.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl Credentials {
    pub(crate) fn generate() -> Result<Self> {
        let mut random = [0u8; UFRAG_CHARS + PWD_CHARS];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Error::crypto("the system gave no randomness"))?;
        let mut chars = random
            .iter()
            .filter_map(|byte| ICE_CHARS.get(usize::from(byte & 63)))
            .map(|c| char::from(*c));
        let ufrag = chars.by_ref().take(UFRAG_CHARS).collect();
        let pwd = chars.collect();
        Ok(Self { ufrag, pwd })
    }

    /// RFC 8839 section 5.4: 4 to 256 and 22 to 256 ice-chars.
    pub(crate) fn validate(&self) -> Result<()> {
        let valid = |s: &str, least: usize| {
            (least..=256).contains(&s.len()) && s.bytes().all(|b| ICE_CHARS.contains(&b))
        };
        if !valid(&self.ufrag, 4) {
            return Err(Error::invalid_parameters(
                "the ICE username fragment must have 4 to 256 characters of A-Z a-z 0-9 + /",
            ));
        }
        if !valid(&self.pwd, 22) {
            return Err(Error::invalid_parameters(
                "the ICE password must have 22 to 256 characters of A-Z a-z 0-9 + /",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .field("pwd", &"[redacted]")
            .finish()
    }
}
