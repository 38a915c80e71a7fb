//! Fuzz target of telephone-event packets.

use std::time::{Duration, Instant};

use super::{IncomingEvent, Receiver};
use crate::simnet::Script;

/// Packets of a few sources over time.
pub(crate) fn telephone_event(data: &[u8]) {
    let mut now = Instant::now();
    let mut receiver = Receiver::default();
    let mut script = Script::new(data);
    let (mut packets, mut digits) = (0, 0);
    while !script.is_done() {
        let kind = script.byte();
        now += Duration::from_millis(u64::from(kind >> 4) * 20);
        let event = IncomingEvent {
            ssrc: (kind & 3).into(),
            timestamp: script.u32(),
            clock_rate: u32::from(script.u16()) * 8,
            payload: script.block(),
        };
        receiver.handle(now, &event);
        packets += 1;
        digits += std::iter::from_fn(|| receiver.poll()).count();
        assert!(receiver.poll_timeout().is_none_or(|at| at > now));
    }
    receiver.end();
    digits += std::iter::from_fn(|| receiver.poll()).count();
    // A start, its updates and an end each.
    assert!(digits <= 4 * packets + 4, "{digits} of {packets}");
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let packet = |end: u8, duration: u16| {
        let mut out = vec![0x20, 0, 0, 1, 0, 3, 232, 4, 5, end | 10];
        out.extend(duration.to_be_bytes());
        out
    };
    let whole = [packet(0, 400), packet(0, 800), packet(0x80, 1_200)].concat();
    let lost_end = [packet(0, 400), vec![0xf1, 0, 0, 9, 9, 3, 232, 0]].concat();
    vec![whole, lost_end]
}
