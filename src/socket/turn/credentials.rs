//! What a TURN server knows its user by.

use std::fmt;

/// User name and password of a TURN server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TurnCredentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnCredentials").finish_non_exhaustive()
    }
}
