//! What a connection sends: streams, and an RTCTrack for each of their tracks.

use std::sync::{Arc, Weak};

use crate::connection::RTCConnection;
use crate::connection::core::shared::ConnectionShared;
use crate::connection::core::state::SendingStream;
use crate::connection::description::roles::TrackStart;
use crate::error::{Error, Result};
use crate::locks::{Rank, lock_at};
use crate::media::forward::check_codecs;
use crate::media::sending::{RTCTrack, SendingOwner, SendingTrack};
use crate::media::stream::{MediaStream, StreamWatcher};
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCTrackFilter, default_codecs};

/// What is sent.
impl RTCConnection {
    // Rows A9, A23, G44, G23.
    /// Adds a stream to send. Its tracks go out as soon as the connection is connected, also those
    /// added to the stream later. Adding a stream again does nothing.
    ///
    /// # Errors
    ///
    /// `Closed`; `InvalidParameters` when the stream holds a remote track; `NotSupported` for a kind
    /// that the socket is not for; `InvalidState` when it holds a track of digits and there is no
    /// audio track that could carry them, neither in the stream nor on the connection.
    #[doc(alias = "addStream")]
    pub fn add_stream(&self, stream: &MediaStream) -> Result<()> {
        self.add_stream_with(stream, TrackStart::Automatic)
    }

    // Row A24.
    /// Like [`add_stream`](Self::add_stream), with the choice of having each track wait for
    /// [`RTCTrack::start`].
    ///
    /// # Errors
    ///
    /// As [`add_stream`](Self::add_stream).
    pub fn add_stream_with(&self, stream: &MediaStream, start: TrackStart) -> Result<()> {
        let autostart = start == TrackStart::Automatic;
        if stream.is_remote() || stream.tracks().iter().any(MediaStreamTrack::is_remote) {
            return Err(remote_media());
        }
        let shared = self.shared();
        // A stream that another task is adding at this moment is there when this call returns.
        let _adding = lock_at(Rank::Adding, &shared.adding);
        let known = shared.open(|state| {
            let of_kind = |kind| stream.tracks().iter().any(|track| track.kind() == kind);
            if of_kind(Kind::Dtmf) && !of_kind(Kind::Audio) && state.audio_for(stream).is_none() {
                return Err(Error::invalid_state(
                    "digits need an audio track, in the stream or on the connection",
                ));
            }
            let known = state
                .streams
                .iter()
                .any(|sending| sending.stream == *stream);
            if !known {
                state.streams.push(SendingStream {
                    stream: stream.clone(),
                    autostart,
                });
            }
            Ok(known)
        })?;
        if known {
            return Ok(());
        }
        // Watched first: a track that comes meanwhile is told of, or found here, or both.
        stream.watch(shared.as_watcher());
        // Digits come after the audio track that carries them.
        let (digits, media): (Vec<_>, Vec<_>) = stream
            .tracks()
            .into_iter()
            .partition(|track| track.kind() == Kind::Dtmf);
        for track in media.iter().chain(&digits) {
            if let Err(error) = shared.send_track(stream, track, autostart) {
                let _ = self.remove_stream(stream);
                return Err(error);
            }
            if !stream.tracks().contains(track) {
                shared.track_removed(stream, track);
            }
        }
        Ok(())
    }

    // Rows A25, G9.
    /// Removes a stream and stops sending it; the peer gets a BYE for each of its tracks. False
    /// when it was not sent.
    ///
    /// # Errors
    ///
    /// `Closed`.
    #[doc(alias = "removeStream")]
    pub fn remove_stream(&self, stream: &MediaStream) -> Result<bool> {
        let shared = self.shared();
        let removed = shared.open(|state| {
            let before = state.streams.len();
            state.streams.retain(|sending| sending.stream != *stream);
            Ok(before != state.streams.len())
        })?;
        if removed {
            stream.unwatch(&shared.as_watcher());
            for track in stream.tracks() {
                shared.track_removed(stream, &track);
            }
        }
        Ok(removed | self.remove_from_legs(stream)?)
    }

    // Rows A26, G10, G23.
    /// The RTCTrack of a sending track; `None` when this connection does not send it. A track of
    /// digits has no RTCTrack of its own: what is given is that of the audio track which carries
    /// them, except that `remove` removes the digits alone.
    pub fn track(&self, track: &MediaStreamTrack) -> Option<RTCTrack> {
        let of_legs = || self.legs().iter().find_map(|leg| leg.track_here(track));
        self.track_here(track).or_else(of_legs)
    }

    pub(crate) fn track_here(&self, track: &MediaStreamTrack) -> Option<RTCTrack> {
        let shared = self.shared();
        let key = {
            let state = shared.lock();
            state.key_of(track)?
        };
        Some(shared.rtc_track(key, track.clone()))
    }

    // Row A27.
    /// The RTCTracks of all sending tracks, in the order they were added.
    pub fn tracks(&self) -> Vec<RTCTrack> {
        self.tracks_matching(&RTCTrackFilter::default())
    }

    // Rows A27, A67, A68, G23.
    /// The RTCTracks that pass the filter. Tracks of digits are left out unless the filter asks for
    /// kind `dtmf`.
    pub fn tracks_matching(&self, filter: &RTCTrackFilter) -> Vec<RTCTrack> {
        let shared = self.shared();
        let mut found: Vec<(u32, MediaStreamTrack)> = {
            let state = shared.lock();
            state
                .sending
                .iter()
                .filter(|(_, sending)| {
                    sending.parent.is_none() && filter.matches(sending.source.kind(), &sending.msid)
                })
                .map(|(&key, sending)| (key, sending.source.clone()))
                .chain(state.sending.values().filter_map(|sending| {
                    let dtmf = sending.dtmf.as_ref()?;
                    let asked = filter.kind == Some(Kind::Dtmf)
                        && filter.matches(Kind::Dtmf, &sending.msid);
                    asked.then(|| (dtmf.key, dtmf.source.clone()))
                }))
                .collect()
        };
        found.sort_by_key(|(key, _)| *key);
        found
            .into_iter()
            .map(|(key, source)| shared.rtc_track(key, source))
            .chain(
                self.legs()
                    .iter()
                    .flat_map(|leg| leg.tracks_matching(filter)),
            )
            .collect()
    }

    // Row A29.
    /// The streams that are sent.
    #[doc(alias = "getSendingStreams")]
    pub fn sending_streams(&self) -> Vec<MediaStream> {
        let mut streams: Vec<MediaStream> = {
            let state = self.shared().lock();
            let own = state.streams.iter();
            own.map(|sending| sending.stream.clone()).collect()
        };
        for stream in self.legs().iter().flat_map(Self::sending_streams) {
            if !streams.contains(&stream) {
                streams.push(stream);
            }
        }
        streams
    }
}

impl ConnectionShared {
    pub(crate) fn as_watcher(&self) -> Weak<dyn StreamWatcher> {
        let this: Weak<dyn StreamWatcher> = self.this.clone();
        this
    }

    fn rtc_track(self: &Arc<Self>, key: u32, source: MediaStreamTrack) -> RTCTrack {
        let owner: Arc<dyn SendingOwner> = self.clone();
        let state = self.lock();
        RTCTrack {
            owner,
            key,
            source,
            carrier: state.media_key(key),
            last: state.track(key).map(|t| t.last.clone()).unwrap_or_default(),
        }
    }

    /// Gives a track of a sending stream its SSRC and its codecs.
    pub(crate) fn send_track(
        &self,
        stream: &MediaStream,
        track: &MediaStreamTrack,
        autostart: bool,
    ) -> Result<()> {
        if track.is_remote() {
            return Err(remote_media());
        }
        if track.kind() == Kind::Dtmf {
            return self.send_digits(stream, track);
        }
        let key = self.open(|state| {
            if state
                .sending
                .values()
                .any(|sending| sending.source == *track)
            {
                return Ok(None);
            }
            self.socket.allows(track.kind())?;
            let restrictions = &state.send_restrictions;
            let ssrc = state.fresh_ssrc();
            let fed = track.fed_codecs();
            let codecs = match (restrictions.codecs_of(track.kind()), &fed) {
                (Some(own), _) => own,
                (None, Some(fed)) if !fed.is_empty() => fed.clone(),
                (None, _) => default_codecs(track.kind()),
            };
            if let Some(fed) = &fed {
                check_codecs(fed, &codecs)?;
            }
            let mut sending = SendingTrack::new(
                track.clone(),
                [ssrc, state.fresh_ssrc()],
                vec![stream.id().to_owned()],
                codecs,
                autostart,
            )?;
            sending.media_attributes = restrictions.attributes(track.kind());
            sending.socket_id = self.events.socket_id().map(str::to_owned);
            state.next_key += 1;
            let key = state.next_key;
            state
                .engine
                .media_mut()
                .add_sender(ssrc, sending.clock_rate(), None)?;
            state.sending.insert(key, sending);
            state.apply_repair(key)?;
            Ok(Some(key))
        })?;
        if let Some(key) = key {
            self.attach(track, key);
            if track.kind() == Kind::Audio {
                self.attach_waiting_dtmf();
            }
        }
        Ok(())
    }
}

fn remote_media() -> Error {
    Error::invalid_parameters(
        "remote media cannot be sent as it is: send the track of its MediaStreamTrack::forward",
    )
}
