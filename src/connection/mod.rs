//! RTCConnection: its handle; the verbs are in files by subject.

pub(crate) mod candidate_policy;
pub(crate) mod core;
pub(crate) mod description;
pub(crate) mod options;

// What has verbs stands in the order of RTCConnection's page, one group each.
mod sides;

mod candidates;

mod reaching;

mod sending;

pub(crate) mod receiving;

mod data;

mod legs;

mod fork;

pub(crate) mod stats;

mod explain;

mod ending;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fault_tests;
#[cfg(test)]
mod many_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod search_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod sleep_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod test_ends;

use std::sync::{Arc, Mutex};

use crate::error::DisconnectReason;
use core::shared::ConnectionShared;
use options::RTCConnectionOptions;

// Rows A1 to A41.
/// A connection to one peer: ICE, DTLS, and the media and data inside.
///
/// Cloning gives another handle to the same connection; when the last one is dropped the
/// connection is closed. All verbs are synchronous: they validate, change state and wake the
/// socket's task.
///
/// See the [crate page](crate) for how the pieces fit together.
#[derive(Clone)]
pub struct RTCConnection {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<ConnectionShared>,
    /// For forks: without what made the socket, which only an open connection keeps.
    options: RTCConnectionOptions,
    /// The connection over its further sockets.
    legs: Mutex<Vec<RTCConnection>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close(DisconnectReason::Closed);
    }
}

impl RTCConnection {
    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.handle.shared
    }
}

impl std::fmt::Debug for RTCConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RTCConnection")
            .field("state", &self.state())
            .field("socket", &self.local_socket())
            .finish_non_exhaustive()
    }
}
