//! Keeping the NAT bindings of server-reflexive candidates alive (RFC 8445 section 5.1.1.4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::stun::message::TransactionId;

use super::stun::new_transaction_id;

/// RFC 8445 section 11: Tr.
const INTERVAL: Duration = Duration::from_secs(15);

/// One entry per server-reflexive candidate.
#[derive(Default)]
pub(super) struct Keepalives(Vec<Keepalive>);

struct Keepalive {
    base: SocketAddr,
    remote: SocketAddr,
    next: Instant,
    /// Of the latest request. Its answer is taken and not looked at.
    id: Option<TransactionId>,
}

impl Keepalives {
    pub(super) fn add(&mut self, now: Instant, base: SocketAddr, remote: SocketAddr) {
        self.0.push(Keepalive {
            base,
            remote,
            next: now + INTERVAL,
            id: None,
        });
    }

    /// The bindings may be over: all are renewed now.
    pub(super) fn resumed(&mut self, now: Instant) {
        for keepalive in &mut self.0 {
            keepalive.next = now;
        }
    }

    #[cfg(test)]
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_answer(&self, id: TransactionId) -> bool {
        self.0.iter().any(|keepalive| keepalive.id == Some(id))
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|keepalive| keepalive.next).min()
    }

    /// The requests to send now: from where, to where, with which id.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(SocketAddr, SocketAddr, TransactionId)> {
        let mut due = Vec::new();
        for keepalive in self.0.iter_mut().filter(|keepalive| keepalive.next <= now) {
            let id = new_transaction_id();
            keepalive.id = Some(id);
            keepalive.next = now + INTERVAL;
            due.push((keepalive.base, keepalive.remote, id));
        }
        due
    }
}
