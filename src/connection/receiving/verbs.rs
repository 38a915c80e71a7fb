//! `receive_track` and its opposite: a track of the peer declared, joined to its streams, given up.

use std::collections::btree_map::Entry;
use std::sync::Weak;
use std::time::Instant;

use super::contributors::RTCContributor;
use super::layers::first_of;
use super::spec::receiver_spec;
use super::track::ReceivingTrack;
use crate::connection::RTCConnection;
use crate::connection::core::event::RTCConnectionEvent;
use crate::connection::core::state::ConnectionState;
use crate::dtmf::DTMFMediaStreamTrack;
use crate::error::{Error, Result};
use crate::media::RTCTrackDescription;
use crate::media::stream::MediaStream;
use crate::media::track::{MediaOrigin, MediaStreamTrack};
use crate::rtp::ReceiverId;
/// What is received.
impl RTCConnection {
    // Rows A28, A37, A78, G11, G16, A89, A79.
    /// Readies reception of a track that the peer described, and gives the track that its media
    /// will come from.
    ///
    /// An `AddStream` event follows for each `msid` that no other receiving track has. The same
    /// `ssrc` and kind again updates the track; where there is none, the same MID and kind, and one of
    /// its RIDs if it has some. Packets that came before the description are not
    /// lost: up to 256 of each source are kept.
    ///
    /// Where the codecs hold `dtmf`, the streams get a track of kind `dtmf` as well, see
    /// [`MediaStream::dtmf_tracks`] and [`dtmf_track`](Self::dtmf_track); the packets of digits are
    /// left out of the audio.
    ///
    /// # Errors
    ///
    /// `UnsupportedCodec` when none of the codecs is supported; `InvalidParameters` for a malformed
    /// description or one that contradicts another; `NotSupported` when it declares more than the
    /// required limits of this connection, or a kind that the socket is not for; `InvalidAccess`
    /// for an unknown `socket-id`; `Closed`.
    #[doc(alias = "receiveTrack")]
    pub fn receive_track(&self, description: RTCTrackDescription) -> Result<MediaStreamTrack> {
        description.validate()?;
        // Tracks of one stream may come over several sockets.
        let known = match &self.legs()[..] {
            [] => Vec::new(),
            _ => self.receiving_streams(),
        };
        match self.leg_of_remote(description.socket_id.as_deref())? {
            Some(leg) => leg.receive_here(description, &known),
            None => self.receive_here(description, &known),
        }
    }

    fn receive_here(
        &self,
        description: RTCTrackDescription,
        others: &[MediaStream],
    ) -> Result<MediaStreamTrack> {
        let origin: Weak<dyn MediaOrigin> = self.shared().this.clone();
        self.shared().open(|state| {
            self.shared().socket.allows(description.kind)?;
            let description = state.receive_restrictions.admit(description)?;
            if !description.has_supported_codec() {
                return Err(Error::unsupported_codec(
                    "none of the description's can be received",
                ));
            }
            let (known, description) = state.known_by_mid(description);
            let description = first_of(description);
            state
                .engine
                .media_mut()
                .learn_extensions(&description.header_extensions);
            let id = match known {
                Some(id) => {
                    state.receive_otherwise(id, &description)?;
                    id
                }
                None => state
                    .engine
                    .add_receiver(Instant::now(), receiver_spec(&description))?,
            };
            // A track that is new has been heard in no stream: none of them changes.
            let before = match state.receiving.tracks.contains_key(&id) {
                true => Some(state.receiving.connected_streams()),
                false => None,
            };
            let budget = state.receiving.budget().clone();
            let receiving = match state.receiving.tracks.entry(id) {
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    known.update(&description, &state.receiving.streams);
                    known
                }
                Entry::Vacant(free) => {
                    let level = state.engine.media().audio_level_id();
                    let origin = origin.clone();
                    free.insert(ReceivingTrack::new(
                        &description,
                        level,
                        origin,
                        id,
                        &budget,
                    ))
                }
            };
            let track = receiving.track.clone();
            let tracks: Vec<_> = receiving.tracks().cloned().collect();
            if let Err(error) = state.receive_encodings(id, &description, &origin) {
                state.remove_receiving(id);
                return Err(error);
            }
            if before.is_some() {
                state.leave_streams(&description.msid, &tracks);
            }
            self.join_streams(state, &description.msid, &tracks, others);
            if let Some(before) = before {
                state.receiving.announce_moves(&before);
                state.drop_empty_streams();
            }
            Ok(track)
        })
    }

    // Rows A89, G23.
    /// The digits that come in the packets of a received track; `None` when its description has no
    /// codec for them.
    pub fn dtmf_track(&self, track: &MediaStreamTrack) -> Option<DTMFMediaStreamTrack> {
        let here = |leg: &Self| {
            let state = leg.shared().lock();
            let mut tracks = state.receiving.tracks.values();
            let receiving = tracks.find(|receiving| receiving.track == *track)?;
            Some(receiving.digits.as_ref()?.track.clone())
        };
        here(self).or_else(|| self.legs().iter().find_map(here))
    }

    // Rows A37 and G15.
    /// One event per stream id that is new.
    fn join_streams(
        &self,
        state: &mut ConnectionState,
        msid: &[String],
        tracks: &[MediaStreamTrack],
        others: &[MediaStream],
    ) {
        for id in msid {
            let known = state
                .receiving
                .streams
                .iter()
                .find(|stream| stream.id() == id)
                .cloned();
            match known {
                Some(stream) => tracks.iter().for_each(|track| stream.insert(track.clone())),
                None => {
                    let other = others.iter().find(|stream| stream.id() == id);
                    let stream = match other {
                        Some(stream) => stream.clone(),
                        None => MediaStream::remote(id.clone()),
                    };
                    tracks.iter().for_each(|track| stream.insert(track.clone()));
                    state.receiving.streams.push(stream.clone());
                    if other.is_none() {
                        self.shared()
                            .events
                            .push(RTCConnectionEvent::AddStream(stream));
                    }
                }
            }
        }
    }

    // Row G11.
    /// Stops receiving the track with this SSRC; its handle ends. False when there is none.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn stop_receiving(&self, ssrc: u32) -> Result<bool> {
        for leg in self.legs() {
            if leg.stop_receiving(ssrc)? {
                return Ok(true);
            }
        }
        self.shared().open(|state| {
            let id = state
                .receiving
                .tracks
                .iter()
                .find(|(id, receiving)| {
                    receiving.description.ssrc == Some(ssrc)
                        || state.engine.media().receiver_ssrcs(**id).contains(&ssrc)
                })
                .map(|(&id, _)| id);
            Ok(id.map(|id| state.remove_receiving(id)).is_some())
        })
    }

    // Row G11.
    /// The same for a track by its handle, which may have no SSRC of its own (simulcast by RID);
    /// its further encodings end with it.
    ///
    /// # Errors
    ///
    /// `Closed` after the end of the connection.
    pub fn stop_receiving_track(&self, track: &MediaStreamTrack) -> Result<bool> {
        for leg in self.legs() {
            if leg.stop_receiving_track(track)? {
                return Ok(true);
            }
        }
        self.shared().open(|state| {
            let mut tracks = state.receiving.tracks.iter();
            let id = tracks.find(|(_, receiving)| receiving.track == *track);
            let id = id.map(|(&id, _)| id);
            Ok(id.map(|id| state.remove_receiving(id)).is_some())
        })
    }

    // Row G38.
    /// The sources that a mixer has put into a received track, in the last ten seconds.
    pub fn contributors(&self, track: &MediaStreamTrack) -> Vec<RTCContributor> {
        let own = self.shared().lock().receiving.contributors_of(track);
        let legs = self.legs().into_iter();
        legs.fold(own, |mut all, leg| {
            all.extend(leg.contributors(track));
            all
        })
    }

    // Row A30.
    /// The streams that are received.
    #[doc(alias = "getReceivingStreams")]
    pub fn receiving_streams(&self) -> Vec<MediaStream> {
        let mut streams = self.shared().lock().receiving.streams();
        for stream in self.legs().iter().flat_map(Self::receiving_streams) {
            if !streams.contains(&stream) {
                streams.push(stream);
            }
        }
        streams
    }
}

impl ConnectionState {
    pub(crate) fn remove_receiving(&mut self, id: ReceiverId) {
        for (_, layer) in self.receiving.layers_of(id) {
            self.remove_receiving(layer);
        }
        self.engine.media_mut().remove_receiver(Instant::now(), id);
        if self.receiving.is_connected(id) {
            self.receiving.disconnected(id);
        }
        if let Some(mut receiving) = self.receiving.tracks.remove(&id) {
            if let Some(digits) = &mut receiving.digits {
                digits.end();
            }
            receiving.track.end();
            let msid = &receiving.description.msid;
            self.receiving.streams.retain(|stream| {
                if !msid.iter().any(|id| id == stream.id()) {
                    return true;
                }
                let tracks = receiving.tracks();
                tracks.for_each(|track| stream.remove_track(track));
                is_used(stream)
            });
        }
    }

    /// Takes tracks out of the streams that they are described to be in no more.
    fn leave_streams(&self, msid: &[String], tracks: &[MediaStreamTrack]) {
        for stream in &self.receiving.streams {
            if !msid.iter().any(|id| id == stream.id()) {
                tracks.iter().for_each(|track| stream.remove_track(track));
            }
        }
    }

    fn drop_empty_streams(&mut self) {
        self.receiving.streams.retain(is_used);
    }
}

/// Whether the stream has tracks; one without ends.
fn is_used(stream: &MediaStream) -> bool {
    let used = !stream.tracks().is_empty();
    if !used {
        stream.end();
    }
    used
}
