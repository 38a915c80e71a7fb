//! What a NAT does to the ports of this machine: the tests of RFC 5780 that one socket can make.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn_udp::UdpSocketState;
use stun::addr::MappedAddress;
use stun::attributes::AttrType;
use stun::message::{BINDING_REQUEST, Message, TransactionId};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::report::{NatFiltering, NatMapping, NatReport, ServerState};
use super::server::Server;
use crate::error::{Error, Result};
use crate::socket::IceServerErrorKind;
use crate::socket::resolve::resolve_server;
use crate::socket::stun::{BindingResponse, new_transaction_id, parse_response, response_id};

/// A request is sent so often,
const TRIES: u32 = 4;
/// and waited for so long each time.
const WAIT: Duration = Duration::from_millis(300);
/// A server that is asked by itself has so many times that.
const ROUNDS: u32 = 4;
/// Servers that are asked.
const SERVERS: usize = 6;
/// IP packets of these sizes are tried, the largest first.
const SIZES: [u16; 3] = [1_500, 1_400, 1_280];
/// The headers of IPv4 and UDP.
const HEADERS: u16 = 28;
/// The header of a STUN message, and that of the attribute which fills it.
const STUN: u16 = 24;

/// RFC 5780 section 7.2: "change IP" and "change port" are the bits 2 and 1.
const CHANGE_REQUEST: AttrType = AttrType(0x0003);
/// Of those that a server ignores if it does not know them (RFC 8489 section 14), and nobody does.
/// The PADDING of RFC 5780 has its answer padded as well, which may then be what does not come.
const FILL: AttrType = AttrType(0xfffe);
/// RFC 5780 section 7.4.
const OTHER_ADDRESS: AttrType = AttrType(0x802c);

/// What was found, and the largest packet that came through.
pub(super) struct Explored {
    pub(super) nat: NatReport,
    pub(super) mtu: Option<u16>,
    /// Whether any server answered over UDP.
    pub(super) answers: bool,
}

/// Asks all servers from one port over IPv4, and the first more.
pub(super) async fn explore(servers: Vec<Server>, bind: Option<SocketAddr>) -> Result<Explored> {
    let own = bind.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |bind| {
        SocketAddr::new(bind.ip(), 0)
    });
    let socket = UdpSocket::bind(own)
        .await
        .map_err(|error| Error::io("binding a UDP port", &error))?;
    // Packets that are too large are then dropped, not cut.
    let _ = UdpSocketState::new((&socket).into());
    let mut to = Vec::new();
    for server in servers.iter().filter(|server| server.is_udp()) {
        let found = resolve_server(&server.0.host, server.0.port).await;
        let found = found.unwrap_or_default();
        to.extend(
            found
                .into_iter()
                .find(|address| address.is_ipv4() == own.is_ipv4()),
        );
    }
    to.sort_unstable();
    to.dedup();
    to.truncate(SERVERS);

    let mut seen = Vec::new();
    let (mut first, mut other) = (None, None);
    for server in &to {
        if let Some(answer) = ask(&socket, *server, |_| {}).await {
            first = first.or(Some(*server));
            seen.push(answer.mapped);
            other = other.or(answer.other.map(|other| (*server, other)));
        }
    }
    if let Some((_, other)) = other
        && let Some(answer) = ask(&socket, other, |_| {}).await
    {
        seen.push(answer.mapped);
    }
    let local = match first {
        Some(server) => local(server, own).await,
        None => None,
    };
    let port = socket.local_addr().map_or(0, |address| address.port());
    let mapping = match seen.as_slice() {
        [] => NatMapping::Unknown,
        [first, ..] if local.is_some_and(|ip| *first == SocketAddr::new(ip, port)) => {
            NatMapping::None
        }
        [_] => NatMapping::OneServer,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => {
            NatMapping::EndpointIndependent
        }
        _ => NatMapping::EndpointDependent,
    };
    let filtering = match other {
        Some((server, _)) => filtering(server, own).await,
        None => None,
    };
    let mtu = match first {
        Some(server) => mtu(&socket, server).await,
        None => None,
    };
    Ok(Explored {
        nat: NatReport { mapping, filtering },
        mtu,
        answers: !seen.is_empty(),
    })
}

/// Asks one STUN server what it sees.
pub(super) async fn binding(server: &Server, bind: Option<SocketAddr>) -> Result<ServerState> {
    let failed = |kind, message: &str| ServerState::Failed {
        kind,
        message: message.to_owned(),
    };
    let found = match resolve_server(&server.0.host, server.0.port).await {
        Ok(found) => found,
        Err(message) => return Ok(failed(IceServerErrorKind::Resolve, &message)),
    };
    let Some(to) = found.first().copied() else {
        return Ok(failed(IceServerErrorKind::Resolve, "it has no address"));
    };
    let any: IpAddr = match to.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    let bound = bind.map(|bind| bind.ip());
    let own = bound
        .filter(|ip| ip.is_ipv4() == to.is_ipv4())
        .unwrap_or(any);
    let own = SocketAddr::new(own, 0);
    let socket = UdpSocket::bind(own)
        .await
        .map_err(|error| Error::io("binding a UDP port", &error))?;
    for _ in 0..ROUNDS {
        let (id, request) = request(|_| {});
        let Some(answer) = heard(&socket, to, id, &request).await else {
            continue;
        };
        return Ok(match parse_response(&answer) {
            Ok(BindingResponse::Mapped(mapped)) => {
                let port = socket.local_addr().map_or(0, |address| address.port());
                let ip = local(to, own).await;
                let is_own = ip.is_some_and(|ip| mapped == SocketAddr::new(ip, port));
                ServerState::Mapped {
                    address: (!is_own).then_some(mapped),
                }
            }
            Ok(BindingResponse::Refused { code, reason }) => {
                failed(IceServerErrorKind::Refused(code), &reason)
            }
            Err(message) => failed(IceServerErrorKind::Malformed, &message),
        });
    }
    Ok(failed(IceServerErrorKind::Timeout, "no answer"))
}

/// The address that packets to the server leave from.
async fn local(server: SocketAddr, own: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(own).await.ok()?;
    socket.connect(server).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whose answers come in to a port that has spoken to this server alone (RFC 5780 section 4.4).
async fn filtering(server: SocketAddr, own: SocketAddr) -> Option<NatFiltering> {
    // Another port than the one that spoke to the other address.
    let socket = UdpSocket::bind(own).await.ok()?;
    ask(&socket, server, |_| {}).await?;
    let change =
        |bits: u8| move |message: &mut Message| message.add(CHANGE_REQUEST, &[0, 0, 0, bits]);
    if ask(&socket, server, change(6)).await.is_some() {
        return Some(NatFiltering::EndpointIndependent);
    }
    if ask(&socket, server, change(2)).await.is_some() {
        return Some(NatFiltering::AddressDependent);
    }
    Some(NatFiltering::AddressAndPortDependent)
}

/// The largest packet that comes to the server in one piece.
async fn mtu(socket: &UdpSocket, server: SocketAddr) -> Option<u16> {
    for size in SIZES {
        let room = usize::from(size.saturating_sub(HEADERS).saturating_sub(STUN));
        let fill = vec![0; room];
        let (id, request) = request(|message| message.add(FILL, &fill));
        if heard(socket, server, id, &request).await.is_some() {
            return Some(size);
        }
    }
    None
}

struct Answered {
    mapped: SocketAddr,
    other: Option<SocketAddr>,
}

/// A Binding request with this besides, and what it is answered with.
async fn ask(
    socket: &UdpSocket,
    server: SocketAddr,
    besides: impl FnOnce(&mut Message),
) -> Option<Answered> {
    let (id, request) = request(besides);
    let answer = heard(socket, server, id, &request).await?;
    let Ok(BindingResponse::Mapped(mapped)) = parse_response(&answer) else {
        return None;
    };
    Some(Answered {
        mapped,
        other: other_address(&answer),
    })
}

fn request(besides: impl FnOnce(&mut Message)) -> (TransactionId, Vec<u8>) {
    let id = new_transaction_id();
    let mut message = Message::new();
    message.transaction_id = id;
    message.write_header();
    message.set_type(BINDING_REQUEST);
    besides(&mut message);
    (id, message.raw)
}

/// What answers this request, from wherever it comes.
async fn heard(
    socket: &UdpSocket,
    server: SocketAddr,
    id: TransactionId,
    request: &[u8],
) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 2_048];
    for _ in 0..TRIES {
        // A port that is closed, and a packet that is too large, are told by errors: nothing came.
        let _ = socket.send_to(request, server).await;
        let until = Instant::now().checked_add(WAIT)?;
        while let Ok(received) = timeout_at(until, socket.recv_from(&mut buffer)).await {
            let Ok((length, _)) = received else { continue };
            let data = buffer.get(..length)?;
            if response_id(data) == Some(id) {
                return Some(data.to_vec());
            }
        }
    }
    None
}

fn other_address(answer: &[u8]) -> Option<SocketAddr> {
    let mut message = Message::new();
    message.unmarshal_binary(answer).ok()?;
    let mut other = MappedAddress::default();
    other.get_from_as(&message, OTHER_ADDRESS).ok()?;
    let usable = !other.ip.is_unspecified() && !other.ip.is_multicast() && other.port != 0;
    usable.then(|| (other.ip, other.port).into())
}
