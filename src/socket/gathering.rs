//! Gathering as a socket's connections share it: begun, begun anew, and told to each of them.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use super::config::SocketNews;
use super::found::Gathering;
use super::gather::{GatherEvent, Gatherer};
use super::ice_server::GatherServer;
use super::interfaces::{self, InterfaceAddress, InterfaceOptions};
use super::mdns;
use super::member::Gathered;
use super::shared::SocketShared;
use crate::queue::lock;
use crate::trace;

impl SocketShared {
    /// What was found before a connection joined.
    pub(crate) fn found(&self) -> Vec<Gathered> {
        lock(&self.gathering).found.clone()
    }

    /// Starts gathering, anew if it ran before. Host candidates are found at once, the rest comes
    /// through the driver.
    pub(crate) fn gather(&self, now: Instant) {
        let hosts = self.hosts().unwrap_or_else(|error| {
            tracing::warn!(target: trace::GATHER, parent: &self.span, %error, "the network interfaces cannot be listed");
            Vec::new()
        });
        self.gather_on(now, &hosts);
    }

    /// The addresses to gather on.
    pub(super) fn hosts(&self) -> io::Result<Vec<InterfaceAddress>> {
        let options = InterfaceOptions {
            include_loopback: self.config.include_loopback,
            include_link_local: self.config.policy.link_local,
        };
        let admits = |name: &str, ip| self.config.policy.admits(name, ip);
        let mut hosts = interfaces::usable_addresses(self.local_addr, options, admits)?;
        if self.config.policy.host_names && !self.config.relay_only {
            self.name(&mut hosts);
        }
        Ok(hosts)
    }

    /// A name for each address, as long as there is that.
    fn name(&self, hosts: &mut [InterfaceAddress]) {
        let mut gathering = lock(&self.gathering);
        let names = &mut gathering.names;
        names.retain(|(_, ip)| hosts.iter().any(|host| host.ip == *ip));
        for host in hosts {
            let known = names.iter().find(|(_, ip)| *ip == host.ip);
            let name = match known {
                Some((name, _)) => name.clone(),
                None => {
                    let name = mdns::new_name();
                    names.push((name.clone(), host.ip));
                    name
                }
            };
            host.told_as = Some(name);
        }
    }

    /// The address that this side's name stands for.
    pub(crate) fn address_of(&self, name: &str) -> Option<IpAddr> {
        let gathering = lock(&self.gathering);
        let mut names = gathering.names.iter();
        let own = names.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(own.1)
    }

    pub(super) fn gather_on(&self, now: Instant, hosts: &[InterfaceAddress]) {
        self.log_gathering(hosts.len());
        let servers = self.config.servers.iter().map(|server| GatherServer {
            url: server.url.clone(),
            kind: server.kind,
            carrier: server.carrier.clone(),
            unsupported: server.unsupported,
            addrs: None,
        });
        let gatherer = Gatherer::with_policy(
            now,
            hosts,
            self.local_addr.port(),
            servers.collect(),
            self.config.relay_only,
            &self.config.policy,
        );
        if !hosts.is_empty() {
            self.withdraw_all_but(now, hosts);
        }
        {
            let mut gathering = lock(&self.gathering);
            gathering.generation += 1;
            let generation = gathering.generation;
            gathering.hosts = hosts.to_vec();
            gathering
                .found
                .retain(|found| matches!(found, Gathered::Candidate(_)));
            gathering.confirmed.clear();
            gathering.gatherer = Some(gatherer);
            gathering.lookups = self
                .config
                .servers
                .iter()
                .enumerate()
                .filter(|(_, server)| server.unsupported.is_none())
                .filter(|(_, server)| self.config.asks(server))
                .map(|(index, server)| (generation, index, server.host.clone(), server.port))
                .collect();
        }
        self.poll_gathering(now);
        self.notify.notify_one();
    }

    /// Tells every connection what gathering has found; each announces a candidate once for each
    /// of its ICE generations.
    pub(super) fn poll_gathering(&self, now: Instant) {
        let mut news = Vec::new();
        let (withdrawn, fresh, all) = {
            let mut gathering = lock(&self.gathering);
            let withdrawn = std::mem::take(&mut gathering.withdrawn);
            let mut fresh = Vec::new();
            while let Some(event) = gathering.gatherer.as_mut().and_then(Gatherer::poll_event) {
                let found = match event {
                    GatherEvent::Candidate(candidate) => {
                        gathering.confirmed.push((candidate.addr, candidate.base));
                        let known = gathering.found.iter().any(|found| {
                            matches!(found, Gathered::Candidate(known)
                                if known.addr == candidate.addr
                                    && known.base == candidate.base
                                    && known.kind == candidate.kind)
                        });
                        let found = Gathered::Candidate(candidate);
                        if known {
                            fresh.push(found);
                            continue;
                        }
                        found
                    }
                    GatherEvent::ServerError(error) => Gathered::Error(error),
                    GatherEvent::Complete => {
                        // What was not found again is not offered to connections to come.
                        let Gathering {
                            found, confirmed, ..
                        } = &mut *gathering;
                        found.retain(|found| match found {
                            Gathered::Candidate(c) => confirmed.contains(&(c.addr, c.base)),
                            _ => true,
                        });
                        Gathered::Complete
                    }
                };
                // Those that come later are told the end last.
                let complete = |found: &Gathered| matches!(found, Gathered::Complete);
                let end = gathering.found.iter().position(complete);
                let end = end.unwrap_or(gathering.found.len());
                gathering.found.insert(end, found.clone());
                news.push(found.clone());
                fresh.push(found);
            }
            // Only the last line wants them.
            let complete = matches!(news.last(), Some(Gathered::Complete));
            let all = complete.then(|| gathering.found.clone());
            (withdrawn, fresh, all.unwrap_or_default())
        };
        if fresh.is_empty() && withdrawn.is_empty() {
            return;
        }
        for found in &news {
            self.log_found(found, &all);
            self.tell(|| SocketNews::Gathered(found.clone()));
        }
        let members = self.routes().members();
        for (_, member) in members {
            for base in &withdrawn {
                member.withdrawn(now, *base);
            }
            for found in &fresh {
                member.gathered(now, found);
            }
        }
    }
}
