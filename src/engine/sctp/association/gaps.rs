//! What the peer says to have beyond its cumulative TSN (RFC 9260 section 6.2.1).

use super::news::News;
use super::sent::Fate;
use super::state::Association;
use crate::engine::sctp::wire::Sack;

impl Association {
    pub(super) fn acknowledge_gaps(&mut self, sack: &Sack<'_>, news: &mut News) {
        let outbox = &mut self.outbox;
        let limit = outbox.last_tsn().wrapping_sub(sack.cumulative);
        let first = outbox.sacked.advance(outbox.first_tsn);
        let mut sacked = std::mem::take(&mut outbox.sacked);
        let mut told = 0;
        for (start, end) in sack.gaps() {
            let (start, end) = (u64::from(start), u64::from(end).min(limit.into()));
            // In order and apart, as they should be; anything else is left out.
            if start > end || start <= told {
                continue;
            }
            told = end;
            // The first in flight is the one after the cumulative TSN.
            let base = first.saturating_sub(1);
            sacked.add(
                base.saturating_add(start),
                base.saturating_add(end),
                |number| {
                    let at = usize::try_from(number.saturating_sub(first)).ok();
                    if let Some(sent) = at.and_then(|at| outbox.sent.get_mut(at))
                        && matches!(sent.fate, Fate::InFlight | Fate::Lost)
                    {
                        if sent.fate == Fate::InFlight {
                            outbox.flight = outbox.flight.saturating_sub(sent.data.len());
                        }
                        sent.fate = Fate::Acked;
                        news.note(sent);
                    }
                },
            );
        }
        outbox.sacked = sacked;
    }
}
