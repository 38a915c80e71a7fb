//! The socket of a connection.

use serde::Serialize;

use crate::socket::{SocketCounters, TurnCounters, UdpStats};

/// The socket of a connection, with all the connections that share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RTCSocketStats {
    /// Datagrams of no connection, by their address or, with STUN, their USERNAME; or of no known
    /// protocol. Dropped.
    pub unknown: u64,
    /// Datagrams that the operating system refused to send.
    pub send_errors: u64,
    /// How often the operating system had no room for what was to be sent, which then waited.
    pub send_blocked: u64,
    /// Errors reported by receive calls, e.g. ICMP.
    pub receive_errors: u64,
    /// Datagrams of TURN servers that were malformed or not authentic. Dropped.
    pub relay_malformed: u64,
    /// Datagrams that came over a relay from addresses without permission. Dropped.
    pub relay_unpermitted: u64,
    /// Datagrams to a relay that were not permitted, over a bound, or whose relay was gone. Dropped.
    pub relay_unsent: u64,
    /// Datagrams to peers over TCP for which a connection had no room, or that had none. Dropped.
    pub tcp_unsent: u64,
}

impl From<SocketCounters> for RTCSocketStats {
    fn from(counters: SocketCounters) -> Self {
        let SocketCounters {
            unrouted,
            udp,
            turn,
            tcp_unsent,
        } = counters;
        let UdpStats {
            recv_errors,
            send_dropped,
            send_blocked,
        } = udp;
        let TurnCounters {
            malformed,
            unpermitted,
            unsent,
        } = turn;
        Self {
            unknown: unrouted,
            send_errors: send_dropped,
            send_blocked,
            receive_errors: recv_errors,
            relay_malformed: malformed,
            relay_unpermitted: unpermitted,
            relay_unsent: unsent,
            tcp_unsent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_shown_as_itself() {
        let counted = SocketCounters {
            unrouted: 1,
            udp: UdpStats {
                recv_errors: 2,
                send_dropped: 3,
                send_blocked: 4,
            },
            turn: TurnCounters {
                malformed: 5,
                unpermitted: 6,
                unsent: 7,
            },
            tcp_unsent: 8,
        };
        let shown = serde_json::json!({
            "unknown": 1, "receiveErrors": 2, "sendErrors": 3, "sendBlocked": 4,
            "relayMalformed": 5, "relayUnpermitted": 6, "relayUnsent": 7,
            "tcpUnsent": 8,
        });
        let stats = serde_json::to_value(RTCSocketStats::from(counted));
        assert_eq!(stats.ok(), Some(shown));
    }
}
