//! What is recorded.

/// What is recorded, and into what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordOptions {
    /// Audio.
    pub audio: bool,
    /// Video.
    pub video: bool,
    /// Each audio track into an Ogg file, too.
    pub ogg: bool,
    /// Each video track into an IVF file, too (not H.264, which IVF does not have).
    pub ivf: bool,
    /// Of a room: the own streams, too.
    pub local: bool,
}

impl Default for RecordOptions {
    /// Audio and video of others, into WebM alone.
    fn default() -> Self {
        Self {
            audio: true,
            video: true,
            ogg: false,
            ivf: false,
            local: false,
        }
    }
}

impl RecordOptions {
    /// Whether tracks of the kind are recorded.
    pub(super) fn wants(&self, kind: ortc::Kind) -> bool {
        match kind {
            ortc::Kind::Audio => self.audio,
            ortc::Kind::Video => self.video,
            _ => false,
        }
    }
}
