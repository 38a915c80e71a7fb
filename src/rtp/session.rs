//! The RTP session of one connection: sources, timers and verbs. The RTCP it takes in is in
//! `incoming`, the RTCP it makes in `outgoing`.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::event::{KeyframeRequest, RtcpCounters, RtpConfig, RtpEvent};
use super::header::RtpHeader;
use super::interval::{IntervalTimer, Membership};
use super::receiver::{InboundStats, SourceState};
use super::repair::Reception;
use super::reports::to_ntp;
use super::sender::{OutboundStats, SenderState};
use super::transport_cc::{Recorder, TransportReports};
use crate::error::{Error, Result};

/// Bound on our SSRCs, and on the peer's.
const MAX_SOURCES: usize = 1_000;
/// Bound on the events that a peer can cause at will; the newest are dropped and counted.
const MAX_EVENTS: usize = 1_000;
/// For so long after a BYE a source is remembered, so that packets that were overtaken by it do not
/// bring it back (RFC 3550 section 6.2.1 delays the removal for the same reason).
const BYE_LINGER: Duration = Duration::from_secs(1);
/// A peer that does not know of our reduced minimum reports this seldom; timeouts of members go
/// by it (RFC 3550 section 6.2).
const FIXED_MINIMUM: Duration = Duration::from_secs(5);
/// Least time between two `KeyframeRequested` of one SSRC.
const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);
/// A conflicting address is remembered for so many report intervals (RFC 3550 section 8.2).
const CONFLICT_INTERVALS: u32 = 10;
/// The longest interval that is drawn: 1.5 of the deterministic one, over the compensation.
const LONGEST_DRAW: f64 = 1.5 / 1.21828;
/// Reports further apart than this have a say in what counts as silence.
const NOTABLE_GAP: Duration = Duration::from_secs(2);
/// The first report waits no longer, whatever the number of sources.
const FIRST_REPORT: Duration = Duration::from_secs(2);
/// Configured times are brought into these bounds: no overflow, no spinning.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
const MIN_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct RtpSession {
    pub(super) config: RtpConfig,
    pub(super) cname: String,
    wall_clock: (Instant, u64),
    pub(super) timer: IntervalTimer,
    /// SSRC of reports and feedback while nothing is sent.
    pub(super) reporter: u32,
    pub(super) reporter_announced: bool,
    pub(super) senders: BTreeMap<u32, SenderState>,
    pub(super) sources: BTreeMap<u32, SourceState>,
    last_report: Instant,
    next_report: Option<Instant>,
    /// The deterministic interval at the last report.
    interval: Duration,
    /// No source times out before this; it may be early, never late.
    sweep_at: Option<Instant>,
    keyframe_at: Option<Instant>,
    /// No missing packet is to be asked for before this; it may be early, never late.
    pub(super) nack_at: Option<Instant>,
    pub(super) path_rtt: Option<Duration>,
    /// Arrivals to tell the peer of, where packets have transport-wide numbers.
    pub(super) transport: Option<Box<Recorder>>,
    pub(super) transport_due: bool,
    pub(super) transport_reports: TransportReports,
    pub(super) report_due: bool,
    /// Feedback may go out without a report before it.
    pub(super) reduced_size: bool,
    pub(super) block_cursor: u32,
    pub(super) byes: Vec<u32>,
    pub(super) requests: Vec<(u32, KeyframeRequest)>,
    /// Packets to ask for, by source.
    pub(super) nacks: Vec<(u32, Vec<u16>)>,
    pub(super) out: VecDeque<Vec<u8>>,
    events: VecDeque<RtpEvent>,
    pub(super) counters: RtcpCounters,
    /// When the peer first and last used an SSRC of ours.
    conflict: Option<(Instant, Instant)>,
    /// Payload octets in both directions since the last report.
    octets: u64,
    /// Whether the peer sends sender reports.
    pub(super) reports_heard: bool,
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

    /// The codec in use changed; the SSRC goes on (conformance row G25).
    pub(crate) fn set_clock_rate(&mut self, ssrc: u32, clock_rate: u32) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.stats.clock_rate = clock_rate;
        }
    }

    /// Ends an SSRC with a BYE, if it ever appeared on the wire (RFC 3550 section 6.3.7;
    /// conformance row G9).
    pub(crate) fn remove_sender(&mut self, ssrc: u32) {
        if let Some(sender) = self.senders.remove(&ssrc)
            && sender.announced()
        {
            self.byes.push(ssrc);
        }
    }

    /// Pauses an SSRC without a BYE; its next packet continues it (conformance row G9).
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

    /// Counts an authenticated RTP packet, and says whether it is to be delivered.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        payload_len: usize,
        clock_rate: u32,
    ) -> Reception {
        if self.closed {
            return Reception::Refused;
        }
        let ssrc = header.ssrc;
        let sequence_number = header.sequence_number;
        // One look-up for each packet of a source that is known and alive.
        if let Some(source) = self.sources.get_mut(&ssrc).filter(|s| s.active) {
            self.octets = self.octets.wrapping_add(payload_len as u64);
            source.payload_type = header.payload_type;
            let fresh = source.received(
                now,
                sequence_number,
                header.timestamp,
                payload_len,
                clock_rate,
            );
            let nack_at = source.nack.as_ref().and_then(|nack| nack.next_at());
            self.nack_no_later_than(nack_at);
            return Reception::of(fresh);
        }
        self.check_collision(now, ssrc);
        if let Some(source) = self.sources.get_mut(&ssrc)
            && let Some(left) = source.left_at
        {
            if now.saturating_duration_since(left) < BYE_LINGER {
                return source.after_bye(now, left, sequence_number);
            }
            self.sources.remove(&ssrc);
        }
        if !self.sources.contains_key(&ssrc) {
            if self.sources.len() >= MAX_SOURCES && !self.forget_ended() {
                self.counters.sources_refused = self.counters.sources_refused.wrapping_add(1);
                return Reception::Refused;
            }
            let timeout = self.config.source_timeout;
            self.sources.insert(
                ssrc,
                SourceState::new(now, ssrc, sequence_number, clock_rate, timeout),
            );
            self.sweep_no_later_than(now + timeout);
            self.start_timer(now);
        }
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return Reception::Refused;
        };
        source.payload_type = header.payload_type;
        let fresh = source.received(
            now,
            sequence_number,
            header.timestamp,
            payload_len,
            clock_rate,
        );
        self.activate(ssrc);
        Reception::of(fresh)
    }

    #[cfg(test)]
    pub(crate) fn received(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        payload_len: usize,
        clock_rate: u32,
    ) -> bool {
        matches!(
            self.receive(now, header, payload_len, clock_rate),
            Reception::Deliver | Reception::Repeat
        )
    }

    /// Forgets a source, without an event.
    pub(crate) fn remove_receiver(&mut self, ssrc: u32) {
        self.sources.remove(&ssrc);
        self.requests.retain(|(source, _)| *source != ssrc);
        self.nacks.retain(|(source, _)| *source != ssrc);
    }

    /// Another timeout than the configured one, for a source that has been heard.
    pub(crate) fn set_source_timeout(&mut self, ssrc: u32, timeout: Duration) {
        if let Some(source) = self.sources.get_mut(&ssrc) {
            source.timeout = timeout.min(MAX_TIMEOUT);
            let deadline = source.last_heard + source.timeout;
            self.sweep_no_later_than(deadline);
        }
    }

    /// Queues a request for a key frame. False if the source is unknown or gone, or was asked
    /// less than the configured interval ago.
    pub(crate) fn request_keyframe(
        &mut self,
        now: Instant,
        ssrc: u32,
        request: KeyframeRequest,
    ) -> bool {
        let interval = self.config.keyframe_request_interval;
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return false;
        };
        let too_soon = source
            .last_request
            .is_some_and(|last| now.saturating_duration_since(last) < interval);
        if too_soon || source.left_at.is_some() {
            return false;
        }
        source.last_request = Some(now);
        match request {
            KeyframeRequest::Pli => source.plis_sent = source.plis_sent.wrapping_add(1),
            KeyframeRequest::Fir => source.firs_sent = source.firs_sent.wrapping_add(1),
        }
        // At most one a source can wait: a second one replaces it.
        self.requests.retain(|(source, _)| *source != ssrc);
        self.requests.push((ssrc, request));
        true
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

    pub(crate) fn inbound_stats(&self, ssrc: u32) -> Option<InboundStats> {
        self.sources.get(&ssrc).map(SourceState::stats)
    }

    /// Whether a source of the peer is heard.
    pub(crate) fn is_active(&self, ssrc: u32) -> bool {
        self.sources.get(&ssrc).is_some_and(|source| source.active)
    }

    pub(crate) fn outbound_stats(&self, ssrc: u32) -> Option<OutboundStats> {
        self.senders.get(&ssrc).map(|sender| sender.stats)
    }

    pub(crate) fn counters(&self) -> RtcpCounters {
        self.counters
    }

    pub(super) fn ntp_at(&self, now: Instant) -> u64 {
        let (base, ntp) = self.wall_clock;
        ntp.wrapping_add(to_ntp(now.saturating_duration_since(base)))
            .wrapping_sub(to_ntp(base.saturating_duration_since(now)))
    }

    /// RFC 3550 section 6.3.6: on expiry the interval is drawn again with what is known now.
    fn reconsider(&mut self, now: Instant) {
        if self.senders.is_empty() && self.sources.is_empty() {
            self.next_report = None;
            return;
        }
        let membership = self.membership(now);
        let due = self.last_report + self.draw(membership);
        if due > now {
            self.next_report = Some(due);
            return;
        }
        self.report_due = true;
        self.follow_bandwidth(now);
        self.last_report = now;
        self.timer.initial = false;
        self.interval = self.timer.deterministic(membership);
        self.next_report = Some(now + self.timer.randomised(membership));
    }

    /// An interval, in its range. With one receiver the first report need not wait at all (RFC
    /// 3550 section 6.2), so it comes in time for the peer to know all sources.
    fn draw(&mut self, membership: Membership) -> Duration {
        let drawn = self.timer.randomised(membership);
        match self.timer.initial {
            true => drawn.min(FIRST_REPORT.max(self.config.min_interval)),
            false => drawn,
        }
    }

    /// RTCP takes its share of what is sent (RFC 3550 section 6.2), the configured bandwidth at
    /// least.
    fn follow_bandwidth(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.last_report).as_millis() as u64;
        let bits = std::mem::take(&mut self.octets).saturating_mul(8_000);
        let rate = bits.checked_div(millis).unwrap_or_default();
        self.timer
            .set_bandwidth(rate.max(self.config.session_bandwidth));
    }

    /// Makes room for a source: the one that ended, or fell silent, longest ago. False if all are
    /// alive.
    fn forget_ended(&mut self) -> bool {
        let ended = self.sources.iter().filter(|(_, source)| !source.active);
        let oldest = ended.min_by_key(|(_, source)| source.last_heard);
        let Some(ssrc) = oldest.map(|(ssrc, _)| *ssrc) else {
            return false;
        };
        self.remove_receiver(ssrc);
        true
    }

    fn start_timer(&mut self, now: Instant) {
        if self.next_report.is_none() && !self.closed {
            self.last_report = now;
            let membership = self.membership(now);
            self.next_report = Some(now + self.draw(membership));
        }
    }

    /// Who counts for the interval: a member that was heard within five intervals, a sender
    /// within two (RFC 3550 section 6.3.5). Sources leave `sources` with their membership.
    pub(super) fn membership(&self, now: Instant) -> Membership {
        let window = self.interval.max(FIXED_MINIMUM) * 2;
        let recent = |at: Instant| now.saturating_duration_since(at) < window;
        let sent = |sender: &&SenderState| sender.stats.last_sent.is_some_and(recent);
        let ours = self.senders.values().filter(|s| s.announced()).count();
        let ours_sending = self.senders.values().filter(sent).count();
        let theirs = self.sources.values().filter(|s| s.left_at.is_none());
        let theirs_sending = theirs.clone().filter(|s| recent(s.last_rtp)).count();
        Membership {
            members: ours
                .saturating_add(theirs.count())
                .saturating_add(usize::from(self.reporter_announced)),
            senders: ours_sending.saturating_add(theirs_sending),
            we_sent: ours_sending > 0,
        }
    }

    fn sweep(&mut self, now: Instant) {
        let forget = self.interval.max(FIXED_MINIMUM) * 5;
        // Silence is no shorter than two intervals, as long as they really are: a muted source is
        // heard of once in each.
        let interval = self
            .interval
            .max(self.timer.deterministic(self.membership(now)));
        let grown = match self.reports_heard && interval > self.config.min_interval {
            true => interval.mul_f64(2.0 * LONGEST_DRAW),
            false => Duration::ZERO,
        };
        let mut next: Option<Instant> = None;
        let mut timed_out = Vec::new();
        self.sources.retain(|ssrc, source| {
            let forget_at = match source.left_at {
                Some(left) => left + BYE_LINGER,
                None => source.last_heard + forget.max(source.timeout),
            };
            let gaps = match source.report_gap >= NOTABLE_GAP {
                true => source.report_gap * 2,
                false => Duration::ZERO,
            };
            let silent_at = source.last_heard + source.timeout.max(grown).max(gaps);
            if source.active && silent_at <= now {
                source.active = false;
                timed_out.push(*ssrc);
            }
            let deadline = if source.active { silent_at } else { forget_at };
            if deadline <= now {
                return false;
            }
            next = Some(next.map_or(deadline, |at| at.min(deadline)));
            true
        });
        self.sweep_at = next;
        // Each source is in here once at most until it is heard again.
        for ssrc in timed_out {
            self.events.push_back(RtpEvent::Timeout { ssrc });
        }
    }

    pub(super) fn sweep_no_later_than(&mut self, deadline: Instant) {
        self.sweep_at = Some(self.sweep_at.map_or(deadline, |at| at.min(deadline)));
    }

    /// Marks a source as alive.
    pub(super) fn activate(&mut self, ssrc: u32) {
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return;
        };
        if !source.active {
            source.active = true;
            let deadline = source.last_heard + source.timeout;
            self.sweep_no_later_than(deadline);
            self.events.push_back(RtpEvent::SourceActive { ssrc });
        }
    }

    /// Marks a source as gone; false if the peer does not send from it.
    pub(super) fn leave(&mut self, now: Instant, ssrc: u32, reason: &[u8]) -> bool {
        let Some(source) = self.sources.get_mut(&ssrc) else {
            return false;
        };
        if source.left_at.is_some() {
            return false;
        }
        source.active = false;
        source.left_at = Some(now);
        self.sweep_no_later_than(now + BYE_LINGER);
        let reason = String::from_utf8_lossy(reason).into_owned();
        self.events.push_back(RtpEvent::Bye { ssrc, reason });
        true
    }

    /// RFC 3550 section 8.2 for an RTP packet that arrived. What a report says proves nothing: the
    /// path is the peer's alone, and it may send its reports under the SSRC that they are about.
    pub(crate) fn check_collision(&mut self, now: Instant, ssrc: u32) {
        if ssrc == self.reporter {
            self.new_reporter();
        }
        let Some(sender) = self.senders.get_mut(&ssrc) else {
            return;
        };
        let keep = self.interval.max(FIXED_MINIMUM) * CONFLICT_INTERVALS;
        let known = self
            .conflict
            .filter(|(_, last)| now.saturating_duration_since(*last) < keep);
        // Whoever takes up an SSRC that we began with after a collision returns our own packets:
        // no number would please them.
        let is_loop = known.is_some_and(|(first, _)| sender.since.is_some_and(|at| at > first));
        if !sender.collided && !is_loop {
            sender.collided = true;
            self.events.push_back(RtpEvent::SsrcCollision { ssrc });
        }
        self.conflict = Some((known.map_or(now, |(first, _)| first), now));
    }

    fn new_reporter(&mut self) {
        if self.reporter_announced {
            self.byes.push(self.reporter);
            self.reporter_announced = false;
        }
        self.reporter = self.timer.random() as u32;
    }

    /// Passes a request on, or keeps it until a second after the last one.
    pub(super) fn keyframe_asked(&mut self, now: Instant, ssrc: u32) {
        let Some(sender) = self.senders.get_mut(&ssrc) else {
            return;
        };
        match sender.last_keyframe_event {
            Some(last) if now.saturating_duration_since(last) < KEYFRAME_INTERVAL => {
                let due = last + KEYFRAME_INTERVAL;
                sender.keyframe_due = Some(due);
                self.keyframe_at = Some(self.keyframe_at.map_or(due, |at| at.min(due)));
            }
            _ => {
                sender.last_keyframe_event = Some(now);
                sender.keyframe_due = None;
                self.push_event(RtpEvent::KeyframeRequested { ssrc });
            }
        }
    }

    fn emit_due_keyframes(&mut self, now: Instant) {
        let mut next: Option<Instant> = None;
        for (ssrc, sender) in &mut self.senders {
            match sender.keyframe_due {
                Some(due) if due <= now => {
                    sender.keyframe_due = None;
                    sender.last_keyframe_event = Some(now);
                    let event = RtpEvent::KeyframeRequested { ssrc: *ssrc };
                    self.events.push_back(event);
                }
                Some(due) => next = Some(next.map_or(due, |at| at.min(due))),
                None => {}
            }
        }
        self.keyframe_at = next;
    }

    /// Queues an event that the peer can cause as often as it likes.
    pub(super) fn push_event(&mut self, event: RtpEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.counters.events_dropped = self.counters.events_dropped.wrapping_add(1);
        } else {
            self.events.push_back(event);
        }
    }
}
