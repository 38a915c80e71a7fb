//! Messages of a stream, delivered in the order in which they were sent (RFC 9260 section 6.6).
//! Stream sequence numbers are counted in 64 bits here.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;

use super::reassembly::Message;
use crate::engine::sctp::{SctpEvent, Unread};

struct Ready {
    ppid: u32,
    data: Option<Vec<u8>>,
}

pub(super) struct Ordering {
    /// The number that each stream goes on with.
    expected: HashMap<u16, u64>,
    /// Whole messages that wait for an earlier one, by stream and number: in one map, since there
    /// may be one on each of many streams.
    ready: BTreeMap<(u16, u64), Ready>,
    /// Streams that nobody listens to.
    retired: HashSet<u16>,
    unread: Unread,
    /// Bytes that wait, with what keeping them costs.
    held: usize,
}

impl Ready {
    fn cost(&self) -> usize {
        Unread::cost(self.data.as_ref().map_or(0, Vec::len))
    }
}

/// How far a number is ahead of the expected one; none when it was before.
fn ahead(expected: u64, ssn: u16) -> Option<u64> {
    u64::try_from(ssn.wrapping_sub(expected as u16) as i16).ok()
}

impl Ordering {
    pub(super) fn new(unread: Unread) -> Self {
        Self {
            expected: HashMap::new(),
            ready: BTreeMap::new(),
            retired: HashSet::new(),
            unread,
            held: 0,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn unread(&self) -> usize {
        self.unread.get()
    }

    pub(super) fn add(&mut self, message: Message, events: &mut VecDeque<SctpEvent>) {
        let Message { head, data } = message;
        if self.retired.contains(&head.stream) {
            return;
        }
        let ready = Ready {
            ppid: head.ppid,
            data,
        };
        if head.unordered {
            return deliver(&self.unread, head.stream, ready, events);
        }
        let expected = self.expected.entry(head.stream).or_default();
        let Some(ahead) = ahead(*expected, head.ssn) else {
            return;
        };
        if ahead > 0 {
            // A number used twice is the peer's fault; the first stands.
            let number = expected.saturating_add(ahead);
            if let Entry::Vacant(place) = self.ready.entry((head.stream, number)) {
                self.held = self.held.saturating_add(ready.cost());
                place.insert(ready);
            }
            return;
        }
        let next = expected.saturating_add(1);
        *expected = next;
        deliver(&self.unread, head.stream, ready, events);
        self.deliver_ready(head.stream, next, events);
    }

    /// Messages up to `ssn` that are not here will not come (RFC 3758 section 3.6).
    pub(super) fn skip(&mut self, stream: u16, ssn: u16, events: &mut VecDeque<SctpEvent>) {
        let after = match self.expected.get(&stream) {
            None => u64::from(ssn).saturating_add(1),
            Some(&expected) => match ahead(expected, ssn) {
                None => return,
                Some(ahead) => expected.saturating_add(ahead).saturating_add(1),
            },
        };
        self.expected.insert(stream, after);
        self.deliver_ready(stream, after, events);
    }

    /// Delivers what is before `next`, and what goes on from there.
    fn deliver_ready(&mut self, stream: u16, mut next: u64, events: &mut VecDeque<SctpEvent>) {
        let before = next;
        while !self.ready.is_empty()
            && let Some((&(_, number), _)) = self.ready.range((stream, 0)..=(stream, next)).next()
            && let Some(ready) = self.ready.remove(&(stream, number))
        {
            next = next.max(number.saturating_add(1));
            self.held = self.held.saturating_sub(ready.cost());
            deliver(&self.unread, stream, ready, events);
        }
        if next != before {
            self.expected.insert(stream, next);
        }
    }

    /// The peer begins a stream anew (RFC 6525 section 5.2.2).
    pub(super) fn forget(&mut self, stream: u16) {
        if self.expected.remove(&stream).is_none() {
            return;
        }
        while let Some((&key, _)) = self.ready.range((stream, 0)..=(stream, u64::MAX)).next()
            && let Some(ready) = self.ready.remove(&key)
        {
            self.held = self.held.saturating_sub(ready.cost());
        }
    }

    pub(super) fn retire(&mut self, stream: u16) {
        self.forget(stream);
        self.retired.insert(stream);
    }

    pub(super) fn known(&self) -> Vec<u16> {
        self.expected.keys().copied().collect()
    }
}

fn deliver(unread: &Unread, stream: u16, ready: Ready, events: &mut VecDeque<SctpEvent>) {
    let Ready {
        ppid,
        data: Some(data),
    } = ready
    else {
        return;
    };
    unread.add(data.len());
    events.push_back(SctpEvent::Message {
        stream,
        ppid,
        data: Bytes::from(data),
    });
}
