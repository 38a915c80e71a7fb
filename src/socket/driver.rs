//! The one task of a socket: receives in batches, keeps the timers, sends in batches.

mod relays;
mod resumed;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};

use super::log::SocketDrops;
use super::member::{Member, MemberId, Serviced, with};
use super::recv_buffers::RecvBuffers;
use super::resolve;
use super::route::request_username;
use super::shared::SocketShared;
use super::sleep::SleepWatch;
use super::train::SendOutcome;
use super::turn::{RelayInput, Relays};
use super::udp::{RecvDatagram, Transmit as UdpTransmit, UdpEndpoint};
use crate::engine::demux::{Protocol, classify};
use crate::engine::guard;
use crate::engine::outgoing::Transmit;
use crate::error::DisconnectReason;
use crate::queue::lock;
use crate::tasks::{self, Task};
use crate::trace;

/// Receive calls before the connections are serviced and other tasks get a turn.
const MAX_RECV_CALLS: usize = 4;
/// Batches that may wait for a socket that is not writable; beyond, the connections keep theirs.
const MAX_BACKLOG: usize = 256;
/// Timers that fire so late were not meant: the process was stopped.
const STOOD_STILL: Duration = Duration::from_secs(1);
/// How long nothing is received after errors that go on and on, which would busy a core.
const DEAF: Duration = Duration::from_millis(10);
/// How long closed connections may take to say goodbye.
const LINGER: Duration = Duration::from_millis(500);

pub(super) fn spawn(shared: Arc<SocketShared>, udp: UdpEndpoint) {
    let sleep_watch = SleepWatch::new(Instant::now(), shared.wall_clock.now());
    let runtime = shared.runtime.clone();
    // Made out here: a task that is dropped before its first poll must say goodbye as well.
    let mut driver = Driver {
        shared,
        udp,
        backlog: VecDeque::new(),
        touched: Vec::new(),
        lookups: JoinSet::new(),
        looked_for: HashMap::new(),
        relays: Relays::default(),
        sleep_watch,
        deaf_until: None,
        drops: SocketDrops::default(),
        winding_down: false,
        cause: DisconnectReason::RuntimeShutdown,
    };
    tasks::spawn(Task::Socket, &runtime, async move { driver.run().await });
}

struct Driver {
    shared: Arc<SocketShared>,
    /// The port is open as long as the task lives, and no longer.
    udp: UdpEndpoint,
    backlog: VecDeque<Transmit>,
    touched: Vec<MemberId>,
    lookups: JoinSet<Result<Vec<SocketAddr>, String>>,
    /// Which server of which gatherer each of them is for.
    looked_for: HashMap<Id, (u64, usize)>,
    relays: Relays,
    sleep_watch: SleepWatch,
    deaf_until: Option<Instant>,
    drops: SocketDrops,
    winding_down: bool,
    /// Why the connections end that are still there when the task does.
    cause: DisconnectReason,
}

/// However the task ends, also when its runtime is shut down, no connection is left waiting.
impl Drop for Driver {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.cause = DisconnectReason::Internal;
        }
        let _ = self.shared.ended.set(self.cause);
        self.shared.close_now.store(true, Ordering::Release);
        // After a panic another is likely, and would end the process.
        if guard::contain(|| self.end(Instant::now(), self.cause)).is_err() {
            let members = self.shared.routes().members();
            for (_, member) in members {
                member.end(Instant::now(), self.cause);
            }
        }
    }
}

impl Driver {
    async fn run(&mut self) {
        // A task that is dropped before its time leaves the cause as it was.
        self.cause = self.serve().await;
    }

    /// Returns why nothing is left to do.
    async fn serve(&mut self) -> DisconnectReason {
        let closed = DisconnectReason::SocketClosed;
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        let mut armed = None;
        loop {
            self.look_at_the_clocks();
            self.start_lookups();
            self.service_dirty();
            let unused =
                self.shared.closing.load(Ordering::Acquire) && self.shared.routes().is_empty();
            if (unused || self.shared.close_now.load(Ordering::Acquire)) && !self.winding_down {
                self.winding_down = true;
                self.end(Instant::now(), closed);
            }
            // Relays are given back within a second, or else left to expire.
            if self.winding_down && self.relays.is_empty() {
                self.flush_backlog_before_exit().await;
                return closed;
            }
            let deadline = self.next_deadline();
            if deadline != armed {
                armed = deadline;
                if let Some(deadline) = deadline {
                    sleep.as_mut().reset(deadline.into());
                }
            }
            tokio::select! {
                readable = self.udp.readable(), if self.deaf_until.is_none() => {
                    if readable.and_then(|()| self.receive()).is_err() {
                        // The socket is dead; Drop tells the connections.
                        return closed;
                    }
                }
                writable = self.udp.writable(), if !self.backlog.is_empty() => {
                    if writable.is_err() {
                        return closed;
                    }
                    self.flush_backlog();
                }
                () = self.shared.notify.notified() => {}
                () = &mut sleep, if armed.is_some() => {
                    let late = armed.take().is_some_and(|at| at + STOOD_STILL <= Instant::now());
                    // What came while the process stood still is heard before the timers speak.
                    if late && self.receive().is_err() {
                        return closed;
                    }
                    self.handle_timeouts();
                }
                Some(found) = self.lookups.join_next_with_id(), if !self.lookups.is_empty() => {
                    // A look-up that ended without an answer is one without an address.
                    let (id, addresses) = match found {
                        Ok(answered) => answered,
                        Err(error) => (error.id(), Err(error.to_string())),
                    };
                    if let Some((generation, index)) = self.looked_for.remove(&id) {
                        self.looked_up(generation, index, addresses);
                    }
                }
            }
        }
    }

    /// Tells the connections that it is over, sends their goodbyes and gives the relays back.
    fn end(&mut self, now: Instant, cause: DisconnectReason) {
        lock(&self.shared.gathering).gatherer = None;
        let members = self.shared.routes().members();
        for (id, member) in members {
            member.end(now, cause);
            let mut out = VecDeque::new();
            with(now, &member, |member| member.service(&mut out));
            self.shared.routes().remove(id);
            self.send_all(now, out);
        }
        self.relays.release(now);
        self.flush_relays(now);
        if let Some(news) = &self.shared.config.news {
            news.close();
        }
    }

    // ---- in -------------------------------------------------------------------------------

    fn receive(&mut self) -> io::Result<()> {
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
                    mut data,
                } = datagram;
                let mut local = SocketAddr::new(local_ip.unwrap_or(bound.ip()), bound.port());
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

    // ---- time -----------------------------------------------------------------------------

    fn next_deadline(&self) -> Option<Instant> {
        let gathering = lock(&self.shared.gathering)
            .gatherer
            .as_ref()
            .and_then(|gatherer| gatherer.poll_timeout());
        let members = self.shared.routes().next_deadline();
        let relays = self.relays.poll_timeout();
        let all = [gathering, members, relays, self.deaf_until];
        all.into_iter().flatten().min()
    }

    fn handle_timeouts(&mut self) {
        let now = Instant::now();
        self.deaf_until.take_if(|until| *until <= now);
        if let Some(gatherer) = &mut lock(&self.shared.gathering).gatherer {
            gatherer.handle_timeout(now);
        }
        self.relays.handle_timeout(now);
        self.pump_relays(now);
        self.shared.poll_gathering(now);
        self.drops.tell(now, &self.shared);
        let due = self.shared.routes().take_due(now);
        for id in due {
            let member = self.shared.routes().get(id).cloned();
            if let Some(member) = member {
                with(now, &member, |member| member.timeout(now));
                self.service(id);
            }
        }
    }

    // ---- out ------------------------------------------------------------------------------

    fn service_dirty(&mut self) {
        let dirty = std::mem::take(&mut *lock(&self.shared.dirty));
        for id in dirty {
            self.service(id);
        }
        self.flush_gathering();
        let now = Instant::now();
        if self.pump_relays(now) {
            self.shared.poll_gathering(now);
        }
    }

    fn service(&mut self, id: MemberId) {
        let Some(member) = self.shared.routes().get(id).cloned() else {
            return;
        };
        if self.backlog.len() >= MAX_BACKLOG {
            // Its queue is bounded too; it is asked again once the socket is writable.
            lock(&self.shared.dirty).push(id);
            return;
        }
        let mut out = VecDeque::new();
        let now = Instant::now();
        let serviced = with(now, &member, |member| member.service(&mut out));
        let Serviced { deadline, done } = serviced.unwrap_or(Serviced {
            deadline: None,
            done: true,
        });
        let mut last_left = false;
        {
            let mut routes = self.shared.routes();
            for transmit in &out {
                routes.learn(transmit.remote, id);
            }
            if done {
                routes.remove(id);
                last_left = routes.is_empty() && self.shared.forget_relays();
            } else {
                routes.set_deadline(id, deadline);
            }
        }
        self.send_all(now, out);
        if last_left {
            self.relays.release(now);
        }
        self.flush_relays(now);
    }

    fn send_all(&mut self, now: Instant, out: VecDeque<Transmit>) {
        for transmit in out {
            let Some(mut transmit) = self.through_relay(now, transmit) else {
                continue;
            };
            if !self.backlog.is_empty() || !self.send_now(&mut transmit) {
                self.backlog.push_back(transmit);
            }
        }
    }

    fn flush_gathering(&mut self) {
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

    fn flush_backlog(&mut self) {
        while let Some(mut transmit) = self.backlog.pop_front() {
            if !self.send_now(&mut transmit) {
                self.backlog.push_front(transmit);
                return;
            }
        }
    }

    /// All connections are gone: what they still had to say goes out, if the socket lets it.
    async fn flush_backlog_before_exit(&mut self) {
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

    // ---- names ----------------------------------------------------------------------------

    fn start_lookups(&mut self) {
        let wanted = std::mem::take(&mut lock(&self.shared.gathering).lookups);
        for (generation, index, host, port) in wanted {
            let lookup = async move { resolve::resolve_server(&host, port).await };
            let task = tasks::spawn_in(&mut self.lookups, Task::ServerName, lookup);
            self.looked_for.insert(task.id(), (generation, index));
        }
    }

    fn looked_up(
        &mut self,
        generation: u64,
        index: usize,
        addresses: Result<Vec<SocketAddr>, String>,
    ) {
        let now = Instant::now();
        {
            let mut gathering = lock(&self.shared.gathering);
            if gathering.generation != generation {
                return;
            }
            if let Some(gatherer) = &mut gathering.gatherer {
                gatherer.add_server_addrs(now, index, addresses);
            }
        }
        self.shared.poll_gathering(now);
    }
}

// ---- to whom ----------------------------------------------------------------------------------

/// The connection a datagram belongs to. The rest is counted, except STUN answers to
/// gathering, which are taken off here.
fn find(
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
