//! Received tracks that are forwarded: key frames that are asked of them, and what those who
//! forward must know.

use std::time::{Duration, Instant};

use super::tracks::Receiving;
use crate::engine::Engine;
use crate::media::track::{MediaStreamTrack, SourceClock};
use crate::rtp::{InboundStats, KeyframeRequest, ReceiverId};

/// Further off, the peer's clock was set.
const CLOCK_SET: Duration = Duration::from_millis(500);

impl Receiving {
    /// Those who forward a track want a key frame; what to ask now, if anything.
    pub(crate) fn keyframe_wanted(
        &mut self,
        now: Instant,
        id: ReceiverId,
        request: KeyframeRequest,
    ) -> Option<KeyframeRequest> {
        let ask = &mut self.tracks.get_mut(&id)?.ask;
        let asks = ask.want(now, request);
        self.keyframe_at = [self.keyframe_at, ask.due()].into_iter().flatten().min();
        asks.then_some(ask.wanted?)
    }

    /// Asks again for key frames that did not come.
    pub(crate) fn repeat_keyframe_requests(&mut self, now: Instant, engine: &mut Engine) {
        if self.keyframe_at.is_none_or(|at| at > now) {
            return;
        }
        self.keyframe_at = None;
        for (id, receiving) in &mut self.tracks {
            let is_forwarded = receiving.track.fan().is_some();
            let ask = &mut receiving.ask;
            if !is_forwarded {
                ask.wanted = None;
            }
            if ask.due().is_some_and(|due| due <= now)
                && ask.ask(now)
                && let Some(request) = ask.wanted
            {
                engine.request_keyframe(now, *id, request);
            }
            self.keyframe_at = [self.keyframe_at, ask.due()].into_iter().flatten().min();
        }
    }

    /// Hands what those who forward must know to them.
    pub(crate) fn describe_forwarded(&mut self, engine: &Engine) {
        let extensions = engine.media().extensions();
        let version = engine.media().extensions_version();
        for (id, track) in &self.offered {
            let ssrcs = engine.media().receiver_ssrcs(*id).iter();
            let stats = ssrcs.filter_map(|ssrc| engine.rtp().inbound_stats(*ssrc));
            let last = stats
                .filter(|stats| stats.clock.is_some())
                .max_by_key(|stats| stats.clock.map(|clock| clock.arrived));
            let clock = last.and_then(|stats| source_clock(&mut self.anchor, &stats));
            if let Some(fan) = track.fan() {
                fan.describe((extensions, version), clock);
            }
        }
    }

    /// A track whose packets wait to be handed on, once the connection is unlocked.
    pub(crate) fn take_offered(&mut self) -> Option<MediaStreamTrack> {
        self.offered.pop().map(|(_, track)| track)
    }

    pub(crate) fn has_offered(&self) -> bool {
        !self.offered.is_empty()
    }
}

/// What the peer's last report says of its clock, in ours. The first report of any of its sources
/// ties the two together, so that they stay in time with each other.
fn source_clock(anchor: &mut Option<(Instant, u64)>, stats: &InboundStats) -> Option<SourceClock> {
    let clock = stats.clock?;
    let (arrived, ntp) = *anchor.get_or_insert((clock.arrived, clock.ntp));
    let moment = |units: u64| {
        let nanos = u128::from(units).saturating_mul(1_000_000_000) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let at = match clock.ntp.checked_sub(ntp) {
        Some(later) => arrived.checked_add(moment(later)),
        None => arrived.checked_sub(moment(ntp.saturating_sub(clock.ntp))),
    };
    let near = |at: &Instant| {
        let off = at.saturating_duration_since(clock.arrived);
        off.max(clock.arrived.saturating_duration_since(*at)) < CLOCK_SET
    };
    let at = at.filter(near).unwrap_or_else(|| {
        *anchor = Some((clock.arrived, clock.ntp));
        clock.arrived
    });
    Some(SourceClock {
        ssrc: stats.ssrc,
        at,
        timestamp: clock.rtp_timestamp,
    })
}
