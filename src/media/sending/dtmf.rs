//! Digits in the packets of an audio track (rows A102, G23): same SSRC, one line of sequence
//! numbers, a payload type of their own.

use std::time::Instant;

use super::{FramePacket, SendingTrack};
use crate::dtmf::{Command, Output, Player, RtpPosition};
use crate::error::{Error, Result};
use crate::media::track::MediaStreamTrack;
use crate::media::{CodecId, Kind, RTCCodec};

/// The payload types that others use most for digits come first, then all dynamic ones.
const PREFERRED: [u8; 3] = [101, 110, 126];

/// The digits of one audio track.
pub(crate) struct SendingDtmf {
    pub(crate) key: u32,
    pub(crate) source: MediaStreamTrack,
    player: Player,
}

/// How the sequence numbers of relayed packets make room for those of digits.
#[derive(Default)]
pub(super) struct Relay {
    /// Sequence number of the newest relayed packet, as it came.
    newest: Option<u16>,
    shift: u16,
    /// `newest` when `shift` last changed: what comes later than it but is older has no number
    /// of its own any more.
    shifted_after: Option<u16>,
    digits_first: bool,
}

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
        let (clock_rate, payload_type) = (rate(codec), codec.payload_id);
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
        let relay = &mut self.relay;
        match relay.newest {
            Some(newest) => {
                relay.shift = relay.shift.wrapping_add(1);
                relay.shifted_after = Some(newest);
            }
            None => relay.digits_first = true,
        }
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
        const OUT_OF_SIGHT: u16 = 0x1000;
        let relay = &mut self.relay;
        if relay.newest.is_none() && relay.digits_first {
            relay.shift = self.sequence_number.wrapping_sub(sequence);
        }
        if let Some(after) = relay.shifted_after {
            let ahead = sequence.wrapping_sub(after);
            if ahead == 0 || ahead >= 0x8000 {
                return None;
            }
            if ahead > OUT_OF_SIGHT {
                relay.shifted_after = None;
            }
        }
        let out = sequence.wrapping_add(relay.shift);
        let is_newest = relay
            .newest
            .is_none_or(|newest| (1..0x8000).contains(&sequence.wrapping_sub(newest)));
        if is_newest {
            relay.newest = Some(sequence);
            self.sequence_number = out.wrapping_add(1);
            self.reference = Some((now, timestamp));
        }
        Some(out)
    }
}

fn is_dtmf(codec: &RTCCodec) -> bool {
    codec.id() == Some(CodecId::Dtmf)
}

/// The codecs with one for digits for each clock rate of the audio codecs; as they are if they
/// have one already. The clock must be that of the audio (RFC 4733 section 2.1), so that both
/// share one line of timestamps. The payload types of `before` are kept.
pub(super) fn with_dtmf(
    mut codecs: Vec<RTCCodec>,
    before: &[RTCCodec],
    is_taken: impl Fn(u8) -> bool,
) -> Vec<RTCCodec> {
    if codecs.iter().any(is_dtmf) {
        return codecs;
    }
    let mut rates: Vec<u32> = Vec::new();
    for codec in &codecs {
        let is_audio = codec
            .facts()
            .is_some_and(|facts| facts.is_primary && facts.kind == Kind::Audio);
        let rate = codec.effective_clock_rate();
        if is_audio && !rates.contains(&rate) {
            rates.push(rate);
        }
    }
    for rate in rates {
        let used = |id: u8| codecs.iter().any(|codec| codec.payload_id == id);
        let same = |codec: &&RTCCodec| is_dtmf(codec) && codec.effective_clock_rate() == rate;
        let free = before
            .iter()
            .filter(same)
            .map(|codec| codec.payload_id)
            .chain(PREFERRED)
            .chain(96..=127)
            .find(|&id| !used(id) && !is_taken(id));
        if let Some(id) = free {
            codecs.push(RTCCodec {
                clock_rate: Some(rate),
                ..RTCCodec::dtmf(id)
            });
        }
    }
    codecs
}
