//! Handshake messages out of fragments. Anybody can forge a fragment, so those that contradict each
//! other are collected side by side, and what is held is what came, not what a length claims.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::VecDeque;

use super::kind;
use super::record::Fragment;

/// Messages being collected; the one that grew longest ago makes room.
const MAX_PARTIAL: usize = 64;
/// Bytes of all messages being collected, with what each piece costs.
const MAX_TOTAL: usize = 96 * 1024;
/// Gaps in one message.
const MAX_RUNS: usize = 512;
const RUN_COST: usize = 64;

/// Longest message of a kind, in bytes; `None` for kinds that have no place in a handshake.
fn longest(kind: u8) -> Option<usize> {
    Some(match kind {
        kind::CLIENT_HELLO | kind::CERTIFICATE_REQUEST => 16 * 1024,
        // Two bytes of version and a cookie of 255 (RFC 6347 section 4.2.2).
        kind::HELLO_VERIFY_REQUEST => 258,
        kind::SERVER_HELLO | kind::SERVER_KEY_EXCHANGE | kind::CERTIFICATE_VERIFY => 4 * 1024,
        kind::CERTIFICATE => 64 * 1024,
        kind::CLIENT_KEY_EXCHANGE => 1024,
        kind::SERVER_HELLO_DONE => 0,
        _ => return None,
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) number: u16,
    pub(super) body: Vec<u8>,
    /// The lowest and the highest number of the records that it came in.
    pub(super) records: (u64, u64),
}

/// Bytes without a gap.
#[derive(Debug)]
struct Run {
    start: usize,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> usize {
        self.start.saturating_add(self.bytes.len())
    }

    fn agrees(&self, offset: usize, data: &[u8]) -> bool {
        let low = self.start.max(offset);
        let high = self.end().min(offset.saturating_add(data.len()));
        let within = |start: usize| low.saturating_sub(start)..high.saturating_sub(start);
        low >= high || self.bytes.get(within(self.start)) == data.get(within(offset))
    }
}

/// One message being collected.
#[derive(Debug)]
struct Partial {
    kind: u8,
    number: u16,
    length: usize,
    runs: Vec<Run>,
    held: usize,
    records: (u64, u64),
}

impl Partial {
    fn cost(&self) -> usize {
        let runs = self.runs.len().saturating_add(1).saturating_mul(RUN_COST);
        self.held.saturating_add(runs)
    }

    fn is_of(&self, fragment: &Fragment<'_>) -> bool {
        (self.kind, self.number, self.length) == (fragment.kind, fragment.message, fragment.length)
    }

    fn contradicts(&self, offset: usize, data: &[u8]) -> bool {
        self.runs.iter().any(|run| !run.agrees(offset, data))
    }

    /// Takes the fragment in; false if it contradicts what is there, or leaves too many gaps.
    fn add(&mut self, offset: usize, data: &[u8]) -> bool {
        let end = offset.saturating_add(data.len());
        let first = self.runs.partition_point(|run| run.end() < offset);
        let behind = self.runs.partition_point(|run| run.start <= end);
        let touched = self.runs.get(first..behind).unwrap_or_default();
        if touched.iter().any(|run| !run.agrees(offset, data))
            || (touched.is_empty() && self.runs.len() >= MAX_RUNS)
        {
            return false;
        }
        let before: usize = touched.iter().map(|run| run.bytes.len()).sum();
        let low = touched.first().map_or(offset, |run| run.start.min(offset));
        // The usual case, the next piece of the first run, moves nothing.
        let mut merged = match self.runs.get_mut(first) {
            Some(run) if first < behind && run.start == low => std::mem::take(&mut run.bytes),
            _ => Vec::with_capacity(data.len()),
        };
        let mut append = |start: usize, bytes: &[u8]| {
            let known = low.saturating_add(merged.len()).saturating_sub(start);
            merged.extend_from_slice(bytes.get(known..).unwrap_or_default());
        };
        append(offset, data);
        for run in self.runs.get(first..behind).unwrap_or_default() {
            append(run.start, &run.bytes);
        }
        self.held = self
            .held
            .saturating_add(merged.len())
            .saturating_sub(before);
        let run = Run {
            start: low,
            bytes: merged,
        };
        self.runs.splice(first..behind, [run]);
        true
    }

    /// A copy with another content there.
    fn fork(&self, offset: usize, data: &[u8]) -> Self {
        let end = offset.saturating_add(data.len());
        let mut fork = Self {
            runs: Vec::new(),
            held: 0,
            ..*self
        };
        for run in &self.runs {
            let before = offset.saturating_sub(run.start).min(run.bytes.len());
            let behind = end.saturating_sub(run.start).min(run.bytes.len());
            for (start, bytes) in [
                (run.start, run.bytes.get(..before)),
                (run.start.saturating_add(behind), run.bytes.get(behind..)),
            ] {
                if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                    fork.add(start, bytes);
                }
            }
        }
        fork.add(offset, data);
        fork
    }

    fn is_complete(&self) -> bool {
        self.held == self.length
    }

    fn message(&self) -> Message {
        let first = self.runs.first();
        Message {
            kind: self.kind,
            number: self.number,
            body: first.map_or_else(Vec::new, |run| run.bytes.clone()),
            records: self.records,
        }
    }
}

/// Collects messages.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// The one that grew last is last.
    partial: VecDeque<Partial>,
}

impl Reassembly {
    /// The messages that this fragment of record `record` completes; `None` if it was dropped.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>, record: u64) -> Option<Vec<Message>> {
        if longest(fragment.kind).is_none_or(|longest| fragment.length > longest) {
            return None;
        }
        if fragment.data.len() == fragment.length {
            return Some(vec![Message {
                kind: fragment.kind,
                number: fragment.message,
                body: fragment.data.to_vec(),
                records: (record, record),
            }]);
        }
        if fragment.data.is_empty() {
            return None;
        }
        let is_last = fragment.offset.saturating_add(fragment.data.len()) == fragment.length;
        let mut found = false;
        let mut complete = Vec::new();
        // Each is looked at once; those that grow go to the end.
        let (mut at, mut left) = (0, self.partial.len());
        while left > 0 {
            left = left.saturating_sub(1);
            let mut was_complete = false;
            let grown = self.partial.get_mut(at).is_some_and(|partial| {
                was_complete = partial.is_complete();
                partial.is_of(fragment) && partial.add(fragment.offset, fragment.data)
            });
            if !grown {
                at = at.saturating_add(1);
                continue;
            }
            found = true;
            let Some(mut partial) = self.partial.remove(at) else {
                break;
            };
            let (low, high) = partial.records;
            partial.records = (low.min(record), high.max(record));
            // Complete it stays: what it has may be forged. Its last piece tells of a copy.
            if partial.is_complete() && (!was_complete || is_last) {
                complete.push(partial.message());
            }
            self.partial.push_back(partial);
        }
        if !found {
            // What contradicts is put in place of what it contradicts in the one that grew last.
            let rival = self.partial.iter().rev().find(|rival| {
                rival.is_of(fragment) && rival.contradicts(fragment.offset, fragment.data)
            });
            let empty = Partial {
                kind: fragment.kind,
                number: fragment.message,
                length: fragment.length,
                runs: Vec::new(),
                held: 0,
                records: (record, record),
            };
            let fork = rival.unwrap_or(&empty).fork(fragment.offset, fragment.data);
            if fork.is_complete() {
                complete.push(fork.message());
            }
            self.partial.push_back(fork);
        }
        while self.partial.len() > MAX_PARTIAL || self.cost() > MAX_TOTAL {
            self.partial.pop_front();
        }
        Some(complete)
    }

    fn cost(&self) -> usize {
        self.partial.iter().map(Partial::cost).sum()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.cost()
    }
}
