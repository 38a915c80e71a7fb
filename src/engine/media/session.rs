//! The media of a connection: its sending SSRCs and declared receivers, and RTCP.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use tracing::Span;

use super::extensions::Extensions;
use super::held::Held;
use super::model::{MediaCounters, RepairCounters};
use super::pacer::Pacer;
use super::streams::{Receiver, Sender};
use super::unknown::UnknownSources;
use super::wire::rtcp_overhead;
use crate::engine::dtls::{KeyingMaterial, SrtpProfile};
use crate::engine::outgoing::Outlet;
use crate::engine::srtp::Srtp;
use crate::error::Result;
use crate::rtp::{
    AudioLevel, ExtensionMap, RTCHeaderExtension, ReceiverId, Router, RtpPacket, RtpSession,
};
use crate::trace;

/// What is sent and received of media on one connection.
pub(crate) struct Media {
    /// The connection in the log.
    pub(super) span: Span,
    pub(super) rtp: RtpSession,
    pub(crate) srtp: Option<Srtp>,
    pub(super) profile: Option<SrtpProfile>,
    cname: String,
    pub(super) extensions: Extensions,
    pub(super) senders: BTreeMap<u32, Sender>,
    /// What the peer asked for again: SSRC and sequence numbers.
    pub(super) nacked: Vec<(u32, Vec<u16>)>,
    pub(super) transport_sequence: u16,
    pub(super) pacer: Pacer,
    /// When the clock of absolute send times began.
    pub(super) epoch: Instant,
    /// Scratch space for the header of the packet being sent.
    pub(super) header: Vec<u8>,
    pub(super) router: Router,
    pub(super) receivers: BTreeMap<ReceiverId, Receiver>,
    /// How many of them want RTCP of full size.
    pub(super) not_reduced: usize,
    /// Who hears which SSRC.
    pub(super) heard: BTreeSet<(u32, ReceiverId)>,
    pub(super) unknown: UnknownSources,
    pub(super) held: Held,
    pub(super) packets: VecDeque<(ReceiverId, RtpPacket)>,
    pub(super) counters: MediaCounters,
    pub(super) repair_counters: RepairCounters,
}

impl Media {
    /// `epoch`: when the clock of absolute send times began.
    pub(crate) fn new(
        rtp: RtpSession,
        cname: String,
        extensions: ExtensionMap,
        epoch: Instant,
        span: Span,
    ) -> Self {
        Self {
            span,
            rtp,
            srtp: None,
            profile: None,
            cname,
            extensions: Extensions::new(extensions),
            senders: BTreeMap::new(),
            nacked: Vec::new(),
            transport_sequence: 0,
            pacer: Pacer::default(),
            epoch,
            header: Vec::new(),
            router: Router::default(),
            receivers: BTreeMap::new(),
            not_reduced: 0,
            heard: BTreeSet::new(),
            unknown: UnknownSources::default(),
            held: Held::default(),
            packets: VecDeque::new(),
            counters: MediaCounters::default(),
            repair_counters: RepairCounters::default(),
        }
    }

    // ---- the session ----------------------------------------------------------------------

    /// Takes the keys of both directions: from now on media flows.
    pub(crate) fn install(&mut self, keys: &KeyingMaterial) -> Result<()> {
        self.srtp = Some(Srtp::new(keys)?);
        self.profile = Some(keys.profile);
        tracing::info!(target: trace::SRTP, parent: &self.span, profile = ?keys.profile, "SRTP is established");
        Ok(())
    }

    /// Forgets the keys: nothing flows any more.
    pub(crate) fn forget_keys(&mut self) {
        self.srtp = None;
        self.pacer.clear();
    }

    /// How media is protected, or was.
    pub(crate) fn profile(&self) -> Option<SrtpProfile> {
        self.profile
    }

    /// Reports, statistics and feedback.
    pub(crate) fn rtp(&self) -> &RtpSession {
        &self.rtp
    }

    /// `path_rtt`: as ICE measures it.
    pub(crate) fn handle_timeout(&mut self, now: Instant, path_rtt: Option<Duration>) {
        self.rtp.set_path_rtt(path_rtt);
        self.rtp.handle_timeout(now);
    }

    /// The machine may have slept.
    pub(crate) fn resumed(&mut self) {
        self.rtp.resumed();
    }

    /// Says BYE with the next RTCP.
    pub(crate) fn close(&mut self) {
        self.rtp.close();
    }

    /// When `handle_timeout` wants to be called next.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.srtp.as_ref()?;
        let timers = self.rtp.poll_timeout().into_iter();
        timers.chain(self.pacer.due()).min()
    }

    pub(crate) fn cname(&self) -> &str {
        &self.cname
    }

    pub(crate) fn set_cname(&mut self, cname: String) {
        self.cname.clone_from(&cname);
        self.rtp.set_cname(cname);
    }

    pub(crate) fn counters(&self) -> MediaCounters {
        self.counters
    }

    /// Packets of receivers that came from one source too many. They were unknown.
    pub(crate) fn excess_sources(&self) -> u64 {
        self.router.refused()
    }

    pub(crate) fn repair_counters(&self) -> RepairCounters {
        self.repair_counters
    }

    /// What is held of sources that nobody declared, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.unknown.held_bytes()
    }

    /// Sources that nobody declared, and packets and bytes held of them.
    #[cfg(test)]
    pub(crate) fn unknown_held(&self) -> (usize, usize, usize) {
        self.unknown.held()
    }

    /// The header extensions that are read, and their identifiers.
    pub(crate) fn extensions(&self) -> &ExtensionMap {
        &self.extensions.received
    }

    /// Those that are sent, and a number that changes with either of both.
    pub(crate) fn sent_extensions(&self) -> (&ExtensionMap, u32) {
        (&self.extensions.sent, self.extensions.version)
    }

    pub(crate) fn extensions_version(&self) -> u32 {
        self.extensions.version
    }

    pub(crate) fn audio_level_id(&self) -> Option<u8> {
        self.extensions.received.audio_level
    }

    /// Takes the header extension ids of a description for those that are not mapped yet.
    pub(crate) fn learn_extensions(&mut self, entries: &[RTCHeaderExtension]) {
        self.extensions.learn(entries);
    }

    /// Leaves out header extensions that are not in the lists; an empty list leaves out none.
    pub(crate) fn restrict_extensions(&mut self, received: &[String], sent: &[String]) {
        self.extensions.restrict(received, sent);
    }

    #[cfg(test)]
    pub(crate) fn set_extensions(&mut self, known: ExtensionMap) {
        self.extensions = Extensions::new(known);
    }

    /// Header extension values by URI in wire form; those that have no id are left out.
    pub(crate) fn encode_extensions(
        &self,
        values: &BTreeMap<String, String>,
        level: Option<AudioLevel>,
    ) -> Vec<(u8, Vec<u8>)> {
        self.extensions.encode(values, level)
    }

    /// Protects and queues the RTCP that is due.
    pub(crate) fn flush_rtcp(&mut self, now: Instant, outlet: Option<Outlet<'_>>) {
        let (Some(srtp), Some(profile), Some(mut outlet)) = (&mut self.srtp, self.profile, outlet)
        else {
            return;
        };
        while let Some(compound) = self.rtp.poll_rtcp(now) {
            let len = compound.len() + rtcp_overhead(profile);
            let sent = outlet.push_with(len, |out| srtp.protect_rtcp(&compound, out));
            if let Err(error) = sent {
                let span = &self.span;
                tracing::debug!(target: trace::RTP, parent: span, %error, "an RTCP packet could not be protected");
            }
        }
    }
}
