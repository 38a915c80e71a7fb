//! Digits in the packets of an audio track: same SSRC, one line of sequence numbers, a payload type
//! of their own.

// Rows A102, G23.

use std::time::Instant;

use super::digits::{SendingDtmf, is_dtmf, with_dtmf};
use super::sending_track::{FramePacket, SendingTrack};
use crate::dtmf::{Command, Output, Player, RtpPosition};
use crate::error::{Error, Result};
use crate::media::RTCCodec;
use crate::media::track::MediaStreamTrack;

impl SendingTrack {
    /// Lets a track of digits use this audio track, and gives it a codec unless there is one.
    /// `is_taken` tells the payload types of the connection's other tracks.
    pub(crate) fn attach_dtmf(
        &mut self,
        now: Instant,
        key: u32,
        source: MediaStreamTrack,
        is_taken: impl Fn(u8) -> bool,
    ) -> Result<()> {
        if self.dtmf.is_some() {
            return Err(Error::invalid_state(
                "the audio track carries the digits of another track already",
            ));
        }
        let codecs = with_dtmf(self.codecs.clone(), &[], is_taken);
        if !codecs.iter().any(is_dtmf) {
            return Err(Error::invalid_state("no payload type is left for digits"));
        }
        self.codecs = codecs;
        self.dtmf = Some(SendingDtmf {
            key,
            source,
            player: Player::new(now),
        });
        Ok(())
    }

    /// Ends the digits; what is left of the one that sounds goes out at once.
    pub(crate) fn detach_dtmf(
        &mut self,
        now: Instant,
        send: impl FnMut(FramePacket<'_>) -> Result<()>,
    ) -> Result<()> {
        if let Some(dtmf) = &mut self.dtmf {
            dtmf.player.finish(now);
        }
        let sent = self.send_digits(send);
        self.dtmf = None;
        sent
    }

    /// The key of the digits that it carries, and what waits of them, which is then played no more.
    pub(crate) fn take_waiting_digits(&mut self) -> Option<(u32, Vec<Command>)> {
        let dtmf = self.dtmf.as_mut()?;
        Some((dtmf.key, dtmf.player.take_waiting()))
    }

    /// Whether it carries the digits with this key.
    pub(crate) fn carries(&self, key: u32) -> bool {
        self.dtmf.as_ref().is_some_and(|dtmf| dtmf.key == key)
    }

    pub(crate) fn dtmf_command(&mut self, now: Instant, command: &Command) -> Result<()> {
        let Some(dtmf) = &mut self.dtmf else {
            return Ok(());
        };
        match command {
            Command::Play(steps) => dtmf.player.play(steps)?,
            Command::Flush => dtmf.player.flush(now),
            Command::ToneStart(event) => dtmf.player.tonestart(now, *event)?,
            Command::ToneStop => dtmf.player.tonestop(now),
        }
        Ok(())
    }

    pub(crate) fn dtmf_timeout(&self) -> Option<Instant> {
        self.dtmf.as_ref()?.player.poll_timeout()
    }

    /// Sends the packets that are due.
    pub(crate) fn play_dtmf(
        &mut self,
        now: Instant,
        send: impl FnMut(FramePacket<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.dtmf_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        let Some(position) = self.dtmf_position(now) else {
            return Ok(());
        };
        if let Some(dtmf) = &mut self.dtmf {
            dtmf.player.handle_timeout(now, position);
        }
        self.send_digits(send)
    }

    fn send_digits(&mut self, mut send: impl FnMut(FramePacket<'_>) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        while let Some(dtmf) = &mut self.dtmf
            && let Some(output) = dtmf.player.poll()
        {
            match output {
                Output::Event(event) => dtmf.source.emit_dtmf(event),
                Output::Packet(packet) => {
                    let sent = send(FramePacket {
                        marker: packet.marker,
                        payload_type: packet.payload_type,
                        sequence_number: self.next_dtmf_sequence(),
                        timestamp: packet.timestamp,
                        payload: &packet.payload,
                    });
                    result = result.and(sent);
                }
            }
        }
        result
    }

    /// The codec for digits: that with the clock of the audio codec in use, or else the first.
    fn dtmf_position(&mut self, now: Instant) -> Option<RtpPosition> {
        let audio_rate = self.active.clock_rate;
        let rate = |codec: &RTCCodec| codec.clock_rate.unwrap_or(audio_rate);
        let mut codecs = self.codecs.iter().filter(|codec| is_dtmf(codec));
        let first = codecs.clone().next()?;
        let codec = codecs
            .find(|codec| rate(codec) == audio_rate)
            .unwrap_or(first);
        let (clock_rate, payload_type) = (rate(codec), codec.payload_type);
        let (at, timestamp) = *self.reference.get_or_insert((now, self.active.timestamp));
        let elapsed = now.saturating_duration_since(at).as_micros();
        let ticks = elapsed.saturating_mul(u128::from(audio_rate)) / 1_000_000;
        Some(RtpPosition {
            // Timestamps wrap.
            timestamp: timestamp.wrapping_add(ticks as u32),
            clock_rate,
            payload_type,
        })
    }

    fn next_dtmf_sequence(&mut self) -> u16 {
        self.relay.make_room();
        self.take_sequence()
    }

    pub(super) fn take_sequence(&mut self) -> u16 {
        let sequence_number = self.sequence_number;
        self.sequence_number = sequence_number.wrapping_add(1);
        sequence_number
    }

    /// The sequence number that a relayed packet goes out with: its own, until digits took some.
    /// `None` for one that is so late that a digit has its number: a number used twice would
    /// be a break of SRTP (RFC 3711 section 9.1).
    pub(crate) fn relay(&mut self, now: Instant, sequence: u16, timestamp: u32) -> Option<u16> {
        let (out, is_newest) = self.relay.number(sequence, self.sequence_number)?;
        if is_newest {
            self.sequence_number = out.wrapping_add(1);
            self.reference = Some((now, timestamp));
        }
        Some(out)
    }
}
