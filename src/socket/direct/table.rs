//! The connections of a socket to peers over TCP: whose each is, and how many there may be.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinSet};

use super::frame::framed;
use super::run;
use crate::engine::demux::{Protocol, classify};
use crate::engine::ice::TcpType;
use crate::engine::outgoing::Transmit;
use crate::socket::inbox::Inbox;
use crate::socket::member::MemberId;
use crate::socket::streams::{Inlet, Outlet, outlet};
use crate::socket::udp::canonical;
use crate::tasks::{self, Task};

/// Batches of datagrams that wait for the driver, of all streams.
const MAX_WAITING: usize = 16;
/// Connections that nobody has claimed yet; beyond, the oldest is closed.
const MAX_STRANGERS: usize = 128;
/// The same of one address, or of one network of IPv6 (/64).
const MAX_STRANGERS_OF_ONE: usize = 32;
/// A stranger's time to say whom it is for.
const STRANGER: Duration = Duration::from_secs(5);
/// Connections of one connection of ours, of either direction.
const MAX_OF_MEMBER: usize = 32;
/// One that we began and ICE has not verified by then is closed; it may be begun again.
const UNPROVEN: Duration = Duration::from_secs(15);
/// The same of one that was accepted, after its time as a stranger: a user fragment is no secret, so
/// whoever has it is a stranger still, and strangers have 10 s together.
const CLAIMED: Duration = Duration::from_secs(5);
/// No second connection to the same address sooner.
const REDIAL: Duration = Duration::from_secs(1);
/// What was to be sent before the end may take so long.
const LINGER: Duration = Duration::from_millis(500);
/// How long none is accepted after an error, as there is when descriptors run out.
const DEAF: Duration = Duration::from_millis(100);

/// One connection over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::socket) struct DirectId(u64);

/// Base and remote address of a pair.
pub(in crate::socket) type Path = (SocketAddr, SocketAddr);

/// What there is of the connections.
pub(in crate::socket) enum DirectNews {
    /// One more, or none for now: the timers changed.
    Accepted,
    /// Whole frames, one behind the other.
    Came(DirectId, BytesMut),
    /// One of this member's is gone.
    Ended(MemberId, Path),
}

struct Open {
    outlet: Outlet,
    task: AbortHandle,
    path: Path,
    /// `None`: a stranger.
    member: Option<MemberId>,
    /// When it is closed, unless it shows what it is for.
    until: Option<Instant>,
}

/// The connections of a socket to peers over TCP.
pub(in crate::socket) struct Direct {
    listener: Option<TcpListener>,
    deaf_until: Option<Instant>,
    tasks: JoinSet<()>,
    names: HashMap<Id, DirectId>,
    open: HashMap<DirectId, Open>,
    paths: HashMap<(MemberId, Path), DirectId>,
    /// No `until` is before.
    due: Option<Instant>,
    /// When connections were begun, for as long as no second one may be.
    dialled: HashMap<(MemberId, Path), Instant>,
    closing: VecDeque<(Instant, AbortHandle)>,
    last_id: u64,
    dropped: Arc<AtomicU64>,
    inbox: Inbox<(DirectId, BytesMut)>,
}

impl Direct {
    /// `dropped` counts datagrams that had no room, or became too old while they waited.
    pub(in crate::socket) fn new(listener: Option<TcpListener>, dropped: Arc<AtomicU64>) -> Self {
        Self {
            listener,
            deaf_until: None,
            tasks: JoinSet::new(),
            names: HashMap::new(),
            open: HashMap::new(),
            paths: HashMap::new(),
            due: None,
            dialled: HashMap::new(),
            closing: VecDeque::new(),
            last_id: 0,
            dropped,
            inbox: Inbox::new(MAX_WAITING),
        }
    }

    /// Whether there is nothing to wait for.
    pub(in crate::socket) fn is_idle(&self) -> bool {
        self.listener.is_none() && self.tasks.is_empty()
    }

    /// Sends on the connection of this path; begins one where that is for this side to do.
    pub(in crate::socket) fn send(&mut self, now: Instant, member: MemberId, transmit: &Transmit) {
        let path = (transmit.local, transmit.remote);
        let (frames, count) = framed(&transmit.contents, transmit.segment_size);
        // What ICE lives by has room of its own, and says to the peer whose connection it is.
        let stun = classify(&transmit.contents) == Some(Protocol::Stun);
        let media = if stun { 0 } else { count };
        let known = self.paths.get(&(member, path)).copied();
        let id = match known {
            None if stun => self.dial(now, member, path),
            known => known,
        };
        let open = id.and_then(|id| self.open.get(&id));
        if !open.is_some_and(|open| open.outlet.push(frames, media)) {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn dial(&mut self, now: Instant, member: MemberId, path: Path) -> Option<DirectId> {
        let (base, remote) = path;
        if base.port() != TcpType::Active.base_port() {
            return None;
        }
        self.dialled
            .retain(|_, at| now.saturating_duration_since(*at) < REDIAL);
        if self.dialled.contains_key(&(member, path)) || !self.has_room(member) {
            return None;
        }
        self.dialled.insert((member, path), now);
        let (outlet, end) = outlet(self.dropped.clone());
        let (id, inlet) = self.name();
        let task = run::dial(base, remote, end, inlet);
        let task = tasks::spawn_in(&mut self.tasks, Task::PeerStream, task);
        let open = Open {
            outlet,
            task,
            path,
            member: Some(member),
            until: Some(now + UNPROVEN),
        };
        self.insert(id, open);
        self.paths.insert((member, path), id);
        Some(id)
    }

    fn has_room(&self, member: MemberId) -> bool {
        let of = |open: &&Open| open.member == Some(member);
        self.open.values().filter(of).count() < MAX_OF_MEMBER
    }

    fn name(&mut self) -> (DirectId, Inlet<DirectId>) {
        self.last_id = self.last_id.wrapping_add(1);
        let id = DirectId(self.last_id);
        let queue = self.inbox.sender();
        let whole = run::frames;
        (id, Inlet { id, queue, whole })
    }

    fn insert(&mut self, id: DirectId, open: Open) {
        self.names.insert(open.task.id(), id);
        self.due = self.due.into_iter().chain(open.until).min();
        self.open.insert(id, open);
    }

    fn accept(&mut self, now: Instant, stream: TcpStream, from: SocketAddr) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let remote = canonical(from);
        self.make_room(remote.ip());
        let mut base = canonical(local);
        base.set_port(TcpType::Passive.base_port());
        let (outlet, end) = outlet(self.dropped.clone());
        let (id, inlet) = self.name();
        let task = run::accepted(stream, end, inlet);
        let task = tasks::spawn_in(&mut self.tasks, Task::PeerStream, task);
        let open = Open {
            outlet,
            task,
            path: (base, remote),
            member: None,
            until: Some(now + STRANGER),
        };
        self.insert(id, open);
    }

    /// For one more stranger of this address.
    fn make_room(&mut self, ip: IpAddr) {
        let strangers = || self.open.iter().filter(|(_, open)| open.member.is_none());
        let near = |open: &Open| network(open.path.1.ip()) == network(ip);
        let of_one = strangers().filter(|(_, open)| near(open)).count() >= MAX_STRANGERS_OF_ONE;
        if !of_one && strangers().count() < MAX_STRANGERS {
            return;
        }
        let oldest = strangers()
            .filter(|(_, open)| !of_one || near(open))
            .min_by_key(|(_, open)| open.until)
            .map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.close(oldest);
        }
    }

    /// Whose it is, and its path; `None` once it is closed.
    pub(in crate::socket) fn whose(&self, id: DirectId) -> Option<(Option<MemberId>, Path)> {
        self.open.get(&id).map(|open| (open.member, open.path))
    }

    /// It is this member's from now on. False when that has too many.
    pub(in crate::socket) fn claim(&mut self, id: DirectId, member: MemberId) -> bool {
        if !self.has_room(member) {
            self.close(id);
            return false;
        }
        let Some(open) = self.open.get_mut(&id) else {
            return false;
        };
        open.member = Some(member);
        open.until = open.until.map(|until| until + CLAIMED);
        let key = (member, open.path);
        // The system gives no two the same addresses; the one before is dead.
        if let Some(before) = self.paths.insert(key, id) {
            self.close(before);
            self.paths.insert(key, id);
        }
        true
    }

    /// At once, with what still waits.
    pub(in crate::socket) fn close(&mut self, id: DirectId) {
        if let Some(open) = self.take(id) {
            open.task.abort();
        }
    }

    fn take(&mut self, id: DirectId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.names.remove(&open.task.id());
        if let Some(member) = open.member {
            let key = (member, open.path);
            if self.paths.get(&key) == Some(&id) {
                self.paths.remove(&key);
            }
        }
        Some(open)
    }

    /// The member is no more; what it had to say is still sent.
    pub(in crate::socket) fn forget(&mut self, now: Instant, member: MemberId) {
        let of = |(_, open): &(&DirectId, &Open)| open.member == Some(member);
        let all: Vec<DirectId> = self.open.iter().filter(of).map(|(id, _)| *id).collect();
        for id in all {
            if let Some(open) = self.take(id) {
                // With the outlet the task ends by itself, unless the peer reads nothing.
                self.closing.push_back((now + LINGER, open.task));
            }
        }
    }

    /// All connections of ours are gone: nobody is heard any more, what is on its way is sent.
    pub(in crate::socket) async fn finish(&mut self) {
        self.listener = None;
        let strangers: Vec<DirectId> = self.open.keys().copied().collect();
        for id in strangers {
            self.close(id);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LINGER, all).await;
    }

    pub(in crate::socket) fn poll_timeout(&self) -> Option<Instant> {
        let closing = self.closing.front().map(|(at, _)| *at);
        [self.due, closing, self.deaf_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// `verified`: whether ICE of the member has found the path to work.
    pub(in crate::socket) fn handle_timeout(
        &mut self,
        now: Instant,
        mut verified: impl FnMut(MemberId, Path) -> bool,
    ) {
        self.deaf_until.take_if(|until| *until <= now);
        while self.closing.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, task)) = self.closing.pop_front() {
                task.abort();
            }
        }
        let due = |open: &Open| open.until.is_some_and(|until| until <= now);
        let all: Vec<DirectId> = self
            .open
            .iter()
            .filter(|(_, open)| due(open))
            .map(|(id, _)| *id)
            .collect();
        for id in all {
            match self.open.get_mut(&id) {
                Some(open) if open.member.is_some_and(|m| verified(m, open.path)) => {
                    open.until = None;
                }
                _ => self.close(id),
            }
        }
        self.due = self.open.values().filter_map(|open| open.until).min();
    }

    /// What comes next; never while [`is_idle`](Self::is_idle). Cancel-safe.
    pub(in crate::socket) async fn next(&mut self) -> DirectNews {
        loop {
            let listener = self.listener.as_ref().filter(|_| self.deaf_until.is_none());
            tokio::select! {
                Some((id, frames)) = self.inbox.recv() => return DirectNews::Came(id, frames),
                Some(ended) = self.tasks.join_next_with_id() => {
                    let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                    // One that was closed has nothing to tell.
                    let id = self.names.get(&task).copied();
                    if let Some(open) = id.and_then(|id| self.take(id))
                        && let Some(member) = open.member
                    {
                        return DirectNews::Ended(member, open.path);
                    }
                }
                came = accept(listener) => {
                    let now = Instant::now();
                    match came {
                        Ok((stream, from)) => self.accept(now, stream, from),
                        Err(_) => self.deaf_until = Some(now + DEAF),
                    }
                    return DirectNews::Accepted;
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

/// What one stranger may have many addresses of.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}
