//! Random numbers of the system.

use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes; zeros where the system has none, which no system in use does.
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random numbers");
    }
    bytes
}

/// From 0 to below 1, for delays.
pub(crate) fn unit() -> f64 {
    f64::from(u32::from_be_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}

/// 128 random bits in hexadecimal.
pub(crate) fn id() -> String {
    format!("{:032x}", u128::from_be_bytes(bytes()))
}
