//! Handshake messages out of fragments. Anybody can forge a fragment, so those that contradict each
//! other are collected side by side, and what is held is what came, not what a length claims.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::kind;
use super::record::Fragment;

/// Messages being collected; the one that grew longest ago makes room.
const MAX_PARTIAL: usize = 64;
/// Versions of one message that contradict each other, each of which may be looked at for every
/// fragment; of more, too, the one that grew longest ago makes room.
const MAX_VERSIONS: usize = 12;
/// Bytes of all messages being collected, with what each piece costs.
const MAX_TOTAL: usize = 96 * 1024;
/// Gaps in one message.
const MAX_RUNS: usize = 512;
const RUN_COST: usize = 64;
/// What may be copied into versions of messages, in runs of up to [`COPIED`] bytes: so much at
/// first, and so much more for each fragment. Beyond that a version begins with nothing.
const FIRST_COPIES: usize = 4_096;
const COPIES: usize = 2;
const COPIED: usize = 256;

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
    /// When it grew last, by the number of the fragment.
    grew: u64,
}

impl Partial {
    fn cost(&self) -> usize {
        let runs = self.runs.len().saturating_add(1).saturating_mul(RUN_COST);
        self.held.saturating_add(runs)
    }

    fn is_of(&self, fragment: &Fragment<'_>) -> bool {
        (self.kind, self.number, self.length) == (fragment.kind, fragment.message, fragment.length)
    }

    /// Takes the fragment in, unless it contradicts what is there or leaves too many gaps.
    fn add(&mut self, offset: usize, data: &[u8]) -> Taken {
        let end = offset.saturating_add(data.len());
        let first = self.runs.partition_point(|run| run.end() < offset);
        let behind = self.runs.partition_point(|run| run.start <= end);
        let touched = self.runs.get(first..behind).unwrap_or_default();
        if touched.iter().any(|run| !run.agrees(offset, data)) {
            return Taken::Contradicts;
        }
        if touched.is_empty() && self.runs.len() >= MAX_RUNS {
            return Taken::Full;
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
        Taken::Grown
    }

    /// What it costs to copy.
    fn copies(&self) -> usize {
        self.runs.len().saturating_add(self.held / COPIED)
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

/// What became of a fragment.
enum Taken {
    Grown,
    Contradicts,
    Full,
}

/// Collects messages.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// In the order of their making.
    partial: Vec<Partial>,
    /// What they cost together.
    cost: usize,
    /// Fragments so far.
    fragments: u64,
    copies: usize,
}

impl Default for Reassembly {
    fn default() -> Self {
        Self {
            partial: Vec::new(),
            cost: 0,
            fragments: 0,
            copies: FIRST_COPIES,
        }
    }
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
        let (mut found, mut versions) = (false, 0usize);
        let mut rival: Option<(u64, usize)> = None;
        let mut complete = Vec::new();
        self.fragments = self.fragments.saturating_add(1);
        self.copies = self.copies.saturating_add(COPIES).min(FIRST_COPIES);
        for (at, partial) in self.partial.iter_mut().enumerate() {
            if !partial.is_of(fragment) {
                continue;
            }
            versions = versions.saturating_add(1);
            let (was_complete, cost) = (partial.is_complete(), partial.cost());
            match partial.add(fragment.offset, fragment.data) {
                Taken::Grown => {}
                Taken::Contradicts => {
                    rival = rival.max(Some((partial.grew, at)));
                    continue;
                }
                Taken::Full => continue,
            }
            found = true;
            self.cost = self
                .cost
                .saturating_add(partial.cost())
                .saturating_sub(cost);
            partial.grew = self.fragments;
            let (low, high) = partial.records;
            partial.records = (low.min(record), high.max(record));
            // Complete it stays: what it has may be forged. Its last piece tells of a copy.
            if partial.is_complete() && (!was_complete || is_last) {
                complete.push(partial.message());
            }
        }
        if !found {
            // What contradicts is put in place of what it contradicts in the one that grew last.
            let rival = rival.and_then(|(_, at)| self.partial.get(at));
            let rival = rival.filter(|rival| rival.copies() <= self.copies);
            let empty = Partial {
                kind: fragment.kind,
                number: fragment.message,
                length: fragment.length,
                runs: Vec::new(),
                held: 0,
                records: (record, record),
                grew: 0,
            };
            self.copies = self.copies.saturating_sub(rival.map_or(0, Partial::copies));
            let mut fork = rival.unwrap_or(&empty).fork(fragment.offset, fragment.data);
            fork.grew = self.fragments;
            if fork.is_complete() {
                complete.push(fork.message());
            }
            self.cost = self.cost.saturating_add(fork.cost());
            self.partial.push(fork);
            if versions >= MAX_VERSIONS {
                self.forget_one(|partial| partial.is_of(fragment));
            }
        }
        let is_over = |all: &Self| all.partial.len() > MAX_PARTIAL || all.cost > MAX_TOTAL;
        while is_over(self) && !self.partial.is_empty() {
            self.forget_one(|_| true);
        }
        Some(complete)
    }

    /// Of these the one that grew longest ago.
    fn forget_one(&mut self, of: impl Fn(&Partial) -> bool) {
        let all = self.partial.iter().enumerate();
        let ages = all.filter(|(_, partial)| of(partial));
        let Some((oldest, _)) = ages.min_by_key(|(_, partial)| partial.grew) else {
            return;
        };
        let gone = self.partial.remove(oldest);
        self.cost = self.cost.saturating_sub(gone.cost());
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.partial.iter().map(Partial::cost).sum()
    }
}
