//! One stream that is recorded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ortc::{Kind, MediaSample, MediaStreamTrack, MediaTap, SenderClock};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::interval;

use super::assembler::{Arrived, Assembler};
use super::codec::RecordedCodec;
use super::event::RecordEvent;
use super::options::RecordOptions;
use super::plan::Plan;
use super::recorded::Recorded;
use super::snapshot::Snapshot;
use super::timeline::Timeline;
use super::worker::{Input, Load, Worker};

/// Tracks of one stream that are recorded.
const MAX_TRACKS: usize = 16;
/// How often what the sender says of its clock is looked up.
const LOOK: Duration = Duration::from_millis(500);

/// A stream that is recorded. Cloning gives another handle; when the last one is dropped, its
/// recorder's included, the recording stops.
#[derive(Clone)]
pub struct StreamRecording {
    inner: Arc<Inner>,
}

struct Inner {
    inputs: mpsc::UnboundedSender<Input>,
    load: Arc<Load>,
    runtime: runtime::Handle,
    options: RecordOptions,
    tracks: Mutex<Vec<MediaStreamTrack>>,
}

/// What a recording of a stream is made of.
pub(super) struct Begin {
    pub(super) plan: Plan,
    pub(super) timeline: Arc<Timeline>,
    pub(super) events: mpsc::Sender<RecordEvent>,
    pub(super) options: RecordOptions,
    pub(super) runtime: runtime::Handle,
    pub(super) userid: String,
    pub(super) name: String,
    pub(super) stream_id: String,
}

impl StreamRecording {
    pub(super) fn begin(begin: Begin) -> Self {
        let (inputs, outputs) = mpsc::unbounded_channel();
        let load = Arc::<Load>::default();
        let number = begin
            .timeline
            .stream(&begin.userid, &begin.name, &begin.stream_id);
        let worker = Worker {
            assembler: Assembler::new(begin.plan),
            timeline: begin.timeline,
            number,
            userid: begin.userid,
            stream_id: begin.stream_id,
            events: begin.events,
            load: load.clone(),
            taps: Vec::new(),
            error: None,
            begun: 0,
        };
        begin.runtime.spawn_blocking(move || worker.run(outputs));
        let ticks = inputs.downgrade();
        begin.runtime.spawn(async move {
            let mut second = interval(Duration::from_secs(1));
            loop {
                second.tick().await;
                let sent = ticks.upgrade().map(|ticks| ticks.send(Input::Tick));
                if !matches!(sent, Some(Ok(()))) {
                    return;
                }
            }
        });
        Self {
            inner: Arc::new(Inner {
                inputs,
                load,
                runtime: begin.runtime,
                options: begin.options,
                tracks: Mutex::default(),
            }),
        }
    }

    /// Records a track, too: one that is received, or one that is written to. False if it is not of
    /// the kinds that are wanted, is recorded already, or there are too many.
    pub fn add_track(&self, track: &MediaStreamTrack) -> bool {
        let inner = &self.inner;
        if !inner.options.wants(track.kind()) || inner.load.is_over() {
            return false;
        }
        let mut tracks = inner.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        if tracks.len() >= MAX_TRACKS || tracks.contains(track) {
            return false;
        }
        let Some(tap) = track.tap().map(Arc::new) else {
            return false;
        };
        let number = tracks.len();
        tracks.push(track.clone());
        // Under the lock: numbers go in order.
        let known = inner.inputs.send(Input::Track(track.kind(), tap.clone()));
        drop(tracks);
        let reader = Reader {
            tap,
            number,
            inputs: inner.inputs.downgrade(),
            load: inner.load.clone(),
            clock: None,
            looked: None,
            lost: false,
            refused: None,
        };
        inner.runtime.spawn(reader.read());
        known.is_ok()
    }

    /// The last key frame of its video, as a picture. Cancel-safe.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (answer, answered) = oneshot::channel();
        self.inner.inputs.send(Input::Snapshot(answer)).ok()?;
        answered.await.ok().flatten()
    }

    /// Stops recording, completes the files, and says what there is. A second time it says the
    /// same. Cancel-safe: it stops all the same.
    pub async fn stop(&self) -> Recorded {
        let (answer, answered) = oneshot::channel();
        // Of one that is stopped nobody takes it, and the result is there.
        let _ = self.inner.inputs.send(Input::Stop(answer));
        let _ = answered.await;
        self.inner.load.result.get().cloned().unwrap_or_default()
    }
}

impl std::fmt::Debug for StreamRecording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamRecording").finish_non_exhaustive()
    }
}

/// Reads a track for as long as it is recorded.
struct Reader {
    tap: Arc<MediaTap>,
    number: usize,
    inputs: mpsc::WeakUnboundedSender<Input>,
    load: Arc<Load>,
    clock: Option<SenderClock>,
    looked: Option<Instant>,
    /// Something was dropped here.
    lost: bool,
    /// A codec that was said not to be recorded.
    refused: Option<String>,
}

impl Reader {
    async fn read(mut self) {
        loop {
            let sample = tokio::select! {
                sample = self.tap.recv_sample() => sample,
                // Nothing may come for a long time.
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    if self.load.is_over() || self.inputs.strong_count() == 0 {
                        return;
                    }
                    continue;
                }
            };
            let Some(inputs) = self.inputs.upgrade() else {
                return;
            };
            let Some(sample) = sample else {
                let _ = inputs.send(Input::Ended(self.number));
                return;
            };
            if self.load.is_over() {
                return;
            }
            self.take(&inputs, sample);
        }
    }

    fn take(&mut self, inputs: &mpsc::UnboundedSender<Input>, sample: MediaSample) {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            self.clock = self.tap.sender_clock();
        }
        let named = self.tap.codec(sample.payload_type);
        let codec = named
            .as_ref()
            .and_then(|codec| RecordedCodec::from_name(&codec.name));
        if let (Some(named), None) = (&named, codec) {
            if self.refused.as_ref() != Some(&named.name) {
                self.refused = Some(named.name.clone());
                let _ = inputs.send(Input::NotRecorded(named.name.clone()));
            }
            return;
        }
        if !self.load.add(sample.data.len()) {
            self.lost = true;
            return;
        }
        let lost = sample.lost_before > 0 || sample.dropped_before > 0;
        let frame = Arrived {
            timestamp: sample.timestamp,
            rate: sample.clock_rate,
            at: sample.received,
            codec,
            key: sample.keyframe == Some(true) || self.tap.track().kind() == Kind::Audio,
            lost: std::mem::take(&mut self.lost) || lost,
            sender: self.clock,
            reports: self.tap.track().is_remote(),
            data: sample.data,
        };
        let _ = inputs.send(Input::Frame(self.number, frame));
    }
}
