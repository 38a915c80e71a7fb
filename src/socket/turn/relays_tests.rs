#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::super::fake_server::{FakeServer, PASSWORD, USER, channel_data, data_indication};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DATA: &[u8] = &[0x80, 1, 2, 3, 4];

fn addr(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

fn base() -> SocketAddr {
    addr("10.0.0.1:9")
}

fn peer() -> SocketAddr {
    addr("198.51.100.7:5000")
}

fn ticket(n: u8) -> TransactionId {
    TransactionId([n; 12])
}

fn request(id: u8, server: u8, password: &str) -> RelayRequest {
    RelayRequest {
        ticket: ticket(id),
        base: base(),
        server: Rig::server(server),
        carrier: Carrier::Udp,
        credentials: Arc::new(TurnCredentials {
            username: USER.into(),
            password: password.into(),
        }),
        reserved: vec![base()],
    }
}

/// The relays of a socket and their servers, with no time between them.
struct Rig {
    now: Instant,
    relays: Relays,
    servers: BTreeMap<SocketAddr, FakeServer>,
    outcomes: Vec<RelayOutcome>,
}

impl Rig {
    /// Servers 192.0.2.1 and so on; the relayed address of each is its own with port 50000.
    fn new(servers: u8) -> Self {
        let server = |n| {
            let relayed = FakeServer::new(&format!("192.0.2.{n}:50000"));
            (Self::server(n), relayed)
        };
        Self {
            now: Instant::now(),
            relays: Relays::new(tracing::Span::none()),
            servers: (1..=servers).map(server).collect(),
            outcomes: Vec::new(),
        }
    }

    fn server(n: u8) -> SocketAddr {
        addr(&format!("192.0.2.{n}:3478"))
    }

    fn relayed(n: u8) -> SocketAddr {
        addr(&format!("192.0.2.{n}:50000"))
    }

    fn ask(&mut self, id: u8, server: u8, password: &str) {
        self.relays.request(self.now, request(id, server, password));
        self.pump();
    }

    /// With a relay on each server, all of which were asked.
    fn ready(servers: u8) -> Self {
        let mut rig = Self::new(servers);
        for n in 1..=servers {
            rig.ask(n, n, PASSWORD);
        }
        assert_eq!(rig.outcomes.len(), usize::from(servers));
        rig.outcomes.clear();
        rig
    }

    fn pump(&mut self) {
        while let Some(message) = self.relays.poll_transmit() {
            self.deliver(&message);
        }
        self.outcomes
            .extend(std::iter::from_fn(|| self.relays.poll_outcome()));
    }

    fn deliver(&mut self, message: &ToServer) {
        let ToServer::Datagrams(message) = message else {
            panic!("over a stream");
        };
        assert_eq!(message.local, base());
        let server = self.servers.get_mut(&message.remote).unwrap();
        if let Some(answer) = server.handle(self.now, &message.contents) {
            let (local, from) = (message.local, message.remote);
            self.relays.handle_datagram(self.now, local, from, &answer);
        }
    }

    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        self.pump();
        while let Some(next) = self.relays.poll_timeout().filter(|next| *next <= end) {
            assert!(next >= self.now, "time runs backwards");
            self.now = next;
            self.relays.handle_timeout(next);
            self.pump();
        }
        self.now = end;
    }

    /// Sends from a relayed address, as far as there is one.
    fn send(&mut self, local: SocketAddr) -> bool {
        let transmit = Transmit {
            local,
            remote: peer(),
            contents: DATA.to_vec(),
            segment_size: DATA.len(),
        };
        let wrapped = self.relays.wrap(self.now, transmit);
        if let Ok(Some(message)) = &wrapped {
            self.deliver(message);
        }
        self.pump();
        wrapped.is_ok()
    }

    fn receive(&mut self, from: SocketAddr, data: &[u8]) -> RelayInput {
        self.relays.handle_datagram(self.now, base(), from, data)
    }

    fn failed(&self, id: u8, expected: IceServerErrorKind) -> bool {
        self.outcomes.iter().any(|outcome| {
            matches!(outcome, RelayOutcome::Failed { ticket: t, kind, .. }
                if *t == ticket(id) && *kind == expected)
        })
    }

    fn relayed_for(&self, id: u8) -> Vec<SocketAddr> {
        let found = self.outcomes.iter().filter_map(|outcome| match outcome {
            RelayOutcome::Relayed {
                ticket: t, relayed, ..
            } => (*t == ticket(id)).then_some(*relayed),
            _ => None,
        });
        found.collect()
    }
}

#[test]
fn a047_relays_on_several_servers_each_carry_their_own() {
    let mut rig = Rig::ready(3);
    for n in 1..=3 {
        // The permission, the channel, and a datagram on it.
        for _ in 0..3 {
            assert!(rig.send(Rig::relayed(n)));
        }
        let server = &rig.servers[&Rig::server(n)];
        assert_eq!(server.relays, vec![(peer(), DATA.to_vec()); 3]);
        assert_eq!(server.channels.len(), 1);
    }
    for n in 1..=3 {
        let expected = RelayInput::Data {
            relayed: Rig::relayed(n),
            peer: peer(),
            payload: 4..9,
        };
        let data = channel_data(0x4000, DATA);
        assert_eq!(rig.receive(Rig::server(n), &data), expected);
    }
    assert_eq!(rig.relays.counters(), TurnCounters::default());
    assert!(
        !rig.send(base()),
        "what does not leave from a relay is not wrapped"
    );
}

#[test]
fn r_f7_only_what_comes_from_the_server_counts() {
    let mut rig = Rig::ready(2);
    rig.send(Rig::relayed(1));
    let data = data_indication(peer(), DATA);
    let (server, now) = (Rig::server(1), rig.now);
    // Another port of the server, its relayed address, a stranger, and the peer itself.
    for from in ["192.0.2.1:3479", "192.0.2.1:50000", "203.0.113.5:3478"] {
        assert_eq!(rig.receive(addr(from), &data), RelayInput::Other);
    }
    assert_eq!(rig.receive(peer(), &data), RelayInput::Other);
    // Another local address.
    let local = addr("10.0.0.2:9");
    let input = rig.relays.handle_datagram(now, local, server, &data);
    assert_eq!(input, RelayInput::Other);
    // The other server, which was never asked to permit the peer.
    assert_eq!(rig.receive(Rig::server(2), &data), RelayInput::Taken);
    assert_eq!(rig.relays.counters().unpermitted, 1);
    let RelayInput::Data { relayed, .. } = rig.receive(server, &data) else {
        panic!("the server's own data");
    };
    assert_eq!(relayed, Rig::relayed(1));

    // An answer that comes from elsewhere makes no relay.
    let mut rig = Rig::new(1);
    rig.relays.request(rig.now, request(1, 1, PASSWORD));
    let asked = rig.relays.poll_transmit().unwrap();
    let server = rig.servers.get_mut(&Rig::server(1)).unwrap();
    let answer = server.handle(rig.now, asked.contents()).unwrap();
    assert_eq!(
        rig.receive(addr("203.0.113.5:3478"), &answer),
        RelayInput::Other
    );
    assert!(rig.relays.poll_transmit().is_none());
    assert_eq!(rig.receive(Rig::server(1), &answer), RelayInput::Taken);
    assert!(rig.relays.poll_transmit().is_some());
}

#[test]
fn r_f7_a_server_cannot_claim_the_relayed_address_of_another() {
    let mut rig = Rig::ready(1);
    let mut liar = FakeServer::new("192.0.2.1:50000");
    liar.lifetime = 600 * SECOND;
    rig.servers.insert(Rig::server(66), liar);
    rig.ask(66, 66, PASSWORD);
    assert!(rig.failed(66, IceServerErrorKind::Malformed));
    rig.run(SECOND);
    assert!(rig.servers[&Rig::server(66)].allocated_until.is_none());
    rig.send(Rig::relayed(1));
    rig.send(Rig::relayed(1));
    assert_eq!(rig.servers[&Rig::server(1)].relays.len(), 2);
}

#[test]
fn relays_are_bounded() {
    let count = u8::try_from(MAX_ALLOCATIONS).unwrap();
    let mut rig = Rig::ready(count);
    rig.servers
        .insert(Rig::server(99), FakeServer::new("192.0.2.99:50000"));
    rig.ask(99, 99, PASSWORD);
    assert!(rig.failed(99, IceServerErrorKind::Unsupported));
    assert_eq!(rig.servers[&Rig::server(99)].requests, 0);
}

#[test]
fn r_f6_released_relays_are_gone_in_a_second_and_can_be_asked_for_again() {
    for silent in [false, true] {
        let mut rig = Rig::ready(2);
        for server in rig.servers.values_mut() {
            server.silent = silent;
        }
        rig.relays.release(rig.now);
        assert!(!rig.send(Rig::relayed(1)));
        rig.run(SECOND);
        assert!(rig.relays.is_empty());
        assert_eq!(rig.relays.poll_timeout(), None);
    }
    // Asked for before the server has confirmed the end of the former one.
    let mut rig = Rig::ready(1);
    rig.relays.release(rig.now);
    rig.ask(7, 1, PASSWORD);
    rig.run(SECOND);
    assert_eq!(rig.relayed_for(7), [Rig::relayed(1)]);
    assert!(rig.send(Rig::relayed(1)));
}

#[test]
fn a_relay_that_nobody_waits_for_any_more_is_given_back() {
    let mut rig = Rig::new(1);
    rig.servers.get_mut(&Rig::server(1)).unwrap().silent = true;
    rig.ask(1, 1, PASSWORD);
    rig.relays.cancel(rig.now, ticket(1));
    assert!(rig.relays.is_empty(), "nothing was asked with credentials");

    let mut rig = Rig::new(1);
    rig.ask(1, 1, PASSWORD);
    rig.outcomes.clear();
    rig.relays.cancel(rig.now, ticket(1));
    assert!(!rig.relays.is_empty(), "an old ticket takes no relay away");
    assert!(rig.send(Rig::relayed(1)));
}

#[test]
fn asking_again_verifies_and_other_credentials_get_their_own_try() {
    let mut rig = Rig::ready(1);
    rig.ask(5, 1, PASSWORD);
    assert_eq!(rig.relayed_for(5), [Rig::relayed(1)]);
    assert_eq!(rig.relays.allocations.len(), 1);

    // The wrong password is asked for first; both are under way at once.
    let mut rig = Rig::new(1);
    for (id, password) in [(1, "wrong"), (2, PASSWORD)] {
        rig.relays.request(rig.now, request(id, 1, password));
    }
    rig.run(5 * SECOND);
    assert!(rig.failed(1, IceServerErrorKind::Refused(401)));
    assert_eq!(rig.relayed_for(2), [Rig::relayed(1)]);
}

#[test]
fn r_f3_a_lost_relay_is_told_and_nothing_leaves_from_it() {
    let mut rig = Rig::ready(1);
    rig.servers.get_mut(&Rig::server(1)).unwrap().restart();
    rig.ask(2, 1, PASSWORD);
    rig.run(SECOND);
    // The one who asked gets a new one.
    assert!(rig.outcomes.contains(&RelayOutcome::Lost(Rig::relayed(1))));
    assert_eq!(rig.relayed_for(2), [Rig::relayed(1)]);

    let mut rig = Rig::ready(1);
    rig.servers.get_mut(&Rig::server(1)).unwrap().silent = true;
    rig.run(601 * SECOND);
    assert_eq!(rig.outcomes, [RelayOutcome::Lost(Rig::relayed(1))]);
    assert!(!rig.send(Rig::relayed(1)));
    // Another one is asked for once.
    rig.run(40 * SECOND);
    assert_eq!(rig.outcomes.len(), 1);
    assert!(rig.relays.is_empty());
}

#[test]
fn r_f3_a_relay_that_a_restarted_server_forgot_is_made_again_though_nobody_asks() {
    let mut rig = Rig::ready(1);
    rig.send(Rig::relayed(1));
    let server = rig.servers.get_mut(&Rig::server(1)).unwrap();
    server.restart();
    server.relayed = addr("192.0.2.1:50001");
    // The permission for another peer is asked for.
    let transmit = Transmit {
        local: Rig::relayed(1),
        remote: addr("198.51.100.8:5000"),
        contents: DATA.to_vec(),
        segment_size: DATA.len(),
    };
    assert!(rig.relays.wrap(rig.now, transmit).is_ok());
    rig.run(SECOND);
    let renewed = RelayOutcome::Renewed {
        carrier: Carrier::Udp,
        base: base(),
        server: Rig::server(1),
        relayed: addr("192.0.2.1:50001"),
        mapped: Some(addr("203.0.113.9:4000")),
    };
    assert_eq!(rig.outcomes, [RelayOutcome::Lost(Rig::relayed(1)), renewed]);
    assert!(!rig.send(Rig::relayed(1)));
    let before = rig.servers[&Rig::server(1)].relays.len();
    assert!(rig.send(addr("192.0.2.1:50001")));
    assert_eq!(rig.servers[&Rig::server(1)].relays.len(), before + 1);
}

/// A server that refuses with 300 and names `to`, without credentials or with.
fn redirecting(rig: &mut Rig, server: u8, to: SocketAddr, early: bool) {
    let server = rig.servers.get_mut(&Rig::server(server)).unwrap();
    server.redirects = early;
    server.refuse = Some((::stun::message::METHOD_ALLOCATE, 300));
    server.alternate = Some(to);
}

#[test]
fn r_s20_another_server_that_a_300_names_is_asked_in_its_place() {
    let mut rig = Rig::new(2);
    redirecting(&mut rig, 1, Rig::server(2), true);
    rig.ask(1, 1, PASSWORD);
    assert_eq!(rig.relayed_for(1), [Rig::relayed(2)]);

    let mut rig = Rig::new(2);
    redirecting(&mut rig, 1, Rig::server(2), false);
    rig.ask(1, 1, PASSWORD);
    assert_eq!(rig.relayed_for(1), [Rig::relayed(2)]);
    assert!(rig.send(Rig::relayed(2)));
    assert_eq!(rig.servers[&Rig::server(2)].relays.len(), 1);
    // It is the same relay for whoever asks either of them, and given back where it is.
    rig.ask(2, 1, PASSWORD);
    rig.ask(3, 2, PASSWORD);
    assert_eq!(rig.relayed_for(2), [Rig::relayed(2)]);
    assert_eq!(rig.relayed_for(3), [Rig::relayed(2)]);
    rig.relays.release(rig.now);
    rig.run(SECOND);
    assert!(rig.relays.is_empty());
    assert!(rig.servers[&Rig::server(2)].allocated_until.is_none());
}

#[test]
fn r_s20_a_300_that_leads_nowhere_is_an_error_at_once() {
    // To itself, back and forth, on and on, to us, to another family, to no address, nowhere.
    for to in [
        "192.0.2.1:3478",
        "192.0.2.2:3478",
        "10.0.0.1:9",
        "[2001:db8::2]:3478",
        "0.0.0.0:3478",
        "192.0.2.2:0",
        "224.0.0.1:3478",
    ] {
        for (next, early) in [(1, false), (3, false), (1, true), (3, true)] {
            let mut rig = Rig::new(3);
            redirecting(&mut rig, 1, addr(to), early);
            redirecting(&mut rig, 2, Rig::server(next), early);
            rig.ask(1, 1, PASSWORD);
            assert!(rig.failed(1, IceServerErrorKind::Refused(300)), "{to}");
            assert!(rig.relays.is_empty());
            assert_eq!(rig.servers[&Rig::server(3)].requests, 0);
        }
    }
    // To one that is asked already.
    let mut rig = Rig::ready(2);
    rig.servers
        .insert(Rig::server(3), FakeServer::new("192.0.2.3:50000"));
    redirecting(&mut rig, 3, Rig::server(2), false);
    rig.ask(3, 3, PASSWORD);
    assert!(rig.failed(3, IceServerErrorKind::Refused(300)));
    assert!(rig.send(Rig::relayed(2)));
}

/// RFC 8489 section 14.8: MESSAGE-INTEGRITY comes before the redirection.
#[test]
fn r_s20_a_300_that_is_not_authentic_leads_nowhere() {
    let mut rig = Rig::new(2);
    redirecting(&mut rig, 1, Rig::server(2), false);
    rig.servers.get_mut(&Rig::server(1)).unwrap().forged_errors = true;
    rig.ask(1, 1, PASSWORD);
    rig.run(30 * SECOND);
    assert!(rig.failed(1, IceServerErrorKind::Refused(300)));
    assert_eq!(rig.servers[&Rig::server(2)].requests, 0);
}
