//! The streams to the servers: which to open and close, and what comes over them and of them.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use super::{Allocation, RelayInput, Relays};
use crate::socket::ice_server::IceServerErrorKind;
use crate::socket::turn::stream::{StreamId, StreamWish};

impl Relays {
    /// The next that is to be opened or closed.
    pub(in crate::socket) fn poll_stream(&mut self) -> Option<StreamWish> {
        if let Some(id) = self.closing.pop() {
            return Some(StreamWish::Close(id));
        }
        let former = |a: &mut Allocation| a.stream.former.pop();
        if let Some(id) = self.allocations.iter_mut().find_map(former) {
            return Some(StreamWish::Close(id));
        }
        let allocation = self.allocations.iter_mut().find(|a| a.needs_stream())?;
        let id = StreamId(self.streams_given);
        self.streams_given = self.streams_given.saturating_add(1);
        allocation.stream.id = Some(id);
        Some(StreamWish::Open {
            id,
            from: allocation.base,
            to: allocation.server,
            carrier: allocation.carrier.clone(),
        })
    }

    /// Takes one whole message that came over a stream.
    pub(in crate::socket) fn handle_stream(
        &mut self,
        now: Instant,
        id: StreamId,
        message: &[u8],
    ) -> RelayInput {
        let of = |a: &Allocation| a.stream.id == Some(id);
        match self.allocations.iter().position(of) {
            Some(at) => self.handle_message(now, at, message),
            None => RelayInput::Other,
        }
    }

    /// A stream has ended, or could not be opened.
    pub(in crate::socket) fn stream_ended(
        &mut self,
        now: Instant,
        id: StreamId,
        kind: IceServerErrorKind,
        message: &str,
    ) {
        let of = |a: &&mut Allocation| a.stream.id == Some(id);
        if let Some(allocation) = self.allocations.iter_mut().find(of) {
            allocation.stream_ended(now, kind, message);
            self.settle(now);
        }
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
