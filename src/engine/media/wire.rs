//! One RTP packet onto the wire: header extensions of the connection, protection, batch.

use std::time::Instant;

use super::model::OutgoingRtp;
use crate::engine::dtls::SrtpProfile;
use crate::engine::outgoing::Outlet;
use crate::engine::srtp::Srtp;
use crate::error::{Error, Result};
use crate::rtp::extensions::encode_transport_cc;
use crate::rtp::{ExtensionMap, OutgoingHeader, RtpSession, encode_abs_send_time, write_header};

/// Header extension elements in one packet: those of the engine, and those of its track.
const MAX_ELEMENTS: usize = 10;

/// Bytes that protection adds to an RTP packet: the tag (RFC 3711 section 4.2, RFC 7714 section
/// 13.2).
pub(super) fn rtp_overhead(profile: SrtpProfile) -> usize {
    match profile {
        SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => 16,
        SrtpProfile::Aes128CmHmacSha1_80 => 10,
    }
}

/// The same for RTCP: the tag and the index with the E bit.
pub(super) fn rtcp_overhead(profile: SrtpProfile) -> usize {
    rtp_overhead(profile) + 4
}

/// What packets go out through, while there is a path and there are keys.
pub(super) struct Wire<'a> {
    pub(super) srtp: &'a mut Srtp,
    /// Bytes that protection adds.
    pub(super) overhead: usize,
    pub(super) outlet: Outlet<'a>,
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) ids: &'a ExtensionMap,
    pub(super) epoch: Instant,
    pub(super) transport_sequence: &'a mut u16,
    /// Transport-wide number and size of the packet that was queued last, where it has one.
    pub(super) numbered: Option<(u16, usize)>,
}

/// What a stream says about itself in each packet.
#[derive(Clone, Copy, Default)]
pub(super) struct StreamLabels<'a> {
    pub(super) mid: Option<&'a [u8]>,
    /// Id of the header extension, and the RID.
    pub(super) rid: Option<(u8, &'a [u8])>,
}

impl<'a> Wire<'a> {
    pub(super) fn extension_ids(&self) -> &'a ExtensionMap {
        self.ids
    }

    /// Protects and queues a packet of the SSRC, its payload preceded by `prefix`; `sealed` is
    /// shown the datagram. False when the queue is full.
    pub(super) fn send(
        &mut self,
        now: Instant,
        ssrc: u32,
        labels: StreamLabels<'_>,
        packet: &OutgoingRtp<'_>,
        prefix: &[u8],
        sealed: impl FnOnce(&[u8]),
    ) -> Result<bool> {
        let send_time;
        let mut elements: [(u8, &[u8]); MAX_ELEMENTS] = [(0, &[]); MAX_ELEMENTS];
        let mut count = 0;
        let mut add = |id: u8, data| {
            if let Some(slot) = elements.get_mut(count) {
                *slot = (id, data);
                count += 1;
            }
        };
        if let (Some(id), Some(mid)) = (self.ids.mid, labels.mid) {
            add(id, mid);
        }
        if let Some((id, rid)) = labels.rid {
            add(id, rid);
        }
        if let Some(id) = self.ids.abs_send_time {
            send_time = encode_abs_send_time(now.saturating_duration_since(self.epoch));
            add(id, &send_time);
        }
        let number = *self.transport_sequence;
        let transport_sequence = encode_transport_cc(number);
        let is_numbered = self.ids.transport_cc.is_some();
        if let Some(id) = self.ids.transport_cc {
            add(id, &transport_sequence);
        }
        for &(id, data) in packet.extensions {
            add(id, data);
        }
        let header = OutgoingHeader {
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence_number: packet.sequence_number,
            timestamp: packet.timestamp,
            ssrc,
            csrcs: packet.csrcs,
            extensions: elements.get(..count).unwrap_or_default(),
        };
        self.scratch.clear();
        let header_len = write_header(self.scratch, &header);
        let len = header_len + prefix.len() + packet.payload_len() + self.overhead;
        let (head, srtp) = (&*self.scratch, &mut *self.srtp);
        let queued = self.outlet.push_with(len, |out| {
            let start = out.len();
            out.extend_from_slice(head);
            out.extend_from_slice(prefix);
            out.extend_from_slice(packet.head);
            out.extend_from_slice(packet.payload);
            srtp.protect_rtp(out, start, header_len)?;
            sealed(out.get(start..).unwrap_or_default());
            Ok::<(), Error>(())
        })?;
        self.numbered = (queued && is_numbered).then_some((number, len));
        if self.numbered.is_some() {
            *self.transport_sequence = number.wrapping_add(1);
        }
        Ok(queued)
    }

    /// Has the path measured by the packet that was queued last.
    pub(super) fn measure(&mut self, now: Instant, rtp: &mut RtpSession) {
        if let Some((number, size)) = self.numbered.take() {
            rtp.path().sent(now, number, size);
        }
    }

    /// Queues a datagram that was sent before. False when the queue is full.
    pub(super) fn send_again(&mut self, datagram: &[u8]) -> bool {
        self.outlet.push(datagram)
    }
}
