//! Why a command failed.

use std::process::ExitCode;

/// What is said on standard error.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A failure that scripts can tell from others.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    message: String,
}

/// The other side did not want it, or ended it.
pub(crate) const REFUSED: u8 = 3;
/// The code is not the sender's.
pub(crate) const WRONG_CODE: u8 = 5;
/// Interrupted; the transfer can be gone on with.
pub(crate) const INTERRUPTED: u8 = 130;

impl Exit {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    pub(crate) fn boxed(code: u8, message: impl Into<String>) -> Failed {
        Box::new(Self {
            code,
            message: message.into(),
        })
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exit {}
