//! STUN and TURN servers as the application names them (draft section "RTCIceServer").
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt;

use serde::de;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::lenient::OneOrMany;
use super::server_url::{ParsedServer, without_user};
use crate::error::{Error, Result};
use crate::json::object;

/// At most this many URLs in one server, and in one connection.
pub(crate) const MAX_URLS: usize = 64;

/// One or several STUN or TURN servers with the same credentials.
///
/// JSON: `{"url":..,"username":..,"credential":..}`, where `url` is a string or an array.
/// Accepted as well: `urls`, a user name inside the URL (`turn:user@host`), and the forerunner's
/// `{"server","port","username","password","realm"}`. The URLs are checked when a connection is
/// made with the server.
///
/// Credentials for a time, as services give them (a user name that begins with the time at which
/// they end, and a password that the service computed from it), are used as any others. Every
/// request of a relay is authenticated with them, so they should outlast the connection.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RTCIceServer {
    /// URIs of RFC 7064 (`stun:`) or RFC 7065 (`turn:`), e.g. `stun:stun.example.net` or
    /// `turn:turn.example.org:3478?transport=udp`.
    #[doc(alias = "url")]
    pub urls: Vec<String>,
    /// TURN user name; it wins over one inside the URL.
    pub username: Option<String>,
    /// TURN password. A secret: `Debug` does not show it.
    pub credential: Option<String>,
}

impl RTCIceServer {
    /// A server without credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            username: None,
            credential: None,
        }
    }

    /// The same server with TURN credentials.
    pub fn with_credential(
        mut self,
        username: impl Into<String>,
        credential: impl Into<String>,
    ) -> Self {
        self.username = Some(username.into());
        self.credential = Some(credential.into());
        self
    }

    /// The servers behind the URLs, supported or not.
    pub(crate) fn parse(&self) -> Result<Vec<ParsedServer>> {
        if self.urls.is_empty() {
            return Err(Error::invalid_parameters("an ICE server without url"));
        }
        self.urls
            .iter()
            .map(|url| {
                let mut server = ParsedServer::parse(url)?;
                if server.scheme.is_turn() {
                    server.username = self.username.clone().or(server.username);
                    server.credential = self.credential.clone();
                    if server.username.is_none() || server.credential.is_none() {
                        return Err(Error::invalid_parameters(
                            "a TURN server needs a username and a credential",
                        ));
                    }
                }
                Ok(server)
            })
            .collect()
    }
}

/// Checks the servers of a connection: every URL well-formed, at most 64. Those that cannot be used
/// are among them: lists of providers name every transport.
pub(crate) fn parse_servers(servers: &[RTCIceServer]) -> Result<Vec<ParsedServer>> {
    let mut all = Vec::new();
    for server in servers {
        for parsed in server.parse()? {
            if all.len() >= MAX_URLS {
                return Err(Error::invalid_parameters("more than 64 ICE servers"));
            }
            all.push(parsed);
        }
    }
    Ok(all)
}

impl fmt::Debug for RTCIceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.urls.iter().map(|url| without_user(url)).collect();
        f.debug_struct("RTCIceServer")
            .field("urls", &urls)
            .field("username", &self.username)
            .field("credential", &self.credential.as_ref().map(|_| "..."))
            .finish()
    }
}

impl Serialize for RTCIceServer {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("RTCIceServer", 3)?;
        // The draft's example has a string, its IDL a sequence.
        match self.urls.as_slice() {
            [one] => out.serialize_field("url", one)?,
            many => out.serialize_field("url", many)?,
        }
        if let Some(username) = &self.username {
            out.serialize_field("username", username)?;
        }
        if let Some(credential) = &self.credential {
            out.serialize_field("credential", credential)?;
        }
        out.end()
    }
}

/// A server as the forerunner of the draft names it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RTCSocketServer {
    /// Host name or address, without brackets.
    pub server: String,
    /// `None`: 3478.
    pub port: Option<u16>,
    /// With a password: a TURN server. Without: a STUN server.
    pub username: Option<String>,
    /// TURN password. A secret: `Debug` does not show it.
    pub password: Option<String>,
    /// Kept for the application; the realm used is the one the server states (RFC 8489
    /// section 9.2).
    pub realm: Option<String>,
}

impl RTCSocketServer {
    /// A STUN server, by its host name or address without brackets, at the usual port.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            port: None,
            username: None,
            password: None,
            realm: None,
        }
    }
}

impl fmt::Debug for RTCSocketServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RTCSocketServer")
            .field("server", &self.server)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "..."))
            .field("realm", &self.realm)
            .finish()
    }
}

impl From<RTCSocketServer> for RTCIceServer {
    fn from(from: RTCSocketServer) -> Self {
        let turn = from.username.is_some() || from.password.is_some();
        let scheme = if turn { "turn" } else { "stun" };
        let host = match from.server.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => from.server,
        };
        let port = from.port.map(|port| format!(":{port}")).unwrap_or_default();
        Self {
            urls: vec![format!("{scheme}:{host}{port}")],
            username: from.username,
            credential: from.password,
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    url: Option<OneOrMany<MAX_URLS>>,
    urls: Option<OneOrMany<MAX_URLS>>,
    username: Option<String>,
    credential: Option<String>,
    server: Option<String>,
    port: Option<u16>,
    password: Option<String>,
    realm: Option<String>,
}

impl<'de> Deserialize<'de> for RTCIceServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let raw: Raw = object(
            deserializer,
            "a server: an object with url, username and credential",
        )?;
        let credential = raw.credential.or(raw.password);
        match (raw.url.or(raw.urls), raw.server) {
            (Some(urls), _) => Ok(Self {
                urls: urls.0,
                username: raw.username,
                credential,
            }),
            (None, Some(server)) => Ok(RTCSocketServer {
                server,
                port: raw.port,
                username: raw.username,
                password: credential,
                realm: raw.realm,
            }
            .into()),
            (None, None) => Err(de::Error::missing_field("url")),
        }
    }
}
