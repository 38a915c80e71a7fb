//! The settings of a server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a server does. Each field is a key of the TOML file, a variable `ORTC_…` of the environment
/// and a flag of `ortc serve`; [`SETTINGS`](crate::SETTINGS) has a sentence for each.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "SETTINGS has them, where flags and files get them from"
)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub https_port: Option<u16>,
    pub rest_port: Option<u16>,
    pub hostname: Option<String>,
    pub external_ip: Option<String>,
    pub js_debug: bool,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub self_signed: bool,
    pub insecure_http: bool,
    pub state_dir: Option<PathBuf>,
    pub web_dir: Option<PathBuf>,
    pub allow_origins: Vec<String>,
    pub allow_missing_origin: bool,
    pub trusted_proxies: Vec<IpAddr>,
    pub token_secret: Option<String>,
    pub token_public_key: Option<PathBuf>,
    pub token_required: bool,
    pub roles_free: bool,
    pub resume_secret: Option<String>,
    pub api_token: Option<String>,
    pub stun_port: Option<u16>,
    pub stun: Vec<String>,
    pub turn: Vec<String>,
    pub turn_secret: Option<String>,
    pub turn_username: Option<String>,
    pub turn_password: Option<String>,
    pub turn_seconds: u32,
    pub webhook: Option<String>,
    pub webhook_secret: Option<String>,
    pub audit_log: Option<PathBuf>,
    pub call_records: Option<PathBuf>,
    pub recordings: Option<PathBuf>,
    pub recordings_open: bool,
    pub recording_mb: u32,
    pub recordings_mb: u32,
    pub reports: Option<PathBuf>,
    pub reports_mb: u32,
    pub whip: bool,
    pub whip_port: Option<u16>,
    pub cluster: Option<String>,
    pub node: Option<String>,
    pub max_connections: usize,
    pub connections_per_address: usize,
    pub connects_per_second: u32,
    pub messages_per_second: u32,
    pub max_rooms: usize,
    pub hub: bool,
    pub hub_port: Option<u16>,
    pub hub_rooms: usize,
    pub hub_people: usize,
    pub record: Option<PathBuf>,
    pub record_all: bool,
    pub keep_files: Option<PathBuf>,
    pub keep_files_mb: u32,
    pub keep_files_minutes: Option<u32>,
    pub grace_seconds: u32,
    pub return_after_seconds: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            https_port: None,
            rest_port: None,
            hostname: None,
            external_ip: None,
            js_debug: false,
            cert: None,
            key: None,
            self_signed: false,
            insecure_http: false,
            state_dir: None,
            web_dir: None,
            allow_origins: Vec::new(),
            allow_missing_origin: false,
            trusted_proxies: Vec::new(),
            token_secret: None,
            token_public_key: None,
            token_required: false,
            roles_free: false,
            resume_secret: None,
            api_token: None,
            stun_port: None,
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: None,
            turn_username: None,
            turn_password: None,
            turn_seconds: 12 * 3_600,
            webhook: None,
            webhook_secret: None,
            audit_log: None,
            call_records: None,
            recordings: None,
            recordings_open: false,
            recording_mb: 2_048,
            recordings_mb: 20_480,
            reports: None,
            reports_mb: 256,
            whip: false,
            whip_port: None,
            cluster: None,
            node: None,
            max_connections: 20_000,
            connections_per_address: 10_000,
            connects_per_second: 100,
            messages_per_second: 50,
            max_rooms: 10_000,
            hub: false,
            hub_port: None,
            hub_rooms: 100,
            hub_people: 500,
            record: None,
            record_all: false,
            keep_files: None,
            keep_files_mb: 4096,
            keep_files_minutes: None,
            grace_seconds: 30,
            return_after_seconds: 2,
        }
    }
}

// Secrets do not show.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("https_port", &self.https_port)
            .field("rest_port", &self.rest_port)
            .field("hostname", &self.hostname)
            .field("self_signed", &self.self_signed)
            .field("insecure_http", &self.insecure_http)
            .field("token_required", &self.token_required)
            .field("roles_free", &self.roles_free)
            .finish_non_exhaustive()
    }
}
