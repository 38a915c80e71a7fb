//! Resume tokens: what a server must know of one who comes back, sealed so that only servers with
//! the key can read or make it.

use std::fmt;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::room::RoomRecord;
use crate::signalling::{Role, RoomName, UserId};

const KEY_BYTES: usize = 32;
/// The longest token: it and what stands around it fit in a message.
const MAX_TOKEN: usize = 48 * 1024;

/// What resume tokens are sealed with.
#[derive(Clone)]
pub struct SealKey([u8; KEY_BYTES]);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl From<[u8; KEY_BYTES]> for SealKey {
    fn from(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }
}

impl SealKey {
    /// One that nobody else has: tokens of an earlier server are not known.
    pub fn random() -> Self {
        Self(random())
    }

    /// The key, e.g. to give it to another server.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key of a file, which is made with a random one if it is not there, readable by its
    /// owner alone.
    ///
    /// # Errors
    ///
    /// Those of reading or writing the file; [`io::ErrorKind::InvalidData`] if it has not 32 bytes.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => <[u8; KEY_BYTES]>::try_from(bytes)
                .map(Self)
                .map_err(|bytes| {
                    let message = format!(
                        "{} has {} bytes instead of the {KEY_BYTES} of a key",
                        path.display(),
                        bytes.len()
                    );
                    io::Error::new(io::ErrorKind::InvalidData, message)
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::random();
                write_new(path, &key.0)?;
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    fn aead(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.0)
            .ok()
            .map(LessSafeKey::new)
    }

    fn seal(&self, clear: &[u8]) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut sealed = clear.to_vec();
        let (key, aad) = (self.aead()?, Aad::from(b"ortc-rooms resume 1"));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        let mut all = nonce.to_vec();
        all.append(&mut sealed);
        Some(URL_SAFE_NO_PAD.encode(all))
    }

    fn unseal(&self, text: &str) -> Option<Vec<u8>> {
        if text.len() > MAX_TOKEN {
            return None;
        }
        let all = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = all.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let (key, aad) = (self.aead()?, Aad::from(b"ortc-rooms resume 1"));
        let clear = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed)
            .ok()?;
        Some(clear.to_vec())
    }
}

#[cfg(unix)]
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(not(unix))]
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::write(path, bytes)
}

/// Random bytes of the operating system; it has no way to go on without.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    assert!(filled.is_ok(), "the operating system has no random bytes");
    bytes
}

/// 128 random bits as text that nobody guesses and a URL can hold.
pub(crate) fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(random::<16>())
}

/// What a resume token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// Who.
    pub(crate) userid: UserId,
    /// From one hello without a token to the end, over all connections.
    pub(crate) session: String,
    /// Counts the tokens of the session.
    pub(crate) number: u64,
    /// In which life of the rooms' store it was given.
    pub(crate) life: u64,
    pub(crate) role: Role,
    /// The only rooms that it may enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only: Option<Vec<RoomName>>,
    /// The rooms that it is in, each with itself as the only member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rooms: Vec<RoomRecord>,
}

impl Ticket {
    /// The token; rooms that do not fit are left out, and cannot be made again.
    pub(crate) fn seal(mut self, key: &SealKey) -> String {
        loop {
            let clear = serde_json::to_vec(&self).unwrap_or_default();
            // Four characters for three bytes, after nonce and tag.
            if clear.len() < MAX_TOKEN / 4 * 3 - 64 {
                return key.seal(&clear).unwrap_or_default();
            }
            if self.rooms.pop().is_none() {
                self.only = Some(Vec::new());
            }
        }
    }

    pub(crate) fn unseal(key: &SealKey, text: &str) -> Option<Self> {
        serde_json::from_slice(&key.unseal(text)?).ok()
    }
}
