//! Packets kept to be sent again when the peer asks for them (RFC 4585 section 6.2.1).

use std::time::{Duration, Instant};

use bytes::Bytes;

/// Bound on the packets kept of one source; the oldest gives way.
const MAX_PACKETS: usize = 1_024;
/// What is older comes too late for any receiver; its room is used again.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Answers to one packet's requests; a path that loses so many is no path.
const MAX_RESENDS: u8 = 10;
/// Bytes that may be sent again beyond those that were sent, so that a peer cannot have the
/// outgoing traffic multiplied: the allowance at the start, and its bound.
const FIRST_CREDIT: usize = 64 << 10;
const MAX_CREDIT: usize = 1 << 20;

/// A packet that was sent.
#[derive(Debug, Default)]
pub(crate) struct SentPacket {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) csrcs: Vec<u32>,
    /// Header extension elements of this packet alone, see [`SentPacket::extensions`].
    elements: Vec<u8>,
    /// The payload in the clear, or else the datagram as it was sent.
    pub(crate) is_datagram: bool,
    pub(crate) data: Vec<u8>,
    /// The rest of the payload, where others hold it as well.
    pub(crate) shared: Bytes,
    sent: Option<Instant>,
    resent: Option<Instant>,
    resends: u8,
}

impl SentPacket {
    /// Keeps a header extension element of this packet alone (at most 255 bytes, RFC 8285).
    pub(crate) fn keep_extension(&mut self, id: u8, value: &[u8]) {
        if let Ok(length) = u8::try_from(value.len()) {
            self.elements.extend_from_slice(&[id, length]);
            self.elements.extend_from_slice(value);
        }
    }

    /// The elements that were kept.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.elements.as_slice();
        std::iter::from_fn(move || {
            let ([id, length], behind) = rest.split_first_chunk()?;
            let (value, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some((*id, value))
        })
    }

    /// Bytes of what is kept.
    pub(crate) fn len(&self) -> usize {
        self.data.len().saturating_add(self.shared.len())
    }
}

/// The packets of one source, found by sequence number. Takes no memory before the first packet,
/// and afterwards only as much as a second of packets needs.
#[derive(Debug)]
pub(crate) struct History {
    packets: Vec<SentPacket>,
    /// Where the next packet goes.
    next: usize,
    /// By sequence number modulo its length: where the packet is, if it still is.
    index: Vec<u16>,
    credit: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            packets: Vec::new(),
            next: 0,
            index: Vec::new(),
            credit: FIRST_CREDIT,
        }
    }
}

impl History {
    /// Keeps a packet of `size` bytes. `fill` is given room for it whose vectors are empty, with
    /// the allocations of an older packet.
    pub(crate) fn keep(
        &mut self,
        now: Instant,
        sequence_number: u16,
        size: usize,
        fill: impl FnOnce(&mut SentPacket),
    ) {
        self.credit = self.credit.saturating_add(size).min(MAX_CREDIT);
        if self.index.is_empty() {
            self.index.resize(MAX_PACKETS, 0);
        }
        if self.next >= self.packets.len() {
            let oldest = self.packets.first().and_then(|oldest| oldest.sent);
            let reusable = oldest.is_some_and(|sent| is_old(now, sent));
            if reusable || self.packets.len() >= MAX_PACKETS {
                self.next = 0;
            } else {
                self.packets.push(SentPacket::default());
            }
        }
        let Some(packet) = self.packets.get_mut(self.next) else {
            return;
        };
        if let Some(slot) = self
            .index
            .get_mut(usize::from(sequence_number) % MAX_PACKETS)
        {
            // Positions are below MAX_PACKETS.
            *slot = self.next as u16;
        }
        self.next = self.next.saturating_add(1);
        packet.csrcs.clear();
        packet.elements.clear();
        packet.data.clear();
        packet.shared = Bytes::new();
        packet.sequence_number = sequence_number;
        packet.sent = Some(now);
        packet.resent = None;
        packet.resends = 0;
        fill(packet);
    }

    /// Gives none of the packets any more; their room is used again.
    pub(crate) fn forget(&mut self) {
        for packet in &mut self.packets {
            packet.sent = None;
            packet.shared = Bytes::new();
        }
        self.next = 0;
    }

    /// The packet, to be sent again now. `None` when it is not there or too old, was sent again
    /// less than `interval` ago or too often, or there is no credit for it.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        sequence_number: u16,
        interval: Duration,
    ) -> Option<&SentPacket> {
        let slot = usize::from(sequence_number) % MAX_PACKETS;
        let position = usize::from(*self.index.get(slot)?);
        let packet = self.packets.get_mut(position)?;
        let recent = |at: Instant| now.saturating_duration_since(at) < interval;
        if packet.sequence_number != sequence_number
            || packet.sent.is_none_or(|sent| is_old(now, sent))
            || packet.resent.is_some_and(recent)
            || packet.resends >= MAX_RESENDS
        {
            return None;
        }
        self.credit = self.credit.checked_sub(packet.len())?;
        packet.resent = Some(now);
        packet.resends = packet.resends.saturating_add(1);
        Some(packet)
    }

    /// Packets held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }
}

fn is_old(now: Instant, sent: Instant) -> bool {
    now.saturating_duration_since(sent) > MAX_AGE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn keep(history: &mut History, now: Instant, sequence_number: u16, size: usize) {
        history.keep(now, sequence_number, size, |packet| {
            packet.data.resize(size, sequence_number as u8);
        });
    }

    #[test]
    fn r_c03_the_room_follows_the_rate_and_is_bounded() {
        let start = Instant::now();
        let mut history = History::default();
        // Fifty packets a second for a minute, over the wrap of the numbers.
        for n in 0..3_000u32 {
            let at = start + ms(20) * n;
            let number = 65_000u16.wrapping_add(n as u16);
            keep(&mut history, at, number, 1_000);
            let back = number.wrapping_sub(40);
            let found = history.ask(at, back, ms(10)).map(|p| p.sequence_number);
            assert_eq!(found, (n >= 40).then_some(back), "{n}");
            let older = history.ask(at, number.wrapping_sub(60), ms(10));
            assert!(older.is_none(), "more than a second ago");
        }
        assert!(history.len() <= 110, "{}", history.len());
        // A burst of any size.
        let end = start + ms(60_000);
        for n in 0..5_000 {
            keep(&mut history, end, n, 10);
        }
        assert_eq!(history.len(), MAX_PACKETS);
        assert!(history.ask(end, 4_999, ms(10)).is_some());
        assert!(history.ask(end, 5_000 - 1_024 - 1, ms(10)).is_none());
    }

    #[test]
    fn header_extensions_are_kept_in_the_room_of_older_ones() {
        let start = Instant::now();
        let mut history = History::default();
        let long = [3; 255];
        let elements: [&[(u8, &[u8])]; 3] = [&[(1, &[1]), (200, &long)], &[(4, &[])], &[]];
        for (n, elements) in (0..).zip(elements) {
            history.keep(start + ms(2_000) * n, 7, 1, |packet| {
                for (id, value) in elements {
                    packet.keep_extension(*id, value);
                }
                packet.keep_extension(9, &[0; 256]);
            });
            let found = history.ask(start + ms(2_000) * n, 7, ms(0));
            let same = found.map(|packet| packet.extensions().eq(elements.iter().copied()));
            assert_eq!(same, Some(true), "{n}");
        }
        assert_eq!(history.len(), 1);
    }

    #[test]
    fn requests_are_answered_at_intervals_and_not_for_ever() {
        let start = Instant::now();
        let mut history = History::default();
        keep(&mut history, start, 7, 100);
        assert!(history.ask(start, 8, ms(50)).is_none(), "never sent");
        let mut answered = 0;
        for n in 0..900 {
            answered += u32::from(history.ask(start + ms(n), 7, ms(50)).is_some());
        }
        assert_eq!(answered, u32::from(MAX_RESENDS));
        keep(&mut history, start, 9, 100);
        assert!(history.ask(start, 9, ms(50)).is_some());
        assert!(history.ask(start + ms(49), 9, ms(50)).is_none());
        assert!(history.ask(start + ms(50), 9, ms(50)).is_some());
        assert!(history.ask(start + ms(1_001), 9, ms(50)).is_none(), "old");
    }

    #[test]
    fn a_peer_that_asks_for_everything_at_most_doubles_what_is_sent() {
        let start = Instant::now();
        let mut history = History::default();
        let (mut sent, mut resent) = (0usize, 0usize);
        for n in 0..20_000u32 {
            let at = start + ms(2) * n;
            keep(&mut history, at, n as u16, 1_000);
            sent += 1_000;
            for back in 0..400 {
                let asked = (n as u16).wrapping_sub(back);
                resent += history.ask(at, asked, ms(10)).map_or(0, |p| p.data.len());
            }
        }
        assert!(resent <= sent + FIRST_CREDIT, "{resent} of {sent}");
        assert!(resent > sent / 2);
    }
}
