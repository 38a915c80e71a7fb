//! The connections to TURN servers over TCP and TLS: a task for each, which connects, and from then
//! on moves messages. Nothing here waits for a peer that does not read: what has no room is dropped.

mod carry;
mod connect;
mod end;
mod tls;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::carrier::Carrier;
use super::ice_server::IceServerErrorKind;
use super::inbox::Inbox;
use super::turn::{StreamId, StreamWish, whole_messages};
use crate::tasks::{self, Task};
pub(super) use carry::{Inlet, Outlet, OutletEnd, carry, outlet};
pub(super) use connect::{connect, tune};
use end::End;
use tls::Trust;
pub(crate) use tls::check_certificates;

/// Batches of messages that wait for the driver, of all streams. The server keeps the rest.
const MAX_WAITING: usize = 16;

/// What there is of a stream.
pub(super) enum StreamNews {
    /// Whole messages, one behind the other.
    Messages(StreamId, BytesMut),
    Ended(StreamId, End),
}

/// The streams of a socket.
pub(super) struct Streams {
    tasks: JoinSet<End>,
    /// Those that are not closed.
    names: HashMap<Id, StreamId>,
    open: HashMap<StreamId, (Outlet, AbortHandle)>,
    trust: Trust,
    dropped: Arc<AtomicU64>,
    inbox: Inbox<(StreamId, BytesMut)>,
}

impl Streams {
    /// `certificates`: see [`SocketConfig`](super::SocketConfig).
    pub(super) fn new(certificates: Option<Arc<str>>) -> Self {
        Self {
            tasks: JoinSet::new(),
            names: HashMap::new(),
            open: HashMap::new(),
            trust: Trust::new(certificates),
            dropped: Arc::default(),
            inbox: Inbox::new(MAX_WAITING),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Datagrams for peers that had no room, or became too old while they waited.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn fulfil(&mut self, wish: StreamWish) {
        match wish {
            StreamWish::Open {
                id,
                from,
                to,
                carrier,
            } => {
                let name = match carrier {
                    Carrier::Tls(name) => Some((name, self.trust.clone())),
                    Carrier::Tcp | Carrier::Udp => None,
                };
                let (outlet, outlet_end) = outlet(self.dropped.clone());
                let inlet = Inlet {
                    id,
                    queue: self.inbox.sender(),
                    whole: |data| whole_messages(data).ok(),
                };
                let task = connect::run(from, to, name, outlet_end, inlet);
                let task = tasks::spawn_in(&mut self.tasks, Task::RelayStream, task);
                self.names.insert(task.id(), id);
                self.open.insert(id, (outlet, task));
            }
            StreamWish::Close(id) => {
                if let Some((_, task)) = self.open.remove(&id) {
                    self.names.remove(&task.id());
                    task.abort();
                }
            }
        }
    }

    /// Messages for the server; see [`ToServer::Stream`](super::turn::ToServer). Once the stream is
    /// there, if it is not yet.
    pub(super) fn send(&mut self, id: StreamId, contents: Vec<u8>, media: u64) {
        let taken = match self.open.get(&id) {
            Some((outlet, _)) => outlet.push(contents, media),
            None => false,
        };
        if !taken {
            self.dropped.fetch_add(media, Ordering::Relaxed);
        }
    }

    /// What comes next; never while [`is_empty`](Self::is_empty). Cancel-safe.
    pub(super) async fn next(&mut self) -> StreamNews {
        loop {
            let joined = tokio::select! {
                Some((id, messages)) = self.inbox.recv() => {
                    return StreamNews::Messages(id, messages);
                }
                Some(joined) = self.tasks.join_next_with_id() => joined,
                else => std::future::pending().await,
            };
            let (task, end) = match joined {
                Ok((task, end)) => (task, end),
                Err(error) => {
                    let end = (IceServerErrorKind::Unreachable, error.to_string());
                    (error.id(), end)
                }
            };
            // One that was closed has nothing to tell.
            if let Some(id) = self.names.remove(&task) {
                self.open.remove(&id);
                return StreamNews::Ended(id, end);
            }
        }
    }
}
