//! The desk, as the configuration wants it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ortc_rooms::desk::{DeskOptions, SealKey};
use ring::hkdf;

use crate::cluster::ClusterOptions;
use crate::config::ServerConfig;
use crate::ice::IceServers;

/// What the desk is to know. The error is of the folder with its state.
pub(crate) fn options(config: &ServerConfig, own_stun: Option<u16>) -> io::Result<DeskOptions> {
    let ice = IceServers::new(config, own_stun);
    let mut options = DeskOptions::default();
    options.grace = Duration::from_secs(config.grace_seconds.into());
    options.limits.messages_per_second = config.messages_per_second;
    options.limits.rooms = config.max_rooms;
    options.limits.users = config.max_connections.saturating_mul(2);
    options.ice_servers = Arc::new(move |user| ice.of(user));
    if let Some(secret) = &config.resume_secret {
        options.key = derived(secret)?;
    } else if let Some(folder) = &config.state_dir {
        std::fs::create_dir_all(folder)?;
        options.key = SealKey::from_file(&folder.join("seal.key"))?;
    }
    if let Some(node) = &config.node {
        options.node = node.clone();
    }
    Ok(options)
}

/// How the other servers are joined.
pub(crate) fn cluster(config: &ServerConfig) -> ClusterOptions {
    ClusterOptions {
        node: config.node.clone().unwrap_or_default(),
        grace: Duration::from_secs(config.grace_seconds.into()),
        ..ClusterOptions::default()
    }
}

/// The key of a secret: servers with the same secret have the same key.
fn derived(secret: &str) -> io::Result<SealKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"ortc-rooms");
    let key = salt.extract(secret.as_bytes());
    let mut bytes = [0; 32];
    key.expand(&[b"resume"], hkdf::HKDF_SHA256)
        .and_then(|key| key.fill(&mut bytes))
        .map_err(|_| io::Error::other("no key can be made of resume_secret"))?;
    Ok(SealKey::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_makes_the_same_key_and_another_another() {
        let of = |secret: &str| *derived(secret).unwrap().as_bytes();
        assert_eq!(of("north"), of("north"));
        assert_ne!(of("north"), of("south"));
    }
}
