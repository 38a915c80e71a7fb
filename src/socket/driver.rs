//! The one task of a socket: receives in batches, keeps the timers, sends in batches.

mod direct;
mod names;
mod networks;
mod receiving;
mod relays;
mod resumed;
mod sending;
mod streams;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::{Id, JoinSet};

use super::direct::Direct;
use super::log::SocketDrops;
use super::mdns::Answering;
use super::member::{MemberId, Serviced, with};
use super::shared::SocketShared;
use super::sleep::SleepWatch;
use super::streams::Streams;
use super::turn::Relays;
use super::udp::UdpEndpoint;
use super::watch::{Watch, Watcher};
use crate::engine::guard;
use crate::engine::outgoing::Transmit;
use crate::error::DisconnectReason;
use crate::queue::lock;
use crate::tasks::{self, Task};

/// Batches that may wait for a socket that is not writable; beyond, the connections keep theirs.
const MAX_BACKLOG: usize = 256;
/// Timers that fire so late were not meant: the process was stopped.
const STOOD_STILL: Duration = Duration::from_secs(1);

pub(super) fn spawn(shared: Arc<SocketShared>, udp: UdpEndpoint, listener: Option<TcpListener>) {
    let sleep_watch = SleepWatch::new(Instant::now(), shared.wall_clock.now());
    let runtime = shared.runtime.clone();
    let watch = shared.follows_networks().then(|| {
        let shared: Arc<dyn Watcher> = shared.clone();
        Watch::begin(&runtime, Arc::downgrade(&shared))
    });
    // Made out here: a task that is dropped before its first poll must say goodbye as well.
    let mut driver = Driver {
        relays: Relays::new(shared.span.clone()),
        streams: Streams::new(shared.config.server_certificates.clone()),
        direct: Direct::new(listener, shared.tcp_unsent.clone()),
        shared,
        udp,
        backlog: VecDeque::new(),
        touched: Vec::new(),
        turn: Vec::new(),
        out: VecDeque::new(),
        lookups: JoinSet::new(),
        looked_for: HashMap::new(),
        answering: Answering::default(),
        sleep_watch,
        deaf_until: None,
        drops: SocketDrops::default(),
        _watch: watch,
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
    /// Room for those that asked to be serviced.
    turn: Vec<MemberId>,
    /// Room for what one connection has to send.
    out: VecDeque<Transmit>,
    lookups: JoinSet<Result<Vec<SocketAddr>, String>>,
    /// Which server of which gatherer each of them is for.
    looked_for: HashMap<Id, (u64, usize)>,
    answering: Answering,
    relays: Relays,
    streams: Streams,
    direct: Direct,
    sleep_watch: SleepWatch,
    deaf_until: Option<Instant>,
    drops: SocketDrops,
    /// Of the interfaces.
    _watch: Option<Arc<Watch>>,
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
        self.winding_down = true;
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
            self.look_at_the_networks();
            self.start_lookups();
            self.answer_names();
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
                self.direct.finish().await;
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
                news = self.streams.next(), if !self.streams.is_empty() => {
                    self.stream_news(news);
                }
                news = self.direct.next(), if !self.direct.is_idle() => {
                    self.direct_news(news);
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
            self.send_all(now, id, &mut out);
            self.direct.forget(now, id);
        }
        self.relays.release(now);
        self.flush_relays(now);
        if let Some(news) = &self.shared.config.news {
            news.close();
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let gathering = lock(&self.shared.gathering)
            .gatherer
            .as_ref()
            .and_then(|gatherer| gatherer.poll_timeout());
        let members = self.shared.routes().next_deadline();
        let relays = self.relays.poll_timeout();
        let direct = self.direct.poll_timeout();
        let all = [gathering, members, relays, direct, self.deaf_until];
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
        self.direct_timeout(now);
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

    fn service_dirty(&mut self) {
        let mut turn = std::mem::take(&mut self.turn);
        std::mem::swap(&mut turn, &mut *lock(&self.shared.dirty));
        for id in turn.drain(..) {
            self.service(id);
        }
        self.turn = turn;
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
        let mut out = std::mem::take(&mut self.out);
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
        self.send_all(now, id, &mut out);
        self.out = out;
        if done {
            self.direct.forget(now, id);
        }
        if last_left {
            self.relays.release(now);
        }
        self.flush_relays(now);
    }
}
