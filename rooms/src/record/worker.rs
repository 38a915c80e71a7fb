//! What writes a stream's files: a thread that may wait for the disk.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ortc::{Kind, MediaTap};
use tokio::sync::{mpsc, oneshot};

use super::assembler::{Arrived, Assembler, Wants};
use super::event::RecordEvent;
use super::recorded::Recorded;
use super::snapshot::Snapshot;
use super::timeline::Timeline;

/// Frames that wait for the disk, and bytes; what comes then is dropped, a gap.
const MAX_FRAMES: usize = 2_048;
const MAX_BYTES: usize = 32 << 20;
/// Between two wishes for a key frame.
const ASK: Duration = Duration::from_millis(500);

/// What comes to be written.
pub(super) enum Input {
    Track(Kind, Arc<MediaTap>),
    Frame(usize, Arrived),
    Ended(usize),
    Tick,
    NotRecorded(String),
    Snapshot(oneshot::Sender<Option<Snapshot>>),
    Stop(oneshot::Sender<()>),
}

/// What waits for the disk.
#[derive(Default)]
pub(super) struct Load {
    frames: AtomicUsize,
    bytes: AtomicUsize,
    overrun: AtomicU64,
    /// Nothing is written any more.
    over: AtomicBool,
    /// What there is at the end.
    pub(super) result: OnceLock<Recorded>,
}

impl Load {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// False if there is no room for the frame.
    pub(super) fn add(&self, bytes: usize) -> bool {
        let frames = self.frames.fetch_add(1, Ordering::Relaxed);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = frames < MAX_FRAMES && held.saturating_add(bytes) <= MAX_BYTES;
        if !fits {
            self.remove(bytes);
            self.overrun.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    fn remove(&self, bytes: usize) {
        self.frames.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

pub(super) struct Worker {
    pub(super) assembler: Assembler,
    pub(super) timeline: Arc<Timeline>,
    pub(super) number: usize,
    pub(super) userid: String,
    pub(super) stream_id: String,
    pub(super) events: mpsc::Sender<RecordEvent>,
    pub(super) load: Arc<Load>,
    /// With when a key frame was last asked for.
    pub(super) taps: Vec<(Arc<MediaTap>, Option<Instant>)>,
    pub(super) error: Option<String>,
    pub(super) begun: usize,
}

impl Worker {
    /// Until it is stopped, or nobody has it any more.
    pub(super) fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        while let Some(input) = inputs.blocking_recv() {
            match input {
                Input::Track(kind, tap) => {
                    self.assembler.track(kind);
                    self.taps.push((tap, None));
                }
                Input::Frame(track, frame) => {
                    self.load.remove(frame.data.len());
                    self.frame(track, frame);
                }
                Input::Ended(track) => self.tried(|assembler| assembler.ended(track)),
                Input::Tick => self.tick(),
                Input::NotRecorded(codec) => self.tell(RecordEvent::NotRecorded {
                    userid: self.userid.clone(),
                    stream_id: self.stream_id.clone(),
                    codec,
                }),
                Input::Snapshot(answer) => {
                    let _ = answer.send(self.assembler.snapshot());
                }
                Input::Stop(answer) => {
                    self.stop();
                    let _ = answer.send(());
                    return;
                }
            }
        }
        self.stop();
    }

    fn frame(&mut self, track: usize, frame: Arrived) {
        if self.error.is_some() {
            return;
        }
        let mut wants = Wants::default();
        self.tried(|assembler| assembler.frame(track, frame).map(|found| wants = found));
        let now = Instant::now();
        for (number, (tap, asked)) in self.taps.iter_mut().enumerate().take(64) {
            let lately = asked.is_some_and(|at| now.saturating_duration_since(at) < ASK);
            if wants.keys >> number & 1 == 1 && !lately {
                *asked = Some(now);
                tap.request_keyframe();
            }
        }
        self.tell_files();
    }

    fn tick(&mut self) {
        if self.error.is_none() {
            self.tried(|assembler| assembler.tick(Instant::now()));
            self.tell_files();
            let recorded = self.recorded();
            self.timeline.recorded(self.number, &recorded, false);
        }
        if let Err(error) = self.timeline.save_soon() {
            tracing::debug!(target: "ortc_rooms::record", %error, "session.json");
        }
    }

    /// Files that were begun since.
    fn tell_files(&mut self) {
        let done = self.assembler.done.len();
        let open = self.assembler.open();
        let count = done.saturating_add(open.len());
        if count <= self.begun {
            return;
        }
        let all: Vec<_> = self.assembler.done.iter().cloned().chain(open).collect();
        for file in all.into_iter().skip(self.begun) {
            self.tell(RecordEvent::File {
                userid: self.userid.clone(),
                stream_id: self.stream_id.clone(),
                file,
            });
        }
        self.begun = count;
    }

    /// An error of a file is the end of this stream's recording, and of no other.
    fn tried(&mut self, what: impl FnOnce(&mut Assembler) -> io::Result<()>) {
        if self.error.is_some() {
            return;
        }
        let Err(error) = what(&mut self.assembler) else {
            return;
        };
        self.load.over.store(true, Ordering::Relaxed);
        self.taps.clear();
        // What is there stays, as far as it can be completed.
        let _ = self.assembler.finish();
        let error = error.to_string();
        self.error = Some(error.clone());
        let recorded = self.recorded();
        self.timeline.recorded(self.number, &recorded, false);
        self.tell(RecordEvent::Failed {
            userid: self.userid.clone(),
            stream_id: self.stream_id.clone(),
            error,
        });
    }

    fn stop(&mut self) {
        self.tried(Assembler::finish);
        self.load.over.store(true, Ordering::Relaxed);
        self.taps.clear();
        self.tell_files();
        let recorded = self.recorded();
        self.timeline.recorded(self.number, &recorded, true);
        let _ = self.timeline.save();
        let _ = self.load.result.set(recorded.clone());
        self.tell(RecordEvent::Stopped {
            userid: self.userid.clone(),
            stream_id: self.stream_id.clone(),
            recorded,
        });
    }

    fn recorded(&self) -> Recorded {
        let mut files = self.assembler.done.clone();
        files.extend(self.assembler.open());
        Recorded {
            files,
            gaps: self.assembler.gaps.clone(),
            passed_over: self.assembler.passed_over(),
            overrun: self.load.overrun.load(Ordering::Relaxed),
            error: self.error.clone(),
        }
    }

    fn tell(&self, event: RecordEvent) {
        let _ = self.events.try_send(event);
    }
}
