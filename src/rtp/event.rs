//! What goes into and comes out of an [`RtpSession`](super::session::RtpSession).

use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) struct RtpConfig {
    // Row G33.
    /// A source that sent neither RTP nor a sender report for this long has timed out.
    pub(crate) source_timeout: Duration,
    /// The same for the sources of one kind of track.
    pub(crate) kind_timeouts: Vec<(&'static str, Duration)>,
    /// Least deterministic interval between reports. RFC 3550 section 6.2 says 5 s, or less by
    /// the bandwidth; RFC 4585 does away with the minimum, so that reports are of use to
    /// congestion control. The 5 % of the bandwidth still bound it.
    pub(crate) min_interval: Duration,
    /// Bits a second, of which RTCP takes 5 %.
    pub(crate) session_bandwidth: u64,
    /// Least time between two key frame requests for one source.
    pub(crate) keyframe_request_interval: Duration,
}

impl Default for RtpConfig {
    fn default() -> Self {
        Self {
            source_timeout: Duration::from_secs(10),
            kind_timeouts: Vec::new(),
            min_interval: Duration::from_secs(1),
            session_bandwidth: 1_000_000,
            keyframe_request_interval: Duration::from_millis(500),
        }
    }
}

/// How to ask for a key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum KeyframeRequest {
    /// Picture Loss Indication (RFC 4585 section 6.3.1).
    Pli,
    /// Full Intra Request (RFC 5104 section 4.3.1).
    Fir,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RtpEvent {
    /// The peer ended a source it sent from. `reason` may be empty.
    Bye { ssrc: u32, reason: String },
    /// A source fell silent; it may come back.
    Timeout { ssrc: u32 },
    /// The peer wants a key frame of our SSRC. At most one a second for each.
    KeyframeRequested { ssrc: u32 },
    /// The peer uses our SSRC (RFC 3550 section 8.2). Once for each SSRC.
    SsrcCollision { ssrc: u32 },
    /// The peer asks for packets of our SSRC again; at most 1,000 in one compound.
    Nack {
        ssrc: u32,
        sequence_numbers: Vec<u16>,
    },
}

/// What was dropped or ignored, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RtcpCounters {
    pub(crate) compounds_received: u64,
    /// Failed the checks of RFC 3550 appendix A.2; nothing in them was used.
    pub(crate) compounds_invalid: u64,
    pub(crate) packets_malformed: u64,
    /// Packet types and formats this endpoint makes nothing of.
    pub(crate) packets_ignored: u64,
    /// BYE for a source the peer never sent from.
    pub(crate) byes_ignored: u64,
    /// Feedback about an SSRC that is not ours.
    pub(crate) feedback_ignored: u64,
    /// NACKed sequence numbers over the bound.
    pub(crate) nacks_dropped: u64,
    pub(crate) events_dropped: u64,
    /// RTP of more sources than are kept.
    pub(crate) sources_refused: u64,
    pub(crate) compounds_sent: u64,
}
