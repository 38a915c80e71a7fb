//! What was found out.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::socket::IceServerErrorKind;

/// What was found out about this machine, its network and its servers.
///
/// `Display` is for people: sentences, and at the end what will work. JSON is for machines. Both name
/// addresses, neither a user name nor a password.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Diagnosis {
    /// The addresses of this machine that can be used, as host candidates tell them.
    pub addresses: Vec<IpAddr>,
    /// What lies between this machine and the servers.
    pub nat: NatReport,
    /// The largest IP packet that came to a server in one piece, in bytes; absent if none of the
    /// sizes that are tried (1,500, 1,400 and 1,280) did, or no server answers over UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// How far this machine's clock is ahead of the server's, in seconds, if that one's was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead: Option<i64>,
    /// Each URL by itself, in the order in which they were given.
    pub servers: Vec<ServerReport>,
    /// What it means, the worst first.
    pub findings: Vec<Finding>,
    /// Whether calls to peers in other networks will work, by whatever way.
    pub calls_will_work: bool,
}

/// What became of one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerReport {
    /// Its URL, without a user name.
    pub url: String,
    /// What it did.
    #[serde(flatten)]
    pub state: ServerState,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What a server did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
#[non_exhaustive]
pub enum ServerState {
    /// A STUN server told this machine's address.
    Mapped {
        /// As the server sees it; absent if it is one of this machine's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<SocketAddr>,
    },
    /// A TURN server gave a relayed address.
    Relayed {
        /// The address at the server.
        address: SocketAddr,
        /// Whether something comes through it.
        relay: Relay,
    },
    /// It gave nothing.
    Failed {
        /// Why.
        #[serde(serialize_with = "kind_name")]
        kind: IceServerErrorKind,
        /// In words.
        message: String,
    },
}

/// What comes through a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Relay {
    /// A peer that is not relayed itself reaches this side through it.
    Carries,
    /// Only another relay of the same server does: the server's relayed ports are not reached from
    /// here.
    OnlyInside,
    /// The server's rules forbid the address of a peer that is on this machine.
    NotPermitted,
    /// Nothing does.
    Blocked,
}

/// What lies between this machine and the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NatReport {
    /// What the outside sees of one port.
    pub mapping: NatMapping,
    /// Who may answer; absent where no server can find it out (RFC 5780).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtering: Option<NatFiltering>,
}

/// What the outside sees of one port (RFC 5780 section 4.3, RFC 4787 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NatMapping {
    /// No server answered over UDP.
    Unknown,
    /// The port itself: there is no NAT.
    None,
    /// One address, whoever is spoken to: peers can find it.
    EndpointIndependent,
    /// Another address for each who is spoken to ("symmetric"): what a server sees is of no use to
    /// peers.
    EndpointDependent,
    /// A NAT, of which one server alone tells no more.
    OneServer,
}

/// Whose packets come in (RFC 5780 section 4.4, RFC 4787 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NatFiltering {
    /// Everybody's.
    EndpointIndependent,
    /// Those of addresses that were spoken to.
    AddressDependent,
    /// Those of addresses and ports that were spoken to.
    AddressAndPortDependent,
}

/// What something means, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub kind: FindingKind,
    /// Which server it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What is so.
    pub text: String,
    /// What to do about it, or to ask the administrator for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FindingKind {
    /// It keeps calls from working, or will.
    Problem,
    /// It may.
    Warning,
    /// It is as it should be.
    Good,
}

fn kind_name<S: serde::Serializer>(kind: &IceServerErrorKind, to: S) -> Result<S::Ok, S::Error> {
    let name = match kind {
        IceServerErrorKind::Timeout => "timeout",
        IceServerErrorKind::Unreachable => "unreachable",
        IceServerErrorKind::Resolve => "resolve",
        IceServerErrorKind::Refused(code) => {
            return to.collect_str(&format_args!("refused {code}"));
        }
        IceServerErrorKind::Malformed => "malformed",
        IceServerErrorKind::Certificate => "certificate",
        IceServerErrorKind::Unsupported => "unsupported",
    };
    to.serialize_str(name)
}
