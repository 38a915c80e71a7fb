//! What received tracks ask of the connection that they belong to, and what it tells them.

use std::time::Instant;

use tokio::runtime::Handle;

use crate::rtp::KeyframeRequest;

/// A connection as its remote tracks see it.
pub(crate) trait MediaOrigin: Send + Sync {
    fn request_keyframe(&self, key: u32, request: KeyframeRequest);
    /// The same for those who forward the track: once a second for all of them, until one came.
    fn keyframe_wanted(&self, key: u32, request: KeyframeRequest);
    /// More waits for the application than may.
    fn over_budget(&self);
    /// A runtime that has time: who reads may do so in none, or in one without.
    fn runtime(&self) -> Handle;
    /// What the sender of a track last said about its clock.
    fn sender_clock(&self, key: u32) -> Option<SenderClock>;
}

/// The clock of a track's sender, from its last report (RFC 3550 section 6.4.1): what the RTP
/// timestamp was at a time of the clock that all tracks of the sender have in common. What is of
/// one moment in two tracks is found by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderClock {
    /// The sender's time as NTP has it: seconds since 1900 in the upper, fractions of 2^-32 s in the
    /// lower half. It need not be right, only common to the sender's tracks.
    pub ntp: u64,
    /// The track's RTP timestamp at that time.
    pub rtp_timestamp: u32,
    /// When the report came.
    pub received: Instant,
}

impl SenderClock {
    /// A report that came at `received`.
    pub fn new(ntp: u64, rtp_timestamp: u32, received: Instant) -> Self {
        Self {
            ntp,
            rtp_timestamp,
            received,
        }
    }
}
