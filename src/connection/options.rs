//! RTCConnectionOptions.

// Rows A42 to A44.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::candidate_policy::RTCCandidatePolicy;
use super::description::certificate::RTCCertificate;
use super::description::ice_server::RTCIceServer;
use super::description::restrictions::RTCRestrictions;
use super::description::roles::{
    FingerprintCheck, GatherStart, LocalCandidates, NetworkChanges, PeerIdentity, RTCDtlsRole,
    RTCIceRole,
};
use super::description::side::{RTCConnectionSide, RTCIceConnectionInfo};
use crate::budget::DEFAULT_BUDGET;
use crate::engine::data::DEFAULT_MAX_MESSAGE;
use crate::media::Kind;
use crate::rtp::RTCHeaderExtension;
use crate::socket::RTCSocket;

/// How a connection is made. `RTCConnectionOptions::default()` is complete: no servers, a socket
/// of its own, secure.
///
/// ```
/// use ortc::{RTCConnectionOptions, RTCIceServer};
///
/// let options = RTCConnectionOptions::default()
///     .ice_servers([RTCIceServer::new("stun:stun.example.net")]);
/// ```
#[derive(Debug, Clone)]
pub struct RTCConnectionOptions {
    pub(crate) ice_servers: Option<Vec<RTCIceServer>>,
    pub(crate) socket: Option<RTCSocket>,
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) include_loopback: bool,
    pub(crate) relay_only: bool,
    pub(crate) candidate_policy: Option<RTCCandidatePolicy>,
    pub(crate) ice_server_certificates: Option<String>,
    pub(crate) max_candidate_pairs: usize,
    pub(crate) role: Option<RTCIceRole>,
    pub(crate) dtls_role: RTCDtlsRole,
    pub(crate) identity: PeerIdentity,
    pub(crate) fingerprint_check: FingerprintCheck,
    pub(crate) announce_sha_1: bool,
    pub(crate) local_candidates: LocalCandidates,
    pub(crate) gather: GatherStart,
    pub(crate) network_changes: NetworkChanges,
    pub(crate) auto_restart: bool,
    pub(crate) header_extensions: Vec<RTCHeaderExtension>,
    pub(crate) cname: Option<String>,
    pub(crate) credentials: Option<RTCIceConnectionInfo>,
    pub(crate) restrictions: RTCRestrictions,
    pub(crate) source_timeout: Duration,
    pub(crate) kind_timeouts: BTreeMap<Kind, Duration>,
    pub(crate) certificate: Option<RTCCertificate>,
    pub(crate) max_message_size: usize,
    pub(crate) linger: Duration,
    pub(crate) memory_limit: usize,
}

impl Default for RTCConnectionOptions {
    fn default() -> Self {
        Self {
            ice_servers: None,
            socket: None,
            bind: None,
            include_loopback: false,
            relay_only: false,
            candidate_policy: None,
            ice_server_certificates: None,
            max_candidate_pairs: 100,
            role: None,
            dtls_role: RTCDtlsRole::Auto,
            identity: PeerIdentity::Pinned,
            fingerprint_check: FingerprintCheck::Strongest,
            announce_sha_1: false,
            local_candidates: LocalCandidates::Auto,
            gather: GatherStart::Immediate,
            network_changes: NetworkChanges::Follow,
            auto_restart: false,
            header_extensions: Vec::new(),
            cname: None,
            credentials: None,
            restrictions: RTCRestrictions::default(),
            source_timeout: Duration::from_secs(10),
            kind_timeouts: BTreeMap::new(),
            certificate: None,
            max_message_size: DEFAULT_MAX_MESSAGE,
            linger: Duration::from_secs(1),
            memory_limit: DEFAULT_BUDGET,
        }
    }
}

impl RTCConnectionOptions {
    // Rows A42, A45 to A47.
    /// STUN servers to learn server-reflexive candidates from, over UDP, and TURN servers to relay
    /// through, over UDP, TCP (`?transport=tcp`) and TLS (`turns:`). At most 16 are asked, side by
    /// side; of the ways that work the cheapest carries: a relay over UDP before one over TCP before
    /// one over TLS.
    #[must_use]
    #[doc(alias = "iceServers")]
    pub fn ice_servers(mut self, servers: impl IntoIterator<Item = RTCIceServer>) -> Self {
        self.ice_servers = Some(servers.into_iter().collect());
        self
    }

    // Rows A43, A44, G6.
    /// Uses the local socket of another connection: same port, same ICE user name fragment and
    /// password, same certificate. With `ice_servers` other than the socket's own the connection is
    /// refused.
    #[must_use]
    pub fn socket(mut self, socket: RTCSocket) -> Self {
        self.socket = Some(socket);
        self
    }

    /// Binds this address instead of any port on all interfaces. Port 0 picks a free one. With a
    /// specified IP that IP is the only host candidate.
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// Offers loopback addresses as host candidates too. Without it they are offered only when
    /// there is no other address.
    #[must_use]
    pub fn include_loopback(mut self, include: bool) -> Self {
        self.include_loopback = include;
        self
    }

    /// Lets the peer see relays only (RFC 8828): no other candidate is offered, nothing is sent to
    /// the peer but through a TURN server, STUN servers are not asked and `.local` names of the
    /// peer are not looked up. Holds for all connections on the socket. Default `false`.
    ///
    /// Without a TURN server among `ice_servers`, and for a `socket` that was made without it, the
    /// connection is refused.
    #[must_use]
    #[doc(alias = "iceTransportPolicy")]
    pub fn relay_only(mut self, relay_only: bool) -> Self {
        self.relay_only = relay_only;
        self
    }

    /// Which candidates are offered, and which of the peer's are used. Of a `socket` that is given,
    /// only what concerns the peer's counts.
    #[must_use]
    pub fn candidate_policy(mut self, policy: RTCCandidatePolicy) -> Self {
        self.candidate_policy = Some(policy);
        self
    }

    /// What ICE servers over TLS (`turns:`) are trusted by, in PEM, instead of what the system
    /// trusts: certificates of authorities, which must have issued the server's for the name in the
    /// URL, or the servers' own. At most 1,024.
    ///
    /// With PEM that has none the connection is refused, and with a `socket` as well.
    #[must_use]
    pub fn ice_server_certificates(mut self, pem: impl Into<String>) -> Self {
        self.ice_server_certificates = Some(pem.into());
        self
    }

    /// How many pairs of candidates ICE checks at once (RFC 8445 section 6.1.2.5). Further ones
    /// wait, and take the places of those that were tried in vain. Default 100; at least 4, at most
    /// 1,000.
    #[must_use]
    pub fn max_candidate_pairs(mut self, pairs: usize) -> Self {
        self.max_candidate_pairs = pairs.clamp(4, 1_000);
        self
    }

    // Row G35.
    /// The ICE role. Unset, the side with the greater (usernameFrag, password) controls. Two equal
    /// roles repair themselves.
    #[must_use]
    pub fn role(mut self, role: RTCIceRole) -> Self {
        self.role = Some(role);
        self
    }

    // Row G35.
    /// The DTLS role. `Auto`: the controlled side is the client.
    #[must_use]
    pub fn dtls_role(mut self, role: RTCDtlsRole) -> Self {
        self.dtls_role = role;
        self
    }

    // Row G18.
    /// How the peer is identified.
    #[must_use]
    pub fn identity(mut self, identity: PeerIdentity) -> Self {
        self.identity = identity;
        self
    }

    // Row G19.
    /// Which of the peer's fingerprints its certificate must match. Default
    /// [`Strongest`](FingerprintCheck::Strongest).
    #[must_use]
    pub fn fingerprint_check(mut self, check: FingerprintCheck) -> Self {
        self.fingerprint_check = check;
        self
    }

    // Rows A56, G19.
    /// Has `local()` announce the sha-1 fingerprint behind the sha-256 one, for peers that know
    /// nothing else. Gateways that answer in the hash they see first may then answer in sha-1,
    /// which counts only with [`FingerprintCheck::AllowWeak`].
    #[must_use]
    pub fn announce_sha_1(mut self, announce: bool) -> Self {
        self.announce_sha_1 = announce;
        self
    }

    // Rows A7, G3.
    /// Whether local candidates take part as they are found, or once `set_local_candidate` is
    /// called.
    #[must_use]
    pub fn local_candidates(mut self, policy: LocalCandidates) -> Self {
        self.local_candidates = policy;
        self
    }

    // Rows A3, G1.
    /// When gathering starts.
    #[must_use]
    pub fn gather(mut self, start: GatherStart) -> Self {
        self.gather = start;
        self
    }

    // Rows A22, G8.
    /// What happens when the addresses of this host change. Of a `socket` that is given, only
    /// whether a path is kept counts. Default [`Follow`](NetworkChanges::Follow).
    #[must_use]
    pub fn network_changes(mut self, changes: NetworkChanges) -> Self {
        self.network_changes = changes;
        self
    }

    // Row G8.
    /// Restarts ICE by itself when a path that was there is lost, with an event
    /// ([`Restarted`](crate::RTCConnectionEvent::Restarted)) after which the application signals
    /// [`local`](crate::RTCConnection::local) once more, as after
    /// [`restart`](crate::RTCConnection::restart). Default `false`: a restart that is not signalled
    /// keeps the peer out.
    ///
    /// First after 8 s in which the peer was called silent, or when consent is over; then after
    /// pauses that double from 5 to 30 s, until it is connected. The side that controls begins; the
    /// other one leaves it 3 s each time, and waits if the peer restarts meanwhile.
    #[must_use]
    pub fn auto_restart(mut self, restart: bool) -> Self {
        self.auto_restart = restart;
        self
    }

    // Row G16.
    /// RTP header extensions of this connection, in both directions.
    #[must_use]
    #[doc(alias = "headerExtensions")]
    pub fn header_extensions(
        mut self,
        extensions: impl IntoIterator<Item = RTCHeaderExtension>,
    ) -> Self {
        self.header_extensions = extensions.into_iter().collect();
        self
    }

    // Row B19.
    /// Replaces the random CNAME of the connection's RTP streams.
    #[must_use]
    pub fn cname(mut self, cname: impl Into<String>) -> Self {
        self.cname = Some(cname.into());
        self
    }

    // Rows B2, C1.
    /// Starts from a local description, as July's constructor does: its context-id and secret become
    /// the socket's ICE user name fragment and password, its cname replaces the random one. They
    /// must be as random as those the crate makes.
    #[must_use]
    pub fn description(mut self, local: RTCConnectionSide) -> Self {
        self.credentials = Some(local.ice);
        self.cname = local.cname.or(self.cname);
        self
    }

    // Rows B2, C1, C7.
    /// Restrictions in both directions from the beginning; see
    /// [`RTCConnection::set_options`](crate::RTCConnection::set_options).
    #[must_use]
    pub fn options(mut self, restrictions: RTCRestrictions) -> Self {
        self.restrictions = restrictions;
        self
    }

    // Row B41.
    /// The certificate of the connection's socket. Unset, a new one is made.
    #[must_use]
    pub fn certificate(mut self, certificate: RTCCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// The largest data channel message taken from the peer, in bytes, which `local()` tells it;
    /// a larger one closes its channel. Default 256 KiB; at least 1, at most 1 GiB.
    #[must_use]
    #[doc(alias = "maxMessageSize")]
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes.clamp(1, 1 << 30);
        self
    }

    /// What the peer may have this side hold for the application, in bytes: packets that wait on
    /// tracks, packets of sources that nobody declared, its data channels with their labels.
    /// Messages that wait on data channels are beside it, 13 MiB. Default 32 MiB; at least 1 MiB.
    ///
    /// Beyond it the track that holds most drops what waits longest. Data channels take at most
    /// three quarters, each at least 1 KiB, for as long as somebody has a handle or the event;
    /// further ones are refused. See [`RTCStats::memory`](crate::stats::RTCStats::memory).
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = bytes.max(1 << 20);
        self
    }

    /// How long [`close`](crate::RTCConnection::close), or dropping the last handle, may take to
    /// hand over what is queued on data channels. Default 1 s, at most 60 s; zero closes at once,
    /// and what is queued is lost.
    #[must_use]
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time.min(Duration::from_secs(60));
        self
    }

    // Row G33.
    /// How long a remote track may be silent before it is `disconnected`. Default 10 s.
    #[must_use]
    pub fn source_timeout(mut self, timeout: Duration) -> Self {
        self.source_timeout = timeout;
        self
    }

    /// The same for the tracks of one kind, whatever [`source_timeout`](Self::source_timeout) says.
    #[must_use]
    pub fn source_timeout_of(mut self, kind: Kind, timeout: Duration) -> Self {
        self.kind_timeouts.insert(kind, timeout);
        self
    }
}
