//! The RTP session of one connection: what it knows, its senders, its end and its timers. The RTCP
//! it takes in is in `incoming`, the RTCP it makes in `outgoing`, the peer's sources in `sources`.

mod collision;
mod incoming;
mod keyframes;
mod outgoing;
mod repair;
mod schedule;
mod sources;
mod speaker;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::event::{KeyframeRequest, RtcpCounters, RtpConfig, RtpEvent};
use super::interval::IntervalTimer;
use super::path_meter::PathMeter;
use super::receiver::SourceState;
use super::sender::{OutboundStats, SenderState};
use super::transport_cc::{Recorder, TransportReports};
use crate::error::{Error, Result};

/// Bound on our SSRCs, and on the peer's.
const MAX_SOURCES: usize = 1_000;
/// Bound on the events that a peer can cause at will; the newest are dropped and counted.
const MAX_EVENTS: usize = 1_000;
/// Configured times are brought into these bounds: no overflow, no spinning.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
const MIN_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct RtpSession {
    config: RtpConfig,
    cname: String,
    wall_clock: (Instant, u64),
    timer: IntervalTimer,
    /// SSRC of reports and feedback while nothing is sent.
    reporter: u32,
    reporter_announced: bool,
    senders: BTreeMap<u32, SenderState>,
    sources: BTreeMap<u32, SourceState>,
    last_report: Instant,
    next_report: Option<Instant>,
    /// The deterministic interval at the last report.
    interval: Duration,
    /// No source times out before this; it may be early, never late.
    sweep_at: Option<Instant>,
    keyframe_at: Option<Instant>,
    /// No missing packet is to be asked for before this; it may be early, never late.
    nack_at: Option<Instant>,
    path_rtt: Option<Duration>,
    /// Arrivals to tell the peer of, where packets have transport-wide numbers.
    transport: Option<Box<Recorder>>,
    transport_due: bool,
    transport_reports: TransportReports,
    path: PathMeter,
    /// It was found to be too narrow since somebody last asked.
    path_strained: bool,
    report_due: bool,
    /// Feedback may go out without a report before it.
    reduced_size: bool,
    block_cursor: u32,
    byes: Vec<u32>,
    requests: Vec<(u32, KeyframeRequest)>,
    /// Packets to ask for, by source.
    nacks: Vec<(u32, Vec<u16>)>,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<RtpEvent>,
    counters: RtcpCounters,
    /// When the peer first and last used an SSRC of ours.
    conflict: Option<(Instant, Instant)>,
    /// Payload octets in both directions since the last report.
    octets: u64,
    /// Whether the peer sends sender reports.
    reports_heard: bool,
    closed: bool,
}

impl RtpSession {
    /// `wall_clock` is an instant and its NTP time (seconds since 1900 and 2^-32 seconds);
    /// `rng_seed` spreads the timers and chooses the SSRC of reports while nothing is sent.
    pub(crate) fn new(
        now: Instant,
        cname: String,
        rng_seed: u64,
        wall_clock: (Instant, u64),
        mut config: RtpConfig,
    ) -> Self {
        config.source_timeout = config.source_timeout.min(MAX_TIMEOUT);
        config.min_interval = config.min_interval.clamp(MIN_INTERVAL, MAX_TIMEOUT);
        let mut timer = IntervalTimer::new(rng_seed, config.min_interval, config.session_bandwidth);
        let reporter = timer.random() as u32;
        Self {
            interval: config.min_interval,
            config,
            cname,
            wall_clock,
            timer,
            reporter,
            reporter_announced: false,
            senders: BTreeMap::new(),
            sources: BTreeMap::new(),
            last_report: now,
            next_report: None,
            sweep_at: None,
            keyframe_at: None,
            nack_at: None,
            path_rtt: None,
            transport: None,
            transport_due: false,
            transport_reports: TransportReports::default(),
            path: PathMeter::default(),
            path_strained: false,
            report_due: false,
            reduced_size: false,
            block_cursor: 0,
            byes: Vec::new(),
            requests: Vec::new(),
            nacks: Vec::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            counters: RtcpCounters::default(),
            conflict: None,
            octets: 0,
            reports_heard: false,
            closed: false,
        }
    }

    /// `InvalidParameters` if the SSRC is taken, by us or by the peer, or if there are 1,000.
    pub(crate) fn add_sender(&mut self, ssrc: u32, clock_rate: u32) -> Result<()> {
        if self.senders.contains_key(&ssrc) || self.sources.contains_key(&ssrc) {
            return Err(Error::invalid_parameters(format!("SSRC {ssrc} is in use")));
        }
        if self.senders.len() >= MAX_SOURCES {
            return Err(Error::invalid_parameters(format!(
                "more than {MAX_SOURCES} sending SSRCs on one connection"
            )));
        }
        if ssrc == self.reporter {
            self.new_reporter();
        }
        self.senders
            .insert(ssrc, SenderState::new(ssrc, clock_rate));
        Ok(())
    }

    /// The canonical name in reports from now on (RFC 3550 section 6.5.1).
    pub(crate) fn set_cname(&mut self, cname: String) {
        self.cname = cname;
    }

    /// Whether the peer reads RTCP of reduced size (RFC 5506).
    pub(crate) fn set_reduced_size(&mut self, reduced_size: bool) {
        self.reduced_size = reduced_size;
    }

    // Row G25.
    /// The codec in use changed; the SSRC goes on.
    pub(crate) fn set_clock_rate(&mut self, ssrc: u32, clock_rate: u32) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.stats.clock_rate = clock_rate;
        }
    }

    /// See [`SenderState::reference`].
    pub(crate) fn set_sender_clock(&mut self, ssrc: u32, reference: Option<(Instant, u32)>) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.reference = reference;
        }
    }

    // Row G9.
    /// Ends an SSRC with a BYE, if it ever appeared on the wire (RFC 3550 section 6.3.7).
    pub(crate) fn remove_sender(&mut self, ssrc: u32) {
        if let Some(sender) = self.senders.remove(&ssrc)
            && sender.announced()
        {
            self.byes.push(ssrc);
        }
    }

    // Row G9.
    /// Pauses an SSRC without a BYE; its next packet continues it.
    pub(crate) fn stop_sender(&mut self, ssrc: u32) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.stats.active = false;
        }
    }

    /// Counts an RTP packet that is being sent.
    pub(crate) fn sent(&mut self, now: Instant, ssrc: u32, timestamp: u32, payload_len: usize) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.sent(now, timestamp, payload_len);
            self.octets = self.octets.wrapping_add(payload_len as u64);
            self.start_timer(now);
        }
    }

    /// Ends the session: BYE for each SSRC that appeared, from [`Self::poll_rtcp`], then silence.
    pub(crate) fn close(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        // Senders and sources stay for the statistics.
        let announced = self.senders.iter().filter(|(_, sender)| sender.announced());
        self.byes.extend(announced.map(|(&ssrc, _)| ssrc));
        if self.reporter_announced {
            self.byes.push(self.reporter);
        }
        self.requests.clear();
        self.nacks.clear();
        self.nack_at = None;
        self.transport = None;
        self.report_due = false;
        self.next_report = None;
        self.sweep_at = None;
        self.keyframe_at = None;
    }

    /// The clock may have stood still: how long ago sender reports came is not known, and a peer
    /// would take too short a delay for a round trip of hours. Nobody is silent for longer.
    pub(crate) fn resumed(&mut self) {
        for source in self.sources.values_mut() {
            source.delay_known = false;
        }
    }

    /// When [`Self::handle_timeout`] is next due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [
            self.next_report,
            self.sweep_at,
            self.keyframe_at,
            self.nack_at,
            self.transport.as_ref().and_then(|recorder| recorder.due),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Runs what is due. [`Self::poll_rtcp`] and [`Self::poll_event`] have the results.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.keyframe_at.is_some_and(|at| at <= now) {
            self.emit_due_keyframes(now);
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.sweep(now);
        }
        self.collect_nacks(now);
        if let Some(recorder) = &mut self.transport
            && recorder.due.is_some_and(|at| at <= now)
        {
            recorder.due = None;
            self.transport_due = true;
        }
        if self.next_report.is_some_and(|at| at <= now) {
            self.reconsider(now);
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<RtpEvent> {
        self.events.pop_front()
    }

    pub(crate) fn outbound_stats(&self, ssrc: u32) -> Option<OutboundStats> {
        self.senders.get(&ssrc).map(|sender| sender.stats)
    }

    pub(crate) fn counters(&self) -> RtcpCounters {
        self.counters
    }

    /// Queues an event that the peer can cause as often as it likes.
    fn push_event(&mut self, event: RtpEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.counters.events_dropped = self.counters.events_dropped.wrapping_add(1);
        } else {
            self.events.push_back(event);
        }
    }
}
