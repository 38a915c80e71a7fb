//! DTLS that comes before ICE has selected a pair, on a path that it has verified.

use std::collections::VecDeque;

use super::dtls;

/// Datagrams and bytes that are kept.
pub(super) const MAX_DATAGRAMS: usize = 8;
pub(super) const MAX_BYTES: usize = 8 * 1024;

/// Only a client speaks before both sides have DTLS, so only hellos are kept. Anybody can send
/// them: the latest are kept, since the peer repeats its own and a flood from before ends.
#[derive(Default)]
pub(super) struct EarlyHellos {
    datagrams: VecDeque<Vec<u8>>,
}

impl EarlyHellos {
    /// How many datagrams were dropped, this one or others that made room.
    pub(super) fn keep(&mut self, datagram: &[u8]) -> u64 {
        if !dtls::is_hello(datagram) || datagram.len() > MAX_BYTES {
            return 1;
        }
        // A copy says nothing new.
        if self.datagrams.iter().any(|known| known == datagram) {
            return 1;
        }
        let mut dropped = 0;
        while self.datagrams.len() >= MAX_DATAGRAMS
            || self.bytes().saturating_add(datagram.len()) > MAX_BYTES
        {
            self.datagrams.pop_front();
            dropped += 1;
        }
        self.datagrams.push_back(datagram.to_vec());
        dropped
    }

    pub(super) fn bytes(&self) -> usize {
        self.datagrams.iter().map(Vec::len).sum()
    }

    pub(super) fn take(&mut self) -> VecDeque<Vec<u8>> {
        std::mem::take(&mut self.datagrams)
    }
}
