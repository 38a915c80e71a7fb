//! Two connections that exchange their descriptions, as JSON, inside the process.

use std::net::SocketAddr;
use std::time::Duration;

use ortc::{
    RTCCandidatePolicy, RTCConnection, RTCConnectionEvent, RTCConnectionEvents,
    RTCConnectionOptions, RTCDataChannel, RTCIceServer, RTCSocket,
};

use crate::relay::Relay;
use crate::{Arguments, Result};

const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Both ends of a connection. The events are kept: an application would read them.
pub(crate) struct Pair {
    pub(crate) a: RTCConnection,
    pub(crate) b: RTCConnection,
    events: [RTCConnectionEvents; 2],
    _relay: Option<Relay>,
}

impl Pair {
    pub(crate) fn events_b(&mut self) -> &mut RTCConnectionEvents {
        &mut self.events[1]
    }

    /// The next channel that the other end has opened.
    pub(crate) async fn incoming(&mut self, side: usize) -> Result<RTCDataChannel> {
        let events = self.events.get_mut(side).ok_or("two sides")?;
        loop {
            match events.next().await.ok_or("the connection ended")? {
                RTCConnectionEvent::DataChannel(channel) => return Ok(channel),
                _ => continue,
            }
        }
    }
}

/// Each end has a socket and a certificate of its own; one host candidate each is trickled.
pub(crate) async fn connect() -> Result<Pair> {
    connect_by(None).await
}

/// The same over a path with the delay, loss and corruption that the arguments say.
pub(crate) async fn connect_through(arguments: &Arguments) -> Result<Pair> {
    connect_by(Some(Relay::start(arguments)?)).await
}

async fn connect_by(relay: Option<Relay>) -> Result<Pair> {
    let ports = relay.as_ref().map(|relay| relay.ports);
    let ((a, a_events), (b, b_events)) = join_by(end(None)?, end(None)?, ports).await?;
    Ok(Pair {
        a,
        b,
        events: [a_events, b_events],
        _relay: relay,
    })
}

type End = (RTCConnection, RTCConnectionEvents);

/// One end, on a socket that is there already or one of its own.
pub(crate) fn end(socket: Option<RTCSocket>) -> Result<End> {
    let options = by(RTCConnectionOptions::default())?;
    Ok(RTCConnection::new(match socket {
        Some(socket) => options.socket(socket),
        None => options.bind(SocketAddr::from(([127, 0, 0, 1], 0))),
    })?)
}

/// See `ORTC_BENCH_BY` in the head of `workloads.rs`.
fn by(options: RTCConnectionOptions) -> Result<RTCConnectionOptions> {
    let Some(by) = way() else {
        return Ok(options);
    };
    if by == "tcp" {
        return Ok(options.candidate_policy(RTCCandidatePolicy::default().tcp(true)));
    }
    let server = RTCIceServer::new(by).with_credential("user", "pass");
    let options = options.relay_only(true).ice_servers([server]);
    Ok(match std::env::var_os("ORTC_BENCH_CERTIFICATE") {
        Some(file) => options.ice_server_certificates(std::fs::read_to_string(file)?),
        None => options,
    })
}

fn way() -> Option<String> {
    std::env::var("ORTC_BENCH_BY").ok()
}

/// Connects two ends.
pub(crate) async fn join(a: End, b: End) -> Result<(End, End)> {
    join_by(a, b, None).await
}

async fn join_by(a: End, b: End, ports: Option<[u16; 2]>) -> Result<(End, End)> {
    let ((a, mut a_events), (b, mut b_events)) = (a, b);
    a.set_remote(serde_json::from_str(&serde_json::to_string(&b.local())?)?)?;
    b.set_remote(serde_json::from_str(&serde_json::to_string(&a.local())?)?)?;
    a.connect()?;
    b.connect()?;
    let both = async {
        a.connected().await?;
        b.connected().await
    };
    tokio::select! {
        connected = tokio::time::timeout(TIME_LIMIT, both) => connected??,
        failed = trickle(&mut a_events, &b, ports.map(|ports| ports[1])) => failed?,
        failed = trickle(&mut b_events, &a, ports.map(|ports| ports[0])) => failed?,
    }
    Ok(((a, a_events), (b, b_events)))
}

/// Carries candidates to the peer, with the relay's port for their own if there is one; ends with
/// an error only.
async fn trickle(
    from: &mut RTCConnectionEvents,
    to: &RTCConnection,
    port: Option<u16>,
) -> Result<()> {
    while let Some(event) = from.next().await {
        if let RTCConnectionEvent::Candidate(mut candidate) = event {
            if candidate.transport == "udp" && way().as_deref() == Some("tcp") {
                continue;
            }
            candidate.connection_port = port.unwrap_or(candidate.connection_port);
            let json = serde_json::to_string(&candidate)?;
            to.set_remote_candidate(&serde_json::from_str(&json)?)?;
        }
    }
    Err("a connection ended before it was connected".into())
}
