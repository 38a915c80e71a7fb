//! Everything is asked at once.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

use super::advice::{Facts, advise};
use super::nat;
use super::probe::{self, Server};
use super::report::Diagnosis;
use crate::connection::description::ice_server::{RTCIceServer, parse_servers};
use crate::error::Result;
use crate::tasks::{Task, spawn_in};

/// How to look.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DiagnoseOptions {
    pub(super) include_loopback: bool,
    pub(super) bind: Option<SocketAddr>,
    pub(super) certificates: Option<String>,
    pub(super) ahead: Option<i64>,
}

impl DiagnoseOptions {
    /// Loopback addresses count as this machine's, for servers on it. Otherwise they do not.
    pub fn include_loopback(mut self, include: bool) -> Self {
        self.include_loopback = include;
        self
    }

    /// Go out from this address; port 0 is the usual. Otherwise any.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// What servers over TLS are trusted by, in PEM, instead of what the system trusts: as
    /// [`RTCConnectionOptions::ice_server_certificates`](crate::RTCConnectionOptions::ice_server_certificates)
    /// has it.
    pub fn certificates(mut self, pem: impl Into<String>) -> Self {
        self.certificates = Some(pem.into());
        self
    }

    /// What the clock of a server says now, such as the `Date` of an HTTP answer, to compare this
    /// machine's with. Passwords that end, and certificates, go by clocks.
    pub fn server_time(mut self, time: SystemTime) -> Self {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.ahead = Some(match SystemTime::now().duration_since(time) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => seconds(behind.duration()).saturating_neg(),
        });
        self
    }
}

/// Finds out what will work with these servers. The address of whoever runs it goes to them and
/// nowhere else.
///
/// Cancel safe: what was begun ends when this is dropped.
///
/// # Errors
///
/// `InvalidParameters` for a malformed URL, a TURN server without credentials, or more than 64 URLs;
/// [`TransportFault::NoRuntime`](crate::TransportFault::NoRuntime) outside a tokio runtime;
/// [`TransportFault::Io`](crate::TransportFault::Io) when no port can be bound. What is wrong with a
/// server or a network is no error: it is in the [`Diagnosis`].
pub async fn diagnose(
    servers: impl IntoIterator<Item = RTCIceServer>,
    options: DiagnoseOptions,
) -> Result<Diagnosis> {
    let given: Vec<RTCIceServer> = servers.into_iter().collect();
    let servers: Vec<Server> = parse_servers(&given)?.into_iter().map(Server).collect();
    let mut asked = JoinSet::new();
    for (place, server) in servers.iter().cloned().enumerate() {
        let options = options.clone();
        let report = async move { (place, probe::server(server, options).await) };
        spawn_in(&mut asked, Task::Diagnosis, report);
    }
    let nat = nat::explore(servers.clone(), options.bind);
    let (nat, addresses, reports) = tokio::join!(nat, probe::addresses(&options), asked.join_all());
    let mut reports = reports;
    reports.sort_by_key(|(place, _)| *place);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let facts = Facts {
        addresses: addresses?,
        network: nat?,
        clock_ahead: options.ahead,
        servers: servers
            .into_iter()
            .zip(reports.into_iter().map(|(_, report)| report))
            .map(|(server, report)| Ok((server, report?)))
            .collect::<Result<_>>()?,
        now: now.map_or(0, |now| now.as_secs()),
    };
    Ok(advise(facts))
}
