//! The description of an ICE candidate, as it is signalled.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::de;
use serde::{Deserialize, Deserializer, Serialize};

use super::lenient::{Text, TextOrNumber, is_ice_chars};
use crate::engine::ice::scope::is_link_local;
use crate::engine::ice::{Candidate, CandidateKind, TcpType, Uses};
use crate::error::Error;
use crate::json;

/// An ICE candidate, as it is signalled.
///
/// JSON has the draft's names (`connectionAddress`, `relPort`, `type`, ...). Accepted as well:
/// `address` and `ip`, `port`, `protocol`, `relatedAddress`, `relatedPort`, a number as
/// `foundation`, and `usernameFragment` or `ufrag`; and a candidate as browsers signal it, an object
/// with the line as `candidate`, or the line alone. Unknown fields are ignored.
///
/// What this crate cannot use (another component, an unknown type) is a valid description all
/// the same: it can be read, passed on and set, and is then ignored. The end of candidates is not
/// a candidate; there is no null or empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCIceCandidateDescription {
    /// Equal for candidates of the same type, base, server and transport. 1 to 32 ice-chars
    /// (letters, digits, `+`, `/`).
    pub foundation: String,
    /// Always 1: RTP and RTCP share a component.
    pub component: u32,
    /// `udp`, or `tcp` (RFC 6544), which is ignored unless
    /// [`RTCCandidatePolicy::tcp`](crate::RTCCandidatePolicy::tcp) asks for it.
    pub transport: String,
    /// Greater is better; see RFC 8445 section 5.1.2.
    pub priority: u32,
    /// An IPv4 or IPv6 address, or an mDNS name that ends in `.local`.
    pub connection_address: String,
    /// The port, 1 to 65535 in a usable candidate; 9 stands for none of a TCP candidate that is
    /// `active`.
    pub connection_port: u16,
    /// `type` in JSON: `host`, `srflx`, `prflx` or `relay`; others are kept and ignored.
    #[serde(rename = "type")]
    #[doc(alias = "type")]
    pub typ: String,
    /// The base of a reflexive candidate, the mapped address of a relayed one. For diagnosis only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rel_address: Option<String>,
    /// The port of `rel_address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rel_port: Option<u16>,
    /// `active`, `passive` or `so` of a TCP candidate (RFC 6544).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<String>,
    /// `socket-id` in JSON: the socket the candidate was found on. Absent or empty: the first.
    #[serde(rename = "socket-id", skip_serializing_if = "Option::is_none")]
    pub socket_id: Option<String>,
    /// The username fragment of the ICE generation the candidate belongs to. Absent: the current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_frag: Option<String>,
}

// Rows G21, G22.
/// Why a description is not a candidate of the engine. Never an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Skip {
    /// The address is an mDNS name; once it is known, use `to_engine_at`.
    Resolve(String),
    /// The candidate cannot be used, ever.
    Ignored(Ignored),
}

impl From<Skip> for Error {
    fn from(skip: Skip) -> Self {
        match skip {
            Skip::Resolve(name) => Self::not_supported(format!(
                "the candidate {name} is a name; an address is needed"
            )),
            Skip::Ignored(Ignored::Transport) => {
                Self::unsupported_transport(Ignored::Transport.to_string())
            }
            Skip::Ignored(reason) => Self::not_supported(reason.to_string()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignored {
    Component,
    Transport,
    Type,
    Foundation,
    Address,
    HostName,
    Port,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Component => "component is not 1 (RTCP is multiplexed)",
            Self::Transport => "the candidate is not over UDP",
            Self::Type => "unknown type",
            Self::Foundation => "foundation is not 1 to 32 ice-chars",
            Self::Address => "not a unicast address",
            Self::HostName => "host names other than mDNS are not resolved",
            Self::Port => "port 0",
        })
    }
}

impl RTCIceCandidateDescription {
    /// A host candidate over UDP, e.g. for a port that is forwarded to this side. Candidates of
    /// other types are found, or read from JSON or a candidate line.
    pub fn host(address: SocketAddr) -> Self {
        Self::from_engine(
            &Candidate {
                foundation: "1".into(),
                priority: Candidate::compute_priority(CandidateKind::Host, u16::MAX),
                addr: address,
                kind: CandidateKind::Host,
                base: address,
                related: None,
                tcp: None,
                told_as: None,
            },
            None,
        )
    }

    /// The candidate the engine uses, or why there is none.
    pub(crate) fn to_engine(&self) -> Result<Candidate, Skip> {
        let kind = self.check()?;
        self.at_address(kind, parse_ip(&self.connection_address))
    }

    fn at_address(&self, kind: CandidateKind, ip: Option<IpAddr>) -> Result<Candidate, Skip> {
        match ip {
            Some(ip) => self.at(kind, ip),
            None if is_mdns_name(&self.connection_address) => {
                Err(Skip::Resolve(self.connection_address.clone()))
            }
            None if self
                .connection_address
                .contains(|c: char| c.is_ascii_alphabetic())
                && !self.connection_address.contains(':') =>
            {
                Err(Skip::Ignored(Ignored::HostName))
            }
            None => Err(Skip::Ignored(Ignored::Address)),
        }
    }

    /// The same, for a socket that uses this.
    pub(crate) fn to_engine_for(&self, uses: Uses) -> Result<Candidate, Skip> {
        if !uses.tcp && self.transport.eq_ignore_ascii_case("tcp") {
            self.check_component()?;
            return Err(Skip::Ignored(Ignored::Transport));
        }
        if !uses.link_local {
            return self.to_engine();
        }
        let ip = without_zone(&self.connection_address).and_then(parse_ip);
        let ip = ip.filter(|ip| is_link_local(*ip));
        let kind = self.check()?;
        self.at_address(kind, ip.or_else(|| parse_ip(&self.connection_address)))
    }

    /// The same, with the address that an mDNS name was resolved to.
    pub(crate) fn to_engine_at(&self, ip: IpAddr) -> Result<Candidate, Skip> {
        let kind = self.check()?;
        self.at(kind, ip)
    }

    fn check(&self) -> Result<CandidateKind, Skip> {
        let ignored = |why| Err(Skip::Ignored(why));
        self.check_component()?;
        self.tcp()?;
        if !is_foundation(&self.foundation) {
            return ignored(Ignored::Foundation);
        }
        match self.typ.as_str() {
            "host" => Ok(CandidateKind::Host),
            "srflx" => Ok(CandidateKind::ServerReflexive),
            "prflx" => Ok(CandidateKind::PeerReflexive),
            "relay" => Ok(CandidateKind::Relay),
            _ => ignored(Ignored::Type),
        }
    }

    fn check_component(&self) -> Result<(), Skip> {
        match self.component {
            1 => Ok(()),
            _ => Err(Skip::Ignored(Ignored::Component)),
        }
    }

    /// `None`: UDP. RFC 6544 section 4.5: over TCP the type must be there.
    fn tcp(&self) -> Result<Option<TcpType>, Skip> {
        if self.transport.eq_ignore_ascii_case("udp") {
            return Ok(None);
        }
        let tcp = self.transport.eq_ignore_ascii_case("tcp");
        let of = self.tcp_type.as_deref().filter(|_| tcp);
        match of.and_then(TcpType::of_name) {
            Some(tcp) => Ok(Some(tcp)),
            None => Err(Skip::Ignored(Ignored::Transport)),
        }
    }

    fn at(&self, kind: CandidateKind, ip: IpAddr) -> Result<Candidate, Skip> {
        let ip = ip.to_canonical();
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            return Err(Skip::Ignored(Ignored::Address));
        }
        if self.connection_port == 0 {
            return Err(Skip::Ignored(Ignored::Port));
        }
        let addr = SocketAddr::new(ip, self.connection_port);
        let related = self.rel_address.as_deref().and_then(parse_ip);
        Ok(Candidate {
            foundation: self.foundation.clone(),
            priority: self.priority,
            addr,
            kind,
            base: addr,
            related: related
                .zip(self.rel_port)
                .map(|(ip, port)| SocketAddr::new(ip, port)),
            tcp: self.tcp()?,
            told_as: None,
        })
    }

    /// Describes a candidate of the engine, marked with the ICE generation it belongs to.
    pub(crate) fn from_engine(candidate: &Candidate, username_frag: Option<&str>) -> Self {
        Self {
            foundation: candidate.foundation.clone(),
            component: 1,
            transport: candidate.tcp.map_or("udp", |_| "tcp").into(),
            priority: candidate.priority,
            connection_address: match &candidate.told_as {
                Some(name) => name.to_string(),
                None => candidate.addr.ip().to_string(),
            },
            connection_port: candidate.addr.port(),
            typ: match candidate.kind {
                CandidateKind::Host => "host",
                CandidateKind::ServerReflexive => "srflx",
                CandidateKind::PeerReflexive => "prflx",
                CandidateKind::Relay => "relay",
            }
            .into(),
            rel_address: candidate.related.map(|related| related.ip().to_string()),
            rel_port: candidate.related.map(|related| related.port()),
            tcp_type: candidate.tcp.map(|tcp| tcp.name().to_owned()),
            socket_id: None,
            username_frag: username_frag.map(str::to_owned),
        }
    }
}

/// RFC 8839 section 5.1: 1*32ice-char.
pub(super) fn is_foundation(text: &str) -> bool {
    (1..=32).contains(&text.len()) && is_ice_chars(text)
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok()
}

/// A zone says something on its own host alone (RFC 4007 section 6).
fn without_zone(text: &str) -> Option<&str> {
    let bare = text.strip_prefix('[').unwrap_or(text);
    let (address, zone) = bare.split_once('%')?;
    (!zone.trim_end_matches(']').is_empty()).then_some(address)
}

/// One label and `.local`, as browsers make them; anything longer is an ordinary host name.
fn is_mdns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.rsplit_once('.')
        .is_some_and(|(name, domain)| domain.eq_ignore_ascii_case("local") && label(name))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    foundation: Option<TextOrNumber>,
    component: Option<Component>,
    transport: Option<Text>,
    protocol: Option<Text>,
    priority: Option<u32>,
    connection_address: Option<Text>,
    address: Option<Text>,
    ip: Option<Text>,
    connection_port: Option<u16>,
    port: Option<u16>,
    #[serde(rename = "type")]
    typ: Option<Text>,
    rel_address: Option<Text>,
    related_address: Option<Text>,
    rel_port: Option<u16>,
    related_port: Option<u16>,
    tcp_type: Option<Text>,
    #[serde(rename = "socket-id", alias = "socketId")]
    socket_id: Option<Text>,
    username_frag: Option<Text>,
    username_fragment: Option<Text>,
    ufrag: Option<Text>,
}

/// What a candidate looks like, for those who have another thing.
const WANTED: &str = "a candidate: an object with foundation, priority, connectionAddress, \
                      connectionPort, transport and type, or with the line in its candidate";

/// As browsers signal it, `RTCIceCandidate.toJSON()`: there is one medium, so that its place does
/// not count.
fn from_browser(
    line: &str,
    username_frag: Option<String>,
) -> Result<RTCIceCandidateDescription, Error> {
    let mut candidate = RTCIceCandidateDescription::parse_candidate_line(line)?;
    candidate.username_frag = candidate.username_frag.or(username_frag);
    Ok(candidate)
}

/// A number, or the name browsers give it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a component: a number, \"rtp\" or \"rtcp\"")]
enum Component {
    Number(u32),
    Name(ComponentName),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ComponentName {
    Rtp,
    Rtcp,
}

impl<'de> Deserialize<'de> for RTCIceCandidateDescription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match json::candidate(deserializer, WANTED)? {
            json::CandidateForm::Object(value) => value,
            json::CandidateForm::Line(line, username_frag) => {
                return from_browser(&line, username_frag).map_err(de::Error::custom);
            }
        };
        let raw = Raw::deserialize(value).map_err(de::Error::custom)?;
        let missing = <D::Error as de::Error>::missing_field;
        let text = |text: Option<Text>| text.map(|text| text.0);
        let foundation = raw.foundation.ok_or_else(|| missing("foundation"))?.0;
        if !is_foundation(&foundation) {
            return Err(de::Error::custom(
                "foundation must be 1 to 32 letters, digits, '+' or '/'",
            ));
        }
        Ok(Self {
            foundation,
            component: match raw.component {
                None | Some(Component::Name(ComponentName::Rtp)) => 1,
                Some(Component::Name(ComponentName::Rtcp)) => 2,
                Some(Component::Number(number)) => number,
            },
            transport: text(raw.transport.or(raw.protocol)).ok_or_else(|| missing("transport"))?,
            priority: raw.priority.ok_or_else(|| missing("priority"))?,
            connection_address: text(raw.connection_address.or(raw.address).or(raw.ip))
                .ok_or_else(|| missing("connectionAddress"))?,
            connection_port: raw
                .connection_port
                .or(raw.port)
                .ok_or_else(|| missing("connectionPort"))?,
            typ: text(raw.typ).ok_or_else(|| missing("type"))?,
            rel_address: text(raw.rel_address.or(raw.related_address)),
            rel_port: raw.rel_port.or(raw.related_port),
            tcp_type: text(raw.tcp_type),
            socket_id: text(raw.socket_id),
            username_frag: text(raw.username_frag.or(raw.username_fragment).or(raw.ufrag)),
        })
    }
}
