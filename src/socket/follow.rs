//! A socket follows the networks of its host: what it has on addresses that are gone is withdrawn,
//! and on new ones it gathers.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::interfaces::InterfaceAddress;
use super::member::Gathered;
use super::shared::SocketShared;
use super::watch::Watcher;
use crate::engine::ice::CandidateKind;
use crate::queue::lock;
use crate::trace;

impl Watcher for SocketShared {
    fn networks_changed(&self) {
        self.networks_changed.store(true, Ordering::Release);
        self.notify.notify_one();
    }
}

impl SocketShared {
    /// Whether what happens to interfaces concerns it at all.
    pub(super) fn follows_networks(&self) -> bool {
        self.config.follow_networks && self.local_addr.ip().is_unspecified()
    }

    /// Looks at the interfaces, and does what follows. False when nothing does.
    pub(super) fn follow_networks(&self, now: Instant) -> bool {
        let Ok(hosts) = self.hosts() else {
            return false;
        };
        let known = {
            let gathering = lock(&self.gathering);
            if gathering.gatherer.is_none() || gathering.hosts == hosts {
                return false;
            }
            gathering.hosts.clone()
        };
        tracing::debug!(target: trace::GATHER, parent: &self.span, before = known.len(), now = hosts.len(), "the addresses of this host changed");
        let offline = |hosts: &[InterfaceAddress]| hosts.iter().all(|host| host.ip.is_loopback());
        if offline(&hosts) && !offline(&known) {
            // There is nothing to gather, and nobody to tell, before there is a network again.
            self.withdraw_all_but(now, &hosts);
            lock(&self.gathering).hosts = hosts;
        } else {
            self.gather_on(now, &hosts);
        }
        true
    }

    /// Takes back what was found on other addresses than these.
    pub(super) fn withdraw_all_but(&self, now: Instant, hosts: &[InterfaceAddress]) {
        let port = self.local_addr.port();
        let there = |base: SocketAddr| hosts.iter().any(|host| host.at(base.port()) == base);
        let mut gone: Vec<SocketAddr> = Vec::new();
        {
            let mut gathering = lock(&self.gathering);
            for host in &gathering.hosts {
                let base = host.at(port);
                if !there(base) {
                    gone.push(base);
                }
            }
            // Those of TCP have bases of their own.
            let tcp = gathering.found.iter().filter_map(|found| match found {
                Gathered::Candidate(found) if found.tcp.is_some() => Some(found.base),
                _ => None,
            });
            for base in tcp {
                if !there(base) && !gone.contains(&base) {
                    gone.push(base);
                }
            }
            // Relays go when the driver gives up what they come from.
            gathering.found.retain(|found| match found {
                Gathered::Candidate(found) if found.kind == CandidateKind::Relay => true,
                Gathered::Candidate(found) => there(found.base),
                _ => true,
            });
            gathering.gone.extend(&gone);
        }
        let members = self.routes().members();
        for (_, member) in members {
            for base in &gone {
                member.withdrawn(now, *base);
            }
        }
    }

    /// The addresses that are gone, for those who have relays there.
    pub(super) fn take_gone(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut lock(&self.gathering).gone)
    }
}
