//! The contributing sources of a received track (RFC 3550 section 5.1, RFC 6465).

// Rows B54, G38.

#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use crate::rtp::{RtpPacket, decode_csrc_audio_levels};

/// A source not heard for so long no longer contributes.
const WINDOW: Duration = Duration::from_secs(10);
/// A packet names at most 15; a mixer that names ever new ones fills no memory.
const MAX_CONTRIBUTORS: usize = 64;

/// A source whose media a mixer has put into the packets of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RTCContributor {
    /// The contributing source.
    pub csrc: u32,
    /// How loud it is in -dBov, 0 (loudest) to 127 (silence), when the mixer says so and the
    /// connection has the header extension of RFC 6465.
    pub level: Option<u8>,
    /// When a packet last named it.
    pub heard: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Contributors {
    list: Vec<RTCContributor>,
}

impl Contributors {
    /// Whether a packet without contributing sources has nothing to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes note of a packet; true when the set of contributors has changed.
    pub(crate) fn packet(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        level_id: Option<u8>,
    ) -> bool {
        let before = self.list.len();
        self.list.retain(|known| fresh(known, now));
        let mut changed = before != self.list.len();
        let levels = level_id.and_then(|id| packet.extensions.get(id));
        let mut levels = levels.map(decode_csrc_audio_levels).into_iter().flatten();
        for &csrc in &packet.csrcs {
            let contributor = RTCContributor {
                csrc,
                level: levels.next(),
                heard: now,
            };
            let full = self.list.len() >= MAX_CONTRIBUTORS;
            match self.list.iter_mut().find(|known| known.csrc == csrc) {
                Some(known) => *known = contributor,
                None if !full => {
                    self.list.push(contributor);
                    changed = true;
                }
                None => {}
            }
        }
        changed
    }

    /// Those of the last ten seconds, in the order they appeared.
    pub(crate) fn get(&self, now: Instant) -> Vec<RTCContributor> {
        let list = self.list.iter().filter(|known| fresh(known, now));
        list.copied().collect()
    }
}

fn fresh(known: &RTCContributor, now: Instant) -> bool {
    now.saturating_duration_since(known.heard) < WINDOW
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn packet(csrcs: &[u32], levels: &[u8]) -> RtpPacket {
        let mut packet = RtpPacket {
            csrcs: csrcs.to_vec(),
            ..RtpPacket::default()
        };
        packet.extensions.insert(5, levels).unwrap();
        packet
    }

    #[test]
    fn g038_contributors_with_levels_change_and_age() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut known = Contributors::default();
        let mut hear = |seconds, csrcs: &[u32], levels: &[u8]| {
            let changed = known.packet(at(seconds), &packet(csrcs, levels), Some(5));
            let list: Vec<_> = known
                .get(at(seconds))
                .iter()
                .map(|one| (one.csrc, one.level))
                .collect();
            (changed, list)
        };
        assert_eq!(hear(0, &[], &[]), (false, vec![]));
        assert_eq!(hear(0, &[1], &[30]), (true, vec![(1, Some(30))]));
        assert_eq!(hear(1, &[1], &[0x80 | 31]), (false, vec![(1, Some(31))]));
        let two = vec![(1, Some(9)), (2, None)];
        assert_eq!(hear(5, &[1, 2], &[9]), (true, two));
        assert_eq!(
            hear(14, &[2], &[7]),
            (false, vec![(1, Some(9)), (2, Some(7))])
        );
        assert_eq!(hear(15, &[2], &[7]), (true, vec![(2, Some(7))]));
        assert_eq!(hear(30, &[], &[]), (true, vec![]));
        for csrc in 0..1_000 {
            hear(31, &[csrc], &[]);
        }
        assert_eq!(known.get(at(31)).len(), MAX_CONTRIBUTORS);
    }
}
