//! What a server keeps during its handshake.
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

use std::time::Instant;

use crate::engine::dtls::hello::Cookies;
use crate::error::Result;

/// Bytes that came and may still be answered, at most.
const MAX_CREDIT: usize = 4 * 1024;

#[derive(Default)]
pub(super) struct Server {
    pub(super) cookies: Option<Cookies>,
    /// Bytes that came and were not answered.
    credit: usize,
    /// This datagram was answered.
    answered: bool,
    pub(super) replaced: Option<Instant>,
    /// Hellos that an association began with.
    pub(super) accepted: u32,
}

impl Server {
    pub(super) fn make_cookies(&mut self) -> Result<()> {
        self.cookies = Some(Cookies::new()?);
        Ok(())
    }

    pub(super) fn arrived(&mut self, length: usize) {
        self.credit = self.credit.saturating_add(length).min(MAX_CREDIT);
        self.answered = false;
    }

    /// Whether so many bytes may go to somebody who did not show that our datagrams reach him:
    /// neither more datagrams nor more bytes than came (RFC 6347 section 4.2.1).
    pub(super) fn may_answer(&mut self, length: usize) -> bool {
        match self.credit.checked_sub(length) {
            Some(rest) if !self.answered => {
                self.credit = rest;
                self.answered = true;
                true
            }
            _ => false,
        }
    }
}
