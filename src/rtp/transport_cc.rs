//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each packet
//! of the connection arrived, told to its sender.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::wire::u16_at;

/// How often feedback is sent while packets arrive: a queue on the path is full within 100 ms.
const INTERVAL: Duration = Duration::from_millis(50);
/// So many packets are worth feedback before the interval is over.
const MANY: usize = 400;
/// Bound on the packets that wait to be told of; then further ones are left out.
const MAX_WAITING: usize = 4_000;
/// Packets that one message tells of, received and not: with large deltas 3 bytes each at most.
const MAX_STATUSES: usize = 300;
/// Packets that a message of the peer may tell of: many seconds' worth.
const MAX_TOLD: usize = 8_192;
/// Units of the deltas.
pub(super) const TICK_MICROS: u128 = 250;
/// The reference time counts 64 ms.
pub(super) const TICKS_PER_REFERENCE: i64 = 256;

const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// The receiver's side: what arrived since the last message.
#[derive(Debug)]
pub(super) struct Recorder {
    epoch: Instant,
    /// Arrival by unwrapped sequence number, in ticks since the epoch.
    waiting: BTreeMap<i64, i64>,
    /// The unwrapped number that the last packet had.
    last: i64,
    /// The next message begins here: what is missing from here on was not told of yet.
    next_base: Option<i64>,
    pub(super) due: Option<Instant>,
    count: u8,
    /// A source to name in the message.
    pub(super) media: u32,
}

impl Recorder {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            waiting: BTreeMap::new(),
            last: 0,
            next_base: None,
            due: None,
            count: 0,
            media: 0,
        }
    }

    pub(super) fn arrived(&mut self, now: Instant, sequence_number: u16, ssrc: u32) {
        let number = if self.next_base.is_none() {
            i64::from(sequence_number)
        } else {
            let step = sequence_number.wrapping_sub(self.last as u16) as i16;
            self.last.saturating_add(i64::from(step))
        };
        let base = *self.next_base.get_or_insert(number);
        self.last = number;
        self.media = ssrc;
        // One that was told of as lost already stays so.
        if number < base || self.waiting.len() >= MAX_WAITING {
            return;
        }
        let elapsed = now.saturating_duration_since(self.epoch).as_micros() / TICK_MICROS;
        let ticks = i64::try_from(elapsed).unwrap_or(i64::MAX);
        self.waiting.entry(number).or_insert(ticks);
        let at_once = self.waiting.len() >= MANY;
        let due = if at_once { now } else { now + INTERVAL };
        self.due = Some(self.due.map_or(due, |at| at.min(due)));
    }

    /// The body of the next message, without the two SSRCs; `None` when all is told.
    pub(super) fn message(&mut self) -> Option<Vec<u8>> {
        let (&first_received, &first_ticks) = self.waiting.first_key_value()?;
        let known = self.next_base.unwrap_or(first_received);
        // A gap longer than a message is not worth telling of in full.
        let base = if first_received.saturating_sub(known) >= MAX_STATUSES as i64 {
            first_received
        } else {
            known
        };
        let reference = first_ticks.div_euclid(TICKS_PER_REFERENCE);
        let mut previous = reference.saturating_mul(TICKS_PER_REFERENCE);
        let (mut statuses, mut deltas) = (Vec::new(), Vec::new());
        let mut next = base;
        while let Some((&number, &ticks)) = self.waiting.first_key_value() {
            let missing = usize::try_from(number.saturating_sub(next)).unwrap_or(usize::MAX);
            if missing.saturating_add(statuses.len()) >= MAX_STATUSES {
                break;
            }
            let delta = ticks.saturating_sub(previous);
            let status = match (u8::try_from(delta), i16::try_from(delta)) {
                (Ok(small), _) => {
                    deltas.push(small);
                    SMALL_DELTA
                }
                (_, Ok(large)) => {
                    deltas.extend_from_slice(&large.to_be_bytes());
                    LARGE_DELTA
                }
                // Too long ago for a delta: the next message begins with it.
                _ => break,
            };
            statuses.resize(statuses.len().saturating_add(missing), NOT_RECEIVED);
            statuses.push(status);
            previous = ticks;
            next = number.saturating_add(1);
            self.waiting.pop_first();
        }
        self.next_base = Some(next);
        let mut body = Vec::with_capacity(16 + statuses.len() + deltas.len());
        body.extend_from_slice(&(base as u16).to_be_bytes());
        body.extend_from_slice(&(statuses.len() as u16).to_be_bytes());
        // 24 bits, which wrap after twelve days.
        let reference = (reference as u32) << 8 | u32::from(self.count);
        self.count = self.count.wrapping_add(1);
        body.extend_from_slice(&reference.to_be_bytes());
        write_chunks(&mut body, &statuses);
        body.extend_from_slice(&deltas);
        Some(body)
    }
}

/// Section 3.1.3 and 3.1.4: a run of seven or more is one chunk, else seven statuses are.
fn write_chunks(out: &mut Vec<u8>, statuses: &[u8]) {
    let mut rest = statuses;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take_while(|status| **status == first).count();
        let (chunk, taken) = if run >= 7 {
            // At most MAX_STATUSES, which 13 bits hold.
            (u16::from(first) << 13 | run as u16, run)
        } else {
            let taken = rest.len().min(7);
            let mut chunk = 0xc000;
            for (i, status) in rest.iter().take(taken).enumerate() {
                chunk |= u16::from(*status) << (12 - 2 * i);
            }
            (chunk, taken)
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// What a message says: the first sequence number, and for each packet from there on whether it
/// arrived, and if so how many ticks after the one before it, the first after the reference time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feedback {
    pub(super) base: u16,
    /// 24 bits of it.
    pub(super) reference: u32,
    pub(super) arrivals: Vec<Option<i16>>,
}

/// Parses what follows the two SSRCs. `None` if it is malformed.
pub(super) fn parse(body: &[u8]) -> Option<Feedback> {
    let base = u16_at(body, 0)?;
    let count = usize::from(u16_at(body, 2)?);
    if count > MAX_TOLD {
        return None;
    }
    let mut rest = body.get(8..)?;
    let reference = u32::from(u16_at(body, 4)?) << 8 | u32::from(*body.get(6)?);
    let mut statuses: Vec<u8> = Vec::new();
    while statuses.len() < count {
        let chunk = u16_at(rest, 0)?;
        rest = rest.get(2..)?;
        let room = count - statuses.len();
        if chunk & 0x8000 == 0 {
            let run = usize::from(chunk & 0x1fff);
            if run == 0 {
                return None;
            }
            let status = (chunk >> 13 & 3) as u8;
            statuses.resize(statuses.len().saturating_add(run.min(room)), status);
        } else if chunk & 0x4000 == 0 {
            statuses.extend((0..14).map(|i| (chunk >> (13 - i) & 1) as u8).take(room));
        } else {
            statuses.extend((0..7).map(|i| (chunk >> (12 - 2 * i) & 3) as u8).take(room));
        }
    }
    let mut feedback = Feedback {
        base,
        reference,
        arrivals: Vec::with_capacity(count),
    };
    for status in statuses {
        let ticks = match status {
            NOT_RECEIVED => None,
            SMALL_DELTA => {
                let (&delta, after) = rest.split_first()?;
                rest = after;
                Some(i16::from(delta))
            }
            LARGE_DELTA => {
                let delta = u16_at(rest, 0)? as i16;
                rest = rest.get(2..)?;
                Some(delta)
            }
            _ => return None,
        };
        feedback.arrivals.push(ticks);
    }
    Some(feedback)
}

/// What the peer's feedback said so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TransportReports {
    pub(crate) messages: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
}
