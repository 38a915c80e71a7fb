//! The end of a connection.

use super::RTCConnection;
use crate::error::DisconnectReason;

/// The end.
impl RTCConnection {
    // Rows A31, G12.
    /// Closes the connection: BYE for each track, DTLS close_notify, event
    /// `Disconnected { Closed }`, then the end of all events. Idempotent; every later verb is
    /// [`Error::Closed`](crate::Error::Closed), views stay readable. Dropping the last handle does
    /// the same.
    ///
    /// What is queued on data channels goes out first, and what the peer has queued is taken: each
    /// channel is closed as [`RTCDataChannel::close`](crate::RTCDataChannel::close) does it, for at
    /// most the time of [`RTCConnectionOptions::linger`](crate::RTCConnectionOptions::linger), by
    /// default a second. Until then [`state`](Self::state) stays as it is, and received messages
    /// can be read; [`closed`](Self::closed) tells when it is over: a program that ends, or shuts
    /// its runtime down, before that has closed at once. With nothing queued, without a path to the
    /// peer, and when the socket is closed, it is over at once. Media is not waited for: packets,
    /// and digits that are queued or sound, end with the call. Calling it again while it waits
    /// changes nothing.
    pub fn close(&self) {
        self.shared().close(DisconnectReason::Closed);
    }

    /// Waits for the end of the connection and says why. Cancel-safe.
    pub async fn closed(&self) -> DisconnectReason {
        loop {
            let changed = self.shared().changed.change();
            if let Some(reason) = self.shared().lock().closed {
                return reason;
            }
            changed.await;
        }
    }
}
