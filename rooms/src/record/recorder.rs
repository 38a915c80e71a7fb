//! A folder of recordings with their time line.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::runtime;
use tokio::sync::mpsc;

use super::event::{MAX_EVENTS, RecordEvent, RecordEvents};
use super::options::RecordOptions;
use super::place;
use super::plan::Plan;
use super::recorded::Recorded;
use super::stream::{Begin, StreamRecording};
use super::timeline::Timeline;

/// A folder that streams are recorded into. Cloning gives another handle.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    options: RecordOptions,
    timeline: Arc<Timeline>,
    events: Mutex<Option<mpsc::Sender<RecordEvent>>>,
    runtime: runtime::Handle,
}

impl Recorder {
    /// Records into a folder, which is made if it is not there; nothing in it is overwritten. The
    /// recording is of the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or written to.
    pub fn create(
        folder: impl Into<PathBuf>,
        options: RecordOptions,
    ) -> io::Result<(Self, RecordEvents)> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder)?;
        let timeline = Arc::new(Timeline::create(&folder)?);
        let (sender, events) = mpsc::channel(MAX_EVENTS);
        let recorder = Self {
            inner: Arc::new(Inner {
                folder,
                options,
                timeline,
                events: Mutex::new(Some(sender)),
                runtime: runtime::Handle::current(),
            }),
        };
        Ok((recorder, RecordEvents { events }))
    }

    /// Where the recordings are.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The time line: `session.json`, or with a number where that was there already.
    pub fn timeline(&self) -> &Path {
        self.inner.timeline.path()
    }

    /// Begins to record a stream; its tracks are added to what this gives. Files are named after
    /// `name`, as far as a file may be; `userid` and `stream_id` stand in the time line.
    pub fn stream(&self, userid: &str, name: &str, stream_id: &str) -> StreamRecording {
        let inner = &self.inner;
        let events = inner.events.lock().unwrap_or_else(PoisonError::into_inner);
        // After the end there is nobody to tell.
        let events = events.clone().unwrap_or_else(|| mpsc::channel(1).0);
        StreamRecording::begin(Begin {
            plan: Plan {
                folder: inner.folder.clone(),
                stem: place::stem(name),
                epoch: inner.timeline.epoch,
                ogg: inner.options.ogg,
                ivf: inner.options.ivf,
            },
            timeline: inner.timeline.clone(),
            events,
            options: inner.options.clone(),
            runtime: inner.runtime.clone(),
            userid: userid.to_owned(),
            name: name.to_owned(),
            stream_id: stream_id.to_owned(),
        })
    }

    /// Puts an event into the time line; `details` is an object whose members stand beside `at`
    /// and `event`.
    pub fn note(&self, event: &str, details: Value) {
        self.inner.timeline.note(event, details);
    }

    /// Does something beside, in the recorder's runtime.
    pub(crate) fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.inner.runtime.spawn(what);
    }

    /// Seconds since the recording began.
    pub fn elapsed(&self) -> f64 {
        self.inner.timeline.now()
    }

    /// Stops these streams, and completes the time line; what was recorded, in their order.
    ///
    /// # Errors
    ///
    /// If the time line cannot be written; the streams are stopped.
    pub async fn finish(&self, streams: &[StreamRecording]) -> io::Result<Vec<Recorded>> {
        let mut all = Vec::new();
        for stream in streams {
            all.push(stream.stop().await);
        }
        let timeline = self.inner.timeline.clone();
        let ended = self.inner.runtime.spawn_blocking(move || timeline.end());
        ended.await.map_err(io::Error::other)??;
        self.inner
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Ok(all)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("folder", &self.inner.folder)
            .finish_non_exhaustive()
    }
}
