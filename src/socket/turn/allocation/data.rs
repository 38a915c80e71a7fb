//! Data through an allocation: wrapped for the server, unwrapped from it (RFC 8656 sections 11, 12).
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Instant;

use super::{Allocation, Incoming, Phase, SILENCE};
use crate::socket::turn::frame::Frame;
use crate::socket::turn::peers::Way;
use crate::socket::turn::wire;
use crate::socket::turn::wire::Ask;

impl Allocation {
    /// Wraps a train of datagrams of `segment` bytes (the last may be shorter) for `peer`.
    /// `None`: held until the server permits it, or dropped and counted.
    pub(in crate::socket::turn) fn wrap(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        contents: &[u8],
        segment: usize,
    ) -> Option<(Vec<u8>, usize)> {
        self.ask_after_silence(now);
        let data = contents.first().is_some_and(|first| *first > 3);
        let (way, ask) = self.peers.way(now, peer, data);
        if let Some(ask) = ask {
            self.ask(now, ask);
        }
        let segment = segment.clamp(1, contents.len().max(1));
        let datagrams = contents.chunks(segment);
        let count = contents.len().div_ceil(segment);
        let mut out = Vec::new();
        match way {
            Way::Channel(number) => {
                out.reserve_exact(contents.len() + 8 * count);
                let padded = self.carrier.is_stream();
                for datagram in datagrams {
                    wire::push_channel_data(&mut out, number, datagram);
                    if padded {
                        out.resize(out.len().next_multiple_of(4), 0);
                    }
                }
            }
            Way::Indication => {
                for datagram in datagrams {
                    wire::push_send_indication(&mut out, peer, datagram);
                }
            }
            Way::Hold => {
                for datagram in datagrams {
                    self.counters.unsent += u64::from(!self.peers.hold(peer, datagram));
                }
                return None;
            }
            Way::Drop => {
                self.counters.unsent += u64::try_from(count).unwrap_or_default();
                return None;
            }
        }
        self.last_sent = now;
        let size = match way {
            Way::Channel(_) => segment + 4,
            _ => {
                let address = if peer.is_ipv4() { 8 } else { 20 };
                20 + 4 + address + 4 + segment.next_multiple_of(4)
            }
        };
        Some((out, size))
    }

    /// A server that was restarted drops what it does not know without a word, and the refreshes
    /// that find that out are minutes apart.
    fn ask_after_silence(&mut self, now: Instant) {
        let silent = |since: Option<Instant>| since.is_some_and(|at| now >= at + SILENCE);
        if self.is_silent_in_use(now) && (self.asked_after.is_none() || silent(self.asked_after)) {
            self.asked_after = Some(now);
            self.ask(now, Ask::Refresh { release: false });
        }
    }

    pub(super) fn is_silent_in_use(&self, now: Instant) -> bool {
        self.last_data.is_some_and(|at| now >= at + SILENCE)
    }

    /// Takes a datagram that came from the server's address.
    pub(in crate::socket::turn) fn handle_datagram(
        &mut self,
        now: Instant,
        data: &[u8],
    ) -> Incoming {
        if self.phase == Phase::Gone {
            return Incoming::Other;
        }
        if data.first().is_some_and(|first| (64..=79).contains(first)) {
            return self.channel_data(now, data);
        }
        let Some(frame) = Frame::parse(data) else {
            return Incoming::Other;
        };
        if frame.is_data_indication() {
            return self.data_indication(now, frame);
        }
        let Some(at) = self.transactions.iter().position(|t| t.id == frame.id) else {
            return Incoming::Other;
        };
        self.handle_answer(now, at, frame, data);
        Incoming::Taken
    }

    fn channel_data(&mut self, now: Instant, data: &[u8]) -> Incoming {
        let Some((number, payload)) = wire::channel_data(data) else {
            self.counters.malformed += 1;
            return Incoming::Taken;
        };
        match self.peers.by_number(number) {
            Some(peer) if self.phase == Phase::Ready && self.peers.permits(peer.ip()) => {
                self.last_data = Some(now);
                Incoming::Data(peer, payload)
            }
            _ => {
                self.counters.unpermitted += 1;
                Incoming::Taken
            }
        }
    }

    fn data_indication(&mut self, now: Instant, frame: Frame<'_>) -> Incoming {
        let Some((peer, payload)) = frame.data_indication() else {
            self.counters.malformed += 1;
            return Incoming::Taken;
        };
        // RFC 8656 section 11.3: check that there is a permission.
        if self.phase == Phase::Ready && self.peers.permits(peer.ip()) {
            self.last_data = Some(now);
            Incoming::Data(peer, payload)
        } else {
            self.counters.unpermitted += 1;
            Incoming::Taken
        }
    }
}
