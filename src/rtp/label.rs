//! What an SSRC carries, as its statistics and feedback need to know.

/// What an SSRC carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MediaLabel {
    /// "audio", "video" or "dtmf".
    pub(crate) kind: &'static str,
    pub(crate) mid: Option<String>,
    /// Ids of its streams.
    pub(crate) streams: Vec<String>,
}

impl MediaLabel {
    /// How close the media of a sender is to that of a source; `None` if it is of another kind.
    pub(super) fn closeness(&self, source: &Self) -> Option<u8> {
        // Digits travel in the packets of audio.
        let kind = |label: &Self| match label.kind {
            "dtmf" => "audio",
            kind => kind,
        };
        if kind(self) != kind(source) {
            return None;
        }
        let same_mid = self.mid.is_some() && self.mid == source.mid;
        let same_stream = self.streams.iter().any(|id| source.streams.contains(id));
        Some(1 + u8::from(same_stream) + 2 * u8::from(same_mid))
    }
}
