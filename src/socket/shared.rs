//! The state of a socket, shared by its handles, its connections and the task that drives it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tracing::Span;

use super::config::{ServerAddress, SocketConfig, SocketNews};
use super::counters::RelayCounters;
use super::found::Gathering;
use super::member::{Member, MemberId};
use super::route::Routes;
use super::sleep::WallClock;
use super::udp::UdpCounters;
use crate::engine::certificate::Certificate;
use crate::engine::ice::scope::is_link_local;
use crate::engine::ice::{Candidate, Credentials, Uses};
use crate::error::{DisconnectReason, Error, Result};
use crate::locks::{Guard, Rank, lock_at};
use crate::media::Kind;
use crate::queue::lock;
use crate::trace::LogId;

/// Closes the socket when the last one is dropped.
pub(crate) struct SocketHandle {
    pub(crate) shared: Arc<SocketShared>,
}

impl Drop for SocketHandle {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.notify.notify_one();
    }
}

/// The state behind an RTCSocket.
pub(crate) struct SocketShared {
    pub(crate) local_addr: SocketAddr,
    pub(crate) log_id: LogId,
    pub(super) span: Span,
    pub(crate) udp_counters: Arc<UdpCounters>,
    /// No datagram is ever fragmented on its way.
    pub(crate) whole_datagrams: bool,
    pub(crate) runtime: Handle,
    pub(crate) credentials: Credentials,
    pub(crate) certificate: Certificate,
    pub(super) config: SocketConfig,
    pub(super) routes: Mutex<Routes>,
    pub(super) gathering: Mutex<Gathering>,
    pub(super) dirty: Mutex<Vec<MemberId>>,
    pub(super) notify: Notify,
    pub(super) networks_changed: AtomicBool,
    pub(super) closing: AtomicBool,
    pub(super) close_now: AtomicBool,
    pub(super) wall_clock: WallClock,
    /// Why its task is no more.
    pub(super) ended: OnceLock<DisconnectReason>,
    pub(super) handle: Mutex<Weak<SocketHandle>>,
    /// Datagrams that no connection wanted.
    pub(crate) unrouted: AtomicU64,
    pub(super) relay_counters: RelayCounters,
    pub(super) tcp_unsent: Arc<AtomicU64>,
    pub(super) not_permitted: AtomicU16,
}

impl SocketShared {
    pub(crate) fn servers(&self) -> &[ServerAddress] {
        &self.config.servers
    }

    /// Whether candidates over TCP are offered, and the peer's used.
    pub(crate) fn uses_tcp(&self) -> bool {
        self.config.policy.tcp.is_some() && !self.config.relay_only
    }

    /// What candidates are used, of either side.
    pub(crate) fn uses(&self) -> Uses {
        Uses {
            tcp: self.uses_tcp(),
            // Who binds such an address wants it.
            link_local: self.config.policy.link_local || is_link_local(self.local_addr.ip()),
        }
    }

    /// The bases at this address of the host: one, but for a link-local one that is on several links.
    pub(crate) fn bases_at(&self, ip: IpAddr, port: u16) -> Vec<SocketAddr> {
        if !is_link_local(ip) {
            return vec![SocketAddr::new(ip, port)];
        }
        let gathering = lock(&self.gathering);
        let there = gathering.hosts.iter().filter(|host| host.ip == ip);
        there.map(|host| host.at(port)).collect()
    }

    /// See [`SocketConfig::announced`].
    pub(crate) fn announced(&self) -> &[String] {
        &self.config.announced
    }

    /// Registers a connection made by `make`, which gets its id.
    pub(crate) fn join<M: Member + 'static>(
        &self,
        make: impl FnOnce(MemberId) -> Arc<M>,
    ) -> Arc<M> {
        let id = self.routes().allocate_id();
        let member = make(id);
        self.routes()
            .insert(id, member.clone(), self.credentials.ufrag.clone());
        member
    }

    /// Not with the connection's state locked: the driver locks the routes first.
    pub(crate) fn set_ufrags(
        &self,
        id: MemberId,
        local: Vec<String>,
        remote: Vec<String>,
        undecided: bool,
    ) {
        self.routes().set_ufrags(id, local, remote, undecided);
    }

    /// See [`Routes::claim`]. Not with the connection's state locked.
    pub(crate) fn claim(&self, id: MemberId) -> bool {
        self.routes().claim(id)
    }

    // Row B40.
    /// Whether tracks of this kind may use the socket.
    pub(crate) fn allows(&self, kind: Kind) -> Result<()> {
        let kinds = &self.config.kinds;
        if kinds.is_empty() || kinds.contains(&kind) {
            return Ok(());
        }
        Err(Error::not_supported(format!(
            "the socket is not for {kind}"
        )))
    }

    pub(super) fn routes(&self) -> Guard<'_, Routes> {
        lock_at(Rank::Routes, &self.routes)
    }

    /// Tells those who watch the socket itself, if anybody does.
    pub(crate) fn tell(&self, news: impl FnOnce() -> SocketNews) {
        if let Some(queue) = &self.config.news {
            queue.push(news());
        }
    }

    /// Gives a candidate of a peer to the connection that has this remote user name fragment, or
    /// else to the only connection, which may yet get it. False when there is none, or no only one.
    pub(crate) fn remote_candidate(&self, ufrag: Option<&str>, candidate: Candidate) -> bool {
        let members = self.routes().members();
        let known = |id| self.routes().has_remote_ufrag(id, ufrag);
        let named: Vec<_> = members.iter().filter(|(id, _)| known(*id)).collect();
        let member = match (&*named, &*members) {
            ([(_, member)], _) | ([], [(_, member)]) => member,
            _ => return false,
        };
        member.remote_candidate(Instant::now(), candidate, ufrag);
        true
    }

    /// Asks the driver to service a connection.
    pub(crate) fn wake(&self, id: MemberId) {
        lock(&self.dirty).push(id);
        self.notify.notify_one();
    }

    /// Sets the wall clock ahead by so many seconds, or back, and wakes the driver.
    #[cfg(test)]
    pub(crate) fn step_wall_clock(&self, seconds: i64) {
        self.wall_clock.step(seconds);
        self.notify.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.close_now.load(Ordering::Acquire) || self.closing.load(Ordering::Acquire)
    }

    /// Why there is nothing more to be had of a socket that is closed.
    pub(crate) fn ended(&self) -> DisconnectReason {
        let reason = self.ended.get().copied();
        reason.unwrap_or(DisconnectReason::SocketClosed)
    }
}
