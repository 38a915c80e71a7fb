//! What a socket counts, for all its connections.

use std::sync::atomic::{AtomicU64, Ordering};

use super::turn::TurnCounters;
use super::udp::UdpStats;

/// The counters of a socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SocketCounters {
    /// Datagrams that no connection wanted.
    pub(crate) unrouted: u64,
    pub(crate) udp: UdpStats,
    /// Datagrams dropped on the way from or to relays.
    pub(crate) turn: TurnCounters,
    /// Datagrams to peers over TCP that had no room, or no connection.
    pub(crate) tcp_unsent: u64,
}

/// The counters of the relays, which the driver has, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct RelayCounters {
    malformed: AtomicU64,
    unpermitted: AtomicU64,
    unsent: AtomicU64,
}

impl RelayCounters {
    pub(super) fn set(&self, counters: TurnCounters) {
        let TurnCounters {
            malformed,
            unpermitted,
            unsent,
        } = counters;
        self.malformed.store(malformed, Ordering::Relaxed);
        self.unpermitted.store(unpermitted, Ordering::Relaxed);
        self.unsent.store(unsent, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> TurnCounters {
        TurnCounters {
            malformed: self.malformed.load(Ordering::Relaxed),
            unpermitted: self.unpermitted.load(Ordering::Relaxed),
            unsent: self.unsent.load(Ordering::Relaxed),
        }
    }
}
