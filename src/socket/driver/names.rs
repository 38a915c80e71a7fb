//! The look-ups of servers' names that gathering waits for, and the names of this side's.

use std::net::SocketAddr;
use std::time::Instant;

use super::Driver;
use crate::queue::lock;
use crate::socket::mdns;
use crate::socket::resolve;
use crate::tasks::{self, Task};

impl Driver {
    /// On every pass where names are used.
    pub(super) fn answer_names(&mut self) {
        if !self.shared.config.policy.host_names {
            return;
        }
        let gathering = lock(&self.shared.gathering);
        let interfaces = mdns::interfaces(&gathering.hosts);
        self.answering.update(&gathering.names, interfaces);
    }

    pub(super) fn start_lookups(&mut self) {
        let wanted = std::mem::take(&mut lock(&self.shared.gathering).lookups);
        for (generation, index, host, port) in wanted {
            let lookup = async move { resolve::resolve_server(&host, port).await };
            let task = tasks::spawn_in(&mut self.lookups, Task::ServerName, lookup);
            self.looked_for.insert(task.id(), (generation, index));
        }
    }

    pub(super) fn looked_up(
        &mut self,
        generation: u64,
        index: usize,
        addresses: Result<Vec<SocketAddr>, String>,
    ) {
        let now = Instant::now();
        {
            let mut gathering = lock(&self.shared.gathering);
            if gathering.generation != generation {
                return;
            }
            if let Some(gatherer) = &mut gathering.gatherer {
                gatherer.add_server_addrs(now, index, addresses);
            }
        }
        self.shared.poll_gathering(now);
    }
}
