//! Which encoding of a source a receiver gets.

use std::time::{Duration, Instant};

use super::thinned::{FIRST_PATIENCE, MOST_PATIENCE, TOO_LATE, Thinned};

/// Of three pictures in a row one is lost or late: less is more.
pub(crate) const MUCH_LOSS: f64 = 0.1;
const LITTLE_LOSS: f64 = 0.02;
/// For so long nothing is sent when the least is too much, at first and at most; and what is tried did not hold if it was
/// too much again within so long.
const FIRST_REST: Duration = Duration::from_secs(1);
const MOST_REST: Duration = Duration::from_secs(4);
const TRIED: Duration = Duration::from_secs(5);
/// What a report tells is of so long, but where packets are few.
const REPORT: Duration = Duration::from_millis(900);
/// Of a measured rate, what may be used.
const USABLE: f64 = 0.9;
/// The same where a queue has to become empty as well; one large step costs less than two.
const USABLE_WITH_QUEUE: f64 = 0.5;

/// An encoding of a source.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ForwardLayer {
    /// Its restriction identifier, or what else it is known by; `None` for a source without.
    pub rid: Option<String>,
    /// Width and height in pixels, once a key frame has told (VP8).
    pub size: Option<(u16, u16)>,
    /// Bits a second that came of it lately.
    pub bitrate: u64,
    /// Whether anything came of it lately.
    pub is_active: bool,
}

/// What is known of a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct ForwardConditions {
    /// The size in which it shows the picture, in pixels; `None`: as large as there is.
    pub tile: Option<(u16, u16)>,
    /// The part of its packets that was lost, 0 to 1, by its last report, and when that came.
    pub loss: Option<(f64, Instant)>,
    /// The part of what was sent to it, of this and of all else, that was too much for the path, 0
    /// to 1: lost, or waiting in a queue that grows; and when that was last found, by
    /// transport-wide feedback, where it sends that: within some 100 ms.
    pub excess: Option<(f64, Instant)>,
    /// The round trip to it.
    pub round_trip: Option<Duration>,
    /// How long what waits to be sent to it takes, where its path is found to be narrow.
    pub backlog: Duration,
    /// Bits a second that it can have, where somebody estimates that.
    pub bitrate: Option<u64>,
    /// The encoding that it gets.
    pub current: Option<usize>,
    /// Temporal layers of that encoding that came, as far as its codec marks them (see
    /// [`LayerChoice::temporal`]).
    pub temporal_layers: u8,
}

/// What a receiver is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerChoice {
    /// The place of the encoding among those that there are.
    pub layer: usize,
    /// The highest temporal layer of it, counted from 0; 255: all. Where they are marked: by VP8 and
    /// VP9, by the dependency descriptor that the source sends with others (AV1); of H.264, pictures
    /// that no other needs are layer 1.
    pub temporal: u8,
    /// Nothing is sent of it for now: the path does not carry the least that there is.
    pub is_held_back: bool,
}

impl LayerChoice {
    /// An encoding without its higher temporal layers.
    fn thin(layer: usize, temporal: u8) -> Self {
        Self {
            temporal,
            ..Self::all_of(layer)
        }
    }

    /// All of an encoding.
    pub fn all_of(layer: usize) -> Self {
        Self {
            layer,
            temporal: u8::MAX,
            is_held_back: false,
        }
    }

    /// Nothing for now, of this encoding when it goes on.
    pub fn nothing_of(layer: usize) -> Self {
        Self {
            is_held_back: true,
            ..Self::all_of(layer)
        }
    }
}

/// Chooses what a receiver gets of a source with several encodings: asked twice a second, and when
/// something changed. A change takes effect at a key frame, which is asked for.
pub trait LayerSelector: Send {
    /// The choice for now; `layers` are in the order of the source's description.
    fn select(
        &mut self,
        now: Instant,
        layers: &[ForwardLayer],
        conditions: &ForwardConditions,
    ) -> LayerChoice;
}

/// The smallest picture that fills the tile, as large as the path allows: by an estimate of its
/// rate where there is one, else down as soon as something is too much for the path, or with each
/// report of more than a tenth lost, to what the rest of the rate carries; a step up after seconds
/// without, ever longer if that was in vain. Where the path does not carry the least either, its
/// temporal layers are left out one after another, and then nothing is sent for a second, and for up
/// to four if trying again was in vain: sound goes on.
#[derive(Debug)]
pub struct DefaultLayerSelector {
    /// Steps below what the tile would have.
    below: usize,
    patience: Duration,
    changed: Option<Instant>,
    went_up: Option<Instant>,
    seen: Option<Instant>,
    seen_excess: Option<Instant>,
    thinned: Thinned,
    /// Since when nothing is sent, for how long, and when it was last tried again.
    held: Option<Instant>,
    rest: Duration,
    tried: Option<Instant>,
}

impl Default for DefaultLayerSelector {
    fn default() -> Self {
        Self {
            below: 0,
            patience: FIRST_PATIENCE,
            changed: None,
            went_up: None,
            seen: None,
            seen_excess: None,
            thinned: Thinned::default(),
            held: None,
            rest: FIRST_REST,
            tried: None,
        }
    }
}

impl LayerSelector for DefaultLayerSelector {
    fn select(
        &mut self,
        now: Instant,
        layers: &[ForwardLayer],
        conditions: &ForwardConditions,
    ) -> LayerChoice {
        // From the smallest to the largest.
        let mut order: Vec<(usize, &ForwardLayer)> = layers.iter().enumerate().collect();
        order.retain(|(_, layer)| layer.is_active);
        order.sort_by_key(|(_, layer)| (layer.size.map(|(_, height)| height), layer.bitrate));
        let fills = |layer: &ForwardLayer| match (conditions.tile, layer.size) {
            (Some((_, tile)), Some((_, height))) => height >= tile,
            _ => false,
        };
        let largest = order.len().saturating_sub(1);
        let wanted = order.iter().position(|(_, layer)| fills(layer));
        let wanted = wanted.unwrap_or(largest);
        let carries = |rate: f64| {
            let fits = |(_, layer): &&(usize, &ForwardLayer)| layer.bitrate as f64 <= rate;
            order.iter().filter(fits).count().saturating_sub(1)
        };
        let allowed = match conditions.bitrate {
            Some(rate) => carries(rate as f64 * USABLE),
            None => {
                let current = conditions.current.and_then(|current| layers.get(current));
                let came = |part: f64, usable: f64| {
                    let rest = current.map(|layer| layer.bitrate as f64 * (1.0 - part));
                    rest.map_or(wanted, |rest| carries(rest * usable))
                };
                self.below = self.below.min(wanted);
                if let Some(part) = self.is_too_much(conditions.excess) {
                    self.go_down(now, wanted, came(part, USABLE_WITH_QUEUE));
                } else if let Some(loss) = self.is_news(conditions.loss) {
                    self.listen(now, loss, wanted, came(loss, USABLE));
                }
                wanted.saturating_sub(self.below)
            }
        };
        // The rest of the least comes back before more than that.
        let allowed = if self.thinned.most.is_some() {
            0
        } else {
            allowed
        };
        let chosen = order.get(wanted.min(allowed));
        let fallback = conditions.current.unwrap_or(0);
        let layer = chosen.map_or(fallback, |(layer, _)| *layer);
        let is_least = order.first().is_some_and(|(least, _)| *least == layer);
        let is_sent = is_least && conditions.current == Some(layer);
        if self.held.is_some() {
            self.thinned.rest();
        } else if is_sent {
            let excess = conditions.excess.map(|(_, at)| at);
            let path = (conditions.backlog, excess);
            self.thinned.select(now, conditions.temporal_layers, path);
        }
        match self.is_held_back(now, is_sent, conditions) {
            true => LayerChoice::nothing_of(layer),
            false => LayerChoice::thin(layer, self.thinned.most.unwrap_or(u8::MAX)),
        }
    }
}

impl DefaultLayerSelector {
    /// Whether nothing is sent for now; `is_sent`: the least that there is is what goes out.
    fn is_held_back(
        &mut self,
        now: Instant,
        is_sent: bool,
        conditions: &ForwardConditions,
    ) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.held.is_some_and(|held| since(held) < self.rest) {
            return true;
        }
        if self.held.take().is_some() {
            self.tried = Some(now);
            return false;
        }
        if !is_sent || conditions.backlog < TOO_LATE || self.thinned.is_new(now) {
            return false;
        }
        let in_vain = self.tried.take().is_some_and(|at| since(at) < TRIED);
        self.rest = match in_vain {
            true => self.rest.saturating_mul(2).min(MOST_REST),
            false => FIRST_REST,
        };
        self.held = Some(now);
        true
    }

    /// The part that is too much, if that is news, and of what was sent since the last change.
    fn is_too_much(&mut self, excess: Option<(f64, Instant)>) -> Option<f64> {
        let (part, at) = excess.filter(|(_, at)| self.seen_excess != Some(*at))?;
        self.seen_excess = Some(at);
        self.changed
            .is_none_or(|changed| at > changed)
            .then_some(part)
    }

    /// The losses that a report tells, if that is news, and of the time since the last change.
    fn is_news(&mut self, loss: Option<(f64, Instant)>) -> Option<f64> {
        let (loss, at) = loss.filter(|(_, at)| self.seen != Some(*at))?;
        self.seen = Some(at);
        let of_before = |changed| at.saturating_duration_since(changed) < REPORT;
        (!self.changed.is_some_and(of_before)).then_some(loss)
    }

    /// Takes in a report of losses; `came` is what would fit into the rate of what was not lost.
    fn listen(&mut self, now: Instant, loss: f64, most: usize, came: usize) {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        if loss > MUCH_LOSS {
            self.go_down(now, most, came);
        } else if loss < LITTLE_LOSS
            && self.below > 0
            && since(self.changed).is_none_or(|time| time >= self.patience)
        {
            self.below = self.below.saturating_sub(1);
            self.changed = Some(now);
            self.went_up = Some(now);
        } else if since(self.went_up).is_some_and(|time| time >= MOST_PATIENCE) {
            self.patience = FIRST_PATIENCE;
        }
    }

    /// A step at least, to what would fit.
    fn go_down(&mut self, now: Instant, most: usize, came: usize) {
        let tried = self.went_up.take();
        // What was tried did not hold.
        if tried.is_some_and(|at| now.saturating_duration_since(at) < self.patience) {
            self.patience = self.patience.saturating_mul(2).min(MOST_PATIENCE);
        }
        let one = self.below.saturating_add(1);
        self.below = one.max(most.saturating_sub(came)).min(most);
        self.changed = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> [ForwardLayer; 3] {
        // As a browser lists them.
        [(180, 150), (360, 500), (720, 1_700)].map(|(height, kbits)| ForwardLayer {
            rid: None,
            size: Some((height / 9 * 16, height)),
            bitrate: kbits * 1_000,
            is_active: true,
        })
    }

    fn at(ms: u64, start: Instant) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_smallest_picture_that_fills_the_tile() {
        let now = Instant::now();
        let mut all = layers();
        let mut selector = DefaultLayerSelector::default();
        let mut choice = |tile: Option<u16>, all: &[ForwardLayer]| {
            let conditions = ForwardConditions {
                tile: tile.map(|height| (height, height)),
                ..ForwardConditions::default()
            };
            selector.select(now, all, &conditions).layer
        };
        let tiles = [Some(90), Some(180), Some(200), Some(500), Some(2_000), None];
        assert_eq!(tiles.map(|tile| choice(tile, &all)), [0, 0, 1, 2, 2, 2]);
        // What does not come is not chosen, and without sizes the rate tells.
        all[2].is_active = false;
        assert_eq!(choice(None, &all), 1);
        all.reverse();
        all.iter_mut().for_each(|layer| layer.size = None);
        assert_eq!([choice(None, &all), choice(Some(90), &all)], [1, 1]);
        all.iter_mut().for_each(|layer| layer.is_active = false);
        assert_eq!(choice(None, &all), 0);
    }

    #[test]
    fn an_estimate_of_the_rate_decides_where_there_is_one() {
        let now = Instant::now();
        let choices = [100_000, 300_000, 600_000, 5_000_000].map(|rate| {
            let conditions = ForwardConditions {
                bitrate: Some(rate),
                loss: Some((0.5, now)),
                ..ForwardConditions::default()
            };
            let mut selector = DefaultLayerSelector::default();
            selector.select(now, &layers(), &conditions).layer
        });
        assert_eq!(choices, [0, 0, 1, 2]);
    }

    #[test]
    fn losses_tell_at_once_how_much_is_carried() {
        let now = Instant::now();
        let choices = [0.12, 0.5, 0.6, 0.85].map(|loss| {
            let conditions = ForwardConditions {
                loss: Some((loss, now)),
                current: Some(2),
                ..ForwardConditions::default()
            };
            let mut selector = DefaultLayerSelector::default();
            selector.select(now, &layers(), &conditions).layer
        });
        assert_eq!(choices, [1, 1, 1, 0]);
    }

    #[test]
    fn what_is_too_much_for_the_path_leads_down_at_once_and_once() {
        let start = Instant::now();
        let mut selector = DefaultLayerSelector::default();
        let mut choose =
            |ms: u64, excess: Option<(f64, u64)>, loss: Option<(f64, u64)>, current| {
                let conditions = ForwardConditions {
                    excess: excess.map(|(part, ms)| (part, at(ms, start))),
                    loss: loss.map(|(part, ms)| (part, at(ms, start))),
                    current: Some(current),
                    ..ForwardConditions::default()
                };
                selector.select(at(ms, start), &layers(), &conditions).layer
            };
        assert_eq!(choose(0, None, Some((0.0, 0)), 2), 2);
        // 1,190 kbit/s of it came.
        assert_eq!(choose(500, Some((0.3, 500)), Some((0.0, 0)), 2), 1);
        // The same is no news, and a report of the time before is none of the middle one.
        assert_eq!(choose(600, Some((0.3, 500)), Some((0.5, 900)), 2), 1);
        assert_eq!(choose(1_000, Some((0.3, 500)), Some((0.5, 900)), 1), 1);
        assert_eq!(choose(1_100, Some((0.4, 1_100)), Some((0.5, 900)), 1), 0);
        // Up a step after five seconds of nothing, and less soon when that was in vain.
        assert_eq!(choose(6_000, None, Some((0.0, 6_000)), 0), 0);
        assert_eq!(choose(6_200, None, Some((0.0, 6_200)), 0), 1);
        assert_eq!(choose(6_500, Some((0.4, 6_500)), Some((0.0, 6_200)), 1), 0);
        assert_eq!(choose(12_000, None, Some((0.0, 12_000)), 0), 0);
        assert_eq!(choose(17_000, None, Some((0.0, 17_000)), 0), 1);
    }

    /// The path carries the middle one: it is found within three reports, and what is too much is
    /// tried ever more rarely.
    #[test]
    fn losses_lead_down_at_once_and_up_with_patience() {
        let start = Instant::now();
        let mut selector = DefaultLayerSelector::default();
        let (mut current, mut tries) = (2, Vec::new());
        for second in 0..300u64 {
            let loss = if current == 2 { 0.4 } else { 0.0 };
            let now = at(second * 1_000, start);
            let conditions = ForwardConditions {
                loss: Some((loss, now)),
                ..ForwardConditions::default()
            };
            let before = current;
            // The same report is no news.
            for _ in 0..2 {
                current = selector.select(now, &layers(), &conditions).layer;
            }
            if before != 2 && current == 2 {
                tries.push(second);
            }
            assert!(second > 2 || current >= 1);
        }
        let pauses: Vec<u64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.is_sorted() && tries.len() <= 9, "{tries:?}");
        assert!(pauses.last().is_some_and(|pause| *pause >= 40), "{tries:?}");
    }
}
