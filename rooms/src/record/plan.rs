//! What is recorded of a stream, and where to.

use std::path::PathBuf;
use std::time::Instant;

use super::codec::RecordedCodec;

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) folder: PathBuf,
    /// What its files' names begin with.
    pub(super) stem: String,
    /// When the recording began: times count from here.
    pub(super) epoch: Instant,
    pub(super) ogg: bool,
    pub(super) ivf: bool,
}

impl Plan {
    /// Whether a track of the codec has a file of its own, too.
    pub(super) fn beside(&self, codec: RecordedCodec) -> bool {
        match codec {
            RecordedCodec::Opus => self.ogg,
            RecordedCodec::H264 => false,
            _ => self.ivf,
        }
    }
}
