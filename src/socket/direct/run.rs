//! One connection to a peer from its beginning to its end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frame::whole_frames;
use crate::socket::streams::{Inlet, OutletEnd, carry, connect, tune};

/// How long a connection may take to come about: ICE tries others meanwhile, and this one again.
const CONNECT: Duration = Duration::from_secs(9);
/// What was sent and not acknowledged for so long is on a dead connection: the next check begins
/// another one. Consent (RFC 7675) sends something every 6 s at least.
#[cfg(any(target_os = "android", target_os = "linux"))]
const DEAD: Duration = Duration::from_secs(4);

/// How datagrams are told apart on these streams.
pub(super) fn frames(data: &[u8]) -> Option<usize> {
    Some(whole_frames(data))
}

pub(super) async fn dial<I: Copy>(
    from: SocketAddr,
    to: SocketAddr,
    outlet: OutletEnd,
    inlet: Inlet<I>,
) {
    if let Ok(Ok(stream)) = timeout(CONNECT, connect(from, to)).await {
        keep(stream, outlet, inlet).await;
    }
}

pub(super) async fn accepted<I: Copy>(stream: TcpStream, outlet: OutletEnd, inlet: Inlet<I>) {
    if tune(&stream).is_ok() {
        keep(stream, outlet, inlet).await;
    }
}

async fn keep<I: Copy>(stream: TcpStream, outlet: OutletEnd, inlet: Inlet<I>) {
    // Not fatal: consent finds out later.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(DEAD));
    let (reader, writer) = stream.into_split();
    carry(reader, writer, outlet, inlet).await;
}
