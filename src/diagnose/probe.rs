//! One server after the other, each by a connection of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::nat;
use super::options::DiagnoseOptions;
use super::report::{Relay, ServerReport, ServerState};
use super::server::Server;
use crate::connection::RTCConnection;
use crate::connection::candidate_policy::RTCCandidatePolicy;
use crate::connection::core::event::{RTCConnectionEvent, RTCConnectionEvents};
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::options::RTCConnectionOptions;
use crate::engine::ice::scope::is_link_local;
use crate::error::Result;
use crate::socket::IceServerErrorKind;

/// A server that has not answered by then does not: gathering gives up earlier.
const PATIENCE: Duration = Duration::from_secs(20);
/// What does not come through a relay by then does not come.
const THROUGH: Duration = Duration::from_secs(6);

fn options(given: &DiagnoseOptions) -> RTCConnectionOptions {
    let mut options = RTCConnectionOptions::default().include_loopback(given.include_loopback);
    if let Some(pem) = &given.certificates {
        options = options.ice_server_certificates(pem.clone());
    }
    match given.bind {
        Some(address) => options.bind(SocketAddr::new(address.ip(), 0)),
        None => options,
    }
}

/// What looks for this machine's addresses. An error here is of the runtime or the port.
pub(super) fn begin(given: &DiagnoseOptions) -> Result<(RTCConnection, RTCConnectionEvents)> {
    // Addresses of links alone are no reason to say that there are none.
    let policy = RTCCandidatePolicy::default().link_local(true);
    RTCConnection::new(options(given).candidate_policy(policy))
}

/// This machine's addresses.
pub(super) async fn addresses(
    (_connection, mut events): (RTCConnection, RTCConnectionEvents),
) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let all = async {
        while let Some(event) = events.next().await {
            match event {
                RTCConnectionEvent::Candidate(candidate) => {
                    found.extend(candidate.connection_address.parse::<IpAddr>());
                }
                RTCConnectionEvent::EndOfCandidates => return,
                _ => {}
            }
        }
    };
    // What came by then is what there is.
    let _ = timeout(PATIENCE, all).await;
    let beyond = |ip: &IpAddr| !ip.is_loopback() && !is_link_local(*ip);
    if found.iter().any(beyond) {
        found.retain(|ip| !is_link_local(*ip));
    }
    found.dedup();
    found
}

/// Asks one server, and sends something through its relay.
pub(super) async fn server(server: Server, given: DiagnoseOptions) -> Result<ServerReport> {
    let begun = Instant::now();
    if server.is_udp() && !server.is_turn() {
        let state = nat::binding(&server, given.bind).await?;
        return Ok(report(server, state, begun.elapsed()));
    }
    let options = options(&given)
        .ice_servers([server.alone()])
        .relay_only(server.is_turn());
    let (connection, mut events) = RTCConnection::new(options)?;
    let answer = timeout(PATIENCE, answer(&mut events)).await;
    let took = begun.elapsed();
    let state = match answer.unwrap_or(Answer::Silence) {
        Answer::Candidate(candidate) => match (address(&candidate), server.is_turn()) {
            (Some(address), true) => ServerState::Relayed {
                address,
                relay: relay(&server, &given, connection, events, candidate).await?,
            },
            (address, _) => ServerState::Mapped { address },
        },
        Answer::Failed(kind, message) => ServerState::Failed { kind, message },
        Answer::Silence => ServerState::Failed {
            kind: IceServerErrorKind::Timeout,
            message: "no answer".to_owned(),
        },
    };
    Ok(report(server, state, took))
}

fn report(server: Server, state: ServerState, took: Duration) -> ServerReport {
    ServerReport {
        url: server.0.url,
        state,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}

enum Answer {
    Candidate(Box<RTCIceCandidateDescription>),
    Failed(IceServerErrorKind, String),
    Silence,
}

async fn answer(events: &mut RTCConnectionEvents) -> Answer {
    while let Some(event) = events.next().await {
        match event {
            RTCConnectionEvent::Candidate(candidate) if candidate.typ != "host" => {
                return Answer::Candidate(Box::new(candidate));
            }
            RTCConnectionEvent::IceServerError(error) => {
                return Answer::Failed(error.kind, error.message);
            }
            _ => {}
        }
    }
    Answer::Silence
}

fn address(candidate: &RTCIceCandidateDescription) -> Option<SocketAddr> {
    let ip: IpAddr = candidate.connection_address.parse().ok()?;
    Some((ip, candidate.connection_port).into())
}

/// Whether a peer is reached through the relay that `relayed` has.
async fn relay(
    server: &Server,
    given: &DiagnoseOptions,
    relayed: RTCConnection,
    events: RTCConnectionEvents,
    candidate: Box<RTCIceCandidateDescription>,
) -> Result<Relay> {
    // Over UDP by itself first: that is how other peers come.
    if let Some(stun) = server.as_stun() {
        let peer = RTCConnection::new(options(given).ice_servers([stun]))?;
        if meet((&relayed, events, Some(&candidate)), peer).await? {
            return Ok(Relay::Carries);
        }
    }
    let permitted = relayed.shared().socket.not_permitted().is_none();
    drop(relayed);
    let relay_only = || {
        options(given)
            .ice_servers([server.alone()])
            .relay_only(true)
    };
    let (one, events) = RTCConnection::new(relay_only())?;
    let inside = meet((&one, events, None), RTCConnection::new(relay_only())?).await?;
    Ok(match (inside, server.is_udp()) {
        // No other way out is known than the one that the relay is for.
        (true, false) => Relay::Carries,
        (_, true) if !permitted => Relay::NotPermitted,
        (true, true) => Relay::OnlyInside,
        (false, _) => Relay::Blocked,
    })
}

/// Whether the two connect in time.
async fn meet(
    (one, mut ones, known): (
        &RTCConnection,
        RTCConnectionEvents,
        Option<&RTCIceCandidateDescription>,
    ),
    (other, mut others): (RTCConnection, RTCConnectionEvents),
) -> Result<bool> {
    one.set_remote(other.local())?;
    other.set_remote(one.local())?;
    one.connect()?;
    other.connect()?;
    if let Some(candidate) = known {
        other.set_remote_candidate(candidate)?;
    }
    let both = async {
        tokio::join!(hand_on(&mut ones, &other), hand_on(&mut others, one));
    };
    let met = async {
        tokio::select! {
            () = both => false,
            connected = one.connected() => connected.is_ok(),
        }
    };
    Ok(timeout(THROUGH, met).await.unwrap_or(false))
}

/// Tells the other of each candidate.
async fn hand_on(events: &mut RTCConnectionEvents, to: &RTCConnection) {
    while let Some(event) = events.next().await {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            // One that cannot be used is none.
            let _ = to.set_remote_candidate(&candidate);
        }
    }
}
