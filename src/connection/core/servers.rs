//! ICE servers as the socket wants them.

use std::sync::Arc;

use crate::connection::description::ice_server::{RTCIceServer, parse_servers};
use crate::connection::description::server_url::{ParsedServer, ServerScheme, ServerTransport};
use crate::error::{Error, Result};
use crate::socket::{Carrier, ServerAddress, ServerKind, TurnCredentials, check_certificates};

/// ICE servers as the socket wants them.
pub(crate) fn server_addresses(servers: &[RTCIceServer]) -> Result<Vec<ServerAddress>> {
    let servers = parse_servers(servers)?;
    Ok(servers.into_iter().map(server_address).collect())
}

/// What servers over TLS are to be trusted by, checked.
pub(crate) fn certificates(pem: Option<&str>) -> Result<Option<Arc<str>>> {
    if let Some(pem) = pem {
        check_certificates(pem).map_err(Error::invalid_parameters)?;
    }
    Ok(pem.map(Arc::from))
}

/// Refuses servers of which no relay can come.
pub(crate) fn needs_relay(servers: &[ServerAddress]) -> Result<()> {
    if servers.iter().any(ServerAddress::gives_relays) {
        return Ok(());
    }
    let turn = servers.iter().find(|s| s.kind == ServerKind::Turn);
    match turn.and_then(|server| server.unsupported) {
        Some(why) => Err(Error::unsupported_transport(format!(
            "relay_only, and no TURN server that can be used: {why}"
        ))),
        None => Err(Error::invalid_parameters(
            "relay_only without a TURN server can never connect",
        )),
    }
}

fn server_address(server: ParsedServer) -> ServerAddress {
    let carrier = match (server.scheme, server.transport) {
        (ServerScheme::Turns, ServerTransport::Tcp) => Carrier::Tls(server.host.as_str().into()),
        (ServerScheme::Turn, ServerTransport::Tcp) => Carrier::Tcp,
        _ => Carrier::Udp,
    };
    ServerAddress {
        carrier,
        unsupported: server.unsupported(),
        kind: if server.scheme.is_turn() {
            ServerKind::Turn
        } else {
            ServerKind::Stun
        },
        url: server.url,
        host: server.host,
        port: server.port,
        credentials: server
            .username
            .zip(server.credential)
            .map(|(username, password)| Arc::new(TurnCredentials { username, password })),
    }
}
