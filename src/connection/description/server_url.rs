//! STUN and TURN URIs (RFC 7064 section 3, RFC 7065 section 3).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ServerScheme {
    Stun,
    Stuns,
    Turn,
    Turns,
}

impl ServerScheme {
    pub(crate) fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }

    fn is_secure(self) -> bool {
        matches!(self, Self::Stuns | Self::Turns)
    }
}

/// How the server is reached; below TLS or DTLS for the secure schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ServerTransport {
    Udp,
    Tcp,
}

/// One server, checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ParsedServer {
    pub(crate) scheme: ServerScheme,
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) transport: ServerTransport,
    pub(crate) username: Option<String>,
    pub(crate) credential: Option<String>,
    /// As the application wrote it but for the user name, for diagnosis.
    pub(crate) url: String,
}

impl fmt::Debug for ParsedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedServer")
            .field("url", &self.url)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl ParsedServer {
    /// Host names have at most 253 bytes; this leaves room for a long user name.
    const MAX_URL: usize = 1024;

    /// Parses one URI, with a user name before an `@` as the draft's example has it.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        // The URI is not repeated: applications do put credentials there.
        let malformed = |what: &str| {
            Error::invalid_parameters(format!("malformed URL of an ICE server: {what}"))
        };
        if url.len() > Self::MAX_URL {
            return Err(malformed("longer than 1024 bytes"));
        }
        let (scheme, rest) = url.split_once(':').ok_or_else(|| malformed("no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "stun" => ServerScheme::Stun,
            "stuns" => ServerScheme::Stuns,
            "turn" => ServerScheme::Turn,
            "turns" => ServerScheme::Turns,
            _ => return Err(malformed("the scheme is not stun, stuns, turn or turns")),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let transport = match query {
            // RFC 7065 section 3.1; TLS over TCP unless stated otherwise.
            None if scheme.is_secure() => ServerTransport::Tcp,
            None => ServerTransport::Udp,
            // RFC 7064 section 3.1: a stun URI has no query.
            Some(_) if !scheme.is_turn() => return Err(malformed("stun with a query")),
            Some(query) => match query.to_ascii_lowercase().strip_prefix("transport=") {
                Some("udp") => ServerTransport::Udp,
                Some("tcp") => ServerTransport::Tcp,
                _ => return Err(malformed("the query is not transport=udp or transport=tcp")),
            },
        };
        let (username, rest) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some(_) if !scheme.is_turn() => return Err(malformed("stun with a user name")),
            Some(("", _)) => return Err(malformed("empty user name")),
            // RFC 7065 section 3.1: not a hierarchical URI.
            Some((user, _)) if user.starts_with("//") => return Err(malformed("//")),
            Some((user, rest)) => {
                let user = percent_decode(user).ok_or_else(|| malformed("user name"))?;
                (Some(user), rest)
            }
        };
        let (host, port) = split_host(rest).ok_or_else(|| malformed("host"))?;
        let port = match port {
            None if scheme.is_secure() => 5349,
            None => 3478,
            Some(text) => parse_port(text).ok_or_else(|| malformed("port"))?,
        };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            transport,
            username,
            credential: None,
            url: without_user(url),
        })
    }

    /// Why it cannot be used. Saying so beats ignoring the server silently, and refusing the others
    /// with it.
    pub(crate) fn unsupported(&self) -> Option<&'static str> {
        match (self.scheme, self.transport) {
            // The address that it would find is one of TCP.
            (ServerScheme::Stuns, _) => Some("STUN servers over TLS (stuns) are not supported"),
            (ServerScheme::Turns, ServerTransport::Udp) => {
                Some("TURN servers over DTLS (turns with transport=udp) are not supported")
            }
            _ => None,
        }
    }
}

/// The URI without user information, in which applications may have put a password.
pub(super) fn without_user(url: &str) -> String {
    match (url.split_once(':'), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}:{host}"),
        _ => url.to_owned(),
    }
}

fn split_host(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    is_host_name(host).then_some((host, port))
}

fn is_host_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    // Digits and dots alone are an address or nothing; a resolver might read 1.2.3 otherwise.
    if name.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// RFC 3986 section 2.1.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from((high << 4) | low).ok()?);
    }
    String::from_utf8(out).ok()
}
