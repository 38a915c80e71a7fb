//! What was dropped, and why.

use serde::Serialize;

/// Datagrams and messages of a connection that were dropped, and why. Nothing in them had any other
/// effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCDropStats {
    /// No known protocol by the first byte.
    pub unknown_protocol: u64,
    /// From an address that ICE has not verified.
    pub wrong_path: u64,
    /// DTLS before ICE was ready.
    pub early_dtls: u64,
    /// RTP or RTCP before the keys were there, or before the peer was accepted.
    pub early_media: u64,
    /// Malformed RTP.
    pub malformed_rtp: u64,
    /// SRTP or SRTCP that did not authenticate, or a replay.
    pub rejected_srtp: u64,
    /// RTP of no declared track.
    pub unknown_rtp: u64,
    /// RTP of declared tracks, from more sources than are kept; in part in `unknown_rtp` as well.
    pub excess_sources: u64,
    /// Outgoing datagrams refused because the queue to the socket was full.
    pub outgoing: u64,
    /// Malformed, unauthenticated or unexpected STUN, all together.
    pub stun: u64,
    /// The same by reason.
    pub stun_faults: RTCStunFaults,
    /// What ICE has no room or no use for.
    pub ice: RTCIceDrops,
    /// DTLS records that were malformed, forged, out of place or beyond a bound.
    pub dtls: u64,
    /// DTLS alerts in plain text, which anybody can forge.
    pub dtls_alerts: u64,
    /// RTCP packets that were malformed or said what the peer may not say, all together.
    pub rtcp: u64,
    /// The same by reason, and what else of RTCP had no effect.
    pub rtcp_faults: RTCRtcpFaults,
    /// Retransmissions received that were of no use, all together.
    pub retransmissions: u64,
    /// The same by reason.
    pub retransmission_faults: RTCRetransmissionFaults,
    /// Packets the peer asked for again that were not to be had any more.
    pub unanswered_nacks: u64,
    /// Telephone events received that hold no digit, of the tracks that there are.
    pub telephone_events: u64,
    /// Remote candidates that could not be used: of another transport, or with a name that is not
    /// found.
    pub ignored_candidates: u64,
    /// Events of the connection, the oldest ones, that the application did not take in time.
    pub events: u64,
}

/// STUN messages that were dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCStunFaults {
    /// Not a Binding message in the form that ICE uses.
    pub malformed: u64,
    /// Requests at an address that is no local candidate's.
    pub unknown_address: u64,
    /// Requests whose user name is of another session: an old or foreign description.
    pub wrong_username: u64,
    /// Signed with another password.
    pub wrong_password: u64,
    /// Responses to nothing that was asked.
    pub unknown_transaction: u64,
    /// Responses from another address than was asked.
    pub asymmetric: u64,
    /// Authentic, and yet not acceptable.
    pub rejected: u64,
}

/// What ICE had no room or no use for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCIceDrops {
    /// Candidates of either side that cannot be used, or are over the limit.
    pub candidates: u64,
    /// Pairs of candidates over the limit, those of least priority.
    pub pairs: u64,
    /// Addresses over the limit from which the peer's checks came.
    pub addresses: u64,
    /// Checks and events for which the queues were full.
    pub queued: u64,
}

/// RTCP that had no effect, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCRtcpFaults {
    /// Compound packets that are none (RFC 3550 appendix A.2).
    pub invalid: u64,
    /// Malformed packets in valid compounds.
    pub malformed: u64,
    /// BYE for sources that the peer does not send from.
    pub byes: u64,
    /// Feedback about sources that are not this side's.
    pub feedback: u64,
    /// Packets of types and formats that are not known here, which is no fault.
    pub unknown: u64,
    /// Packets asked for again beyond the bound of one compound.
    pub nacks: u64,
    /// Requests for which the queue was full.
    pub queued: u64,
}

/// Retransmissions received that were of no use, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCRetransmissionFaults {
    /// Of a stream that is not known.
    pub unrelated: u64,
    /// Too short to hold a packet.
    pub malformed: u64,
    /// Of packets that were there already.
    pub needless: u64,
}
