//! What was given up, and that the peer is told of it (RFC 3758 section 3.5).

use std::collections::HashMap;

use super::outbox::Outbox;
use super::sent::Fate;
use super::skipped::Forward;
use crate::engine::sctp::wire;

impl Outbox {
    /// What the peer has told to have beyond its cumulative TSN counts no more.
    pub(super) fn forget_acknowledged(&mut self) {
        self.sacked.clear();
        self.forward = Forward::default();
    }

    /// Moves on what the peer must be told to forget (RFC 3758 section 3.5, rules C1 to C5).
    pub(super) fn forward(&mut self) {
        let first = self.sacked.advance(self.first_tsn);
        let forward = &mut self.forward;
        forward.trim(first);
        while let Some(sent) = usize::try_from(forward.upto.saturating_sub(first))
            .ok()
            .and_then(|at| self.sent.get(at))
            .filter(|sent| matches!(sent.fate, Fate::Abandoned | Fate::Acked))
        {
            if sent.fate == Fate::Abandoned {
                forward.last_abandoned = Some(forward.upto);
                if sent.flags & wire::FLAG_UNORDERED == 0 {
                    forward.skip(forward.upto, sent.stream, sent.ssn);
                }
            }
            forward.upto = forward.upto.saturating_add(1);
        }
        let to = forward
            .last_abandoned
            .filter(|last| *last >= first)
            .map(|_| forward.upto.saturating_sub(1) as u32);
        if to.is_some() && to != self.forward_to {
            self.forward_due = true;
        }
        self.forward_to = to;
    }

    /// Appends a FORWARD-TSN of at most `room` bytes.
    pub(super) fn put_forward(&mut self, out: &mut Vec<u8>, room: usize) {
        // A time-out may have made it begin anew.
        self.forward();
        self.forward_due = false;
        let Some(to) = self.forward_to else {
            return;
        };
        let most = room.saturating_sub(8) / 4;
        let (to, streams) = if self.forward.skipped.len() <= most {
            (to, self.forward.skipped.values().copied().collect())
        } else {
            self.forward_in_part(to, most)
        };
        wire::put_chunk(out, wire::FORWARD_TSN, 0, |out| {
            out.extend_from_slice(&to.to_be_bytes());
            for (stream, ssn) in streams {
                out.extend_from_slice(&stream.to_be_bytes());
                out.extend_from_slice(&ssn.to_be_bytes());
            }
        });
    }

    /// As far as so many streams reach: one that was left out would wait for ever. The rest is told
    /// once this is acknowledged.
    fn forward_in_part(&self, to: u32, most: usize) -> (u32, Vec<(u16, u16)>) {
        let mut streams = HashMap::new();
        let mut tsn = self.first_tsn;
        for sent in &self.sent {
            if tsn == to.wrapping_add(1) {
                break;
            }
            if sent.fate == Fate::Abandoned && sent.flags & wire::FLAG_UNORDERED == 0 {
                if streams.len() >= most && !streams.contains_key(&sent.stream) {
                    break;
                }
                streams.insert(sent.stream, sent.ssn);
            }
            tsn = tsn.wrapping_add(1);
        }
        (tsn.wrapping_sub(1), streams.into_iter().collect())
    }
}
