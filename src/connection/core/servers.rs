//! ICE servers as the socket wants them.

use std::sync::Arc;

use crate::connection::description::ice_server::{RTCIceServer, parse_servers};
use crate::connection::description::server_url::ParsedServer;
use crate::error::{Error, Result};
use crate::socket::{ServerAddress, ServerKind, TurnCredentials};

/// ICE servers as the socket wants them.
pub(crate) fn server_addresses(servers: &[RTCIceServer]) -> Result<Vec<ServerAddress>> {
    let servers = parse_servers(servers)?;
    Ok(servers.into_iter().map(server_address).collect())
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
    ServerAddress {
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
