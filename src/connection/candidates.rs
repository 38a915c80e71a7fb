//! Candidates that the application hands over, of either side.

use std::net::{IpAddr, SocketAddr};
use std::sync::Weak;
use std::time::Instant;

use super::RTCConnection;
use super::core::shared::ConnectionShared;
use super::description::candidate::{RTCIceCandidateDescription, Skip};
use crate::engine::ice::{Candidate, CandidateKind, TcpType};
use crate::error::{Error, Result};
use crate::socket::resolve;
use crate::tasks::{self, Task};
use crate::trace;

/// Names of the peer's candidates (`.local`) that may be looked up for one connection.
const MAX_NAMES: usize = 256;

/// Candidates of either side.
impl RTCConnection {
    // Rows A7, A17, G3.
    /// Applies a local candidate from the `Candidate` event. Needed with
    /// [`LocalCandidates::OnSet`](crate::LocalCandidates::OnSet) only; otherwise, and for one
    /// applied before, it does nothing. A candidate that gathering did not find is accepted: that
    /// is how an application adds an address it knows of, e.g. a forwarded port.
    ///
    /// # Errors
    ///
    /// [`Misuse::UnsupportedTransport`](crate::Misuse::UnsupportedTransport) for one over TCP
    /// unless [`RTCCandidatePolicy::tcp`](crate::RTCCandidatePolicy::tcp) asks for it, `NotSupported` for another that this side cannot use (component 2, a name, a link-local address of no link in use); `Closed`.
    #[doc(alias = "setLocalCandidate")]
    pub fn set_local_candidate(&self, candidate: &RTCIceCandidateDescription) -> Result<()> {
        let is = |leg: &Self| candidate.socket_id.as_deref() == leg.shared().events.socket_id();
        if !is(self)
            && let Some(leg) = self.legs().into_iter().find(is)
        {
            return leg.set_local_candidate(candidate);
        }
        let socket = &self.shared().socket;
        let usable = match candidate.to_engine_for(socket.uses()) {
            Err(Skip::Resolve(name)) => match socket.address_of(&name) {
                Some(ip) => candidate.to_engine_at(ip).map(|own| Candidate {
                    told_as: Some(name.into()),
                    ..own
                }),
                None => Err(Skip::Resolve(name)),
            },
            usable => usable,
        };
        let bases = match &usable {
            Ok(usable) => self.bases_of(usable),
            Err(_) => Vec::new(),
        };
        self.shared().open(|state| {
            let mut usable = usable?;
            if bases.is_empty() {
                return Err(Error::not_supported(
                    "no link of this host is known to have the address",
                ));
            }
            for base in bases {
                usable.base = base;
                state
                    .engine
                    .add_local_candidate(Instant::now(), usable.clone());
            }
            Ok(())
        })
    }

    /// Checks leave from the socket, whatever address the outside sees.
    fn bases_of(&self, local: &Candidate) -> Vec<SocketAddr> {
        let socket = &self.shared().socket;
        let port = local
            .tcp
            .map_or(socket.local_addr.port(), TcpType::base_port);
        match (local.kind, local.related) {
            // A relay's base is the relay (RFC 8445 section 5.1.1.2).
            (CandidateKind::Relay, _) => vec![local.addr],
            (CandidateKind::Host, _) | (_, None) => socket.bases_at(local.addr.ip(), port),
            (_, Some(related)) => vec![SocketAddr::new(related.ip(), port)],
        }
    }

    // Rows A8, A18, A20, A118, G21, G22.
    /// Adds a candidate of the peer, at any time and in any order. Duplicates do nothing.
    ///
    /// Candidates that cannot be used are ignored and counted, never fatal: TCP unless it is asked for, component 2,
    /// unknown types, `.local` names that do not resolve within 5 s.
    ///
    /// # Errors
    ///
    /// `InvalidAccess` when its `socket-id` is none of the sockets that the peer told of, where
    /// this side has several; `Closed`.
    #[doc(alias = "setRemoteCandidate")]
    pub fn set_remote_candidate(&self, candidate: &RTCIceCandidateDescription) -> Result<()> {
        if let Some(leg) = self.leg_of_remote(candidate.socket_id.as_deref())? {
            return leg.set_remote_candidate(candidate);
        }
        let uses = self.shared().socket.uses();
        let name = self.shared().open(|state| {
            match candidate.to_engine_for(uses) {
                Ok(usable) => {
                    let ufrag = candidate.username_frag.as_deref();
                    state.add_remote_candidate(Instant::now(), usable, ufrag);
                }
                // A look-up would tell the peer's network where this side is.
                Err(Skip::Resolve(_)) if self.shared().socket.relay_only() => {
                    state.ignored_candidates += 1;
                }
                Err(Skip::Resolve(name)) if state.remote_names < MAX_NAMES => {
                    state.remote_names += 1;
                    return Ok(Some(name));
                }
                Err(Skip::Resolve(_)) => state.ignored_candidates += 1,
                Err(Skip::Ignored(reason)) => {
                    tracing::debug!(target: trace::ICE, parent: state.engine.span(), %reason, "a remote candidate is ignored");
                    state.ignored_candidates += 1;
                }
            }
            Ok(None)
        })?;
        if let Some(name) = name {
            resolve_remote(self.shared(), candidate.clone(), name);
        }
        Ok(())
    }

    /// Tells that the peer has no more candidates (RFC 8838 section 14): it said
    /// `EndOfCandidates`. A restart of either side takes it back.
    ///
    /// Nothing depends on it where somebody is reached. Where nobody is, `IceFailed` comes sooner.
    /// Without it the search goes on for 39.5 s after the latest candidate, since another may come.
    /// With it, once this side has gathered its own and all pairs were tried in vain, 39.5 s after
    /// both sides could begin: that long RFC 8863 has each side wait for checks from addresses that
    /// nobody signalled. A lite agent sends none, so against one it is over with the checks.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn end_of_remote_candidates(&self) -> Result<()> {
        self.shared().open(|state| {
            state.engine.end_of_remote_candidates(Instant::now());
            Ok(())
        })
    }
}

// Row G22.
/// Looks up a `.local` candidate in the background; one that does not resolve is ignored. Not with
/// the connection's state locked.
fn resolve_remote(
    connection: &ConnectionShared,
    candidate: RTCIceCandidateDescription,
    name: String,
) {
    let mut lookup = RemoteName {
        connection: connection.this.clone(),
        candidate,
        address: None,
    };
    // Not `tokio::spawn`: verbs may be called from threads that know no runtime.
    let runtime = &connection.socket.runtime;
    let task = tasks::spawn(Task::PeerName, runtime, async move {
        let address = resolve::resolve_mdns(&name).await;
        lookup.found(address);
    });
    let task = task.abort_handle();
    let known = connection.open(|state| {
        state.lookups.retain(|lookup| !lookup.is_finished());
        state.lookups.push(task.clone());
        Ok(())
    });
    if known.is_err() {
        task.abort();
    }
}

/// A look-up of a remote candidate. However its task ends, it makes room for the next.
struct RemoteName {
    connection: Weak<ConnectionShared>,
    candidate: RTCIceCandidateDescription,
    address: Option<IpAddr>,
}

impl RemoteName {
    fn found(&mut self, address: Option<IpAddr>) {
        self.address = address;
    }
}

impl Drop for RemoteName {
    fn drop(&mut self) {
        let Some(connection) = self.connection.upgrade() else {
            return;
        };
        let _ = connection.open(|state| {
            match self.address {
                Some(ip) => {
                    if let Ok(usable) = self.candidate.to_engine_at(ip) {
                        let ufrag = self.candidate.username_frag.as_deref();
                        state.add_remote_candidate(Instant::now(), usable, ufrag);
                    }
                }
                None => state.ignored_candidates += 1,
            }
            state.remote_names = state.remote_names.saturating_sub(1);
            Ok(())
        });
    }
}
