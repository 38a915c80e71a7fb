//! Servers in processes of their own.

use std::fmt;
use std::net::SocketAddr;
use std::process::Stdio;

use ortc_server::ServerConfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Manner;

/// What a process of this program is.
pub(crate) const ROLE: &str = "ORTC_LOAD_ROLE";

#[derive(Clone, Copy)]
pub(crate) enum Server {
    Rooms,
    Plain,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Server::Rooms => "rooms",
            Server::Plain => "plain",
        })
    }
}

impl Server {
    pub(crate) fn manner(self) -> Manner {
        match self {
            Server::Rooms => Manner::Rooms,
            Server::Plain => Manner::Plain,
        }
    }
}

pub(crate) struct Process {
    child: Child,
    pub(crate) at: SocketAddr,
}

impl Process {
    pub(crate) async fn new(server: Server) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, server.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        Self {
            child,
            at: line.parse().unwrap(),
        }
    }

    /// Memory that is held, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The server of rooms, as `ortc serve` has it but for the rate of one address.
pub(crate) async fn rooms() {
    let mut config = ServerConfig::default();
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.connects_per_second = 100_000;
    config.connections_per_address = 100_000;
    config.stun_port = Some(0);
    let server = ortc_server::Server::bind(config).await.unwrap();
    println!("{}", server.address());
    std::future::pending::<()>().await;
}
