//! What was recorded.

use std::path::PathBuf;

use ortc::Kind;
use serde::{Serialize, Serializer};

use super::codec::RecordedCodec;

/// A file of a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its media type with its codecs, e.g. `video/webm;codecs=opus,vp8`.
    #[serde(rename = "recordingType")]
    pub recording_type: String,
    /// What is in it.
    pub codecs: Vec<RecordedCodec>,
    /// When it begins, in seconds since the recording began.
    pub start: f64,
    /// How long it is, in seconds.
    pub duration: f64,
    /// Of its first picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Of its first picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// It has its duration and its index. One that is not can be played all the same.
    pub complete: bool,
}

impl RecordedFile {
    pub(super) fn completed(mut self, complete: bool) -> Self {
        self.complete = complete;
        self
    }
}

/// Time of a track in which nothing was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Gap {
    /// Of audio or video.
    #[serde(serialize_with = "kind")]
    pub kind: Kind,
    /// Seconds since the recording began.
    pub at: f64,
    /// Seconds.
    pub lasts: f64,
    /// Packets were lost; otherwise nothing was sent.
    pub lost: bool,
}

fn kind<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        Kind::Video => "video",
        _ => "audio",
    })
}

/// What became of the recording of a stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Recorded {
    /// Its files, in their order.
    pub files: Vec<RecordedFile>,
    /// Where nothing was recorded.
    pub gaps: Vec<Gap>,
    /// Frames that no decoder could have used: before the first key frame, or after a loss.
    pub passed_over: u64,
    /// Frames that were dropped because the disk was too slow.
    pub overrun: u64,
    /// Why it ended early: the disk is full, say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Recorded {
    /// From the beginning of the first file to the end of the last, in seconds.
    pub fn duration(&self) -> f64 {
        let ends = self.files.iter().map(|file| file.start + file.duration);
        let starts = self.files.iter().map(|file| file.start);
        let (end, start) = (ends.fold(0.0, f64::max), starts.fold(f64::MAX, f64::min));
        (end - start).max(0.0)
    }
}

/// Nanoseconds as seconds, to the millisecond.
pub(super) fn seconds(nanos: i64) -> f64 {
    (nanos as f64 / 1e6).round() / 1e3
}
