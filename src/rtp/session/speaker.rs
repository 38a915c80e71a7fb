//! Which of our SSRCs speaks about one of the peer's. Receivers with one transport for all media
//! find the medium of an RTCP packet by the SSRC that sent it, so feedback on video must not come
//! from an SSRC of audio.

use std::sync::Arc;

use super::RtpSession;
use crate::rtp::label::MediaLabel;

impl RtpSession {
    /// Says what one of our SSRCs carries.
    pub(crate) fn label_sender(&mut self, ssrc: u32, label: MediaLabel) {
        if let Some(sender) = self.senders.get_mut(&ssrc) {
            sender.label = Some(Box::new(label));
        }
    }

    /// Says what a source of the peer carries; one of this kind may have a timeout of its own.
    pub(crate) fn label_source(&mut self, ssrc: u32, label: &Arc<MediaLabel>) {
        let mut timeouts = self.config.kind_timeouts.iter();
        let timeout = timeouts.find(|(kind, _)| *kind == label.kind);
        if let Some(&(_, timeout)) = timeout {
            self.set_source_timeout(ssrc, timeout);
        }
        if let Some(source) = self.sources.get_mut(&ssrc) {
            source.label = Some(label.clone());
        }
    }

    /// The SSRC of ours under which feedback on a source goes out: one that sends media of the
    /// same kind, of the same section or stream where there is one, and where nothing of its kind
    /// is sent the one that sends nothing.
    pub(super) fn speaker(&self, source: u32) -> u32 {
        let source = self.sources.get(&source);
        let label = source.and_then(|source| source.label.as_deref());
        let mut best: Option<(u8, u32)> = None;
        for (&ssrc, sender) in self.senders.iter().filter(|(_, sender)| sender.reports()) {
            let closeness = match (sender.label.as_deref(), label) {
                (Some(ours), Some(theirs)) => ours.closeness(theirs),
                _ => Some(0),
            };
            if let Some(closeness) = closeness.filter(|c| best.is_none_or(|(b, _)| *c > b)) {
                best = Some((closeness, ssrc));
            }
        }
        best.map_or(self.reporter, |(_, ssrc)| ssrc)
    }
}
