//! Header extensions of a connection: those that are configured or learned, and what is read and
//! sent of them.

use std::collections::BTreeMap;

use crate::rtp::extensions::encode_audio_level;
use crate::rtp::{AudioLevel, ExtensionMap, RTCHeaderExtension};

/// Header extensions of a track beyond those the engine fills in.
const MAX_EXTENSIONS: usize = 4;

pub(super) struct Extensions {
    known: ExtensionMap,
    /// What is read of them.
    pub(super) received: ExtensionMap,
    /// What is sent of them.
    pub(super) sent: ExtensionMap,
    /// URIs that alone may be read and sent; empty lists: any.
    limits: [Vec<String>; 2],
    /// Another for each change.
    pub(super) version: u32,
}

impl Extensions {
    pub(super) fn new(known: ExtensionMap) -> Self {
        Self {
            received: known.clone(),
            sent: known.clone(),
            known,
            limits: Default::default(),
            version: 0,
        }
    }

    /// Takes the ids of a description for those that are not mapped yet.
    pub(super) fn learn(&mut self, entries: &[RTCHeaderExtension]) {
        self.known.learn(entries);
        self.apply_limits();
    }

    /// Leaves out those that are not in the lists; an empty list leaves out none.
    pub(super) fn restrict(&mut self, received: &[String], sent: &[String]) {
        self.limits = [received.to_vec(), sent.to_vec()];
        self.apply_limits();
    }

    fn apply_limits(&mut self) {
        let [received, sent] = &self.limits;
        self.received = self.known.only(received);
        self.sent = self.known.only(sent);
        self.version = self.version.wrapping_add(1);
    }

    /// Values by URI in wire form; those that have no id are left out.
    pub(super) fn encode(
        &self,
        values: &BTreeMap<String, String>,
        level: Option<AudioLevel>,
    ) -> Vec<(u8, Vec<u8>)> {
        let level = self
            .sent
            .audio_level
            .zip(level)
            .map(|(id, level)| (id, encode_audio_level(level).to_vec()));
        values
            .iter()
            .filter_map(|(uri, value)| {
                let id = self.sent.id(uri)?;
                Some((id, value.clone().into_bytes()))
            })
            .take(MAX_EXTENSIONS)
            .chain(level)
            .collect()
    }
}
