//! RTCSocket: the application's handle of a socket.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::config::SocketConfig;
use super::counters::RelayCounters;
use super::direct::listen;
use super::driver;
use super::shared::{SocketHandle, SocketShared};
use super::sleep::WallClock;
use super::udp::UdpEndpoint;
use crate::engine::certificate::Certificate;
use crate::engine::ice::{Credentials, TcpType};
use crate::error::{Error, Result, TransportFault};
use crate::queue::lock;
use crate::trace::{self, LogId};

// Rows A16, A43, A44, A48, G6.
/// One local UDP port. Reuse it in several connections with
/// [`RTCConnectionOptions::socket`](crate::RTCConnectionOptions::socket) for media forking: they
/// share the port, the ICE user name fragment and password, and the certificate.
///
/// Cloning gives another handle. The port is closed when the last handle and the last connection
/// on it are gone.
#[derive(Clone)]
pub struct RTCSocket {
    pub(crate) handle: Arc<SocketHandle>,
}

impl RTCSocket {
    pub(crate) fn new(mut config: SocketConfig) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|_| TransportFault::NoRuntime)?;
        let udp = bind(&config)?;
        let listener = listener(&mut config, udp.local_addr())?;
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
            networks_changed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            close_now: AtomicBool::new(false),
            wall_clock: WallClock::default(),
            ended: OnceLock::new(),
            handle: Mutex::default(),
            unrouted: AtomicU64::new(0),
            relay_counters: RelayCounters::default(),
            tcp_unsent: Arc::default(),
            not_permitted: AtomicU16::new(0),
        });
        if shared.config.gather_at_once {
            shared.gather(Instant::now());
        }
        driver::spawn(shared.clone(), udp, listener);
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

    // Row B32.
    /// Closes the port; every connection on it is disconnected with
    /// [`DisconnectReason::SocketClosed`](crate::DisconnectReason::SocketClosed), at once: what is
    /// queued on their data channels is lost. Idempotent.
    pub fn close(&self) {
        self.handle.shared.close_now.store(true, Ordering::Release);
        self.handle.shared.notify.notify_one();
    }
}

/// The listening port for TCP, if it is asked for; what is offered is the one that it is.
fn listener(config: &mut SocketConfig, udp: SocketAddr) -> Result<Option<TcpListener>> {
    let Some(wanted) = config.policy.tcp.filter(|_| !config.relay_only) else {
        return Ok(None);
    };
    if TcpType::is_base_port(udp.port()) {
        return Err(Error::invalid_parameters("TCP beside UDP on port 1 or 9"));
    }
    let listener = listen(udp, wanted, config.policy.ports.as_ref())?;
    let bound = listener.local_addr();
    let bound = bound.map_err(|error| Error::io("the listening port", &error))?;
    config.policy.tcp = Some(bound.port());
    Ok(Some(listener))
}

/// In the range of ports that the policy wants, at any of them that is free.
fn bind(config: &SocketConfig) -> Result<UdpEndpoint> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let address = config.bind.or((!config.policy.ipv6).then_some(any));
    let Some(ports) = &config.policy.ports else {
        return UdpEndpoint::bind(address);
    };
    if address.is_some_and(|address| address.port() != 0) {
        return UdpEndpoint::bind(address);
    }
    let v6_any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let families: &[SocketAddr] = match &address {
        Some(address) => std::slice::from_ref(address),
        // Where there is no IPv6, IPv4 alone.
        None => &[v6_any, any],
    };
    // Not always the same one first: peers may still send to who had it before.
    let count = u64::try_from(ports.len()).unwrap_or(1).max(1);
    let first = usize::try_from(crate::random::u64() % count).unwrap_or(0);
    let mut last = None;
    for address in families {
        let order = ports.clone().cycle().skip(first).take(ports.len());
        for port in order {
            let mut at = *address;
            at.set_port(port);
            match UdpEndpoint::bind(Some(at)) {
                Ok(bound) => return Ok(bound),
                Err(error) => last = Some(error),
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::invalid_parameters("the range of ports is empty")))
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
