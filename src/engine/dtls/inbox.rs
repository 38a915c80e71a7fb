//! The peer's plaintext handshake messages. Anybody can forge one, so every variant of a message is
//! kept until a signature tells which are the peer's.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use super::reassembly::Message;

/// Variants of one message; the one heard longest ago makes room.
const MAX_VARIANTS: usize = 8;
/// Bytes of all messages; the largest makes room.
const MAX_TOTAL: usize = 128 * 1024;
/// No handshake has messages beyond this number in plain text.
const MAX_NUMBER: u16 = 8;

/// A message and where it came.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) id: u32,
    pub(super) message: Message,
    /// The lowest number of the records that it came in first.
    pub(super) first_record: u64,
    /// The datagram that it, or a copy, came in last.
    pub(super) datagram: u64,
}

/// Whether the record of a message is that of the one before, or the next.
pub(super) fn follows(before: &Heard, after: &Heard) -> bool {
    let (_, last) = before.message.records;
    let (first, _) = after.message.records;
    first == last || Some(first) == last.checked_add(1)
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// The first of its kind and number.
    First,
    /// It contradicts one that is there.
    Variant,
    /// A copy of the one with this id.
    Again(u32),
    Dropped,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The one heard last is last.
    heard: Vec<Heard>,
    next_id: u32,
}

impl Inbox {
    pub(super) fn add(&mut self, message: Message, datagram: u64) -> Added {
        if message.number > MAX_NUMBER {
            return Added::Dropped;
        }
        if let Some(at) = self.heard.iter().position(|heard| {
            let known = &heard.message;
            (known.number, known.kind) == (message.number, message.kind)
                && known.body == message.body
        }) {
            let mut known = self.heard.remove(at);
            let id = known.id;
            known.message.records = message.records;
            known.datagram = datagram;
            self.heard.push(known);
            return Added::Again(id);
        }
        let rivals = self
            .heard
            .iter()
            .any(|heard| heard.message.number == message.number);
        self.make_room(&message);
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.heard.push(Heard {
            id,
            first_record: message.records.0,
            message,
            datagram,
        });
        if rivals { Added::Variant } else { Added::First }
    }

    fn make_room(&mut self, message: &Message) {
        let same = |heard: &Heard| {
            (heard.message.number, heard.message.kind) == (message.number, message.kind)
        };
        if self.heard.iter().filter(|heard| same(heard)).count() >= MAX_VARIANTS
            && let Some(oldest) = self.heard.iter().position(same)
        {
            self.heard.remove(oldest);
        }
        while self.bytes().saturating_add(message.body.len()) > MAX_TOTAL {
            let length = |heard: &Heard| heard.message.body.len();
            let largest = self.heard.iter().map(length).max();
            let Some(at) = self
                .heard
                .iter()
                .position(|heard| Some(length(heard)) == largest)
            else {
                break;
            };
            self.heard.remove(at);
        }
    }

    fn bytes(&self) -> usize {
        self.heard
            .iter()
            .map(|heard| heard.message.body.len())
            .sum()
    }

    /// The variants of a message, the one heard last first.
    pub(super) fn of(&self, number: u16, kind: u8) -> impl Iterator<Item = &Heard> + Clone {
        self.heard
            .iter()
            .rev()
            .filter(move |heard| (heard.message.number, heard.message.kind) == (number, kind))
    }
}
