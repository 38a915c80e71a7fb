//! Randomness from the operating system.

use ring::rand::{SecureRandom, SystemRandom};

/// `N` random bytes.
///
/// # Panics
///
/// When the operating system has no randomness to give: nothing secure can be done then. On
/// Linux that cannot happen once the system has booted.
#[allow(clippy::expect_used)]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system has no randomness");
    bytes
}

pub(crate) fn u32() -> u32 {
    u32::from_ne_bytes(bytes())
}

pub(crate) fn u64() -> u64 {
    u64::from_ne_bytes(bytes())
}

/// A random identity for streams and tracks: 128 bits in hex.
pub(crate) fn id() -> String {
    let bytes: [u8; 16] = bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
