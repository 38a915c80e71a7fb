//! RTCSocket: one UDP port, shared by any number of connections.

pub(crate) mod driver;
#[cfg(test)]
mod fault_tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gather;
mod ice_server;
mod interfaces;
mod keepalive;
mod log;
mod recv_buffers;
mod relaying;
pub(crate) mod resolve;
mod route;
mod sleep;
mod stun;
mod train;
mod turn;
mod udp;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tracing::Span;

use crate::engine::certificate::Certificate;
use crate::engine::ice::{Candidate, CandidateKind, Credentials};
use crate::engine::outgoing::Transmit;
use crate::error::DisconnectReason;
use crate::error::{Error, Result, TransportFault};
use crate::locks::{Guard, Rank, lock_at};
use crate::media::Kind;
use crate::queue::{Queue, lock};
use crate::trace::{self, LogId};
use gather::{GatherEvent, Gatherer};
use ice_server::GatherServer;
pub(crate) use ice_server::ServerKind;
pub use ice_server::{IceServerError, IceServerErrorKind};
use interfaces::InterfaceOptions;
use route::Routes;
pub(crate) use turn::TurnCredentials;
use udp::{UdpCounters, UdpEndpoint};

/// A connection on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MemberId(u64);

/// What a socket knows of a connection on it.
pub(crate) trait Member: Send + Sync {
    fn datagram(&self, now: Instant, local: SocketAddr, from: SocketAddr, data: &mut [u8]);
    fn timeout(&self, now: Instant);
    /// The machine may have slept for so long.
    fn resumed(&self, now: Instant, slept: Duration);
    /// Hands over what is to be sent and tells the application what happened.
    fn service(&self, out: &mut VecDeque<Transmit>) -> Serviced;
    /// Whether datagrams other than STUN on this path are this connection's.
    fn accepts(&self, local: SocketAddr, from: SocketAddr) -> bool;
    fn is_open(&self) -> bool;
    /// Where it may yet send to.
    fn remotes(&self) -> Vec<SocketAddr>;
    fn gathered(&self, now: Instant, found: &Gathered);
    /// `ufrag`: of the credentials that the candidate names.
    fn remote_candidate(&self, now: Instant, candidate: Candidate, ufrag: Option<&str>);
    /// A local address is no longer there.
    fn base_gone(&self, now: Instant, base: SocketAddr);
    /// The candidates of this base are no more, though they were in use.
    fn withdrawn(&self, now: Instant, base: SocketAddr);
    /// It is over, whatever else is; does not panic.
    fn end(&self, now: Instant, reason: DisconnectReason);
}

/// The outcome of `Member::service`.
pub(crate) struct Serviced {
    pub(crate) deadline: Option<Instant>,
    /// The connection is closed and has nothing more to send.
    pub(crate) done: bool,
}

/// What gathering found.
#[derive(Debug, Clone)]
pub(crate) enum Gathered {
    Candidate(Candidate),
    Error(IceServerError),
    Complete,
}

/// An ICE server as the application named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    pub(crate) url: String,
    pub(crate) kind: ServerKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Of TURN servers.
    pub(crate) credentials: Option<Arc<TurnCredentials>>,
    /// Why it cannot be used; it is then an error of its own and nothing more.
    pub(crate) unsupported: Option<&'static str>,
}

impl ServerAddress {
    /// Whether relays may come of it.
    pub(crate) fn gives_relays(&self) -> bool {
        self.kind == ServerKind::Turn && self.unsupported.is_none()
    }
}

/// How a socket is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketConfig {
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) include_loopback: bool,
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) gather_at_once: bool,
    pub(crate) certificate: Option<Certificate>,
    /// The hashes of its fingerprints that the socket's description has; empty: the usual one.
    pub(crate) announced: Vec<String>,
    /// Nothing leaves for a peer but through a relay, and nothing else is offered.
    pub(crate) relay_only: bool,
    /// ICE user name fragment and password; `None`: random ones.
    pub(crate) credentials: Option<Credentials>,
    /// The kinds of track that may use the socket; empty: all.
    pub(crate) kinds: Vec<Kind>,
    /// Where the socket's own events go (rows B33 to B37).
    pub(crate) news: Option<Arc<Queue<SocketNews>>>,
}

/// What happens on a socket, whichever connection it concerns.
#[derive(Debug, Clone)]
pub(crate) enum SocketNews {
    Gathered(Gathered),
    /// A candidate under the user name fragment that a connection has after an ICE restart.
    Restarted(Candidate, String),
    Active {
        local: Candidate,
        remote: Candidate,
    },
    Connected,
    Disconnected(DisconnectReason),
}

/// One local UDP port (rows A16, A43, A44, A48). Reuse it in several connections with
/// [`RTCConnectionOptions::socket`](crate::RTCConnectionOptions::socket) for media forking: they
/// share the port, the ICE user name fragment and password, and the certificate (row G6).
///
/// Cloning gives another handle. The port is closed when the last handle and the last connection
/// on it are gone.
#[derive(Clone)]
pub struct RTCSocket {
    pub(crate) handle: Arc<SocketHandle>,
}

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
    span: Span,
    pub(crate) udp_counters: Arc<UdpCounters>,
    /// No datagram is ever fragmented on its way.
    pub(crate) whole_datagrams: bool,
    pub(crate) runtime: Handle,
    pub(crate) credentials: Credentials,
    pub(crate) certificate: Certificate,
    config: SocketConfig,
    routes: Mutex<Routes>,
    gathering: Mutex<Gathering>,
    dirty: Mutex<Vec<MemberId>>,
    notify: Notify,
    closing: AtomicBool,
    close_now: AtomicBool,
    wall_clock: sleep::WallClock,
    /// Why its task is no more.
    ended: OnceLock<DisconnectReason>,
    handle: Mutex<Weak<SocketHandle>>,
    /// Datagrams that no connection wanted.
    pub(crate) unrouted: AtomicU64,
    /// Datagrams dropped on the way from or to relays.
    relay_dropped: AtomicU64,
    not_permitted: AtomicU16,
}

#[derive(Default)]
struct Gathering {
    gatherer: Option<Gatherer>,
    /// Everything found so far, for connections that come later.
    found: Vec<Gathered>,
    /// What the present gatherer has found: address and base.
    confirmed: Vec<(SocketAddr, SocketAddr)>,
    /// Bases that are gone, not told yet.
    withdrawn: Vec<SocketAddr>,
    /// Names to look up, by server index of the current gatherer.
    lookups: Vec<(u64, usize, String, u16)>,
    generation: u64,
    /// The relays were given back when the last connection closed.
    released: bool,
}

impl RTCSocket {
    pub(crate) fn new(config: SocketConfig) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|_| TransportFault::NoRuntime)?;
        let udp = UdpEndpoint::bind(config.bind)?;
        let certificate = match &config.certificate {
            Some(certificate) => certificate.clone(),
            None => Certificate::generate()?,
        };
        let credentials = match &config.credentials {
            Some(credentials) => credentials.clone(),
            None => Credentials::generate()?,
        };
        let log_id = LogId::next();
        let shared = Arc::new(SocketShared {
            local_addr: udp.local_addr(),
            log_id,
            span: trace::socket_span(log_id),
            udp_counters: udp.counters(),
            whole_datagrams: udp.whole_datagrams(),
            runtime,
            credentials,
            certificate,
            config,
            routes: Mutex::default(),
            gathering: Mutex::default(),
            dirty: Mutex::default(),
            notify: Notify::new(),
            closing: AtomicBool::new(false),
            close_now: AtomicBool::new(false),
            wall_clock: sleep::WallClock::default(),
            ended: OnceLock::new(),
            handle: Mutex::default(),
            unrouted: AtomicU64::new(0),
            relay_dropped: AtomicU64::new(0),
            not_permitted: AtomicU16::new(0),
        });
        if shared.config.gather_at_once {
            shared.gather(Instant::now());
        }
        driver::spawn(shared.clone(), udp);
        let handle = Arc::new(SocketHandle { shared });
        *lock(&handle.shared.handle) = Arc::downgrade(&handle);
        Ok(Self { handle })
    }

    /// The handle of a socket; if the last one is gone, one of a socket that is closed.
    pub(crate) fn of(shared: &Arc<SocketShared>) -> Self {
        let shared = shared.clone();
        let known = lock(&shared.handle).upgrade();
        Self {
            handle: known.unwrap_or_else(|| Arc::new(SocketHandle { shared })),
        }
    }

    /// The bound address. The IP is unspecified when the socket is bound to all addresses.
    pub fn local_addr(&self) -> SocketAddr {
        self.handle.shared.local_addr
    }

    /// The bound port.
    pub fn port(&self) -> u16 {
        self.handle.shared.local_addr.port()
    }

    /// Closes the port; every connection on it is disconnected with
    /// [`DisconnectReason::SocketClosed`](crate::DisconnectReason::SocketClosed) (row B32),
    /// at once: what is queued on their data channels is lost. Idempotent.
    pub fn close(&self) {
        self.handle.shared.close_now.store(true, Ordering::Release);
        self.handle.shared.notify.notify_one();
    }
}

impl PartialEq for RTCSocket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle.shared, &other.handle.shared)
    }
}

impl Eq for RTCSocket {}

impl std::fmt::Debug for RTCSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RTCSocket")
            .field("local_addr", &self.local_addr())
            .finish_non_exhaustive()
    }
}

impl SocketShared {
    pub(crate) fn servers(&self) -> &[ServerAddress] {
        &self.config.servers
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

    /// Row B40: whether tracks of this kind may use the socket.
    pub(crate) fn allows(&self, kind: Kind) -> Result<()> {
        let kinds = &self.config.kinds;
        if kinds.is_empty() || kinds.contains(&kind) {
            return Ok(());
        }
        Err(Error::not_supported(format!(
            "the socket is not for {kind}"
        )))
    }

    fn routes(&self) -> Guard<'_, Routes> {
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

    /// What was found before a connection joined.
    pub(crate) fn found(&self) -> Vec<Gathered> {
        lock(&self.gathering).found.clone()
    }

    /// Starts gathering, anew if it ran before. Host candidates are found at once, the rest comes
    /// through the driver.
    pub(crate) fn gather(&self, now: Instant) {
        let options = InterfaceOptions {
            include_loopback: self.config.include_loopback,
            include_link_local: false,
        };
        let hosts =
            interfaces::usable_addresses(self.local_addr.ip(), options).unwrap_or_else(|error| {
                tracing::warn!(target: trace::GATHER, parent: &self.span, %error, "the network interfaces cannot be listed");
                Vec::new()
            });
        self.log_gathering(hosts.len());
        let servers = self.config.servers.iter().map(|server| GatherServer {
            url: server.url.clone(),
            kind: server.kind,
            unsupported: server.unsupported,
            addrs: None,
        });
        let gatherer = Gatherer::with_policy(
            now,
            &hosts,
            self.local_addr.port(),
            servers.collect(),
            self.config.relay_only,
        );
        let port = self.local_addr.port();
        let gone: Vec<SocketAddr> = {
            let mut gathering = lock(&self.gathering);
            gathering.generation += 1;
            let generation = gathering.generation;
            let mut gone = Vec::new();
            gathering.found.retain(|found| match found {
                Gathered::Candidate(found) if found.kind == CandidateKind::Relay => true,
                Gathered::Candidate(found) => {
                    let there =
                        hosts.is_empty() || hosts.iter().any(|host| host.ip == found.base.ip());
                    if !there && found.base.port() == port && !gone.contains(&found.base) {
                        gone.push(found.base);
                    }
                    there
                }
                _ => false,
            });
            gathering.confirmed.clear();
            gathering.gatherer = Some(gatherer);
            gathering.lookups = self
                .config
                .servers
                .iter()
                .enumerate()
                .filter(|(_, server)| server.unsupported.is_none())
                .filter(|(_, server)| server.gives_relays() || !self.config.relay_only)
                .map(|(index, server)| (generation, index, server.host.clone(), server.port))
                .collect();
            gone
        };
        let members = self.routes().members();
        for (member, base) in members
            .iter()
            .flat_map(|(_, m)| gone.iter().map(move |b| (m, *b)))
        {
            member.base_gone(now, base);
        }
        self.poll_gathering(now);
        self.notify.notify_one();
    }

    /// Tells every connection what gathering has found; each announces a candidate once for each
    /// of its ICE generations.
    fn poll_gathering(&self, now: Instant) {
        let mut news = Vec::new();
        let (withdrawn, fresh, all) = {
            let mut gathering = lock(&self.gathering);
            let withdrawn = std::mem::take(&mut gathering.withdrawn);
            let mut fresh = Vec::new();
            while let Some(event) = gathering.gatherer.as_mut().and_then(Gatherer::poll_event) {
                let found = match event {
                    GatherEvent::Candidate(candidate) => {
                        gathering.confirmed.push((candidate.addr, candidate.base));
                        let known = gathering.found.iter().any(|found| {
                            matches!(found, Gathered::Candidate(known)
                                if known.addr == candidate.addr && known.base == candidate.base)
                        });
                        let found = Gathered::Candidate(candidate);
                        if known {
                            fresh.push(found);
                            continue;
                        }
                        found
                    }
                    GatherEvent::ServerError(error) => Gathered::Error(error),
                    GatherEvent::Complete => {
                        // What was not found again is not offered to connections to come.
                        let Gathering {
                            found, confirmed, ..
                        } = &mut *gathering;
                        found.retain(|found| match found {
                            Gathered::Candidate(c) => confirmed.contains(&(c.addr, c.base)),
                            _ => true,
                        });
                        Gathered::Complete
                    }
                };
                gathering.found.push(found.clone());
                news.push(found.clone());
                fresh.push(found);
            }
            // Only the last line wants them.
            let complete = matches!(news.last(), Some(Gathered::Complete));
            let all = complete.then(|| gathering.found.clone());
            (withdrawn, fresh, all.unwrap_or_default())
        };
        if fresh.is_empty() && withdrawn.is_empty() {
            return;
        }
        for found in &news {
            self.log_found(found, &all);
            self.tell(|| SocketNews::Gathered(found.clone()));
        }
        let members = self.routes().members();
        for (_, member) in members {
            for base in &withdrawn {
                member.withdrawn(now, *base);
            }
            for found in &fresh {
                member.gathered(now, found);
            }
        }
    }
}
