//! What tracks and streams ask of the connection that they belong to.

use std::sync::Weak;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::wire::Wire;
use crate::connection::core::shared::ConnectionShared;
use crate::connection::core::state::{ConnectionState, removed};
use crate::dtmf::Command;
use crate::error::{Error, Result};
use crate::media::sending::{FramePacket, MAX_RTP_PAYLOAD, SendingOwner, SendingTrack};
use crate::media::stream::{MediaStream, StreamWatcher};
use crate::media::track::{ForwardedBatch, MediaSink, MediaStreamTrack, Reception};
use crate::media::{Kind, RTCCodec, RTCRtpEncoding};
use crate::rtp::{AudioLevel, RtpPacket};
use crate::trace;

impl ConnectionShared {
    fn as_sink(&self) -> Weak<dyn MediaSink> {
        let this: Weak<dyn MediaSink> = self.this.clone();
        this
    }

    /// Lets the track's media reach this connection.
    pub(crate) fn attach(&self, track: &MediaStreamTrack, key: u32) {
        track.attach(self.as_sink(), key);
    }

    pub(crate) fn detach(&self, track: &MediaStreamTrack, key: u32) {
        track.detach(&self.as_sink(), key);
    }
}

impl MediaSink for ConnectionShared {
    fn write_sample(
        &self,
        key: u32,
        data: &Bytes,
        duration: Duration,
        level: Option<AudioLevel>,
    ) -> Result<()> {
        let now = Instant::now();
        let mut state = self.lock();
        let ConnectionState {
            engine, sending, ..
        } = &mut *state;
        let Some(track) = sending.get_mut(&key) else {
            return Ok(());
        };
        if !track.is_sent() || !engine.is_connected() {
            track.skip(now, duration);
            return Ok(());
        }
        let idle = !engine.has_transmits();
        Wire::of(engine, track, now, level, |track, wire| {
            track.packetize(now, data, duration, |packet| wire.send(&packet, &[]))
        })?;
        drop(state);
        if idle {
            self.wake();
        }
        Ok(())
    }

    fn write_rtp(&self, key: u32, packet: &RtpPacket) -> Result<()> {
        if packet.payload.len() > MAX_RTP_PAYLOAD {
            return Err(Error::invalid_parameters(format!(
                "an RTP payload of {} bytes; at most {MAX_RTP_PAYLOAD} fit a datagram",
                packet.payload.len()
            )));
        }
        let now = Instant::now();
        let mut state = self.lock();
        let ConnectionState {
            engine, sending, ..
        } = &mut *state;
        let Some(track) = sending.get_mut(&key) else {
            return Ok(());
        };
        if !track.is_sent() || !engine.is_connected() {
            return Ok(());
        }
        let relayed = track.relay(now, packet.sequence_number, packet.timestamp);
        let Some(sequence_number) = relayed else {
            track.count_discarded(1);
            return Ok(());
        };
        let idle = !engine.has_transmits();
        let onward = FramePacket {
            marker: packet.marker,
            payload_type: track.payload_type(),
            sequence_number,
            timestamp: packet.timestamp,
            payload: &packet.payload,
        };
        Wire::of(engine, track, now, None, |_, wire| {
            wire.send(&onward, &packet.csrcs)
        })?;
        drop(state);
        if idle {
            self.wake();
        }
        Ok(())
    }

    fn play_dtmf(&self, key: u32, command: &Command) -> Result<()> {
        let now = Instant::now();
        self.open(|state| {
            if let Some(track) = state.track_mut(key) {
                track.dtmf_command(now, command)?;
            }
            state.play_dtmf(now);
            Ok(())
        })
    }

    fn forward(&self, key: u32, batch: &ForwardedBatch<'_>) -> bool {
        self.forward_batch(key, batch)
    }

    fn takes(&self, key: u32) -> bool {
        self.takes_forwarded(key)
    }

    fn reception(&self, key: u32) -> Option<Reception> {
        self.reception_of(key)
    }

    fn forget_sent(&self, key: u32) {
        self.forget_sent_of(key);
    }

    fn may_forward(&self, key: u32, codecs: &[RTCCodec]) -> Result<()> {
        self.may_forward_here(key, codecs)
    }
}

impl SendingOwner for ConnectionShared {
    fn with_track(&self, key: u32, f: &mut dyn FnMut(&SendingTrack)) -> Result<()> {
        let state = self.lock();
        f(state.track(key).ok_or_else(removed)?);
        Ok(())
    }

    fn change_track(
        &self,
        key: u32,
        f: &mut dyn FnMut(&mut SendingTrack) -> Result<()>,
    ) -> Result<()> {
        self.open(|state| f(state.track_mut(key).ok_or_else(removed)?))
    }

    fn codecs_changed(&self, key: u32) {
        let mut state = self.lock();
        let key = state.media_key(key);
        state.sync_encodings(key);
    }

    fn set_encodings(&self, key: u32, encodings: &[RTCRtpEncoding]) -> Result<()> {
        self.set_encodings_of(key, encodings)
    }

    fn stopped(&self, key: u32) {
        let mut state = self.lock();
        let key = state.media_key(key);
        state.sync_encodings(key);
    }

    fn set_ssrc(&self, key: u32, ssrc: u32) -> Result<()> {
        self.open(|state| {
            let old = state.track(key).ok_or_else(removed)?.ssrc;
            if old == ssrc {
                return Ok(());
            }
            if ssrc == 0 || state.uses_ssrc(ssrc) {
                return Err(Error::invalid_parameters(format!("SSRC {ssrc} is in use")));
            }
            state.change_ssrc(Instant::now(), old, ssrc)
        })
    }

    fn remove_track(&self, key: u32) -> Result<()> {
        if self.remove_dtmf(key)? {
            return Ok(());
        }
        let last = self.open(|state| {
            let mut track = state.sending.remove(&key).ok_or_else(removed)?;
            state.engine.remove_sender(Instant::now(), track.ssrc);
            state.carriers.remove(&key);
            state.digits_wait |= track.dtmf.is_some();
            let last = std::mem::take(&mut track.last);
            let _ = last.set(track);
            Ok(last)
        })?;
        let track = last.get().ok_or_else(removed)?;
        self.detach(&track.source, key);
        self.remove_encodings_of(key, track)?;
        if let Some(dtmf) = &track.dtmf {
            self.detach(&dtmf.source, dtmf.key);
        }
        // Its digits may go with another audio track.
        self.attach_waiting_dtmf();
        Ok(())
    }
}

impl StreamWatcher for ConnectionShared {
    fn track_added(&self, stream: &MediaStream, track: &MediaStreamTrack) {
        let autostart = {
            let state = self.lock();
            state
                .streams
                .iter()
                .find(|sending| sending.stream == *stream)
                .map(|sending| sending.autostart)
        };
        if let Some(autostart) = autostart
            && let Err(error) = self.send_track(stream, track, autostart)
            && !matches!(error, Error::Closed(_))
        {
            let span = self.lock().engine.span().clone();
            match track.kind() {
                // An audio track may yet come.
                Kind::Dtmf => {
                    tracing::debug!(target: trace::RTP, parent: &span, %error, "digits wait");
                }
                _ => {
                    tracing::warn!(target: trace::RTP, parent: &span, %error, "a track added to a sending stream is not sent");
                }
            }
        }
    }

    fn track_removed(&self, stream: &MediaStream, track: &MediaStreamTrack) {
        let _ = stream;
        let key = {
            let mut state = self.lock();
            state.digits_elsewhere.retain(|other| other != track);
            state.key_of(track)
        };
        if let Some(key) = key {
            // Removing twice is no fault here: the track is gone, which was asked for.
            let _ = self.remove_track(key);
        }
    }
}
