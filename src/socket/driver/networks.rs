//! The driver's part in networks that change.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Driver;

impl Driver {
    /// On every pass, which costs the look at a flag.
    pub(super) fn look_at_the_networks(&mut self) {
        if !self.shared.networks_changed.load(Ordering::Relaxed) {
            return;
        }
        self.shared.networks_changed.store(false, Ordering::Relaxed);
        let now = Instant::now();
        if self.winding_down || !self.shared.follow_networks(now) {
            return;
        }
        if self.pump_relays(now) {
            self.shared.poll_gathering(now);
        }
        self.service_all();
    }

    fn service_all(&mut self) {
        let members = self.shared.routes().members();
        for (id, _) in members {
            self.service(id);
        }
    }
}
