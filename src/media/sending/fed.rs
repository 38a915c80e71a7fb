//! How packets of a received track become those of a sending one.

use std::time::Instant;

use crate::media::forward::Mapping;

/// What is kept of that from one batch of packets to the next.
#[derive(Default)]
pub(crate) struct Fed {
    pub(super) mapping: Mapping,
    /// Which timestamp is that of which moment, as was told last.
    clock: Option<(Instant, u32)>,
    /// The payload type of the media, where it is not that of the first codec.
    pub(super) preferred: Option<u8>,
}

impl Fed {
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Takes note of the source's clock; true when that is news.
    pub(crate) fn set_clock(&mut self, clock: Option<(Instant, u32)>) -> bool {
        let is_news = self.clock != clock;
        self.clock = clock;
        is_news
    }

    /// The codecs of the track, or where it is sent, are others.
    pub(super) fn forget_mapping(&mut self) {
        self.mapping = Mapping::default();
    }
}
