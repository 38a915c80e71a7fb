//! Packets sent again: answering the peer's requests, and restoring what it sends again
//! (RFC 4585 section 6.2.1, RFC 4588).

use std::time::{Duration, Instant};

use bytes::Buf;

use super::Engine;
use super::media::OutgoingRtp;
use super::rtp_out::StreamLabels;
use crate::error::Result;
use crate::rtp::{History, ReceiverId, Reception, RtpHeader, RtpPacket};
use crate::trace;

/// The original sequence number at the head of a retransmission (RFC 4588 section 4).
const OSN_LEN: usize = 2;
/// A packet is sent again at most once in this time, or in half a round trip.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
const MAX_INTERVAL: Duration = Duration::from_millis(100);

/// The retransmission stream of a sending SSRC (RFC 4588 section 4: SSRC-multiplexed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RtxStream {
    pub(crate) ssrc: u32,
    /// Media payload type, and the one its retransmissions have.
    pub(crate) payload_types: Vec<(u8, u8)>,
    /// Where its sequence numbers begin; they go on when the stream is set again.
    pub(crate) next_sequence_number: u16,
}

impl RtxStream {
    fn payload_type(&self, media: u8) -> Option<u8> {
        self.payload_types
            .iter()
            .find(|(known, _)| *known == media)
            .map(|(_, rtx)| *rtx)
    }
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

    /// Remembers a packet that was just sent as `datagram`.
    pub(super) fn keep(&mut self, now: Instant, packet: &OutgoingRtp<'_>, datagram: &[u8]) {
        let rtx = self.rtx.as_ref();
        let in_the_clear = rtx.is_some_and(|rtx| rtx.payload_type(packet.payload_type).is_some());
        let Some(history) = &mut self.history else {
            return;
        };
        // Without a retransmission stream the very bytes are sent again: protecting another
        // packet under a sequence number that was used would break GCM.
        let data = if in_the_clear {
            packet.payload
        } else {
            datagram
        };
        history.keep(now, packet.sequence_number, data.len(), |kept| {
            kept.is_datagram = !in_the_clear;
            kept.marker = packet.marker;
            kept.payload_type = packet.payload_type;
            kept.timestamp = packet.timestamp;
            kept.data.extend_from_slice(data);
            if in_the_clear {
                kept.csrcs.extend_from_slice(packet.csrcs);
                let extensions = packet.extensions.iter();
                kept.extensions
                    .extend(extensions.map(|(id, value)| (*id, value.to_vec())));
            }
        });
    }
}

/// How missing packets of a receiver come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReceiverRepair {
    /// Whether they are asked for.
    pub(crate) nack: bool,
    /// Retransmission SSRC, and the SSRC of what it repairs.
    pub(crate) rtx_ssrcs: Vec<(u32, u32)>,
    /// Payload type of retransmissions, and of what they carry.
    pub(crate) payload_types: Vec<(u8, u8)>,
}

impl ReceiverRepair {
    /// The payload type of what a retransmission carries; `None` for other packets.
    pub(super) fn media_payload_type(&self, payload_type: u8) -> Option<u8> {
        self.payload_types
            .iter()
            .find(|(rtx, _)| *rtx == payload_type)
            .map(|(_, media)| *media)
    }
}

/// What became of retransmissions that were received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RepairCounters {
    /// Retransmissions of a stream that is not known.
    pub(crate) unrelated: u64,
    /// Too short to hold a packet.
    pub(crate) malformed: u64,
    /// Of packets that were there already.
    pub(crate) needless: u64,
    /// Asked for by the peer, and not to be had any more.
    pub(crate) unanswered: u64,
}

impl Engine {
    /// Says how requests for packets of a sending SSRC are answered: not at all, in the same
    /// stream, or in one of their own.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when the SSRC of the retransmissions is in use.
    pub(crate) fn set_sender_repair(
        &mut self,
        now: Instant,
        ssrc: u32,
        resend: bool,
        rtx: Option<RtxStream>,
    ) -> Result<()> {
        let Some(sender) = self.senders.get_mut(&ssrc) else {
            return Ok(());
        };
        let repair = &mut sender.repair;
        let before = repair.rtx.as_ref().map(|rtx| rtx.ssrc);
        let after = rtx.as_ref().map(|rtx| rtx.ssrc);
        if before != after {
            let mut rtx = rtx;
            if let (Some(rtx), Some(retired)) = (&mut rtx, &repair.retired)
                && rtx.ssrc == retired.ssrc
            {
                rtx.next_sequence_number = retired.next_sequence_number;
            }
            if let Some(after) = after {
                let clock_rate = self
                    .rtp
                    .outbound_stats(ssrc)
                    .map_or(90_000, |s| s.clock_rate);
                self.rtp.add_sender(after, clock_rate)?;
            }
            if let Some(before) = before {
                self.rtp.remove_sender(before);
                if let Some(srtp) = &mut self.srtp {
                    srtp.end_sending(before);
                }
            }
            repair.retired = std::mem::replace(&mut repair.rtx, rtx);
        } else if let (Some(known), Some(rtx)) = (&mut repair.rtx, rtx) {
            // The numbers go on.
            known.payload_types = rtx.payload_types;
        }
        let keeps = resend || repair.rtx.is_some();
        match &repair.history {
            None if keeps => repair.history = Some(Box::default()),
            Some(_) if !keeps => repair.history = None,
            _ => {}
        }
        self.advance(now);
        Ok(())
    }

    pub(crate) fn rtx_ssrc(&self, ssrc: u32) -> Option<u32> {
        self.senders.get(&ssrc)?.repair.rtx_ssrc()
    }

    /// Says how missing packets of a receiver come back.
    pub(crate) fn set_receiver_repair(&mut self, id: ReceiverId, repair: ReceiverRepair) {
        let Some(receiver) = self.receivers.get_mut(&id) else {
            return;
        };
        if repair.nack {
            for ssrc in &receiver.ssrcs {
                self.rtp.enable_nack(*ssrc);
            }
        }
        receiver.repair = repair;
    }

    pub(crate) fn repair_counters(&self) -> RepairCounters {
        self.repair_counters
    }

    /// Sends again what the peer has asked for.
    pub(super) fn answer_nacks(&mut self, now: Instant) {
        let asked = std::mem::take(&mut self.nacked);
        if asked.is_empty() {
            return;
        }
        let rtt = self.ice.selected_rtt().unwrap_or_default();
        let interval = (rtt / 2).clamp(MIN_INTERVAL, MAX_INTERVAL);
        for (ssrc, sequence_numbers) in asked {
            for sequence_number in sequence_numbers {
                if !self.resend(now, ssrc, sequence_number, interval) {
                    self.repair_counters.unanswered += 1;
                }
            }
        }
    }

    fn resend(&mut self, now: Instant, ssrc: u32, number: u16, interval: Duration) -> bool {
        let Some((mut wire, senders, rtp)) = self.wire() else {
            return false;
        };
        let Some(sender) = senders.get_mut(&ssrc) else {
            return false;
        };
        let labels = StreamLabels {
            mid: sender.mid.as_deref(),
            rid: wire.extension_ids().repaired_rid.zip(sender.rid.as_deref()),
        };
        let SenderRepair { history, rtx, .. } = &mut sender.repair;
        let Some(packet) = history.as_mut().and_then(|h| h.ask(now, number, interval)) else {
            return false;
        };
        if packet.is_datagram {
            let sent = wire.send_again(&packet.data);
            if sent {
                rtp.resent(ssrc, packet.data.len());
            }
            return sent;
        }
        let Some(rtx) = rtx else { return false };
        let Some(payload_type) = rtx.payload_type(packet.payload_type) else {
            return false;
        };
        let extensions: Vec<(u8, &[u8])> = packet
            .extensions
            .iter()
            .map(|(id, value)| (*id, value.as_slice()))
            .collect();
        let again = OutgoingRtp {
            marker: packet.marker,
            payload_type,
            sequence_number: rtx.next_sequence_number,
            timestamp: packet.timestamp,
            csrcs: &packet.csrcs,
            extensions: &extensions,
            payload: &packet.data,
        };
        let osn = packet.sequence_number.to_be_bytes();
        match wire.send(now, rtx.ssrc, labels, &again, &osn, |_| {}) {
            Ok(true) => {
                rtx.next_sequence_number = rtx.next_sequence_number.wrapping_add(1);
                let len = packet.data.len().saturating_add(OSN_LEN);
                rtp.sent(now, rtx.ssrc, packet.timestamp, len);
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::debug!(target: trace::RTP, parent: &self.config.span, %error, "a packet could not be sent again");
                false
            }
        }
    }

    /// The packet that a retransmission carries (RFC 4588 section 4), if it was missing.
    pub(super) fn restore(
        &mut self,
        now: Instant,
        id: ReceiverId,
        header: &RtpHeader,
        mut packet: RtpPacket,
        payload_type: u8,
    ) -> Option<RtpPacket> {
        let receiver = self.receivers.get(&id)?;
        let media = receiver.repaired(packet.ssrc);
        let clock_rate = receiver.spec.clock_rate(payload_type);
        let len = packet.payload.len();
        let mut reception = self.rtp.receive(now, header, len, clock_rate);
        if reception == Reception::Resumed {
            reception = self.rtp.receive(now, header, len, clock_rate);
        }
        // What is held of media is not worth it here: it will be asked for again.
        if !matches!(reception, Reception::Deliver | Reception::Repeat) {
            self.turn_away(packet.ssrc);
            return None;
        }
        if len == 0 {
            // Padding alone: how browsers probe the path.
            return None;
        }
        let Some(ssrc) = media else {
            self.repair_counters.unrelated += 1;
            return None;
        };
        let Some(sequence_number) = packet.payload.try_get_u16().ok() else {
            self.repair_counters.malformed += 1;
            return None;
        };
        if !self
            .rtp
            .restored(now, ssrc, sequence_number, packet.payload.len())
        {
            self.repair_counters.needless += 1;
            return None;
        }
        packet.ssrc = ssrc;
        packet.sequence_number = sequence_number;
        packet.payload_type = payload_type;
        Some(packet)
    }
}
