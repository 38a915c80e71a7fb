//! What a connection receives: tracks declared with `receive_track`, and their streams.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Weak;
use std::time::Instant;

use super::RTCConnection;
use super::contributors::{Contributors, RTCContributor};
use super::digits::{ReceivingDigits, dtmf_codecs};
use super::event::RTCConnectionEvent;
use super::repair::{HeardSource, heard_source, receiver_repair, red_formats, ssrcs};
use super::shared::ConnectionState;
use super::simulcast::first_of;
use super::stream_event::{RTCStreamEvent, StreamWatch};
use crate::dtmf::DTMFMediaStreamTrack;
use crate::engine::{Engine, ReceiverSpec};
use crate::error::{Error, Result};
use crate::media::stream::{MediaStream, MediaStreamEvent};
use crate::media::track::{MediaOrigin, MediaStreamTrack, MediaStreamTrackEvent};
use crate::media::{CodecId, Kind, RTCCodec, RTCTrackDescription, red_primary};
use crate::rtp::{Declaration, ReceiverId, RtpPacket};

/// The receiving tracks and streams of a connection.
#[derive(Default)]
pub(crate) struct Receiving {
    tracks: BTreeMap<ReceiverId, ReceivingTrack>,
    streams: Vec<MediaStream>,
    watch: StreamWatch,
}

pub(super) struct ReceivingTrack {
    description: RTCTrackDescription,
    track: MediaStreamTrack,
    digits: Option<ReceivingDigits>,
    connected: bool,
    contributors: Contributors,
    /// Its further encodings, by name.
    layers: Vec<(String, ReceiverId)>,
}

impl ReceivingTrack {
    pub(super) fn new(
        description: &RTCTrackDescription,
        audio_level_id: Option<u8>,
        origin: Weak<dyn MediaOrigin>,
        id: ReceiverId,
    ) -> Self {
        let (kind, codecs) = (description.kind, &description.codecs);
        let digits = ReceivingDigits::new(dtmf_codecs(description));
        let track = match &digits {
            Some(digits) if kind == Kind::Dtmf => (*digits.track).clone(),
            _ => MediaStreamTrack::remote(kind, codecs, audio_level_id, origin, id.0),
        };
        Self {
            description: description.clone(),
            track,
            digits,
            connected: false,
            contributors: Contributors::default(),
            layers: Vec::new(),
        }
    }

    /// Digits come and go with their codec.
    fn update(&mut self, description: &RTCTrackDescription, streams: &[MediaStream]) {
        self.track.set_codecs(&description.codecs);
        self.description = description.clone();
        let codecs = dtmf_codecs(description);
        self.digits = match self.digits.take() {
            Some(digits) if !codecs.is_empty() => Some(digits.with_codecs(codecs)),
            Some(mut digits) => {
                digits.end();
                streams
                    .iter()
                    .for_each(|stream| stream.remove_track(&digits.track));
                None
            }
            None => ReceivingDigits::new(codecs),
        };
    }

    fn tracks(&self) -> impl Iterator<Item = &MediaStreamTrack> {
        let digits = self.digits.as_ref().map(|digits| &*digits.track);
        std::iter::once(&self.track).chain(digits.filter(|track| **track != self.track))
    }
}

impl Receiving {
    pub(crate) fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    pub(crate) fn streams(&self) -> Vec<MediaStream> {
        self.streams.clone()
    }

    pub(super) fn track_of(&self, id: ReceiverId) -> Option<&MediaStreamTrack> {
        Some(&self.tracks.get(&id)?.track)
    }

    pub(super) fn layers_of(&self, id: ReceiverId) -> Vec<(String, ReceiverId)> {
        let track = self.tracks.get(&id);
        track.map(|track| track.layers.clone()).unwrap_or_default()
    }

    pub(super) fn set_layers(&mut self, id: ReceiverId, layers: Vec<(String, ReceiverId)>) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.layers = layers;
        }
    }

    pub(super) fn insert_layer(&mut self, id: ReceiverId, track: ReceivingTrack) {
        self.tracks.insert(id, track);
    }

    pub(super) fn update_layer(&mut self, id: ReceiverId, description: &RTCTrackDescription) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.update(description, &[]);
        }
    }

    /// Lets the track give its encodings by name.
    pub(super) fn name_encodings(&self, id: ReceiverId, own: Option<String>) {
        if let Some(base) = self.tracks.get(&id) {
            let named = base.layers.iter().filter_map(|(name, layer)| {
                Some((name.clone(), self.tracks.get(layer)?.track.clone()))
            });
            base.track.set_remote_encodings(own, named.collect());
        }
    }

    /// Each source heard, with its track.
    pub(crate) fn sources<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> impl Iterator<Item = HeardSource> + 'a {
        self.tracks.iter().flat_map(move |(&id, receiving)| {
            let ssrcs = engine.receiver_ssrcs(id).iter();
            ssrcs.map(move |&ssrc| {
                let red = engine.red_counters(id, ssrc);
                heard_source(&receiving.description, &receiving.track, ssrc, red)
            })
        })
    }

    pub(crate) fn codecs_by_kind(&self) -> impl Iterator<Item = (Kind, &RTCCodec)> {
        self.tracks.values().flat_map(|receiving| {
            let kind = receiving.description.kind;
            receiving
                .description
                .codecs
                .iter()
                .map(move |codec| (kind, codec))
        })
    }

    pub(crate) fn codecs(&self) -> impl Iterator<Item = &RTCCodec> {
        self.tracks
            .values()
            .flat_map(|receiving| &receiving.description.codecs)
    }

    pub(crate) fn uses_ssrc(&self, ssrc: u32) -> bool {
        self.tracks
            .values()
            .any(|receiving| ssrcs(&receiving.description).contains(&ssrc))
    }

    pub(crate) fn set_watch(&mut self, watch: StreamWatch) {
        self.watch = watch;
    }

    pub(crate) fn watch(&self) -> &StreamWatch {
        &self.watch
    }

    pub(crate) fn watch_mut(&mut self) -> &mut StreamWatch {
        &mut self.watch
    }

    /// The SSRCs heard for these tracks.
    pub(crate) fn ssrcs_of(&self, engine: &Engine, tracks: &[MediaStreamTrack]) -> Vec<u32> {
        self.tracks
            .iter()
            .filter(|(_, receiving)| receiving.tracks().any(|track| tracks.contains(track)))
            .flat_map(|(&id, _)| engine.receiver_ssrcs(id).iter().copied())
            .collect()
    }

    /// The description a track was declared with.
    pub(crate) fn description_of(&self, track: &MediaStreamTrack) -> Option<&RTCTrackDescription> {
        let mut tracks = self.tracks.values();
        let found = tracks.find(|receiving| receiving.track == *track)?;
        Some(&found.description)
    }

    pub(crate) fn contributors_of(&self, track: &MediaStreamTrack) -> Vec<RTCContributor> {
        let mut tracks = self.tracks.values();
        tracks
            .find(|receiving| receiving.track == *track)
            .map(|receiving| receiving.contributors.get(Instant::now()))
            .unwrap_or_default()
    }

    pub(crate) fn deliver(
        &mut self,
        id: ReceiverId,
        packets: impl Iterator<Item = RtpPacket>,
        csrc_level_id: Option<u8>,
    ) {
        let Some(receiving) = self.tracks.get_mut(&id) else {
            return;
        };
        let (track, contributors) = (&receiving.track, &mut receiving.contributors);
        let mut changed = None;
        let packets = packets.inspect(|packet| {
            if !packet.csrcs.is_empty() || !contributors.is_empty() {
                let now = Instant::now();
                if contributors.packet(now, packet, csrc_level_id) {
                    changed = Some(now);
                }
            }
        });
        match &mut receiving.digits {
            Some(digits) => {
                let now = Instant::now();
                track.deliver(packets.map(|packet| digits.take(now, packet)));
                digits.emit();
            }
            None => track.deliver(packets),
        }
        if let Some(now) = changed {
            self.watch.emit(|| RTCStreamEvent::TrackContributors {
                track: receiving.track.clone(),
                contributors: receiving.contributors.get(now),
            });
        }
    }

    /// When the silence of a tone whose end was lost has lasted long enough, or a report is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.tracks
            .values()
            .filter_map(|receiving| receiving.digits.as_ref()?.poll_timeout())
            .chain(self.watch.deadline())
            .min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for digits in self.tracks.values_mut().filter_map(|t| t.digits.as_mut()) {
            digits.handle_timeout(now);
        }
    }

    fn streams_of(&self, id: ReceiverId) -> impl Iterator<Item = &MediaStream> {
        let msid = self
            .tracks
            .get(&id)
            .map_or(&[][..], |receiving| &receiving.description.msid);
        self.streams
            .iter()
            .filter(move |stream| msid.iter().any(|id| id == stream.id()))
    }

    fn is_stream_connected(&self, stream: &MediaStream) -> bool {
        self.tracks.values().any(|receiving| {
            receiving.connected
                && receiving
                    .description
                    .msid
                    .iter()
                    .any(|id| id == stream.id())
        })
    }

    fn connected_streams(&self) -> Vec<MediaStream> {
        let streams = self.streams.iter();
        streams
            .filter(|stream| self.is_stream_connected(stream))
            .cloned()
            .collect()
    }

    /// Rows A112 and A113 for streams that a connected track joined or left; `before` are those
    /// that were connected.
    fn announce_moves(&self, before: &[MediaStream]) {
        for stream in &self.streams {
            match (before.contains(stream), self.is_stream_connected(stream)) {
                (false, true) => self.stream_connected(stream),
                (true, false) => self.stream_disconnected(stream),
                _ => {}
            }
        }
    }

    fn stream_connected(&self, stream: &MediaStream) {
        stream.emit(MediaStreamEvent::Connected);
        self.watch
            .emit(|| RTCStreamEvent::StreamConnected(stream.clone()));
    }

    fn stream_disconnected(&self, stream: &MediaStream) {
        stream.emit(MediaStreamEvent::Disconnected);
        self.watch
            .emit(|| RTCStreamEvent::StreamDisconnected(stream.clone()));
    }

    fn is_connected(&self, id: ReceiverId) -> bool {
        self.tracks
            .get(&id)
            .is_some_and(|receiving| receiving.connected)
    }

    /// Row G34: the stream's event comes before the track's.
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

impl RTCConnection {
    /// Readies reception of a track that the peer described (rows A28, A37, A78, G11), and gives
    /// the track that its media will come from.
    ///
    /// An `AddStream` event follows for each `msid` that no other receiving track has. The same
    /// `ssrc` and kind again updates the track. Packets that came before the description are not
    /// lost: up to 256 of each source are kept (row G16).
    ///
    /// Where the codecs hold `dtmf`, the streams get a track of kind `dtmf` as well (row A89), see
    /// [`MediaStream::dtmf_tracks`] and [`dtmf_track`](Self::dtmf_track); the packets of digits are
    /// left out of the audio.
    ///
    /// # Errors
    ///
    /// `NotSupported` when none of the codecs is supported (row A79); `InvalidParameters` for a
    /// malformed description or one that contradicts another; `Closed`.
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
                return Err(Error::not_supported(
                    "none of the description's codecs can be received",
                ));
            }
            let description = first_of(description);
            state
                .engine
                .learn_extensions(&description.header_extensions);
            let id = state
                .engine
                .add_receiver(Instant::now(), receiver_spec(&description))?;
            let connected = state.receiving.connected_streams();
            let receiving = match state.receiving.tracks.entry(id) {
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    known.update(&description, &state.receiving.streams);
                    known
                }
                Entry::Vacant(free) => {
                    let level = state.engine.audio_level_id();
                    free.insert(ReceivingTrack::new(&description, level, origin.clone(), id))
                }
            };
            let track = receiving.track.clone();
            let tracks: Vec<_> = receiving.tracks().cloned().collect();
            if let Err(error) = state.receive_encodings(id, &description, &origin) {
                state.remove_receiving(id);
                return Err(error);
            }
            self.join_streams(state, &description.msid, &tracks, others);
            state.receiving.announce_moves(&connected);
            state.drop_empty_streams();
            Ok(track)
        })
    }

    /// The digits that come in the packets of a received track; `None` when its description has
    /// no codec for them (rows A89, G23).
    pub fn dtmf_track(&self, track: &MediaStreamTrack) -> Option<DTMFMediaStreamTrack> {
        let state = self.shared().lock();
        let mut tracks = state.receiving.tracks.values();
        let receiving = tracks.find(|receiving| receiving.track == *track)?;
        Some(receiving.digits.as_ref()?.track.clone())
    }

    /// Rows A37 and G15: one event per stream id that is new.
    fn join_streams(
        &self,
        state: &mut ConnectionState,
        msid: &[String],
        tracks: &[MediaStreamTrack],
        others: &[MediaStream],
    ) {
        for stream in &state.receiving.streams {
            if !msid.iter().any(|id| id == stream.id()) {
                tracks.iter().for_each(|track| stream.remove_track(track));
            }
        }
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

    /// Stops receiving the track with this SSRC (row G11); its handle ends. False when there is
    /// none.
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
                        || state.engine.receiver_ssrcs(**id).contains(&ssrc)
                })
                .map(|(&id, _)| id);
            Ok(id.map(|id| state.remove_receiving(id)).is_some())
        })
    }

    /// The sources that a mixer has put into a received track, in the last ten seconds (row G38).
    pub fn contributors(&self, track: &MediaStreamTrack) -> Vec<RTCContributor> {
        let own = self.shared().lock().receiving.contributors_of(track);
        let legs = self.legs().into_iter();
        legs.fold(own, |mut all, leg| {
            all.extend(leg.contributors(track));
            all
        })
    }

    /// The streams that are received (row A30).
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
    pub(super) fn remove_receiving(&mut self, id: ReceiverId) {
        for (_, layer) in self.receiving.layers_of(id) {
            self.remove_receiving(layer);
        }
        self.engine.remove_receiver(Instant::now(), id);
        if self.receiving.is_connected(id) {
            self.receiving.disconnected(id);
        }
        if let Some(mut receiving) = self.receiving.tracks.remove(&id) {
            if let Some(digits) = &mut receiving.digits {
                digits.end();
            }
            receiving.track.end();
            for stream in &self.receiving.streams {
                for track in receiving.tracks() {
                    stream.remove_track(track);
                }
            }
        }
        self.drop_empty_streams();
    }

    fn drop_empty_streams(&mut self) {
        self.receiving.streams.retain(|stream| {
            let empty = stream.tracks().is_empty();
            if empty {
                stream.end();
            }
            !empty
        });
    }
}

pub(super) fn receiver_spec(description: &RTCTrackDescription) -> ReceiverSpec {
    let codecs = &description.codecs;
    ReceiverSpec {
        declaration: Declaration {
            kind: description.kind.as_str(),
            ssrcs: ssrcs(description),
            mid: description.mux_id.clone(),
            rid: description
                .encodings
                .first()
                .and_then(|first| first.rid.clone()),
            payload_types: codecs.iter().map(|codec| codec.payload_id).collect(),
        },
        clock_rates: codecs
            .iter()
            .map(|codec| match codec.id() {
                // The packets of a digit repeat a timestamp; they say nothing about jitter.
                Some(CodecId::Dtmf) => (codec.payload_id, 0),
                Some(CodecId::Red) => {
                    let carried = red_primary(codecs, codec).unwrap_or(codec);
                    (codec.payload_id, carried.effective_clock_rate())
                }
                _ => (codec.payload_id, codec.effective_clock_rate()),
            })
            .collect(),
        red: red_formats(description),
        repair: Some(receiver_repair(description)),
        reduced_size: description
            .rtcp
            .as_ref()
            .is_some_and(|rtcp| rtcp.reduced_size == Some(true)),
    }
}
