//! What a connection has for others, which are locked by it: packets that they forward, key frames
//! that are asked of them, and that less is to be sent.

use std::time::Instant;

use super::shared::ConnectionShared;

impl ConnectionShared {
    /// With no lock held: two connections may have something for each other.
    pub(super) fn serve_others(&self) {
        loop {
            // One at a time, so that none of it needs room of its own.
            let offered = self.lock().receiving.take_offered();
            let Some(track) = offered else { break };
            track.hand_out(Instant::now());
        }
        loop {
            let strained = self.lock().strained.pop();
            let Some(track) = strained else { break };
            track.spare_path(Instant::now());
        }
        loop {
            let asked = self.lock().asked.pop();
            let Some(track) = asked else { break };
            track.ask_feeder(Instant::now());
        }
    }
}
