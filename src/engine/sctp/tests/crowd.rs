//! Transfers that share a bottleneck: this crate's, and standard ones.

use std::net::IpAddr;

use super::neighbour::Neighbour;
use super::*;

/// A path with a bottleneck that all share one way; the other way is free.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) mbit: f64,
    /// The round trip without a queue.
    pub(super) rtt: Duration,
    /// How long the bottleneck takes for what it can hold.
    pub(super) buffer: Duration,
    pub(super) loss: f64,
    pub(super) jitter: Duration,
    /// Drops what is too much, delays nothing.
    pub(super) polices: bool,
}

impl Path {
    pub(super) fn new(mbit: f64, rtt: u64, buffer: u64) -> Self {
        Self {
            mbit,
            rtt: ms(rtt),
            buffer: ms(buffer),
            loss: 0.0,
            jitter: Duration::ZERO,
            polices: false,
        }
    }

    fn links(&self) -> [Link; 2] {
        let latency = self.rtt / 2;
        let forth = Link {
            latency,
            loss: self.loss,
            jitter: self.jitter,
            rate_bps: Some((self.mbit * 1e6) as u64),
            queue_bytes: (self.mbit * 1e6 / 8.0 * self.buffer.as_secs_f64()).max(1_500.0) as u64,
            polices: self.polices,
            ..Link::default()
        };
        let back = Link {
            latency,
            ..Link::default()
        };
        [forth, back]
    }
}

struct Ours {
    sides: [Association; 2],
    unread: Unread,
    message: usize,
    /// Bytes handed over that still wait.
    waiting: usize,
    delivered: usize,
    /// When the ping that is under way was sent.
    ping: Option<Instant>,
    next_ping: Instant,
    pings: Vec<Duration>,
    active: bool,
}

enum Kind {
    Ours(Box<Ours>),
    Standard(Box<Neighbour>),
}

struct Flow {
    kind: Kind,
    addrs: [SocketAddr; 2],
}

pub(super) struct Crowd {
    pub(super) now: Instant,
    pub(super) net: SimNet,
    flows: Vec<Flow>,
    path: Path,
}

impl Crowd {
    pub(super) fn new(seed: u64, path: Path) -> Self {
        let now = Instant::now();
        Self {
            now,
            net: SimNet::new(seed, now),
            flows: Vec::new(),
            path,
        }
    }

    pub(super) fn change(&mut self, path: Path) {
        self.path = path;
        let [forth, back] = path.links();
        for flow in &self.flows {
            let [a, b] = flow.addrs.map(|addr| addr.ip());
            self.net.set_link(a, b, forth);
            self.net.set_link(b, a, back);
        }
    }

    fn add(&mut self, kind: Kind) -> usize {
        let n = self.flows.len();
        let host = |side| SocketAddr::from(([10, 0, n as u8, side], 5000));
        self.flows.push(Flow {
            kind,
            addrs: [host(1), host(2)],
        });
        let ways: Vec<(IpAddr, IpAddr)> = self
            .flows
            .iter()
            .map(|flow| (flow.addrs[A].ip(), flow.addrs[B].ip()))
            .collect();
        self.net.share_bottleneck(&ways);
        self.change(self.path);
        n
    }

    /// One of this crate's, with messages of so many bytes, connected and sending.
    pub(super) fn ours(&mut self, message: usize) -> usize {
        let unread = Unread::default();
        let side = |initiator| {
            let config = SctpConfig {
                initial_tsn: Some(1),
                span: tracing::Span::none(),
                ..config(initiator)
            };
            Association::new(config, unread.clone())
        };
        let mut sides = [side(true), side(false)];
        sides[A].start(self.now);
        self.add(Kind::Ours(Box::new(Ours {
            sides,
            unread,
            message,
            waiting: 0,
            delivered: 0,
            ping: None,
            next_ping: self.now,
            pings: Vec::new(),
            active: true,
        })))
    }

    pub(super) fn standard(&mut self) -> usize {
        self.add(Kind::Standard(Box::new(Neighbour::new())))
    }

    pub(super) fn stop(&mut self, flow: usize) {
        match &mut self.flows[flow].kind {
            Kind::Ours(ours) => ours.active = false,
            Kind::Standard(standard) => standard.active = false,
        }
    }

    pub(super) fn delivered(&self, flow: usize) -> usize {
        match &self.flows[flow].kind {
            Kind::Ours(ours) => ours.delivered,
            Kind::Standard(standard) => standard.delivered(),
        }
    }

    /// How long the pings on a channel of their own took, since the last call, in order of length.
    pub(super) fn pings(&mut self, flow: usize) -> Vec<Duration> {
        let Kind::Ours(ours) = &mut self.flows[flow].kind else {
            return Vec::new();
        };
        let mut pings = std::mem::take(&mut ours.pings);
        pings.extend(ours.ping.map(|sent| self.now - sent));
        pings.sort();
        pings
    }

    /// Mbit/s of each transfer over the next `time`, and the share of all packets that the
    /// bottleneck dropped.
    pub(super) fn measure(&mut self, time: Duration) -> (Vec<f64>, f64) {
        let delivered = |crowd: &Self| -> Vec<usize> {
            (0..crowd.flows.len()).map(|n| crowd.delivered(n)).collect()
        };
        let (before, counted) = (delivered(self), self.net.counters());
        self.run_for(time);
        let counters = self.net.counters();
        let dropped = counters.queue_full - counted.queue_full;
        let data = dropped as f64 + delivered(self).iter().sum::<usize>() as f64 / 1_130.0
            - before.iter().sum::<usize>() as f64 / 1_130.0;
        let rates = delivered(self)
            .into_iter()
            .zip(before)
            .map(|(after, before)| (after - before) as f64 * 8e-6 / time.as_secs_f64())
            .collect();
        (rates, dropped as f64 / data.max(1.0))
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        for n in 0..self.flows.len() {
            self.serve(n);
        }
        loop {
            let timers = self.flows.iter().filter_map(Flow::poll_timeout);
            let next = timers.chain(self.net.next_arrival()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            while let Some(arrival) = self.net.poll(self.now) {
                let SocketAddr::V4(dst) = arrival.dst else {
                    continue;
                };
                let [_, _, n, side] = dst.ip().octets();
                let (n, side) = (usize::from(n), usize::from(side) - 1);
                self.flows[n].receive(self.now, side, &arrival.data);
                self.serve(n);
            }
            for n in 0..self.flows.len() {
                let due = self.flows[n].poll_timeout();
                if due.is_some_and(|due| due <= self.now) {
                    self.flows[n].on_timeout(self.now);
                    self.serve(n);
                }
            }
        }
    }

    fn serve(&mut self, n: usize) {
        let flow = &mut self.flows[n];
        let [a, b] = flow.addrs;
        while let Some((from, packet)) = flow.poll_packet(self.now) {
            let (src, dst) = if from == A { (a, b) } else { (b, a) };
            self.net.send(self.now, src, dst, packet);
        }
    }
}

impl Flow {
    fn poll_timeout(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Ours(ours) => {
                let ping = ours.active.then_some(ours.next_ping);
                let timers = ours.sides.iter().filter_map(SctpTransport::poll_timeout);
                timers.chain(ping).min()
            }
            Kind::Standard(standard) => standard.poll_timeout(),
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Ours(ours) => {
                for side in &mut ours.sides {
                    if side.poll_timeout().is_some_and(|due| due <= now) {
                        side.handle_timeout(now);
                    }
                }
                if ours.next_ping <= now {
                    ours.next_ping = now + ms(373);
                    if ours.ping.is_none() && ours.sides[A].is_connected() {
                        ours.ping = Some(now);
                        ours.hand_over(now, 7, 100);
                    }
                }
            }
            Kind::Standard(standard) => standard.on_timeout(now),
        }
    }

    fn receive(&mut self, now: Instant, side: usize, packet: &[u8]) {
        match &mut self.kind {
            Kind::Ours(ours) => ours.sides[side].handle_packet(now, packet),
            Kind::Standard(standard) if side == A => standard.on_ack(now, packet),
            Kind::Standard(standard) => standard.on_data(now, packet),
        }
    }

    fn poll_packet(&mut self, now: Instant) -> Option<(usize, Vec<u8>)> {
        match &mut self.kind {
            Kind::Ours(ours) => ours.poll_packet(now),
            Kind::Standard(standard) => {
                let data = standard.poll_data(now).map(|packet| (A, packet));
                data.or_else(|| standard.poll_ack().map(|packet| (B, packet)))
            }
        }
    }
}

impl Ours {
    fn hand_over(&mut self, now: Instant, stream: u16, bytes: usize) {
        self.sides[A].send(
            now,
            Outbound {
                stream,
                ppid: BINARY,
                data: vec![0; bytes].into(),
                ordered: true,
                reliability: Reliability::Reliable,
                weight: 1,
            },
        );
    }

    fn poll_packet(&mut self, now: Instant) -> Option<(usize, Vec<u8>)> {
        while let Some(event) = self.sides[A].poll_event() {
            if let SctpEvent::Released { stream: 0, bytes } = event {
                self.waiting -= bytes;
            }
        }
        while let Some(event) = self.sides[B].poll_event() {
            let SctpEvent::Message { stream, data, .. } = event else {
                continue;
            };
            self.unread.read(data.len());
            self.delivered += data.len();
            if stream == 7 {
                self.pings.extend(self.ping.take().map(|sent| now - sent));
            }
        }
        while self.active && self.sides[A].is_connected() && self.waiting < 1 << 18 {
            self.waiting += self.message;
            self.hand_over(now, 0, self.message);
        }
        let mut packet = Vec::new();
        for side in [A, B] {
            if self.sides[side].poll_packet(now, &mut packet) {
                return Some((side, packet));
            }
        }
        None
    }
}
