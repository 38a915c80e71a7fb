//! Fuzz target of the messages that open data channels (RFC 8832).

use super::dcep::{self, Message};
use crate::engine::sctp::Reliability;

/// What is read is written and read again as the same.
pub(crate) fn message(data: &[u8]) {
    let Some(Message::Open(spec)) = dcep::parse(data) else {
        return;
    };
    // Replaced characters take more room, and the length has 16 bits.
    if spec.label.len().max(spec.protocol.len()) <= 65_535 {
        let written = dcep::open(&spec);
        assert_eq!(dcep::parse(&written), Some(Message::Open(spec.clone())));
    }
    if spec.reliability == Reliability::Reliable && !data.is_empty() {
        assert!(spec.label.len() <= data.len() * 3);
    }
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    use std::time::Duration;

    let open = |reliability, ordered, label: &str| {
        let spec = super::ChannelSpec {
            label: label.into(),
            protocol: "proto".into(),
            ordered,
            reliability,
            priority: 256,
            negotiated: None,
        };
        dcep::open(&spec).to_vec()
    };
    vec![
        dcep::ack().to_vec(),
        open(Reliability::Reliable, true, "label"),
        open(Reliability::Retransmits(3), false, ""),
        open(Reliability::Lifetime(Duration::from_millis(150)), true, "é"),
        vec![3, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xfe],
    ]
}
