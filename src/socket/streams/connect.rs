//! One connection to a TURN server from its beginning to its end, and the end in words.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::carry::{Inlet, OutletEnd, carry};
use super::end::End;
use super::tls::{self, Trust};
use crate::socket::ice_server::IceServerErrorKind;
use crate::socket::turn::StreamId;

/// The connection and the handshake above it. Gathering is over by then.
const CONNECT: Duration = Duration::from_secs(9);
/// Bytes that the kernel takes before they can be sent: more would only wait there.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 64 << 10;

/// Connects, and carries messages until the connection ends. `tls`: the name of the server, and
/// what its certificate must be of.
pub(super) async fn run(
    from: SocketAddr,
    to: SocketAddr,
    tls: Option<(Arc<str>, Trust)>,
    outlet: OutletEnd,
    inlet: Inlet<StreamId>,
) -> End {
    let connecting = async {
        let tcp = connect(from, to).await.map_err(why)?;
        match tls {
            None => Ok((tcp, None)),
            Some((name, trust)) => Ok((tcp, Some((trust.connector().await?, name)))),
        }
    };
    let end = async {
        let late = || (IceServerErrorKind::Timeout, "no connection".to_owned());
        let until = tokio::time::Instant::now() + CONNECT;
        let connected = tokio::time::timeout_at(until, connecting).await;
        match connected.map_err(|_| late())?? {
            (tcp, None) => {
                let (reader, writer) = tcp.into_split();
                Ok(carry(reader, writer, outlet, inlet).await)
            }
            (tcp, Some((connector, name))) => {
                let server = tls::server_name(&name)?;
                let handshake = timeout(CONNECT, connector.connect(server, tcp));
                let stream = handshake.await.map_err(|_| late())?.map_err(why)?;
                let (reader, writer) = tokio::io::split(stream);
                Ok(carry(reader, writer, outlet, inlet).await)
            }
        }
    };
    match end.await {
        Ok(Some(error)) => why(error),
        Ok(None) => {
            let message = "the server sent what is no TURN message".to_owned();
            (IceServerErrorKind::Malformed, message)
        }
        Err(end) => end,
    }
}

/// From any port of the address `from`.
pub(in crate::socket) async fn connect(
    mut from: SocketAddr,
    to: SocketAddr,
) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    from.set_port(0);
    socket.bind(from)?;
    let stream = socket.connect(to).await?;
    tune(&stream)?;
    Ok(stream)
}

/// As little as can be waits in the kernel.
pub(in crate::socket) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Not fatal: what waits in the kernel is then bounded by its own buffer.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    Ok(())
}

fn why(error: io::Error) -> End {
    if let Some(end) = tls::why(&error) {
        return end;
    }
    let kind = match error.kind() {
        io::ErrorKind::TimedOut => IceServerErrorKind::Timeout,
        _ => IceServerErrorKind::Unreachable,
    };
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => format!("TCP: {error}"),
    };
    (kind, message)
}
