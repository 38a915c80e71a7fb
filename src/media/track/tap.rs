//! Another reader of a track, beside whoever reads or sends it: for recordings.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::event::MediaStreamTrackEvent;
use super::origin::SenderClock;
use super::outlets::{ForwardedBatch, MediaSink, Reception};
use super::reader::Reader;
use super::{End, MediaStreamTrack};
use crate::dtmf::Command;
use crate::error::Result;
use crate::media::{Kind, MediaSample, RTCCodec, TimestampClock};
use crate::queue::{Queue, lock};
use crate::rtp::{AudioLevel, RtpPacket};

/// Frames of a local track that wait for a tap.
const MAX_WAITING_FRAMES: usize = 256;
/// A pause in what is written, beyond what the durations say, is one in the timestamps.
const PAUSE: Duration = Duration::from_millis(200);

/// Another reader of a track, from when it was made: [`MediaStreamTrack::tap`].
///
/// Of a local track it reads what is written with
/// [`write_sample`](MediaStreamTrack::write_sample), not what is written as packets.
pub struct MediaTap {
    track: MediaStreamTrack,
    end: TapEnd,
}

enum TapEnd {
    Remote(Arc<Reader>),
    Local(Arc<LocalTap>),
}

impl MediaTap {
    pub(super) fn remote(track: &MediaStreamTrack, reader: Arc<Reader>) -> Self {
        Self {
            track: track.clone(),
            end: TapEnd::Remote(reader),
        }
    }

    pub(super) fn local(track: &MediaStreamTrack) -> Self {
        let tap = Arc::new(LocalTap::new(track.kind()));
        let sink: Weak<LocalTap> = Arc::downgrade(&tap);
        track.attach(sink, 0);
        if track.kind() == Kind::Video {
            track.emit(MediaStreamTrackEvent::KeyframeRequested);
        }
        Self {
            track: track.clone(),
            end: TapEnd::Local(tap),
        }
    }

    /// The track.
    pub fn track(&self) -> &MediaStreamTrack {
        &self.track
    }

    /// The next frame, as [`MediaStreamTrack::recv_sample`] has it. `None` when a remote track has
    /// ended; a local one does not end.
    ///
    /// Samples of a local track have no sequence numbers, payload type 0 and timestamps of 48,000
    /// (audio) or 90,000 (video) a second, which go by the durations that were written, and over
    /// pauses by the time that passed.
    ///
    /// Cancel-safe. Of a remote track at most 2,048 packets wait, of a local one 256 frames; then
    /// the oldest are dropped.
    pub async fn recv_sample(&self) -> Option<MediaSample> {
        match (&self.end, &self.track.inner.end) {
            (TapEnd::Remote(reader), End::Remote(remote, _)) => remote.recv_tapped(reader).await,
            (TapEnd::Local(tap), _) => tap.frames.pop().await,
            _ => None,
        }
    }

    /// What was dropped because it was not read: packets, or frames of a local track.
    pub fn dropped(&self) -> u64 {
        match &self.end {
            TapEnd::Remote(reader) => reader.dropped(),
            TapEnd::Local(tap) => tap.frames.dropped(),
        }
    }

    /// The codec that a sample's payload type means, as the track was described; `None` for a
    /// local track, whose codec is each connection's.
    pub fn codec(&self, payload_type: u8) -> Option<RTCCodec> {
        match &self.track.inner.end {
            End::Remote(remote, _) => remote.codec(payload_type),
            End::Local(_) | End::Dtmf(_) => None,
        }
    }

    /// Asks for a key frame: the sender of a remote track, or who feeds a local one
    /// ([`KeyframeRequested`](MediaStreamTrackEvent::KeyframeRequested)).
    pub fn request_keyframe(&self) {
        match &self.end {
            TapEnd::Remote(_) => self.track.request_keyframe(),
            TapEnd::Local(_) => self.track.emit(MediaStreamTrackEvent::KeyframeRequested),
        }
    }

    /// As [`MediaStreamTrack::sender_clock`]; of a local track by this side's own clock, since when
    /// it was first written to.
    pub fn sender_clock(&self) -> Option<SenderClock> {
        match &self.end {
            TapEnd::Remote(_) => self.track.sender_clock(),
            TapEnd::Local(tap) => lock(&tap.clock).report(),
        }
    }
}

impl MediaStreamTrack {
    /// Another reader of the track from now on, beside whoever reads or sends it. Of video a key
    /// frame is asked for. `None` if there are eight, or it is one
    /// of digits.
    pub fn tap(&self) -> Option<MediaTap> {
        match &self.inner.end {
            End::Remote(remote, _) => Some(MediaTap::remote(self, remote.tap()?)),
            End::Local(_) => Some(MediaTap::local(self)),
            End::Dtmf(_) => None,
        }
    }
}

impl std::fmt::Debug for MediaTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaTap")
            .field("track", &self.track)
            .finish_non_exhaustive()
    }
}

/// Takes what is written to a local track, as a connection does.
struct LocalTap {
    frames: Queue<MediaSample>,
    clock: Mutex<LocalClock>,
}

struct LocalClock {
    rate: u32,
    ticks: TimestampClock,
    timestamp: u32,
    /// When the next frame is due.
    due: Option<Instant>,
    /// When the first was written, whose timestamp is 0, and ticks since.
    began: Option<Instant>,
    total: u64,
}

/// What the clocks of local tracks count from.
static EPOCH: OnceLock<Instant> = OnceLock::new();

impl LocalTap {
    fn new(kind: Kind) -> Self {
        let rate = match kind {
            Kind::Video => 90_000,
            Kind::Audio | Kind::Dtmf => 48_000,
        };
        Self {
            frames: Queue::new(MAX_WAITING_FRAMES),
            clock: Mutex::new(LocalClock {
                rate,
                ticks: TimestampClock::new(rate),
                timestamp: 0,
                due: None,
                began: None,
                total: 0,
            }),
        }
    }
}

impl LocalClock {
    /// The timestamp of a frame that is written now.
    fn at(&mut self, now: Instant, duration: Duration) -> u32 {
        self.began.get_or_insert(now);
        EPOCH.get_or_init(|| now);
        let due = self.due.unwrap_or(now);
        let late = now.saturating_duration_since(due);
        let pause = if late > PAUSE { late } else { Duration::ZERO };
        let (before, lasts) = (self.ticks.advance(pause), self.ticks.advance(duration));
        let timestamp = self.timestamp.wrapping_add(before);
        self.timestamp = timestamp.wrapping_add(lasts);
        self.total = self
            .total
            .saturating_add(u64::from(before))
            .saturating_add(u64::from(lasts));
        self.due = due.checked_add(pause.saturating_add(duration));
        timestamp
    }

    /// When the next frame is due, as a report tells it: local tracks have one clock in common.
    fn report(&self) -> Option<SenderClock> {
        let began = self.began?;
        let nanos = u128::from(self.total).saturating_mul(1_000_000_000) / u128::from(self.rate);
        let media = Duration::from_nanos(u64::try_from(nanos).ok()?);
        let since = began.saturating_duration_since(*EPOCH.get()?);
        let since = since.checked_add(media)?;
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        let ntp = (since.as_secs() << 32) | fraction;
        Some(SenderClock::new(ntp, self.timestamp, began))
    }
}

impl MediaSink for LocalTap {
    fn write_sample(
        &self,
        _key: u32,
        data: &Bytes,
        duration: Duration,
        level: Option<AudioLevel>,
    ) -> Result<()> {
        let now = Instant::now();
        let mut clock = lock(&self.clock);
        let timestamp = clock.at(now, duration);
        self.frames.push(MediaSample {
            data: data.clone(),
            timestamp,
            clock_rate: clock.rate,
            payload_type: 0,
            marker: false,
            keyframe: None,
            csrcs: Vec::new(),
            audio_level: level,
            lost_before: 0,
            dropped_before: 0,
            first_sequence_number: 0,
            last_sequence_number: 0,
            received: now,
        });
        Ok(())
    }

    fn write_rtp(&self, _key: u32, _packet: &RtpPacket) -> Result<()> {
        Ok(())
    }

    fn play_dtmf(&self, _key: u32, _command: &Command) -> Result<()> {
        Ok(())
    }

    fn forward(&self, _key: u32, _batch: &ForwardedBatch<'_>) -> bool {
        false
    }

    fn takes(&self, _key: u32) -> bool {
        false
    }

    fn reception(&self, _key: u32) -> Option<Reception> {
        None
    }

    fn forget_sent(&self, _key: u32) {}

    fn may_forward(&self, _key: u32, _codecs: &[RTCCodec]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_by_durations_and_over_pauses_by_time() {
        let mut clock = LocalTap::new(Kind::Audio).clock.into_inner().unwrap();
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut at = |time| clock.at(start + ms(time), ms(20));
        // Bursts and small delays change nothing.
        let times = [0, 0, 90, 91].map(&mut at);
        assert_eq!(times, [0, 960, 1920, 2880]);
        // Due at 80 ms.
        assert_eq!(at(1_080), 3840 + 48_000);
        assert_eq!(at(1_100), 3840 + 48_000 + 960);
        let report = clock.report().unwrap();
        assert_eq!(report.rtp_timestamp, 3840 + 48_000 + 1_920);
    }

    #[tokio::test]
    async fn a_tap_reads_what_is_written_to_a_local_track() {
        let track = MediaStreamTrack::video();
        let tap = track.tap().unwrap();
        track
            .write_sample(vec![1, 2], Duration::from_millis(40))
            .unwrap();
        track
            .write_sample(vec![3], Duration::from_millis(40))
            .unwrap();
        let first = tap.recv_sample().await.unwrap();
        let second = tap.recv_sample().await.unwrap();
        assert_eq!((&first.data[..], first.timestamp), (&[1, 2][..], 0));
        assert_eq!((&second.data[..], second.timestamp), (&[3][..], 3600));
        drop(tap);
        track
            .write_sample(vec![4], Duration::from_millis(40))
            .unwrap();
    }
}
