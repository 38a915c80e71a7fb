//! What is sent: the SSRCs of this side, their packets, and those that the peer asks for again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::model::{OutgoingRtp, RedStream, RtxStream, SendOutcome};
use super::repair;
use super::session::Media;
use super::streams::Sender;
use super::wire::{StreamLabels, Wire, rtp_overhead};
use crate::engine::outgoing::Outlet;
use crate::error::Result;
use crate::rtp::{MediaLabel, RtpSession};
use crate::trace;

/// About the size of a packet that is sent again.
const RESENT: usize = 1_100;

impl Media {
    pub(crate) fn add_sender(
        &mut self,
        ssrc: u32,
        clock_rate: u32,
        mid: Option<String>,
    ) -> Result<()> {
        self.rtp.add_sender(ssrc, clock_rate)?;
        self.senders.insert(ssrc, Sender::new(mid));
        Ok(())
    }

    /// With which sequence number an SSRC that was sent before and ended may go on.
    pub(crate) fn next_sequence(&self, ssrc: u32) -> Option<u16> {
        self.srtp.as_ref()?.next_sequence(ssrc)
    }

    // Row G9.
    /// Sends BYE for the SSRC and forgets it; false when it is not known.
    pub(crate) fn remove_sender(&mut self, ssrc: u32) -> bool {
        let Some(sender) = self.senders.remove(&ssrc) else {
            return false;
        };
        self.forget_sender(ssrc);
        if let Some(rtx) = sender.repair.rtx_ssrc() {
            self.forget_sender(rtx);
        }
        true
    }

    fn forget_sender(&mut self, ssrc: u32) {
        self.pacer.forget(ssrc);
        self.rtp.remove_sender(ssrc);
        if let Some(srtp) = &mut self.srtp {
            srtp.end_sending(ssrc);
        }
    }

    // Row G9.
    /// Pauses an SSRC: no BYE, it may go on.
    pub(crate) fn stop_sender(&mut self, ssrc: u32) {
        self.rtp.stop_sender(ssrc);
        if let Some(rtx) = self.rtx_ssrc(ssrc) {
            self.rtp.stop_sender(rtx);
        }
    }

    pub(crate) fn update_sender(&mut self, ssrc: u32, clock_rate: u32, mid: Option<String>) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.mid = mid.map(String::into_bytes);
            self.rtp.set_clock_rate(ssrc, clock_rate);
        }
    }

    /// Says what a sending SSRC carries: feedback on similar media of the peer goes out under it.
    pub(crate) fn label_sender(&mut self, ssrc: u32, label: MediaLabel) {
        self.rtp.label_sender(ssrc, label);
    }

    /// Which timestamp of a sending SSRC is that of which moment, for its reports; `None`: that of
    /// its newest packet is that of when it was sent.
    pub(crate) fn set_sender_clock(&mut self, ssrc: u32, reference: Option<(Instant, u32)>) {
        self.rtp.set_sender_clock(ssrc, reference);
    }

    /// The RTP stream identifier of a sending SSRC (RFC 8852), where that extension has an id.
    pub(crate) fn set_sender_rid(&mut self, ssrc: u32, rid: Option<String>) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.rid = rid.map(String::into_bytes);
        }
    }

    /// Says whether packets of a sending SSRC carry earlier ones.
    pub(crate) fn set_sender_red(&mut self, ssrc: u32, stream: Option<RedStream>) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.red.set(stream);
        }
    }

    /// Says how requests for packets of a sending SSRC are answered: not at all, in the same
    /// stream, or in one of their own.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when the SSRC of the retransmissions is in use.
    pub(crate) fn set_sender_repair(
        &mut self,
        ssrc: u32,
        resend: bool,
        rtx: Option<RtxStream>,
    ) -> Result<()> {
        let Some(sender) = self.senders.get_mut(&ssrc) else {
            return Ok(());
        };
        let before = sender.repair.rtx_ssrc();
        let changes = sender.repair.changes(rtx.as_ref());
        if let Some(rtx) = rtx.as_ref().filter(|_| changes) {
            let stats = self.rtp.outbound_stats(ssrc);
            let clock_rate = stats.map_or(90_000, |stats| stats.clock_rate);
            self.rtp.add_sender(rtx.ssrc, clock_rate)?;
        }
        sender.repair.set(resend, rtx);
        if let Some(before) = before.filter(|_| changes) {
            self.forget_sender(before);
        }
        Ok(())
    }

    /// What was sent of an SSRC is not sent again, and less is sent from now on.
    pub(crate) fn forget_sent(&mut self, ssrc: u32) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.repair.forget_sent();
            self.pacer.forget(ssrc);
            self.rtp.path().restart();
        }
    }

    pub(crate) fn rtx_ssrc(&self, ssrc: u32) -> Option<u32> {
        self.senders.get(&ssrc)?.repair.rtx_ssrc()
    }

    /// What packets go out through; `None` while there are no keys.
    fn wire<'a>(
        &'a mut self,
        outlet: Outlet<'a>,
    ) -> Option<(Wire<'a>, &'a mut BTreeMap<u32, Sender>, &'a mut RtpSession)> {
        let wire = Wire {
            srtp: self.srtp.as_mut()?,
            overhead: rtp_overhead(self.profile?),
            outlet,
            scratch: &mut self.header,
            ids: &self.extensions.sent,
            epoch: self.epoch,
            transport_sequence: &mut self.transport_sequence,
            numbered: None,
        };
        Some((wire, &mut self.senders, &mut self.rtp))
    }

    pub(crate) fn send(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &OutgoingRtp<'_>,
        outlet: Outlet<'_>,
    ) -> Result<SendOutcome> {
        let Some((mut wire, senders, rtp)) = self.wire(outlet) else {
            return Ok(SendOutcome::NotConnected);
        };
        let Some(sender) = senders.get_mut(&ssrc) else {
            return Ok(SendOutcome::NotConnected);
        };
        let Sender {
            mid,
            rid,
            repair,
            red,
        } = sender;
        let labels = StreamLabels {
            mid: mid.as_deref(),
            rid: wire.extension_ids().rid.zip(rid.as_deref()),
        };
        let (payload_type, prefix) = red.carry(packet);
        let on_wire = OutgoingRtp {
            payload_type,
            ..*packet
        };
        let queued = wire.send(now, ssrc, labels, &on_wire, prefix, |datagram| {
            repair.keep(now, packet, datagram);
        })?;
        if !queued {
            return Ok(SendOutcome::QueueFull);
        }
        wire.measure(now, rtp);
        let len = prefix.len().saturating_add(packet.payload_len());
        rtp.sent(now, ssrc, packet.timestamp, len);
        self.pacer.sent(now, len);
        Ok(SendOutcome::Sent)
    }

    /// As [`send`](Self::send), once the path has room for it.
    pub(crate) fn send_paced(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &OutgoingRtp<'_>,
        outlet: Outlet<'_>,
    ) -> Result<SendOutcome> {
        match self.pacer.hold(now, ssrc, packet) {
            Some(false) => self.send(now, ssrc, packet, outlet),
            Some(true) => Ok(SendOutcome::Sent),
            None => Ok(SendOutcome::QueueFull),
        }
    }

    /// Sends one packet that waited, if the path has room for it.
    pub(crate) fn send_held(&mut self, now: Instant, outlet: Option<Outlet<'_>>) -> bool {
        let Some(held) = self.pacer.release(now) else {
            return false;
        };
        if let Some(outlet) = outlet {
            // As if it were sent to nobody: there is no path, or the queue is full.
            let _ = held.with(|packet| self.send(now, held.ssrc, packet, outlet));
        }
        true
    }

    /// How long what waits for a narrow path takes.
    pub(crate) fn backlog(&self) -> Duration {
        self.pacer.backlog()
    }

    /// Whether the peer has asked for packets again.
    pub(crate) fn has_requests(&self) -> bool {
        !self.nacked.is_empty()
    }

    /// Sends again what the peer has asked for.
    pub(crate) fn answer_nacks(
        &mut self,
        now: Instant,
        rtt: Option<Duration>,
        outlet: Option<Outlet<'_>>,
    ) {
        let asked = std::mem::take(&mut self.nacked);
        let span = self.span.clone();
        let interval = repair::interval(rtt);
        let mut pacer = std::mem::take(&mut self.pacer);
        let mut wire = outlet.and_then(|outlet| self.wire(outlet));
        let mut unanswered = 0;
        for (ssrc, sequence_numbers) in asked {
            for number in sequence_numbers {
                // A narrow path gets no more than it carries; what is of use is asked for again.
                if !pacer.has_room(now) {
                    unanswered += 1;
                    continue;
                }
                let resent = wire.as_mut().map_or(Ok(false), |(wire, senders, rtp)| {
                    let Some(sender) = senders.get_mut(&ssrc) else {
                        return Ok(false);
                    };
                    let labels = StreamLabels {
                        mid: sender.mid.as_deref(),
                        rid: wire.extension_ids().repaired_rid.zip(sender.rid.as_deref()),
                    };
                    let asked = (ssrc, number);
                    sender
                        .repair
                        .resend(now, wire, rtp, labels, asked, interval)
                });
                if let Err(error) = &resent {
                    tracing::debug!(target: trace::RTP, parent: &span, %error, "a packet could not be sent again");
                }
                match resent {
                    Ok(true) => pacer.sent(now, RESENT),
                    _ => unanswered += 1,
                }
            }
        }
        self.pacer = pacer;
        self.repair_counters.unanswered += unanswered;
    }
}
