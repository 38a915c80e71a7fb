//! When ICE is restarted by itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::engine::ice::{IceState, Role};

/// How long a path that is called silent may yet come back.
const SILENT: Duration = Duration::from_secs(8);
/// Between two restarts: the first pause, and the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(30);
/// What the controlled side leaves to the other: two that restart at once are one too many.
const TURN: Duration = Duration::from_secs(3);

const MAX_ADDRESSES: usize = 64;
/// New addresses seldom come alone.
const TOGETHER: Duration = Duration::from_millis(300);

#[derive(Debug, Default)]
pub(crate) struct AutoRestart {
    wanted: bool,
    was_connected: bool,
    next: Option<Instant>,
    attempts: u32,
    /// Where this side can be reached.
    addresses: VecDeque<SocketAddr>,
}

impl AutoRestart {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// ICE is in this state now.
    pub(crate) fn ice(&mut self, now: Instant, state: IceState, role: Option<Role>) {
        match state {
            IceState::Connected => {
                self.was_connected = true;
                self.next = None;
                self.attempts = 0;
            }
            IceState::Disconnected if self.next.is_none() => self.plan(now + SILENT, role),
            IceState::Failed if self.attempts == 0 => self.plan(now, role),
            IceState::Closed => self.wanted = false,
            _ => {}
        }
    }

    /// There is an address to be reached at. One that is new, while the path is `lost`, is a chance
    /// not to be put off.
    pub(crate) fn found(&mut self, now: Instant, address: SocketAddr, lost: bool) {
        if !self.wanted || self.addresses.contains(&address) {
            return;
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.pop_front();
        }
        self.addresses.push_back(address);
        if lost {
            self.next = self.next.map(|at| at.min(now + TOGETHER));
        }
    }

    pub(crate) fn withdrawn(&mut self, base: SocketAddr) {
        self.addresses.retain(|address| *address != base);
    }

    fn plan(&mut self, at: Instant, role: Option<Role>) {
        let turn = match role {
            Some(Role::Controlling) => Duration::ZERO,
            _ => TURN,
        };
        self.next = (self.wanted && self.was_connected).then_some(at + turn);
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is time; the next is planned then.
    pub(crate) fn is_due(&mut self, now: Instant, role: Option<Role>) -> bool {
        if self.next.is_none_or(|at| now < at) {
            return false;
        }
        self.postpone(now, role);
        true
    }

    /// A restart has begun, of either side: it gets its time.
    pub(crate) fn postpone(&mut self, now: Instant, role: Option<Role>) {
        if self.next.is_none() {
            return;
        }
        let pause = PAUSE.saturating_mul(1 << self.attempts.min(3)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        self.plan(now + pause, role);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);
    const ROLES: [Option<Role>; 2] = [Some(Role::Controlling), Some(Role::Controlled)];

    /// When it restarts within a time, if nobody answers.
    fn restarts(plan: &mut AutoRestart, start: Instant, role: Option<Role>, time: u32) -> Vec<u64> {
        let mut all = Vec::new();
        for second in 0..time {
            if plan.is_due(start + second * SEC, role) {
                all.push(u64::from(second));
            }
        }
        all
    }

    #[test]
    fn g008_restarts_grow_rare_and_the_controlled_side_waits_for_the_other() {
        let start = Instant::now();
        let expected: [&[u64]; 2] = [&[8, 13, 23, 43, 73, 103], &[11, 19, 32, 55, 88]];
        for (role, expected) in ROLES.into_iter().zip(expected) {
            let mut plan = AutoRestart::new(true);
            plan.ice(start, IceState::Connected, role);
            plan.ice(start, IceState::Disconnected, role);
            assert_eq!(restarts(&mut plan, start, role, 120), expected);
            plan.ice(start, IceState::Connected, role);
            assert_eq!(plan.timeout(), None);
        }
    }

    #[test]
    fn g008_one_restart_follows_the_end_of_consent_at_once() {
        let start = Instant::now();
        for (role, first) in ROLES.into_iter().zip([0, 3]) {
            let mut plan = AutoRestart::new(true);
            plan.ice(start, IceState::Connected, role);
            plan.ice(start, IceState::Failed, role);
            assert_eq!(restarts(&mut plan, start, role, 5), [first]);
            // That fails again: the pause goes on.
            let next = plan.timeout();
            plan.ice(start + 5 * SEC, IceState::Checking, role);
            plan.ice(start + 5 * SEC, IceState::Failed, role);
            assert_eq!(plan.timeout(), next);
        }
    }

    #[test]
    fn g008_nothing_restarts_that_never_was_connected_or_that_nobody_wants_to() {
        let start = Instant::now();
        for (wanted, connected) in [(true, false), (false, true)] {
            let mut plan = AutoRestart::new(wanted);
            if connected {
                plan.ice(start, IceState::Connected, ROLES[0]);
                plan.ice(start, IceState::Disconnected, ROLES[0]);
            }
            plan.ice(start, IceState::Failed, ROLES[0]);
            assert_eq!(plan.timeout(), None);
        }
    }

    #[test]
    fn g008_a_new_address_is_tried_at_once_and_those_known_are_not() {
        let start = Instant::now();
        let [old, new] = [1, 2].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
        let mut plan = AutoRestart::new(true);
        plan.found(start, old, false);
        plan.ice(start, IceState::Connected, ROLES[0]);
        plan.ice(start, IceState::Failed, ROLES[0]);
        assert!(plan.is_due(start, ROLES[0]));
        plan.found(start, old, true);
        assert_eq!(plan.timeout(), Some(start + PAUSE));
        plan.found(start + SEC, new, true);
        assert_eq!(plan.timeout(), Some(start + SEC + TOGETHER));
        // One that comes back is new.
        plan.withdrawn(old);
        plan.postpone(start + SEC, ROLES[0]);
        plan.found(start + 2 * SEC, old, true);
        assert_eq!(plan.timeout(), Some(start + 2 * SEC + TOGETHER));
    }

    /// The peer was quicker: its restart gets its time.
    #[test]
    fn g008_a_restart_of_the_peer_is_waited_for() {
        let start = Instant::now();
        let mut plan = AutoRestart::new(true);
        plan.ice(start, IceState::Connected, ROLES[1]);
        plan.ice(start, IceState::Disconnected, ROLES[1]);
        plan.postpone(start + 9 * SEC, ROLES[1]);
        assert_eq!(restarts(&mut plan, start, ROLES[1], 18), [17]);
    }
}
