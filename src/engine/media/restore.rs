//! Packets that the peer sends again: what they carry joins the source that it is of (RFC 4588).

use std::time::Instant;

use bytes::Buf;

use super::session::Media;
use crate::rtp::{ReceiverId, Reception, RtpHeader, RtpPacket};

impl Media {
    /// A retransmission, of a packet of this payload type.
    pub(super) fn deliver_again(
        &mut self,
        now: Instant,
        id: ReceiverId,
        header: &RtpHeader,
        packet: RtpPacket,
        payload_type: u8,
    ) {
        let Some(packet) = self.restore(now, id, header, packet, payload_type) else {
            return;
        };
        let Some(receiver) = self.receivers.get_mut(&id) else {
            return;
        };
        if !receiver.has_redundancy() {
            self.queue_packet(id, packet);
        } else if receiver.note_arrival(&packet, false) {
            self.take_apart(now, id, packet, true);
        }
    }

    /// The packet that a retransmission carries (RFC 4588 section 4), if it was missing.
    fn restore(
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
