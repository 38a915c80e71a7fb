//! One who sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ortc::{Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent, RTCCodec, RTCCodecParam};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::frame::{self, Stamp};

/// What opus takes for 20 ms at 32 kbit/s.
const SOUND: (usize, Duration) = (80, Duration::from_millis(20));
/// A key frame by itself, and how much larger it is than others.
const KEYS: Duration = Duration::from_secs(10);
const KEY_SIZE: usize = 4;
/// Between two key frames that are asked for.
const KEY_PAUSE: Duration = Duration::from_millis(300);

/// What each sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Bits per second of the picture; 0: sound alone.
    pub(crate) bits: u64,
    pub(crate) pictures: u32,
}

/// A stream that goes on until this is dropped.
pub(crate) struct Publisher {
    stream: MediaStream,
    pub(crate) tracks: Vec<Sent>,
    _tasks: JoinSet<()>,
}

/// Frames of one track up to now.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) kind: Kind,
    count: Arc<AtomicU64>,
}

impl Sent {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Publisher {
    pub(crate) fn start(begun: Instant, rate: Rate) -> Self {
        let stream = MediaStream::new();
        let (mut tasks, mut tracks) = (JoinSet::new(), Vec::new());
        let mut add = |kind, size, every| {
            let sent = Sent {
                kind,
                count: Arc::default(),
            };
            let track = stream.add_track(&match kind {
                Kind::Audio => MediaStreamTrack::audio(),
                _ => MediaStreamTrack::video(),
            });
            tasks.spawn(send(track, sent.clone(), begun, size, every));
            tracks.push(sent);
        };
        add(Kind::Audio, SOUND.0, SOUND.1);
        if rate.bits > 0 {
            let every = Duration::from_secs(1) / rate.pictures.max(1);
            let bytes = rate.bits / 8 / u64::from(rate.pictures.max(1));
            add(
                Kind::Video,
                usize::try_from(bytes).unwrap_or(usize::MAX),
                every,
            );
        }
        Self {
            stream,
            tracks,
            _tasks: tasks,
        }
    }

    pub(crate) fn stream(&self) -> &MediaStream {
        &self.stream
    }

    pub(crate) fn codecs() -> [RTCCodec; 3] {
        let mut rtx = RTCCodec::new("rtx", 107);
        rtx.params = vec![RTCCodecParam::new("apt", "97")];
        [RTCCodec::opus(96), RTCCodec::vp8(97), rtx]
    }
}

async fn send(track: MediaStreamTrack, sent: Sent, begun: Instant, size: usize, every: Duration) {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let asked = AtomicBool::new(true);
    let mut last_key: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let since = last_key.map(|at| at.elapsed());
                let due = since.is_none_or(|since| {
                    since >= KEYS || (since >= KEY_PAUSE && asked.load(Ordering::Relaxed))
                });
                let key = sent.kind == Kind::Video && due;
                if key {
                    last_key = Some(Instant::now());
                    asked.store(false, Ordering::Relaxed);
                }
                let stamp = Stamp { number: sent.count(), at: begun.elapsed() };
                let size = if key { size.saturating_mul(KEY_SIZE) } else { size };
                // Nobody may be there to send it to.
                let _ = track.write_sample(frame::write(sent.kind, key, stamp, size), every);
                sent.count.fetch_add(1, Ordering::Relaxed);
            }
            event = track.next_event(), if sent.kind == Kind::Video => match event {
                Some(MediaStreamTrackEvent::KeyframeRequested) => asked.store(true, Ordering::Relaxed),
                Some(_) => {}
                None => return,
            }
        }
    }
}
