//! What the driver receives, and whose it is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Driver;
use crate::engine::demux::{Protocol, classify};
use crate::engine::ice::scope::on_link;
use crate::queue::lock;
use crate::socket::member::{Member, MemberId, with};
use crate::socket::recv_buffers::RecvBuffers;
use crate::socket::route::request_username;
use crate::socket::shared::SocketShared;
use crate::socket::turn::RelayInput;
use crate::socket::udp::RecvDatagram;

/// Receive calls before the connections are serviced and other tasks get a turn.
const MAX_RECV_CALLS: usize = 4;
/// How long nothing is received after errors that go on and on, which would busy a core.
const DEAF: Duration = Duration::from_millis(10);

impl Driver {
    pub(super) fn receive(&mut self) -> io::Result<()> {
        let mut buffers = RecvBuffers::checkout();
        let bound = self.shared.local_addr;
        let now = Instant::now();
        let mut touched = std::mem::take(&mut self.touched);
        for _ in 0..MAX_RECV_CALLS {
            // Consecutive datagrams mostly come from one address: one look-up serves the run.
            let mut last: Option<(SocketAddr, SocketAddr, Arc<dyn Member>)> = None;
            let Self {
                udp,
                relays,
                shared,
                ..
            } = &mut *self;
            let received = udp.try_recv(&mut buffers, &mut |datagram: RecvDatagram<'_>| {
                let RecvDatagram {
                    mut from,
                    local_ip,
                    scope,
                    mut data,
                } = datagram;
                let mut local = local_ip.map_or(bound, |ip| on_link(ip, bound.port(), scope));
                if !relays.is_empty() {
                    match relays.handle_datagram(now, local, from, data) {
                        RelayInput::Other => {}
                        RelayInput::Taken => return,
                        RelayInput::Data {
                            relayed,
                            peer,
                            payload,
                        } => {
                            (local, from) = (relayed, peer);
                            data = data.get_mut(payload).unwrap_or_default();
                        }
                    }
                }
                if let Some((last_from, last_local, member)) = &last
                    && *last_from == from
                    && *last_local == local
                    && classify(data) != Some(Protocol::Stun)
                {
                    with(now, member, |member| {
                        member.datagram(now, local, from, data)
                    });
                    return;
                }
                if let Some((id, member)) = find(shared, now, local, from, data) {
                    with(now, &member, |member| {
                        member.datagram(now, local, from, data)
                    });
                    if !touched.contains(&id) {
                        touched.push(id);
                    }
                    last = Some((from, local, member));
                }
            });
            match received {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.deaf_until = Some(now + DEAF);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.pump_relays(now);
        self.shared.poll_gathering(now);
        for id in touched.drain(..) {
            self.service(id);
        }
        self.touched = touched;
        self.drops.tell(now, &self.shared);
        Ok(())
    }
}

/// The connection a datagram belongs to. The rest is counted, except STUN answers to
/// gathering, which are taken off here.
pub(super) fn find(
    shared: &SocketShared,
    now: Instant,
    local: SocketAddr,
    from: SocketAddr,
    data: &[u8],
) -> Option<(MemberId, Arc<dyn Member>)> {
    let protocol = classify(data);
    let stun = protocol == Some(Protocol::Stun);
    if stun {
        let mut gathering = lock(&shared.gathering);
        if let Some(gatherer) = &mut gathering.gatherer
            && gatherer.handle_datagram(now, Some(local.ip()), from, data)
        {
            return None;
        }
    }
    let found = protocol.and_then(|_| route(shared, local, from, stun, data));
    if found.is_none() {
        shared.unrouted.fetch_add(1, Ordering::Relaxed);
    }
    found
}

fn route(
    shared: &SocketShared,
    local: SocketAddr,
    from: SocketAddr,
    stun: bool,
    data: &[u8],
) -> Option<(MemberId, Arc<dyn Member>)> {
    let routes = shared.routes();
    if stun && let Some((own, theirs)) = request_username(data) {
        let id = routes.by_username(own, theirs)?;
        return routes.get(id).map(|member| (id, member.clone()));
    }
    match routes.by_address(from) {
        [] => None,
        [id] => routes.get(*id).map(|member| (*id, member.clone())),
        several => several.iter().find_map(|id| {
            let member = routes.get(*id)?;
            member.accepts(local, from).then(|| (*id, member.clone()))
        }),
    }
}
