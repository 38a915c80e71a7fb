//! What is on the canvas, and what two sides say to have the same on it. Order, repetition and
//! ways around do not matter: state only grows towards one that is the same for all.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Clear, Draw, Have, Kept, KeptStroke, Mark, StrokePart, Want};
use super::stroke::{Colour, Known, MAX_POINTS, MAX_STROKES, Point, Stroke, StrokeId};
use crate::signalling::UserId;

/// Numbers so much beyond the greatest known, in milliseconds, are not believed.
const AHEAD: u64 = 86_400_000;
/// How long an answer may take before another is asked, in milliseconds.
const PATIENCE: u64 = 5_000;
/// Points and strokes of one message.
const BATCH: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Stroke(Known),
    Erased,
}

impl Entry {
    fn merge(&mut self, other: Self) -> bool {
        match (&mut *self, other) {
            (Self::Erased, _) => false,
            (Self::Stroke(_), Self::Erased) => {
                *self = Self::Erased;
                true
            }
            (Self::Stroke(own), Self::Stroke(other)) => own.merge(&other),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Erased => 65_535,
            Self::Stroke(known) => known.count(),
        }
    }
}

/// Whom something is said to: one, or all.
pub(super) type To = Option<UserId>;

/// What came of a message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// The picture is another.
    pub(super) changed: bool,
    /// To be sent.
    pub(super) say: Vec<(To, Draw)>,
}

#[derive(Debug)]
pub(super) struct Canvas {
    me: UserId,
    clear: u64,
    highest: u64,
    entries: BTreeMap<StrokeId, Entry>,
    /// Numbers of this user's strokes of this life: nobody else knows better.
    own: BTreeSet<u64>,
    /// What others said that they have, as far as it was not asked for.
    haves: BTreeMap<UserId, Have>,
    /// Whose strokes are asked for: of whom, and when.
    asked: BTreeMap<UserId, (UserId, u64)>,
    /// Own strokes of an earlier life came.
    learnt: bool,
    pub(super) refused: u64,
}

impl Canvas {
    pub(super) fn new(me: UserId) -> Self {
        Self {
            me,
            clear: 0,
            highest: 0,
            entries: BTreeMap::new(),
            own: Default::default(),
            haves: BTreeMap::new(),
            asked: BTreeMap::new(),
            learnt: false,
            refused: 0,
        }
    }

    /// From the lowest to the topmost.
    pub(super) fn strokes(&self) -> impl Iterator<Item = Stroke> + '_ {
        self.entries.iter().filter_map(|(id, entry)| match entry {
            Entry::Erased => None,
            Entry::Stroke(known) => Some(Stroke {
                id: id.clone(),
                colour: known.colour,
                width: known.width,
                points: known.path().collect(),
            }),
        })
    }

    // -- This user's part

    fn next(&mut self, now: u64) -> u64 {
        self.highest = self.highest.saturating_add(1).max(now);
        self.highest
    }

    /// A line, as one stroke or several; what is to be told.
    pub(super) fn draw(
        &mut self,
        now: u64,
        colour: Colour,
        width: u16,
        points: &[Point],
    ) -> Vec<Draw> {
        let mut told = Vec::new();
        let mut at = 0_usize;
        loop {
            let rest = points.get(at..).unwrap_or_default();
            let piece = rest.get(..MAX_POINTS).unwrap_or(rest);
            if piece.is_empty() || (piece.len() == 1 && !told.is_empty()) {
                return told;
            }
            // The next begins where this one ends.
            at = at.saturating_add(MAX_POINTS - 1);
            let id = StrokeId {
                n: self.next(now),
                by: self.me.clone(),
            };
            self.own.insert(id.n);
            if self.own.len() > MAX_STROKES {
                self.own.pop_first();
            }
            let part = StrokePart {
                id,
                colour,
                width,
                at: 0,
                points: piece.iter().flat_map(|point| [point.x, point.y]).collect(),
            };
            self.put(&part);
            told.push(Draw::Stroke(part));
        }
    }

    /// The latest of this user's strokes that is there is taken back.
    pub(super) fn undo(&mut self) -> Option<Draw> {
        let mine =
            |(id, entry): &(&StrokeId, &mut Entry)| id.by == self.me && **entry != Entry::Erased;
        let (id, entry) = self.entries.iter_mut().rev().find(mine)?;
        *entry = Entry::Erased;
        self.own.insert(id.n);
        Some(Draw::Erase(id.clone()))
    }

    pub(super) fn erase(&mut self, id: &StrokeId) -> Option<Draw> {
        if id.by != self.me || !self.entries.contains_key(id) {
            return None;
        }
        self.own.insert(id.n);
        self.merge(id.clone(), Entry::Erased)
            .then(|| Draw::Erase(id.clone()))
    }

    pub(super) fn clear(&mut self, now: u64) -> Draw {
        let n = self.next(now);
        self.cleared(n);
        Draw::Clear(Clear { n })
    }

    // -- State

    fn put(&mut self, part: &StrokePart) -> Option<bool> {
        let points = part.read()?;
        let known = Known {
            colour: part.colour,
            width: part.width,
            points,
        };
        Some(self.merge(part.id.clone(), Entry::Stroke(known)))
    }

    /// True if the picture is another.
    fn merge(&mut self, id: StrokeId, entry: Entry) -> bool {
        if id.n <= self.clear {
            return false;
        }
        self.highest = self.highest.max(id.n);
        let changed = match self.entries.entry(id) {
            std::collections::btree_map::Entry::Occupied(mut there) => there.get_mut().merge(entry),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(entry);
                true
            }
        };
        while self.entries.len() > MAX_STROKES {
            self.entries.pop_first();
        }
        changed
    }

    fn cleared(&mut self, n: u64) -> bool {
        if n <= self.clear {
            return false;
        }
        self.clear = n;
        self.highest = self.highest.max(n);
        self.entries.retain(|id, _| id.n > n);
        self.own.retain(|own| *own > n);
        true
    }

    // -- What others say

    pub(super) fn have(&self) -> Have {
        let mut by: BTreeMap<UserId, Mark> = BTreeMap::new();
        for (id, entry) in &self.entries {
            let mark = by.entry(id.by.clone()).or_default();
            mark.0 = mark.0.saturating_add(1);
            mark.1 = mark.1.wrapping_add(sum(id.n, entry.weight()));
        }
        Have {
            clear: self.clear,
            by,
        }
    }

    fn mark(&self, whose: &UserId) -> Mark {
        self.have().by.get(whose).copied().unwrap_or_default()
    }

    /// Whether somebody may tell of another's strokes: those who are there tell their own.
    fn may_tell(&self, from: &UserId, whose: &UserId, present: &dyn Fn(&UserId) -> bool) -> bool {
        from == whose || *whose == self.me || !present(whose)
    }

    pub(super) fn hear(
        &mut self,
        from: &UserId,
        draw: Draw,
        now: u64,
        present: &dyn Fn(&UserId) -> bool,
    ) -> Heard {
        let mut heard = Heard::default();
        let limit = self.highest.max(now).saturating_add(AHEAD);
        let right = match draw {
            Draw::Stroke(part) => match part.id.by == *from && part.id.n <= limit {
                true => self.put(&part),
                false => None,
            },
            Draw::Erase(id) => {
                (id.by == *from && id.n <= limit).then(|| self.merge(id, Entry::Erased))
            }
            Draw::Clear(Clear { n }) => (n <= limit).then(|| self.cleared(n)),
            Draw::Have(have) => (have.clear <= limit && have.is_bounded()).then(|| {
                let cleared = self.cleared(have.clear);
                self.haves.insert(from.clone(), have);
                self.ask(now, present, &mut heard.say);
                cleared
            }),
            Draw::Want(want) => (want.by.len() <= MAX_STROKES).then(|| {
                let told = |whose: &UserId| {
                    want.by.contains(whose)
                        && (*whose == self.me || whose == from || !present(whose))
                };
                heard.say = self.kept(from, told);
                false
            }),
            Draw::Kept(kept) => {
                let last = kept.last;
                let changed = self.take(from, kept, limit, present);
                if last {
                    self.asked.retain(|_, (of, _)| of != from);
                    if std::mem::take(&mut self.learnt) {
                        heard.say.push((None, Draw::Have(self.have())));
                    }
                    self.ask(now, present, &mut heard.say);
                }
                Some(changed)
            }
        };
        match right {
            Some(changed) => heard.changed = changed,
            None => self.refused = self.refused.saturating_add(1),
        }
        heard
    }

    /// Asks for what others have and this side has not, each user's of one at a time.
    fn ask(&mut self, now: u64, present: &dyn Fn(&UserId) -> bool, say: &mut Vec<(To, Draw)>) {
        self.asked
            .retain(|_, (_, at)| at.saturating_add(PATIENCE) > now);
        let own = self.have();
        for (from, mut have) in std::mem::take(&mut self.haves) {
            let mut wanted = Vec::new();
            have.by.retain(|whose, mark| {
                let same = own.by.get(whose) == Some(mark);
                if same || !self.may_tell(&from, whose, present) {
                    return !same;
                }
                if self.asked.contains_key(whose) {
                    return true;
                }
                self.asked.insert(whose.clone(), (from.clone(), now));
                wanted.push(whose.clone());
                false
            });
            if !wanted.is_empty() {
                say.push((Some(from.clone()), Draw::Want(Want { by: wanted })));
            }
            if !have.by.is_empty() && present(&from) {
                self.haves.insert(from, have);
            }
        }
    }

    /// Somebody left: those who are there may have heard different parts of what it drew.
    pub(super) fn left(&mut self, who: &UserId) -> Option<Draw> {
        self.haves.remove(who);
        self.asked.retain(|_, (of, _)| of != who);
        (self.mark(who) != Mark::default()).then(|| Draw::Have(self.have()))
    }

    /// All that may be told to somebody who cannot ask.
    pub(super) fn all_for(
        &self,
        to: &UserId,
        present: &dyn Fn(&UserId) -> bool,
    ) -> Vec<(To, Draw)> {
        let mut say = vec![(Some(to.clone()), Draw::Clear(Clear { n: self.clear }))];
        say.extend(self.kept(to, |whose| {
            *whose == self.me || whose == to || !present(whose)
        }));
        say
    }

    fn kept(&self, to: &UserId, told: impl Fn(&UserId) -> bool) -> Vec<(To, Draw)> {
        let mut batches = Vec::new();
        let (mut strokes, mut size) = (Vec::new(), 0_usize);
        for (id, entry) in self.entries.iter().filter(|(id, _)| told(&id.by)) {
            if size > BATCH {
                batches.push((std::mem::take(&mut strokes), false));
                size = 0;
            }
            size = size
                .saturating_add(entry.weight() % 65_535)
                .saturating_add(16);
            match entry {
                Entry::Erased => strokes.push(KeptStroke::Erased {
                    id: id.clone(),
                    erased: true,
                }),
                Entry::Stroke(known) => strokes.extend(runs(id, known)),
            }
        }
        batches.push((strokes, true));
        let draw = |(strokes, last)| (Some(to.clone()), Draw::Kept(Kept { strokes, last }));
        batches.into_iter().map(draw).collect()
    }

    fn take(
        &mut self,
        from: &UserId,
        kept: Kept,
        limit: u64,
        present: &dyn Fn(&UserId) -> bool,
    ) -> bool {
        let mut changed = false;
        for stroke in kept.strokes {
            let id = match &stroke {
                KeptStroke::Stroke(part) => part.id.clone(),
                KeptStroke::Erased { id, .. } => id.clone(),
            };
            let mine = id.by == self.me;
            let right = id.n <= limit && self.may_tell(from, &id.by, present);
            let known = mine && self.own.contains(&id.n);
            let merged = match stroke {
                _ if known => Some(false),
                _ if !right => None,
                KeptStroke::Stroke(part) => self.put(&part),
                KeptStroke::Erased { id, erased } => erased.then(|| self.merge(id, Entry::Erased)),
            };
            match merged {
                Some(new) => {
                    changed |= new;
                    self.learnt |= new && mine;
                }
                None => self.refused = self.refused.saturating_add(1),
            }
        }
        changed
    }
}

/// The pieces of a stroke that are there.
fn runs(id: &StrokeId, known: &Known) -> Vec<KeptStroke> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    for run in known.points.split(Option::is_none) {
        if !run.is_empty() {
            found.push(KeptStroke::Stroke(StrokePart {
                id: id.clone(),
                colour: known.colour,
                width: known.width,
                at,
                points: run
                    .iter()
                    .flatten()
                    .flat_map(|point| [point.x, point.y])
                    .collect(),
            }));
        }
        at = at.saturating_add(run.len()).saturating_add(1);
    }
    found
}

/// What a stroke adds to its user's mark: 32-bit multiplications, as pages have them.
fn sum(n: u64, weight: usize) -> u32 {
    let [low, weight] =
        [n, weight as u64].map(|number| u32::try_from(number & 0xffff_ffff).unwrap_or(0));
    (low ^ weight.wrapping_add(1).wrapping_mul(0x85eb_ca6b)).wrapping_mul(0x9e37_79b1)
}
