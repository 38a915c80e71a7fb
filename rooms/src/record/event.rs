//! What happens to a recording.

use tokio::sync::mpsc;

use super::recorded::{Recorded, RecordedFile};

/// Events that wait; more are dropped.
pub(super) const MAX_EVENTS: usize = 1_024;

/// What happens to a recording.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RecordEvent {
    /// A file was begun.
    File {
        /// Of whom.
        userid: String,
        /// Which stream.
        stream_id: String,
        /// Which file.
        file: RecordedFile,
    },
    /// A track is not recorded: files do not have its codec.
    NotRecorded {
        /// Of whom.
        userid: String,
        /// Which stream.
        stream_id: String,
        /// The codec's name.
        codec: String,
    },
    /// A stream's recording ended before its time: the disk is full, say. Others go on.
    Failed {
        /// Of whom.
        userid: String,
        /// Which stream.
        stream_id: String,
        /// In words.
        error: String,
    },
    /// A stream is recorded no longer, and its files are complete.
    Stopped {
        /// Of whom.
        userid: String,
        /// Which stream.
        stream_id: String,
        /// What was recorded.
        recorded: Recorded,
    },
}

/// What happens to a recording. At most 1,024 events wait; what comes then is dropped, and only
/// `session.json` has it.
#[derive(Debug)]
pub struct RecordEvents {
    pub(super) events: mpsc::Receiver<RecordEvent>,
}

impl RecordEvents {
    /// The next; `None` once the recorder and its streams are gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<RecordEvent> {
        self.events.recv().await
    }

    /// The next, if there is one.
    pub fn try_next(&mut self) -> Option<RecordEvent> {
        self.events.try_recv().ok()
    }
}
