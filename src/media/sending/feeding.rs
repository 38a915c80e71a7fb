//! A sending track that packets of a received one go to.

use super::sending_track::SendingTrack;
use crate::media::forward::{Mapping, SourceFacts};
use crate::rtp::ExtensionMap;

impl SendingTrack {
    /// Readies it for packets of a source.
    pub(crate) fn feed_from(&mut self, source: &SourceFacts, ids: (&ExtensionMap, u32)) {
        let (extensions, version) = ids;
        if !self.fed.mapping.is_of(source.version, version) {
            self.fed.mapping = Mapping::new(source, &self.codecs, extensions, version);
        }
    }

    /// The payload type of what it is fed with, where it is not that of the first codec.
    pub(crate) fn fed_as(&self) -> Option<u8> {
        self.fed.preferred
    }

    /// Media of this payload type is sent; true when that changes the codec in use.
    pub(crate) fn feeds_as(&mut self, payload_type: u8) -> bool {
        if self.active.codec.payload_type == payload_type {
            return false;
        }
        let before = self.active.codec.payload_type;
        self.prefer(Some(payload_type));
        // Digits and comfort noise are no codec that is sent with.
        if self.active.codec.payload_type != payload_type {
            self.prefer(self.fed.preferred);
            return false;
        }
        self.fed.preferred = Some(payload_type);
        before != payload_type
    }
}
