//! What the driver sends: of connections, and of gathering.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Driver;
use crate::engine::guard;
use crate::engine::ice::TcpType;
use crate::engine::outgoing::Transmit;
use crate::queue::lock;
use crate::socket::member::MemberId;
use crate::socket::train::SendOutcome;
use crate::socket::udp::Transmit as UdpTransmit;
use crate::trace;

/// How long closed connections may take to say goodbye.
const LINGER: Duration = Duration::from_millis(500);

impl Driver {
    pub(super) fn send_all(&mut self, now: Instant, id: MemberId, out: &mut VecDeque<Transmit>) {
        let tcp = self.shared.uses_tcp();
        for transmit in out.drain(..) {
            if tcp && TcpType::is_base_port(transmit.local.port()) {
                self.direct.send(now, id, &transmit);
                continue;
            }
            let Some(mut transmit) = self.through_relay(now, transmit) else {
                continue;
            };
            if !self.backlog.is_empty() || !self.send_now(&mut transmit) {
                self.backlog.push_back(transmit);
            }
        }
    }

    pub(super) fn flush_gathering(&mut self) {
        loop {
            let request = lock(&self.shared.gathering)
                .gatherer
                .as_mut()
                .and_then(|gatherer| gatherer.poll_transmit());
            let Some(request) = request else {
                return;
            };
            let sent = self.udp.try_send(&UdpTransmit {
                remote: request.remote,
                local_ip: Some(request.local_ip),
                contents: &request.data,
                segment_size: None,
            });
            // A full socket buffer is repaired by retransmission.
            if let Ok(SendOutcome::Dropped(error)) = sent
                && let Some(gatherer) = &mut lock(&self.shared.gathering).gatherer
            {
                gatherer.handle_send_error(
                    Instant::now(),
                    request.local_ip,
                    request.remote,
                    &error.to_string(),
                );
            }
        }
    }

    /// False when the socket is not writable; what is left of the batch then waits.
    fn send_now(&self, transmit: &mut Transmit) -> bool {
        let sent = self.udp.try_send(&UdpTransmit {
            remote: transmit.remote,
            local_ip: (!transmit.local.ip().is_unspecified()).then(|| transmit.local.ip()),
            contents: &transmit.contents,
            segment_size: (transmit.contents.len() > transmit.segment_size)
                .then_some(transmit.segment_size),
        });
        match sent {
            Ok(SendOutcome::Sent) => true,
            Ok(SendOutcome::Partial(sent)) => {
                transmit.contents.drain(..sent.min(transmit.contents.len()));
                false
            }
            Ok(SendOutcome::Dropped(error)) => {
                // Whoever listens is no reason to end the socket's task.
                let _ = guard::contain(|| {
                    tracing::debug!(target: trace::SOCKET, parent: self.shared.span(), %error, remote = %transmit.remote, "a datagram was refused");
                });
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn flush_backlog(&mut self) {
        while let Some(mut transmit) = self.backlog.pop_front() {
            if !self.send_now(&mut transmit) {
                self.backlog.push_front(transmit);
                return;
            }
        }
    }

    /// All connections are gone: what they still had to say goes out, if the socket lets it.
    pub(super) async fn flush_backlog_before_exit(&mut self) {
        let until = Instant::now() + LINGER;
        self.flush_backlog();
        while !self.backlog.is_empty() && Instant::now() < until {
            let writable = self.udp.writable();
            if tokio::time::timeout_at(until.into(), writable)
                .await
                .is_err()
            {
                break;
            }
            self.flush_backlog();
        }
    }
}
