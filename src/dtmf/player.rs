//! Plays tones as RFC 4733 events, on the caller's clock and without I/O.
//!
//! An event starts with a packet that has the marker, and every packet of it has the timestamp of
//! its start. Updates follow at the packet interval of audio, 20 ms, for the first 100 ms, then
//! every 50 ms (RFC 4733 section 2.5.1.2 allows for both): a short tone then has enough packets
//! to survive heavy loss. The final packet goes out three times. Section 2.5.1.4 wants the
//! interval of the updates between the three; here it is at most a third of the gap, so that none
//! of them can come after the next event has begun.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::command::Command;
use super::event::DTMFEvent;
use super::payload::{TelephoneEvent, digit_of};
use super::tone::{self, DTMFTone, MAX_STEPS, MIN_DURATION, Step};
use crate::error::Result;

const UPDATE: Duration = Duration::from_millis(50);
const EARLY_UPDATE: Duration = Duration::from_millis(20);
/// For so long updates are frequent.
const EARLY: Duration = Duration::from_millis(100);
const END_PACKETS: u8 = 3;
/// The longest segment of an event (RFC 4733 section 2.5.1.3).
const MAX_SEGMENT: u32 = 0xffff;
/// In dBm0 without its sign; what other implementations send as well.
const VOLUME: u8 = 10;

/// Where the audio stream is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpPosition {
    pub(crate) timestamp: u32,
    /// Of the dtmf codec, in Hz.
    pub(crate) clock_rate: u32,
    /// Of the dtmf codec.
    pub(crate) payload_type: u8,
}

/// A packet to send with the next sequence number of the audio stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventPacket {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) timestamp: u32,
    pub(crate) payload: [u8; TelephoneEvent::LEN],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    Packet(EventPacket),
    Event(DTMFEvent),
}

/// The play buffer and the tone that sounds.
#[derive(Debug)]
pub(crate) struct Player {
    steps: VecDeque<Step>,
    /// A key that is down while the buffer is still playing: the event, and since when.
    held: Option<(u8, Instant)>,
    state: State,
    /// No event may have a timestamp before this: each needs one of its own.
    least_timestamp: Option<u32>,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// Nothing sounds, and nothing may before `until`.
    Silent {
        until: Instant,
    },
    Sounding(Sounding),
    Ending(Ending),
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    event: u8,
    position: RtpPosition,
    started: Instant,
    /// `None` while the key is down.
    end: Option<Instant>,
    gap: Duration,
    /// Units of the segments before this one.
    before: u32,
    next_update: Instant,
    is_first: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ending {
    packet: EventPacket,
    left: u8,
    next: Instant,
    interval: Duration,
    silent_until: Instant,
}

impl Player {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            steps: VecDeque::new(),
            held: None,
            state: State::Silent { until: now },
            least_timestamp: None,
            out: VecDeque::new(),
        }
    }

    /// Appends to the play buffer: all of it, or nothing if it does not fit.
    pub(crate) fn play(&mut self, steps: &[Step]) -> Result<()> {
        if self.steps.len().saturating_add(steps.len()) > MAX_STEPS {
            return Err(tone::buffer_full());
        }
        self.steps.extend(steps);
        Ok(())
    }

    // Row G30.
    /// Ends the tone that sounds and forgets all that waits.
    pub(crate) fn flush(&mut self, now: Instant) {
        self.steps.clear();
        self.held = None;
        if let State::Sounding(sounding) = &mut self.state {
            sounding.end = Some(sounding.end.map_or(now, |end| end.min(now)));
        }
    }

    /// A key goes down; it sounds when the buffer is played, until `tonestop`. A key that is
    /// still down goes up first: a telephone sends one digit at a time.
    pub(crate) fn tonestart(&mut self, now: Instant, event: u8) -> Result<()> {
        if self.held.is_some() && self.steps.len() >= MAX_STEPS {
            return Err(tone::buffer_full());
        }
        self.tonestop(now);
        self.held = Some((event, now));
        Ok(())
    }

    // Row A97.
    /// The key goes up. Nothing happens when none is down. A key that went up before its turn
    /// sounds for as long as it was down.
    pub(crate) fn tonestop(&mut self, now: Instant) {
        if let Some((event, since)) = self.held.take() {
            self.steps.push_back(Step::Tone {
                event,
                duration: tone::clamp_duration(now.saturating_duration_since(since)),
                gap: tone::DEFAULT_GAP,
            });
        } else if let State::Sounding(sounding) = &mut self.state
            && sounding.end.is_none()
        {
            sounding.end = Some(now.max(sounding.started + MIN_DURATION));
        }
    }

    /// What waits, for the player that takes over; the tone that sounds stays with this one.
    pub(crate) fn take_waiting(&mut self) -> Vec<Command> {
        let steps = std::mem::take(&mut self.steps).into();
        let held = self.held.take().map(|(event, _)| Command::ToneStart(event));
        std::iter::once(Command::Play(steps)).chain(held).collect()
    }

    /// Sends what is left of the event at once, because the track is going away.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.flush(now);
        if let State::Sounding(sounding) = self.state {
            self.end(now, &sounding);
        }
        if let State::Ending(ending) = self.state {
            for _ in 0..ending.left {
                self.out.push_back(Output::Packet(ending.packet));
            }
            let until = ending.silent_until;
            self.state = State::Silent { until };
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Silent { until } => {
                (!self.steps.is_empty() || self.held.is_some()).then_some(*until)
            }
            State::Sounding(sounding) => Some(
                sounding
                    .end
                    .map_or(sounding.next_update, |end| end.min(sounding.next_update)),
            ),
            State::Ending(ending) => Some(ending.next),
        }
    }

    /// Does what is due; `position` is where the audio is at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, position: RtpPosition) {
        while self.poll_timeout().is_some_and(|due| due <= now) {
            match self.state {
                State::Silent { .. } => self.start_next(now, position),
                State::Sounding(sounding) => match sounding.end {
                    Some(end) if end <= now => self.end(now, &sounding),
                    _ => self.update(now, sounding),
                },
                State::Ending(ending) => self.repeat_end(now, ending),
            }
        }
    }

    /// Packets and events, in the order they happen.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn start_next(&mut self, now: Instant, position: RtpPosition) {
        match self.steps.pop_front() {
            Some(Step::Pause(pause)) => self.state = State::Silent { until: now + pause },
            Some(Step::Tone {
                event,
                duration,
                gap,
            }) => self.start(now, position, event, Some(now + duration), gap),
            None => {
                if let Some((event, _)) = self.held.take() {
                    self.start(now, position, event, None, tone::DEFAULT_GAP);
                }
            }
        }
    }

    fn start(
        &mut self,
        now: Instant,
        mut position: RtpPosition,
        event: u8,
        end: Option<Instant>,
        gap: Duration,
    ) {
        if let Some(least) = self.least_timestamp
            && least.wrapping_sub(position.timestamp) < 1 << 31
        {
            position.timestamp = least;
        }
        if let Some(digit) = digit_of(event) {
            self.out
                .push_back(Output::Event(DTMFEvent::ToneStart { digit }));
        }
        let sounding = Sounding {
            event,
            position,
            started: now,
            end,
            gap,
            before: 0,
            next_update: now,
            is_first: true,
        };
        self.update(now, sounding);
    }

    fn update(&mut self, now: Instant, mut sounding: Sounding) {
        let units = sounding.units_at(now);
        self.split(&mut sounding, units);
        // A duration of zero means something else (RFC 4733 section 2.3.5).
        let duration = units.saturating_sub(sounding.before).max(1);
        self.push(&mut sounding, duration, false);
        let interval = if now < sounding.started + EARLY {
            EARLY_UPDATE
        } else {
            UPDATE
        };
        // By the schedule, or by the clock when the caller was late.
        let planned = sounding.next_update + interval;
        sounding.next_update = if planned > now {
            planned
        } else {
            now + interval
        };
        self.state = State::Sounding(sounding);
    }

    /// RFC 4733 section 2.5.1.3: a segment that is full ends without the E bit, and the next one
    /// has a timestamp of its own, no marker, and durations that start anew. Its last packet is
    /// not repeated: the timestamp of the next segment says as much.
    fn split(&mut self, sounding: &mut Sounding, units: u32) {
        while units.saturating_sub(sounding.before) > MAX_SEGMENT {
            self.push(sounding, MAX_SEGMENT, false);
            sounding.before = sounding.before.saturating_add(MAX_SEGMENT);
            let timestamp = &mut sounding.position.timestamp;
            *timestamp = timestamp.wrapping_add(MAX_SEGMENT);
        }
    }

    fn end(&mut self, now: Instant, sounding: &Sounding) {
        let mut sounding = *sounding;
        let end = sounding.end.unwrap_or(now).max(sounding.started);
        let units = sounding.units_at(end).max(1);
        self.split(&mut sounding, units);
        let duration = units.saturating_sub(sounding.before);
        let packet = self.push(&mut sounding, duration, true);
        let past = packet.timestamp.wrapping_add(duration);
        self.least_timestamp = Some(past.wrapping_add(1));
        if let Some(digit) = digit_of(sounding.event) {
            let tone = DTMFTone::new(digit)
                .with_duration(end.saturating_duration_since(sounding.started))
                .with_inter_tone_gap(sounding.gap);
            for event in [DTMFEvent::ToneStop { digit }, DTMFEvent::Tone(tone)] {
                self.out.push_back(Output::Event(event));
            }
        }
        let interval = UPDATE.min(sounding.gap / u32::from(END_PACKETS));
        self.state = State::Ending(Ending {
            packet,
            left: END_PACKETS - 1,
            next: now + interval,
            interval,
            silent_until: now + sounding.gap,
        });
    }

    fn repeat_end(&mut self, now: Instant, mut ending: Ending) {
        self.out.push_back(Output::Packet(ending.packet));
        ending.left = ending.left.saturating_sub(1);
        ending.next = now + ending.interval;
        self.state = if ending.left == 0 {
            State::Silent {
                until: ending.silent_until,
            }
        } else {
            State::Ending(ending)
        };
    }

    /// Queues a packet of the event, and gives what its repetition would be.
    fn push(&mut self, sounding: &mut Sounding, duration: u32, end: bool) -> EventPacket {
        let payload = TelephoneEvent {
            event: sounding.event,
            end,
            volume: VOLUME,
            duration: u16::try_from(duration).unwrap_or(u16::MAX),
        };
        let packet = EventPacket {
            marker: std::mem::take(&mut sounding.is_first),
            payload_type: sounding.position.payload_type,
            timestamp: sounding.position.timestamp,
            payload: payload.encode(),
        };
        self.out.push_back(Output::Packet(packet));
        EventPacket {
            marker: false,
            ..packet
        }
    }
}

impl Sounding {
    /// How long it has sounded by `now`, in units of its clock.
    fn units_at(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.started).as_micros();
        let units = elapsed.saturating_mul(u128::from(self.position.clock_rate)) / 1_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }
}
