//! What the engine writes into the log about its path and its end, and why there is none.

use std::time::Duration;

use tracing::Span;

use super::ice::{Candidate, Diagnosis, IceAgent, IceEvent, IceState};
use crate::error::DisconnectReason;
use crate::trace;

/// ICE servers that were asked, and those that gave something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Servers {
    asked: u32,
    answered: u32,
}

impl Servers {
    /// A server gave a candidate, or did not.
    pub(super) fn note(&mut self, answered: bool) {
        self.asked = self.asked.saturating_add(1);
        self.answered = self.answered.saturating_add(u32::from(answered));
    }

    /// Those that were asked, and those of them that answered.
    pub(super) fn counts(self) -> (u32, u32) {
        (self.asked, self.answered)
    }
}

/// Why ICE has found no path, or has lost it, as far as this side can know.
pub(super) fn no_path(ice: &IceAgent, servers: Servers) -> String {
    let diagnosis = ice.diagnosis();
    let mut text = diagnosis.to_string();
    // Else nothing was sent that could have been blocked, or something came, so that it is not.
    let is_silent = matches!(diagnosis, Diagnosis::Silence { .. });
    if is_silent && servers.asked > 0 && servers.answered == 0 {
        let more = "; no STUN or TURN server answered either: UDP seems to be blocked here";
        text.push_str(more);
    }
    text
}

/// What ICE has to say.
pub(super) fn ice(span: &Span, event: &IceEvent, ice: &IceAgent, servers: Servers) {
    match event {
        IceEvent::State(IceState::Failed) => {
            let cause = no_path(ice, servers);
            tracing::warn!(target: trace::ICE, parent: span, %cause, "ICE failed");
        }
        IceEvent::State(IceState::Disconnected) => {
            tracing::info!(target: trace::ICE, parent: span, "the peer does not answer for now");
        }
        IceEvent::State(state) => {
            tracing::info!(target: trace::ICE, parent: span, ?state, "ICE");
        }
        IceEvent::Selected { local, remote } => selected(span, local, remote, ice.selected_rtt()),
        IceEvent::ConsentLost => {}
        IceEvent::Role(role) => {
            tracing::debug!(target: trace::ICE, parent: span, ?role, "role");
        }
        IceEvent::RemoteCandidateDiscovered(candidate) => {
            tracing::debug!(
                target: trace::ICE,
                parent: span,
                addr = %candidate.addr,
                "a remote candidate shows by its checks"
            );
        }
    }
}

/// The pair by its kinds; the addresses are for those who look closer.
fn selected(span: &Span, local: &Candidate, remote: &Candidate, rtt: Option<Duration>) {
    tracing::info!(
        target: trace::ICE,
        parent: span,
        local = local.kind.name(),
        remote = remote.kind.name(),
        rtt_ms = rtt.map(|rtt| rtt.as_micros() as f64 / 1_000.0),
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

pub(super) fn end(span: &Span, cause: DisconnectReason) {
    if cause.is_transient() {
        tracing::info!(target: trace::CONNECTION, parent: span, %cause, "halted");
    } else {
        tracing::info!(target: trace::CONNECTION, parent: span, %cause, "ended");
    }
}
