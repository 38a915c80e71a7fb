//! What settings have to do with each other, and what follows from them.

use std::net::{IpAddr, SocketAddr};

use super::error::ConfigError;
use super::fields::ServerConfig;

/// Shorter secrets can be guessed.
const MIN_SECRET: usize = 32;

impl ServerConfig {
    /// Where the page is: `listen`, with `https_port` in the place of its port.
    pub fn address(&self) -> SocketAddr {
        let port = self.https_port.unwrap_or(self.listen.port());
        SocketAddr::new(self.listen.ip(), port)
    }

    /// True if it speaks TLS: asked for, or because others than this machine reach it.
    pub fn tls(&self) -> bool {
        let asked = self.cert.is_some() || self.self_signed || self.https_port.is_some();
        asked || !(self.listen.ip().is_loopback() || self.insecure_http)
    }

    /// The address that others see, where it is known.
    pub fn outside(&self) -> Option<IpAddr> {
        let said = self.external_ip.as_deref()?;
        said.split('/').next()?.parse().ok()
    }

    /// What clients can reach the server by, where it is known: a name or an address.
    pub fn host(&self) -> Option<String> {
        if let Some(name) = &self.hostname {
            return Some(name.clone());
        }
        let address = self.outside().unwrap_or(self.listen.ip());
        match address {
            address if address.is_unspecified() => None,
            IpAddr::V4(address) => Some(address.to_string()),
            IpAddr::V6(address) => Some(format!("[{address}]")),
        }
    }

    /// # Errors
    ///
    /// [`ConfigError::Together`] with what does not go together, and what to do.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message: &str| Err(ConfigError::Together(message.to_owned()));
        match (&self.cert, &self.key) {
            (Some(_), None) => {
                return wrong("`cert` needs `key`, the private key that belongs to it");
            }
            (None, Some(_)) => {
                return wrong("`key` needs `cert`, the certificate that belongs to it");
            }
            _ => {}
        }
        if self.self_signed && self.cert.is_some() {
            return wrong("`self_signed` and `cert` are two certificates; one of them goes");
        }
        if self.insecure_http
            && (self.self_signed || self.cert.is_some() || self.https_port.is_some())
        {
            return wrong(
                "`insecure_http` is without TLS; `cert`, `self_signed` and `https_port` are with it",
            );
        }
        let short = |secret: &Option<String>| secret.as_ref().is_some_and(|s| s.len() < MIN_SECRET);
        if short(&self.token_secret) {
            return wrong(
                "`token_secret` has less than 32 characters; `openssl rand -hex 32` makes one",
            );
        }
        if short(&self.resume_secret) {
            return wrong(
                "`resume_secret` has less than 32 characters; `openssl rand -hex 32` makes one",
            );
        }
        if self
            .api_token
            .as_ref()
            .is_some_and(|token| token.len() < 16)
        {
            return wrong(
                "`api_token` has less than 16 characters; `openssl rand -hex 16` makes one",
            );
        }
        if self.token_required && self.token_secret.is_none() && self.token_public_key.is_none() {
            return wrong(
                "`token_required` needs `token_secret` or `token_public_key`, by which tokens are checked",
            );
        }
        if self.rest_port == Some(self.address().port()) && self.rest_port != Some(0) {
            return wrong("`rest_port` is the port of the page; leave it out to have REST there");
        }
        if self.recordings_open && self.recordings.is_none() {
            return wrong("`recordings_open` needs `recordings`, the folder they are kept in");
        }
        if self.record.is_some() && !self.hub {
            return wrong(
                "`record` needs `hub`: what does not go by the server is not recorded by it",
            );
        }
        if self.record_all && self.record.is_none() {
            return wrong("`record_all` needs `record`, the folder that is recorded into");
        }
        if self.keep_files.is_some() && !self.hub {
            return wrong(
                "`keep_files` needs `hub`: what does not go by the server is not kept by it",
            );
        }
        if self.whip && cfg!(not(feature = "whip")) {
            return wrong("`whip` is on, and this program was built without it");
        }
        if self.messages_per_second == 0 || self.connects_per_second == 0 {
            return wrong("a rate of 0 lets nobody in");
        }
        self.check_external()?;
        self.check_ice_servers()
    }

    fn check_external(&self) -> Result<(), ConfigError> {
        let Some(said) = &self.external_ip else {
            return Ok(());
        };
        let mut parts = said.split('/').map(|part| part.parse::<IpAddr>());
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(_)), None | Some(Ok(_)), None) => Ok(()),
            _ => Err(ConfigError::Together(format!(
                "external_ip: {said:?} is neither an address nor OUTSIDE/INSIDE, such as 203.0.113.7/10.0.0.7"
            ))),
        }
    }

    fn check_ice_servers(&self) -> Result<(), ConfigError> {
        for (name, schemes, urls) in [
            ("stun", ["stun:", "stuns:"], &self.stun),
            ("turn", ["turn:", "turns:"], &self.turn),
        ] {
            for url in urls {
                check_url(name, schemes, url).map_err(ConfigError::Together)?;
            }
        }
        let fixed = (&self.turn_username, &self.turn_password);
        if matches!(fixed, (Some(_), None) | (None, Some(_))) {
            let message = "`turn_username` and `turn_password` are needed both";
            return Err(ConfigError::Together(message.to_owned()));
        }
        if !self.turn.is_empty() && self.turn_secret.is_none() && self.turn_username.is_none() {
            let message = "`turn` needs credentials: `turn_secret`, shared with the TURN server \
                (coturn: static-auth-secret), or `turn_username` and `turn_password`";
            return Err(ConfigError::Together(message.to_owned()));
        }
        Ok(())
    }
}

/// RFC 7064 section 3.1 and RFC 7065 section 3.1: a scheme, a host, perhaps a port, for TURN
/// perhaps `?transport=`.
fn check_url(name: &str, schemes: [&str; 2], url: &str) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!(
            "{name}: {url:?} {what}, such as {}example.org:3478",
            schemes[0]
        ))
    };
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return wrong("does not begin with the scheme");
    };
    if rest.starts_with("//") || rest.contains('@') {
        return wrong("has slashes or a user; it is a host and a port");
    }
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    match query {
        None => {}
        Some("transport=udp" | "transport=tcp") if name == "turn" => {}
        Some(_) => return wrong("has a query that is none of ?transport=udp and ?transport=tcp"),
    }
    let (host, port) = match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest)) => (
            host,
            rest.strip_prefix(':').or((!rest.is_empty()).then_some("")),
        ),
        None => place
            .split_once(':')
            .map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || host.chars().any(char::is_whitespace) {
        return wrong("has no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return wrong("has a port that is none");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(change: impl FnOnce(&mut ServerConfig)) -> String {
        let mut config = ServerConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn d44_d46_addresses_of_servers_are_checked_where_they_are_written() {
        let fits = |name, schemes, url: &str| check_url(name, schemes, url).is_ok();
        let stun = |url: &str| fits("stun", ["stun:", "stuns:"], url);
        let turn = |url: &str| fits("turn", ["turn:", "turns:"], url);
        for good in [
            "stun:example.org",
            "stun:example.org:3478",
            "stun:[::1]:3478",
            "stun:10.0.0.1",
        ] {
            assert!(stun(good), "{good}");
        }
        for good in [
            "turn:example.org?transport=udp",
            "turns:example.org:443?transport=tcp",
        ] {
            assert!(turn(good), "{good}");
        }
        for bad in [
            "STUN stun.l.google.com:19302",
            "stun://example.org",
            "stun:",
            "stun:a:b",
            "stun:a b",
            "turn:example.org",
            "stun:example.org?transport=udp",
            "stun:[::1]x",
        ] {
            assert!(!stun(bad), "{bad}");
        }
        assert!(!turn("turn:user@example.org:3478"));
        assert!(!turn("turn:example.org?transport=sctp"));
    }

    #[test]
    fn d59_turn_without_credentials_is_refused_with_what_is_missing() {
        let turn = || vec!["turn:example.org:3478".to_owned()];
        let wrong = said(|config| config.turn = turn());
        assert!(wrong.contains("turn_secret"), "{wrong}");
        let wrong = said(|config| {
            config.turn = turn();
            config.turn_username = Some("user".into());
        });
        assert!(wrong.contains("needed both"), "{wrong}");
    }

    #[test]
    fn d59_an_address_outside_may_stand_before_the_one_inside() {
        let mut config = ServerConfig {
            external_ip: Some("203.0.113.7/10.0.0.7".into()),
            ..ServerConfig::default()
        };
        config.check().unwrap();
        assert_eq!(config.host().unwrap(), "203.0.113.7");
        config.hostname = Some("rooms.example".into());
        assert_eq!(config.host().unwrap(), "rooms.example");
        for bad in ["ec2", "1.2.3.4/", "1.2.3.4/10.0.0.1/3", ""] {
            assert!(
                said(|config| config.external_ip = Some(bad.into())).contains("OUTSIDE/INSIDE")
            );
        }
    }

    #[test]
    fn what_others_reach_has_tls_unless_it_is_said() {
        let mut config = ServerConfig::default();
        assert!(!config.tls());
        config.listen = "0.0.0.0:8080".parse().unwrap();
        assert!(config.tls());
        config.insecure_http = true;
        assert!(!config.tls());
        assert!(
            said(|config| {
                config.insecure_http = true;
                config.self_signed = true
            })
            .contains("without TLS")
        );
        assert!(said(|config| config.cert = Some("a.pem".into())).contains("`key`"));
        assert!(said(|config| config.token_secret = Some("short".into())).contains("32"));
    }
}
