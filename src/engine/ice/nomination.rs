//! Which pair is used: regular nomination (RFC 8445 section 8).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::IceAgent;
use super::pair::{Pair, PairKey, PairState};
use super::path::Path;
use super::{Candidate, Credentials, IceEvent, IceState, Role};

/// A nominated pair whose last answer is older than this is checked again before it is used.
const RECENT: Duration = Duration::from_secs(4);

/// A path that has carried for so long is one to keep, where that is wanted.
const SETTLED: Duration = Duration::from_secs(10);

/// How long the path before the last switch is still received on: the peer may switch later.
const RETIRED_PATH: Duration = Duration::from_secs(30);

impl IceAgent {
    /// The controlling side's choice: the best valid pair, at once if no better one is still
    /// being checked, and again whenever a better one turns out valid.
    pub(super) fn nominate(&mut self, now: Instant) {
        if let Some(key) = self.choose(now) {
            self.nominating = Some(key);
            if !self.send_check(now, key, true) {
                self.nominating = None;
            }
        }
    }

    fn choose(&self, now: Instant) -> Option<PairKey> {
        if self.effective_role() != Role::Controlling || self.nominating.is_some() {
            return None;
        }
        let best = self.best_valid()?;
        let priority = best.priority(Role::Controlling);
        let current = self
            .current_selected_key()
            .and_then(|key| self.pairs.iter().find(|p| p.key() == key));
        match current {
            // The path is silent: anything that has answered since is better.
            Some(_) if self.state == IceState::Disconnected => Some(best.key()),
            Some(_) if self.keeps_path(now) => None,
            Some(current) => (priority > current.priority(Role::Controlling)).then(|| best.key()),
            None => {
                let waited = self
                    .first_valid
                    .is_some_and(|at| now >= at + self.config.nomination_wait);
                (waited || !self.better_pending(priority)).then(|| best.key())
            }
        }
    }

    fn keeps_path(&self, now: Instant) -> bool {
        let settled = |path: &Path| now.saturating_duration_since(path.since) >= SETTLED;
        self.config.keep_path && self.selected.as_ref().is_some_and(settled)
    }

    fn best_valid(&self) -> Option<&Pair> {
        let silent_since = self
            .selected
            .as_ref()
            .filter(|p| self.state == IceState::Disconnected && p.generation == self.generation)
            .map(|p| (p.last_response, p.key()));
        self.pairs
            .iter()
            .filter(|p| p.state == PairState::Succeeded)
            .filter(|p| {
                silent_since.is_none_or(|(since, selected)| {
                    p.key() != selected && p.last_success.is_some_and(|at| at > since)
                })
            })
            .max_by_key(|p| p.priority(Role::Controlling))
    }

    fn better_pending(&self, priority: u64) -> bool {
        self.pairs.iter().any(|p| {
            matches!(p.state, PairState::Waiting | PairState::InProgress)
                && p.timeouts == 0
                && p.priority(Role::Controlling) > priority
        })
    }

    /// When the wait for a better pair ends.
    pub(super) fn nomination_timeout(&self) -> Option<Instant> {
        let waiting = self.effective_role() == Role::Controlling
            && self.nominating.is_none()
            && self.current_selected_key().is_none()
            && self.best_valid().is_some();
        self.first_valid
            .filter(|_| waiting)
            .map(|at| at + self.config.nomination_wait)
    }

    /// The controlled side's rule: the pair the controlling side nominated and we verified. Where
    /// several are nominated the highest priority wins, so that a late USE-CANDIDATE undoes
    /// nothing, unless the path in use is silent: then the nomination is the peer's way out.
    pub(super) fn follow_nomination(&mut self, now: Instant, key: PairKey) {
        let current = self.current_selected_key();
        // What this side chose by itself gives way, too.
        let own = self.selected.as_ref().is_some_and(|path| path.unasked_for);
        let silent = self.state == IceState::Disconnected || own;
        let role = self.effective_role();
        let current_priority = current
            .and_then(|c| self.pairs.iter().find(|p| p.key() == c))
            .map(|p| p.priority(role));
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        let priority = pair.priority(role);
        let recent = pair
            .last_success
            .is_some_and(|at| now.saturating_duration_since(at) < RECENT);
        if pair.state != PairState::Succeeded || !recent {
            // RFC 8445 section 7.3.1.5: when our own check has succeeded.
            pair.nominate_on_success = true;
            if pair.state == PairState::Succeeded && current != Some(key) {
                pair.state = PairState::Waiting;
                self.trigger(key);
            }
            return;
        }
        pair.nominate_on_success = false;
        pair.nominated = true;
        if silent || current_priority.is_none_or(|c| priority > c) {
            self.use_pair(now, key);
        }
    }

    pub(super) fn selected_is_better(&self, key: PairKey) -> bool {
        let priority = |key| {
            let pair = self.pairs.iter().find(|p| p.key() == key);
            pair.map(|p| p.priority(Role::Controlling))
        };
        self.state == IceState::Connected
            && self
                .current_selected_key()
                .is_some_and(|selected| priority(selected) > priority(key))
    }

    pub(super) fn use_pair(&mut self, now: Instant, key: PairKey) {
        let interval = self.consent_interval();
        let local_credentials = Arc::clone(&self.local);
        let Some(remote_credentials) = self.remote.clone() else {
            return;
        };
        let generation = self.generation;
        let nominates = self.effective_role() == Role::Controlling;
        let rto = nominates.then_some(self.config.rto);
        for pair in &mut self.pairs {
            pair.nominated = pair.key() == key;
        }
        let Some(pair) = self.pair_mut(key) else {
            return;
        };
        let last_response = pair.last_success.unwrap_or(now);
        let first = rto.unwrap_or(interval);
        let path = Path {
            local: Arc::clone(pair.mapped.as_ref().unwrap_or(&pair.local)),
            remote: Arc::clone(&pair.remote),
            base: key.0,
            generation,
            local_credentials,
            remote_credentials,
            since: now,
            last_response,
            last_consent: now,
            next_consent: last_response + first,
            unheard: rto,
            doubt: None,
            asked: None,
            last_asked: now,
            others_wanted: false,
            ask_at: None,
            last_probe: now,
            unasked_for: false,
            traffic: Default::default(),
        };
        self.select(now, path);
    }

    /// RFC 8445 section 7.3.1.1: pair priorities follow by themselves, they are computed from
    /// the role. A nomination under way is void.
    pub(super) fn switch_role(&mut self, role: Role) {
        self.role = Some(role);
        self.nominating = None;
        self.counters.role_conflicts += 1;
        self.push_event(IceEvent::Role(role));
    }

    pub(super) fn credentials_match(&self, receiver: &str, sender: &str) -> Option<Session> {
        let is = |local: &Credentials, remote: Option<&Credentials>| {
            local.ufrag == receiver && remote.is_none_or(|r| r.ufrag == sender)
        };
        if is(&self.local, self.remote.as_deref()) {
            return Some(match self.remote {
                Some(_) => Session::Current,
                None => Session::Early,
            });
        }
        let former = || self.former.iter().any(|former| former.ufrag == sender);
        if self.undecided && self.local.ufrag == receiver && !former() {
            return Some(Session::Early);
        }
        let mut paths = self.paths();
        let path = paths.find(|p| is(&p.local_credentials, Some(&p.remote_credentials)))?;
        Some(Session::Earlier {
            key: path.key(),
            local: Arc::clone(&path.local_credentials),
        })
    }

    /// Makes a path the one to send on.
    pub(super) fn select(&mut self, now: Instant, path: Path) {
        let same = self.selected_key() == Some(path.key())
            && self.selected.as_ref().map(|p| p.generation) == Some(path.generation);
        if same {
            return;
        }
        let event = IceEvent::Selected {
            local: Candidate::clone(&path.local),
            remote: Candidate::clone(&path.remote),
        };
        if let Some(old) = self.selected.replace(path) {
            self.retired = Some((old, now + RETIRED_PATH));
        }
        self.push_event(event);
        self.set_state(IceState::Connected);
    }
}

/// Whose credentials a request uses.
pub(super) enum Session {
    Current,
    /// Perhaps those that the peer is yet to tell.
    Early,
    /// Those of a path from before an ICE restart.
    Earlier {
        key: PairKey,
        local: Arc<Credentials>,
    },
}
