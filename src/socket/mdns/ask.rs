//! Asking by multicast on each interface, and listening for the answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::packet::{Record, answer, question};
use crate::socket::interfaces::{InterfaceOptions, usable_addresses};
use crate::tasks::{self, Task};

/// RFC 6762 section 3.
pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
pub(super) const PORT: u16 = 5353;
/// How long a name is asked for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a name waits for its turn; see [`resolve`](crate::socket::resolve).
const TURN: Duration = Duration::from_millis(39_500);
/// Names that are asked for at once in the process.
const CONCURRENT: usize = 8;
/// Interfaces that are asked on.
const MAX_INTERFACES: usize = 8;
/// Between questions: doubling (RFC 6762 section 5.2), the first sooner, since somebody waits.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often interfaces are looked for: who has changed networks hears of the peer's new name before
/// its own interface is up.
const NETWORKS: Duration = Duration::from_secs(1);
/// RFC 6762 section 17.
pub(super) const MAX_MESSAGE: usize = 9_000;

static TURNS: Semaphore = Semaphore::const_new(CONCURRENT);

/// The address behind a name of the form that browsers make, `UUID.local`; another is not asked for.
/// `None` when nobody answers within 5 s, once it is its turn. Cancel-safe.
pub(in crate::socket) async fn find(name: &str) -> Option<IpAddr> {
    if !is_browsers(name) {
        return None;
    }
    let _turn = timeout(TURN, TURNS.acquire()).await.ok()?.ok()?;
    timeout(PATIENCE, ask_everywhere(name)).await.ok()
}

async fn ask_everywhere(name: &str) -> IpAddr {
    let mut asking = JoinSet::new();
    let mut asked = Vec::new();
    loop {
        for interface in interfaces() {
            if asked.len() < MAX_INTERFACES && !asked.contains(&interface) {
                asked.push(interface);
                let ask = ask(name.to_owned(), interface);
                tasks::spawn_in(&mut asking, Task::Multicast, ask);
            }
        }
        let first = async {
            loop {
                match asking.join_next().await {
                    Some(Ok(Some(ip))) => return ip,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        if let Ok(ip) = timeout(NETWORKS, first).await {
            return ip;
        }
    }
}

fn interfaces() -> impl Iterator<Item = Ipv4Addr> {
    let options = InterfaceOptions {
        include_loopback: true,
        include_link_local: false,
    };
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let hosts = usable_addresses(any, options, |_, ip| ip.is_ipv4());
    let hosts = hosts.unwrap_or_default().into_iter();
    hosts.filter_map(|host| match host.ip {
        IpAddr::V4(interface) => Some(interface),
        IpAddr::V6(_) => None,
    })
}

/// RFC 9562 section 4, in any case of letters.
fn is_browsers(name: &str) -> bool {
    let Some((label, _)) = name.split_once('.') else {
        return false;
    };
    let lengths = label.split('-').map(str::len);
    label.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()) && lengths.eq([8, 4, 4, 4, 12])
}

/// Until there is an answer.
async fn ask(name: String, interface: Ipv4Addr) -> Option<IpAddr> {
    let socket = open(interface).ok()?;
    let to = SocketAddr::from((GROUP, PORT));
    let mut pause = FIRST_PAUSE;
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        for record in [Record::A, Record::Aaaa] {
            // An interface that sends nothing now may do so later.
            let _ = socket.send_to(&question(&name, record)?, to).await;
        }
        let heard = async {
            loop {
                match socket.recv_from(&mut buffer).await {
                    Ok((length, _)) => {
                        let message = buffer.get(..length).unwrap_or_default();
                        if let Some(ip) = answer(message, &name) {
                            return ip;
                        }
                    }
                    Err(_) => tokio::time::sleep(pause).await,
                }
            }
        };
        if let Ok(ip) = timeout(pause, heard).await {
            return Some(ip);
        }
        pause = pause.saturating_mul(2);
    }
}

/// On the port of multicast DNS, beside who else is there, so that answers to all are heard (RFC
/// 6762 section 15): browsers give no others. Where that port cannot be had, on any: then who
/// answers does so to this side alone (section 6.7).
fn open(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let any = Ipv4Addr::UNSPECIFIED;
    open_at((any, PORT), interface).or_else(|_| open_at((any, 0), interface))
}

/// On the port of multicast DNS or not at all.
pub(super) fn open_shared(at: Ipv4Addr, interface: Ipv4Addr) -> io::Result<UdpSocket> {
    open_at((at, PORT), interface)
}

fn open_at(at: (Ipv4Addr, u16), interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(at).into())?;
    socket.join_multicast_v4(&GROUP, &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    // Browsers on this host are heard, too.
    socket.set_multicast_loop_v4(true)?;
    // RFC 6762 section 11.
    socket.set_multicast_ttl_v4(255)?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_browsers_are_uuids() {
        assert!(is_browsers("1f4712db-ea17-4bcf-a596-105139dfd8bf.local"));
        assert!(is_browsers("1F4712DB-EA17-4BCF-A596-105139DFD8BF.local"));
        for other in [
            "printer.local",
            "1f4712db-ea17-4bcf-a596-105139dfd8b.local",
            "1f4712dbea174bcfa596105139dfd8bf.local",
            "1f4712db-ea17-4bcf-a596-105139dfd8bg.local",
            "local",
        ] {
            assert!(!is_browsers(other), "{other}");
        }
    }
}
