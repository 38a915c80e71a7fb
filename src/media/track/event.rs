//! What happens to tracks.

/// What happens to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaStreamTrackEvent {
    // Row A114.
    /// Remote tracks: RTP of this track has been received (draft `connected`).
    Connected,
    // Row A116.
    /// Remote tracks: the peer said BYE, or nothing was heard for the source time-out (draft
    /// `disconnected`).
    Disconnected,
    /// Local tracks: a receiver asks for a key frame (PLI or FIR, at most one a second); encode
    /// one soon.
    KeyframeRequested,
}
