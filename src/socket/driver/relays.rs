//! The driver's part in relays: what goes through them, and what keeps them.

use std::time::Instant;

use super::Driver;
use crate::engine::outgoing::Transmit;
use crate::queue::lock;
use crate::socket::train::SendOutcome;
use crate::socket::turn::{StreamWish, ToServer, TurnCounters};
use crate::socket::udp::Transmit as UdpTransmit;

impl Driver {
    /// What is to leave from a relayed address goes to its server. `None` when it does not go, or
    /// not yet.
    pub(super) fn through_relay(&mut self, now: Instant, transmit: Transmit) -> Option<Transmit> {
        match self.relays.wrap(now, transmit) {
            Ok(Some(ToServer::Datagrams(wrapped))) => Some(wrapped),
            Ok(Some(ToServer::Stream {
                id,
                contents,
                media,
            })) => {
                self.streams.send(id, contents, media);
                None
            }
            Ok(None) => None,
            // Neither past the policy nor, when a relay is lost, past the relay.
            Err(direct)
                if self.shared.relay_only()
                    || direct.local.port() != self.shared.local_addr.port() =>
            {
                self.relays.count_unsent();
                None
            }
            Err(direct) => Some(direct),
        }
    }

    /// Asks for the relays that gathering wants and tells it what came of them. True when it has
    /// news.
    pub(super) fn pump_relays(&mut self, now: Instant) -> bool {
        if !self.shared.has_turn() {
            return false;
        }
        let mut news = false;
        for base in self.shared.take_gone() {
            self.relays.base_gone(now, base);
        }
        loop {
            let (unwanted, wanted) = self.shared.poll_relay_wishes();
            for ticket in unwanted {
                self.relays.cancel(now, ticket);
            }
            if let Some(request) = wanted {
                self.relays.request(now, request);
            } else if let Some(outcome) = self.relays.poll_outcome() {
                self.shared.relay_outcome(now, outcome);
                news = true;
            } else {
                break;
            }
        }
        while let Some(code) = self.relays.take_not_permitted() {
            self.shared.note_not_permitted(code);
        }
        self.flush_relays(now);
        news
    }

    pub(super) fn flush_relays(&mut self, now: Instant) {
        while let Some(wish) = self.relays.poll_stream() {
            // The end is not the time to begin something.
            if !self.winding_down || matches!(wish, StreamWish::Close(_)) {
                self.streams.fulfil(wish);
            }
        }
        while let Some(message) = self.relays.poll_transmit() {
            let message = match message {
                ToServer::Datagrams(message) => message,
                ToServer::Stream {
                    id,
                    contents,
                    media,
                } => {
                    self.streams.send(id, contents, media);
                    continue;
                }
            };
            let sent = self.udp.try_send(&UdpTransmit {
                remote: message.remote,
                local_ip: Some(message.local.ip()),
                contents: &message.contents,
                segment_size: None,
            });
            // A full socket buffer is repaired by retransmission.
            if let Ok(SendOutcome::Dropped(error)) = sent
                && let Some(gatherer) = &mut lock(&self.shared.gathering).gatherer
            {
                let (ip, remote) = (message.local.ip(), message.remote);
                gatherer.handle_send_error(now, ip, remote, &error.to_string());
            }
        }
        let counters = self.relays.counters();
        self.shared.relay_counters.set(TurnCounters {
            unsent: counters.unsent.saturating_add(self.streams.dropped()),
            ..counters
        });
    }
}
