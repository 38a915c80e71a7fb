//! The listening port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::error::{Error, Result};

/// Connections that the system holds for us; beyond, they come by SYN cookies or not at all.
const BACKLOG: i32 = 256;

/// Listens at the address that UDP is bound to, on the port `wanted`; 0: on that of UDP if it is
/// free, else on one of `ports`, else on any.
///
/// # Errors
///
/// `Io` when none can be had.
pub(in crate::socket) fn listen(
    udp: SocketAddr,
    wanted: u16,
    ports: Option<&RangeInclusive<u16>>,
) -> Result<TcpListener> {
    let at = |port| {
        let mut at = udp;
        at.set_port(port);
        bind(at)
    };
    let bound = match (wanted, ports) {
        (0, None) => at(udp.port()).or_else(|_| at(0)),
        (0, Some(ports)) => ports
            .clone()
            .fold(at(udp.port()), |found, port| found.or_else(|_| at(port))),
        (port, _) => at(port),
    };
    bound.map_err(|error| Error::io(format!("listen on TCP port {wanted}"), &error))
}

fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        let any = matches!(at.ip(), IpAddr::V6(ip) if ip.is_unspecified());
        socket.set_only_v6(!any)?;
    }
    // Elsewhere it would take a port from somebody who listens.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
