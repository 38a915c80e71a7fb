//! Packets sent again because the peer asks for them (RFC 4585 section 6.2.1, RFC 4588).

use std::time::{Duration, Instant};

use super::model::{OutgoingRtp, RtxStream};
use super::wire::{StreamLabels, Wire};
use crate::error::Result;
use crate::rtp::{History, RtpSession};

/// The original sequence number at the head of a retransmission (RFC 4588 section 4).
const OSN_LEN: usize = 2;
/// A packet is sent again at most once in this time, or in half a round trip.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
const MAX_INTERVAL: Duration = Duration::from_millis(100);

/// How soon a packet may be sent again, by the round-trip time.
pub(super) fn interval(rtt: Option<Duration>) -> Duration {
    (rtt.unwrap_or_default() / 2).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

/// How requests for packets of a sending SSRC are answered.
#[derive(Debug, Default)]
pub(crate) struct SenderRepair {
    history: Option<Box<History>>,
    rtx: Option<RtxStream>,
    /// A stream that was taken away: it may come again, and its sequence numbers must go on.
    retired: Option<RtxStream>,
}

impl SenderRepair {
    pub(super) fn rtx_ssrc(&self) -> Option<u32> {
        self.rtx.as_ref().map(|rtx| rtx.ssrc)
    }

    /// Whether the stream of retransmissions is another one.
    pub(super) fn changes(&self, rtx: Option<&RtxStream>) -> bool {
        self.rtx_ssrc() != rtx.map(|rtx| rtx.ssrc)
    }

    /// Takes how requests are answered: not at all, in the same stream, or in one of their own.
    pub(super) fn set(&mut self, resend: bool, rtx: Option<RtxStream>) {
        if self.changes(rtx.as_ref()) {
            let mut rtx = rtx;
            if let (Some(rtx), Some(retired)) = (&mut rtx, &self.retired)
                && rtx.ssrc == retired.ssrc
            {
                rtx.next_sequence_number = retired.next_sequence_number;
            }
            self.retired = std::mem::replace(&mut self.rtx, rtx);
        } else if let (Some(known), Some(rtx)) = (&mut self.rtx, rtx) {
            // The numbers go on.
            known.payload_types = rtx.payload_types;
        }
        let keeps = resend || self.rtx.is_some();
        match &self.history {
            None if keeps => self.history = Some(Box::default()),
            Some(_) if !keeps => self.history = None,
            _ => {}
        }
    }

    /// What was sent so far is not sent again.
    pub(super) fn forget_sent(&mut self) {
        if let Some(history) = &mut self.history {
            history.forget();
        }
    }

    /// Remembers a packet that was just sent as `datagram`.
    pub(super) fn keep(&mut self, now: Instant, packet: &OutgoingRtp<'_>, datagram: &[u8]) {
        let rtx = self.rtx.as_ref();
        let in_the_clear = rtx.is_some_and(|rtx| rtx.payload_type(packet.payload_type).is_some());
        let Some(history) = &mut self.history else {
            return;
        };
        // Without a retransmission stream the very bytes are sent again: protecting another
        // packet under a sequence number that was used would break GCM.
        let size = match in_the_clear {
            true => packet.payload_len(),
            false => datagram.len(),
        };
        history.keep(now, packet.sequence_number, size, |kept| {
            kept.is_datagram = !in_the_clear;
            kept.marker = packet.marker;
            kept.payload_type = packet.payload_type;
            kept.timestamp = packet.timestamp;
            if !in_the_clear {
                kept.data.extend_from_slice(datagram);
                return;
            }
            kept.data.extend_from_slice(packet.head);
            match packet.shared {
                Some(shared) => kept.shared = shared.clone(),
                None => kept.data.extend_from_slice(packet.payload),
            }
            kept.csrcs.extend_from_slice(packet.csrcs);
            for (id, value) in packet.extensions {
                kept.keep_extension(*id, value);
            }
        });
    }

    /// Sends a packet of the SSRC again; false when it cannot be had any more.
    pub(super) fn resend(
        &mut self,
        now: Instant,
        wire: &mut Wire<'_>,
        rtp: &mut RtpSession,
        labels: StreamLabels<'_>,
        (ssrc, number): (u32, u16),
        interval: Duration,
    ) -> Result<bool> {
        let Self { history, rtx, .. } = self;
        let Some(packet) = history.as_mut().and_then(|h| h.ask(now, number, interval)) else {
            return Ok(false);
        };
        if packet.is_datagram {
            let sent = wire.send_again(&packet.data);
            if sent {
                rtp.resent(ssrc, packet.data.len());
            }
            return Ok(sent);
        }
        let Some(rtx) = rtx else { return Ok(false) };
        let Some(payload_type) = rtx.payload_type(packet.payload_type) else {
            return Ok(false);
        };
        let extensions: Vec<(u8, &[u8])> = packet.extensions().collect();
        let again = OutgoingRtp {
            marker: packet.marker,
            payload_type,
            sequence_number: rtx.next_sequence_number,
            timestamp: packet.timestamp,
            csrcs: &packet.csrcs,
            extensions: &extensions,
            head: &packet.data,
            payload: &packet.shared,
            shared: None,
        };
        let osn = packet.sequence_number.to_be_bytes();
        let sent = wire.send(now, rtx.ssrc, labels, &again, &osn, |_| {})?;
        if sent {
            wire.measure(now, rtp);
            rtx.next_sequence_number = rtx.next_sequence_number.wrapping_add(1);
            let len = packet.len().saturating_add(OSN_LEN);
            rtp.sent(now, rtx.ssrc, packet.timestamp, len);
        }
        Ok(sent)
    }
}
