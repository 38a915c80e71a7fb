//! Recordings: what is received, and what is sent, into files, without being decoded.
//!
//! A [`Recorder`] has a folder. In it each stream gets a WebM file with its audio and video (VP8,
//! VP9, AV1, Opus; Matroska where there is H.264), one more when a format changes or a track comes
//! later, and on wish an Ogg or IVF file for each track. `session.json` says who was there, which
//! file is of whom, when it begins, and where something is missing.
//!
//! Times are those of the sender: its reports put audio and video on one line
//! ([`SenderClock`](ortc::SenderClock)). What is lost stays a gap. A file can be played whenever
//! its writer dies, up to about a second before; at a clean end it has its duration and index.
//!
//! A room is recorded with [`Room::record`](crate::session::Room::record), a stream of a peer with
//! [`Peer::record`](crate::session::Peer::record); tracks of a bare
//! [`RTCConnection`](ortc::RTCConnection) with [`Recorder::stream`]:
//!
//! ```no_run
//! # async fn f(track: ortc::MediaStreamTrack) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use ortc_rooms::record::{RecordOptions, Recorder};
//!
//! let (recorder, _events) = Recorder::create("recordings", RecordOptions::default())?;
//! let stream = recorder.stream("alice", "Alice", "camera");
//! stream.add_track(&track);
//! tokio::time::sleep(Duration::from_secs(10)).await;
//! let recorded = stream.stop().await;
//! for file in &recorded.files {
//!     println!("{} {} {:.1} s", file.path.display(), file.recording_type, file.duration);
//! }
//! # Ok(()) }
//! ```

mod assembler;
#[cfg(test)]
mod assembler_tests;
mod av1;
mod bits;
mod blocks;
mod clock;
mod codec;
mod event;
mod film;
mod h264;
pub mod ivf;
pub mod ogg;
mod options;
mod picture;
mod place;
mod plan;
mod recorded;
mod recorder;
#[cfg(test)]
mod recorder_tests;
mod side;
mod snapshot;
mod strand;
mod stream;
mod timeline;
mod webm;
mod worker;

pub use codec::RecordedCodec;
pub use event::{RecordEvent, RecordEvents};
pub use options::RecordOptions;
pub use recorded::{Gap, Recorded, RecordedFile};
pub use recorder::Recorder;
pub use snapshot::Snapshot;
pub use stream::StreamRecording;
