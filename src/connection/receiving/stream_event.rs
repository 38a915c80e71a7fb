//! The events of July that are for whoever asks for them: what happens to all streams and tracks of
//! a connection, in one place.

// Rows B16 to B18, B52 to B55, C12, C13.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contributors::RTCContributor;
use crate::connection::stats::rtp::{
    RTCInboundRtpStats, RTCOutboundRtpStats, RTCRemoteInboundRtpStats,
};
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::queue::Queue;

/// Events that wait for the application; when full the oldest is dropped.
const MAX_WAITING: usize = 1_024;

/// Reports that wait; further ones are left out until some are read.
const MAX_REPORTS: usize = 128;

/// What happens to a stream or a track of a connection. [`name`](Self::name) gives July's name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RTCStreamEvent {
    // Row B16.
    /// RTP of the first of the tracks of a received stream has come.
    StreamConnected(MediaStream),
    // Row B17.
    /// BYE or silence of the last of its tracks.
    StreamDisconnected(MediaStream),
    // Rows B18, G38.
    /// The statistics of a stream, sent or received.
    StreamReport {
        /// The stream.
        stream: MediaStream,
        /// Its tracks.
        report: RTCMediaReport,
    },
    // Row B52.
    /// RTP of a received track has come.
    TrackConnected(MediaStreamTrack),
    // Row B53.
    /// BYE or silence.
    TrackDisconnected(MediaStreamTrack),
    // Row B54.
    /// The contributing sources of a received track have changed.
    TrackContributors {
        /// The track.
        track: MediaStreamTrack,
        /// Those heard in the last ten seconds.
        contributors: Vec<RTCContributor>,
    },
    // Rows B55, G38.
    /// The statistics of a track, sent or received.
    TrackReport {
        /// The track.
        track: MediaStreamTrack,
        /// Its sources.
        report: RTCMediaReport,
    },
}

/// Statistics of a stream or a track.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RTCMediaReport {
    /// The sources received.
    pub inbound_rtp: Vec<RTCInboundRtpStats>,
    /// The sources sent.
    pub outbound_rtp: Vec<RTCOutboundRtpStats>,
    /// What the peer says of them.
    pub remote_inbound_rtp: Vec<RTCRemoteInboundRtpStats>,
}

impl RTCStreamEvent {
    /// July's name of the event.
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
    /// One, and what it sees; with reports every so long, the next at this time.
    pub(crate) fn new(reports: Option<(Duration, Instant)>) -> (Self, RTCStreamEvents) {
        let queue = Arc::new(Queue::new(MAX_WAITING));
        let watch = Self {
            queue: Some(queue.clone()),
            reports,
            of_leg: false,
        };
        (watch, RTCStreamEvents { queue })
    }

    /// How often reports are wanted, and when the next is due.
    pub(crate) fn reports(&self) -> Option<(Duration, Instant)> {
        self.reports
    }

    /// Tells reports; the next are due at this time.
    pub(crate) fn reported(&mut self, next: Instant, reports: Vec<RTCStreamEvent>) {
        if let Some((_, due)) = &mut self.reports {
            *due = next;
        }
        if let Some(queue) = &self.queue {
            for report in reports {
                queue.push_limited(report, MAX_REPORTS, RTCStreamEvent::is_report);
            }
        }
    }

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

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.reports.map(|(_, next)| next)
    }
}

impl Drop for StreamWatch {
    fn drop(&mut self) {
        self.end();
    }
}
