//! What a connection has tried and what failed, in words, for a bug report.

use std::fmt::Write;
use std::net::IpAddr;

use super::RTCConnection;
use super::core::state::ConnectionState;
use crate::engine::ice::{CandidateKind, IceState};
use crate::engine::{EngineState, SecureState};

/// In words.
impl RTCConnection {
    /// What was tried and what failed, in a paragraph for a bug report. It is for reading: its
    /// wording may change with any version.
    ///
    /// It holds no password, no key and no address: candidates are told by their kind and by what
    /// sort of address they have. The addresses are in
    /// [`stats`](Self::stats)`().candidate_pairs`, for those who want to add them.
    pub fn explain(&self) -> String {
        let shared = self.shared();
        let not_permitted = shared.socket.not_permitted();
        let mut text = shared.lock().explain();
        if let Some(code) = not_permitted {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                " A TURN server refused to relay to a peer (error {code})."
            );
        }
        text
    }
}

impl ConnectionState {
    fn explain(&self) -> String {
        let engine = &self.engine;
        let ice = engine.ice();
        let mut text = String::from(match engine.state() {
            EngineState::New => "connect has not been called.",
            EngineState::Searching => "A path to the peer is looked for, or being secured.",
            EngineState::Connected => "The connection is connected.",
            EngineState::Halted => "The connection is halted: the path is lost, or none was found.",
            EngineState::Closed => "The connection is closed.",
        });
        if let Some(reason) = self.over() {
            let _ = write!(text, " It ended: {reason}.");
        }
        let [local, remote] = ice.candidates();
        let _ = write!(text, " Local candidates: {}.", candidates(&local));
        let described = if self.remote.is_some() {
            "came"
        } else {
            "did not come"
        };
        let _ = write!(
            text,
            " The peer's description {described}; its candidates: {}.",
            candidates(&remote)
        );
        let (asked, answered) = engine.servers();
        if asked > 0 {
            let _ = write!(text, " STUN and TURN: {answered} of {asked} answers came.");
        }
        let checks = ice.evidence();
        let _ = write!(
            text,
            " Checks: {} sent, {} answered, {} refused, {} of the peer's heard.",
            checks.sent, checks.answered, checks.refused, checks.heard
        );
        match (ice.state(), ice.send_path().is_some()) {
            (IceState::Failed, _) => {
                let _ = write!(text, " ICE failed: {}.", engine.no_path());
            }
            (IceState::Checking, false) => {
                let _ = write!(text, " ICE has no path so far: {}.", engine.no_path());
            }
            _ => {}
        }
        match (engine.secure().state(), engine.secure().failure()) {
            (_, Some(failure)) => {
                let _ = write!(text, " DTLS failed: {failure}.");
            }
            (SecureState::New, None) => text.push_str(" DTLS has not begun."),
            (SecureState::Connecting, None) => text.push_str(" The DTLS handshake is under way."),
            (SecureState::Connected | SecureState::Closed | SecureState::Failed, None) => {
                let cipher = engine.secure().cipher_suite().unwrap_or("no cipher");
                let _ = write!(text, " DTLS was established with {cipher}.");
            }
        }
        text
    }
}

/// "2 host (private IPv4, global IPv6), 1 relay (global IPv4)".
fn candidates(all: &[(CandidateKind, IpAddr)]) -> String {
    use CandidateKind::{Host, PeerReflexive, Relay, ServerReflexive};
    let mut kinds = Vec::new();
    for kind in [Host, ServerReflexive, PeerReflexive, Relay] {
        let of_kind: Vec<&IpAddr> = all.iter().filter(|c| c.0 == kind).map(|c| &c.1).collect();
        let mut sorts: Vec<&str> = of_kind.iter().map(|ip| sort(ip)).collect();
        sorts.sort_unstable();
        sorts.dedup();
        if !of_kind.is_empty() {
            kinds.push(format!(
                "{} {} ({})",
                of_kind.len(),
                kind.name(),
                sorts.join(", ")
            ));
        }
    }
    if kinds.is_empty() {
        return "none".to_owned();
    }
    kinds.join(", ")
}

/// What sort of address it is, which is often what is wrong.
fn sort(ip: &IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(v4) if v4.is_loopback() => "loopback IPv4",
        IpAddr::V4(v4) if v4.is_private() => "private IPv4",
        IpAddr::V4(v4) if v4.is_link_local() => "link-local IPv4",
        IpAddr::V4(_) => "global IPv4",
        IpAddr::V6(v6) if v6.is_loopback() => "loopback IPv6",
        IpAddr::V6(v6) if v6.is_unique_local() => "private IPv6",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "link-local IPv6",
        IpAddr::V6(_) => "global IPv6",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::connection::options::RTCConnectionOptions;
    use crate::trace::watch::leak;

    #[tokio::test]
    async fn an_explanation_names_kinds_and_holds_no_address() {
        let options = RTCConnectionOptions::default().bind(([127, 0, 0, 1], 0).into());
        let (connection, _events) = RTCConnection::new(options).unwrap();
        let text = connection.explain();
        assert!(text.contains("1 host (loopback IPv4)"), "{text}");
        assert!(
            text.contains("The peer's description did not come"),
            "{text}"
        );
        assert_eq!(leak(&text), None);
        connection.close();
        assert!(connection.explain().contains("closed by the application"));
    }
}
