//! The events of 002 that are for whoever asks for them (rows B16 to B18, B52 to B55, C12, C13):
//! what happens to all streams and tracks of a connection, in one place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RTCConnection;
use super::contributors::RTCContributor;
use super::shared::ConnectionState;
use super::stats::rtp::{RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats};
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::queue::Queue;

/// Events that wait for the application; when full the oldest is dropped.
const MAX_WAITING: usize = 1_024;
/// Reports that wait; further ones are left out until some are read.
const MAX_REPORTS: usize = 128;
/// Reports more often than this would cost more than they tell.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// What happens to a stream or a track of a connection. [`name`](Self::name) gives 002's name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RTCStreamEvent {
    /// RTP of the first of the tracks of a received stream has come (row B16).
    StreamConnected(MediaStream),
    /// BYE or silence of the last of its tracks (row B17).
    StreamDisconnected(MediaStream),
    /// The statistics of a stream, sent or received (rows B18, G38).
    StreamReport {
        /// The stream.
        stream: MediaStream,
        /// Its tracks.
        report: RTCMediaReport,
    },
    /// RTP of a received track has come (row B52).
    TrackConnected(MediaStreamTrack),
    /// BYE or silence (row B53).
    TrackDisconnected(MediaStreamTrack),
    /// The contributing sources of a received track have changed (row B54).
    TrackContributors {
        /// The track.
        track: MediaStreamTrack,
        /// Those heard in the last ten seconds.
        contributors: Vec<RTCContributor>,
    },
    /// The statistics of a track, sent or received (rows B55, G38).
    TrackReport {
        /// The track.
        track: MediaStreamTrack,
        /// Its sources.
        report: RTCMediaReport,
    },
}

/// Statistics of a stream or a track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RTCMediaReport {
    /// The sources received.
    pub inbound: Vec<RTCInboundRtpStats>,
    /// The sources sent.
    pub outbound: Vec<RTCOutboundRtpStats>,
    /// What the peer says of them.
    pub remote_inbound: Vec<RTCRemoteInboundRtpStats>,
}

impl RTCStreamEvent {
    /// 002's name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StreamConnected(_) => "streamconnected",
            Self::StreamDisconnected(_) => "streamdisconnected",
            Self::StreamReport { .. } => "streamreport",
            Self::TrackConnected(_) => "trackconnected",
            Self::TrackDisconnected(_) => "trackdisconnected",
            Self::TrackContributors { .. } => "trackcontributors",
            Self::TrackReport { .. } => "trackreport",
        }
    }

    fn is_report(&self) -> bool {
        matches!(self, Self::StreamReport { .. } | Self::TrackReport { .. })
    }
}

/// The stream events of one connection, in order.
#[derive(Debug)]
pub struct RTCStreamEvents {
    queue: Arc<Queue<RTCStreamEvent>>,
}

impl RTCStreamEvents {
    /// The next event; `None` after the connection is closed, or asked for its stream events
    /// anew, and all are read. Cancel-safe.
    pub async fn next(&mut self) -> Option<RTCStreamEvent> {
        self.queue.pop().await
    }
}

/// Who watches the streams of a connection, and how often it wants reports.
#[derive(Default)]
pub(crate) struct StreamWatch {
    queue: Option<Arc<Queue<RTCStreamEvent>>>,
    reports: Option<(Duration, Instant)>,
    /// A further leg: the queue ends with the connection, not with it.
    of_leg: bool,
}

impl StreamWatch {
    pub(crate) fn emit(&self, event: impl FnOnce() -> RTCStreamEvent) {
        if let Some(queue) = &self.queue {
            queue.push(event());
        }
    }

    pub(crate) fn end(&mut self) {
        self.reports = None;
        if let Some(queue) = self.queue.take()
            && !self.of_leg
        {
            queue.close();
        }
    }

    /// The same for a further socket of the connection.
    pub(crate) fn for_leg(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            reports: self.reports,
            of_leg: true,
        }
    }

    /// When the next report is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.reports.map(|(_, next)| next)
    }
}

impl Drop for StreamWatch {
    fn drop(&mut self) {
        self.end();
    }
}

impl RTCConnection {
    /// What happens to this connection's streams and tracks from now on (rows C12, C13). With
    /// `reports`, the statistics of each come as well, at that interval (at least 100 ms). Asking
    /// again ends the events asked for before.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn stream_events(&self, reports: Option<Duration>) -> crate::Result<RTCStreamEvents> {
        let queue = Arc::new(Queue::new(MAX_WAITING));
        let watch = StreamWatch {
            queue: Some(queue.clone()),
            reports: reports.map(|interval| {
                let interval = interval.clamp(MIN_INTERVAL, Duration::from_secs(86_400));
                (interval, Instant::now() + interval)
            }),
            of_leg: false,
        };
        for leg in self.legs() {
            let watch = watch.for_leg();
            leg.shared().open(|state| {
                state.receiving.set_watch(watch);
                Ok(())
            })?;
        }
        self.shared().open(|state| {
            state.receiving.set_watch(watch);
            Ok(())
        })?;
        Ok(RTCStreamEvents { queue })
    }
}

impl ConnectionState {
    /// Makes the reports that are due.
    pub(crate) fn report(&mut self, now: Instant) {
        let Some((interval, next)) = self.receiving.watch().reports else {
            return;
        };
        if now < next {
            return;
        }
        let (inbound, outbound) = (self.inbound_rtp(), self.outbound_rtp());
        let remote_inbound = self.remote_inbound_rtp();
        let of = |tracks: &[MediaStreamTrack]| {
            let received = self.receiving.ssrcs_of(&self.engine, tracks);
            let sent: Vec<u32> = self
                .sending
                .values()
                .filter(|sending| tracks.contains(&sending.source))
                .map(|sending| sending.ssrc)
                .collect();
            let (inbound, outbound) = (inbound.iter(), outbound.iter());
            RTCMediaReport {
                inbound: inbound
                    .filter(|s| received.contains(&s.ssrc))
                    .cloned()
                    .collect(),
                outbound: outbound
                    .filter(|s| sent.contains(&s.ssrc))
                    .cloned()
                    .collect(),
                remote_inbound: remote_inbound
                    .iter()
                    .filter(|s| sent.contains(&s.ssrc))
                    .cloned()
                    .collect(),
            }
        };
        let mut events = Vec::new();
        let sent = self.streams.iter().map(|sending| sending.stream.clone());
        for stream in sent.chain(self.receiving.streams()) {
            let tracks = stream.tracks();
            let report = of(&tracks);
            events.push(RTCStreamEvent::StreamReport { stream, report });
            // A track that goes over another socket is reported by that one's leg.
            let sent_here = |t: &&MediaStreamTrack| t.is_remote() || self.key_of(t).is_some();
            for track in tracks.into_iter().filter(|t| sent_here(&t)) {
                let report = of(std::slice::from_ref(&track));
                events.push(RTCStreamEvent::TrackReport { track, report });
            }
        }
        let of_stream = |track: &MediaStreamTrack| {
            let mut streams = self.streams.iter();
            streams.any(|sending| sending.stream.tracks().contains(track))
        };
        for sending in self.sending.values() {
            let track = sending.source.clone();
            if !of_stream(&track) {
                let report = of(std::slice::from_ref(&track));
                events.push(RTCStreamEvent::TrackReport { track, report });
            }
        }
        let watch = self.receiving.watch_mut();
        watch.reports = Some((interval, now + interval));
        if let Some(queue) = &watch.queue {
            for event in events {
                queue.push_limited(event, MAX_REPORTS, RTCStreamEvent::is_report);
            }
        }
    }
}
