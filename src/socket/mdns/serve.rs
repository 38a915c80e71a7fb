//! Answering on one interface, from when the names are until they are dropped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::time::{sleep, sleep_until};

use super::ask::{GROUP, MAX_MESSAGE, PORT, open_shared};
use super::reply::{Names, Replies};
use crate::socket::interfaces::InterfaceAddress;
use crate::trace;

/// Interfaces that are listened on.
const MAX_INTERFACES: usize = 8;
/// After an error of the interface, which may pass.
const DEAF: Duration = Duration::from_millis(500);

/// Where questions come in, of the addresses that a socket has.
pub(in crate::socket) fn interfaces(hosts: &[InterfaceAddress]) -> Vec<Ipv4Addr> {
    let v4 = hosts.iter().filter_map(|host| match host.ip {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    v4.take(MAX_INTERFACES).collect()
}

struct Service {
    socket: UdpSocket,
    replies: Replies,
}

/// However the task ends.
impl Drop for Service {
    fn drop(&mut self) {
        if let Some(message) = self.replies.goodbye() {
            let to = SocketAddr::from((GROUP, PORT)).into();
            let _ = SockRef::from(&self.socket).send_to(&message, &to);
        }
    }
}

/// Answers as long as it is polled; returns when the interface cannot be listened on.
pub(in crate::socket) async fn serve(names: Names, interface: Ipv4Addr) -> io::Result<()> {
    let socket = listen(interface).inspect_err(|error| {
        tracing::debug!(target: trace::GATHER, %error, "names are not answered on an interface");
    })?;
    let mut service = Service {
        socket,
        replies: Replies::new(names),
    };
    let all = SocketAddr::from((GROUP, PORT));
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        let due = service.replies.poll_timeout();
        let waiting = sleep_until(due.unwrap_or_else(Instant::now).into());
        tokio::select! {
            heard = service.socket.recv_from(&mut buffer) => match heard {
                Ok((length, from)) => {
                    let message = buffer.get(..length).unwrap_or_default();
                    let legacy = from.port() != PORT;
                    let now = Instant::now();
                    if let Some(reply) = service.replies.heard(now, message, legacy) {
                        let _ = service.socket.send_to(&reply, from).await;
                    }
                }
                Err(_) => sleep(DEAF).await,
            },
            () = waiting, if due.is_some() => {}
        }
        if let Some(message) = service.replies.due(Instant::now()) {
            let _ = service.socket.send_to(&message, all).await;
        }
    }
}

/// What is for the group and came over this interface: nobody who is farther away is heard (RFC 6762
/// section 11), since the group is never routed.
fn listen(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    // Windows binds no group.
    let at = match cfg!(windows) {
        true => Ipv4Addr::UNSPECIFIED,
        false => GROUP,
    };
    let socket = open_shared(at, interface)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    SockRef::from(&socket).set_multicast_all_v4(false)?;
    Ok(socket)
}
