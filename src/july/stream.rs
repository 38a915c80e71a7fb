//! RTCMediaStream: a stream as one connection sends or receives it.

// Rows B46 to B51, C10.

use super::{RTCMediaStreamDescription, RTCMediaStreamTrackDescription};
use crate::connection::RTCConnection;
use crate::error::{Error, Result};
use crate::media::Kind;
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::socket::RTCSocket;

/// A [`MediaStream`] together with the connection that sends or receives it, so that it can be
/// described and stopped.
#[derive(Debug, Clone)]
pub struct RTCMediaStream {
    connection: RTCConnection,
    stream: MediaStream,
}

impl RTCMediaStream {
    pub(super) fn new(connection: &RTCConnection, stream: MediaStream) -> Self {
        Self {
            connection: connection.clone(),
            stream,
        }
    }

    /// The stream itself.
    pub fn stream(&self) -> &MediaStream {
        &self.stream
    }

    // Row B47.
    /// Adds a track, see [`MediaStream::add_track`].
    #[doc(alias = "addTrack")]
    pub fn add_track(&self, track: &MediaStreamTrack) -> MediaStreamTrack {
        self.stream.add_track(track)
    }

    // Row B48.
    /// Removes a track, with BYE.
    #[doc(alias = "removeTrack")]
    pub fn remove_track(&self, track: &MediaStreamTrack) {
        self.stream.remove_track(track);
    }

    // Row B49.
    /// The stream's tracks as they are now.
    #[doc(alias = "getDescription")]
    pub fn description(&self) -> RTCMediaStreamDescription {
        let describe = |track: &MediaStreamTrack| {
            let description = match self.connection.track(track) {
                Some(sending) => sending.description().ok(),
                None => self.connection.received_description(track),
            };
            Some(RTCMediaStreamTrackDescription::new(track, &description?))
        };
        RTCMediaStreamDescription {
            stream_id: Some(self.stream.id().to_owned()),
            tracks: self.stream.tracks().iter().filter_map(describe).collect(),
        }
    }

    // Row B50.
    /// Changes the tracks as described: for sent tracks, told by `track-id` or by their place, the
    /// codecs and limits; for received ones, told by `ssrc`, what is expected. Tracks that are not
    /// mentioned stay as they are.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a track that is not of this stream; as
    /// [`receive_track`](RTCConnection::receive_track) and
    /// [`RTCTrack::set_description`](crate::RTCTrack::set_description).
    #[doc(alias = "setDescription")]
    pub fn set_description(&self, description: &RTCMediaStreamDescription) -> Result<()> {
        if self.stream.is_remote() {
            let mut description = description.clone();
            description.stream_id = Some(self.stream.id().to_owned());
            return self.connection.receive_stream(&description);
        }
        self.take_over(description)
    }

    /// A described track is the one with its `track-id`, or, without one, the one at its place
    /// among the tracks of its kind.
    pub(super) fn take_over(&self, description: &RTCMediaStreamDescription) -> Result<()> {
        let tracks = self.stream.tracks();
        let mut seen: Vec<Kind> = Vec::new();
        for described in &description.tracks {
            let place = seen.iter().filter(|kind| **kind == described.kind).count();
            seen.push(described.kind);
            let found = match &described.track_id {
                Some(id) => tracks.iter().find(|track| track.id() == id),
                None => {
                    let mut same = tracks.iter().filter(|t| t.kind() == described.kind);
                    same.nth(place)
                }
            };
            let track =
                found.ok_or_else(|| Error::invalid_access("no such track in this stream"))?;
            let sending = match self.socket_of(described)? {
                Some(socket) => Some(self.connection.set_track_socket(track, &socket)?),
                None => self.connection.track(track),
            };
            sending
                .ok_or_else(|| Error::invalid_access("no such track in this stream"))?
                .set_description(described)?;
        }
        Ok(())
    }

    /// The socket that a description names, `None` if it names none.
    fn socket_of(&self, described: &RTCMediaStreamTrackDescription) -> Result<Option<RTCSocket>> {
        let Some(id) = described.socket_id.as_ref().filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let mut sockets = self.connection.sockets().into_iter();
        let found = sockets.find(|socket| socket.id() == *id).map(Some);
        found.ok_or_else(|| Error::invalid_access("no such socket on this connection"))
    }

    // Rows B51, G9.
    /// Stops all tracks: sent ones with BYE, received ones end.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn stop(&self) -> Result<()> {
        if self.connection.remove_stream(&self.stream)? {
            return Ok(());
        }
        for description in self.description().tracks {
            if let Some(ssrc) = description.ssrc {
                self.connection.stop_receiving(ssrc)?;
            }
        }
        Ok(())
    }
}

impl RTCConnection {
    fn received_description(&self, track: &MediaStreamTrack) -> Option<crate::RTCTrackDescription> {
        let of = |leg: &Self| {
            let state = leg.shared().lock();
            state.receiving.description_of(track).cloned()
        };
        of(self).or_else(|| self.legs().iter().find_map(of))
    }
}
