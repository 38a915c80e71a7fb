//! fork(): one port, several peers.

// Rows B14, G37, C14, A43, A44.

use super::RTCConnection;
use super::core::event::RTCConnectionEvents;
use super::options::RTCConnectionOptions;
use crate::error::{Error, Result};

/// Further peers.
impl RTCConnection {
    /// A connection to a further peer over the same socket: same port, same ICE user name
    /// fragment and password, same certificate, and the options of this connection. It has no
    /// remote side, no streams and no tracks, and lives on when this one is closed.
    ///
    /// The same as [`RTCConnection::new`] with
    /// [`RTCConnectionOptions::socket`] set to [`local_socket`](Self::local_socket). What is sent
    /// to several peers is one [`MediaStream`](crate::MediaStream), added to each connection.
    ///
    /// # Errors
    ///
    /// `Closed` when this connection is closed; `InvalidState` when its socket is.
    pub fn fork(&self) -> Result<(Self, RTCConnectionEvents)> {
        if let Some(reason) = self.shared().lock().over() {
            return Err(Error::Closed(reason));
        }
        let (fork, events) = Self::new(self.handle.options.clone().socket(self.local_socket()))?;
        for leg in self.legs() {
            fork.add_socket(&leg.local_socket())?;
        }
        Ok((fork, events))
    }
}

impl RTCConnectionOptions {
    /// The same options without the socket and what made it.
    pub(super) fn without_socket(mut self) -> Self {
        self.socket = None;
        self.ice_servers = None;
        self.bind = None;
        self.certificate = None;
        self.credentials = None;
        self
    }
}
