//! Beginning with a key frame that has come already.

use std::time::Instant;

use super::fan::{Fan, FanBatch};
use super::forward_state::State;
use super::kept::catch_up;
use super::outlets::Outlets;
use crate::media::Kind;
use crate::rtp::RtpPacket;

impl State {
    /// Whether a connection would send what is forwarded now.
    pub(super) fn is_taken(&self, outlets: &Outlets) -> bool {
        let mut taken = false;
        let _ = outlets.for_each(|sink, key| {
            taken |= sink.takes(key);
            Ok(())
        });
        taken
    }

    /// Whether packets are of what goes out.
    pub(super) fn is_current(&self, batch: &FanBatch<'_>, packets: &[RtpPacket]) -> bool {
        let ssrc = packets.first().map(|packet| packet.ssrc);
        self.current
            .is_some_and(|current| current.fan == batch.source.id() && Some(current.ssrc) == ssrc)
    }

    /// Whether there is a key frame to begin with that has come already. Each once: who asks again
    /// needs another one, and is not sent the same over and over.
    pub(super) fn may_begin_earlier(&self, now: Instant, fan: &Fan) -> bool {
        let came = fan.kept_since(now);
        came.is_some() && came != self.began_earlier && !self.begins_anew
    }

    /// Whether the receiver can have in half a second what came since the key frame.
    fn can_catch_up(&self, kept: &[RtpPacket]) -> bool {
        let first = kept.first().map(|packet| packet.timestamp);
        let since = kept.iter().filter(|p| Some(p.timestamp) != first);
        let bytes: usize = since.map(|packet| packet.payload.len()).sum();
        let bits = (bytes as u64).saturating_mul(8);
        self.conditions.bitrate.is_none_or(|rate| bits <= rate / 2)
    }

    /// Begins with a key frame that has come already, and with all since; true to have another one
    /// asked for.
    pub(super) fn begin_earlier(
        &mut self,
        kind: Kind,
        batch: &FanBatch<'_>,
        (came, kept): (Instant, &[RtpPacket]),
        outlets: &Outlets,
    ) -> bool {
        if self.begins_anew || self.began_earlier == Some(came) || !self.can_catch_up(kept) {
            return true;
        }
        let present = kept.last().map(|newest| newest.timestamp);
        let room = kept.len() as u32;
        let is_ahead = |present| self.rewriter.is_ahead(present, room);
        if self.is_current(batch, kept) && !present.is_some_and(is_ahead) {
            // With the next picture.
            return false;
        }
        let (stats, fed) = (self.stats, batch.packets.len() as u64);
        let batch = FanBatch {
            packets: kept,
            gap: false,
            present,
            ..*batch
        };
        if self.take(kind, &batch) || self.waiting {
            self.stats = stats;
            self.placed.clear();
            return true;
        }
        // They were counted as passed over, and are not.
        self.stats.passed_over = self.stats.passed_over.saturating_sub(fed);
        self.began_earlier = Some(came);
        catch_up(&mut self.placed, kept);
        self.send(&batch, outlets);
        false
    }
}
