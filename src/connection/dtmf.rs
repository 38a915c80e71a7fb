//! Digits on a connection: which audio track carries them (row G23), and when they are sent.

use std::time::Instant;

use super::shared::{ConnectionShared, ConnectionState};
use crate::engine::{Engine, OutgoingRtp, SendOutcome};
use crate::error::{Error, Result};
use crate::media::Kind;
use crate::media::sending::{FramePacket, SendingTrack};
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;

impl ConnectionShared {
    /// Row G23: the audio track of the stream carries the digits, or else the connection's first.
    pub(super) fn send_digits(&self, stream: &MediaStream, track: &MediaStreamTrack) -> Result<()> {
        let key = self.open(|state| {
            if state.key_of(track).is_some() {
                return Ok(None);
            }
            let audio = state.audio_for(stream).ok_or_else(|| {
                Error::invalid_state("digits need an audio track, in the stream or the connection")
            })?;
            state.next_key += 1;
            let key = state.next_key;
            let taken: Vec<u8> = state
                .sending
                .values()
                .flat_map(|sending| &sending.codecs)
                .map(|codec| codec.payload_id)
                .collect();
            if let Some(sending) = state.sending.get_mut(&audio) {
                sending
                    .attach_dtmf(Instant::now(), key, track.clone(), |id| taken.contains(&id))?;
            }
            Ok(Some(key))
        })?;
        if let Some(key) = key {
            self.attach(track, key);
        }
        Ok(())
    }

    /// Tracks of digits that came before the audio track that can carry them.
    pub(super) fn attach_waiting_dtmf(&self) {
        let streams: Vec<MediaStream> = {
            let state = self.lock();
            state.streams.iter().map(|s| s.stream.clone()).collect()
        };
        for stream in streams {
            for track in stream.tracks() {
                if track.kind() == Kind::Dtmf
                    && let Err(error) = self.send_digits(&stream, &track)
                {
                    tracing::debug!(%error, "a track of digits is not sent");
                }
            }
        }
    }

    /// Ends the digits with this key; false if the key is not of digits.
    pub(super) fn remove_dtmf(&self, key: u32) -> Result<bool> {
        let source = self.open(|state| Ok(state.end_dtmf(Instant::now(), key)))?;
        if let Some(source) = &source {
            self.detach(source, key);
        }
        Ok(source.is_some())
    }
}

impl ConnectionState {
    /// Takes the digits with this key off their audio track; what is left of a tone goes out.
    fn end_dtmf(&mut self, now: Instant, key: u32) -> Option<MediaStreamTrack> {
        let track = self.sending.values_mut().find(|track| track.carries(key))?;
        let source = track.dtmf.as_ref()?.source.clone();
        let mut wire = Wire::new(now, &mut self.engine, track, &mut self.media_dropped);
        if let Err(error) = track.detach_dtmf(now, |packet| wire.send(&packet)) {
            tracing::debug!(%error, "the end of a digit could not be sent");
        }
        Some(source)
    }

    /// The sending track with this key, or the one that carries the digits with this key.
    pub(super) fn track(&self, key: u32) -> Option<&SendingTrack> {
        let carrier = || self.sending.values().find(|track| track.carries(key));
        self.sending.get(&key).or_else(carrier)
    }

    /// The sending track with this key, or the one that carries the digits with this key.
    pub(super) fn track_mut(&mut self, key: u32) -> Option<&mut SendingTrack> {
        if self.sending.contains_key(&key) {
            return self.sending.get_mut(&key);
        }
        self.sending.values_mut().find(|track| track.carries(key))
    }

    /// The key of the track of media that a key, perhaps of its digits, is for.
    pub(super) fn media_key(&self, key: u32) -> u32 {
        let mut tracks = self.sending.iter();
        let carrier = tracks.find(|(_, track)| track.carries(key));
        carrier.map_or(key, |(&carrier, _)| carrier)
    }

    /// The key of a sending track, of media or of digits.
    pub(super) fn key_of(&self, track: &MediaStreamTrack) -> Option<u32> {
        self.sending.iter().find_map(|(&key, sending)| {
            let digits = sending.dtmf.as_ref().filter(|dtmf| dtmf.source == *track);
            match digits {
                Some(dtmf) => Some(dtmf.key),
                None => (sending.source == *track).then_some(key),
            }
        })
    }

    pub(super) fn audio_for(&self, stream: &MediaStream) -> Option<u32> {
        let audio = || {
            self.sending
                .iter()
                .filter(|(_, sending)| sending.source.kind() == Kind::Audio)
        };
        let of_stream = audio()
            .filter(|(_, sending)| sending.msid.iter().any(|id| id == stream.id()))
            .map(|(&key, _)| key)
            .min();
        of_stream.or_else(|| audio().map(|(&key, _)| key).min())
    }

    /// When something has to be done next, by the engine or for digits.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let playing = self
            .sending
            .values()
            .filter(|track| track.started && self.engine.is_connected())
            .filter_map(SendingTrack::dtmf_timeout);
        self.engine
            .poll_timeout()
            .into_iter()
            .chain(playing)
            .chain(self.receiving.poll_timeout())
            .min()
    }

    /// Sends the packets of digits that are due. Digits wait for the connection.
    pub(super) fn play_dtmf(&mut self, now: Instant) {
        if !self.engine.is_connected() {
            return;
        }
        for track in self.sending.values_mut().filter(|track| track.started) {
            if track.dtmf_timeout().is_none_or(|due| due > now) {
                continue;
            }
            let mut wire = Wire::new(now, &mut self.engine, track, &mut self.media_dropped);
            let played = track.play_dtmf(now, |packet| wire.send(&packet));
            if let Err(error) = played {
                tracing::debug!(%error, "a digit could not be sent");
            }
        }
    }
}

/// What the packets of one track need to get onto the wire.
struct Wire<'a> {
    now: Instant,
    engine: &'a mut Engine,
    ssrc: u32,
    extensions: Vec<(u8, Vec<u8>)>,
    dropped: &'a mut u64,
}

impl<'a> Wire<'a> {
    fn new(
        now: Instant,
        engine: &'a mut Engine,
        track: &SendingTrack,
        dropped: &'a mut u64,
    ) -> Self {
        Self {
            now,
            ssrc: track.ssrc,
            extensions: engine.encode_extensions(&track.rtp_ext_headers, None),
            engine,
            dropped,
        }
    }

    fn send(&mut self, packet: &FramePacket<'_>) -> Result<()> {
        let extensions: Vec<(u8, &[u8])> = self
            .extensions
            .iter()
            .map(|(id, data)| (*id, data.as_slice()))
            .collect();
        let outcome = self.engine.send_rtp(
            self.now,
            self.ssrc,
            &OutgoingRtp {
                marker: packet.marker,
                payload_type: packet.payload_type,
                sequence_number: packet.sequence_number,
                timestamp: packet.timestamp,
                csrcs: &[],
                extensions: &extensions,
                payload: packet.payload,
            },
        )?;
        if outcome == SendOutcome::QueueFull {
            *self.dropped += 1;
        }
        Ok(())
    }
}
