//! Room in the checklist: pairs beyond its limit (RFC 8445 section 6.1.2.5) wait outside and take
//! the places of those that were tried in vain.

use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::pair::{Pair, PairKey, PairState, Purpose};
use super::spare::{Spare, pair_type};

/// Pairs that wait outside of the checklist. A check each 50 ms comes to 790 of them within the
/// patience of RFC 8863.
const MAX_SPARES: usize = 1_024;
/// A check that was not answered for this long may make room; a later answer counts all the same.
const CHANCE: Duration = Duration::from_millis(500);
/// How long the response to a check that made room still counts.
const REMEMBER: Duration = Duration::from_secs(30);

impl IceAgent {
    pub(super) fn spare(&mut self, spare: Spare) {
        self.spares.push(spare);
        if self.spares.len() <= MAX_SPARES {
            return;
        }
        let role = self.effective_role();
        let mut number = [0u32; 16];
        for spare in &self.spares {
            if let Some(number) = number.get_mut(pair_type(&spare.local, &spare.remote)) {
                *number += 1;
            }
        }
        // The last of a type stays.
        let several = |s: &Spare| {
            let number = number.get(pair_type(&s.local, &s.remote));
            number.is_some_and(|number| *number > 1)
        };
        let worst = self.spares.iter().enumerate().filter(|(_, s)| several(s));
        if let Some((worst, _)) = worst.min_by_key(|(_, s)| s.rank(role)) {
            self.spares.swap_remove(worst);
        }
        self.counters.pairs_dropped += 1;
    }

    /// Takes a spare pair into the checklist if there is room or can be made; always, if the peer
    /// was `heard` on it, as long as any pair is not selected.
    pub(super) fn admit(&mut self, now: Instant, key: PairKey, heard: bool) -> bool {
        let Some(at) = self.spares.iter().position(|s| s.key() == key) else {
            return false;
        };
        let timeouts = self.spares.get(at).map_or(0, |s| s.timeouts);
        let victim = match self.pairs.len() < self.config.max_pairs {
            true => None,
            false => match self.room(Some(now), timeouts, heard) {
                Some((victim, _)) => Some(victim),
                None => return false,
            },
        };
        let spare = self.spares.swap_remove(at);
        let mut pair = Pair::new(now, spare.local, spare.remote);
        pair.timeouts = spare.timeouts;
        pair.heard = heard;
        self.pairs.push(pair);
        if let Some(victim) = victim {
            self.set_aside(now, victim);
        }
        true
    }

    /// When there is room for a spare pair that was tried that often; `None`: at no time. The
    /// inner `None` is at once.
    pub(super) fn room_at(&self, timeouts: u32) -> Option<Option<Instant>> {
        if self.pairs.len() < self.config.max_pairs {
            return Some(None);
        }
        self.room(None, timeouts, false).map(|(_, at)| at)
    }

    /// The pair that gives way first, and from when on: one that failed, else the last in the
    /// order of checks, else the one that is unanswered the longest. Never one that works or that
    /// the peer was heard on, unless another such takes its place.
    fn room(
        &self,
        now: Option<Instant>,
        timeouts: u32,
        heard: bool,
    ) -> Option<(PairKey, Option<Instant>)> {
        let role = self.effective_role();
        let selected = self.selected_key();
        let class = |p: &Pair| {
            let unanswered = p.started.map(|at| at + CHANCE);
            match p.state {
                _ if p.heard => heard.then_some((3, None)),
                PairState::Failed => Some((0, None)),
                PairState::Waiting => Some((1, None)),
                PairState::InProgress if heard => Some((2, None)),
                PairState::InProgress if p.timeouts < timeouts => None,
                PairState::InProgress => Some((2, unanswered)),
                PairState::Succeeded => None,
            }
        };
        self.pairs
            .iter()
            .filter(|p| p.state != PairState::Succeeded)
            .filter(|p| Some(p.key()) != selected && Some(p.key()) != self.nominating)
            .filter_map(|p| class(p).map(|(class, at)| (class, at, p)))
            .filter(|(_, at, _)| now.is_none_or(|now| at.is_none_or(|at| at <= now)))
            .min_by_key(|(class, at, p)| (*class, *at, p.rank(role)))
            .map(|(_, at, p)| (p.key(), at))
    }

    fn set_aside(&mut self, now: Instant, key: PairKey) {
        let Some(at) = self.pairs.iter().position(|p| p.key() == key) else {
            return;
        };
        let pair = self.pairs.swap_remove(at);
        self.triggered.retain(|k| *k != key);
        for t in &mut self.transactions {
            if t.key == key && t.live && t.purpose != Purpose::Consent {
                t.live = false;
                t.next_at = now + REMEMBER;
            }
        }
        let tried = pair.state != PairState::Waiting;
        self.spare(Spare {
            timeouts: pair.timeouts.saturating_add(u32::from(tried)),
            local: pair.local,
            remote: pair.remote,
        });
    }
}
