//! Makes digits of telephone-event packets (RFC 4733 section 2.5.2).
//!
//! An event is known by its SSRC and timestamp, never by the marker: packets may be lost,
//! repeated or reordered, and some senders mark every packet, or send end packets alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::DTMFEvent;
use super::payload::{TelephoneEvent, digit_of};
use super::tone::DTMFTone;

/// An event whose end was lost is over after this silence: six updates of 50 ms.
const SILENCE: Duration = Duration::from_millis(300);
/// Sources of digits on one track; the one that was silent longest makes room for another.
const MAX_SOURCES: usize = 16;
/// Past events whose late packets are recognised, for each source.
const MAX_PAST: usize = 32;
const MAX_SEGMENT: u32 = 0xffff;

/// A packet of the dtmf codec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IncomingEvent<'a> {
    pub(crate) ssrc: u32,
    pub(crate) timestamp: u32,
    /// Of its payload type, in Hz.
    pub(crate) clock_rate: u32,
    pub(crate) payload: &'a [u8],
}

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    sources: Vec<Source>,
    out: VecDeque<DTMFEvent>,
    ignored: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    current: Option<Sounding>,
    past: VecDeque<Past>,
    last_heard: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    event: u8,
    /// Of the segment heard last.
    timestamp: u32,
    clock_rate: u32,
    /// Units of the segments before that one.
    before: u32,
    duration: u16,
    last_heard: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Past {
    event: u8,
    timestamp: u32,
    /// No end packet came: it may go on in another segment.
    open: bool,
}

impl Receiver {
    /// Takes a packet in. What is no event, or no digit, is counted and ignored.
    pub(crate) fn handle(&mut self, now: Instant, packet: &IncomingEvent<'_>) {
        self.handle_timeout(now);
        let Some(event) = TelephoneEvent::decode(packet.payload) else {
            self.ignored = self.ignored.saturating_add(1);
            return;
        };
        if digit_of(event.event).is_none() {
            self.ignored = self.ignored.saturating_add(1);
            return;
        }
        let source = match self.sources.iter().position(|s| s.ssrc == packet.ssrc) {
            Some(index) => self.sources.get_mut(index),
            None => {
                self.make_room();
                self.sources.push(Source {
                    ssrc: packet.ssrc,
                    current: None,
                    past: VecDeque::new(),
                    last_heard: now,
                });
                self.sources.last_mut()
            }
        };
        if let Some(source) = source {
            source.last_heard = now;
            source.handle(now, packet, event, &mut self.out);
        }
    }

    fn make_room(&mut self) {
        if self.sources.len() < MAX_SOURCES {
            return;
        }
        let oldest = self
            .sources
            .iter()
            .enumerate()
            .min_by_key(|(_, source)| source.last_heard)
            .map(|(index, _)| index);
        if let Some(index) = oldest {
            let mut source = self.sources.swap_remove(index);
            source.finish(true, &mut self.out);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.sources
            .iter()
            .filter_map(|source| Some(source.current?.last_heard + SILENCE))
            .min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for source in &mut self.sources {
            if source
                .current
                .is_some_and(|sounding| sounding.last_heard + SILENCE <= now)
            {
                source.finish(true, &mut self.out);
            }
        }
    }

    /// The source ends: so does what sounds.
    pub(crate) fn end(&mut self) {
        for source in &mut self.sources {
            source.finish(true, &mut self.out);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<DTMFEvent> {
        self.out.pop_front()
    }

    /// Packets that were no event or no digit.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }
}

impl Source {
    fn handle(
        &mut self,
        now: Instant,
        packet: &IncomingEvent<'_>,
        event: TelephoneEvent,
        out: &mut VecDeque<DTMFEvent>,
    ) {
        if self.is_past(packet.timestamp, event.event) {
            return;
        }
        let continued = self
            .current
            .and_then(|sounding| sounding.continued(now, packet.timestamp, event));
        let sounding = match (continued, self.current) {
            (Some(sounding), _) => sounding,
            // Of before the event that sounds: digits in the wrong order are worse than one less.
            (None, Some(sounding)) if is_before(packet.timestamp, sounding.timestamp) => return,
            _ => {
                // Another event: the end of the one before was lost.
                self.finish(false, out);
                if let Some(digit) = digit_of(event.event) {
                    out.push_back(DTMFEvent::ToneStart { digit });
                }
                Sounding {
                    event: event.event,
                    timestamp: packet.timestamp,
                    clock_rate: packet.clock_rate,
                    before: 0,
                    duration: event.duration,
                    last_heard: now,
                }
            }
        };
        self.current = Some(sounding);
        if event.end {
            self.finish(false, out);
        }
    }

    fn is_past(&mut self, timestamp: u32, event: u8) -> bool {
        let same = |past: &Past, timestamp| past.event == event && past.timestamp == timestamp;
        if self.past.iter().any(|past| same(past, timestamp)) {
            return true;
        }
        // The next segment of an event that was taken for over when nothing came.
        let previous = timestamp.wrapping_sub(MAX_SEGMENT);
        if self
            .past
            .iter()
            .any(|past| past.open && same(past, previous))
        {
            self.remember(Past {
                event,
                timestamp,
                open: true,
            });
            return true;
        }
        // The newest event is the last in the list: what is older than it is late.
        self.past
            .back()
            .is_some_and(|past| is_before(timestamp, past.timestamp))
    }

    fn remember(&mut self, past: Past) {
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }

    fn finish(&mut self, open: bool, out: &mut VecDeque<DTMFEvent>) {
        let Some(sounding) = self.current.take() else {
            return;
        };
        self.remember(Past {
            event: sounding.event,
            timestamp: sounding.timestamp,
            open,
        });
        if let Some(digit) = digit_of(sounding.event) {
            let tone = DTMFTone::new(digit)
                .with_duration(sounding.total())
                .with_inter_tone_gap(Duration::ZERO);
            out.extend([DTMFEvent::ToneStop { digit }, DTMFEvent::Tone(tone)]);
        }
    }
}

/// How far behind a packet can be for being late rather than of a new timeline: 10 s at 48 kHz.
const MAX_LATE: u32 = 480_000;

fn is_before(timestamp: u32, other: u32) -> bool {
    (1..MAX_LATE).contains(&other.wrapping_sub(timestamp))
}

impl Sounding {
    /// The event after a packet of it; `None` if the packet is of another.
    fn continued(mut self, now: Instant, timestamp: u32, event: TelephoneEvent) -> Option<Self> {
        if self.event != event.event {
            return None;
        }
        match timestamp.wrapping_sub(self.timestamp) {
            0 => self.duration = self.duration.max(event.duration),
            // RFC 4733 section 2.5.1.3: the next segment starts where this one is full.
            MAX_SEGMENT => {
                self.before = self.before.saturating_add(MAX_SEGMENT);
                self.timestamp = timestamp;
                self.duration = event.duration;
            }
            _ => return None,
        }
        self.last_heard = now;
        Some(self)
    }

    fn total(&self) -> Duration {
        let units = u64::from(self.before).saturating_add(u64::from(self.duration));
        Duration::from_micros(units.saturating_mul(1_000_000) / u64::from(self.clock_rate.max(1)))
    }
}
