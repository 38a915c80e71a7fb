//! What the application and signalling do with a connection.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::data::{
    ChannelCounters, ChannelKey, ChannelSpec, ClosedBecause, DataEvent, MessageKind, SendData,
};
use super::dtls::SrtpProfile;
use super::ice::{Candidate, Credentials};
use super::machine::Engine;
use super::media::{Media, OutgoingRtp, ReceiverSpec, RtxStream, SendOutcome};
use super::model::EngineState;
use super::outgoing::Outlet;
use super::secure::Secure;
use crate::error::Result;
use crate::rtp::{KeyframeRequest, ReceiverId, RtpPacket};
use crate::trace;

impl Engine {
    // ---- the path -------------------------------------------------------------------------

    /// A local address is no longer there.
    pub(crate) fn withdraw_local_base(&mut self, now: Instant, base: SocketAddr) {
        self.ice.withdraw_local_base(now, base);
        self.advance(now);
    }

    /// A connection under a candidate over TCP is no more.
    pub(crate) fn stream_ended(&mut self, now: Instant, base: SocketAddr, remote: SocketAddr) {
        self.ice.stream_ended(now, base, remote);
        self.advance(now);
    }

    pub(crate) fn add_local_candidate(&mut self, now: Instant, candidate: Candidate) {
        self.ice.add_local_candidate(now, candidate);
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
            tracing::info!(target: trace::CONNECTION, parent: &self.span, "looks for a path");
            self.ice.start(now);
            if let Some(role) = self.secure.common_role() {
                return self.fail_secure(now, role.of_both());
            }
            self.advance(now);
        }
    }

    /// ICE restart with new local credentials; the path in use stays until a new one is selected.
    pub(crate) fn restart(&mut self, now: Instant, local: Credentials) {
        if self.state != EngineState::Closed {
            tracing::info!(target: trace::ICE, parent: &self.span, ufrag = local.ufrag, "restart");
            self.ice.restart(now, local);
            self.advance(now);
        }
    }

    /// An ICE server gave a candidate, or did not.
    pub(crate) fn note_server(&mut self, answered: bool) {
        self.servers.note(answered);
    }

    // ---- the peer -------------------------------------------------------------------------

    /// What signalling says of the peer's DTLS.
    pub(crate) fn secure_mut(&mut self) -> &mut Secure {
        &mut self.secure
    }

    /// The profiles to negotiate; false once ICE has begun, when it is too late.
    pub(crate) fn set_srtp_profiles(&mut self, profiles: Vec<SrtpProfile>) -> bool {
        let in_time = self.state == EngineState::New || profiles == self.secure.profiles();
        if in_time {
            self.secure.set_profiles(profiles);
        }
        in_time
    }

    /// Deferred identity: lets media flow. False when there is nothing to accept.
    pub(crate) fn accept_peer(&mut self, now: Instant) -> bool {
        if self.state == EngineState::Closed {
            return false;
        }
        let Some(keys) = self.secure.accept() else {
            return false;
        };
        self.on_accepted(now, keys);
        true
    }

    // ---- media ----------------------------------------------------------------------------

    /// What concerns media alone, and has nothing to send at once.
    pub(crate) fn media_mut(&mut self) -> &mut Media {
        &mut self.media
    }

    /// As [`Media::send`], on the path in use.
    pub(crate) fn send_rtp(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &OutgoingRtp<'_>,
    ) -> Result<SendOutcome> {
        self.on_path(|media, outlet| media.send(now, ssrc, packet, outlet))
    }

    /// As [`Media::send_paced`], on the path in use.
    pub(crate) fn send_paced_rtp(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &OutgoingRtp<'_>,
    ) -> Result<SendOutcome> {
        self.on_path(|media, outlet| media.send_paced(now, ssrc, packet, outlet))
    }

    fn on_path(
        &mut self,
        send: impl FnOnce(&mut Media, Outlet<'_>) -> Result<SendOutcome>,
    ) -> Result<SendOutcome> {
        match Outlet::new(&mut self.out, self.ice.send_path()) {
            Some(outlet) => send(&mut self.media, outlet),
            None => Ok(SendOutcome::NotConnected),
        }
    }

    /// As [`Media::remove_sender`]; the BYE goes out at once.
    pub(crate) fn remove_sender(&mut self, now: Instant, ssrc: u32) {
        if self.media.remove_sender(ssrc) {
            self.advance(now);
        }
    }

    /// As [`Media::set_sender_repair`].
    pub(crate) fn set_sender_repair(
        &mut self,
        now: Instant,
        ssrc: u32,
        resend: bool,
        rtx: Option<RtxStream>,
    ) -> Result<()> {
        self.media.set_sender_repair(ssrc, resend, rtx)?;
        self.advance(now);
        Ok(())
    }

    /// As [`Media::add_receiver`].
    pub(crate) fn add_receiver(&mut self, now: Instant, spec: ReceiverSpec) -> Result<ReceiverId> {
        self.media.add_receiver(now, spec, &mut self.events)
    }

    /// As [`Media::update_receiver`].
    pub(crate) fn update_receiver(
        &mut self,
        now: Instant,
        id: ReceiverId,
        spec: ReceiverSpec,
    ) -> Result<()> {
        self.media.update_receiver(now, id, spec, &mut self.events)
    }

    /// As [`Media::request_keyframe`]; the request goes out as soon as RTCP may.
    pub(crate) fn request_keyframe(
        &mut self,
        now: Instant,
        id: ReceiverId,
        request: KeyframeRequest,
    ) {
        self.media.request_keyframe(now, id, request);
        self.advance(now);
    }

    /// The next media packets of one declared receiver, at least one.
    pub(crate) fn poll_packets(
        &mut self,
    ) -> Option<(ReceiverId, impl Iterator<Item = RtpPacket> + '_)> {
        self.media.poll_packets()
    }

    // ---- data channels --------------------------------------------------------------------

    /// Makes a channel; it opens as soon as the association is there.
    pub(crate) fn create_channel(&mut self, now: Instant, spec: ChannelSpec) -> Result<ChannelKey> {
        let key = self.data.create(spec)?;
        self.start_data(now);
        self.data.open_if_connected(now, key);
        Ok(key)
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// `InvalidState` when the channel is not open.
    pub(crate) fn send_data(
        &mut self,
        now: Instant,
        key: ChannelKey,
        kind: MessageKind,
        data: Bytes,
    ) -> Result<SendData> {
        self.data.send(now, key, kind, data)
    }

    /// Closes a channel once everything queued on it has gone out. Idempotent.
    pub(crate) fn close_channel(&mut self, now: Instant, key: ChannelKey) {
        self.data.told(now);
        self.data.close(now, key, ClosedBecause::Local);
        self.poll_data(now);
    }

    /// What went over a channel that is not closed.
    pub(crate) fn channel_counters(&self, key: ChannelKey) -> ChannelCounters {
        self.data.channel_counters(key)
    }

    pub(crate) fn channel_buffered(&self, key: ChannelKey) -> usize {
        self.data.buffered(key)
    }

    /// Whether all that was queued on an open channel has gone out; if not, `DataEvent::Flushed`
    /// or `Closed` tells when that changes.
    pub(crate) fn flush_channel(&mut self, key: ChannelKey) -> bool {
        self.data.await_flush(key)
    }

    pub(crate) fn set_low_threshold(&mut self, key: ChannelKey, threshold: usize) {
        self.data.set_low_threshold(key, threshold);
    }

    /// The application has read enough for the window to be opened again.
    pub(crate) fn data_read(&mut self, now: Instant) {
        self.data.told(now);
        self.data.window_opened(now);
        self.poll_data(now);
    }

    pub(crate) fn poll_data_event(&mut self) -> Option<DataEvent> {
        self.data.poll_event()
    }
}
