//! What the two sides of a transfer say to each other; the bytes of files go as binary messages.

use ortc::RTCDataChannelMessage;
use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::error::{Code, Error, Result};
use super::hash::Hash;
use super::id::TransferId;
use crate::signalling::Extra;

/// The version of the protocol.
pub(super) const VERSION: u32 = 1;
/// Bytes of a file in one binary message, at most.
pub(super) const PIECE: usize = 64 * 1024;
/// The longest text that is taken, in bytes.
pub(super) const MAX_TEXT: usize = 64 * 1024;

/// A text message: a JSON object with one member. Lower-case comments tell who says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Message {
    /// sender: the first message.
    Offer(Offer),
    /// sender: files and folders, numbered from 0 in the order in which they come.
    Entries(Vec<Entry>),
    /// sender: all have come.
    Offered {},
    /// receiver: wants so much of it, and holds at most `window` bytes that are not on disk yet.
    /// `only`: which files, where it is not all of them.
    Accept {
        version: u32,
        window: u64,
        files: u32,
        bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<Choice>,
    },
    /// receiver, of a hub that keeps files: not this one; it goes on to whom it is for all the same.
    Unkept { code: Code, message: String },
    /// receiver: does not want it.
    Reject { code: Code, message: String },
    /// receiver: send a file from this block on; `hash` is over the hashes of those before.
    Get {
        file: u32,
        from: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<Hash>,
    },
    /// sender: the answer, in the order of the questions; `from` is 0 if the blocks before it are
    /// not those of the file.
    Begin { file: u32, from: u64 },
    /// sender: so many bytes of the file follow.
    Block { index: u64, size: u32, hash: Hash },
    /// sender: the file is complete; the hash of all of it.
    End { hash: Hash },
    /// receiver: bytes that are done with since the start; `done`: bytes of files that it has.
    Took { bytes: u64, done: u64 },
    /// receiver: forget what was asked for; sender: the last before this was.
    Reset {},
    /// receiver: has it under its name.
    Done { file: u32 },
    /// sender: nothing more of this file comes. Either: without a file, the end of all.
    Failed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<u32>,
        code: Code,
        message: String,
    },
    /// either: nothing is to be sent for now, or goes on.
    Pause { on: bool },
    /// either: the end of all, and what is not complete is thrown away.
    Cancel {},
    /// receiver: has all that it wants.
    Finished {},
}

/// What a transfer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Offer {
    pub(super) version: u32,
    pub(super) id: TransferId,
    /// Who knows it may go on with what came under it before.
    pub(super) key: String,
    pub(super) entries: u32,
    pub(super) bytes: u64,
    /// Those who come later are offered it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) keep: bool,
    /// By a hub: what the one whose it is tells of itself, who may have gone.
    #[serde(default, skip_serializing_if = "Extra::is_null")]
    pub(super) extra: Extra,
}

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) path: Vec<String>,
    pub(super) size: u64,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) folder: bool,
}

impl Message {
    pub(super) fn failed(file: Option<u32>, error: &Error) -> Self {
        Self::Failed {
            file,
            code: error.code(),
            message: error.message().to_owned(),
        }
    }

    /// # Errors
    ///
    /// `Malformed`.
    pub(super) fn read(text: &str) -> Result<Self> {
        if text.len() > MAX_TEXT {
            return Err(Error::malformed("a text that is too long"));
        }
        serde_json::from_str(text).map_err(|error| Error::malformed(&error.to_string()))
    }

    pub(super) fn write(&self) -> RTCDataChannelMessage {
        // Plain data: nothing in it fails to be written.
        RTCDataChannelMessage::Text(serde_json::to_string(self).unwrap_or_default())
    }
}
