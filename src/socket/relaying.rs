//! Relays as a socket's connections share them: between gathering, which wants them, and the driver,
//! which has them.

use std::sync::atomic::Ordering;
use std::time::Instant;

use ::stun::message::TransactionId;

use super::config::ServerAddress;
use super::counters::SocketCounters;
use super::member::Gathered;
use super::shared::SocketShared;
use super::turn::{RelayOutcome, RelayRequest};
use crate::engine::ice::CandidateKind;
use crate::queue::lock;

impl SocketShared {
    pub(crate) fn counters(&self) -> SocketCounters {
        SocketCounters {
            unrouted: self.unrouted.load(Ordering::Relaxed),
            udp: self.udp_counters.stats(),
            turn: self.relay_counters.get(),
            tcp_unsent: self.tcp_unsent.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn relay_only(&self) -> bool {
        self.config.relay_only
    }

    /// Gathers again if the last connection on the socket gave the relays back.
    pub(crate) fn gather_if_released(&self, now: Instant) {
        let released = std::mem::take(&mut lock(&self.gathering).released);
        if released {
            self.gather(now);
        }
    }

    pub(super) fn has_turn(&self) -> bool {
        self.config.servers.iter().any(ServerAddress::gives_relays)
    }

    /// The relays that gathering no longer waits for, and the next that it wants.
    pub(super) fn poll_relay_wishes(&self) -> (Vec<TransactionId>, Option<RelayRequest>) {
        let mut gathering = lock(&self.gathering);
        let Some(gatherer) = &mut gathering.gatherer else {
            return (Vec::new(), None);
        };
        let unwanted = std::iter::from_fn(|| gatherer.poll_unwanted_relay()).collect();
        let request = gatherer.poll_wanted_relay().and_then(|wanted| {
            let server = self.config.servers.get(wanted.server)?;
            Some(RelayRequest {
                ticket: wanted.ticket,
                base: wanted.base,
                server: wanted.remote,
                carrier: server.carrier.clone(),
                credentials: server.credentials.clone()?,
                reserved: gatherer.bases(),
            })
        });
        (unwanted, request)
    }

    pub(super) fn relay_outcome(&self, now: Instant, outcome: RelayOutcome) {
        let mut gathering = lock(&self.gathering);
        let (ticket, outcome) = match outcome {
            RelayOutcome::Relayed {
                ticket,
                relayed,
                mapped,
            } => (ticket, Ok((relayed, mapped))),
            RelayOutcome::Failed {
                ticket,
                kind,
                message,
            } => (ticket, Err((kind, message))),
            RelayOutcome::Lost(relayed) => {
                gathering.found.retain(|found| {
                    !matches!(found, Gathered::Candidate(candidate) if candidate.base == relayed)
                });
                gathering.withdrawn.push(relayed);
                return;
            }
            RelayOutcome::Renewed {
                base,
                server,
                carrier,
                relayed,
                mapped,
            } => {
                if let Some(gatherer) = &mut gathering.gatherer {
                    gatherer.relay_renewed(base, server, &carrier, relayed, mapped);
                }
                return;
            }
        };
        if let Some(gatherer) = &mut gathering.gatherer {
            gatherer.relay_outcome(now, ticket, outcome);
        }
    }

    /// Call with the routes locked, when the last connection has left: true when the relays are
    /// to be given back. A connection that joins later gathers anew.
    pub(super) fn forget_relays(&self) -> bool {
        if !self.has_turn() {
            return false;
        }
        let mut gathering = lock(&self.gathering);
        gathering.released = gathering.gatherer.take().is_some() || gathering.released;
        gathering.lookups.clear();
        gathering.found.retain(|found| {
            matches!(found, Gathered::Candidate(candidate)
                if candidate.kind != CandidateKind::Relay)
        });
        true
    }
}
