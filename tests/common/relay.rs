//! A path through the middle, which may add datagrams of its own: what it sends comes from the
//! very address that the peer seems to have.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ortc::RTCConnectionEvent;

use super::session::End;

pub(crate) struct Relay {
    /// What `near` takes for its peer.
    pub(crate) facing_near: UdpSocket,
    facing_far: UdpSocket,
    near: SocketAddr,
    far: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Both ends know each other through the relay only, and are connecting.
    pub(crate) fn between(near: &mut End, far: &mut End) -> Self {
        Self::between_if(near, far, |_| true)
    }

    /// The same; only the datagrams of which `passes` is true get through, each way.
    pub(crate) fn between_if(
        near: &mut End,
        far: &mut End,
        passes: impl FnMut(&[u8]) -> bool + Clone + Send + 'static,
    ) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut relay = Self {
            facing_near: bind(),
            facing_far: bind(),
            near: near.connection.local_socket().local_addr(),
            far: far.connection.local_socket().local_addr(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        introduce(near, far, relay.facing_far.local_addr().unwrap());
        introduce(far, near, relay.facing_near.local_addr().unwrap());
        let (near_to, far_to) = (relay.near, relay.far);
        let there = passes.clone();
        let back = relay.carry_thread(&relay.facing_far, &relay.facing_near, near_to, passes);
        let there = relay.carry_thread(&relay.facing_near, &relay.facing_far, far_to, there);
        relay.threads.extend([there, back]);
        near.connection.connect().unwrap();
        far.connection.connect().unwrap();
        relay
    }

    /// Sends to `near` what its peer never sent.
    pub(crate) fn inject(&self, datagram: &[u8]) {
        let _ = self.facing_near.send_to(datagram, self.near);
    }

    fn carry_thread(
        &self,
        from: &UdpSocket,
        to: &UdpSocket,
        target: SocketAddr,
        mut passes: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> JoinHandle<()> {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        from.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let stop = self.stop.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, _)) = from.recv_from(&mut buffer)
                    && passes(&buffer[..length])
                {
                    let _ = to.send_to(&buffer[..length], target);
                }
            }
        })
    }
}

fn introduce(end: &mut End, other: &End, at: SocketAddr) {
    other.connection.set_remote(end.connection.local()).unwrap();
    while let Some(event) = end.events.try_next() {
        if let RTCConnectionEvent::Candidate(mut candidate) = event {
            candidate.connection_address = at.ip().to_string();
            candidate.connection_port = at.port();
            other.connection.set_remote_candidate(&candidate).unwrap();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
