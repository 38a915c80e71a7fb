//! One UDP port for IPv4 and IPv6, received and sent in batches.
//!
//! Every address that crosses this interface is canonical: an IPv4 peer is an IPv4 address, never
//! `::ffff:a.b.c.d`, whatever the family of the socket underneath.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use quinn_udp::UdpSocketState;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::recv_buffers::{Buffers, RECV_BATCH, RECV_BUFFER};
use super::train::send_train;
use crate::engine::guard::contain;
use crate::engine::ice::scope::{is_link_local, on_link, scope_of};
use crate::error::{Error, Result, TransportFault};
use crate::trace;

pub(crate) use super::recv_buffers::RecvBuffers;
pub(crate) use super::train::SendOutcome;

/// Asked for in each direction; the kernel grants what its limits allow.
const SOCKET_BUFFER: usize = 4 << 20;
/// Receive errors in a row, without one datagram between, after which the caller should pause.
const RECV_ERRORS_AT_ONCE: usize = 16;

/// One received datagram.
pub(crate) struct RecvDatagram<'a> {
    pub(crate) from: SocketAddr,
    /// The local address it was sent to, where the platform tells.
    pub(crate) local_ip: Option<IpAddr>,
    /// The link of `local_ip` if that is link-local.
    pub(crate) scope: u32,
    pub(crate) data: &'a mut [u8],
}

/// One datagram, or a train of equal-sized ones (the last may be shorter) to one address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transmit<'a> {
    pub(crate) remote: SocketAddr,
    /// The local address to send from; `None` leaves the choice to the routing table.
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) contents: &'a [u8],
    /// Bytes of each datagram when `contents` holds several.
    pub(crate) segment_size: Option<usize>,
}

/// Counters of one endpoint since it was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UdpStats {
    /// ICMP and other transient errors reported by receive calls.
    pub(crate) recv_errors: u64,
    /// Transmits refused.
    pub(crate) send_dropped: u64,
    /// Sends that found the socket buffer full.
    pub(crate) send_blocked: u64,
}

/// One UDP port.
pub(crate) struct UdpEndpoint {
    socket: UdpSocket,
    state: UdpSocketState,
    local_addr: SocketAddr,
    dual_stack: bool,
    gso_segments: AtomicUsize,
    #[cfg(test)]
    granted: (usize, usize),
    consecutive_recv_errors: AtomicUsize,
    counters: Arc<UdpCounters>,
}

/// The counters of an endpoint; they can still be read once its port is closed.
#[derive(Debug, Default)]
pub(crate) struct UdpCounters {
    recv_errors: AtomicU64,
    send_dropped: AtomicU64,
    send_blocked: AtomicU64,
    #[cfg(test)]
    pub(crate) faults: Faults,
}

/// Errors that the next calls of the kernel give, by their numbers.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) send: std::sync::Mutex<std::collections::VecDeque<i32>>,
    pub(crate) recv: std::sync::Mutex<std::collections::VecDeque<i32>>,
}

#[cfg(test)]
impl Faults {
    /// 0: this call works.
    fn next(&self, of: &std::sync::Mutex<std::collections::VecDeque<i32>>) -> Option<io::Error> {
        let number = crate::queue::lock(of).pop_front()?;
        (number != 0).then(|| io::Error::from_raw_os_error(number))
    }
}

impl UdpCounters {
    pub(crate) fn stats(&self) -> UdpStats {
        UdpStats {
            recv_errors: self.recv_errors.load(Ordering::Relaxed),
            send_dropped: self.send_dropped.load(Ordering::Relaxed),
            send_blocked: self.send_blocked.load(Ordering::Relaxed),
        }
    }
}

/// Panics where the runtime has no time.
fn has_timers() -> bool {
    let timer = pin!(tokio::time::sleep(Duration::from_secs(1)));
    timer
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

impl UdpEndpoint {
    /// Binds `bind`, or else any port on all addresses of both families (of IPv4 alone where the
    /// system has no IPv6).
    ///
    /// # Errors
    ///
    /// `NoRuntime` outside a tokio runtime and in one without I/O or time; `Io`.
    pub(crate) fn bind(bind: Option<SocketAddr>) -> Result<Self> {
        tokio::runtime::Handle::try_current().map_err(|_| TransportFault::NoRuntime)?;
        // What a runtime lacks it says by a panic.
        contain(|| has_timers().then(|| Self::bind_any(bind)))
            .ok()
            .flatten()
            .ok_or(TransportFault::NoRuntime)?
    }

    fn bind_any(bind: Option<SocketAddr>) -> Result<Self> {
        let v6_any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let v4_any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let bound = match bind {
            Some(addr) => Self::bind_to(addr).map_err(|e| Error::io(format!("bind {addr}"), &e)),
            None => Self::bind_to(v6_any).or_else(|_| {
                Self::bind_to(v4_any).map_err(|e| Error::io(format!("bind {v4_any}"), &e))
            }),
        }?;
        Ok(bound)
    }

    fn bind_to(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        let dual_stack = matches!(addr.ip(), IpAddr::V6(ip) if ip.is_unspecified());
        if addr.is_ipv6() {
            // Without this the address 0.0.0.0 of the same port could belong to somebody else.
            socket.set_only_v6(!dual_stack)?;
        }
        // Not fatal: the kernel caps the request at its own limit, some refuse above it.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let recv_buffer = socket.recv_buffer_size()?;
        let send_buffer = socket.send_buffer_size()?;
        tracing::debug!(target: trace::SOCKET, recv_buffer, send_buffer, "socket buffers granted");
        let socket = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            local_addr: socket.local_addr()?,
            dual_stack,
            gso_segments: AtomicUsize::new(state.max_gso_segments().max(1)),
            socket,
            state,
            #[cfg(test)]
            granted: (recv_buffer, send_buffer),
            consecutive_recv_errors: AtomicUsize::new(0),
            counters: Arc::default(),
        })
    }

    /// The bound address; the IP is unspecified when bound to all addresses.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    #[cfg(test)]
    pub(crate) fn port(&self) -> u16 {
        self.local_addr.port()
    }

    /// Whether a datagram of this family can be sent.
    pub(crate) fn supports(&self, ip: IpAddr) -> bool {
        self.dual_stack || ip.is_ipv4() == self.local_addr.is_ipv4()
    }

    /// Whether datagrams are sent whole or not at all, in both families (IPv4's "don't fragment").
    pub(crate) fn whole_datagrams(&self) -> bool {
        // Elsewhere quinn-udp does not set it, or not for IPv4 on a dual-stack socket.
        let known = cfg!(any(
            target_os = "linux",
            target_os = "android",
            target_os = "windows"
        ));
        known && !self.state.may_fragment()
    }

    /// Bytes of receive and send buffer as the kernel reports them.
    #[cfg(test)]
    pub(crate) fn granted_buffers(&self) -> (usize, usize) {
        self.granted
    }

    /// Datagrams the kernel takes as one send; 1 without GSO.
    pub(crate) fn gso_segments(&self) -> usize {
        self.gso_segments.load(Ordering::Relaxed)
    }

    pub(crate) fn counters(&self) -> Arc<UdpCounters> {
        self.counters.clone()
    }

    /// Cancel-safe.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Cancel-safe.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// One `recvmmsg`; hands each datagram to `handler` and returns their number, at most 16
    /// trains of 64. `Ok(0)` means that a transient error was counted: call again.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is waiting; `Interrupted` when errors go on and on, so that the
    /// caller should wait a while; anything else when the socket is dead.
    pub(crate) fn try_recv(
        &self,
        buffers: &mut RecvBuffers,
        handler: &mut dyn FnMut(RecvDatagram<'_>),
    ) -> io::Result<usize> {
        let Some(Buffers { data, meta }) = buffers.get_mut() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        #[cfg(test)]
        let fault = self.counters.faults.next(&self.counters.faults.recv);
        #[cfg(not(test))]
        let fault = None;
        let received = if let Some(error) = fault {
            Err(error)
        } else {
            let mut slots = data.chunks_exact_mut(RECV_BUFFER);
            let mut slices: [IoSliceMut<'_>; RECV_BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
            self.socket.try_io(Interest::READABLE, || {
                self.state.recv((&self.socket).into(), &mut slices, meta)
            })
        };
        let trains = match received {
            Ok(trains) => trains,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
            Err(e) => {
                self.counters.recv_errors.fetch_add(1, Ordering::Relaxed);
                let in_a_row = self.consecutive_recv_errors.fetch_add(1, Ordering::Relaxed);
                return if is_fatal(&e) {
                    Err(e)
                } else if in_a_row % RECV_ERRORS_AT_ONCE == RECV_ERRORS_AT_ONCE - 1 {
                    Err(io::ErrorKind::Interrupted.into())
                } else {
                    Ok(0)
                };
            }
        };
        self.consecutive_recv_errors.store(0, Ordering::Relaxed);
        let mut count = 0;
        for (buffer, meta) in data.chunks_exact_mut(RECV_BUFFER).zip(&*meta).take(trains) {
            let from = canonical(meta.addr);
            let local_ip = meta.dst_ip.map(|ip| ip.to_canonical());
            let link_local = local_ip.is_some_and(is_link_local);
            let link = meta.interface_index.filter(|_| link_local);
            let scope = link.unwrap_or_else(|| scope_of(from));
            let filled = buffer.get_mut(..meta.len).unwrap_or_default();
            for data in filled.chunks_mut(meta.stride.max(1)) {
                handler(RecvDatagram {
                    from,
                    local_ip,
                    scope,
                    data,
                });
                count += 1;
            }
        }
        Ok(count)
    }

    /// Sends now or not at all.
    ///
    /// # Errors
    /// Only `WouldBlock`, when nothing was sent: wait for [`writable`](Self::writable).
    pub(crate) fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<SendOutcome> {
        let remote = match self.wire_address(transmit) {
            Ok(remote) => remote,
            Err(e) => return Ok(self.note(SendOutcome::Dropped(e))),
        };
        let mut gso = self.gso_segments();
        let outcome = send_train(
            transmit.contents,
            transmit.segment_size,
            &mut gso,
            |contents, segment_size| {
                self.send_once(&quinn_udp::Transmit {
                    destination: remote,
                    ecn: None,
                    contents,
                    segment_size,
                    src_ip: transmit.local_ip,
                })
            },
        );
        self.gso_segments.fetch_min(gso, Ordering::Relaxed);
        match outcome {
            Ok(outcome) => Ok(self.note(outcome)),
            Err(e) => {
                self.counters.send_blocked.fetch_add(1, Ordering::Relaxed);
                Err(e)
            }
        }
    }

    fn note(&self, outcome: SendOutcome) -> SendOutcome {
        match outcome {
            SendOutcome::Dropped(_) => self.counters.send_dropped.fetch_add(1, Ordering::Relaxed),
            SendOutcome::Partial(_) => self.counters.send_blocked.fetch_add(1, Ordering::Relaxed),
            SendOutcome::Sent => 0,
        };
        outcome
    }

    fn send_once(&self, transmit: &quinn_udp::Transmit<'_>) -> io::Result<()> {
        #[cfg(test)]
        if let Some(error) = self.counters.faults.next(&self.counters.faults.send) {
            return Err(error);
        }
        // Straight to the kernel first: a socket that the reactor has not polled yet counts as not
        // writable. The second try, inside `try_io`, clears the readiness without losing a wake-up.
        match self.state.try_send((&self.socket).into(), transmit) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.socket.try_io(Interest::WRITABLE, || {
                    self.state.try_send((&self.socket).into(), transmit)
                })
            }
            result => result,
        }
    }

    /// The destination in the socket's family. Refuses what cannot be a peer: the kernel takes
    /// 0.0.0.0 for this very host, and an EINVAL for port 0 looks like missing GSO support.
    fn wire_address(&self, transmit: &Transmit<'_>) -> io::Result<SocketAddr> {
        let ip = transmit.remote.ip().to_canonical();
        if ip.is_unspecified() || ip.is_multicast() || transmit.remote.port() == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if !self.supports(ip) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if let Some(local_ip) = transmit.local_ip {
            let bound = self.local_addr.ip();
            let wrong_family = local_ip.is_ipv4() != ip.is_ipv4();
            if wrong_family || !(bound.is_unspecified() || bound == local_ip) {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            }
        }
        Ok(match (ip, self.local_addr.is_ipv6()) {
            (IpAddr::V4(v4), true) => {
                SocketAddrV6::new(v4.to_ipv6_mapped(), transmit.remote.port(), 0, 0).into()
            }
            (IpAddr::V4(v4), false) => (v4, transmit.remote.port()).into(),
            (IpAddr::V6(_), _) => transmit.remote,
        })
    }
}

/// Whether the socket itself is no more. All other errors concern one datagram (what ICMP said of
/// an earlier one), an interface, or the memory of the moment: they pass, and whether the peer can
/// be reached is for consent to say.
fn is_fatal(error: &io::Error) -> bool {
    const EBADF: i32 = 9;
    const ENOTSOCK: i32 = match () {
        _ if cfg!(windows) => 10_038,
        _ if cfg!(any(target_os = "linux", target_os = "android")) => 88,
        _ => 38,
    };
    matches!(error.raw_os_error(), Some(EBADF | ENOTSOCK))
}

/// IPv4-mapped IPv6 becomes IPv4; the flow label is not part of an address, and the scope of one that
/// is not link-local neither.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    on_link(addr.ip().to_canonical(), addr.port(), scope_of(addr))
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;
