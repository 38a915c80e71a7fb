//! A packet's way from the wire to the receiver that it is for.

use std::time::Instant;

use super::redundancy::Malformed;
use super::session::Media;
use super::unknown::Verdict;
use crate::engine::events::Events;
use crate::engine::model::EngineEvent;
use crate::engine::srtp::HeaderFields;
use crate::rtp::extensions::{decode_text, decode_transport_cc};
use crate::rtp::{
    ExtensionMap, ReceiverId, Reception, Route, Router, RtpEvent, RtpHeader, RtpPacket, to_packet,
};
use crate::trace;

/// Packets that wait for the layer above; it drains after every batch of datagrams.
const MAX_PACKETS: usize = 8192;

impl Media {
    /// One packet of SRTP; it is decrypted in place.
    pub(crate) fn handle_rtp(&mut self, now: Instant, data: &mut [u8], events: &mut Events) {
        let Some(srtp) = &mut self.srtp else {
            self.counters.early += 1;
            return;
        };
        let Ok(header) = RtpHeader::parse(data) else {
            self.counters.malformed_rtp += 1;
            return;
        };
        let fields = HeaderFields {
            ssrc: header.ssrc,
            sequence_number: header.sequence_number,
            header_len: header.header_len,
        };
        let Ok(plain_len) = srtp.unprotect_rtp(data, fields) else {
            self.counters.rejected_srtp += 1;
            return;
        };
        let plain = data.get(..plain_len).unwrap_or_default();
        let Ok(packet) = to_packet(&header, plain) else {
            self.counters.malformed_rtp += 1;
            return;
        };
        let transport_cc = self.extensions.received.transport_cc;
        let number = transport_cc
            .and_then(|id| packet.extensions.get(id))
            .and_then(decode_transport_cc);
        if let Some(number) = number {
            self.rtp.transport_arrived(now, number, packet.ssrc);
        }
        self.deliver(now, &header, packet, events);
    }

    fn deliver(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        packet: RtpPacket,
        events: &mut Events,
    ) {
        let receiver = match route(&mut self.router, &self.extensions.received, &packet) {
            Route::Receiver(id) => self.receivers.get_mut(&id).map(|receiver| (id, receiver)),
            Route::Unknown => None,
        };
        let Some((id, receiver)) = receiver else {
            self.keep_unknown(now, header.clone(), packet, events);
            return;
        };
        if let Some(media) = receiver.repair.media_payload_type(packet.payload_type) {
            return self.deliver_again(now, id, header, packet, media);
        }
        let clock_rate = receiver.spec.clock_rate(packet.payload_type);
        let reception = self
            .rtp
            .receive(now, header, packet.payload.len(), clock_rate);
        match reception {
            Reception::Deliver | Reception::Repeat => {}
            // Overtaken by its own BYE, or one too many: no source of the receiver's.
            Reception::Refused => {
                self.turn_away(packet.ssrc);
                self.poll_events(events);
                return;
            }
            Reception::Held => {
                self.router.unbind(packet.ssrc);
                // SRTP keeps its place, so that what is held may be out of order.
                for ssrc in self.held.push(now, header.clone(), packet) {
                    if !self.rtp.is_active(ssrc)
                        && let Some(srtp) = &mut self.srtp
                    {
                        srtp.end_source(ssrc);
                    }
                }
                return;
            }
            Reception::Resumed => {
                for (header, packet) in self.held.take(packet.ssrc) {
                    self.deliver(now, &header, packet, events);
                }
                return self.deliver(now, header, packet, events);
            }
        }
        let first = !receiver.ssrcs.contains(&packet.ssrc);
        if first {
            receiver.ssrcs.push(packet.ssrc);
            self.heard.insert((packet.ssrc, id));
            self.rtp.label_source(packet.ssrc, &receiver.label);
            if receiver.repair.nack {
                self.rtp.enable_nack(packet.ssrc);
            }
        }
        let redundant = receiver.has_redundancy();
        let news = !redundant || receiver.note_arrival(&packet, first);
        let fresh = news && reception == Reception::Deliver;
        let is_red = redundant && receiver.spec.red_format(packet.payload_type).is_some();
        if !(fresh || is_red) {
            return;
        }
        // Padding alone, as bandwidth probes are made of, is no media yet.
        if !receiver.connected && !packet.payload.is_empty() {
            receiver.connected = true;
            events.push(EngineEvent::ReceiverConnected(id));
        }
        match is_red {
            true => self.take_apart(now, id, packet, fresh),
            false => self.queue_packet(id, packet),
        }
        if first {
            // A new SSRC may be one of ours.
            self.poll_events(events);
        }
    }

    /// Leaves no trace of a packet that is of no source in use.
    pub(super) fn turn_away(&mut self, ssrc: u32) {
        self.router.unbind(ssrc);
        if let Some(srtp) = &mut self.srtp {
            srtp.forget_source(ssrc);
        }
    }

    pub(super) fn queue_packet(&mut self, id: ReceiverId, packet: RtpPacket) {
        if self.packets.len() < MAX_PACKETS {
            self.packets.push_back((id, packet));
        } else {
            self.counters.unknown_rtp += 1;
        }
    }

    fn keep_unknown(
        &mut self,
        now: Instant,
        header: RtpHeader,
        packet: RtpPacket,
        events: &mut Events,
    ) {
        let ssrc = packet.ssrc;
        self.rtp.check_collision(now, ssrc);
        self.poll_events(events);
        let (kept, forgotten) = self.unknown.push(now, (header, packet));
        if kept != Verdict::Kept {
            self.counters.unknown_rtp += 1;
        }
        // What is not remembered here must not take the place of a declared track in SRTP either.
        let refused = (kept == Verdict::Refused).then_some(ssrc);
        if let Some(srtp) = &mut self.srtp {
            if let Some(ssrc) = refused {
                srtp.forget_source(ssrc);
            }
            if kept == Verdict::GivenUp {
                srtp.end_source(ssrc);
            }
            if let Some(ssrc) = forgotten {
                srtp.end_source(ssrc);
            }
        }
    }

    /// Gives a packet to the layer above: as it is, or what it carries in the order of the
    /// numbers. `fresh`: it is not there already.
    pub(super) fn take_apart(
        &mut self,
        now: Instant,
        id: ReceiverId,
        packet: RtpPacket,
        fresh: bool,
    ) {
        let Some(receiver) = self.receivers.get_mut(&id) else {
            return;
        };
        // Padding: the layer above needs its number, or it waits for a gap to close.
        let format = match packet.payload.is_empty() {
            true => None,
            false => receiver.spec.red_format(packet.payload_type),
        };
        let Some(format) = format else {
            if fresh {
                self.queue_packet(id, packet);
            }
            return;
        };
        let rtp = &mut self.rtp;
        match receiver.red.take_apart(now, rtp, format, packet, fresh) {
            Ok((recovered, primary)) => {
                for packet in recovered.into_iter().chain(primary) {
                    self.queue_packet(id, packet);
                }
            }
            Err(Malformed) => self.counters.malformed_rtp += 1,
        }
    }

    /// Delivers what came before it was declared, of these SSRCs or of all.
    pub(super) fn replay_unknown(
        &mut self,
        now: Instant,
        ssrcs: Option<&[u32]>,
        events: &mut Events,
    ) {
        let (router, ids) = (&mut self.router, &self.extensions.received);
        let known = |packet: &RtpPacket| route(router, ids, packet) != Route::Unknown;
        let matched = match ssrcs {
            Some(ssrcs) => self.unknown.matching_of(ssrcs, known),
            None => self.unknown.matching(known),
        };
        // What repairs a source comes after the source itself.
        let repairs = |ssrc: &u32| {
            let receiver = self.router.bound(*ssrc);
            let receiver = receiver.and_then(|id| self.receivers.get(&id));
            receiver.is_some_and(|r| r.repair.rtx_ssrcs.iter().any(|(rtx, _)| rtx == ssrc))
        };
        let (repairing, mut ordered): (Vec<u32>, Vec<u32>) = matched.into_iter().partition(repairs);
        ordered.extend(repairing);
        for ssrc in ordered {
            for (header, packet) in self.unknown.take(ssrc) {
                self.deliver(now, &header, packet, events);
            }
        }
    }

    // Row A38.
    /// A source that nobody declared, once for each.
    pub(crate) fn poll_unknown(&mut self) -> Option<RtpPacket> {
        self.unknown.poll_news().cloned()
    }

    /// The announcement could not be passed on: it comes again with the next packet.
    pub(crate) fn announce_later(&mut self, ssrc: u32) {
        self.unknown.announce_later(ssrc);
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.packets.is_empty() || self.unknown.has_news()
    }

    /// The next packets of one declared receiver, at least one.
    pub(crate) fn poll_packets(
        &mut self,
    ) -> Option<(ReceiverId, impl Iterator<Item = RtpPacket> + '_)> {
        let &(id, _) = self.packets.front()?;
        let run = self.packets.iter().take_while(|(next, _)| *next == id);
        let run = run.count();
        Some((id, self.packets.drain(..run).map(|(_, packet)| packet)))
    }

    /// One packet of SRTCP.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, data: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.counters.early += 1;
            return;
        };
        match srtp.unprotect_rtcp(data) {
            Ok(len) => {
                let plain = data.get(..len).unwrap_or_default();
                self.rtp.handle_rtcp(now, plain);
            }
            Err(_) => self.counters.rejected_srtp += 1,
        }
    }

    /// Takes what the session has to say of its sources.
    pub(crate) fn poll_events(&mut self, events: &mut Events) {
        if self.rtp.take_strain() {
            let strain = self.rtp.strain();
            if let Some(strain) = &strain {
                self.pacer.strained(strain.at, strain);
            }
            let part = strain.map(|strain| strain.part);
            let span = &self.span;
            tracing::debug!(target: trace::RTP, parent: span, part, "the path does not carry what is sent");
            events.push(EngineEvent::PathStrained);
        }
        while let Some(event) = self.rtp.poll_event() {
            match event {
                RtpEvent::Bye { ssrc, reason } => {
                    let span = &self.span;
                    tracing::debug!(target: trace::RTP, parent: span, ssrc, reason, "BYE");
                    self.source_lost(ssrc, events);
                }
                RtpEvent::Timeout { ssrc } => {
                    let span = &self.span;
                    tracing::debug!(target: trace::RTP, parent: span, ssrc, "a source is silent");
                    self.source_lost(ssrc, events);
                }
                RtpEvent::KeyframeRequested { ssrc } => {
                    events.push(EngineEvent::KeyframeRequested { ssrc });
                }
                RtpEvent::Nack {
                    ssrc,
                    sequence_numbers,
                } => self.nacked.push((ssrc, sequence_numbers)),
                RtpEvent::SsrcCollision { ssrc } => {
                    events.push(EngineEvent::SsrcConflict { ssrc });
                }
            }
        }
    }

    /// A receiver is disconnected when the last of its sources is gone.
    pub(crate) fn source_lost(&mut self, ssrc: u32, events: &mut Events) {
        self.router.unbind(ssrc);
        if let Some(srtp) = &mut self.srtp {
            srtp.end_source(ssrc);
        }
        let (first, last) = (ReceiverId(0), ReceiverId(u32::MAX));
        while let Some(&(_, id)) = self.heard.range((ssrc, first)..=(ssrc, last)).next() {
            self.heard.remove(&(ssrc, id));
            let Some(receiver) = self.receivers.get_mut(&id) else {
                continue;
            };
            receiver.ssrcs.retain(|&known| known != ssrc);
            receiver.red.forget(ssrc);
            if receiver.ssrcs.is_empty() && receiver.connected {
                receiver.connected = false;
                events.push(EngineEvent::ReceiverDisconnected(id));
            }
        }
    }
}

fn route(router: &mut Router, ids: &ExtensionMap, packet: &RtpPacket) -> Route {
    let text = |id: Option<u8>| {
        id.and_then(|id| packet.extensions.get(id))
            .and_then(decode_text)
    };
    router.route(
        packet.ssrc,
        packet.payload_type,
        text(ids.mid),
        // A retransmission is for whom its media is for.
        text(ids.rid).or_else(|| text(ids.repaired_rid)),
    )
}
