//! The digits that come in the packets of a received track.

// Rows A89, A104.

use std::time::Instant;

use crate::dtmf::{DTMFMediaStreamTrack, IncomingEvent, Receiver};
use crate::media::{CodecId, RTCTrackDescription, first_supported};
use crate::rtp::RtpPacket;

// Rows A89, A104.
/// The digits in the packets of a track.
pub(crate) struct ReceivingDigits {
    receiver: Receiver,
    pub(crate) track: DTMFMediaStreamTrack,
    /// Payload type and clock rate of each dtmf codec.
    codecs: Vec<(u8, u32)>,
}

impl ReceivingDigits {
    /// `None` when there is no codec for digits.
    pub(crate) fn new(codecs: Vec<(u8, u32)>) -> Option<Self> {
        (!codecs.is_empty()).then(|| Self {
            receiver: Receiver::default(),
            track: DTMFMediaStreamTrack::remote(),
            codecs,
        })
    }

    pub(crate) fn with_codecs(self, codecs: Vec<(u8, u32)>) -> Self {
        Self { codecs, ..self }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.receiver.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.receiver.handle_timeout(now);
        self.emit();
    }

    /// Takes a digit out of its packet. What is left is an empty payload, so that the sequence
    /// number does not look lost. `emit` follows.
    pub(crate) fn take(&mut self, now: Instant, mut packet: RtpPacket) -> RtpPacket {
        let codec = self
            .codecs
            .iter()
            .find(|(id, _)| *id == packet.payload_type);
        if let Some(&(_, clock_rate)) = codec {
            let payload = std::mem::take(&mut packet.payload);
            let event = IncomingEvent {
                ssrc: packet.ssrc,
                timestamp: packet.timestamp,
                clock_rate,
                payload: &payload,
            };
            self.receiver.handle(now, &event);
        }
        packet
    }

    /// Packets that held no digit.
    pub(crate) fn ignored(&self) -> u64 {
        self.receiver.ignored()
    }

    pub(crate) fn emit(&mut self) {
        while let Some(event) = self.receiver.poll() {
            self.track.emit_dtmf(event);
        }
    }

    pub(crate) fn end_tones(&mut self) {
        self.receiver.end();
        self.emit();
    }

    pub(crate) fn end(&mut self) {
        self.end_tones();
        self.track.end();
    }
}

/// Payload type and clock rate of each codec for digits. Without a clock rate, as in the draft's
/// example, it is that of the audio beside it: both share one line of timestamps.
pub(crate) fn dtmf_codecs(description: &RTCTrackDescription) -> Vec<(u8, u32)> {
    let audio = first_supported(&description.codecs);
    description
        .codecs
        .iter()
        .filter(|codec| codec.id() == Some(CodecId::Dtmf))
        .map(|codec| {
            let rate = match (codec.clock_rate, audio) {
                (None, Some(audio)) => audio.effective_clock_rate(),
                _ => codec.effective_clock_rate(),
            };
            (codec.payload_type, rate)
        })
        .collect()
}
