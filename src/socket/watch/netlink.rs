//! What Linux tells of its interfaces (rtnetlink). What exactly changed is not read here: whoever is
//! told looks for itself.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram as StdDatagram;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use tokio::net::UnixDatagram;

const GROUPS: libc::c_int = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE;

/// What does not fit is cut off.
const MESSAGE: usize = 64;

pub(super) struct Told {
    /// Of another family, which makes no difference to receiving.
    socket: UnixDatagram,
}

impl Told {
    pub(super) fn new() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        let groups = GROUPS.unsigned_abs();
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        let socket = UnixDatagram::from_std(StdDatagram::from(socket))?;
        Ok(Self { socket })
    }

    /// Waits until something changed.
    pub(super) async fn next(&mut self) -> io::Result<()> {
        let mut message = [0; MESSAGE];
        taken(self.socket.recv(&mut message).await)
    }

    /// What is told already is of no interest.
    pub(super) fn forget(&mut self) {
        let mut message = [0; MESSAGE];
        while taken(self.socket.try_recv(&mut message)).is_ok() {}
    }
}

fn taken(received: io::Result<usize>) -> io::Result<()> {
    match received {
        // More has changed than the kernel keeps.
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
        received => received.map(drop),
    }
}
