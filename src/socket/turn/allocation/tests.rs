#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::IpAddr;

use ::stun::message::{
    METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH,
};

use tracing::Level;

use super::super::fake_server::{FakeServer, PASSWORD, USER, channel_data, data_indication};
use super::super::peers;
use super::*;
use crate::trace::watch::Kept;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DATA: &[u8] = &[0x80, 1, 2, 3, 4];
pub(super) const STUN: &[u8] = &[0, 1, 2, 3];

pub(super) fn addr(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

pub(super) fn peer() -> SocketAddr {
    addr("198.51.100.7:5000")
}

fn credentials(password: &str) -> Arc<TurnCredentials> {
    Arc::new(TurnCredentials {
        username: USER.into(),
        password: password.into(),
    })
}

/// An allocation and its server, 10 ms apart, on a virtual clock.
pub(super) struct Rig {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) client: Allocation,
    pub(super) server: FakeServer,
    pub(super) events: Vec<(Duration, Event)>,
    pub(super) wire: VecDeque<(Instant, bool, Vec<u8>)>,
    /// Loses every n-th message of the client.
    pub(super) lose_every: usize,
    pub(super) sent: usize,
    /// How long the client has slept so far, and the server has not.
    pub(super) slept: Duration,
}

impl Rig {
    pub(super) fn new(server: FakeServer) -> Self {
        Self::with_password(server, PASSWORD)
    }

    pub(super) fn with_password(server: FakeServer, password: &str) -> Self {
        let start = Instant::now();
        let (base, remote) = if server.relayed.is_ipv4() {
            (addr("10.0.0.1:9"), addr("192.0.2.1:3478"))
        } else {
            (addr("[2001:db8::1]:9"), addr("[2001:db8::2]:3478"))
        };
        let client = Allocation::new(
            start,
            base,
            remote,
            Carrier::Udp,
            credentials(password),
            vec![base],
        );
        Self {
            start,
            now: start,
            client,
            server,
            events: Vec::new(),
            wire: VecDeque::new(),
            lose_every: usize::MAX,
            sent: 0,
            slept: Duration::ZERO,
        }
    }

    pub(super) fn transmit(&mut self, bytes: Vec<u8>) {
        self.sent += 1;
        if !self.sent.is_multiple_of(self.lose_every) {
            let at = self.now + SECOND / 100;
            self.wire.push_back((at, true, bytes));
        }
    }

    pub(super) fn run(&mut self, length: Duration) {
        let end = self.now + length;
        for _ in 0..100_000 {
            while let Some(bytes) = self.client.out.pop_front() {
                self.transmit(bytes);
            }
            while let Some(event) = self.client.events.pop_front() {
                self.events.push((self.now - self.start, event));
            }
            let arrival = self.wire.front().map(|w| w.0);
            let next = [arrival, self.client.poll_timeout()]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            assert!(next >= self.now, "time runs backwards");
            self.now = next;
            if arrival == Some(next) {
                let (_, to_server, bytes) = self.wire.pop_front().unwrap();
                if to_server {
                    if let Some(answer) = self.server.handle(self.now + self.slept, &bytes) {
                        let at = self.now + SECOND / 100;
                        self.wire.push_back((at, false, answer));
                    }
                } else {
                    self.client.handle_datagram(self.now, &bytes);
                }
            } else {
                self.client.handle_timeout(self.now);
            }
        }
        panic!("a timer that fires for ever");
    }

    pub(super) fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        if let Some((bytes, _)) = self.client.wrap(self.now, to, payload, payload.len()) {
            self.transmit(bytes);
        }
    }

    pub(super) fn count(&self, method: ::stun::message::Method) -> usize {
        self.server.granted.iter().filter(|g| g.1 == method).count()
    }

    pub(super) fn only_event(&self) -> &Event {
        assert_eq!(self.events.len(), 1, "{:?}", self.events);
        &self.events[0].1
    }
}

pub(super) fn server() -> FakeServer {
    FakeServer::new("192.0.2.1:49160")
}

pub(super) fn ready() -> Rig {
    let mut rig = Rig::new(server());
    rig.run(SECOND);
    assert_eq!(rig.client.usable(), Some(rig.server.relayed));
    rig
}

pub(super) fn with_channel() -> Rig {
    let mut rig = ready();
    for _ in 0..2 {
        rig.send(peer(), DATA);
        rig.run(SECOND);
    }
    assert_eq!(rig.server.channels.len(), 1);
    rig
}

#[test]
fn r_s19_an_allocation_comes_about_with_one_401_and_tells_both_addresses() {
    let rig = ready();
    let expected = Event::Ready {
        relayed: addr("192.0.2.1:49160"),
        mapped: Some(addr("203.0.113.9:4000")),
    };
    assert_eq!(rig.events, [(SECOND / 25, expected)]);
    assert_eq!(rig.server.requests, 2);

    let mut rig = Rig::new(FakeServer::new("[2001:db8::2]:49160"));
    rig.server.mapped = addr("[2001:db8::1]:9");
    rig.run(SECOND);
    assert!(matches!(rig.only_event(), Event::Ready { relayed, .. } if relayed.is_ipv6()));
}

#[test]
fn r_s20_errors_are_typed_and_told_once() {
    for code in [300, 400, 403, 420, 437, 440, 441, 442, 486, 500, 508] {
        let mut server = server();
        server.refuse = Some((METHOD_ALLOCATE, code));
        let mut rig = Rig::new(server);
        rig.run(60 * SECOND);
        assert!(
            matches!(rig.only_event(), Event::Failed(IceServerErrorKind::Refused(c), _) if *c == code),
            "{code}: {:?}",
            rig.events
        );
        assert_eq!(rig.client.poll_timeout(), None);
    }
    let mut rig = Rig::with_password(server(), "wrong");
    rig.run(60 * SECOND);
    let expected = IceServerErrorKind::Refused(401);
    assert!(matches!(rig.only_event(), Event::Failed(kind, _) if *kind == expected));
    assert_eq!(rig.server.requests, 2, "wrong credentials are not repeated");
}

#[test]
fn r_s18_a_silent_server_is_asked_seven_times_in_39_5_s() {
    let mut server = server();
    server.silent = true;
    let mut rig = Rig::new(server);
    rig.run(60 * SECOND);
    let failed = Event::Failed(IceServerErrorKind::Timeout, "no answer".into());
    assert_eq!(rig.events, [(39_500 * SECOND / 1_000, failed)]);
    assert_eq!(rig.sent, 7);
}

#[test]
fn r_s20_an_error_that_is_not_authentic_changes_nothing() {
    let mut server = server();
    server.refuse = Some((METHOD_ALLOCATE, 486));
    server.forged_errors = true;
    let mut rig = Rig::new(server);
    rig.run(3 * SECOND);
    assert!(rig.events.is_empty());
    assert!(rig.client.counters.malformed >= 2);
    rig.server.refuse = None;
    rig.run(10 * SECOND);
    assert!(matches!(rig.only_event(), Event::Ready { .. }));
}

#[test]
fn r_s20_a_server_that_only_has_stale_nonces_is_given_up() {
    let mut server = server();
    server.nonce_life = Duration::ZERO;
    let mut rig = Rig::new(server);
    rig.run(60 * SECOND);
    let expected = IceServerErrorKind::Refused(438);
    assert!(matches!(rig.only_event(), Event::Failed(kind, _) if *kind == expected));
    assert!(rig.server.requests < 10);
}

#[test]
fn r_f2_lifetimes_of_60_s_and_nonces_of_10_s_hold_for_15_minutes_of_data_and_silence() {
    for lose_every in [usize::MAX, 4, 3] {
        let mut server = server();
        server.lifetime = 60 * SECOND;
        server.nonce_life = 10 * SECOND;
        server.permission_lifetime = 60 * SECOND;
        let mut rig = Rig::new(server);
        rig.lose_every = lose_every;
        rig.run(20 * SECOND);
        let mut sent = 0;
        for minute in 0..15 {
            // Data in two minutes out of three.
            if minute % 3 == 2 {
                rig.run(60 * SECOND);
                continue;
            }
            for _ in 0..60 {
                rig.send(peer(), DATA);
                sent += 1;
                rig.run(SECOND);
            }
        }
        assert!(
            matches!(rig.only_event(), Event::Ready { .. }),
            "lost every {lose_every}: {:?}",
            rig.events
        );
        assert!(rig.server.stale_answers > 10);
        assert!(rig.count(METHOD_REFRESH) >= 29);
        assert!((20..=80).contains(&rig.count(METHOD_CREATE_PERMISSION)));
        assert!((20..=80).contains(&rig.count(METHOD_CHANNEL_BIND)));
        let relayed = rig.server.relays.len();
        if lose_every == usize::MAX {
            assert_eq!(relayed, sent);
        } else {
            assert!(relayed * 2 > sent, "{relayed} of {sent}");
        }
    }
}

/// RFC 8489 section 9.2.5: all requests and answers by SHA-256, with the key of the algorithm that
/// the server names first.
#[test]
fn r_f2_a_server_that_offers_sha_256_is_spoken_to_by_it() {
    for offered in [[0, 2, 0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 2, 0, 0]] {
        let mut server = server();
        server.algorithms = Some(offered.to_vec());
        server.lifetime = 60 * SECOND;
        server.nonce_life = 10 * SECOND;
        let mut rig = Rig::new(server);
        for _ in 0..180 {
            rig.run(SECOND);
            rig.send(peer(), DATA);
        }
        rig.run(SECOND);
        assert!(
            matches!(rig.only_event(), Event::Ready { .. }),
            "{:?}",
            rig.events
        );
        assert_eq!(rig.server.relays.len(), 180);
        assert!(rig.server.stale_answers > 3);
        assert!(rig.count(METHOD_REFRESH) >= 5);
        assert_eq!(rig.client.counters, TurnCounters::default());
    }
    // A wrong password is known by it as well.
    let mut server = server();
    server.algorithms = Some(vec![0, 2, 0, 0]);
    let mut rig = Rig::with_password(server, "wrong");
    rig.run(SECOND);
    let refused = IceServerErrorKind::Refused(401);
    assert!(matches!(rig.only_event(), Event::Failed(kind, _) if *kind == refused));
}

/// What SHA-1 or nothing authenticates is nothing to who was promised SHA-256.
#[test]
fn r_f7_no_weaker_answer_is_taken() {
    let mut server = server();
    server.algorithms = Some(vec![0, 2, 0, 0]);
    server.forged_integrity = true;
    let mut rig = Rig::new(server);
    rig.run(SECOND);
    assert_eq!(rig.events, []);
    assert!(rig.client.counters.malformed > 0);
    // The offer was taken out on the way.
    let mut server = FakeServer::new("192.0.2.1:49160");
    server.algorithms = Some(vec![0, 2, 0, 0]);
    server.hides_algorithms = true;
    let mut rig = Rig::new(server);
    rig.run(SECOND);
    let refused = IceServerErrorKind::Refused(401);
    assert!(matches!(rig.only_event(), Event::Failed(kind, _) if *kind == refused));
    assert_eq!(rig.server.requests, 1);
}

#[test]
fn r_s19_unused_permissions_and_channels_are_left_to_expire() {
    let mut rig = ready();
    rig.send(peer(), DATA);
    rig.run(30 * SECOND);
    rig.send(peer(), DATA);
    rig.run(3_600 * SECOND);
    assert!(rig.count(METHOD_CREATE_PERMISSION) <= 3);
    assert!(rig.count(METHOD_CHANNEL_BIND) <= 2);
    assert!(rig.count(METHOD_REFRESH) >= 11);
    assert!(rig.server.keepalives > 200, "the NAT must stay open");
    // It all comes back with the next datagram.
    rig.send(peer(), DATA);
    rig.run(SECOND);
    rig.send(peer(), DATA);
    rig.run(SECOND);
    assert_eq!(rig.server.relays.len(), 4);
    assert_eq!(rig.only_event(), &rig.events[0].1);
}

#[test]
fn r_s19_checks_wait_for_the_permission_and_data_moves_to_a_channel() {
    let mut rig = ready();
    rig.send(peer(), STUN);
    rig.send(peer(), STUN);
    assert!(rig.server.relays.is_empty());
    rig.run(SECOND);
    assert_eq!(rig.server.relays.len(), 2);
    assert!(rig.server.channels.is_empty(), "checks need no channel");
    rig.send(peer(), DATA);
    rig.run(SECOND);
    assert_eq!(rig.server.channels.keys().collect::<Vec<_>>(), [&0x4000]);
    let (bytes, size) = rig.client.wrap(rig.now, peer(), &[0x80; 250], 100).unwrap();
    assert_eq!((bytes.len(), size), (250 + 12, 104));
    assert_eq!(bytes[..4], [0x40, 0, 0, 100]);
    assert_eq!(bytes[104..108], [0x40, 0, 0, 100]);
    assert_eq!(bytes[208..212], [0x40, 0, 0, 50]);
    rig.send(peer(), DATA);
    rig.run(SECOND);
    assert_eq!(rig.server.relays.len(), 4);
    assert!(rig.server.relays.iter().all(|(to, _)| *to == peer()));
    assert_eq!(rig.server.relays[3].1, DATA);
}

#[test]
fn a_train_of_indications_is_cut_where_the_datagrams_are() {
    for to in [peer(), addr("[2001:db8::77]:5000")] {
        let relayed = match to {
            SocketAddr::V4(_) => "192.0.2.1:49160",
            SocketAddr::V6(_) => "[2001:db8::2]:49160",
        };
        let mut rig = Rig::new(FakeServer::new(relayed));
        rig.run(SECOND);
        rig.send(to, STUN);
        rig.run(SECOND);
        let mut train = vec![1; 99];
        train.extend([2; 99]);
        train.extend([3; 7]);
        let (bytes, size) = rig.client.wrap(rig.now, to, &train, 99).unwrap();
        for message in bytes.chunks(size) {
            rig.server.handle(rig.now, message);
        }
        let payloads: Vec<_> = rig.server.relays[1..].iter().map(|r| r.1.clone()).collect();
        assert_eq!(payloads, [vec![1; 99], vec![2; 99], vec![3; 7]]);
    }
}

#[test]
fn a_refused_permission_drops_and_counts_and_a_refused_channel_leaves_indications() {
    let mut rig = ready();
    rig.server.refuse = Some((METHOD_CREATE_PERMISSION, 403));
    rig.send(peer(), DATA);
    rig.run(SECOND);
    rig.send(peer(), DATA);
    rig.run(SECOND);
    assert!(rig.server.relays.is_empty());
    assert_eq!(rig.client.counters.unsent, 1);
    assert_eq!(rig.client.usable(), Some(rig.server.relayed));

    rig.server.refuse = Some((METHOD_CHANNEL_BIND, 400));
    rig.run(60 * SECOND);
    for _ in 0..5 {
        rig.send(peer(), DATA);
        rig.run(SECOND);
    }
    assert_eq!(rig.server.relays.len(), 5);
    assert!(rig.server.channels.is_empty());
}

#[test]
fn r_s20_after_a_437_what_is_left_on_the_port_is_given_back_and_the_relay_asked_for_again() {
    let mut rig = ready();
    // As after a crash: the same port, and no memory of the allocation.
    let (base, remote) = (rig.client.base, rig.client.server);
    let reserved = vec![base];
    rig.client = Allocation::new(
        rig.now,
        base,
        remote,
        Carrier::Udp,
        credentials(PASSWORD),
        reserved,
    );
    rig.run(10 * SECOND);
    assert_eq!(rig.events.len(), 2, "{:?}", rig.events);
    let Event::Ready { .. } = rig.events[1].1 else {
        panic!("{:?}", rig.events)
    };
    assert_eq!(rig.count(METHOD_ALLOCATE), 2);

    // Three tries, then it is an error; one that is closed meanwhile does not ask again.
    for close in [false, true] {
        let mut server = server();
        server.refuse = Some((METHOD_ALLOCATE, 437));
        let mut rig = Rig::new(server);
        rig.run(SECOND);
        let asked = rig.server.requests;
        if close {
            rig.client.close(rig.now, SECOND);
        }
        rig.run(20 * SECOND);
        let expected = usize::from(!close);
        assert_eq!(rig.events.len(), expected, "{:?}", rig.events);
        assert_eq!(rig.client.poll_timeout(), None);
        assert!(!close || rig.server.requests == asked);
    }
}

#[test]
fn r_f7_hostile_data_is_dropped_and_counted() {
    let mut rig = with_channel();
    let now = rig.now;
    let stranger = addr("198.51.100.66:5000");
    let taken = |rig: &mut Rig, bytes: &[u8]| rig.client.handle_datagram(now, bytes);
    let good = taken(&mut rig, &channel_data(0x4000, DATA));
    assert_eq!(good, Incoming::Data(peer(), 4..9));
    let bytes = data_indication(peer(), DATA);
    let good = taken(&mut rig, &bytes);
    let Incoming::Data(from, place) = good else {
        panic!("{good:?}")
    };
    assert_eq!((from, &bytes[place]), (peer(), DATA));

    let before = rig.client.counters;
    for bytes in [
        data_indication(stranger, DATA),
        channel_data(0x4001, DATA),
        channel_data(0x4fff, &[]),
        // Longer than the datagram, a number out of range, cut off.
        [&channel_data(0x4000, DATA)[..6], &[]].concat(),
        channel_data(0x4fff, &[0; 60_000]),
        vec![0x4f],
        vec![0x40, 0, 0xff, 0xff],
    ] {
        assert_eq!(taken(&mut rig, &bytes), Incoming::Taken, "{bytes:?}");
    }
    let after = rig.client.counters;
    assert_eq!(after.unpermitted - before.unpermitted, 4);
    assert_eq!(after.malformed - before.malformed, 3);
    // Another IP's port is the peer's business: permissions are per IP.
    let other_port = data_indication(addr("198.51.100.7:6000"), DATA);
    assert!(matches!(taken(&mut rig, &other_port), Incoming::Data(..)));
    assert_eq!(rig.client.usable(), Some(rig.server.relayed));
}

#[test]
fn r_f7_damaged_messages_of_a_server_never_panic_nor_change_anything() {
    let seed = 20_131_102_u64;
    let mut random = crate::simnet::Rng::new(seed);
    let mut next = move || random.next_u64();
    let mut rig = with_channel();
    rig.client.verify(rig.now);
    let request = rig.client.out.pop_front().unwrap();
    let answer = rig.server.handle(rig.now, &request).unwrap();
    let samples = [
        answer,
        data_indication(peer(), DATA),
        data_indication(addr("[2001:db8::1]:4"), &[9; 50]),
        channel_data(0x4000, DATA),
    ];
    let (relayed, expires) = (rig.client.relayed, rig.client.expires);
    for round in 0..20_000 {
        let mut bytes = samples[next() as usize % samples.len()].clone();
        for _ in 0..1 + next() % 3 {
            let at = next() as usize % bytes.len();
            bytes[at] ^= 1 << (next() % 8);
        }
        if next() % 4 == 0 {
            bytes.truncate(next() as usize % bytes.len());
        }
        if bytes == samples[0] {
            continue;
        }
        if let Incoming::Data(from, place) = rig.client.handle_datagram(rig.now, &bytes) {
            assert!(bytes.get(place).is_some(), "round {round}, seed {seed}");
            assert!(rig.client.peers.permits(from.ip()));
        }
        // A damaged 437 or 438 cannot come of a success; nothing else may have an effect.
        let same = (rig.client.relayed, rig.client.expires) == (relayed, expires);
        assert!(same, "round {round}, seed {seed}");
        assert_eq!(rig.client.phase, Phase::Ready, "round {round}, seed {seed}");
    }
}

#[test]
fn r_f7_a_relayed_address_that_is_ours_or_unusable_is_refused() {
    for relayed in [
        "10.0.0.1:9",
        "0.0.0.0:5",
        "192.0.2.1:0",
        "224.0.0.1:5",
        "[2001:db8::9]:5",
    ] {
        let mut rig = Rig::new(server());
        rig.server.relayed = addr(relayed);
        rig.run(SECOND);
        let expected = IceServerErrorKind::Malformed;
        assert!(
            matches!(rig.only_event(), Event::Failed(kind, _) if *kind == expected),
            "{relayed}"
        );
    }
    // A lie about the mapped address is nobody's address, and takes nothing else along.
    for mapped in ["0.0.0.0:5", "198.51.100.1:0", "224.0.0.1:5", "[::]:5"] {
        let mut rig = Rig::new(server());
        rig.server.mapped = addr(mapped);
        rig.run(SECOND);
        assert!(
            matches!(rig.only_event(), Event::Ready { mapped: None, .. }),
            "{mapped}"
        );
    }
    let mut server = server();
    server.lifetime = Duration::ZERO;
    let mut rig = Rig::new(server);
    rig.run(10 * SECOND);
    assert!(matches!(rig.only_event(), Event::Failed(..)));
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn r_f6_closing_gives_the_allocation_back_even_with_a_stale_nonce_and_a_loss() {
    let mut server = server();
    server.nonce_life = 5 * SECOND;
    let mut rig = Rig::new(server);
    rig.run(20 * SECOND);
    rig.lose_every = rig.sent + 1;
    rig.client.close(rig.now, SECOND);
    rig.run(600 * SECOND / 1_000);
    assert_eq!(rig.server.allocated_until, None);
    assert_eq!(
        (rig.client.phase, rig.client.poll_timeout()),
        (Phase::Gone, None)
    );

    // A dead server does not hold up the end.
    let mut rig = ready();
    rig.server.silent = true;
    rig.client.close(rig.now, SECOND);
    rig.run(SECOND);
    assert_eq!(
        (rig.client.phase, rig.client.poll_timeout()),
        (Phase::Gone, None)
    );
}

#[test]
fn r_f6_an_allocation_given_up_on_the_way_is_given_back_when_it_comes() {
    let mut rig = Rig::new(server());
    rig.run(SECOND / 40);
    rig.client.close(rig.now, SECOND);
    rig.run(SECOND);
    assert_eq!(rig.client.phase, Phase::Gone);
    assert_eq!(rig.server.allocated_until, None);
    assert!(rig.events.is_empty(), "{:?}", rig.events);
}

#[test]
fn r_f3_an_allocation_that_a_restarted_server_forgot_is_lost_once() {
    let kept = Kept::new(Level::WARN);
    let mut rig = ready();
    rig.send(peer(), DATA);
    rig.run(SECOND);
    rig.server.restart();
    rig.client.verify(rig.now);
    rig.run(SECOND);
    let told: Vec<_> = rig.events.iter().map(|event| &event.1).collect();
    assert!(
        matches!(
            told[..],
            [Event::Ready { .. }, Event::Lost(..), Event::Ready { .. }]
        ),
        "{told:?}"
    );

    kept.expect(
        1,
        &["WARN ortc::turn", "a relay is lost", "no longer knows it"],
    );

    // Without asking it is found out at the next refresh, and a dead server at the expiry.
    let mut rig = ready();
    rig.server.silent = true;
    rig.run(700 * SECOND);
    assert!(matches!(&rig.events[1], (at, Event::Lost(..)) if *at <= 601 * SECOND));
    kept.expect(1, &["a relay is lost", "it was not refreshed in time"]);
    let cause = "the server does not answer";
    kept.expect(
        1,
        &["WARN ortc::turn", "a relay could not be refreshed", cause],
    );
    assert_eq!(rig.client.poll_timeout(), None);
}

/// Permissions are over, the allocation is not.
#[test]
fn r_d14_after_sleep_permissions_and_channels_are_there_again_at_once() {
    for (slept, nonce_life) in [(280, 600), (280, 60), (400, 600)] {
        let mut rig = ready();
        rig.server.nonce_life = nonce_life * SECOND;
        rig.send(peer(), DATA);
        rig.run(SECOND);
        rig.send(peer(), DATA);
        rig.run(30 * SECOND);
        let (events, requests) = (rig.events.len(), rig.server.requests);
        let relayed = rig.server.relays.len();
        rig.slept = slept * SECOND;
        rig.client.resumed(rig.now);
        rig.run(SECOND / 4);
        rig.send(peer(), DATA);
        rig.run(SECOND / 4);
        assert_eq!(rig.server.relays.len(), relayed + 1, "{slept} s");
        let asked = rig.server.requests - requests;
        assert!((3..=6).contains(&asked), "{asked}");
        assert_eq!(rig.events.len(), events);
    }
}

#[test]
fn r_d14_an_allocation_that_is_over_after_sleep_is_made_again_at_once() {
    let mut rig = ready();
    rig.send(peer(), DATA);
    rig.run(90 * SECOND);
    rig.slept = 3_600 * SECOND;
    let events = rig.events.len();
    rig.client.resumed(rig.now);
    rig.run(SECOND);
    let news: Vec<_> = rig.events[events..].iter().map(|(_, e)| e).collect();
    assert!(
        matches!(news[..], [Event::Lost(..), Event::Ready { .. }]),
        "{news:?}"
    );
    rig.send(peer(), DATA);
    rig.run(SECOND);
    rig.send(peer(), DATA);
    rig.run(SECOND);
    assert!(rig.server.relays.len() > 1);
}

/// A clock that was set: a refresh of each, and nothing else.
#[test]
fn r_d14_a_clock_set_ahead_costs_one_refresh() {
    let mut rig = ready();
    rig.send(peer(), DATA);
    rig.run(SECOND);
    rig.send(peer(), DATA);
    rig.run(10 * SECOND);
    let (events, requests) = (rig.events.len(), rig.server.requests);
    for n in 1..=10 {
        rig.client.resumed(rig.now);
        rig.run(SECOND);
        assert_eq!(rig.server.requests, requests + 3 * n);
    }
    assert_eq!(rig.events.len(), events);
    // While it is being asked for, too.
    let mut rig = Rig::new(FakeServer::new("192.0.2.1:50000"));
    for _ in 0..3 {
        rig.client.resumed(rig.now);
        rig.run(SECOND / 50);
    }
    rig.run(SECOND);
    assert_eq!(rig.events.len(), 1);
}

#[test]
fn verifying_tells_ready_again() {
    let mut rig = ready();
    rig.client.verify(rig.now);
    rig.run(SECOND);
    assert_eq!(rig.events.len(), 2);
    assert_eq!(rig.events[0].1, rig.events[1].1);
}

#[test]
fn peers_and_held_datagrams_are_bounded() {
    let mut rig = ready();
    rig.server.silent = true;
    for i in 0..400u32 {
        let to = SocketAddr::new(IpAddr::from((0xc633_0000 + i).to_be_bytes()), 5);
        for _ in 0..10 {
            rig.send(to, STUN);
        }
    }
    assert_eq!(rig.client.transactions.len(), peers::MAX_PERMISSIONS);
    let held = peers::MAX_PERMISSIONS * peers::MAX_HELD;
    assert_eq!(rig.client.counters.unsent, 4_000 - held as u64);

    let mut rig = ready();
    rig.send(peer(), STUN);
    rig.run(SECOND);
    for port in 1..=400 {
        rig.send(SocketAddr::new(peer().ip(), port), DATA);
        rig.run(SECOND / 10);
    }
    assert_eq!(rig.server.channels.len(), peers::MAX_CHANNELS);
    assert_eq!(rig.server.relays.len(), 401, "the rest goes by indication");
}

#[test]
fn credentials_are_not_shown() {
    assert!(!format!("{:?}", credentials("secret")).contains("secret"));
    assert!(!format!("{:?}", credentials("secret")).contains(USER));
}
