//! What a socket writes into the log: gathering, servers, relays. Whoever listens is no reason to
//! end the socket's task, so a panic of theirs ends here.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{Level, Span};

use super::counters::SocketCounters;
use super::ice_server::{IceServerError, IceServerErrorKind, ServerKind};
use super::member::Gathered;
use super::shared::SocketShared;
use super::turn::TurnCounters;
use super::udp::UdpStats;
use crate::engine::guard::contain;
use crate::engine::ice::CandidateKind;
use crate::trace;

impl IceServerErrorKind {
    /// In our own words: the server's may hold anything.
    fn cause(self) -> &'static str {
        match self {
            Self::Timeout => "no answer: it is down, the port is wrong, or UDP is blocked",
            Self::Unreachable => "it cannot be reached from here",
            Self::Resolve => "its name was not found",
            Self::Refused(401) => "it refused the user name or the password",
            Self::Refused(_) => "it refused",
            Self::Malformed => "it answered with something else than STUN",
            Self::Certificate => "its certificate is not trusted, or is for another name",
            Self::Unsupported => "it is of a kind that is not supported, or one too many",
        }
    }

    fn code(self) -> Option<u16> {
        match self {
            Self::Refused(code) => Some(code),
            _ => None,
        }
    }
}

/// The reasons of a socket as a whole.
fn reasons(counters: SocketCounters) -> [(&'static str, u64); REASONS] {
    let SocketCounters {
        unrouted,
        udp,
        turn,
        tcp_unsent,
    } = counters;
    let UdpStats {
        recv_errors,
        send_dropped,
        // Nothing is lost by that.
        send_blocked: _,
    } = udp;
    let TurnCounters {
        malformed,
        unpermitted,
        unsent,
    } = turn;
    [
        ("of no connection", unrouted),
        ("the system refused to send", send_dropped),
        ("the system refused to receive", recv_errors),
        ("malformed TURN", malformed),
        ("over a relay, of nobody who may", unpermitted),
        ("to a relay: not permitted, too many, or gone", unsent),
        ("over TCP: no room, or no connection", tcp_unsent),
    ]
}

const REASONS: usize = 7;

/// What of them was told already.
#[derive(Default)]
pub(super) struct SocketDrops {
    next: Option<Instant>,
    told: [u64; REASONS],
}

impl SocketDrops {
    /// One line for each reason that there is news of, at most once a second.
    pub(super) fn tell(&mut self, now: Instant, socket: &SocketShared) {
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + Duration::from_secs(1));
        let _ = contain(|| {
            if !tracing::enabled!(target: trace::DROP, Level::DEBUG) {
                return;
            }
            let totals = reasons(socket.counters());
            for (told, (reason, total)) in self.told.iter_mut().zip(totals) {
                let count = total.saturating_sub(*told);
                *told = total;
                if count > 0 {
                    tracing::debug!(
                        target: trace::DROP,
                        parent: &socket.span,
                        reason,
                        count,
                        total,
                        "dropped"
                    );
                }
            }
        });
    }
}

impl SocketShared {
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// A TURN server would not relay to a peer. The first time it is news.
    pub(super) fn note_not_permitted(&self, code: u16) {
        let known = self.not_permitted.swap(code, Ordering::Relaxed);
        let _ = contain(|| {
            if known == code {
                return tracing::debug!(target: trace::TURN, parent: &self.span, code, "again");
            }
            tracing::warn!(
                target: trace::TURN,
                parent: &self.span,
                code,
                cause = "the TURN server gives no permission for the peer's address",
                "nothing can be relayed to a peer"
            );
        });
    }

    /// The error code of the last such refusal.
    pub(crate) fn not_permitted(&self) -> Option<u16> {
        let code = self.not_permitted.load(Ordering::Relaxed);
        (code != 0).then_some(code)
    }

    pub(super) fn log_gathering(&self, addresses: usize) {
        let servers = self.config.servers.len();
        let _ = contain(|| {
            tracing::debug!(
                target: trace::GATHER,
                parent: &self.span,
                addresses,
                servers,
                relay_only = self.config.relay_only,
                "gathering begins"
            );
        });
    }

    pub(super) fn log_found(&self, found: &Gathered, all: &[Gathered]) {
        let _ = contain(|| match found {
            Gathered::Candidate(candidate) => tracing::debug!(
                target: trace::GATHER,
                parent: &self.span,
                kind = candidate.kind.name(),
                addr = %candidate.addr,
                "a candidate was found"
            ),
            Gathered::Error(error) => self.log_server_error(error),
            Gathered::Complete => {
                let count = |kind| {
                    let of_kind = |found: &&Gathered| matches!(found, Gathered::Candidate(c) if c.kind == kind);
                    all.iter().filter(of_kind).count()
                };
                let failed = |found: &&Gathered| matches!(found, Gathered::Error(_));
                tracing::info!(
                    target: trace::GATHER,
                    parent: &self.span,
                    host = count(CandidateKind::Host),
                    srflx = count(CandidateKind::ServerReflexive),
                    relay = count(CandidateKind::Relay),
                    failed_servers = all.iter().filter(failed).count(),
                    "gathering is complete"
                );
            }
        });
    }

    /// The server by its place in the list: its URL may be an address.
    fn log_server_error(&self, error: &IceServerError) {
        let servers = &self.config.servers;
        let place = servers.iter().position(|server| server.url == error.url);
        let kind = place
            .and_then(|at| servers.get(at))
            .map(|server| server.kind);
        tracing::warn!(
            target: trace::GATHER,
            parent: &self.span,
            server = place.map(|at| at.saturating_add(1)),
            kind = kind.map(ServerKind::name),
            cause = error.kind.cause(),
            code = error.kind.code(),
            "an ICE server gave no candidate"
        );
        tracing::debug!(
            target: trace::GATHER,
            parent: &self.span,
            url = error.url,
            message = error.message,
            "the ICE server's error"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::socket::{RTCSocket, SocketConfig};
    use crate::trace::watch::Kept;

    #[tokio::test]
    async fn a_refused_permission_is_named_once() {
        let socket = RTCSocket::new(SocketConfig::default()).unwrap();
        let kept = Kept::new(Level::INFO);
        for _ in 0..3 {
            socket.handle.shared.note_not_permitted(403);
        }
        let cause = "the TURN server gives no permission for the peer's address";
        kept.expect(1, &["WARN ortc::turn", "code=403", cause]);
        assert_eq!(socket.handle.shared.not_permitted(), Some(403));
    }
}
