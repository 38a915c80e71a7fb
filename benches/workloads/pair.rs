//! Two connections that exchange their descriptions, as JSON, inside the process.

use std::net::SocketAddr;
use std::time::Duration;

use ortc::{RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions};

use crate::Result;

const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Both ends of a connection. The events are kept: an application would read them.
pub(crate) struct Pair {
    pub(crate) a: RTCConnection,
    pub(crate) b: RTCConnection,
    _events: [RTCConnectionEvents; 2],
}

/// Each end has a socket and a certificate of its own; one host candidate each is trickled.
pub(crate) async fn connect() -> Result<Pair> {
    let options = || RTCConnectionOptions::default().bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let (a, mut a_events) = RTCConnection::new(options())?;
    let (b, mut b_events) = RTCConnection::new(options())?;
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
        failed = trickle(&mut a_events, &b) => failed?,
        failed = trickle(&mut b_events, &a) => failed?,
    }
    Ok(Pair {
        a,
        b,
        _events: [a_events, b_events],
    })
}

/// Carries candidates to the peer; ends with an error only.
async fn trickle(from: &mut RTCConnectionEvents, to: &RTCConnection) -> Result<()> {
    while let Some(event) = from.next().await {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            let json = serde_json::to_string(&candidate)?;
            to.set_remote_candidate(&serde_json::from_str(&json)?)?;
        }
    }
    Err("a connection ended before it was connected".into())
}
