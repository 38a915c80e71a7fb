//! The driver's part in what follows the sleep of a machine.

use std::time::{Duration, Instant};

use super::Driver;
use crate::queue::lock;
use crate::socket::member::with;
use crate::trace;

impl Driver {
    /// On every pass, so that it costs no wake-up: after sleep the first timer or datagram tells.
    pub(super) fn look_at_the_clocks(&mut self) {
        let now = Instant::now();
        let shared = &self.shared;
        let wall = || shared.wall_clock.now();
        if let Some(slept) = self.sleep_watch.slept(now, wall, Instant::now) {
            tracing::debug!(target: trace::SOCKET, parent: self.shared.span(), ?slept, "the machine slept, or its clock was set");
            self.resumed(now, slept);
        }
    }

    fn resumed(&mut self, now: Instant, slept: Duration) {
        // Permissions first: the checks of the connections may go through relays.
        self.relays.resumed(now);
        self.pump_relays(now);
        self.flush_relays(now);
        if let Some(gatherer) = &mut lock(&self.shared.gathering).gatherer {
            gatherer.resumed(now);
        }
        self.shared.poll_gathering(now);
        let members = self.shared.routes().members();
        for (id, member) in members {
            with(now, &member, |member| member.resumed(now, slept));
            self.service(id);
        }
    }
}
