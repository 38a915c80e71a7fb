//! Which connection a datagram belongs to, when several share one port.
//!
//! STUN requests are told apart by both halves of their USERNAME, everything else by the remote
//! address, which is known once this side has sent a check there.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{Member, MemberId};

/// Remote addresses remembered for one connection; ICE has at most 100 pairs.
const MAX_ADDRESSES: usize = 512;

#[derive(Default)]
pub(crate) struct Routes {
    next_id: u64,
    members: HashMap<MemberId, Entry>,
    by_ufrag: HashMap<String, Vec<MemberId>>,
    by_addr: HashMap<SocketAddr, Vec<MemberId>>,
    timers: BTreeSet<(Instant, MemberId)>,
}

struct Entry {
    member: Arc<dyn Member>,
    local_ufrags: Vec<String>,
    remote_ufrag: Option<String>,
    addresses: Vec<SocketAddr>,
    deadline: Option<Instant>,
}

impl Routes {
    pub(crate) fn allocate_id(&mut self) -> MemberId {
        self.next_id += 1;
        MemberId(self.next_id)
    }

    pub(crate) fn insert(&mut self, id: MemberId, member: Arc<dyn Member>, local_ufrag: String) {
        self.by_ufrag
            .entry(local_ufrag.clone())
            .or_default()
            .push(id);
        self.members.insert(
            id,
            Entry {
                member,
                local_ufrags: vec![local_ufrag],
                remote_ufrag: None,
                addresses: Vec::new(),
                deadline: None,
            },
        );
    }

    pub(crate) fn remove(&mut self, id: MemberId) -> Option<Arc<dyn Member>> {
        let entry = self.members.remove(&id)?;
        if let Some(deadline) = entry.deadline {
            self.timers.remove(&(deadline, id));
        }
        for ufrag in &entry.local_ufrags {
            if let Some(ids) = self.by_ufrag.get_mut(ufrag) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    self.by_ufrag.remove(ufrag);
                }
            }
        }
        for address in &entry.addresses {
            if let Some(ids) = self.by_addr.get_mut(address) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    self.by_addr.remove(address);
                }
            }
        }
        Some(entry.member)
    }

    pub(crate) fn set_remote_ufrag(&mut self, id: MemberId, ufrag: String) {
        if let Some(entry) = self.members.get_mut(&id) {
            entry.remote_ufrag = Some(ufrag);
        }
    }

    /// After an ICE restart both the old and the new fragment lead to the connection.
    pub(crate) fn add_local_ufrag(&mut self, id: MemberId, ufrag: String) {
        if let Some(entry) = self.members.get_mut(&id) {
            entry.local_ufrags.push(ufrag.clone());
            entry.remote_ufrag = None;
            self.by_ufrag.entry(ufrag).or_default().push(id);
        }
    }

    /// Remembers that `id` has sent to `remote`.
    pub(crate) fn learn(&mut self, remote: SocketAddr, id: MemberId) {
        let known = self.by_addr.entry(remote).or_default();
        if known.contains(&id) {
            return;
        }
        if let Some(entry) = self.members.get_mut(&id)
            && entry.addresses.len() < MAX_ADDRESSES
        {
            known.push(id);
            entry.addresses.push(remote);
        } else if known.is_empty() {
            self.by_addr.remove(&remote);
        }
    }

    pub(crate) fn get(&self, id: MemberId) -> Option<&Arc<dyn Member>> {
        self.members.get(&id).map(|entry| &entry.member)
    }

    pub(crate) fn members(&self) -> Vec<(MemberId, Arc<dyn Member>)> {
        self.members
            .iter()
            .map(|(&id, entry)| (id, entry.member.clone()))
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The connection that a STUN request with this USERNAME is for.
    ///
    /// While a connection does not know its peer's fragment yet it takes requests for its own,
    /// provided that it is the only such one.
    pub(crate) fn by_username(&self, local: &str, remote: &str) -> Option<MemberId> {
        let ids = self.by_ufrag.get(local)?;
        let mut undecided = None;
        let mut several = false;
        for id in ids {
            match self.members.get(id)?.remote_ufrag.as_deref() {
                Some(known) if known == remote => return Some(*id),
                Some(_) => {}
                None => {
                    several |= undecided.is_some();
                    undecided = Some(*id);
                }
            }
        }
        if several { None } else { undecided }
    }

    /// The connections that have sent to `remote`; nearly always one.
    pub(crate) fn by_address(&self, remote: SocketAddr) -> &[MemberId] {
        self.by_addr.get(&remote).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn set_deadline(&mut self, id: MemberId, deadline: Option<Instant>) {
        let Some(entry) = self.members.get_mut(&id) else {
            return;
        };
        if entry.deadline == deadline {
            return;
        }
        if let Some(old) = entry.deadline {
            self.timers.remove(&(old, id));
        }
        entry.deadline = deadline;
        if let Some(new) = deadline {
            self.timers.insert((new, id));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|&(deadline, _)| deadline)
    }

    /// Takes the connections whose time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<MemberId> {
        let mut due = Vec::new();
        while let Some(&(deadline, id)) = self.timers.first()
            && deadline <= now
        {
            self.timers.pop_first();
            if let Some(entry) = self.members.get_mut(&id) {
                entry.deadline = None;
            }
            due.push(id);
        }
        due
    }
}

/// Both halves of the USERNAME of a STUN Binding request, `None` for anything else.
///
/// RFC 8445 section 7.2.2: the USERNAME of a check is "receiver's fragment:sender's fragment".
pub(crate) fn request_username(datagram: &[u8]) -> Option<(&str, &str)> {
    const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
    const USERNAME: u16 = 0x0006;
    // RFC 8489 section 5: type, length, magic cookie, transaction id.
    let (header, mut attributes) = datagram.split_at_checked(20)?;
    if header.get(..2)? != BINDING_REQUEST {
        return None;
    }
    // RFC 8489 section 14: type and length, value padded to 4 bytes.
    while let Some((head, rest)) = attributes.split_at_checked(4) {
        let kind = u16::from_be_bytes([*head.first()?, *head.get(1)?]);
        let len = usize::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]));
        let value = rest.get(..len)?;
        if kind == USERNAME {
            return std::str::from_utf8(value).ok()?.split_once(':');
        }
        attributes = rest.get(len.checked_next_multiple_of(4)?..)?;
    }
    None
}
