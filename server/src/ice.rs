//! STUN and TURN servers that clients are told of, with credentials that expire.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ortc_rooms::signalling::{IceServer, UserId};
use ring::hmac;

use crate::config::ServerConfig;

/// What clients are told of.
pub(crate) struct IceServers {
    fixed: Vec<IceServer>,
    turn: Vec<String>,
    secret: Option<hmac::Key>,
    seconds: u64,
}

impl IceServers {
    /// With this server's own STUN where it answers and its name is known.
    pub(crate) fn new(config: &ServerConfig, own_stun: Option<u16>) -> Self {
        let mut fixed = Vec::new();
        let reached = !config.listen.ip().is_loopback() || config.external_ip.is_some();
        if let (Some(port), Some(host), true) = (own_stun, config.host(), reached) {
            fixed.push(IceServer::new(format!("stun:{host}:{port}")));
        }
        fixed.extend(config.stun.iter().map(IceServer::new));
        let secret = config.turn_secret.as_ref();
        if let (None, Some(user), Some(password)) =
            (secret, &config.turn_username, &config.turn_password)
        {
            fixed.extend(with_urls(&config.turn, user, password));
        }
        Self {
            fixed,
            turn: config.turn.clone(),
            secret: secret
                .map(|s| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, s.as_bytes())),
            seconds: config.turn_seconds.into(),
        }
    }

    /// For one user, now.
    pub(crate) fn of(&self, user: &UserId) -> Vec<IceServer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(user, now.map_or(0, |time| time.as_secs()))
    }

    fn at(&self, user: &UserId, now: u64) -> Vec<IceServer> {
        let mut servers = self.fixed.clone();
        if let Some(key) = &self.secret {
            // draft-uberti-behave-turn-rest-00 section 2.2: when it expires, a colon, who it is for;
            // the password is an HMAC-SHA1 of that.
            let username = format!("{}:{user}", now.saturating_add(self.seconds));
            let password = BASE64_STANDARD.encode(hmac::sign(key, username.as_bytes()));
            servers.extend(with_urls(&self.turn, &username, &password));
        }
        servers
    }
}

fn with_urls(urls: &[String], username: &str, password: &str) -> Option<IceServer> {
    let mut urls = urls.iter();
    let mut server = IceServer::new(urls.next()?).with_credentials(username, password);
    server.urls.extend(urls.cloned());
    Some(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(change: impl FnOnce(&mut ServerConfig)) -> Vec<IceServer> {
        let mut config = ServerConfig::default();
        change(&mut config);
        config.check().unwrap();
        IceServers::new(&config, Some(8080)).at(&UserId::new("anna").unwrap(), 1_700_000_000)
    }

    #[test]
    fn d14_d46_credentials_of_turn_expire() {
        let servers = told(|config| {
            config.turn = vec![
                "turn:t.example:3478".into(),
                "turns:t.example:443?transport=tcp".into(),
            ];
            config.turn_secret = Some("north".into());
            config.turn_seconds = 3_600;
        });
        let [server] = &servers[..] else {
            panic!("{servers:?}")
        };
        assert_eq!(server.urls.len(), 2);
        assert_eq!(server.username.as_deref(), Some("1700003600:anna"));
        // echo -n 1700003600:anna | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            server.credential.as_deref(),
            Some("+MLxLOEoYnWwCOD+2dzOXWFtASg=")
        );
        assert!(!format!("{servers:?}").contains("1700003600"));
    }

    #[test]
    fn d45_a_server_with_a_fixed_user_does_too() {
        let servers = told(|config| {
            config.turn = vec!["turn:t.example".into()];
            config.turn_username = Some("user".into());
            config.turn_password = Some("pass".into());
        });
        assert_eq!(
            servers,
            [IceServer::new("turn:t.example").with_credentials("user", "pass")]
        );
    }

    #[test]
    fn d44_no_third_party_is_told_of_by_default() {
        assert_eq!(told(|_| {}), []);
        let own = told(|config| {
            config.listen = "0.0.0.0:8080".parse().unwrap();
            config.hostname = Some("rooms.example".into());
            config.stun = vec!["stun:other.example".into()];
        });
        assert_eq!(
            own,
            ["stun:rooms.example:8080", "stun:other.example"].map(IceServer::new)
        );
    }
}
