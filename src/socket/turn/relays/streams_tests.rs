#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::stun::message::{METHOD_ALLOCATE, METHOD_REFRESH, TransactionId};

use super::super::super::fake_server::{FakeServer, PASSWORD, USER, channel_data};
use super::super::*;
use super::*;
use crate::socket::turn::stream_frame::first_message;

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

/// Relays over streams to one server, which ends its allocation with the stream.
struct Rig {
    start: Instant,
    now: Instant,
    relays: Relays,
    server: FakeServer,
    /// To where each goes.
    open: BTreeMap<StreamId, SocketAddr>,
    opened: Vec<(Duration, SocketAddr)>,
    outcomes: Vec<RelayOutcome>,
    sent: usize,
}

impl Rig {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            relays: Relays::new(tracing::Span::none()),
            server: FakeServer::new("192.0.2.1:50000"),
            open: BTreeMap::new(),
            opened: Vec::new(),
            outcomes: Vec::new(),
            sent: 0,
        }
    }

    fn ready() -> Self {
        let mut rig = Self::new();
        rig.ask(1, Carrier::Tcp);
        assert!(matches!(
            &rig.outcomes[..],
            [RelayOutcome::Relayed { relayed, .. }] if *relayed == rig.server.relayed
        ));
        rig.outcomes.clear();
        rig
    }

    fn ask(&mut self, ticket: u8, carrier: Carrier) {
        let request = RelayRequest {
            ticket: TransactionId([ticket; 12]),
            base: base(),
            server: addr("192.0.2.1:3478"),
            carrier,
            credentials: Arc::new(TurnCredentials {
                username: USER.into(),
                password: PASSWORD.into(),
            }),
            reserved: vec![base()],
        };
        self.relays.request(self.now, request);
        self.pump();
    }

    fn pump(&mut self) {
        loop {
            while let Some(wish) = self.relays.poll_stream() {
                match wish {
                    StreamWish::Open { id, from, to, .. } => {
                        assert_eq!(from, base());
                        self.opened.push((self.now - self.start, to));
                        self.open.insert(id, to);
                    }
                    StreamWish::Close(id) => {
                        if self.open.remove(&id).is_some() {
                            self.server.allocated_until = None;
                        }
                    }
                }
            }
            let Some(message) = self.relays.poll_transmit() else {
                break;
            };
            self.deliver(message);
        }
        self.outcomes
            .extend(std::iter::from_fn(|| self.relays.poll_outcome()));
    }

    fn deliver(&mut self, message: ToServer) {
        let ToServer::Stream { id, contents, .. } = message else {
            panic!("a datagram");
        };
        assert!(self.open.contains_key(&id), "closed, or never opened");
        let mut rest = &contents[..];
        while let Some(length) = first_message(rest).unwrap() {
            let (message, after) = rest.split_at(length);
            self.sent += 1;
            if let Some(answer) = self.server.handle(self.now, message) {
                self.relays.handle_stream(self.now, id, &answer);
            }
            rest = after;
        }
        assert!(rest.is_empty());
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

    /// What goes out of it at once.
    fn send(&mut self, datagrams: &[u8], segment_size: usize) -> Option<ToServer> {
        let transmit = Transmit {
            local: self.server.relayed,
            remote: peer(),
            contents: datagrams.to_vec(),
            segment_size,
        };
        let wrapped = self.relays.wrap(self.now, transmit).unwrap();
        self.pump();
        wrapped
    }

    fn send_one(&mut self) {
        if let Some(message) = self.send(DATA, DATA.len()) {
            self.deliver(message);
        }
    }

    /// The server is gone, or a box on the way.
    fn cut(&mut self) {
        let kind = IceServerErrorKind::Unreachable;
        for id in std::mem::take(&mut self.open).into_keys() {
            self.server.allocated_until = None;
            self.relays.stream_ended(self.now, id, kind, "reset");
        }
        self.pump();
    }
}

#[test]
fn nothing_is_sent_again_and_silence_is_an_end() {
    let mut rig = Rig::new();
    rig.server.silent = true;
    rig.ask(1, Carrier::Tcp);
    rig.run(9 * SECOND);
    assert_eq!((rig.sent, rig.open.len()), (1, 1));
    rig.run(2 * SECOND);
    let failed = |o: &RelayOutcome| {
        matches!(
            o,
            RelayOutcome::Failed {
                kind: IceServerErrorKind::Timeout,
                ..
            }
        )
    };
    assert!(matches!(&rig.outcomes[..], [one] if failed(one)));
    assert!(rig.open.is_empty() && rig.relays.is_empty());
}

#[test]
fn a_stream_that_cannot_be_opened_is_the_error_of_the_server() {
    let mut rig = Rig::new();
    rig.server.silent = true;
    rig.ask(1, Carrier::Tls("turn.example".into()));
    rig.outcomes.clear();
    let id = *rig.open.keys().next().unwrap();
    let kind = IceServerErrorKind::Certificate;
    rig.relays.stream_ended(rig.now, id, kind, "not trusted");
    rig.pump();
    assert!(matches!(
        &rig.outcomes[..],
        [RelayOutcome::Failed { kind: IceServerErrorKind::Certificate, message, .. }]
            if message == "not trusted"
    ));
    assert!(rig.relays.is_empty());
}

/// RFC 8656 section 12.5.
#[test]
fn messages_are_padded_to_four_bytes_each() {
    let mut rig = Rig::ready();
    // The first one waits for the permission, the second asks for the channel.
    rig.send_one();
    rig.send_one();
    let train = [DATA, DATA, &DATA[..2]].concat();
    let Some(ToServer::Stream {
        contents, media, ..
    }) = rig.send(&train, DATA.len())
    else {
        panic!("a datagram");
    };
    assert_eq!((contents.len(), media), (12 + 12 + 8, 3));
    assert_eq!(&contents[..4], [0x40, 0, 0, 5]);
    assert_eq!(&contents[12..16], [0x40, 0, 0, 5]);
    assert_eq!(&contents[24..], [0x40, 0, 0, 2, 0x80, 1, 0, 0]);
    // And what comes is read without its padding.
    let id = *rig.open.keys().next().unwrap();
    let mut message = channel_data(0x4000, DATA);
    message.resize(12, 0);
    let came = rig.relays.handle_stream(rig.now, id, &message);
    assert_eq!(
        came,
        RelayInput::Data {
            relayed: rig.server.relayed,
            peer: peer(),
            payload: 4..9
        }
    );
    let stranger = StreamId(id.0 + 1);
    let came = rig.relays.handle_stream(rig.now, stranger, &message);
    assert_eq!(came, RelayInput::Other);
    // The same from the server's address over UDP is nobody's.
    let came = rig
        .relays
        .handle_datagram(rig.now, base(), addr("192.0.2.1:3478"), &message);
    assert_eq!(came, RelayInput::Other);
}

#[test]
fn r_f2_relays_are_kept_with_lifetimes_of_60_s_and_nonces_of_10_s() {
    let mut rig = Rig::new();
    rig.server.lifetime = 60 * SECOND;
    rig.server.permission_lifetime = 60 * SECOND;
    rig.server.nonce_life = 10 * SECOND;
    rig.ask(1, Carrier::Tcp);
    rig.outcomes.clear();
    for second in 0..900 {
        rig.send_one();
        assert!(rig.server.allocated_until.is_some_and(|at| at > rig.now));
        assert_eq!(rig.server.relays.len(), second + 1, "one was not relayed");
        let id = *rig.open.keys().next().unwrap();
        let mut answer = channel_data(0x4000, DATA);
        answer.resize(12, 0);
        rig.relays.handle_stream(rig.now, id, &answer);
        rig.run(SECOND);
    }
    assert_eq!(rig.opened.len(), 1);
    assert!(rig.server.stale_answers > 0);
    assert!(rig.outcomes.is_empty());
}

#[test]
fn r_f3_a_stream_that_ends_is_opened_again_with_a_new_relay() {
    let mut rig = Rig::ready();
    rig.server.relayed = addr("192.0.2.1:50001");
    rig.cut();
    assert!(matches!(
        &rig.outcomes[..],
        [RelayOutcome::Lost(old), RelayOutcome::Renewed { relayed, .. }]
            if *old == addr("192.0.2.1:50000") && *relayed == addr("192.0.2.1:50001")
    ));
    // And again, at once: there is no hurry any more, and no end either.
    rig.outcomes.clear();
    rig.cut();
    assert!(matches!(&rig.outcomes[..], [RelayOutcome::Lost(_)]));
    rig.run(SECOND);
    assert!(matches!(&rig.outcomes[1..], [RelayOutcome::Renewed { .. }]));
    // A server that stays away is asked every 4 s at last, and found within that time.
    rig.opened.clear();
    rig.cut();
    for _ in 0..60 {
        rig.run(SECOND / 2);
        rig.cut();
    }
    assert!((6..11).contains(&rig.opened.len()), "{:?}", rig.opened);
    rig.outcomes.clear();
    rig.run(4 * SECOND);
    assert!(matches!(&rig.outcomes[..], [RelayOutcome::Renewed { .. }]));
}

/// Wrong credentials are not better the next time.
#[test]
fn a_relay_in_use_that_is_refused_later_is_given_up() {
    let mut rig = Rig::ready();
    rig.server.refuse = Some((METHOD_ALLOCATE, 486));
    rig.cut();
    rig.run(60 * SECOND);
    assert_eq!(rig.opened.len(), 2);
    assert!(rig.relays.is_empty() && rig.open.is_empty());
}

/// A stream on which nothing comes back any more, though the other end takes everything.
#[test]
fn a_silent_stream_is_left_for_another() {
    let mut rig = Rig::ready();
    rig.send_one();
    rig.send_one();
    let id = *rig.open.keys().next().unwrap();
    let mut answer = channel_data(0x4000, DATA);
    answer.resize(12, 0);
    rig.relays.handle_stream(rig.now, id, &answer);
    rig.server.silent = true;
    let start = rig.now;
    while rig.opened.len() < 2 {
        rig.run(SECOND / 10);
        if rig.opened.len() < 2 {
            rig.send_one();
        }
        assert!(rig.now < start + 20 * SECOND);
    }
    assert!(!rig.open.contains_key(&id), "the old one is closed");
}

#[test]
fn three_ways_to_one_server_are_three_relays() {
    let mut rig = Rig::new();
    rig.server.silent = true;
    for (ticket, carrier) in [
        (1, Carrier::Tcp),
        (2, Carrier::Tls("a.example".into())),
        (3, Carrier::Tls("b.example".into())),
        (4, Carrier::Tcp),
    ] {
        rig.ask(ticket, carrier);
    }
    assert_eq!(rig.open.len(), 3);
}

#[test]
fn a_redirection_is_followed_on_a_stream_to_the_other_server() {
    let mut rig = Rig::new();
    rig.server.redirects = true;
    rig.server.alternate = Some(addr("192.0.2.9:3478"));
    rig.ask(1, Carrier::Tcp);
    // Which sends it away as well, and then it is enough.
    let to: Vec<_> = rig.opened.iter().map(|(_, to)| *to).collect();
    assert_eq!(to, ["192.0.2.1:3478", "192.0.2.9:3478"].map(addr));
    assert!(rig.open.is_empty());
}

#[test]
fn r_f6_a_released_relay_is_given_back_and_its_stream_closed() {
    let mut rig = Rig::ready();
    rig.relays.release(rig.now);
    rig.pump();
    assert!(rig.server.granted.iter().any(|(_, m)| *m == METHOD_REFRESH));
    assert!(rig.open.is_empty() && rig.relays.is_empty());
    // A server that is silent costs its time, and no more.
    let mut rig = Rig::ready();
    rig.server.silent = true;
    rig.relays.release(rig.now);
    rig.run(SECOND);
    assert!(rig.open.is_empty() && rig.relays.is_empty());
}
