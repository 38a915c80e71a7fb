//! All that come by WHIP and WHEP: bounded in number, each under an id that nobody guesses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use ortc::{
    RTCCandidatePolicy, RTCConnection, RTCConnectionOptions, RTCIceCandidateDescription, RTCSocket,
};
use ortc_rooms::session::SessionOptions;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;

use super::fault::Fault;
use super::section::Section;
use crate::config::ServerConfig;

/// At once.
const MOST: usize = 256;

/// All of them.
pub(crate) struct Bridges {
    bind: Option<SocketAddr>,
    loopback: bool,
    external: Vec<std::net::IpAddr>,
    /// The port that all share, once there is one.
    socket: Mutex<Option<RTCSocket>>,
    table: Mutex<HashMap<String, Arc<Bridge>>>,
    /// Those that are on their way are counted, too.
    places: Arc<tokio::sync::Semaphore>,
}

/// A place among them.
pub(super) type Place = tokio::sync::OwnedSemaphorePermit;

/// One of them, as its client reaches it.
pub(super) struct Bridge {
    pub(super) connection: RTCConnection,
    /// What the client came with has to come each time (RFC 9725 section 4.7.1).
    pub(super) token: Option<String>,
    pub(super) first: Section,
    pub(super) candidates: Vec<RTCIceCandidateDescription>,
    /// Counts the restarts of ICE: the entity tag.
    pub(super) restarts: Mutex<u32>,
    pub(super) stop: Notify,
}

impl Bridge {
    /// The entity tag of the present ICE session (RFC 9725 section 4.3.1).
    pub(super) fn tag(restarts: u32) -> String {
        format!("\"{restarts}\"")
    }
}

impl Bridges {
    /// None unless they are asked for.
    pub(crate) fn new(config: &ServerConfig) -> Option<Arc<Self>> {
        let address = config.listen.ip();
        let port = config.whip_port.unwrap_or(0);
        let bridges = Self {
            bind: (!address.is_unspecified() || port != 0).then(|| SocketAddr::new(address, port)),
            loopback: address.is_loopback(),
            external: config.outside().into_iter().collect(),
            socket: Mutex::default(),
            table: Mutex::default(),
            places: Arc::new(tokio::sync::Semaphore::new(MOST)),
        };
        config.whip.then(|| Arc::new(bridges))
    }

    pub(super) fn place(&self) -> Result<Place, Fault> {
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| {
            let words = format!("{MOST} come by WHIP and WHEP, which is all that may");
            Fault::later(StatusCode::SERVICE_UNAVAILABLE, words, 30)
        })
    }

    /// How a connection to a client is made. Within a runtime.
    pub(super) fn options(&self) -> Result<RTCConnectionOptions, Fault> {
        let options = RTCConnectionOptions::default().include_loopback(self.loopback);
        let policy = RTCCandidatePolicy::default();
        let policy = policy.external_addresses(self.external.iter().copied());
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = &*socket {
            return Ok(options.socket(socket.clone()));
        }
        let mut first = options.clone().candidate_policy(policy);
        if let Some(address) = self.bind {
            first = first.bind(address);
        }
        let (connection, _) = RTCConnection::new(first).map_err(|error| {
            let words = format!("whip_port: {error}");
            Fault::later(StatusCode::SERVICE_UNAVAILABLE, words, 30)
        })?;
        let made = connection.local_socket();
        connection.close();
        Ok(options.socket(socket.insert(made).clone()))
    }

    /// How its place in a room reaches the others there.
    pub(super) fn session(&self) -> SessionOptions {
        let mut options = SessionOptions::new();
        options.include_loopback = self.loopback;
        options.bind = self.bind.map(|bind| SocketAddr::new(bind.ip(), 0));
        options.external_addresses.clone_from(&self.external);
        options
    }

    pub(super) fn add(&self, id: &str, bridge: Bridge) -> Arc<Bridge> {
        let bridge = Arc::new(bridge);
        self.lock().insert(id.to_owned(), bridge.clone());
        bridge
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Bridge>> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Bridge>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many random bytes in hexadecimal.
pub(super) fn random<const N: usize>() -> Result<String, Fault> {
    let mut bytes = [0_u8; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the system gives no random numbers",
        )
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
