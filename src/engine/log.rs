//! What the engine writes into the log about its path and its end, and why there is none.

use tracing::Span;

use super::Engine;
use super::ice::{Candidate, IceState};
use crate::error::DisconnectReason;
use crate::trace;

/// ICE servers that were asked, and those that gave something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Servers {
    asked: u32,
    answered: u32,
}

impl Engine {
    /// The connection in the log.
    pub(crate) fn span(&self) -> &Span {
        &self.config.span
    }

    pub(super) fn log_ice(&self, state: IceState) {
        let span = &self.config.span;
        match state {
            IceState::Failed => {
                let cause = self.no_path();
                tracing::warn!(target: trace::ICE, parent: span, %cause, "ICE failed");
            }
            IceState::Disconnected => {
                tracing::info!(target: trace::ICE, parent: span, "the peer does not answer for now");
            }
            state => tracing::info!(target: trace::ICE, parent: span, ?state, "ICE"),
        }
    }

    /// The pair by its kinds; the addresses are for those who look closer.
    pub(super) fn log_selected(&self, local: &Candidate, remote: &Candidate) {
        let span = &self.config.span;
        tracing::info!(
            target: trace::ICE,
            parent: span,
            local = local.kind.name(),
            remote = remote.kind.name(),
            rtt_ms = self.ice.selected_rtt().map(|rtt| rtt.as_secs_f64() * 1_000.0),
            "a pair is selected"
        );
        tracing::debug!(
            target: trace::ICE,
            parent: span,
            local = %local.addr,
            base = %local.base,
            remote = %remote.addr,
            "the selected pair"
        );
    }

    pub(super) fn log_end(&mut self, reason: DisconnectReason) {
        self.tell_drops();
        let (span, cause) = (&self.config.span, reason);
        if reason.is_transient() {
            tracing::info!(target: trace::CONNECTION, parent: span, %cause, "halted");
        } else {
            tracing::info!(target: trace::CONNECTION, parent: span, %cause, "ended");
        }
    }

    /// Why ICE has found no path, or has lost it, as far as this side can know.
    pub(crate) fn no_path(&self) -> String {
        let mut text = self.ice.diagnosis().to_string();
        let servers = self.servers;
        if servers.asked > 0 && servers.answered == 0 {
            let more = "; no STUN or TURN server answered either: UDP seems to be blocked here";
            text.push_str(more);
        }
        text
    }

    /// ICE servers that were asked, and those of them that answered.
    pub(crate) fn servers(&self) -> (u32, u32) {
        (self.servers.asked, self.servers.answered)
    }

    /// An ICE server gave a candidate, or did not.
    pub(crate) fn note_server(&mut self, answered: bool) {
        let servers = &mut self.servers;
        servers.asked = servers.asked.saturating_add(1);
        servers.answered = servers.answered.saturating_add(u32::from(answered));
    }
}
