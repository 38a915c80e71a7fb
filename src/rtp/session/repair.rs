//! Asking for packets that are missing, and counting those that came back (RFC 4585, RFC 4588).

use std::time::{Duration, Instant};

use super::RtpSession;
use crate::rtp::nack::{Arrival, NackTracker};
use crate::rtp::path_meter::{PathMeter, Strain};
use crate::rtp::transport_cc::{Recorder, TransportReports};

impl RtpSession {
    /// Has missing packets of a source asked for, from the one it sent last on.
    pub(crate) fn enable_nack(&mut self, ssrc: u32) {
        if let Some(source) = self.sources.get_mut(&ssrc)
            && source.nack.is_none()
        {
            let tracker = NackTracker::new(source.highest_sequence_number());
            source.nack = Some(Box::new(tracker));
        }
    }

    /// A retransmission stream brought a packet of this source. False if it is not wanted: it was
    /// here before, or nobody asked.
    pub(crate) fn restored(
        &mut self,
        now: Instant,
        ssrc: u32,
        sequence_number: u16,
        payload_len: usize,
    ) -> bool {
        let Some(source) = self.sources.get_mut(&ssrc).filter(|source| source.active) else {
            return false;
        };
        let Some(nack) = &mut source.nack else {
            return false;
        };
        let wanted = nack.arrived(now, sequence_number) != Arrival::Repeat;
        if wanted {
            source.restored = source.restored.wrapping_add(1);
            source.restored_bytes = source.restored_bytes.wrapping_add(payload_len as u64);
            source.last_heard = now;
        }
        wanted
    }

    /// A later packet carried a missing one of this source: it need not be asked for. False if it
    /// is not wanted.
    pub(crate) fn recovered(&mut self, now: Instant, ssrc: u32, sequence_number: u16) -> bool {
        let Some(source) = self.sources.get_mut(&ssrc).filter(|source| source.active) else {
            return false;
        };
        let nack = source.nack.as_mut();
        nack.is_none_or(|nack| nack.arrived(now, sequence_number) != Arrival::Repeat)
    }

    /// The round-trip time of the path: how long the answer to a NACK takes.
    pub(crate) fn set_path_rtt(&mut self, rtt: Option<Duration>) {
        self.path_rtt = rtt;
    }

    /// Counts a packet that was sent again in its own stream.
    pub(crate) fn resent(&mut self, ssrc: u32, payload_len: usize) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            let stats = &mut sender.stats;
            stats.packets_sent = stats.packets_sent.wrapping_add(1);
            stats.bytes_sent = stats.bytes_sent.wrapping_add(payload_len as u64);
            stats.resent = stats.resent.wrapping_add(1);
            stats.resent_bytes = stats.resent_bytes.wrapping_add(payload_len as u64);
        }
    }

    /// Collects what is to be asked for now.
    pub(super) fn collect_nacks(&mut self, now: Instant) {
        if self.nack_at.is_none_or(|at| at > now) {
            return;
        }
        self.nack_at = None;
        let mut next: Option<Instant> = None;
        for (&ssrc, source) in &mut self.sources {
            let Some(nack) = source.nack.as_mut().filter(|_| source.left_at.is_none()) else {
                continue;
            };
            let due = nack.due(now, self.path_rtt);
            if !due.is_empty() {
                nack.messages = nack.messages.wrapping_add(1);
                self.nacks.push((ssrc, due));
            }
            next = [next, nack.next_at()].into_iter().flatten().min();
        }
        self.nack_at = next;
    }

    /// A packet with this transport-wide sequence number arrived.
    pub(crate) fn transport_arrived(&mut self, now: Instant, sequence_number: u16, ssrc: u32) {
        let recorder = self
            .transport
            .get_or_insert_with(|| Box::new(Recorder::new(now)));
        recorder.arrived(now, sequence_number, ssrc);
    }

    /// What the peer said about the arrival of our packets.
    pub(crate) fn transport_reports(&self) -> TransportReports {
        self.transport_reports
    }

    /// What is known of the path to the peer by that.
    pub(crate) fn path(&mut self) -> &mut PathMeter {
        &mut self.path
    }

    /// What is known of the path being too narrow.
    pub(crate) fn strain(&self) -> Option<Strain> {
        self.path.strain()
    }

    /// Whether the path was found to carry less than what is sent; once for each time.
    pub(crate) fn take_strain(&mut self) -> bool {
        std::mem::take(&mut self.path_strained)
    }

    pub(super) fn nack_no_later_than(&mut self, at: Option<Instant>) {
        self.nack_at = [self.nack_at, at].into_iter().flatten().min();
    }
}
