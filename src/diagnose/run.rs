//! Everything is asked at once.

use std::time::SystemTime;

use tokio::task::JoinSet;

use super::advice::{Facts, advise};
use super::nat;
use super::options::DiagnoseOptions;
use super::probe;
use super::report::Diagnosis;
use super::server::Server;
use crate::connection::description::ice_server::{RTCIceServer, parse_servers};
use crate::error::Result;
use crate::tasks::{Task, spawn_in};

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
    // Where there is no runtime, this says so; what follows would not.
    let looking = probe::begin(&options)?;
    let mut asked = JoinSet::new();
    for (place, server) in servers.iter().cloned().enumerate() {
        let options = options.clone();
        let report = async move { (place, probe::server(server, options).await) };
        spawn_in(&mut asked, Task::Diagnosis, report);
    }
    let nat = nat::explore(servers.clone(), options.bind);
    let (nat, addresses, reports) = tokio::join!(nat, probe::addresses(looking), asked.join_all());
    let mut reports = reports;
    reports.sort_by_key(|(place, _)| *place);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let facts = Facts {
        addresses,
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::error::{Error, TransportFault};

    #[test]
    fn without_a_runtime_it_is_an_error() {
        let bare = tokio::runtime::Builder::new_current_thread().build();
        for entered in [false, true] {
            let _guard = bare.as_ref().ok().filter(|_| entered).map(|of| of.enter());
            let servers = [RTCIceServer::new("stun:127.0.0.1")];
            let future = pin!(diagnose(servers, DiagnoseOptions::default()));
            let polled = future.poll(&mut Context::from_waker(Waker::noop()));
            let no_runtime = Err(Error::Transport(TransportFault::NoRuntime));
            assert_eq!(polled, Poll::Ready(no_runtime), "{entered}");
        }
    }
}
