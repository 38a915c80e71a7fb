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

#[derive(Default)]
struct Stream {
    expected: u64,
    /// Whole messages that wait for an earlier one.
    ready: BTreeMap<u64, Ready>,
}

pub(super) struct Ordering {
    streams: HashMap<u16, Stream>,
    /// Streams that nobody listens to.
    retired: HashSet<u16>,
    unread: Unread,
    /// Bytes that wait, with what keeping them costs.
    held: usize,
}

impl Stream {
    /// How far ahead of the expected number; none when it was before.
    fn ahead(&self, ssn: u16) -> Option<u64> {
        let ahead = ssn.wrapping_sub(self.expected as u16) as i16;
        u64::try_from(ahead).ok()
    }
}

impl Ready {
    fn cost(&self) -> usize {
        Unread::cost(self.data.as_ref().map_or(0, Vec::len))
    }
}

impl Ordering {
    pub(super) fn new(unread: Unread) -> Self {
        Self {
            streams: HashMap::new(),
            retired: HashSet::new(),
            unread,
            held: 0,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
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
        let state = self.streams.entry(head.stream).or_default();
        let Some(ahead) = state.ahead(head.ssn) else {
            return;
        };
        if ahead > 0 {
            // A number used twice is the peer's fault; the first stands.
            if let Entry::Vacant(place) = state.ready.entry(state.expected.saturating_add(ahead)) {
                self.held = self.held.saturating_add(ready.cost());
                place.insert(ready);
            }
            return;
        }
        state.expected = state.expected.saturating_add(1);
        deliver(&self.unread, head.stream, ready, events);
        self.held = state.deliver_ready(head.stream, &self.unread, self.held, events);
    }

    /// Messages up to `ssn` that are not here will not come (RFC 3758 section 3.6).
    pub(super) fn skip(&mut self, stream: u16, ssn: u16, events: &mut VecDeque<SctpEvent>) {
        let Some(state) = self.streams.get_mut(&stream) else {
            let state = self.streams.entry(stream).or_default();
            state.expected = u64::from(ssn).saturating_add(1);
            return;
        };
        let Some(ahead) = state.ahead(ssn) else {
            return;
        };
        let after = state.expected.saturating_add(ahead).saturating_add(1);
        while let Some(entry) = state.ready.first_entry()
            && *entry.key() < after
        {
            let ready = entry.remove();
            self.held = self.held.saturating_sub(ready.cost());
            deliver(&self.unread, stream, ready, events);
        }
        state.expected = after;
        self.held = state.deliver_ready(stream, &self.unread, self.held, events);
    }

    /// The peer begins a stream anew (RFC 6525 section 5.2.2).
    pub(super) fn forget(&mut self, stream: u16) {
        if let Some(state) = self.streams.remove(&stream) {
            for ready in state.ready.into_values() {
                self.held = self.held.saturating_sub(ready.cost());
            }
        }
    }

    pub(super) fn retire(&mut self, stream: u16) {
        self.forget(stream);
        self.retired.insert(stream);
    }

    pub(super) fn known(&self) -> Vec<u16> {
        self.streams.keys().copied().collect()
    }
}

impl Stream {
    /// Delivers what is in turn; what is held after that, of what was.
    fn deliver_ready(
        &mut self,
        stream: u16,
        unread: &Unread,
        mut held: usize,
        events: &mut VecDeque<SctpEvent>,
    ) -> usize {
        while let Some(entry) = self.ready.first_entry()
            && *entry.key() == self.expected
        {
            let ready = entry.remove();
            self.expected = self.expected.saturating_add(1);
            held = held.saturating_sub(ready.cost());
            deliver(unread, stream, ready, events);
        }
        held
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
