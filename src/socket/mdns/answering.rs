//! What answers to the names of a socket's.

use std::io;
use std::net::Ipv4Addr;

use tokio::task::JoinSet;

use super::reply::Names;
use super::serve::serve;
use crate::tasks::{self, Task};

/// The tasks that answer, one on each interface; they end with it.
#[derive(Default)]
pub(in crate::socket) struct Answering {
    names: Names,
    interfaces: Vec<Ipv4Addr>,
    tasks: JoinSet<io::Result<()>>,
}

impl Answering {
    /// Answers to these from now on. Those before say goodbye, unless nothing changed.
    pub(in crate::socket) fn update(&mut self, names: &Names, interfaces: Vec<Ipv4Addr>) {
        if *names == self.names && interfaces == self.interfaces {
            return;
        }
        self.tasks = JoinSet::new();
        for interface in interfaces.iter().filter(|_| !names.is_empty()) {
            let answering = serve(names.clone(), *interface);
            tasks::spawn_in(&mut self.tasks, Task::Names, answering);
        }
        self.names.clone_from(names);
        self.interfaces = interfaces;
    }
}
