//! Which ordered messages were given up, stream by stream.

use std::collections::{BTreeMap, HashMap};

/// The chunks at the front that are acknowledged or given up.
#[derive(Default)]
pub(super) struct Forward {
    /// The first one that is not among them.
    pub(super) upto: u64,
    pub(super) last_abandoned: Option<u64>,
    /// Of each stream the last ordered message that was given up: its chunk, and its number.
    pub(super) skipped: BTreeMap<u64, (u16, u16)>,
    pub(super) by_stream: HashMap<u16, u64>,
}

impl Forward {
    pub(super) fn skip(&mut self, chunk: u64, stream: u16, ssn: u16) {
        if let Some(before) = self.by_stream.insert(stream, chunk) {
            self.skipped.remove(&before);
        }
        self.skipped.insert(chunk, (stream, ssn));
    }

    /// What is before `first` is acknowledged for good.
    pub(super) fn trim(&mut self, first: u64) {
        self.upto = self.upto.max(first);
        while let Some(entry) = self.skipped.first_entry()
            && *entry.key() < first
        {
            let (stream, _) = entry.remove();
            self.by_stream.remove(&stream);
        }
    }
}
