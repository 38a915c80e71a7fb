//! The relays of one socket: which allocation a datagram goes through, in and out.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

mod streams;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;
use tracing::Span;

use super::allocation::{Allocation, Event, Incoming, Phase, TurnCounters};
use super::credentials::TurnCredentials;
use super::stream::StreamId;
use super::wire::Ask;
use crate::engine::outgoing::Transmit;
use crate::socket::carrier::Carrier;
use crate::socket::ice_server::IceServerErrorKind;

/// Allocations of one socket. Requests for more are refused.
pub(in crate::socket) const MAX_ALLOCATIONS: usize = 16;
/// How long a released allocation may take to be gone; the server's answer takes one round trip.
pub(in crate::socket) const RELEASE: Duration = Duration::from_millis(900);
/// How long the late answer of a server that was given up is waited for, to give it back.
const ABANDONED: Duration = Duration::from_secs(30);

/// Gathering wants a relay.
#[derive(Debug, Clone)]
pub(in crate::socket) struct RelayRequest {
    /// Names the request in its outcome.
    pub(in crate::socket) ticket: TransactionId,
    pub(in crate::socket) base: SocketAddr,
    pub(in crate::socket) server: SocketAddr,
    pub(in crate::socket) carrier: Carrier,
    pub(in crate::socket) credentials: Arc<TurnCredentials>,
    /// Own addresses, which cannot be a relay's.
    pub(in crate::socket) reserved: Vec<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::socket) enum RelayOutcome {
    Relayed {
        ticket: TransactionId,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    },
    Failed {
        ticket: TransactionId,
        kind: IceServerErrorKind,
        message: String,
    },
    /// This relayed address is gone.
    Lost(SocketAddr),
    /// What a server gave that nobody waits for: another one in the place of one that was lost,
    /// or the same once more.
    Renewed {
        base: SocketAddr,
        server: SocketAddr,
        carrier: Carrier,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
    },
}

/// What is to go to a server.
#[derive(Debug)]
pub(in crate::socket) enum ToServer {
    Datagrams(Transmit),
    /// Whole messages. `media` of them carry something to a peer, and may be dropped.
    Stream {
        id: StreamId,
        contents: Vec<u8>,
        media: u64,
    },
}

/// What a received datagram was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::socket) enum RelayInput {
    Other,
    Taken,
    /// The bytes at `payload` arrived on `relayed` from `peer`.
    Data {
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: Range<usize>,
    },
}

#[cfg(any(test, fuzzing))]
impl ToServer {
    pub(super) fn contents(&self) -> &[u8] {
        match self {
            Self::Datagrams(transmit) => &transmit.contents,
            Self::Stream { contents, .. } => contents,
        }
    }
}

pub(in crate::socket) struct Relays {
    /// The socket in the log.
    span: Span,
    allocations: Vec<Allocation>,
    waiting: Vec<RelayRequest>,
    outcomes: VecDeque<RelayOutcome>,
    gone: TurnCounters,
    streams_given: u64,
    /// Streams of allocations that are no more.
    closing: Vec<StreamId>,
}

impl Relays {
    pub(in crate::socket) fn new(span: Span) -> Self {
        Self {
            span,
            allocations: Vec::new(),
            waiting: Vec::new(),
            outcomes: VecDeque::new(),
            gone: TurnCounters::default(),
            streams_given: 0,
            closing: Vec::new(),
        }
    }

    pub(in crate::socket) fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    pub(in crate::socket) fn counters(&self) -> TurnCounters {
        let all = self.allocations.iter().map(|a| a.counters);
        all.fold(self.gone, |sum, one| TurnCounters {
            malformed: sum.malformed + one.malformed,
            unpermitted: sum.unpermitted + one.unpermitted,
            unsent: sum.unsent + one.unsent,
        })
    }

    /// The error by which a server would not relay to a peer, each told once.
    pub(in crate::socket) fn take_not_permitted(&mut self) -> Option<u16> {
        let mut all = self.allocations.iter_mut();
        all.find_map(|allocation| allocation.not_permitted.take())
    }

    /// Asks for a relay. One that there is already is verified and given again.
    pub(in crate::socket) fn request(&mut self, now: Instant, request: RelayRequest) {
        let same = |a: &Allocation| a.serves(request.base, request.server, &request.carrier);
        if let Some(known) = self.allocations.iter_mut().find(|a| same(a)) {
            if known.phase == Phase::Ready {
                known.verify(now);
            } else if known.phase == Phase::Allocating && known.allocate_at.is_none() {
                known.ask_anew(now, Ask::Allocate);
            } else if known.phase == Phase::Allocating && known.waits_to_reopen() {
                known.allocate_at = Some(now);
            } else if known.phase == Phase::Closing && known.relayed.is_none() {
                // It was given up before it came about: begin again.
                known.phase = Phase::Gone;
                self.remove_gone();
                self.allocate(now, &request);
            }
        } else if self.allocations.len() >= MAX_ALLOCATIONS {
            self.outcomes.push_back(RelayOutcome::Failed {
                ticket: request.ticket,
                kind: IceServerErrorKind::Unsupported,
                message: format!("more than {MAX_ALLOCATIONS} relays"),
            });
            return;
        } else {
            self.allocate(now, &request);
        }
        self.waiting.push(request);
    }

    fn allocate(&mut self, now: Instant, request: &RelayRequest) {
        let mut allocation = Allocation::new(
            now,
            request.base,
            request.server,
            request.carrier.clone(),
            request.credentials.clone(),
            request.reserved.clone(),
        );
        allocation.span.clone_from(&self.span);
        self.allocations.push(allocation);
    }

    /// Nobody waits for this any more.
    pub(in crate::socket) fn cancel(&mut self, now: Instant, ticket: TransactionId) {
        let Some(at) = self.waiting.iter().position(|r| r.ticket == ticket) else {
            return;
        };
        let request = self.waiting.swap_remove(at);
        for allocation in &mut self.allocations {
            let wanted = |r: &RelayRequest| allocation.serves(r.base, r.server, &r.carrier);
            if wanted(&request)
                && !self.waiting.iter().any(wanted)
                && allocation.phase == Phase::Allocating
            {
                allocation.close(now, ABANDONED);
            }
        }
        self.remove_gone();
    }

    /// An address of this host is no more, and what came from there leads nowhere.
    pub(in crate::socket) fn base_gone(&mut self, now: Instant, base: SocketAddr) {
        for allocation in self.allocations.iter_mut().filter(|a| a.base == base) {
            allocation.base_gone();
        }
        self.waiting.retain(|request| request.base != base);
        self.settle(now);
    }

    /// Gives all relays back. Ask `is_empty` when that is done.
    pub(in crate::socket) fn release(&mut self, now: Instant) {
        self.waiting.clear();
        for allocation in &mut self.allocations {
            allocation.close(now, RELEASE);
        }
        self.remove_gone();
    }

    /// Takes datagrams of the TURN servers, whatever they hold.
    pub(in crate::socket) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        data: &[u8],
    ) -> RelayInput {
        let mine =
            |a: &&mut Allocation| a.server == from && a.base == local && a.carrier == Carrier::Udp;
        let Some(at) = self.allocations.iter_mut().position(|mut a| mine(&mut a)) else {
            return RelayInput::Other;
        };
        self.handle_message(now, at, data)
    }

    /// Takes a message that came to the allocation at `at`.
    fn handle_message(&mut self, now: Instant, at: usize, data: &[u8]) -> RelayInput {
        let Some(allocation) = self.allocations.get_mut(at) else {
            return RelayInput::Other;
        };
        let (incoming, relayed) = (allocation.handle_datagram(now, data), allocation.relayed);
        match (incoming, relayed) {
            (Incoming::Data(peer, payload), Some(relayed)) => RelayInput::Data {
                relayed,
                peer,
                payload,
            },
            (Incoming::Other, _) => RelayInput::Other,
            _ => {
                self.settle(now);
                RelayInput::Taken
            }
        }
    }

    /// Turns a batch that is to leave from a relayed address into one to the server, `None` when
    /// it is held or dropped.
    ///
    /// # Errors
    /// The batch, when its local address is not a relay's.
    pub(in crate::socket) fn wrap(
        &mut self,
        now: Instant,
        transmit: Transmit,
    ) -> Result<Option<ToServer>, Transmit> {
        let through = |a: &&mut Allocation| a.usable() == Some(transmit.local);
        let Some(allocation) = self.allocations.iter_mut().find(through) else {
            return Err(transmit);
        };
        let Transmit {
            remote,
            ref contents,
            segment_size,
            ..
        } = transmit;
        let count = contents.len().div_ceil(segment_size.max(1));
        let wrapped = allocation.wrap(now, remote, contents, segment_size);
        Ok(wrapped.and_then(|(contents, segment_size)| {
            if allocation.carrier.is_stream() {
                return Some(ToServer::Stream {
                    id: allocation.stream.id?,
                    contents,
                    media: u64::try_from(count).unwrap_or(u64::MAX),
                });
            }
            Some(ToServer::Datagrams(Transmit {
                local: allocation.base,
                remote: allocation.server,
                contents,
                segment_size,
            }))
        }))
    }

    /// Counts datagrams that were to leave from an address that is no longer there.
    pub(in crate::socket) fn count_unsent(&mut self) {
        self.gone.unsent += 1;
    }

    pub(in crate::socket) fn poll_timeout(&self) -> Option<Instant> {
        let all = self.allocations.iter();
        all.filter_map(Allocation::poll_timeout).min()
    }

    pub(in crate::socket) fn handle_timeout(&mut self, now: Instant) {
        for allocation in &mut self.allocations {
            allocation.handle_timeout(now);
        }
        self.settle(now);
    }

    /// The machine may have slept.
    pub(in crate::socket) fn resumed(&mut self, now: Instant) {
        for allocation in &mut self.allocations {
            allocation.resumed(now);
        }
        self.handle_timeout(now);
    }

    /// The next message of the allocations themselves. What waits for a stream has it after
    /// [`poll_stream`](Self::poll_stream).
    pub(in crate::socket) fn poll_transmit(&mut self) -> Option<ToServer> {
        self.allocations.iter_mut().find_map(|allocation| {
            if allocation.needs_stream() {
                return None;
            }
            let contents = allocation.out.pop_front()?;
            Some(match allocation.stream.id {
                Some(id) => ToServer::Stream {
                    id,
                    contents,
                    media: 0,
                },
                None => ToServer::Datagrams(Transmit {
                    local: allocation.base,
                    remote: allocation.server,
                    segment_size: contents.len(),
                    contents,
                }),
            })
        })
    }

    pub(in crate::socket) fn poll_outcome(&mut self) -> Option<RelayOutcome> {
        self.outcomes.pop_front()
    }

    /// Tells those who wait what became of their allocations.
    fn settle(&mut self, now: Instant) {
        for at in 0..self.allocations.len() {
            let next = |relays: &mut Self| relays.allocations.get_mut(at)?.events.pop_front();
            while let Some(event) = next(self) {
                self.settle_one(now, at, event);
            }
        }
        let freed = self.remove_gone();
        // Who asked while a former allocation was on its way out, or with other credentials.
        for gone in freed {
            let mut waiting = self.waiting.iter();
            let next = waiting.find(|r| gone.serves(r.base, r.server, &r.carrier));
            if let Some(next) = next.cloned() {
                self.allocate(now, &next);
            }
        }
    }

    fn settle_one(&mut self, now: Instant, at: usize, event: Event) {
        let taken = |relayed: SocketAddr| {
            let mut others = self.allocations.iter().enumerate();
            others.any(|(other, a)| other != at && a.usable() == Some(relayed))
        };
        let occupied = |server: SocketAddr| self.is_occupied(at, server);
        // A server that lies must not get what belongs to another one.
        let event = match event {
            Event::Redirected(to) if occupied(to) => Event::Failed(
                IceServerErrorKind::Refused(300),
                "TURN error 300: it names a server that is asked already".to_owned(),
            ),
            Event::Ready { relayed, .. } if taken(relayed) => Event::Failed(
                IceServerErrorKind::Malformed,
                "the relayed address is another server's".to_owned(),
            ),
            event => event,
        };
        let Some(allocation) = self.allocations.get_mut(at) else {
            return;
        };
        match event {
            Event::Redirected(to) => allocation.redirect(now, to),
            Event::Ready { relayed, mapped } => {
                let mut wanted = false;
                let outcomes = &mut self.outcomes;
                self.waiting.retain(|r| {
                    let same = allocation.serves(r.base, r.server, &r.carrier);
                    if same {
                        wanted = true;
                        outcomes.push_back(RelayOutcome::Relayed {
                            ticket: r.ticket,
                            relayed,
                            mapped,
                        });
                    }
                    !same
                });
                if !wanted && allocation.offered {
                    outcomes.push_back(RelayOutcome::Renewed {
                        base: allocation.base,
                        server: allocation.asked,
                        carrier: allocation.carrier.clone(),
                        relayed,
                        mapped,
                    });
                } else if wanted {
                    allocation.offered = true;
                } else {
                    allocation.close(now, ABANDONED);
                }
            }
            Event::Failed(kind, message) => {
                // Also when a Ready was turned into this.
                allocation.close(now, RELEASE);
                let failed = allocation.credentials.clone();
                let outcomes = &mut self.outcomes;
                self.waiting.retain(|r| {
                    let same =
                        allocation.serves(r.base, r.server, &r.carrier) && r.credentials == failed;
                    if same {
                        outcomes.push_back(RelayOutcome::Failed {
                            ticket: r.ticket,
                            kind,
                            message: message.clone(),
                        });
                    }
                    !same
                });
            }
            Event::Lost(relayed) => {
                self.outcomes.extend(relayed.map(RelayOutcome::Lost));
            }
        }
    }

    /// Whether there is another allocation where the one at `at` is sent to.
    fn is_occupied(&self, at: usize, server: SocketAddr) -> bool {
        let own = self.allocations.get(at);
        own.is_some_and(|own| {
            let mut others = self.allocations.iter().enumerate();
            others.any(|(other, a)| other != at && a.serves(own.base, server, &own.carrier))
        })
    }

    /// Those whose places are free now.
    fn remove_gone(&mut self) -> Vec<Allocation> {
        // What one has to say comes first.
        let over = |a: &mut Allocation| a.phase == Phase::Gone && a.events.is_empty();
        let freed: Vec<_> = self.allocations.extract_if(.., over).collect();
        for a in &freed {
            self.gone.malformed += a.counters.malformed;
            self.gone.unpermitted += a.counters.unpermitted;
            self.gone.unsent += a.counters.unsent;
            self.closing
                .extend(a.stream.former.iter().chain(&a.stream.id));
        }
        freed
    }
}

#[cfg(test)]
#[path = "relays_tests.rs"]
mod tests;
