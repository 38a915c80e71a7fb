//! The servers that gathering asks: from where, until when, and their one error each.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::plain::{GatherEvent, Host, Planned, Server};
use super::{Gatherer, MAX_BASES, MAX_HOSTS, MAX_STREAM_BASES};
use crate::engine::ice::scope::{from_base, is_link_local};
use crate::socket::ice_server::{GatherServer, IceServerError, IceServerErrorKind, ServerKind};

/// Servers beyond this many are refused with an error each.
pub(super) const MAX_SERVERS: usize = 16;

impl Gatherer {
    pub(super) fn add_server(&mut self, now: Instant, index: usize, server: GatherServer) {
        self.servers.push(Server {
            url: server.url,
            kind: server.kind,
            carrier: server.carrier,
            resolving: true,
            open: true,
            answered: false,
            deadline: self.deadline,
            error: None,
        });
        if let Some(message) = server.unsupported {
            self.note_error(index, IceServerErrorKind::Unsupported, message.to_owned());
            self.close_server(index);
            return;
        }
        let offered = match server.kind {
            ServerKind::Stun => self.reflexive_offered,
            ServerKind::Turn => self.relays_offered,
        };
        if !offered {
            self.close_server(index);
            return;
        }
        if self.hosts.is_empty() {
            // Nothing to ask it from: not worth a look-up.
            let message = "no local address".to_owned();
            self.note_error(index, IceServerErrorKind::Unreachable, message);
            self.close_server(index);
            return;
        }
        self.asked += 1;
        if self.asked > MAX_SERVERS {
            let message = format!("more than {MAX_SERVERS} servers");
            self.note_error(index, IceServerErrorKind::Unsupported, message);
            self.close_server(index);
        } else if let Some(addrs) = server.addrs {
            self.plan(now, index, addrs);
        }
    }

    /// The outcome of resolving server `index` (its place in the list given to `new`).
    pub(crate) fn add_server_addrs(
        &mut self,
        now: Instant,
        index: usize,
        addrs: Result<Vec<SocketAddr>, String>,
    ) {
        self.plan(now, index, addrs);
        self.start_queued(now);
        self.check_complete(now);
    }

    /// One transaction for each local address, with the server's first address of that family.
    pub(super) fn plan(
        &mut self,
        now: Instant,
        index: usize,
        addrs: Result<Vec<SocketAddr>, String>,
    ) {
        match self.servers.get_mut(index) {
            Some(server) if server.open && server.resolving => server.resolving = false,
            _ => return,
        }
        let usable: Vec<SocketAddr> = match addrs {
            Ok(addrs) => addrs
                .into_iter()
                .map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()))
                .filter(|a| !a.ip().is_unspecified() && !a.ip().is_multicast() && a.port() != 0)
                .collect(),
            Err(message) => {
                self.note_error(index, IceServerErrorKind::Resolve, message);
                self.close_server(index);
                return;
            }
        };
        let bases = match self
            .servers
            .get(index)
            .map(|s| (s.kind, s.carrier.is_stream()))
        {
            Some((ServerKind::Turn, false)) => MAX_BASES,
            Some((ServerKind::Turn, true)) => MAX_STREAM_BASES,
            _ => MAX_HOSTS,
        };
        let bases = self.hosts.iter().take(bases).enumerate();
        let planned: Vec<Planned> = bases
            .filter_map(|(host, Host { base, .. })| {
                let remote = *usable.iter().find(|a| leads_to(base.ip(), a.ip()))?;
                Some(Planned {
                    host,
                    server: index,
                    remote: from_base(*base, remote),
                })
            })
            .collect();
        if planned.is_empty() {
            let (kind, message) = if usable.is_empty() {
                (IceServerErrorKind::Resolve, "no usable address")
            } else {
                let message = "no local address that leads there";
                (IceServerErrorKind::Unreachable, message)
            };
            self.note_error(index, kind, message.to_owned());
            self.close_server(index);
            return;
        }
        self.queue.extend(planned);
        let queue = self.queue.make_contiguous();
        queue.sort_by_key(|planned| (planned.host, planned.server));
        self.next_start = self.next_start.max(now);
    }

    pub(super) fn timeout_error(&self, index: usize) -> (IceServerErrorKind, String) {
        if self
            .servers
            .get(index)
            .is_some_and(|server| server.resolving)
        {
            let message = "its name was not resolved in time".to_owned();
            return (IceServerErrorKind::Resolve, message);
        }
        let mut open = self
            .transactions
            .iter()
            .filter(|t| t.open && t.server == index);
        if open.clone().count() > 0 && open.all(|t| t.send_errors > 0) {
            let message = "the operating system refused to send".to_owned();
            return (IceServerErrorKind::Unreachable, message);
        }
        (IceServerErrorKind::Timeout, "no answer".to_owned())
    }

    /// The first error says most: the ones after it are often its consequences.
    pub(super) fn note_error(&mut self, index: usize, kind: IceServerErrorKind, message: String) {
        if let Some(server) = self.servers.get_mut(index) {
            server.error.get_or_insert((kind, message));
        }
    }

    pub(super) fn close_server(&mut self, index: usize) {
        let Some(server) = self.servers.get_mut(index).filter(|server| server.open) else {
            return;
        };
        server.open = false;
        if !server.answered
            && let Some((kind, message)) = server.error.take()
        {
            let url = server.url.clone();
            self.events
                .push_back(GatherEvent::ServerError(IceServerError {
                    url,
                    kind,
                    message,
                }));
        }
        self.queue.retain(|planned| planned.server != index);
        for t in self.transactions.iter_mut().filter(|t| t.server == index) {
            if t.open && t.kind == ServerKind::Turn {
                self.unwanted_relays.push_back(t.id);
            }
            t.open = false;
        }
    }

    pub(super) fn check_complete(&mut self, now: Instant) {
        if !self.complete && (now >= self.ends || !self.is_waiting()) {
            self.complete = true;
            self.events.push_back(GatherEvent::Complete);
        }
    }
}

/// One family, and from a link-local address nothing but its link (RFC 4007 section 9).
fn leads_to(base: IpAddr, server: IpAddr) -> bool {
    base.is_ipv4() == server.is_ipv4() && is_link_local(base) == is_link_local(server)
}
