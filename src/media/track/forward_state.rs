//! Which packets of received tracks go on to one receiver, and where in its own line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fan::{Fan, FanBatch};
use super::outlets::{ForwardedBatch, Outlets, Placed, Reception};
use super::pictures::Pictures;
use crate::media::forward::{
    DefaultLayerSelector, ForwardConditions, LayerSelector, MUCH_LOSS, Rewriter, SourceFacts,
    forwardable, ticks,
};
use crate::media::{Depacketizer, Kind, Numbers, Templates};
use crate::rtp::RtpPacket;

/// So long after a source went on under another SSRC, packets of the one before are late.
const FORMER: Duration = Duration::from_secs(1);
/// How often the encoding is chosen anew.
const SELECT: Duration = Duration::from_millis(500);

/// What became of the packets of a forwarded track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaForwardStats {
    /// Packets that went on, of digits as well.
    pub forwarded: u64,
    /// Packets that were left out on purpose: while it was paused, or before a key frame.
    pub passed_over: u64,
    /// Packets that came too late to have a place.
    pub late: u64,
    /// Packets of a payload type that the source did not describe, or that nobody forwards.
    pub unknown: u64,
    /// How often it began with another source, encoding or SSRC.
    pub switches: u64,
    /// How often nothing went on for a while, as the receiver's path did not carry it.
    pub held_back: u64,
}

/// The encodings of a source, by what they are called.
pub(super) type Layers = Vec<(Option<String>, Arc<Fan>)>;

/// What is known of one receiver, its source, and how far it got.
pub(super) struct State {
    /// The encodings of the source, and what they are called.
    pub(super) layers: Layers,
    pub(super) selector: Box<dyn LayerSelector>,
    /// What is known of the receiver beside its reports.
    pub(super) conditions: ForwardConditions,
    pub(super) select_at: Option<Instant>,
    /// The one that is to be sent.
    pub(super) wanted: usize,
    /// The path carries less than what is sent: nothing more of it, or it would take the place of
    /// the key frame that is awaited.
    pub(super) leaving: bool,
    pub(super) current: Option<Current>,
    pub(super) former: Option<(Current, Instant)>,
    pub(super) rewriter: Rewriter,
    pub(super) paused: bool,
    /// The path carries nothing of it; and what goes on after that begins with a key frame that is
    /// asked for, as all since an earlier one is more than that path may carry.
    pub(super) held_back: bool,
    pub(super) begins_anew: bool,
    /// What comes does not continue what went out.
    pub(super) waiting: bool,
    /// When the key frame came that it last began with later.
    pub(super) began_earlier: Option<Instant>,
    /// Which timestamp of the line is that of which moment.
    pub(super) clock: Option<(Instant, u32)>,
    pub(super) codec: Option<Known>,
    pub(super) pictures: Pictures,
    pub(super) templates: Templates,
    pub(super) stats: MediaForwardStats,
    pub(super) placed: Vec<Placed>,
}

/// Whose packets go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) fan: u64,
    pub(super) ssrc: u32,
}

/// What is known of the payload type that came last.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) of: (u64, u8),
    pub(super) goes_on: bool,
    pub(super) clock_rate: u32,
    pub(super) depacketizer: Option<Depacketizer>,
    /// The identifier of the dependency descriptor.
    pub(super) descriptor: Option<u8>,
}

/// Of two parts, and when they were found: the larger.
fn worse(a: Option<(f64, Instant)>, b: Option<(f64, Instant)>) -> Option<(f64, Instant)> {
    let both = a.into_iter().chain(b);
    both.max_by(|a, b| a.0.total_cmp(&b.0))
}

impl State {
    pub(super) fn new(number: u16) -> Self {
        Self {
            layers: Vec::new(),
            selector: Box::<DefaultLayerSelector>::default(),
            conditions: ForwardConditions::default(),
            select_at: None,
            wanted: 0,
            leaving: false,
            current: None,
            former: None,
            rewriter: Rewriter::new(number, crate::random::u32()),
            paused: false,
            held_back: false,
            begins_anew: false,
            waiting: true,
            began_earlier: None,
            clock: None,
            codec: None,
            pictures: Pictures::default(),
            templates: Templates::default(),
            stats: MediaForwardStats::default(),
            placed: Vec::new(),
        }
    }

    /// Sends what has a place.
    pub(super) fn send(&mut self, batch: &FanBatch<'_>, outlets: &Outlets) {
        if self.placed.is_empty() {
            return;
        }
        let forwarded = ForwardedBatch {
            now: batch.now,
            packets: batch.packets,
            placed: &self.placed,
            facts: batch.facts,
            clock: self.clock,
        };
        let mut taken = false;
        // One that takes nothing keeps none of the others from it.
        let _ = outlets.for_each(|sink, key| {
            taken |= sink.forward(key, &forwarded);
            Ok(())
        });
        // Who takes it later begins with a key frame.
        self.waiting |= !taken;
    }

    /// The source that a key frame has to be asked of.
    pub(super) fn asks(&self, now: Instant, kind: Kind) -> Option<Arc<Fan>> {
        let needed = kind == Kind::Video && self.waiting && !self.paused && !self.held_back;
        let (_, fan) = self.layers.get(self.wanted).filter(|_| needed)?;
        (!self.may_begin_earlier(now, fan)).then(|| fan.clone())
    }

    /// Finds what goes on of a batch; true to have a key frame asked for.
    pub(super) fn take(&mut self, kind: Kind, batch: &FanBatch<'_>) -> bool {
        let layer = self
            .layers
            .iter()
            .position(|(_, fan)| fan.id() == batch.source.id());
        let Some(layer) = layer else {
            return false;
        };
        let is_wanted = layer == self.wanted;
        let of_current = self
            .current
            .is_some_and(|current| current.fan == batch.source.id());
        if !is_wanted && (!of_current || self.leaving) {
            self.waiting |= of_current;
            return false;
        }
        self.waiting |= batch.gap && of_current;
        let mut asks = false;
        for (index, packet) in batch.packets.iter().enumerate() {
            let source = Current {
                fan: batch.source.id(),
                ssrc: packet.ssrc,
            };
            let known = self.known(batch.facts, packet.payload_type);
            let same = self.current == Some(source);
            if self.paused || self.held_back {
                self.waiting |= same;
                self.stats.passed_over += 1;
                continue;
            }
            if !known.goes_on || packet.payload.is_empty() {
                self.stats.unknown += u64::from(!known.goes_on);
                self.leave_out(same, index, packet);
                continue;
            }
            let numbered_anew = same && !self.rewriter.continues(packet.sequence_number);
            self.waiting |= numbered_anew;
            if !same || self.waiting {
                if !is_wanted || !same && self.is_former(batch.now, source) {
                    continue;
                }
                let begins = |d: Depacketizer| d.begins_keyframe(&packet.payload);
                if kind == Kind::Video && !known.depacketizer.is_none_or(begins) {
                    self.stats.passed_over += 1;
                    asks = true;
                    continue;
                }
                let goes_on = same && !numbered_anew;
                let is_past = batch.present.is_some();
                if goes_on && !is_past && !self.rewriter.is_newer(packet.sequence_number) {
                    continue;
                }
                self.begin(batch, packet, source, known, goes_on);
            }
            self.send_on(batch.now, index, packet, known);
        }
        self.note_clock(batch);
        asks
    }

    /// Gives a packet that goes on its place, unless it is of a temporal layer that does not.
    fn send_on(&mut self, now: Instant, index: usize, packet: &RtpPacket, known: Known) {
        let (number, timestamp) = (packet.sequence_number, packet.timestamp);
        let numbers = self.numbers(known, packet);
        let is_newest = self.rewriter.is_newer(number);
        if !self.pictures.has(&numbers, is_newest) {
            self.stats.passed_over += 1;
            let hole = self.rewriter.skip(number, timestamp);
            match hole {
                Some(place) => self.placed.push(Placed::filler(index, place)),
                None if self.pictures.is_left_out(&numbers) => self.rewriter.skip_picture(),
                None => {}
            }
            return;
        }
        let Some(place) = self.rewriter.place(now, number, timestamp) else {
            self.stats.late += 1;
            return;
        };
        if is_newest {
            self.pictures.went_out(&numbers, place.pictures);
        }
        self.stats.forwarded += 1;
        let placed = Placed::numbered(index, place, &numbers, &packet.payload);
        self.placed.push(placed);
    }

    /// The numbers of the picture that a packet is of.
    fn numbers(&mut self, known: Known, packet: &RtpPacket) -> Numbers {
        let format = known.depacketizer;
        let numbers = format.and_then(|format| format.numbers(&packet.payload));
        let descriptor = known.descriptor.and_then(|id| packet.extensions.get(id));
        if let Some(value) = descriptor {
            self.templates.note(value);
        }
        let numbers = numbers.unwrap_or_default();
        numbers.or_of_descriptor(descriptor, &self.templates)
    }

    /// The place of the encoding that goes out.
    pub(super) fn current_layer(&self) -> Option<usize> {
        let current = self.current?;
        let mut layers = self.layers.iter();
        layers.position(|(_, fan)| fan.id() == current.fan)
    }

    /// Chooses the encoding anew.
    pub(super) fn select(&mut self, now: Instant, outlets: &Outlets) {
        self.select_at = now.checked_add(SELECT);
        let mut heard = Reception::default();
        let _ = outlets.for_each(|sink, key| {
            if let Some(other) = sink.reception(key) {
                heard.loss = worse(heard.loss, other.loss);
                heard.excess = worse(heard.excess, other.excess);
                heard.round_trip = heard.round_trip.max(other.round_trip);
                heard.backlog = heard.backlog.max(other.backlog);
            }
            Ok(())
        });
        let layers = self.layers.iter();
        let layers: Vec<_> = layers
            .map(|(rid, fan)| fan.layer(now, rid.clone()))
            .collect();
        let mut conditions = self.conditions;
        conditions.loss = heard.loss;
        conditions.excess = heard.excess;
        conditions.round_trip = heard.round_trip;
        conditions.backlog = heard.backlog;
        conditions.current = self.current_layer();
        conditions.temporal_layers = self.pictures.layers();
        let choice = self.selector.select(now, &layers, &conditions);
        self.wanted = choice.layer.min(layers.len().saturating_sub(1));
        let rate = |layer: usize| layers.get(layer).map(|layer| layer.bitrate);
        let current = conditions.current;
        let less = current.is_some_and(|current| rate(self.wanted) < rate(current));
        let is_lossy = conditions.loss.is_some_and(|(loss, _)| loss > MUCH_LOSS);
        let young = |(_, at): (f64, Instant)| now.saturating_duration_since(at) < SELECT;
        let is_narrow = conditions.excess.is_some_and(young);
        let left = self.leaving;
        self.leaving = less && (left || is_lossy || is_narrow);
        let held_back = std::mem::replace(&mut self.held_back, choice.is_held_back);
        let is_new = self.held_back && !held_back;
        self.stats.held_back += u64::from(is_new);
        self.begins_anew |= is_new;
        self.waiting |= is_new;
        if self.leaving && !left || is_new {
            let _ = outlets.for_each(|sink, key| {
                sink.forget_sent(key);
                Ok(())
            });
        }
        self.pictures.limit(choice.temporal);
    }

    fn known(&mut self, facts: &SourceFacts, payload_type: u8) -> Known {
        let of = (facts.version, payload_type);
        if let Some(known) = self.codec.filter(|known| known.of == of) {
            return known;
        }
        let codec = facts.codec(payload_type);
        let known = Known {
            of,
            goes_on: codec.is_some_and(forwardable),
            clock_rate: codec.map_or(90_000, |codec| codec.effective_clock_rate()),
            depacketizer: codec.and_then(|codec| Depacketizer::for_codec(codec).ok()),
            descriptor: facts.descriptor,
        };
        self.codec = Some(known);
        known
    }

    /// Its number does not go missing.
    fn leave_out(&mut self, same: bool, index: usize, packet: &RtpPacket) {
        if !same || self.waiting || !self.rewriter.continues(packet.sequence_number) {
            return;
        }
        let hole = self.rewriter.skip(packet.sequence_number, packet.timestamp);
        if let Some(place) = hole {
            self.placed.push(Placed::filler(index, place));
        }
    }

    /// Whether this is what came before the source went on under another SSRC.
    fn is_former(&self, now: Instant, source: Current) -> bool {
        self.former.is_some_and(|(former, at)| {
            former == source && now.saturating_duration_since(at) < FORMER
        })
    }

    /// Goes on with this packet, of the same source or another.
    fn begin(
        &mut self,
        batch: &FanBatch<'_>,
        packet: &RtpPacket,
        source: Current,
        known: Known,
        goes_on: bool,
    ) {
        self.waiting = false;
        self.begins_anew = false;
        let number = packet.sequence_number;
        let numbers = self.numbers(known, packet);
        let (picture, base) = self.pictures.begin(&numbers);
        if goes_on {
            self.rewriter.rejoin(number);
            self.rewriter.shift_pictures(picture, base);
            return;
        }
        let rate = known.clock_rate;
        // What is sent of the past leaves room before it for each of its pictures.
        let (timestamp, least) = match batch.present {
            Some(present) => (present, batch.packets.len() as u32),
            None => (packet.timestamp, 1),
        };
        let own = batch.clock.filter(|clock| clock.ssrc == packet.ssrc);
        let aligned = own.zip(self.clock).map(|(own, (at, timestamp))| {
            let between = match own.at.checked_duration_since(at) {
                Some(later) => ticks(later, rate),
                None => 0u32.wrapping_sub(ticks(at.saturating_duration_since(own.at), rate)),
            };
            let since = timestamp.wrapping_sub(own.timestamp);
            timestamp.wrapping_add(between).wrapping_add(since)
        });
        self.rewriter
            .join(batch.now, (number, timestamp), rate, aligned, least);
        self.rewriter.shift_pictures(picture, base);
        self.former = self.current.map(|former| (former, batch.now));
        self.current = Some(source);
        self.clock = None;
        self.pictures.of_another();
        self.stats.switches += 1;
    }

    fn note_clock(&mut self, batch: &FanBatch<'_>) {
        let of_current = |clock: &super::fan::SourceClock| {
            self.current.is_some_and(|current| {
                current.fan == batch.source.id() && current.ssrc == clock.ssrc
            })
        };
        let shift = self.rewriter.timestamp_shift();
        if let Some((clock, shift)) = batch.clock.filter(of_current).zip(shift) {
            self.clock = Some((clock.at, clock.timestamp.wrapping_add(shift)));
        }
    }
}
