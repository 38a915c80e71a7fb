//! Which connection a datagram belongs to, when several share one port.
//!
//! STUN requests are told apart by both halves of their USERNAME, everything else by the remote
//! address, which is known once this side has sent a check there.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::member::{Member, MemberId};

/// Remote addresses remembered for one connection. When full, those go that ICE no longer has:
/// networks change, and what is new must find its way.
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
    /// The peer's fragments: after an ICE restart it still checks the old path with the old one.
    remote_ufrags: Vec<String>,
    /// The peer's current fragment is not known yet.
    undecided: bool,
    /// The peer's fragment of the first `connect`: that of its socket, mostly.
    claimed: Option<String>,
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
                remote_ufrags: Vec::new(),
                undecided: true,
                claimed: None,
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

    /// The fragments in use on both sides, those of paths from before an ICE restart included.
    /// `undecided`: the peer's present one is not known for sure.
    pub(crate) fn set_ufrags(
        &mut self,
        id: MemberId,
        local: Vec<String>,
        remote: Vec<String>,
        undecided: bool,
    ) {
        let Some(entry) = self.members.get_mut(&id) else {
            return;
        };
        entry.undecided = undecided;
        entry.remote_ufrags = remote;
        let before = std::mem::replace(&mut entry.local_ufrags, local);
        let entry = &*entry;
        for old in before
            .iter()
            .filter(|old| !entry.local_ufrags.contains(old))
        {
            if let Some(ids) = self.by_ufrag.get_mut(old) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    self.by_ufrag.remove(old);
                }
            }
        }
        for new in entry
            .local_ufrags
            .iter()
            .filter(|new| !before.contains(new))
        {
            self.by_ufrag.entry(new.clone()).or_default().push(id);
        }
    }

    /// The connection is about to connect to the peer that it knows. False when another one that
    /// is open does so already, or when the peer is this very socket: nothing in a datagram would
    /// tell the two apart.
    pub(crate) fn claim(&mut self, id: MemberId) -> bool {
        let Some(entry) = self.members.get(&id) else {
            return true;
        };
        let wanted = entry.remote_ufrags.clone();
        if wanted.iter().any(|ufrag| self.by_ufrag.contains_key(ufrag)) {
            return false;
        }
        let taken = self.members.iter().any(|(other, entry)| {
            let of = |ufrag: &String| {
                entry.claimed.as_ref() == Some(ufrag)
                    || (entry.claimed.is_some() && entry.remote_ufrags.contains(ufrag))
            };
            *other != id && wanted.iter().any(of) && entry.member.is_open()
        });
        if let Some(entry) = self.members.get_mut(&id).filter(|_| !taken) {
            entry.claimed = entry.claimed.take().or(wanted.into_iter().next());
        }
        !taken
    }

    /// Remembers that `id` has sent to `remote`.
    pub(crate) fn learn(&mut self, remote: SocketAddr, id: MemberId) {
        let known = self.by_addr.entry(remote).or_default();
        if known.contains(&id) {
            return;
        }
        let Some(entry) = self.members.get_mut(&id) else {
            if known.is_empty() {
                self.by_addr.remove(&remote);
            }
            return;
        };
        known.push(id);
        entry.addresses.push(remote);
        if entry.addresses.len() <= MAX_ADDRESSES {
            return;
        }
        let kept = entry.member.remotes();
        let (mut stay, mut gone): (Vec<_>, Vec<_>) = entry
            .addresses
            .drain(..)
            .partition(|addr| *addr == remote || kept.contains(addr));
        // More than ever are in use: the oldest go.
        let surplus = stay.len().saturating_sub(MAX_ADDRESSES);
        gone.extend(stay.drain(..surplus));
        entry.addresses = stay;
        for address in gone {
            if let Some(ids) = self.by_addr.get_mut(&address) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    self.by_addr.remove(&address);
                }
            }
        }
    }

    /// Whether the connection's peer has this fragment; any has none.
    pub(crate) fn has_remote_ufrag(&self, id: MemberId, ufrag: Option<&str>) -> bool {
        let Some(ufrag) = ufrag else {
            return true;
        };
        let entry = self.members.get(&id);
        entry.is_some_and(|entry| entry.remote_ufrags.iter().any(|known| known == ufrag))
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
        let mut waits = None;
        for id in ids {
            let entry = self.members.get(id)?;
            if entry.remote_ufrags.iter().any(|known| known == remote) {
                if entry.claimed.is_some() {
                    return Some(*id);
                }
                // Unless another one is connected to that peer.
                waits = waits.or(Some(*id));
                continue;
            }
            if entry.undecided {
                several |= undecided.is_some();
                undecided = Some(*id);
            }
        }
        waits.or(undecided.filter(|_| !several))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::engine::outgoing::Transmit;
    use crate::socket::member::{Gathered, Serviced};

    struct Nobody;

    impl Member for Nobody {
        fn datagram(&self, _: Instant, _: SocketAddr, _: SocketAddr, _: &mut [u8]) {}
        fn timeout(&self, _: Instant) {}
        fn resumed(&self, _: Instant, _: Duration) {}
        fn service(&self, _: &mut VecDeque<Transmit>) -> Serviced {
            Serviced {
                deadline: None,
                done: false,
            }
        }
        fn accepts(&self, _: SocketAddr, _: SocketAddr) -> bool {
            false
        }
        fn is_open(&self) -> bool {
            true
        }
        fn remotes(&self) -> Vec<SocketAddr> {
            vec![SocketAddr::from(([127, 0, 0, 1], 9))]
        }
        fn gathered(&self, _: Instant, _: &Gathered) {}
        fn remote_candidate(&self, _: Instant, _: crate::engine::ice::Candidate, _: Option<&str>) {}
        fn stream_ended(&self, _: Instant, _: SocketAddr, _: SocketAddr) {}
        fn withdrawn(&self, _: Instant, _: SocketAddr) {}
        fn end(&self, _: Instant, _: crate::DisconnectReason) {}
    }

    fn join(routes: &mut Routes, ufrag: &str) -> MemberId {
        let id = routes.allocate_id();
        routes.insert(id, Arc::new(Nobody), ufrag.to_owned());
        id
    }

    fn set(routes: &mut Routes, id: MemberId, local: &[&str], remote: &[&str], undecided: bool) {
        let own = |ufrags: &[&str]| ufrags.iter().map(|&ufrag| ufrag.to_owned()).collect();
        routes.set_ufrags(id, own(local), own(remote), undecided);
    }

    #[test]
    fn both_fragments_tell_connections_on_one_socket_apart() {
        let mut routes = Routes::default();
        let (a, b) = (join(&mut routes, "own"), join(&mut routes, "own"));
        assert_eq!(routes.by_username("own", "x"), None, "two could be meant");
        set(&mut routes, a, &["own"], &["x"], false);
        assert_eq!(routes.by_username("own", "x"), Some(a));
        assert_eq!(
            routes.by_username("own", "y"),
            Some(b),
            "the only undecided one"
        );
        set(&mut routes, b, &["own"], &["y"], false);
        assert_eq!(routes.by_username("own", "y"), Some(b));
        assert_eq!(routes.by_username("own", "z"), None);
        assert_eq!(routes.by_username("other", "x"), None);
    }

    #[test]
    fn a_restart_keeps_the_old_fragments_working() {
        let mut routes = Routes::default();
        let id = join(&mut routes, "own");
        set(&mut routes, id, &["own"], &["peer"], false);
        set(&mut routes, id, &["new", "own"], &["peer"], true);
        assert_eq!(routes.by_username("own", "peer"), Some(id));
        assert_eq!(routes.by_username("new", "early"), Some(id));
        set(&mut routes, id, &["new", "own"], &["peer2", "peer"], false);
        assert_eq!(routes.by_username("own", "peer"), Some(id));
        assert_eq!(routes.by_username("new", "peer2"), Some(id));
        assert_eq!(routes.by_username("new", "stranger"), None);
        // However often it restarts: the fragment of the path in use stays, the others go.
        for n in 0..100 {
            set(&mut routes, id, &[&format!("n{n}"), "own"], &["peer"], true);
        }
        assert_eq!(routes.by_username("own", "peer"), Some(id));
        assert_eq!(routes.by_ufrag.len(), 2);
    }

    #[test]
    fn nothing_is_left_of_a_connection_that_is_removed() {
        let mut routes = Routes::default();
        let id = join(&mut routes, "own");
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        routes.learn(remote, id);
        routes.set_deadline(id, Some(Instant::now() + Duration::from_secs(1)));
        assert_eq!(routes.by_address(remote), [id]);
        assert!(routes.remove(id).is_some());
        assert!(routes.by_ufrag.is_empty() && routes.by_addr.is_empty());
        assert!(routes.timers.is_empty() && routes.is_empty());
        routes.learn(remote, id);
        assert!(routes.by_addr.is_empty(), "nothing is learned for nobody");
    }

    /// A session that goes through many networks finds its way to the last one.
    #[test]
    fn r_d13_addresses_that_are_no_longer_in_use_make_room() {
        let mut routes = Routes::default();
        let id = join(&mut routes, "own");
        for port in 1..=5_000 {
            let remote = SocketAddr::from(([127, 0, 0, 1], port));
            routes.learn(remote, id);
            assert_eq!(routes.by_address(remote), [id]);
            assert!(routes.by_addr.len() <= MAX_ADDRESSES);
            let in_use = SocketAddr::from(([127, 0, 0, 1], 9));
            assert!(port < 9 || routes.by_address(in_use) == [id]);
        }
        routes.remove(id);
        assert!(routes.by_addr.is_empty());
    }

    #[test]
    fn usernames_are_read_from_binding_requests_only() {
        let mut request = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        request.extend_from_slice(&[7; 12]);
        request.extend_from_slice(&[0, 6, 0, 7]);
        request.extend_from_slice(b"own:abc\0");
        assert_eq!(request_username(&request), Some(("own", "abc")));
        for len in 0..request.len() - 1 {
            assert_eq!(request_username(&request[..len]), None, "{len}");
        }
        let mut response = request.clone();
        response[0] = 1;
        assert_eq!(request_username(&response), None);
        let mut nameless = request;
        nameless[21] = 0x24;
        assert_eq!(request_username(&nameless), None);
    }
}
