//! Making a connection from its options.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::auto_restart::AutoRestart;
use super::event::MAX_WAITING_EVENTS;
use super::event_sink::EventSink;
use super::servers::{certificates, needs_relay, server_addresses};
use super::shared::ConnectionShared;
use super::state::ConnectionState;
use crate::budget::Budget;
use crate::connection::description::restrictions::RTCRestrictions;
use crate::connection::description::roles::{
    FingerprintCheck, GatherStart, NetworkChanges, PeerIdentity,
};
use crate::connection::options::RTCConnectionOptions;
use crate::connection::receiving::tracks::Receiving;
use crate::engine::ice::{Credentials, IceConfig};
use crate::engine::{Engine, EngineConfig, Identity};
use crate::error::{Error, Result};
use crate::locks::Signal;
use crate::rtp::{ExtensionMap, RtpConfig, cname_from_random};
use crate::socket::{Member, RTCSocket, ServerAddress, SocketConfig, SocketShared};
use crate::trace::{self, LogId};

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_OFFSET: u64 = 2_208_988_800;

/// Makes a connection, or a further leg of one, which shares its events and its wake-up.
pub(crate) fn build(
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
    let config = engine_config(options, shared, extensions, budget.clone(), now);
    let mut state = ConnectionState {
        engine: Engine::new(now, config),
        credentials: shared.credentials.clone(),
        announced: Vec::new(),
        remote: None,
        auto_restart: AutoRestart::new(options.auto_restart),
        policy: options.local_candidates,
        sending: BTreeMap::new(),
        streams: Vec::new(),
        carriers: Default::default(),
        digits_wait: false,
        digits_elsewhere: Vec::new(),
        receiving: Receiving::new(budget),
        channels: BTreeMap::new(),
        asked: Vec::new(),
        strained: Vec::new(),
        next_key: 0,
        closed: None,
        linger: options.linger,
        remote_names: 0,
        lookups: Vec::new(),
        ignored_candidates: 0,
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

fn engine_config(
    options: &RTCConnectionOptions,
    socket: &SocketShared,
    extensions: ExtensionMap,
    budget: Budget,
    now: Instant,
) -> EngineConfig {
    EngineConfig {
        local: socket.credentials.clone(),
        certificate: socket.certificate.clone(),
        role: options.role.map(Into::into),
        dtls_role: options.dtls_role.to_engine(),
        identity: match options.identity {
            PeerIdentity::Pinned => Identity::Pinned {
                allow_weak: options.fingerprint_check == FingerprintCheck::AllowWeak,
                all: options.fingerprint_check == FingerprintCheck::All,
            },
            PeerIdentity::Deferred => Identity::Deferred,
            PeerIdentity::Insecure => Identity::Insecure,
        },
        ice: IceConfig {
            rng_seed: crate::random::u64(),
            max_pairs: options.max_candidate_pairs,
            keep_path: options.network_changes == NetworkChanges::KeepPath,
            denied: options
                .candidate_policy
                .as_ref()
                .map(|policy| policy.denied.clone())
                .unwrap_or_default(),
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
        budget,
        max_message_size: options.max_message_size,
        whole_datagrams: socket.whole_datagrams,
        tie_breaker: crate::random::u64(),
        rng_seed: crate::random::u64(),
        wall_clock: (now, ntp_now()),
        span: trace::connection_span(LogId::next(), socket.log_id, &socket.credentials.ufrag),
    }
}

fn local_socket(
    options: &RTCConnectionOptions,
    servers: Option<Vec<ServerAddress>>,
) -> Result<RTCSocket> {
    if let Some(policy) = &options.candidate_policy {
        policy.validate()?;
    }
    let Some(socket) = &options.socket else {
        if options.relay_only {
            needs_relay(servers.as_deref().unwrap_or_default())?;
        }
        return RTCSocket::new(SocketConfig {
            bind: options.bind,
            include_loopback: options.include_loopback,
            policy: options
                .candidate_policy
                .as_ref()
                .map(|policy| policy.socket.clone())
                .unwrap_or_default(),
            servers: servers.unwrap_or_default(),
            server_certificates: certificates(options.ice_server_certificates.as_deref())?,
            follow_networks: options.network_changes != NetworkChanges::Ignore,
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
    if options.ice_server_certificates.is_some() {
        return Err(Error::invalid_parameters(
            "ice_server_certificates and socket exclude each other: the socket has its servers",
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

/// The time of day in NTP's 32.32 fixed-point form (RFC 3550 section 4).
fn ntp_now() -> u64 {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = unix.as_secs().wrapping_add(NTP_OFFSET);
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}
