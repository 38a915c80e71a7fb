//! RTCSocket as July has it: made by the application, with events of its own.

// Rows B28 to B41, C2, C4, G39.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::connection::candidate_policy::RTCCandidatePolicy;
use crate::connection::core::servers::{certificates, needs_relay, server_addresses};
use crate::connection::description::candidate::RTCIceCandidateDescription;
use crate::connection::description::certificate::RTCCertificate;
use crate::connection::description::fingerprint::CertificateFingerprint;
use crate::connection::description::ice_server::RTCIceServer;
use crate::connection::description::roles::NetworkChanges;
use crate::error::DisconnectReason;
use crate::error::{Error, Result};
use crate::media::Kind;
use crate::queue::Queue;
use crate::socket::{Gathered, IceServerError, RTCSocket, SocketConfig, SocketNews};

/// Events that wait for the application; when full the oldest is dropped.
const MAX_WAITING: usize = 1_024;

// Rows B38 to B41.
/// How a socket is made.
#[derive(Debug, Clone, Default)]
#[doc(alias = "RTCSocketOptionsDictionary")]
#[non_exhaustive]
pub struct RTCSocketOptions {
    /// The fingerprints that the socket's certificate must have, if any are given; the
    /// description then announces these.
    pub fingerprints: Option<CertificateFingerprint>,
    // Row G21.
    /// Multiplexing of RTP and RTCP: always; `Some(false)` is `UnsupportedTransport`.
    pub mux: Option<bool>,
    /// The kinds of track that may use the socket; empty: all.
    pub kind: Vec<Kind>,
    /// The socket's certificate and private key; `None`: new ones.
    pub keys: Option<RTCCertificate>,
    /// Candidates are relays only, as with
    /// [`RTCConnectionOptions::relay_only`](crate::RTCConnectionOptions::relay_only); a TURN server
    /// is needed.
    pub relay_only: bool,
    /// What servers over TLS are trusted by, as with
    /// [`RTCConnectionOptions::ice_server_certificates`](crate::RTCConnectionOptions::ice_server_certificates).
    pub ice_server_certificates: Option<String>,
    /// Which candidates the socket offers; what it denies of peers' is for each connection to say.
    pub candidate_policy: RTCCandidatePolicy,
    /// What happens when the addresses of this host change.
    pub network_changes: NetworkChanges,
    /// The address to bind; `None`: any port on all interfaces.
    pub bind: Option<SocketAddr>,
}

impl RTCSocketOptions {
    /// The same options with this address to bind.
    pub fn with_bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// The same options with this policy for candidates.
    pub fn with_policy(mut self, policy: RTCCandidatePolicy) -> Self {
        self.candidate_policy = policy;
        self
    }

    /// The same options for these kinds of track alone.
    pub fn with_kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kind = kinds.into_iter().collect();
        self
    }

    /// The same options with this certificate.
    pub fn with_keys(mut self, keys: RTCCertificate) -> Self {
        self.keys = Some(keys);
        self
    }
}

// Rows B31, G39.
/// What a socket is, for signalling.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[doc(alias = "RTCSocketDescriptionDictionary")]
#[non_exhaustive]
pub struct RTCSocketDescription {
    /// The socket's identity within its process: its port.
    pub socket_id: String,
    /// The ICE user name fragment.
    pub context_id: String,
    /// The ICE password. A secret: `Debug` does not show it.
    pub secret: String,
    /// The fingerprints of its certificate: those of the options, or else sha-256 alone.
    pub fingerprints: CertificateFingerprint,
    /// The candidates found so far.
    pub candidates: Vec<RTCIceCandidateDescription>,
}

impl std::fmt::Debug for RTCSocketDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RTCSocketDescription")
            .field("socket_id", &self.socket_id)
            .field("context_id", &self.context_id)
            .finish_non_exhaustive()
    }
}

// Rows B33 to B37.
/// What happens on a socket, whichever connection it concerns. [`name`](Self::name) gives
/// July's name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // Few, and short-lived.
pub enum RTCSocketEvent {
    /// A candidate was discovered, or has a new user name fragment, since a connection on the
    /// socket has restarted ICE.
    Candidate(RTCIceCandidateDescription),
    /// All discoveries have completed.
    CandidatesDone,
    /// A STUN or TURN server did not do its work.
    IceServerError(IceServerError),
    /// The pair in use by a connection.
    ActiveCandidate {
        /// The local candidate.
        local: RTCIceCandidateDescription,
        /// The remote candidate.
        remote: RTCIceCandidateDescription,
    },
    /// A connection on the socket is connected.
    Connected,
    /// A connection on the socket is disconnected.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
}

impl RTCSocketEvent {
    /// July's name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Candidate(_) => "candidate",
            Self::CandidatesDone => "candidatesdone",
            Self::IceServerError(_) => "iceservererror",
            Self::ActiveCandidate { .. } => "activecandidate",
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
        }
    }
}

/// The events of one socket, in order.
#[derive(Debug)]
pub struct RTCSocketEvents {
    queue: Arc<Queue<SocketNews>>,
    socket_id: String,
    username_frag: String,
}

impl RTCSocketEvents {
    /// The next event; `None` after the socket is closed and all are read. Cancel-safe.
    pub async fn next(&mut self) -> Option<RTCSocketEvent> {
        let describe = |candidate: &_, ufrag| {
            let mut description = RTCIceCandidateDescription::from_engine(candidate, ufrag);
            description.socket_id = Some(self.socket_id.clone());
            description
        };
        Some(match self.queue.pop().await? {
            SocketNews::Gathered(Gathered::Candidate(found)) => {
                RTCSocketEvent::Candidate(describe(&found, Some(&self.username_frag)))
            }
            SocketNews::Restarted(found, ufrag) => {
                RTCSocketEvent::Candidate(describe(&found, Some(&ufrag)))
            }
            SocketNews::Gathered(Gathered::Complete) => RTCSocketEvent::CandidatesDone,
            SocketNews::Gathered(Gathered::Error(error)) => RTCSocketEvent::IceServerError(error),
            SocketNews::Active { local, remote } => RTCSocketEvent::ActiveCandidate {
                local: describe(&local, None),
                remote: RTCIceCandidateDescription::from_engine(&remote, None),
            },
            SocketNews::Connected => RTCSocketEvent::Connected,
            SocketNews::Disconnected(reason) => RTCSocketEvent::Disconnected { reason },
        })
    }
}

/// July's constructor of RTCSocket.
impl RTCSocket {
    // Rows B28, B29, C2.
    /// Binds a socket and starts gathering on it. Give it to connections with
    /// [`RTCConnectionOptions::socket`](crate::RTCConnectionOptions::socket); its events are in
    /// addition to theirs.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a bad ICE server or fingerprints that are not of `keys`;
    /// `UnsupportedTransport` for `mux` false;
    /// [`TransportFault`](crate::TransportFault) when the port cannot be bound.
    pub fn with_servers(
        servers: impl IntoIterator<Item = RTCIceServer>,
        options: RTCSocketOptions,
    ) -> Result<(Self, RTCSocketEvents)> {
        options.validate()?;
        options.candidate_policy.validate()?;
        let queue = Arc::new(Queue::new(MAX_WAITING));
        let servers = server_addresses(&servers.into_iter().collect::<Vec<_>>())?;
        if options.relay_only {
            needs_relay(&servers)?;
        }
        let socket = Self::new(SocketConfig {
            bind: options.bind,
            servers,
            policy: options.candidate_policy.socket,
            server_certificates: certificates(options.ice_server_certificates.as_deref())?,
            relay_only: options.relay_only,
            gather_at_once: true,
            follow_networks: options.network_changes != NetworkChanges::Ignore,
            certificate: options.keys.map(|keys| keys.certificate),
            announced: options
                .fingerprints
                .iter()
                .flat_map(|wanted| wanted.iter().map(|one| one.algorithm.clone()))
                .collect(),
            kinds: options.kind,
            news: Some(queue.clone()),
            ..SocketConfig::default()
        })?;
        let events = RTCSocketEvents {
            queue,
            socket_id: socket.id(),
            username_frag: socket.handle.shared.credentials.ufrag.clone(),
        };
        Ok((socket, events))
    }

    // Rows B43, B62.
    /// The socket's `socket-id`.
    pub fn id(&self) -> String {
        self.port().to_string()
    }

    // Row B31.
    /// What the socket is, for signalling.
    #[doc(alias = "getDescription")]
    pub fn description(&self) -> RTCSocketDescription {
        let shared = &self.handle.shared;
        let describe = |found: Gathered| match found {
            Gathered::Candidate(found) => {
                let ufrag = Some(shared.credentials.ufrag.as_str());
                let mut candidate = RTCIceCandidateDescription::from_engine(&found, ufrag);
                candidate.socket_id = Some(self.id());
                Some(candidate)
            }
            _ => None,
        };
        RTCSocketDescription {
            socket_id: self.id(),
            context_id: shared.credentials.ufrag.clone(),
            secret: shared.credentials.pwd.clone(),
            fingerprints: self.announced(),
            candidates: shared.found().into_iter().filter_map(describe).collect(),
        }
    }
}

impl RTCSocket {
    /// Not all that there are: sha-1 is believed by nobody.
    fn announced(&self) -> CertificateFingerprint {
        let shared = &self.handle.shared;
        let certificate = RTCCertificate {
            certificate: shared.certificate.clone(),
        };
        let named = shared.announced();
        let mut all = CertificateFingerprint::default();
        for one in certificate.fingerprint().iter() {
            let is = |name: &str| one.algorithm.eq_ignore_ascii_case(name);
            if named.iter().any(|name| is(name)) || (named.is_empty() && is("sha-256")) {
                // It came out of such a list, so that there is room for it.
                let _ = all.push(one.clone());
            }
        }
        all
    }
}

impl RTCSocketOptions {
    fn validate(&self) -> Result<()> {
        if self.mux == Some(false) {
            return Err(Error::unsupported_transport(
                "RTP and RTCP always share the port (RFC 5761)",
            ));
        }
        let Some(wanted) = &self.fingerprints else {
            return Ok(());
        };
        let own = self.keys.as_ref().map(RTCCertificate::fingerprint);
        let has = |one| own.as_ref().is_some_and(|own| own.iter().any(|o| o == one));
        if wanted.iter().all(has) {
            return Ok(());
        }
        Err(Error::invalid_parameters(
            "the fingerprints are not those of the keys",
        ))
    }
}
