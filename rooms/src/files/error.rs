//! Why a transfer ended, the same at both ends.

use std::io;

use serde::{Deserialize, Serialize};

use super::name::{cut, shown};

/// The longest explanation that is taken from a peer, in bytes.
const MAX_MESSAGE: usize = 1024;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Code {
    /// The receiver does not want it.
    Rejected,
    /// One of the sides cancelled it.
    Cancelled,
    /// The channel ended; both can go on over another one.
    Lost,
    /// No space is left where it was to be kept.
    DiskFull,
    /// It is more than the receiver takes.
    Quota,
    /// More files or deeper folders than the receiver takes.
    TooMany,
    /// Too many offers wait for an answer already.
    TooManyOffers,
    /// A file or folder may not be read or written.
    Permission,
    /// What was to be written to can only be read.
    ReadOnly,
    /// There is no such file.
    NotFound,
    /// Neither a file nor a folder: a pipe, a device, a socket, a symbolic link.
    NotAFile,
    /// A file of this name is there already.
    Exists,
    /// The file became another one while it was read.
    SourceChanged,
    /// Bytes arrived that are not those of the file, twice.
    Corrupt,
    /// The peer does not keep to the protocol.
    Malformed,
    /// The disk or the file system failed.
    Io,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}

/// Why a transfer, or one file of it, ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if *remote { "the other side: " } else { "" })]
pub struct Error {
    code: Code,
    message: String,
    remote: bool,
}

/// What transfers return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            remote: false,
        }
    }

    /// What the peer said.
    pub(super) fn said(code: Code, message: &str) -> Self {
        Self {
            code,
            message: shown(cut(message, MAX_MESSAGE)),
            remote: true,
        }
    }

    pub(super) fn malformed(what: &str) -> Self {
        Self::new(Code::Malformed, format!("not by the protocol: {what}"))
    }

    pub(super) fn lost() -> Self {
        Self::new(Code::Lost, "the connection was lost")
    }

    /// Whom it was for ends it.
    pub(super) fn left(code: Code) -> Self {
        Self::new(code, "the receiver takes no more of it")
    }

    /// About a file.
    pub(crate) fn of(error: &io::Error, name: &str) -> Self {
        Self::new(code_of(error), format!("{}: {error}", shown(name)))
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same in words, safe to show on a terminal.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the other side found it.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// Whether the receiver keeps what it has, and a new channel goes on from there.
    pub fn can_resume(&self) -> bool {
        self.code == Code::Lost
    }
}

fn code_of(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::StorageFull => Code::DiskFull,
        io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Code::Quota,
        io::ErrorKind::PermissionDenied => Code::Permission,
        io::ErrorKind::ReadOnlyFilesystem => Code::ReadOnly,
        io::ErrorKind::NotFound => Code::NotFound,
        io::ErrorKind::AlreadyExists => Code::Exists,
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Code::NotAFile,
        _ => Code::Io,
    }
}
