//! What comes from the peer all the time, and then stops: the path may have died.

use std::time::{Duration, Instant};

/// A look at what came, while something does. An idle connection is not woken.
const LOOK: Duration = Duration::from_millis(500);
/// So many datagrams of a look are a flow.
const FLOW: u64 = 5;

/// How long nothing may come on the path while something does from elsewhere.
const MOVED: Duration = Duration::from_millis(150);

#[derive(Debug)]
pub(super) struct Flow {
    /// What came on the path, but for checks of ICE.
    pub(super) received: u64,
    looked: Instant,
    before: u64,
    flows: bool,
    /// Since when all that comes does so from elsewhere, and what had come by then.
    elsewhere: Option<(Instant, u64)>,
}

impl Flow {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            received: 0,
            looked: now,
            before: 0,
            flows: false,
            elsewhere: None,
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.flows.then(|| self.looked + LOOK)
    }

    /// Whether it has stopped since the last look.
    pub(super) fn stopped(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.looked) < LOOK {
            return false;
        }
        let came = self.received.saturating_sub(self.before);
        let flowed = self.flows;
        (self.looked, self.before) = (now, self.received);
        // It may end within a look, which then has less of it.
        self.flows = came >= FLOW || (flowed && came > 0);
        flowed && came == 0
    }

    /// Something came from where no path is: whether that alone has come for a while.
    pub(super) fn moved(&mut self, now: Instant) -> bool {
        match self.elsewhere {
            Some((since, before)) if before == self.received => {
                now.saturating_duration_since(since) >= MOVED
            }
            _ => {
                self.elsewhere = Some((now, self.received));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_that_ends_within_a_look_has_stopped() {
        for last in [0, 1, FLOW - 1, FLOW] {
            let mut now = Instant::now();
            let mut flow = Flow::new(now);
            let mut look = |flow: &mut Flow, came| {
                now += LOOK;
                flow.received += came;
                flow.stopped(now)
            };
            assert!(!look(&mut flow, 25));
            if last > 0 {
                assert!(!look(&mut flow, last));
            }
            assert!(look(&mut flow, 0), "{last}");
            // Told once, and what is too little to be a flow does not stop.
            assert!(!look(&mut flow, 0));
            assert!(!look(&mut flow, FLOW - 1));
            assert!(!look(&mut flow, 0));
        }
    }
}
