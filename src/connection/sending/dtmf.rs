//! Digits on a connection: which audio track carries them, and when they are sent.

// Row G23.

use std::time::Instant;

use super::wire::Wire;
use crate::connection::core::shared::ConnectionShared;
use crate::connection::core::state::{ConnectionState, removed};
use crate::dtmf::Command;
use crate::error::{Error, Result};
use crate::media::Kind;
use crate::media::sending::SendingTrack;
use crate::media::stream::MediaStream;
use crate::media::track::{MediaSink, MediaStreamTrack};
use crate::trace;

impl ConnectionShared {
    // Row G23.
    /// The audio track of the stream carries the digits, or else the connection's first.
    pub(crate) fn send_digits(&self, stream: &MediaStream, track: &MediaStreamTrack) -> Result<()> {
        let key = self.open(|state| {
            if state.key_of(track).is_some() || state.digits_elsewhere.contains(track) {
                return Ok(None);
            }
            // Unless it can be attached, an audio track that comes later carries it.
            let waited = std::mem::replace(&mut state.digits_wait, true);
            let audio = state.audio_for(stream).ok_or_else(|| {
                Error::invalid_state("digits need an audio track, in the stream or the connection")
            })?;
            let key = state.attach_digits(audio, track)?;
            state.digits_wait = waited;
            Ok(Some(key))
        })?;
        if let Some(key) = key {
            self.attach(track, key);
        }
        Ok(())
    }

    /// The audio track goes to another socket, and its digits go along: which track they are of, and
    /// what waits of them. What sounds ends here.
    pub(crate) fn part_with_digits(
        &self,
        audio: &MediaStreamTrack,
    ) -> Result<Option<(MediaStreamTrack, Vec<Command>)>> {
        let parted = self.open(|state| {
            let mut all = state.sending.values_mut();
            let carrier = all.find(|sending| sending.source == *audio);
            let Some((key, waiting)) = carrier.and_then(SendingTrack::take_waiting_digits) else {
                return Ok(None);
            };
            let digits = state.end_dtmf(Instant::now(), key);
            state.digits_elsewhere.extend(digits.clone());
            Ok(digits.map(|digits| (key, digits, waiting)))
        })?;
        Ok(parted.map(|(key, digits, waiting)| {
            self.detach(&digits, key);
            (digits, waiting)
        }))
    }

    /// The other side of [`part_with_digits`](Self::part_with_digits), once the audio track is here.
    pub(crate) fn take_on_digits(
        &self,
        audio: &MediaStreamTrack,
        digits: &MediaStreamTrack,
        waiting: &[Command],
    ) -> Result<()> {
        let key = self.open(|state| {
            state.digits_elsewhere.retain(|track| track != digits);
            let audio = state.key_of(audio).ok_or_else(removed)?;
            state.attach_digits(audio, digits)
        })?;
        for command in waiting {
            self.play_dtmf(key, command)?;
        }
        self.attach(digits, key);
        Ok(())
    }

    /// Tracks of digits that came before the audio track that can carry them.
    pub(crate) fn attach_waiting_dtmf(&self) {
        let streams: Vec<MediaStream> = {
            let mut state = self.lock();
            if !std::mem::take(&mut state.digits_wait) {
                return;
            }
            state.streams.iter().map(|s| s.stream.clone()).collect()
        };
        for stream in streams {
            for track in stream.tracks() {
                if track.kind() == Kind::Dtmf
                    && let Err(error) = self.send_digits(&stream, &track)
                {
                    let span = self.lock().engine.span().clone();
                    tracing::debug!(target: trace::RTP, parent: &span, %error, "a track of digits is not sent");
                }
            }
        }
    }

    /// Ends the digits with this key; false if the key is not of digits.
    pub(crate) fn remove_dtmf(&self, key: u32) -> Result<bool> {
        let source = self.open(|state| Ok(state.end_dtmf(Instant::now(), key)))?;
        if let Some(source) = &source {
            self.detach(source, key);
        }
        Ok(source.is_some())
    }
}

impl ConnectionState {
    /// Has the audio track with the key `audio` carry the digits; their key.
    fn attach_digits(&mut self, audio: u32, digits: &MediaStreamTrack) -> Result<u32> {
        self.next_key += 1;
        let key = self.next_key;
        let all = self.sending.values().flat_map(|sending| &sending.codecs);
        let taken: Vec<u8> = all.map(|codec| codec.payload_type).collect();
        if let Some(sending) = self.sending.get_mut(&audio) {
            sending.attach_dtmf(Instant::now(), key, digits.clone(), |id| {
                taken.contains(&id)
            })?;
            self.carriers.insert(audio);
        }
        Ok(key)
    }

    /// Takes the digits with this key off their audio track; what is left of a tone goes out.
    fn end_dtmf(&mut self, now: Instant, key: u32) -> Option<MediaStreamTrack> {
        let carrier = self.carrier_of(key)?;
        let track = self.sending.get_mut(&carrier)?;
        let source = track.dtmf.as_ref()?.source.clone();
        let ended = Wire::of(&mut self.engine, track, now, None, |track, wire| {
            track.detach_dtmf(now, |packet| wire.send(&packet, &[]))
        });
        if let Err(error) = ended {
            let span = self.engine.span();
            tracing::debug!(target: trace::RTP, parent: span, %error, "the end of a digit could not be sent");
        }
        self.carriers.remove(&carrier);
        Some(source)
    }

    /// The key of the track that carries the digits with this key.
    fn carrier_of(&self, key: u32) -> Option<u32> {
        let carries = |carrier: &&u32| {
            let track = self.sending.get(carrier);
            track.is_some_and(|track| track.carries(key))
        };
        self.carriers.iter().find(carries).copied()
    }

    /// The sending track with this key, or the one that carries the digits with this key.
    pub(crate) fn track(&self, key: u32) -> Option<&SendingTrack> {
        self.sending.get(&self.media_key(key))
    }

    /// The sending track with this key, or the one that carries the digits with this key.
    pub(crate) fn track_mut(&mut self, key: u32) -> Option<&mut SendingTrack> {
        let key = self.media_key(key);
        self.sending.get_mut(&key)
    }

    /// The key of the track of media that a key, perhaps of its digits, is for.
    pub(crate) fn media_key(&self, key: u32) -> u32 {
        self.carrier_of(key).unwrap_or(key)
    }

    /// The key of a sending track, of media or of digits.
    pub(crate) fn key_of(&self, track: &MediaStreamTrack) -> Option<u32> {
        self.sending.iter().find_map(|(&key, sending)| {
            let digits = sending.dtmf.as_ref().filter(|dtmf| dtmf.source == *track);
            match digits {
                Some(dtmf) => Some(dtmf.key),
                None => (sending.source == *track).then_some(key),
            }
        })
    }

    pub(crate) fn audio_for(&self, stream: &MediaStream) -> Option<u32> {
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

    /// Sends the packets of digits that are due. Digits wait for the connection.
    pub(crate) fn play_dtmf(&mut self, now: Instant) {
        if !self.engine.is_connected() {
            return;
        }
        let sending = &mut self.sending;
        self.carriers.retain(|key| sending.contains_key(key));
        for key in &self.carriers {
            let Some(track) = sending.get_mut(key).filter(|track| track.started) else {
                continue;
            };
            if track.dtmf_timeout().is_none_or(|due| due > now) {
                continue;
            }
            let played = Wire::of(&mut self.engine, track, now, None, |track, wire| {
                track.play_dtmf(now, |packet| wire.send(&packet, &[]))
            });
            if let Err(error) = played {
                let span = self.engine.span();
                tracing::debug!(target: trace::RTP, parent: span, %error, "a digit could not be sent");
            }
        }
    }
}
