//! Pairs that wait outside of the checklist, and which of all is checked sooner.

use std::net::IpAddr;
use std::sync::Arc;

use super::pair::{Pair, PairKey, key_of, priority};
use super::{Candidate, Role};

/// A pair beyond the limit of the checklist.
pub(super) struct Spare {
    pub(super) local: Arc<Candidate>,
    pub(super) remote: Arc<Candidate>,
    /// Tries in vain.
    pub(super) timeouts: u32,
}

/// Greater is checked sooner: what was tried less often, so that a hopeless pair delays none; then
/// neighbours, since on a host with many bridges any other pair is unlikely; then the priority.
pub(super) type Rank = (u32, bool, u64);

fn rank(local: &Candidate, remote: &Candidate, timeouts: u32, role: Role) -> Rank {
    let near = near(local.base.ip(), remote.addr.ip());
    let priority = priority(local.priority, remote.priority, role);
    (u32::MAX - timeouts, near, priority)
}

/// Whether the two are likely to be on one link.
fn near(base: IpAddr, remote: IpAddr) -> bool {
    match (base, remote) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a
            .octets()
            .iter()
            .zip(b.octets())
            .take(3)
            .all(|(a, b)| *a == b),
        (IpAddr::V6(a), IpAddr::V6(b)) => a
            .segments()
            .iter()
            .zip(b.segments())
            .take(4)
            .all(|(a, b)| *a == b),
        _ => false,
    }
}

impl Spare {
    pub(super) fn key(&self) -> PairKey {
        key_of(&self.local, &self.remote)
    }

    pub(super) fn rank(&self, role: Role) -> Rank {
        rank(&self.local, &self.remote, self.timeouts, role)
    }
}

impl Pair {
    pub(super) fn rank(&self, role: Role) -> Rank {
        rank(&self.local, &self.remote, self.timeouts, role)
    }
}

/// Local and remote type of a pair, as an index.
pub(super) fn pair_type(local: &Candidate, remote: &Candidate) -> usize {
    local.kind as usize * 4 + remote.kind as usize
}
