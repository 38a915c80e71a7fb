//! The version of the protocol, and how long its messages are.

/// The version of this protocol, which `hello` and `welcome` name.
pub const VERSION: u32 = 1;
/// The most bytes of a message.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The most bytes of what a user says of itself.
pub const MAX_EXTRA: usize = 16 * 1024;
