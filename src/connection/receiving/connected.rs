//! Which of the received tracks and streams are connected, and who is told of it.

use std::collections::BTreeSet;

use super::stream_event::RTCStreamEvent;
use super::tracks::Receiving;
use crate::media::stream::{MediaStream, MediaStreamEvent};
use crate::media::track::MediaStreamTrackEvent;
use crate::rtp::ReceiverId;

impl Receiving {
    pub(crate) fn streams_of(&self, id: ReceiverId) -> impl Iterator<Item = &MediaStream> {
        let msid = self
            .tracks
            .get(&id)
            .map_or(&[][..], |receiving| &receiving.description.msid);
        self.streams
            .iter()
            .filter(move |stream| msid.iter().any(|id| id == stream.id()))
    }

    pub(crate) fn is_stream_connected(&self, stream: &MediaStream) -> bool {
        self.tracks.values().any(|receiving| {
            receiving.connected
                && receiving
                    .description
                    .msid
                    .iter()
                    .any(|id| id == stream.id())
        })
    }

    pub(crate) fn connected_streams(&self) -> Vec<MediaStream> {
        let connected = self.connected_ids();
        let streams = self.streams.iter();
        streams
            .filter(|stream| connected.contains(stream.id()))
            .cloned()
            .collect()
    }

    /// Ids of the streams with a connected track.
    fn connected_ids(&self) -> BTreeSet<&str> {
        let connected = self.tracks.values().filter(|track| track.connected);
        let ids = connected.flat_map(|track| &track.description.msid);
        ids.map(String::as_str).collect()
    }

    // Rows A112, A113.
    /// The events of streams that a connected track joined or left; `before` are those
    /// that were connected.
    pub(crate) fn announce_moves(&self, before: &[MediaStream]) {
        let connected = self.connected_ids();
        for stream in &self.streams {
            match (before.contains(stream), connected.contains(stream.id())) {
                (false, true) => self.stream_connected(stream),
                (true, false) => self.stream_disconnected(stream),
                _ => {}
            }
        }
    }

    pub(crate) fn stream_connected(&self, stream: &MediaStream) {
        stream.emit(MediaStreamEvent::Connected);
        self.watch
            .emit(|| RTCStreamEvent::StreamConnected(stream.clone()));
    }

    pub(crate) fn stream_disconnected(&self, stream: &MediaStream) {
        stream.emit(MediaStreamEvent::Disconnected);
        self.watch
            .emit(|| RTCStreamEvent::StreamDisconnected(stream.clone()));
    }

    pub(crate) fn is_connected(&self, id: ReceiverId) -> bool {
        self.tracks
            .get(&id)
            .is_some_and(|receiving| receiving.connected)
    }

    // Row G34.
    /// The stream's event comes before the track's.
    pub(crate) fn connected(&mut self, id: ReceiverId) {
        for stream in self.streams_of(id) {
            if !self.is_stream_connected(stream) {
                self.stream_connected(stream);
            }
        }
        if let Some(receiving) = self.tracks.get_mut(&id) {
            receiving.connected = true;
            for track in receiving.tracks() {
                self.watch
                    .emit(|| RTCStreamEvent::TrackConnected(track.clone()));
                track.emit(MediaStreamTrackEvent::Connected);
            }
        }
    }

    pub(crate) fn disconnected(&mut self, id: ReceiverId) {
        if let Some(receiving) = self.tracks.get_mut(&id) {
            receiving.connected = false;
            if let Some(digits) = &mut receiving.digits {
                digits.end_tones();
            }
            for track in receiving.tracks() {
                track.emit(MediaStreamTrackEvent::Disconnected);
                self.watch
                    .emit(|| RTCStreamEvent::TrackDisconnected(track.clone()));
            }
        }
        for stream in self.streams_of(id) {
            if !self.is_stream_connected(stream) {
                self.stream_disconnected(stream);
            }
        }
    }

    /// The connection is over: what waits can still be read, then the tracks end.
    pub(crate) fn end(&mut self) {
        let connected: Vec<_> = self
            .tracks
            .iter()
            .filter(|(_, receiving)| receiving.connected)
            .map(|(&id, _)| id)
            .collect();
        for id in connected {
            self.disconnected(id);
        }
        for receiving in self.tracks.values_mut() {
            if let Some(digits) = &mut receiving.digits {
                digits.end();
            }
            receiving.track.end();
        }
        let own = |track: &_| {
            self.tracks
                .values()
                .any(|known| known.tracks().any(|t| t == track))
        };
        for stream in &self.streams {
            // Others of its tracks may come over another socket.
            if stream.tracks().iter().all(own) {
                stream.end();
            }
        }
        self.watch.end();
    }
}
