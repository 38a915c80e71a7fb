//! The statistics of streams and tracks as events, for whoever asks for them.

// Rows B18, B55, G38.

use std::time::{Duration, Instant};

use super::stream_event::{RTCMediaReport, RTCStreamEvent, RTCStreamEvents, StreamWatch};
use crate::connection::RTCConnection;
use crate::connection::core::state::ConnectionState;
use crate::error::Result;
use crate::media::track::MediaStreamTrack;

/// Reports more often than this would cost more than they tell.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// What happens to streams and tracks.
impl RTCConnection {
    // Rows C12, C13.
    /// What happens to this connection's streams and tracks from now on. With `reports`, the
    /// statistics of each come as well, at that interval (at least 100 ms). Asking again ends the
    /// events asked for before.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn stream_events(&self, reports: Option<Duration>) -> Result<RTCStreamEvents> {
        let (watch, events) = StreamWatch::new(reports.map(|interval| {
            let interval = interval.clamp(MIN_INTERVAL, Duration::from_secs(86_400));
            (interval, Instant::now() + interval)
        }));
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
        Ok(events)
    }
}

impl ConnectionState {
    /// Makes the reports that are due.
    pub(crate) fn report(&mut self, now: Instant) {
        let Some((interval, next)) = self.receiving.watch().reports() else {
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
                inbound_rtp: inbound
                    .filter(|s| received.contains(&s.ssrc))
                    .cloned()
                    .collect(),
                outbound_rtp: outbound
                    .filter(|s| sent.contains(&s.ssrc))
                    .cloned()
                    .collect(),
                remote_inbound_rtp: remote_inbound
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
        self.receiving.watch_mut().reported(now + interval, events);
    }
}
