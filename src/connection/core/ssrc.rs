//! The SSRCs of a connection: each is used once, and given up when the peer uses it (RFC 3550
//! section 8.2).

use std::time::Instant;

use super::state::ConnectionState;
use super::state::removed;
use crate::error::Result;
use crate::media::sending::SendingTrack;

impl ConnectionState {
    /// RFC 3550 section 8.2: BYE for the SSRC that collides, then a new one.
    pub(super) fn replace_ssrc(&mut self, now: Instant, old: u32) -> Option<u32> {
        let new = self.fresh_ssrc();
        if !self.sending.values().any(|track| track.ssrc == old) {
            return self.replace_rtx_ssrc(old, new);
        }
        self.change_ssrc(now, old, new).ok()?;
        Some(new)
    }

    pub(crate) fn change_ssrc(&mut self, now: Instant, old: u32, new: u32) -> Result<()> {
        let rtx = self.fresh_ssrc();
        let of_old = |(_, track): &(&u32, &mut SendingTrack)| track.ssrc == old;
        let (&key, track) = self.sending.iter_mut().find(of_old).ok_or_else(removed)?;
        let (clock_rate, mid) = (track.clock_rate(), track.mid.clone());
        self.engine.media_mut().add_sender(new, clock_rate, mid)?;
        self.engine.remove_sender(now, old);
        track.ssrc = new;
        track.rtx_ssrc = rtx;
        if let Some(next) = self.engine.media().next_sequence(new) {
            track.go_on_with(next);
        }
        self.sync_encodings(key);
        Ok(())
    }

    pub(crate) fn uses_ssrc(&self, ssrc: u32) -> bool {
        self.sending.values().any(|track| track.uses_ssrc(ssrc)) || self.receiving.uses_ssrc(ssrc)
    }

    pub(crate) fn fresh_ssrc(&self) -> u32 {
        loop {
            let ssrc = crate::random::u32();
            if ssrc != 0 && !self.uses_ssrc(ssrc) {
                return ssrc;
            }
        }
    }
}
