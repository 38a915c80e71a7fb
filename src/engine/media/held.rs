//! Packets of sources that have just said BYE and may go on: their order is kept until that is
//! known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rtp::{RtpHeader, RtpPacket};

/// Packets of all sources of a connection; the oldest gives way.
const MAX_HELD: usize = 64;
/// Then nothing came after it: a stray.
const MAX_AGE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Held {
    packets: VecDeque<(Instant, RtpHeader, RtpPacket)>,
}

impl Held {
    /// Holds a packet; gives the sources of which nothing is held any longer.
    pub(super) fn push(&mut self, now: Instant, header: RtpHeader, packet: RtpPacket) -> Vec<u32> {
        let fresh = |at: Instant| now.saturating_duration_since(at) < MAX_AGE;
        let first = self.packets.iter().position(|(at, ..)| fresh(*at));
        let old = first.unwrap_or(self.packets.len());
        let full = usize::from(old == 0 && self.packets.len() >= MAX_HELD);
        let gone: Vec<_> = self.packets.drain(..old.max(full)).collect();
        self.packets.push_back((now, header, packet));
        let held = |ssrc: u32| self.packets.iter().any(|p| p.1.ssrc == ssrc);
        let gone = gone.iter().map(|p| p.1.ssrc);
        gone.filter(|ssrc| !held(*ssrc)).collect()
    }

    /// What is held of a source, in the order of arrival.
    pub(super) fn take(&mut self, ssrc: u32) -> Vec<(RtpHeader, RtpPacket)> {
        let packets = std::mem::take(&mut self.packets).into_iter();
        let (taken, kept): (VecDeque<_>, _) = packets.partition(|p| p.1.ssrc == ssrc);
        self.packets = kept;
        taken.into_iter().map(|(_, h, p)| (h, p)).collect()
    }
}
