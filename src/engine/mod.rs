//! One connection without I/O: datagrams, time and verbs in; datagrams, packets and events out.
//! Nothing here knows tokio, a socket or the clock.

pub(crate) mod certificate;
mod closing;
pub(crate) mod data;
pub(crate) mod demux;
mod drops;
pub(crate) mod dtls;
mod early;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod guard;
#[cfg(any(test, fuzzing))]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#[path = "tests/harness.rs"]
mod harness;
mod held;
pub(crate) mod ice;
mod log;
mod media;
mod model;
pub(crate) mod outgoing;
mod redundancy;
mod repair;
mod rtp_out;
pub(crate) mod sctp;
mod secure;
pub(crate) mod srtp;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests;
mod unknown;
#[cfg(test)]
mod unknown_flood_tests;
mod verbs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::budget::Budget;
use crate::error::DisconnectReason;
use crate::rtp::{ExtensionMap, ReceiverId, Router, RtpPacket, RtpSession};
use crate::trace;
use data::ClosedBecause;
use demux::Protocol;
use dtls::{DtlsCounters, DtlsRole, DtlsTransport, SrtpProfile};
use ice::{Candidate, Credentials, IceAgent, IceConfig, IceEvent, IceState};
pub(crate) use media::{OutgoingRtp, ReceiverSpec, SendOutcome};
pub(crate) use model::{EngineConfig, EngineCounters, EngineEvent, EngineState, Traffic};
use outgoing::{Outgoing, Outlet, Transmit};
pub(crate) use redundancy::{RedCounters, RedFormat, RedStream};
pub(crate) use repair::{ReceiverRepair, RtxStream};
pub(crate) use secure::{Identity, SecureState};
use srtp::Srtp;

pub(crate) struct Engine {
    config: EngineConfig,
    state: EngineState,
    ice: IceAgent,
    dtls: Option<Box<dyn DtlsTransport>>,
    dtls_role: Option<DtlsRole>,
    early_dtls: early::EarlyHellos,
    secure: secure::Secure,
    srtp: Option<Srtp>,
    rtp: RtpSession,
    router: Router,
    senders: media::Senders,
    receivers: BTreeMap<ReceiverId, media::Receiver>,
    /// How many of them want RTCP of full size.
    not_reduced: usize,
    /// Who hears which SSRC.
    heard: BTreeSet<(u32, ReceiverId)>,
    unknown: unknown::UnknownSources,
    held: held::Held,
    /// What is read and sent of the configured header extensions.
    extensions_in: ExtensionMap,
    extensions_out: ExtensionMap,
    /// URIs that alone may be read and sent; empty lists: any.
    extension_limits: [Vec<String>; 2],
    srtp_profiles: Vec<SrtpProfile>,
    out: Outgoing,
    events: VecDeque<EngineEvent>,
    packets: VecDeque<(ReceiverId, RtpPacket)>,
    counters: EngineCounters,
    servers: log::Servers,
    drops: drops::Drops,
    repair_counters: repair::RepairCounters,
    traffic: Traffic,
    transport_sequence: u16,
    /// What the peer asked for again: SSRC and sequence numbers.
    nacked: Vec<(u32, Vec<u16>)>,
    /// Scratch space for the header of the packet being sent.
    header: Vec<u8>,
    data: data::Data,
    closing: Option<closing::Closing>,
    /// Why nothing looks for a path any more, until a restart or a candidate.
    lost: Option<DisconnectReason>,
}

impl Engine {
    pub(crate) fn new(now: Instant, config: EngineConfig) -> Self {
        let ice = IceAgent::new(
            now,
            config.local.clone(),
            config.role,
            config.tie_breaker,
            IceConfig {
                span: config.span.clone(),
                ..config.ice.clone()
            },
        );
        let rtp = RtpSession::new(
            now,
            config.cname.clone(),
            config.rng_seed,
            config.wall_clock,
            config.rtp.clone(),
        );
        let mut data = data::Data::new(
            now,
            config.budget.clone(),
            config.max_message_size,
            config.whole_datagrams,
        );
        data.span.clone_from(&config.span);
        let extensions_in = config.extensions.clone();
        let extensions_out = config.extensions.clone();
        Self {
            secure: secure::Secure::new(config.identity),
            config,
            state: EngineState::New,
            ice,
            dtls: None,
            dtls_role: None,
            early_dtls: early::EarlyHellos::default(),
            srtp: None,
            rtp,
            router: Router::default(),
            senders: BTreeMap::new(),
            receivers: BTreeMap::new(),
            not_reduced: 0,
            heard: BTreeSet::new(),
            unknown: unknown::UnknownSources::default(),
            held: held::Held::default(),
            extensions_in,
            extensions_out,
            extension_limits: Default::default(),
            srtp_profiles: SrtpProfile::ALL.to_vec(),
            out: Outgoing::default(),
            events: VecDeque::new(),
            packets: VecDeque::new(),
            counters: EngineCounters::default(),
            servers: log::Servers::default(),
            drops: drops::Drops::new(now),
            repair_counters: repair::RepairCounters::default(),
            traffic: Traffic::default(),
            transport_sequence: 0,
            nacked: Vec::new(),
            header: Vec::new(),
            data,
            closing: None,
            lost: None,
        }
    }

    // ---- verbs ----------------------------------------------------------------------------

    pub(crate) fn withdraw_local_base(&mut self, now: Instant, base: SocketAddr) {
        self.ice.withdraw_local_base(now, base);
        self.advance(now);
    }

    pub(crate) fn add_local_candidate(&mut self, now: Instant, candidate: Candidate) {
        self.ice.add_local_candidate(now, candidate);
        self.advance(now);
    }

    /// A local address is no longer there.
    pub(crate) fn remove_local_base(&mut self, now: Instant, base: SocketAddr) {
        self.ice.remove_local_base(now, base);
        self.advance(now);
    }

    pub(crate) fn add_remote_candidate(&mut self, now: Instant, candidate: Candidate) {
        self.ice.add_remote_candidate(now, candidate);
        self.advance(now);
    }

    /// The same of one that names the peer's credentials, known or not.
    pub(crate) fn add_remote_candidate_of(
        &mut self,
        now: Instant,
        candidate: Candidate,
        ufrag: &str,
    ) {
        self.ice.add_remote_candidate_of(now, candidate, ufrag);
        self.advance(now);
    }

    /// The peer is a lite ICE agent; to be said before its credentials.
    pub(crate) fn set_remote_lite(&mut self, lite: bool) {
        self.ice.set_remote_lite(lite);
    }

    /// False for those of before a restart of the peer, which change nothing.
    pub(crate) fn set_remote_credentials(&mut self, now: Instant, remote: Credentials) -> bool {
        let news = self.ice.set_remote_credentials(now, remote);
        self.advance(now);
        news
    }

    pub(crate) fn end_of_remote_candidates(&mut self, now: Instant) {
        self.ice.end_of_remote_candidates(now);
        self.advance(now);
    }

    pub(crate) fn end_of_local_candidates(&mut self, now: Instant) {
        self.ice.end_of_local_candidates(now);
        self.advance(now);
    }

    /// Starts connectivity checks; repeated calls do nothing.
    pub(crate) fn connect(&mut self, now: Instant) {
        if self.state == EngineState::New {
            self.set_state(EngineState::Searching);
            tracing::info!(target: trace::CONNECTION, parent: &self.config.span, "looks for a path");
            self.ice.start(now);
            if let Some(role) = self.common_dtls_role() {
                return self.fail_secure(now, role.of_both());
            }
            self.advance(now);
        }
    }

    /// ICE restart with new local credentials; the path in use stays until a new one is selected.
    pub(crate) fn restart(&mut self, now: Instant, local: Credentials) {
        if self.state != EngineState::Closed {
            tracing::info!(target: trace::ICE, parent: &self.config.span, ufrag = local.ufrag, "restart");
            self.ice.restart(now, local);
            self.advance(now);
        }
    }

    /// Says goodbye (RTCP BYE, DTLS close_notify) and ends. Idempotent.
    pub(crate) fn close(&mut self, now: Instant, reason: DisconnectReason) {
        if self.state == EngineState::Closed {
            return;
        }
        // Whoever ends it first: this side had closed it before.
        let reason = match self.closing() {
            Some(own) if reason != DisconnectReason::Internal => own,
            _ => reason,
        };
        self.rtp.close();
        self.flush_rtcp(now);
        self.close_data(now);
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.flush_dtls();
        self.ice.close();
        while let Some(event) = self.ice.poll_event() {
            if let IceEvent::State(state) = event {
                self.events.push_back(EngineEvent::Ice(state));
            }
        }
        self.srtp = None;
        self.set_state(EngineState::Closed);
        self.events.push_back(EngineEvent::Disconnected(reason));
        self.log_end(reason);
    }

    /// Ends after a panic. What panicked may panic again, so the goodbye is behind the guard, too.
    fn collapse(&mut self, now: Instant) {
        let _ = guard::contain(|| self.close(now, DisconnectReason::Internal));
        self.dtls = None;
        self.srtp = None;
        if self.state != EngineState::Closed {
            self.set_state(EngineState::Closed);
            let reason = DisconnectReason::Internal;
            self.events.push_back(EngineEvent::Disconnected(reason));
        }
    }

    // ---- input ----------------------------------------------------------------------------

    /// Takes one datagram that arrived on `local` from `from`; it is decrypted in place.
    ///
    /// Anything invalid is dropped and counted. A panic below closes this connection only.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
        if self.state == EngineState::Closed {
            return;
        }
        let contained = guard::contain(|| {
            self.dispatch(now, local, from, datagram);
            self.close_if_due(now);
            self.tell_drops_in_time(now);
        });
        if contained.is_err() {
            self.collapse(now);
        }
    }

    fn dispatch(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, data: &mut [u8]) {
        let Some(protocol) = demux::classify(data) else {
            self.counters.unknown_protocol += 1;
            return;
        };
        if protocol == Protocol::Stun {
            self.count_received(data.len());
            self.ice.handle_datagram(now, local, from, data);
            if let (Some(dtls), Some(at)) = (&mut self.dtls, self.ice.last_response()) {
                dtls.path_proved(at);
            }
            self.advance(now);
            return;
        }
        if !self.ice.accepts(local, from) {
            self.counters.wrong_path += 1;
            return;
        }
        self.count_received(data.len());
        match protocol {
            Protocol::Stun => {}
            Protocol::Dtls => {
                if self.handle_dtls(now, data) {
                    self.advance(now);
                }
            }
            Protocol::Rtp => self.handle_rtp(now, data),
            Protocol::Rtcp => {
                self.handle_rtcp(now, data);
                self.advance(now);
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.state == EngineState::Closed {
            return;
        }
        let contained = guard::contain(|| {
            self.ice.handle_timeout(now);
            if let Some(dtls) = &mut self.dtls {
                dtls.handle_timeout(now);
            }
            self.rtp.set_path_rtt(self.ice.selected_rtt());
            self.rtp.handle_timeout(now);
            self.data.handle_timeout(now);
            self.poll_data(now);
            self.advance(now);
            self.close_if_due(now);
            self.tell_drops_in_time(now);
        });
        if contained.is_err() {
            self.collapse(now);
        }
    }

    /// The machine may have slept for so long, or its clock was set: whether the peer is still
    /// there is asked at once, and nothing else believes it.
    pub(crate) fn resumed(&mut self, now: Instant, slept: Duration) {
        if self.state == EngineState::Closed {
            return;
        }
        let contained = guard::contain(|| {
            self.ice.resumed(now, slept);
            self.rtp.resumed();
            self.advance(now);
        });
        if contained.is_err() {
            self.collapse(now);
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.state == EngineState::Closed {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(|dtls| dtls.poll_timeout());
        let rtp = match self.srtp {
            Some(_) => self.rtp.poll_timeout(),
            None => None,
        };
        [
            self.ice.poll_timeout(),
            dtls,
            rtp,
            self.data.timeout(),
            self.closing_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    // ---- output ---------------------------------------------------------------------------

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.out.is_empty() && self.state != EngineState::Closed {
            let flushed = guard::contain(|| self.flush_data());
            if flushed.is_err() {
                self.collapse(self.data.last_now());
            }
        }
        self.out.pop()
    }

    pub(crate) fn has_transmits(&self) -> bool {
        !self.out.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<EngineEvent> {
        let event = self.events.pop_front();
        if event.is_none() {
            // Events are large and rare: an idle connection keeps no room for them.
            self.events = VecDeque::new();
        }
        event
    }

    /// The next media packets of one declared receiver, at least one.
    pub(crate) fn poll_packets(
        &mut self,
    ) -> Option<(ReceiverId, impl Iterator<Item = RtpPacket> + '_)> {
        let &(id, _) = self.packets.front()?;
        let run = self.packets.iter().take_while(|(next, _)| *next == id);
        let run = run.count();
        Some((id, self.packets.drain(..run).map(|(_, packet)| packet)))
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.packets.is_empty()
            || !self.events.is_empty()
            || self.unknown.has_news()
            || self.data.has_events()
    }

    // ---- views ----------------------------------------------------------------------------

    pub(crate) fn state(&self) -> EngineState {
        self.state
    }

    /// Why nothing looks for a path any more, if that is so.
    pub(crate) fn lost(&self) -> Option<DisconnectReason> {
        self.lost
    }

    pub(crate) fn ice(&self) -> &IceAgent {
        &self.ice
    }

    pub(crate) fn rtp(&self) -> &RtpSession {
        &self.rtp
    }

    pub(crate) fn counters(&self) -> EngineCounters {
        EngineCounters {
            outgoing_dropped: self.out.dropped(),
            ..self.counters
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let (packets_sent, bytes_sent) = self.out.taken();
        Traffic {
            packets_sent,
            bytes_sent,
            ..self.traffic
        }
    }

    /// Bytes that the peer has the engine hold, beside the receive window of data: packets of
    /// unknown sources, messages and handshake datagrams that came too early.
    pub(crate) fn held(&self) -> usize {
        self.early_dtls
            .bytes()
            .saturating_add(self.unknown.held_bytes())
            .saturating_add(self.data.early_bytes())
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.config.budget
    }

    fn count_received(&mut self, bytes: usize) {
        self.traffic.packets_received += 1;
        self.traffic.bytes_received += bytes as u64;
    }

    pub(crate) fn dtls_counters(&self) -> DtlsCounters {
        self.dtls
            .as_ref()
            .map(|dtls| dtls.counters())
            .unwrap_or_default()
    }

    pub(crate) fn cname(&self) -> &str {
        &self.config.cname
    }

    pub(crate) fn set_cname(&mut self, cname: String) {
        self.config.cname.clone_from(&cname);
        self.rtp.set_cname(cname);
    }

    /// The header extensions that are read, and their identifiers.
    pub(crate) fn extensions(&self) -> &ExtensionMap {
        &self.extensions_in
    }

    pub(crate) fn audio_level_id(&self) -> Option<u8> {
        self.extensions_in.audio_level
    }

    /// Leaves out header extensions that are not in the lists; an empty list leaves out none.
    pub(crate) fn restrict_extensions(&mut self, received: &[String], sent: &[String]) {
        self.extension_limits = [received.to_vec(), sent.to_vec()];
        self.apply_extension_limits();
    }

    fn apply_extension_limits(&mut self) {
        let [received, sent] = &self.extension_limits;
        self.extensions_in = self.config.extensions.only(received);
        self.extensions_out = self.config.extensions.only(sent);
    }

    /// The profiles to negotiate; false once ICE has begun, when it is too late.
    pub(crate) fn set_srtp_profiles(&mut self, profiles: Vec<SrtpProfile>) -> bool {
        let in_time = self.state == EngineState::New || profiles == self.srtp_profiles;
        if in_time {
            self.srtp_profiles = profiles;
        }
        in_time
    }

    pub(crate) fn dtls_role(&self) -> Option<DtlsRole> {
        self.dtls_role
    }

    /// Whether media may flow: the path is there, DTLS is done, the peer is accepted, and nobody
    /// has closed it.
    pub(crate) fn is_connected(&self) -> bool {
        self.state == EngineState::Connected && self.closing.is_none()
    }

    // ---- the machine ----------------------------------------------------------------------

    /// Moves what the layers have to say to where it belongs, until nothing is left.
    fn advance(&mut self, now: Instant) {
        // The end was the last event; what is left inside goes nowhere.
        if self.state == EngineState::Closed {
            return;
        }
        while let Some(event) = self.ice.poll_event() {
            self.on_ice_event(now, event);
        }
        if self.dtls.as_mut().is_some_and(|dtls| dtls.asks_for_proof()) {
            self.ice.prove_path(now);
        }
        while let Some(check) = self.ice.poll_transmit() {
            self.out.push(check.local, check.remote, &check.data);
        }
        self.poll_dtls_events(now);
        self.flush_dtls();
        self.poll_rtp_events();
        self.answer_nacks(now);
        self.flush_rtcp(now);
    }

    fn on_ice_event(&mut self, now: Instant, event: IceEvent) {
        match event {
            IceEvent::State(state) => {
                self.events.push_back(EngineEvent::Ice(state));
                self.log_ice(state);
                match state {
                    IceState::Connected => self.update_connected(now),
                    IceState::Failed if self.ice.has_no_address() => {
                        self.halt(DisconnectReason::NoAddress);
                    }
                    IceState::Failed => self.halt(DisconnectReason::IceFailed),
                    IceState::Checking => self.lost = None,
                    _ => {}
                }
            }
            IceEvent::Selected { local, remote } => {
                self.traffic.selections += 1;
                self.log_selected(&local, &remote);
                self.data.path_changed();
                self.events
                    .push_back(EngineEvent::ActivePair { local, remote });
                if self.dtls.is_none() {
                    self.start_dtls(now);
                }
                self.update_connected(now);
            }
            IceEvent::ConsentLost => self.halt(DisconnectReason::ConsentLost),
            IceEvent::Role(role) => {
                tracing::debug!(target: trace::ICE, parent: &self.config.span, ?role, "role");
            }
            IceEvent::RemoteCandidateDiscovered(candidate) => {
                tracing::debug!(
                    target: trace::ICE,
                    parent: &self.config.span,
                    addr = %candidate.addr,
                    "a remote candidate shows by its checks"
                );
            }
        }
    }

    /// Goes to `Connected` once ICE, DTLS and the identity all agree (conformance row G13).
    fn update_connected(&mut self, now: Instant) {
        if matches!(self.state, EngineState::Searching | EngineState::Halted)
            && self.secure.accepted()
            && self.ice.send_path().is_some()
        {
            self.lost = None;
            self.set_state(EngineState::Connected);
            self.events.push_back(EngineEvent::Connected);
            tracing::info!(target: trace::CONNECTION, parent: &self.config.span, "connected");
            self.data.path_restored(now);
            self.start_data(now);
        }
    }

    /// The path is lost, or none was found; an ICE restart may bring it back. Told once for each
    /// search.
    fn halt(&mut self, reason: DisconnectReason) {
        if matches!(self.state, EngineState::New | EngineState::Closed) || self.lost.is_some() {
            return;
        }
        self.lost = Some(reason);
        self.set_state(EngineState::Halted);
        self.events.push_back(EngineEvent::Disconnected(reason));
        self.log_end(reason);
    }

    fn set_state(&mut self, state: EngineState) {
        if self.state != state {
            self.state = state;
            self.events.push_back(EngineEvent::State(state));
        }
    }

    fn flush_dtls(&mut self) {
        let Some((local, remote)) = self.ice.send_path() else {
            return;
        };
        if let Some(dtls) = &mut self.dtls {
            while let Some(datagram) = dtls.poll_transmit() {
                self.out.push(local, remote, &datagram);
            }
        }
    }

    // ---- data -----------------------------------------------------------------------------

    /// Makes the association once a channel wants one and the peer is accepted.
    fn start_data(&mut self, now: Instant) {
        self.data.told(now);
        if self.state == EngineState::Connected && self.data.start(now) {
            self.poll_data(now);
        }
    }

    /// One SCTP packet out of a DTLS record.
    fn handle_sctp(&mut self, now: Instant, packet: &[u8]) {
        self.data.handle_packet(now, self.secure.accepted(), packet);
        self.poll_data(now);
    }

    fn poll_data(&mut self, now: Instant) {
        if self.data.poll(now) {
            // What the association still has to say, an ABORT, is said first.
            self.flush_data();
            self.data.end(ClosedBecause::Association);
        }
    }

    /// Ends all channels with the connection.
    fn close_data(&mut self, now: Instant) {
        self.data.told(now);
        if self.data.is_ending() {
            // The answers to what the peer has closed meanwhile.
            self.flush_data();
        }
        if self.data.abort(now) {
            self.flush_data();
        }
        self.data.end(ClosedBecause::Connection);
    }

    /// Moves SCTP packets into DTLS records, at most one batch.
    fn flush_data(&mut self) {
        let path = self.ice.send_path();
        let (Some(mut outlet), Some(dtls)) = (Outlet::new(&mut self.out, path), &mut self.dtls)
        else {
            return;
        };
        if self.data.flush(dtls.as_mut(), &mut outlet) {
            // What went out frees buffers.
            self.poll_data(self.data.last_now());
        }
    }
}
