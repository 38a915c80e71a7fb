//! Making a connection from its options.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::event::MAX_WAITING_EVENTS;
use super::legs::EventSink;
use super::options::RTCConnectionOptions;
use super::receiving::Receiving;
use super::shared::{ConnectionShared, ConnectionState};
use crate::budget::Budget;
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::ice_server::{RTCIceServer, parse_servers};
use crate::connection::description::restrictions::RTCRestrictions;
use crate::connection::description::roles::{GatherStart, PeerIdentity};
use crate::connection::description::server_url::ParsedServer;
use crate::engine::ice::{Credentials, IceConfig};
use crate::engine::{Engine, EngineConfig, Identity};
use crate::error::{Error, Result};
use crate::locks::Signal;
use crate::rtp::{ExtensionMap, RtpConfig, cname_from_random};
use crate::socket::{
    Member, RTCSocket, ServerAddress, ServerKind, SocketConfig, TurnCredentials, resolve,
};
use crate::tasks::{self, Task};

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_OFFSET: u64 = 2_208_988_800;

/// Makes a connection, or a further leg of one, which shares its events and its wake-up.
pub(super) fn build(
    options: &RTCConnectionOptions,
    leg: Option<(EventSink, Arc<Signal>)>,
) -> Result<Arc<ConnectionShared>> {
    let servers = match &options.ice_servers {
        Some(servers) => Some(server_addresses(servers)?),
        None => None,
    };
    let extensions = ExtensionMap::new(&options.header_extensions)?;
    if let Some(cname) = &options.cname
        && (cname.is_empty() || cname.len() > 255)
    {
        return Err(Error::invalid_parameters("a CNAME has 1 to 255 bytes"));
    }
    if let Some(credentials) = &options.credentials {
        credentials.validate()?;
    }
    options.restrictions.validate()?;
    let socket = local_socket(options, servers)?;
    let shared = &socket.handle.shared;
    let now = Instant::now();
    let budget = Budget::new(options.memory_limit);
    let config = EngineConfig {
        local: shared.credentials.clone(),
        certificate: shared.certificate.clone(),
        role: options.role.map(Into::into),
        dtls_role: options.dtls_role.to_engine(),
        identity: match options.identity {
            PeerIdentity::Pinned => Identity::Pinned {
                allow_weak: options.allow_weak_fingerprints,
                all: options.require_all_fingerprints,
            },
            PeerIdentity::Deferred => Identity::Deferred,
            PeerIdentity::Insecure => Identity::Insecure,
        },
        ice: IceConfig {
            rng_seed: crate::random::u64(),
            max_pairs: options.max_candidate_pairs,
            ..IceConfig::default()
        },
        rtp: RtpConfig {
            source_timeout: options.source_timeout,
            kind_timeouts: options
                .kind_timeouts
                .iter()
                .map(|(kind, timeout)| (kind.as_str(), *timeout))
                .collect(),
            ..RtpConfig::default()
        },
        // RFC 7022 section 4.2: short-term, random, per connection.
        cname: options
            .cname
            .clone()
            .unwrap_or_else(|| cname_from_random(crate::random::bytes())),
        extensions,
        budget: budget.clone(),
        max_message_size: options.max_message_size,
        whole_datagrams: shared.whole_datagrams,
        tie_breaker: crate::random::u64(),
        rng_seed: crate::random::u64(),
        wall_clock: (now, ntp_now()),
    };
    let mut state = ConnectionState {
        engine: Engine::new(now, config),
        credentials: shared.credentials.clone(),
        announced: Vec::new(),
        remote: None,
        policy: options.local_candidates,
        sending: BTreeMap::new(),
        streams: Vec::new(),
        carriers: Default::default(),
        digits_wait: false,
        receiving: Receiving::new(budget),
        channels: BTreeMap::new(),
        next_key: 0,
        closed: None,
        linger: options.linger,
        remote_names: 0,
        ignored_candidates: 0,
        media_dropped: 0,
        socket: Some(socket.clone()),
        receive_restrictions: RTCRestrictions::default(),
        send_restrictions: RTCRestrictions::default(),
        legs: Vec::new(),
    };
    let restrictions = &options.restrictions;
    state.restrict(restrictions.clone(), restrictions.clone())?;
    let (events, changed) =
        leg.unwrap_or_else(|| (EventSink::new(MAX_WAITING_EVENTS), Arc::default()));
    let connection =
        shared.join(|id| ConnectionShared::new(id, shared.clone(), state, events, changed));
    for found in shared.found() {
        connection.gathered(now, &found);
    }
    shared.gather_if_released(now);
    if shared.is_closed() {
        // Closed meanwhile: its task may have left without seeing this connection.
        connection.end(now, shared.ended());
    }
    Ok(connection)
}

fn local_socket(
    options: &RTCConnectionOptions,
    servers: Option<Vec<ServerAddress>>,
) -> Result<RTCSocket> {
    let Some(socket) = &options.socket else {
        if options.relay_only {
            needs_relay(servers.as_deref().unwrap_or_default())?;
        }
        return RTCSocket::new(SocketConfig {
            bind: options.bind,
            include_loopback: options.include_loopback,
            servers: servers.unwrap_or_default(),
            gather_at_once: options.gather == GatherStart::Immediate,
            certificate: options
                .certificate
                .as_ref()
                .map(|own| own.certificate.clone()),
            relay_only: options.relay_only,
            credentials: options.credentials.as_ref().map(|own| Credentials {
                ufrag: own.username_frag.clone(),
                pwd: own.password.clone(),
            }),
            ..SocketConfig::default()
        });
    };
    // Row G6: one socket, one set of servers.
    if servers.is_some_and(|servers| servers != socket.handle.shared.servers()) {
        return Err(Error::invalid_parameters(
            "the socket has ICE servers of its own, other than the given ones",
        ));
    }
    if options.relay_only && !socket.handle.shared.relay_only() {
        return Err(Error::invalid_parameters(
            "relay_only on a socket that was made without it",
        ));
    }
    if options.bind.is_some() {
        return Err(Error::invalid_parameters(
            "bind and socket exclude each other: the socket is bound already",
        ));
    }
    if options.credentials.is_some() {
        return Err(Error::invalid_parameters(
            "description and socket exclude each other: the socket has its user name fragment",
        ));
    }
    if options.certificate.is_some() {
        return Err(Error::invalid_parameters(
            "certificate and socket exclude each other: the socket has its certificate",
        ));
    }
    if socket.handle.shared.is_closed() {
        return Err(Error::invalid_state("the socket is closed"));
    }
    Ok(socket.clone())
}

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
        Some(why) => Err(Error::not_supported(format!(
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

/// The time of day in NTP's 32.32 fixed-point form (RFC 3550 section 4).
fn ntp_now() -> u64 {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = unix.as_secs().wrapping_add(NTP_OFFSET);
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

/// Looks up a `.local` candidate in the background; one that does not resolve is ignored
/// (row G22). Not with the connection's state locked.
pub(super) fn resolve_remote(
    connection: &ConnectionShared,
    candidate: RTCIceCandidateDescription,
    name: String,
) {
    let mut lookup = RemoteName {
        connection: connection.this.clone(),
        candidate,
        address: None,
    };
    // Not `tokio::spawn`: verbs may be called from threads that know no runtime.
    let runtime = &connection.socket.runtime;
    tasks::spawn(Task::PeerName, runtime, async move {
        let address = resolve::resolve_mdns(&name).await;
        lookup.found(address);
    });
}

/// A look-up of a remote candidate. However its task ends, it makes room for the next.
struct RemoteName {
    connection: Weak<ConnectionShared>,
    candidate: RTCIceCandidateDescription,
    address: Option<IpAddr>,
}

impl RemoteName {
    fn found(&mut self, address: Option<IpAddr>) {
        self.address = address;
    }
}

impl Drop for RemoteName {
    fn drop(&mut self) {
        let Some(connection) = self.connection.upgrade() else {
            return;
        };
        let _ = connection.open(|state| {
            match self.address {
                Some(ip) => {
                    if let Ok(usable) = self.candidate.to_engine_at(ip) {
                        let ufrag = self.candidate.username_frag.as_deref();
                        state.add_remote_candidate(Instant::now(), usable, ufrag);
                    }
                }
                None => state.ignored_candidates += 1,
            }
            state.remote_names = state.remote_names.saturating_sub(1);
            Ok(())
        });
    }
}
