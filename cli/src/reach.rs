//! How the server is reached: address, trust, identity.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use clap::Args;
use ortc_rooms::session::{Events, Session, SessionOptions};
use ortc_rooms::signalling::Role;
use serde_json::json;

use crate::clock;
use crate::failed::Failed;
use crate::http::Http;
use crate::pin::Pinned;

/// Where the server is, and as who it is met.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reach {
    /// Address of the server: a host with a port, or http(s):// and ws(s)://; without it 127.0.0.1:8080, and for codes none: the two find each other in their network
    #[arg(long, env = "ORTC_SERVER", value_name = "ADDRESS")]
    pub(crate) server: Option<String>,
    /// Name that the others see
    #[arg(long, env = "ORTC_NAME", value_name = "NAME")]
    name: Option<String>,
    /// User id, if it is free; otherwise the server gives one
    #[arg(long, value_name = "ID")]
    userid: Option<String>,
    /// Role that is asked for: admin, guest, participant, inspector; where roles are not free, a token has it
    #[arg(long, value_parser = role, value_name = "ROLE")]
    role: Option<Role>,
    /// Signed token or invitation of the server's operator
    #[arg(long, env = "ORTC_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Secret of the room that the server does not know
    #[arg(
        long,
        env = "ORTC_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) secret: Option<String>,
    /// Address under which this machine is known outside, where a NAT maps address to address and port to the same port, as in clouds; several times for several
    #[arg(
        long,
        env = "ORTC_EXTERNAL_IP",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    external_ip: Vec<IpAddr>,
    /// UDP ports that may be used, such as 40000-40999: for firewalls with few holes
    #[arg(long, env = "ORTC_PORTS", value_parser = ports, value_name = "FROM-TO")]
    ports: Option<RangeInclusive<u16>>,
    /// SHA-256 of the server's own certificate, as `ortc serve` prints it: that one is trusted, and no other
    #[arg(long, value_name = "SHA-256")]
    fingerprint: Option<String>,
    /// Tells the others the time zone of this machine, so that they see what time it is here
    #[arg(long)]
    share_time: bool,
}

impl Reach {
    /// Connects.
    pub(crate) async fn connect(&self) -> Result<(Session, Events), Failed> {
        self.connect_knowing(self.secret.as_deref()).await
    }

    /// Connects with a secret that the members of a room prove to each other to know.
    pub(crate) async fn connect_knowing(
        &self,
        secret: Option<&str>,
    ) -> Result<(Session, Events), Failed> {
        let server = self.server.as_deref().unwrap_or("127.0.0.1:8080");
        self.connect_to(server, secret).await
    }

    /// The same to this server.
    pub(crate) async fn connect_to(
        &self,
        server: &str,
        secret: Option<&str>,
    ) -> Result<(Session, Events), Failed> {
        let mut options = SessionOptions::new();
        options.include_loopback = true;
        options.external_addresses.clone_from(&self.external_ip);
        options.port_range.clone_from(&self.ports);
        options.role = self.role;
        options.token.clone_from(&self.token);
        if let Some(userid) = &self.userid {
            options = options.with_userid(userid)?;
        }
        if let Some(secret) = secret {
            options = options.with_secret(secret);
        }
        let mut extra = json!({});
        if let Some(name) = &self.name {
            extra["name"] = json!(name);
        }
        if self.share_time {
            extra["tz"] = json!(clock::own_zone()?);
        }
        if extra.as_object().is_some_and(|extra| !extra.is_empty()) {
            options = options.with_extra(extra);
        }
        let mut url = websocket(server);
        if let Some(fingerprint) = &self.fingerprint {
            options.websocket.tls = Some(Arc::new(Pinned::read(fingerprint)?.config()?));
            // Who names a certificate wants TLS.
            if let Some(rest) = url.strip_prefix("ws://") {
                url = format!("wss://{rest}");
            }
        }
        Ok(Session::connect(url, options).await?)
    }
}

impl Reach {
    /// A client of plain requests, which trusts as the session does. `bearer` in place of `--token`.
    pub(crate) fn http(&self, bearer: Option<&str>) -> Result<Http, Failed> {
        let pinned = self.fingerprint.as_deref().map(Pinned::read).transpose()?;
        let tls = pinned.map(Pinned::config).transpose()?;
        Http::new(tls, bearer.or(self.token.as_deref()))
    }

    /// The address of the server's pages, without a slash at its end.
    pub(crate) fn base(&self) -> String {
        base(self.server.as_deref().unwrap_or("127.0.0.1:8080"))
    }

    /// For one of several who come from here: a user id is one's alone. Who only looks on is an
    /// inspector, unless something else was said.
    pub(crate) fn one_of_many(&self, sends: bool) -> Self {
        let mut one = self.clone();
        one.userid = None;
        if !sends {
            one.as_role(Role::Inspector);
        }
        one
    }

    /// Asks for this role unless another, or a token, was said.
    pub(crate) fn as_role(&mut self, role: Role) {
        if self.token.is_none() {
            self.role = self.role.or(Some(role));
        }
    }
}

/// The address of the pages of a server, as [`websocket`] has that of its WebSocket.
pub(crate) fn base(server: &str) -> String {
    let socket = websocket(server);
    let (scheme, rest) = socket.split_once("://").unwrap_or(("ws", &socket));
    let place = rest.split('/').next().unwrap_or(rest);
    let scheme = if scheme == "wss" { "https" } else { "http" };
    format!("{scheme}://{place}")
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(from, to)| {
        let range: RangeInclusive<u16> = from.trim().parse().ok()?..=to.trim().parse().ok()?;
        (!range.is_empty() && *range.start() > 0).then_some(range)
    });
    range.ok_or_else(|| {
        "two ports from 1 to 65535 with a hyphen, the lower first: 40000-40999".to_owned()
    })
}

fn role(text: &str) -> Result<Role, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "one of admin, guest, participant, inspector".to_owned())
}

/// The address of the WebSocket of a server. A host alone is met without TLS if it is this machine,
/// else with it.
fn websocket(server: &str) -> String {
    let (scheme, rest) = match server.split_once("://") {
        Some(("http" | "ws", rest)) => ("ws", rest),
        Some((_, rest)) => ("wss", rest),
        None => {
            let own = ["127.", "localhost", "[::1]"];
            let plain = own.iter().any(|prefix| server.starts_with(prefix));
            (if plain { "ws" } else { "wss" }, server)
        }
    };
    match rest.split_once('/') {
        None | Some((_, "")) => format!("{scheme}://{}/ws", rest.trim_end_matches('/')),
        Some(_) => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed() {
        for (said, meant) in [
            ("127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
            ("localhost", "ws://localhost/ws"),
            ("[::1]:80", "ws://[::1]:80/ws"),
            ("example.org", "wss://example.org/ws"),
            ("http://example.org:81/", "ws://example.org:81/ws"),
            ("https://example.org", "wss://example.org/ws"),
            ("wss://example.org/other/ws", "wss://example.org/other/ws"),
        ] {
            assert_eq!(websocket(said), meant);
        }
    }

    #[test]
    fn pages_are_where_the_websocket_is() {
        for (said, meant) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("example.org", "https://example.org"),
            ("https://example.org/recordings", "https://example.org"),
            ("ws://example.org:1/other/ws", "http://example.org:1"),
        ] {
            assert_eq!(base(said), meant);
        }
    }

    #[test]
    fn d59_ports_are_a_range() {
        assert_eq!(ports("40000-40999"), Ok(40_000..=40_999));
        for wrong in ["", "40000", "0-9", "9-8", "1-70000", "-", "a-b"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn roles_have_names() {
        assert_eq!(role("admin"), Ok(Role::Admin));
        assert!(role("king").is_err());
    }
}
