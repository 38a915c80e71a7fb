//! Signed tokens (RFC 7519): who somebody is and what it may do, and invitations.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ortc_rooms::signalling::{Role, RoomName, UserId};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, ServerConfig};

/// Clocks differ by so many seconds.
const LEEWAY: u64 = 5;
/// Tokens that were used and are good for once; beyond, no such token is let in.
const MOST_USED: usize = 100_000;
/// A raw public key of Ed25519, at the end of its SubjectPublicKeyInfo (RFC 8410 section 4).
const ED25519_BYTES: usize = 32;
const ED25519_INFO: usize = 44;

/// What a token says. `exp` is needed, seconds since 1970.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims {
    /// The user's id; absent: whoever holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<UserId>,
    #[serde(default)]
    pub(crate) role: Role,
    /// The only room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<RoomName>,
    /// The only rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rooms: Option<Vec<RoomName>>,
    pub(crate) exp: u64,
    /// Makes it good for one entrance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    /// May leave recordings of its rooms at the server, and fetch them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) record: bool,
}

impl Claims {
    /// The rooms that may be entered; absent: all.
    pub(crate) fn only(&self) -> Option<Vec<RoomName>> {
        if self.room.is_none() && self.rooms.is_none() {
            return None;
        }
        let mut rooms = self.rooms.clone().unwrap_or_default();
        rooms.extend(self.room.clone());
        Some(rooms)
    }
}

/// A token that is not good: one word for whatever is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not this server's, or too old, or was used")]
pub(crate) struct BadToken;

/// The keys by which tokens are checked and made.
#[derive(Default)]
pub(crate) struct Tokens {
    secret: Option<(DecodingKey, EncodingKey)>,
    public: Option<DecodingKey>,
    /// By `jti`, when it expires.
    used: Mutex<HashMap<String, u64>>,
}

impl Tokens {
    pub(crate) fn new(config: &ServerConfig) -> Result<Self, ConfigError> {
        let secret = config.token_secret.as_ref().map(|secret| {
            let secret = secret.as_bytes();
            (
                DecodingKey::from_secret(secret),
                EncodingKey::from_secret(secret),
            )
        });
        let public = config
            .token_public_key
            .as_deref()
            .map(public_key)
            .transpose()?;
        Ok(Self {
            secret,
            public,
            used: Mutex::default(),
        })
    }

    /// What a token says, if it is good. One with `jti` is good once.
    pub(crate) fn check(&self, token: &str) -> Result<Claims, BadToken> {
        let claims = self.read(token)?;
        self.note(&claims)?;
        Ok(claims)
    }

    /// The same, but no entrance: one with `jti` is good as long as it is not too old.
    pub(crate) fn read(&self, token: &str) -> Result<Claims, BadToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken)?;
        // The token does not choose how it is checked: one key, one way.
        let (key, algorithm) = match header.alg {
            Algorithm::HS256 => (self.secret.as_ref().map(|(key, _)| key), Algorithm::HS256),
            Algorithm::EdDSA => (self.public.as_ref(), Algorithm::EdDSA),
            _ => return Err(BadToken),
        };
        let mut rules = Validation::new(algorithm);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        rules.validate_aud = false;
        let read = jsonwebtoken::decode::<Claims>(token, key.ok_or(BadToken)?, &rules);
        Ok(read.map_err(|_| BadToken)?.claims)
    }

    fn note(&self, claims: &Claims) -> Result<(), BadToken> {
        let Some(jti) = &claims.jti else {
            return Ok(());
        };
        let now = jsonwebtoken::get_current_timestamp();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST_USED {
            used.retain(|_, expires| expires.saturating_add(LEEWAY) > now);
        }
        if used.len() >= MOST_USED || used.contains_key(jti) {
            return Err(BadToken);
        }
        used.insert(jti.clone(), claims.exp);
        Ok(())
    }

    /// A token; none without `token_secret`.
    pub(crate) fn make(&self, claims: &Claims) -> Option<String> {
        let (_, key) = self.secret.as_ref()?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, key).ok()
    }
}

fn public_key(path: &Path) -> Result<DecodingKey, ConfigError> {
    let wrong = |words: &str| ConfigError::Together(format!("{}: {words}", path.display()));
    let text =
        std::fs::read(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
    let info = SubjectPublicKeyInfoDer::from_pem_slice(&text)
        .map_err(|_| wrong("no start line: wanted is -----BEGIN PUBLIC KEY-----"))?;
    let split = info.len().saturating_sub(ED25519_BYTES);
    match info.split_at_checked(split) {
        Some((_, raw)) if info.len() == ED25519_INFO => Ok(DecodingKey::from_ed_der(raw)),
        _ => Err(wrong(
            "a public key of another kind; tokens are signed with Ed25519",
        )),
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(crate) fn same_secret(one: &str, other: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let (one, other) = (digest(one), digest(other));
    let pairs = one.as_ref().iter().zip(other.as_ref());
    pairs.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use ring::signature::{Ed25519KeyPair, KeyPair};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens() -> Tokens {
        let mut config = ServerConfig::default();
        config.token_secret = Some(SECRET.into());
        Tokens::new(&config).unwrap()
    }

    fn claims(seconds: i64) -> Claims {
        let now = jsonwebtoken::get_current_timestamp();
        Claims {
            sub: Some(UserId::new("anna").unwrap()),
            role: Role::Admin,
            exp: now.saturating_add_signed(seconds),
            ..Claims::default()
        }
    }

    #[test]
    fn r_h01_c74_only_tokens_of_this_server_in_their_time_are_good() {
        let tokens = tokens();
        let good = tokens.make(&claims(60)).unwrap();
        let read = tokens.check(&good).unwrap();
        assert_eq!(
            (read.sub.unwrap().as_str(), read.role),
            ("anna", Role::Admin)
        );
        let expired = tokens.make(&claims(-60)).unwrap();
        assert!(tokens.check(&expired).is_err());
        let mut other = ServerConfig::default();
        other.token_secret = Some(SECRET.replace('0', "1"));
        assert!(Tokens::new(&other).unwrap().check(&good).is_err());
        assert!(Tokens::default().check(&good).is_err());
        // Its role changed, its algorithm taken away, or exchanged.
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let parts: Vec<&str> = good.split('.').collect();
        let body = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let forged = part(&body.replace("anna", "bert"));
        assert!(
            tokens
                .check(&format!("{}.{forged}.{}", parts[0], parts[2]))
                .is_err()
        );
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"EdDSA"}"#,
            "{}",
        ] {
            for signature in ["", parts[2]] {
                let token = format!("{}.{}.{signature}", part(header), parts[1]);
                assert!(tokens.check(&token).is_err(), "{header}");
            }
        }
        for junk in ["", ".", "..", "a.b.c", "💥", &"x.".repeat(10_000)] {
            assert!(tokens.check(junk).is_err());
        }
        // Without an end it would be good for ever.
        let endless = jsonwebtoken::encode(
            &Header::default(),
            &serde_json::json!({ "role": "admin" }),
            &EncodingKey::from_secret(SECRET.as_bytes()),
        );
        assert!(tokens.check(&endless.unwrap()).is_err());
    }

    #[test]
    fn r_h01_d37_a_token_that_is_good_once_is_not_good_twice() {
        let tokens = tokens();
        let once = Claims {
            jti: Some("one".into()),
            ..claims(60)
        };
        let token = tokens.make(&once).unwrap();
        tokens.check(&token).unwrap();
        assert!(tokens.check(&token).is_err());
    }

    #[test]
    fn c74_tokens_may_be_signed_elsewhere_with_ed25519() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let mut info = vec![
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        info.extend_from_slice(pair.public_key().as_ref());
        let text = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64_STANDARD.encode(&info)
        );
        let path = std::env::temp_dir().join(format!("ortc-public-{}.pem", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let mut config = ServerConfig::default();
        config.token_public_key = Some(path.clone());
        let tokens = Tokens::new(&config).unwrap();
        let sign = |pkcs8: &[u8]| {
            let key = EncodingKey::from_ed_der(pkcs8);
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims(60), &key).unwrap()
        };
        assert_eq!(
            tokens.check(&sign(pkcs8.as_ref())).unwrap().role,
            Role::Admin
        );
        let other = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        assert!(tokens.check(&sign(other.as_ref())).is_err());
        // The public key is no secret: it must not do as one.
        let forged = jsonwebtoken::encode(
            &Header::default(),
            &claims(60),
            &EncodingKey::from_secret(&info),
        );
        assert!(tokens.check(&forged.unwrap()).is_err());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("abc", "abd") && !same_secret("abc", "abcd") && !same_secret("", "a"));
    }
}
