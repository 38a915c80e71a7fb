//! Candidate pairs.

use serde::Serialize;

use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::engine::ice::PairStats;
use crate::engine::ice::scope::scope_of;

/// A pair of candidates that ICE has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCIceCandidatePairStats {
    /// Tells the pair from the others of the connection.
    pub id: String,
    /// "waiting", "in-progress", "succeeded" or "failed".
    pub state: &'static str,
    /// Whether the pair was nominated (RFC 8445 section 8.1.1).
    pub nominated: bool,
    /// Whether the pair is in use.
    pub selected: bool,
    /// RFC 8445 section 6.1.2.3.
    pub priority: u64,
    /// The local candidate, as the peer sees it.
    pub local_candidate: RTCIceCandidateDescription,
    /// The remote candidate.
    pub remote_candidate: RTCIceCandidateDescription,
    /// Round-trip time of the last check that was not repeated, in seconds.
    pub current_round_trip_time: Option<f64>,
    /// Connectivity checks sent, repetitions not counted.
    pub requests_sent: u64,
    /// Connectivity checks received.
    pub requests_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
    /// Answers received.
    pub responses_received: u64,
}

pub(super) fn pair_id(pair: &PairStats) -> String {
    let tcp = pair.local.tcp.map_or("", |_| "tcp-");
    // One link-local address may be on several links.
    let link = match scope_of(pair.local.base) {
        0 => String::new(),
        scope => format!("%{scope}-"),
    };
    format!("CP{tcp}{link}{}-{}", pair.local.addr, pair.remote.addr)
}
