//! RTP and RTCP inside the engine: declared receivers and senders, protection, statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::redundancy::{RedFormat, RedSource, SenderRed};
use super::repair::{ReceiverRepair, SenderRepair};
use super::rtp_out::StreamLabels;
use super::srtp::HeaderFields;
use super::unknown::Verdict;
use super::{Engine, EngineEvent};
use crate::error::Result;
use crate::rtp::extensions::{decode_text, decode_transport_cc, encode_audio_level};
use crate::rtp::{
    AudioLevel, Declaration, ExtensionMap, HeaderExtension, KeyframeRequest, MediaLabel,
    ReceiverId, Reception, Route, Router, RtpEvent, RtpHeader, RtpPacket, to_packet,
};
use crate::trace;

/// Header extensions of a track beyond those the engine fills in.
const MAX_EXTENSIONS: usize = 4;
/// Packets that wait for the layer above; it drains after every batch of datagrams.
const MAX_PACKETS: usize = 8192;

/// One RTP packet to send; the engine fills in what belongs to the SSRC.
pub(crate) struct OutgoingRtp<'a> {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) csrcs: &'a [u32],
    /// Extension elements of this packet beyond those of the connection.
    pub(crate) extensions: &'a [(u8, &'a [u8])],
    pub(crate) payload: &'a [u8],
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    Sent,
    /// Not connected, or the peer is not accepted: media of that moment is of no use later.
    NotConnected,
    /// The queue to the socket is full.
    QueueFull,
}

/// A sending SSRC.
pub(crate) struct Sender {
    pub(super) mid: Option<Vec<u8>>,
    pub(super) rid: Option<Vec<u8>>,
    pub(super) repair: SenderRepair,
    pub(super) red: SenderRed,
}

/// The sending SSRCs; those of retransmissions are part of what they repair.
pub(super) type Senders = BTreeMap<u32, Sender>;

/// What a receiver is declared with.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverSpec {
    pub(crate) declaration: Declaration,
    /// Clock rate by payload type; 0 where timestamps are no measure of jitter.
    pub(crate) clock_rates: Vec<(u8, u32)>,
    /// Payload types of redundant audio.
    pub(crate) red: Vec<RedFormat>,
    /// How missing packets come back, from the first packet on; `None`: as before.
    pub(crate) repair: Option<ReceiverRepair>,
    /// Whether the peer reads RTCP of reduced size.
    pub(crate) reduced_size: bool,
    /// Ids of the streams it is in.
    pub(crate) streams: Vec<String>,
}

impl ReceiverSpec {
    fn label(&self) -> Arc<MediaLabel> {
        Arc::new(MediaLabel {
            kind: self.declaration.kind,
            mid: self.declaration.mid.clone(),
            streams: self.streams.clone(),
        })
    }

    pub(super) fn clock_rate(&self, payload_type: u8) -> u32 {
        self.clock_rates
            .iter()
            .find(|(known, _)| *known == payload_type)
            .map_or(90_000, |(_, rate)| *rate)
    }
}

/// A declared receiver.
pub(crate) struct Receiver {
    pub(super) spec: ReceiverSpec,
    label: Arc<MediaLabel>,
    connected: bool,
    pub(super) ssrcs: Vec<u32>,
    pub(super) repair: ReceiverRepair,
    /// By SSRC, where there is redundant audio.
    pub(super) red: BTreeMap<u32, RedSource>,
}

impl Receiver {
    /// The SSRC that a retransmission stream repairs: as declared, or the only one there is.
    pub(super) fn repaired(&self, rtx_ssrc: u32) -> Option<u32> {
        let declared = self.repair.rtx_ssrcs.iter();
        if let Some((_, media)) = declared.clone().find(|(rtx, _)| *rtx == rtx_ssrc) {
            return Some(*media);
        }
        match self.ssrcs.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

impl Engine {
    // ---- senders --------------------------------------------------------------------------

    pub(crate) fn add_sender(
        &mut self,
        ssrc: u32,
        clock_rate: u32,
        mid: Option<String>,
    ) -> Result<()> {
        self.rtp.add_sender(ssrc, clock_rate)?;
        let mid = mid.map(String::into_bytes);
        let sender = Sender {
            mid,
            rid: None,
            repair: SenderRepair::default(),
            red: SenderRed::default(),
        };
        self.senders.insert(ssrc, sender);
        Ok(())
    }

    /// With which sequence number an SSRC that was sent before and ended may go on.
    pub(crate) fn next_sequence(&self, ssrc: u32) -> Option<u16> {
        self.srtp.as_ref()?.next_sequence(ssrc)
    }

    /// Sends BYE for the SSRC and forgets it (conformance row G9).
    pub(crate) fn remove_sender(&mut self, now: Instant, ssrc: u32) {
        if let Some(sender) = self.senders.remove(&ssrc) {
            for ssrc in [Some(ssrc), sender.repair.rtx_ssrc()].into_iter().flatten() {
                self.forget_sender(ssrc);
            }
            self.advance(now);
        }
    }

    fn forget_sender(&mut self, ssrc: u32) {
        self.rtp.remove_sender(ssrc);
        if let Some(srtp) = &mut self.srtp {
            srtp.end_sending(ssrc);
        }
    }

    /// Pauses an SSRC: no BYE, it may go on (conformance row G9).
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

    /// The RTP stream identifier of a sending SSRC (RFC 8852), where that extension has an id.
    pub(crate) fn set_sender_rid(&mut self, ssrc: u32, rid: Option<String>) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.rid = rid.map(String::into_bytes);
        }
    }

    /// Header extension values by URI in wire form; those that have no id are left out.
    pub(crate) fn encode_extensions(
        &self,
        values: &BTreeMap<String, String>,
        level: Option<AudioLevel>,
    ) -> Vec<(u8, Vec<u8>)> {
        let level = self
            .extensions_out
            .audio_level
            .zip(level)
            .map(|(id, level)| (id, encode_audio_level(level).to_vec()));
        values
            .iter()
            .filter_map(|(uri, value)| {
                let id = self.extensions_out.id(uri)?;
                Some((id, value.clone().into_bytes()))
            })
            .take(MAX_EXTENSIONS)
            .chain(level)
            .collect()
    }

    pub(crate) fn send_rtp(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &OutgoingRtp<'_>,
    ) -> Result<SendOutcome> {
        let Some((mut wire, senders, rtp)) = self.wire() else {
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
        let len = prefix.len().saturating_add(packet.payload.len());
        rtp.sent(now, ssrc, packet.timestamp, len);
        Ok(SendOutcome::Sent)
    }

    // ---- receivers ------------------------------------------------------------------------

    /// Declares a receiver, or updates one with the same SSRC; returns its id.
    ///
    /// Packets that came before the declaration are delivered now, in order.
    pub(crate) fn add_receiver(
        &mut self,
        now: Instant,
        mut spec: ReceiverSpec,
    ) -> Result<ReceiverId> {
        let repair = spec.repair.take();
        let id = self.router.declare(spec.declaration.clone())?;
        // Nothing but their SSRC tells the packets of one that has no other label.
        let Declaration { mid, rid, .. } = &spec.declaration;
        let mut ssrcs = None;
        match self.receivers.get_mut(&id) {
            Some(_) => self.respecify(id, spec),
            None => {
                if mid.is_none() && rid.is_none() && !spec.declaration.ssrcs.is_empty() {
                    ssrcs = Some(spec.declaration.ssrcs.clone());
                }
                self.not_reduced += usize::from(!spec.reduced_size);
                let receiver = Receiver {
                    label: spec.label(),
                    spec,
                    connected: false,
                    ssrcs: Vec::new(),
                    repair: ReceiverRepair::default(),
                    red: BTreeMap::new(),
                };
                self.receivers.insert(id, receiver);
            }
        }
        self.apply_reduced_size();
        if let Some(repair) = repair {
            self.set_receiver_repair(id, repair);
        }
        self.replay_unknown(now, ssrcs.as_deref());
        Ok(id)
    }

    /// Takes the header extension ids of a description for those that are not mapped yet.
    pub(crate) fn learn_extensions(&mut self, entries: &[HeaderExtension]) {
        self.config.extensions.learn(entries);
        self.apply_extension_limits();
    }

    /// Replaces what a receiver was declared with.
    pub(crate) fn update_receiver(
        &mut self,
        now: Instant,
        id: ReceiverId,
        mut spec: ReceiverSpec,
    ) -> Result<()> {
        let repair = spec.repair.take();
        self.router.update(id, spec.declaration.clone())?;
        self.respecify(id, spec);
        self.apply_reduced_size();
        if let Some(repair) = repair {
            self.set_receiver_repair(id, repair);
        }
        self.replay_unknown(now, None);
        Ok(())
    }

    fn respecify(&mut self, id: ReceiverId, spec: ReceiverSpec) {
        if let Some(receiver) = self.receivers.get_mut(&id) {
            receiver.label = spec.label();
            let full = usize::from(!receiver.spec.reduced_size);
            self.not_reduced = self.not_reduced.saturating_sub(full);
            self.not_reduced += usize::from(!spec.reduced_size);
            receiver.spec = spec;
            for ssrc in &receiver.ssrcs {
                self.rtp.label_source(*ssrc, &receiver.label);
            }
        }
    }

    /// One RTP session, one answer: RTCP of reduced size once all descriptions allow it.
    fn apply_reduced_size(&mut self) {
        let allowed = !self.receivers.is_empty() && self.not_reduced == 0;
        self.rtp.set_reduced_size(allowed);
    }

    /// Delivers what came before it was declared, of these SSRCs or of all.
    fn replay_unknown(&mut self, now: Instant, ssrcs: Option<&[u32]>) {
        let (router, ids) = (&mut self.router, &self.extensions_in);
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
                self.deliver(now, &header, packet);
            }
        }
    }

    /// The sources of the receiver are not announced as unknown afterwards: the application knows
    /// them, and does not want them.
    pub(crate) fn remove_receiver(&mut self, now: Instant, id: ReceiverId) {
        self.router.remove(id);
        if let Some(receiver) = self.receivers.remove(&id) {
            let full = usize::from(!receiver.spec.reduced_size);
            self.not_reduced = self.not_reduced.saturating_sub(full);
            for ssrc in &receiver.ssrcs {
                self.heard.remove(&(*ssrc, id));
            }
            let repair = receiver.repair.rtx_ssrcs.iter().map(|(rtx, _)| *rtx);
            for ssrc in receiver.ssrcs.into_iter().chain(repair) {
                self.rtp.remove_receiver(ssrc);
                self.unknown.give_up(now, ssrc);
                if let Some(srtp) = &mut self.srtp {
                    srtp.end_source(ssrc);
                }
            }
            self.apply_reduced_size();
        }
    }

    /// A source that nobody declared, once for each (conformance row A38).
    pub(crate) fn poll_unknown(&mut self) -> Option<RtpPacket> {
        self.unknown.poll_news().cloned()
    }

    /// The announcement could not be passed on: it comes again with the next packet.
    pub(crate) fn announce_later(&mut self, ssrc: u32) {
        self.unknown.announce_later(ssrc);
    }

    /// The SSRCs heard for a receiver so far.
    pub(crate) fn receiver_ssrcs(&self, id: ReceiverId) -> &[u32] {
        self.receivers
            .get(&id)
            .map_or(&[], |receiver| receiver.ssrcs.as_slice())
    }

    pub(crate) fn request_keyframe(
        &mut self,
        now: Instant,
        id: ReceiverId,
        request: KeyframeRequest,
    ) {
        let ssrcs = self.receiver_ssrcs(id).to_vec();
        for ssrc in ssrcs {
            self.rtp.request_keyframe(now, ssrc, request);
        }
        self.advance(now);
    }

    // ---- wire -----------------------------------------------------------------------------

    pub(super) fn handle_rtp(&mut self, now: Instant, data: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.counters.early_media += 1;
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
        let transport_cc = self.extensions_in.transport_cc;
        let number = transport_cc
            .and_then(|id| packet.extensions.get(id))
            .and_then(decode_transport_cc);
        if let Some(number) = number {
            self.rtp.transport_arrived(now, number, packet.ssrc);
        }
        self.deliver(now, &header, packet);
    }

    fn deliver(&mut self, now: Instant, header: &RtpHeader, packet: RtpPacket) {
        let receiver = match route(&mut self.router, &self.extensions_in, &packet) {
            Route::Receiver(id) => self.receivers.get_mut(&id).map(|receiver| (id, receiver)),
            Route::Unknown => None,
        };
        let Some((id, receiver)) = receiver else {
            self.keep_unknown(now, header.clone(), packet);
            return;
        };
        if let Some(media) = receiver.repair.media_payload_type(packet.payload_type) {
            if let Some(packet) = self.restore(now, id, header, packet, media)
                && self.note_restored(id, &packet)
            {
                self.hand_on(now, id, packet, true);
            }
            return;
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
                self.poll_rtp_events();
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
                    self.deliver(now, &header, packet);
                }
                return self.deliver(now, header, packet);
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
        let fresh = receiver.note_arrival(&packet, first) && reception == Reception::Deliver;
        let is_red = receiver.spec.red_format(packet.payload_type).is_some();
        if !(fresh || is_red) {
            return;
        }
        // Padding alone, as bandwidth probes are made of, is no media yet.
        if !receiver.connected && !packet.payload.is_empty() {
            receiver.connected = true;
            self.events.push_back(EngineEvent::ReceiverConnected(id));
        }
        self.hand_on(now, id, packet, fresh);
        if first {
            // A new SSRC may be one of ours.
            self.poll_rtp_events();
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

    fn keep_unknown(&mut self, now: Instant, header: RtpHeader, packet: RtpPacket) {
        let ssrc = packet.ssrc;
        self.rtp.check_collision(now, ssrc);
        self.poll_rtp_events();
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

    pub(super) fn handle_rtcp(&mut self, now: Instant, data: &mut [u8]) {
        let Some(srtp) = &mut self.srtp else {
            self.counters.early_media += 1;
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

    pub(super) fn poll_rtp_events(&mut self) {
        while let Some(event) = self.rtp.poll_event() {
            match event {
                RtpEvent::Bye { ssrc, .. } | RtpEvent::Timeout { ssrc } => {
                    self.source_lost(ssrc);
                }
                RtpEvent::KeyframeRequested { ssrc } => self
                    .events
                    .push_back(EngineEvent::KeyframeRequested { ssrc }),
                RtpEvent::Nack {
                    ssrc,
                    sequence_numbers,
                } => self.nacked.push((ssrc, sequence_numbers)),
                RtpEvent::SsrcCollision { ssrc } => {
                    self.events.push_back(EngineEvent::SsrcConflict { ssrc });
                }
                _ => {}
            }
        }
    }

    /// A receiver is disconnected when the last of its sources is gone.
    pub(super) fn source_lost(&mut self, ssrc: u32) {
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
            receiver.red.remove(&ssrc);
            if receiver.ssrcs.is_empty() && receiver.connected {
                receiver.connected = false;
                self.events.push_back(EngineEvent::ReceiverDisconnected(id));
            }
        }
    }

    pub(super) fn flush_rtcp(&mut self, now: Instant) {
        let (Some(srtp), Some(profile)) = (&mut self.srtp, self.secure.srtp_profile) else {
            return;
        };
        let Some((local, remote)) = self.ice.send_path() else {
            return;
        };
        while let Some(compound) = self.rtp.poll_rtcp(now) {
            let len = compound.len() + profile.rtcp_overhead();
            let sent = self
                .out
                .push_with(local, remote, len, |out| srtp.protect_rtcp(&compound, out));
            if let Err(error) = sent {
                let span = &self.config.span;
                tracing::debug!(target: trace::RTP, parent: span, %error, "an RTCP packet could not be protected");
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
