//! The look-ups of servers' names that gathering waits for, and the names of this side's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use tokio::task::JoinSet;

use super::Driver;
use crate::queue::lock;
use crate::socket::mdns::{self, Names};
use crate::socket::resolve;
use crate::tasks::{self, Task};

/// What answers to the names of this side's, and for which names and interfaces.
#[derive(Default)]
pub(super) struct Answering {
    names: Names,
    interfaces: Vec<Ipv4Addr>,
    _tasks: JoinSet<io::Result<()>>,
}

impl Driver {
    /// On every pass where names are used.
    pub(super) fn answer_names(&mut self) {
        if !self.shared.config.policy.host_names {
            return;
        }
        let (names, interfaces) = {
            let gathering = lock(&self.shared.gathering);
            let interfaces = mdns::interfaces(&gathering.hosts);
            if gathering.names == self.answering.names && interfaces == self.answering.interfaces {
                return;
            }
            (gathering.names.clone(), interfaces)
        };
        // Those before say goodbye.
        let mut tasks = JoinSet::new();
        for interface in interfaces.iter().filter(|_| !names.is_empty()) {
            let answering = mdns::serve(names.clone(), *interface);
            tasks::spawn_in(&mut tasks, Task::Names, answering);
        }
        self.answering = Answering {
            names,
            interfaces,
            _tasks: tasks,
        };
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
