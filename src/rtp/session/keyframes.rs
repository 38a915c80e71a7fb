//! Requests for key frames: ours to the peer, and the peer's to us.

use std::time::{Duration, Instant};

use super::RtpSession;
use crate::rtp::event::{KeyframeRequest, RtpEvent};

/// Least time between two `KeyframeRequested` of one SSRC.
const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);

impl RtpSession {
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

    pub(super) fn emit_due_keyframes(&mut self, now: Instant) {
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
}
