//! Connections under candidates over TCP (RFC 6544), and what their end means: a path is gone, and
//! the active side may connect again by the next check.

use std::net::SocketAddr;
use std::time::Instant;

use super::agent::IceAgent;
use super::scope::unscoped;
use super::{CandidateKind, IceState, Role, TcpType};

impl IceAgent {
    /// The connection between a base and the peer's address is no more.
    pub(crate) fn stream_ended(&mut self, now: Instant, base: SocketAddr, remote: SocketAddr) {
        let key = (base, remote);
        let in_use = self.selected_key() == Some(key);
        // Nobody will ever be at the other end of a connection that the peer began.
        if base.port() == TcpType::Passive.base_port() {
            let place = (unscoped(remote), true);
            let learned = |r: &&std::sync::Arc<super::Candidate>| {
                r.place() == place && r.kind == CandidateKind::PeerReflexive
            };
            if self.remotes.iter().any(|r| learned(&r)) {
                self.forget_remote(place);
            } else {
                self.remove_pair(key);
            }
        }
        if in_use && self.state == IceState::Connected {
            self.set_state(IceState::Disconnected);
            self.search_again();
            let controls = self.effective_role() == Role::Controlling;
            let rto = self.config.rto;
            if let Some(path) = &mut self.selected {
                // The check connects again, and names the path to a peer that knows the new
                // connection by another address.
                path.unheard = controls.then_some(rto);
                path.next_consent = now;
            }
        }
        self.drive(now);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::pair::can_pair;
    use super::super::{Candidate, CandidateKind, TcpType};

    fn at(port: u16, kind: CandidateKind, tcp: Option<TcpType>) -> Candidate {
        let addr = SocketAddr::from(([192, 0, 2, 1], port));
        Candidate {
            foundation: "1".into(),
            priority: 1,
            addr,
            kind,
            base: addr,
            related: None,
            tcp,
            told_as: None,
        }
    }

    /// RFC 6544 section 6.2: one transport, and active only with passive. Who connects to a passive
    /// one is known by then.
    #[test]
    fn who_pairs_with_whom() {
        let host = |tcp| at(9, CandidateKind::Host, tcp);
        let came = |tcp| at(5_000, CandidateKind::PeerReflexive, tcp);
        let all = [
            None,
            Some(TcpType::Active),
            Some(TcpType::Passive),
            Some(TcpType::SimultaneousOpen),
        ];
        for local in all {
            for remote in all {
                let expected = match (local, remote) {
                    (None, None) => [true, true],
                    (Some(TcpType::Active), Some(TcpType::Passive)) => [true, true],
                    (Some(TcpType::Passive), Some(TcpType::Active)) => [false, true],
                    _ => [false, false],
                };
                let pairs = [host(remote), came(remote)].map(|r| can_pair(&host(local), &r));
                assert_eq!(pairs, expected, "{local:?} {remote:?}");
            }
        }
    }

    /// RFC 6544 section 4.2, and UDP before TCP unless it needs a relay.
    #[test]
    fn tcp_ranks_below_what_goes_directly_over_udp() {
        let tcp = |kind, tcp, preference| Candidate::compute_tcp_priority(kind, tcp, preference);
        let host = CandidateKind::Host;
        let active = tcp(host, TcpType::Active, u16::MAX);
        let passive = tcp(host, TcpType::Passive, u16::MAX);
        assert_eq!(active, (90 << 24) | (((6 << 13) + 8_191) << 8) | 255);
        assert_eq!(passive, (90 << 24) | (((4 << 13) + 8_191) << 8) | 255);
        assert!(active > passive && passive > tcp(host, TcpType::Passive, 0));
        for kind in [
            host,
            CandidateKind::ServerReflexive,
            CandidateKind::PeerReflexive,
        ] {
            assert!(Candidate::compute_priority(kind, 0) > active);
        }
        assert!(Candidate::compute_priority(CandidateKind::Relay, u16::MAX) < passive);
    }
}
