//! One sending SSRC, and one declared receiver.

use std::sync::Arc;

use super::model::{ReceiverRepair, ReceiverSpec};
use super::redundancy::{ReceiverRed, SenderRed};
use super::repair::SenderRepair;
use crate::rtp::{MediaLabel, RtpPacket};

/// A sending SSRC; that of retransmissions is part of what it repairs.
pub(super) struct Sender {
    pub(super) mid: Option<Vec<u8>>,
    pub(super) rid: Option<Vec<u8>>,
    pub(super) repair: SenderRepair,
    pub(super) red: SenderRed,
}

impl Sender {
    pub(super) fn new(mid: Option<String>) -> Self {
        Self {
            mid: mid.map(String::into_bytes),
            rid: None,
            repair: SenderRepair::default(),
            red: SenderRed::default(),
        }
    }
}

/// A declared receiver.
pub(super) struct Receiver {
    pub(super) spec: ReceiverSpec,
    pub(super) label: Arc<MediaLabel>,
    pub(super) connected: bool,
    pub(super) ssrcs: Vec<u32>,
    pub(super) repair: ReceiverRepair,
    pub(super) red: ReceiverRed,
}

impl Receiver {
    pub(super) fn new(spec: ReceiverSpec) -> Self {
        Self {
            label: label(&spec),
            spec,
            connected: false,
            ssrcs: Vec::new(),
            repair: ReceiverRepair::default(),
            red: ReceiverRed::default(),
        }
    }

    /// Replaces what it was declared with.
    pub(super) fn respecify(&mut self, spec: ReceiverSpec) {
        self.label = label(&spec);
        self.spec = spec;
        if !self.has_redundancy() {
            self.red.clear();
        }
    }

    /// Whether its packets may carry others.
    pub(super) fn has_redundancy(&self) -> bool {
        !self.spec.red.is_empty()
    }

    /// Notes the number of a packet where there is redundancy; false if the packet is there
    /// already, carried by another.
    pub(super) fn note_arrival(&mut self, packet: &RtpPacket, first: bool) -> bool {
        self.red.note_arrival(&self.spec.red, packet, first)
    }

    /// The SSRC that a retransmission stream repairs: as declared, or the only one there is.
    pub(super) fn repaired(&self, rtx_ssrc: u32) -> Option<u32> {
        let declared = self.repair.rtx_ssrcs.iter();
        if let Some((_, media)) = declared.clone().find(|(rtx, _)| *rtx == rtx_ssrc) {
            return Some(*media);
        }
        match self.ssrcs.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

fn label(spec: &ReceiverSpec) -> Arc<MediaLabel> {
    Arc::new(MediaLabel {
        kind: spec.declaration.kind,
        mid: spec.declaration.mid.clone(),
        streams: spec.streams.clone(),
    })
}
