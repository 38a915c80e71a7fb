//! `session.json`: who was there, which file is of whom, what happened when.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Value, json};

use super::clock::between;
use super::place::fresh;
use super::recorded::{Recorded, RecordedFile, seconds};

/// Events and streams that are kept; what comes then is counted.
const MAX_ENTRIES: usize = 100_000;
/// Between two times that it is written.
const PAUSE: Duration = Duration::from_secs(2);

/// The time line of a recording, and where it is kept.
pub(super) struct Timeline {
    path: PathBuf,
    pub(super) epoch: Instant,
    state: Mutex<State>,
    /// Who writes it has this, and when it is worth writing again.
    saving: Mutex<Instant>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    version: u32,
    /// Milliseconds since 1970, when the recording began: all times count from here.
    began: u64,
    ended: Option<f64>,
    streams: Vec<Entry>,
    events: Vec<Value>,
    events_dropped: u64,
    #[serde(skip)]
    dirty: bool,
}

/// A stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    userid: String,
    name: String,
    stream: String,
    from: f64,
    to: Option<f64>,
    files: Vec<Value>,
    gaps: Value,
    passed_over: u64,
    overrun: u64,
    error: Option<String>,
}

impl Timeline {
    /// A new file in the folder.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let first = folder.join("session.json");
        let path = match File::create_new(&first) {
            Ok(_) => first,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fresh(folder, "session", "json", |path| File::create_new(path))?.0
            }
            Err(error) => return Err(error),
        };
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let timeline = Self {
            path,
            epoch: Instant::now(),
            saving: Mutex::new(Instant::now()),
            state: Mutex::new(State {
                version: 1,
                began: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                ended: None,
                streams: Vec::new(),
                events: Vec::new(),
                events_dropped: 0,
                dirty: true,
            }),
        };
        timeline.save()?;
        Ok(timeline)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since it began.
    pub(super) fn now(&self) -> f64 {
        seconds(between(self.epoch, Instant::now()))
    }

    /// Something happened; `details` is an object.
    pub(super) fn note(&self, event: &str, details: Value) {
        let at = self.now();
        let mut state = self.lock();
        if state.events.len() >= MAX_ENTRIES {
            state.events_dropped = state.events_dropped.saturating_add(1);
            return;
        }
        let mut entry = json!({ "at": at, "event": event });
        if let (Value::Object(entry), Value::Object(details)) = (&mut entry, details) {
            entry.extend(details);
        }
        state.events.push(entry);
        state.dirty = true;
    }

    /// A stream is recorded; its number.
    pub(super) fn stream(&self, userid: &str, name: &str, stream: &str) -> usize {
        let from = self.now();
        let mut state = self.lock();
        state.dirty = true;
        if state.streams.len() >= MAX_ENTRIES {
            return usize::MAX;
        }
        {
            state.streams.push(Entry {
                userid: userid.to_owned(),
                name: name.to_owned(),
                stream: stream.to_owned(),
                from,
                to: None,
                files: Vec::new(),
                gaps: json!([]),
                passed_over: 0,
                overrun: 0,
                error: None,
            });
        }
        state.streams.len().saturating_sub(1)
    }

    /// What there is of a stream by now; `over` if that is all.
    pub(super) fn recorded(&self, number: usize, recorded: &Recorded, over: bool) {
        let now = self.now();
        let files: Vec<Value> = recorded.files.iter().map(told).collect();
        let mut state = self.lock();
        state.dirty = true;
        let Some(entry) = state.streams.get_mut(number) else {
            return;
        };
        entry.files = files;
        entry.gaps = serde_json::to_value(&recorded.gaps).unwrap_or_default();
        entry.passed_over = recorded.passed_over;
        entry.overrun = recorded.overrun;
        entry.error.clone_from(&recorded.error);
        if over {
            entry.to = Some(now);
        }
    }

    pub(super) fn end(&self) -> io::Result<()> {
        let now = self.now();
        let mut state = self.lock();
        state.ended = Some(now);
        state.dirty = true;
        drop(state);
        self.save()
    }

    /// Writes it if it has changed and was not written just now.
    pub(super) fn save_soon(&self) -> io::Result<()> {
        let due = *self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        match Instant::now() < due {
            true => Ok(()),
            false => self.save(),
        }
    }

    /// Writes it if it has changed: beside, then into its place, so that a whole one is there at
    /// any time.
    pub(super) fn save(&self) -> io::Result<()> {
        let mut due = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let text = {
            let mut state = self.lock();
            if !std::mem::take(&mut state.dirty) {
                return Ok(());
            }
            serde_json::to_vec_pretty(&*state).map_err(io::Error::other)?
        };
        let beside = self.path.with_extension("json.part");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        drop(file);
        std::fs::rename(&beside, &self.path)?;
        // A long one is written less often.
        let pause = began.elapsed().saturating_mul(50).max(PAUSE);
        *due = Instant::now().checked_add(pause).unwrap_or(began);
        Ok(())
    }
}

/// By its name alone: the folder may be moved.
fn told(file: &RecordedFile) -> Value {
    let mut value = serde_json::to_value(file).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        object.remove("path");
        object.insert("file".to_owned(), name.into());
    }
    value
}
