//! ICE restarts in every order, by applications that signal what the events give and nothing else.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use std::time::Duration;

use crate::common::{loopback, run, within};
use ortc::{
    RTCConnection, RTCConnectionEvent, RTCConnectionEvents, RTCConnectionOptions,
    RTCConnectionSide, RTCConnectionState, RTCIceCandidateDescription,
};

#[derive(Debug, Clone)]
enum Message {
    Side(String),
    Candidate(String),
    End,
}

/// An application: it signals its side at the beginning and after each restart, and whatever the
/// events tell it to.
struct App {
    connection: RTCConnection,
    events: RTCConnectionEvents,
    outbox: VecDeque<Message>,
    /// Selected pairs so far.
    pairs: usize,
    halted: bool,
    /// Leaves `usernameFrag` out, as peers may.
    untagged: bool,
    /// Answers a restart of the peer by one of its own.
    answers: bool,
    peer_side: Option<RTCConnectionSide>,
}

impl App {
    fn new(options: RTCConnectionOptions, untagged: bool) -> Self {
        let (connection, events) = RTCConnection::new(options).unwrap();
        let mut app = Self {
            connection,
            events,
            outbox: VecDeque::new(),
            pairs: 0,
            halted: false,
            untagged,
            answers: false,
            peer_side: None,
        };
        app.introduce();
        app
    }

    fn introduce(&mut self) {
        let side = serde_json::to_string(&self.connection.local()).unwrap();
        self.outbox.push_back(Message::Side(side));
    }

    fn restart(&mut self) {
        // What was told before belongs to the former generation.
        self.read_events();
        self.connection.restart().unwrap();
        self.introduce();
    }

    fn read_events(&mut self) {
        while let Some(event) = self.events.try_next() {
            match event {
                RTCConnectionEvent::Candidate(mut candidate) => {
                    if self.untagged {
                        candidate.username_frag = None;
                    }
                    let candidate = serde_json::to_string(&candidate).unwrap();
                    self.outbox.push_back(Message::Candidate(candidate));
                }
                RTCConnectionEvent::EndOfCandidates => self.outbox.push_back(Message::End),
                RTCConnectionEvent::ActiveCandidate { .. } => self.pairs += 1,
                RTCConnectionEvent::Disconnected { .. } => self.halted = true,
                _ => {}
            }
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Side(side) => {
                let side: RTCConnectionSide = serde_json::from_str(&side).unwrap();
                let again = self.peer_side.as_ref().is_some_and(|known| *known != side);
                self.connection.set_remote(side.clone()).unwrap();
                self.peer_side = Some(side);
                self.connection.connect().unwrap();
                if again && self.answers {
                    self.answers = false;
                    self.restart();
                }
            }
            Message::Candidate(candidate) => {
                let candidate: RTCIceCandidateDescription =
                    serde_json::from_str(&candidate).unwrap();
                self.connection.set_remote_candidate(&candidate).unwrap();
            }
            Message::End => self.connection.end_of_remote_candidates().unwrap(),
        }
    }
}

/// In which order what waits arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Sent,
    /// Each candidate before the side that it belongs to.
    SidesLast,
    /// And what was sent before the last restart comes once more.
    LateAgain,
}

/// Two applications and the signalling between them.
struct Call {
    apps: [App; 2],
    order: Order,
    past: [Vec<Message>; 2],
}

impl Call {
    fn new(order: Order, untagged: bool) -> Self {
        Self {
            apps: [0, 1].map(|_| App::new(loopback(), untagged)),
            order,
            past: Default::default(),
        }
    }

    async fn connected(order: Order, untagged: bool) -> Self {
        let mut call = Self::new(order, untagged);
        assert!(call.until("connected", Call::is_connected).await);
        call
    }

    fn is_connected(&self) -> bool {
        let connected = |app: &App| app.connection.state() == RTCConnectionState::Connected;
        self.apps.iter().all(connected)
    }

    fn deliver(&mut self) {
        for from in 0..2 {
            self.apps[from].read_events();
            let mut messages: Vec<_> = self.apps[from].outbox.drain(..).collect();
            if messages.is_empty() {
                continue;
            }
            let sent = messages.clone();
            match self.order {
                Order::Sent => {}
                Order::SidesLast => {
                    messages.reverse();
                    let sides = sent.iter().filter(|m| matches!(m, Message::Side(_)));
                    messages.retain(|message| !matches!(message, Message::Side(_)));
                    messages.extend(sides.cloned());
                }
                Order::LateAgain => messages.extend(self.past[from].iter().cloned()),
            }
            self.past[from].extend(sent);
            for message in messages {
                self.apps[1 - from].receive(message);
            }
        }
    }

    /// True, or the test has failed.
    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> bool {
        let begin = tokio::time::Instant::now();
        loop {
            self.deliver();
            if done(self) {
                return true;
            }
            if begin.elapsed() > Duration::from_secs(8) {
                let order = self.order;
                let states = self.apps.each_ref().map(|app| app.connection.state());
                panic!("{what}: {order:?}, {states:?}, {:?}", self.apps[0].untagged);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Both sides select a pair of the new generation, and none was lost meanwhile.
    async fn renewed(&mut self, what: &str, before: [usize; 2]) -> bool {
        let renewed = |call: &Self| {
            let mut apps = call.apps.iter().zip(before);
            apps.all(|(app, before)| app.pairs > before)
        };
        self.until(what, |call| renewed(call) && call.is_connected())
            .await;
        self.apps.iter().all(|app| !app.halted)
    }

    fn pairs(&mut self) -> [usize; 2] {
        self.deliver();
        self.apps.each_ref().map(|app| app.pairs)
    }
}

const ORDERS: [Order; 3] = [Order::Sent, Order::SidesLast, Order::LateAgain];

async fn each(scenario: impl AsyncFn(Order, bool)) {
    within(60, async {
        for order in ORDERS {
            for untagged in [false, true] {
                scenario(order, untagged).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn g008_r_b14_both_restart_at_once() {
    run(each(async |order, untagged| {
        let mut call = Call::connected(order, untagged).await;
        // More often than anything is remembered.
        for _ in 0..6 {
            let before = call.pairs();
            call.apps.iter_mut().for_each(App::restart);
            assert!(call.renewed("both", before).await);
        }
    }))
    .await;
}

#[tokio::test]
async fn g008_r_b14_one_side_restarts() {
    run(each(async |order, untagged| {
        for side in 0..2 {
            let mut call = Call::connected(order, untagged).await;
            for _ in 0..3 {
                let before = call.pairs();
                call.apps[side].restart();
                assert!(call.renewed("one", before).await);
            }
            // And the other one as an answer.
            let before = call.pairs();
            call.apps[1 - side].answers = true;
            call.apps[side].restart();
            assert!(call.renewed("answered", before).await);
            let after = call.apps[1 - side].connection.local();
            assert!(
                call.until("told", |call| {
                    call.apps[side].connection.remote().unwrap().ice == after.ice
                })
                .await
            );
        }
    }))
    .await;
}

#[tokio::test]
async fn g008_r_b14_restarts_before_anything_of_the_last_one_was_told() {
    run(each(async |order, untagged| {
        let mut call = Call::connected(order, untagged).await;
        for times in [[2, 2], [1, 2], [5, 0], [0, 5], [5, 5]] {
            let before = call.pairs();
            for (app, times) in call.apps.iter_mut().zip(times) {
                (0..times).for_each(|_| app.restart());
            }
            assert!(call.renewed("several", before).await);
        }
    }))
    .await;
}

#[tokio::test]
async fn g008_r_b14_restarts_while_gathering_and_while_checking() {
    run(each(async |order, untagged| {
        for sides in [&[0][..], &[1], &[0, 1]] {
            // Nothing is told yet.
            let mut call = Call::new(order, untagged);
            sides.iter().for_each(|&side| call.apps[side].restart());
            assert!(call.until("while gathering", Call::is_connected).await);
            // One side knows the other.
            let mut call = Call::new(order, untagged);
            call.deliver();
            sides.iter().for_each(|&side| call.apps[side].restart());
            assert!(call.until("while checking", Call::is_connected).await);
        }
    }))
    .await;
}

/// The candidates come again under the new user name fragment, and their end as well.
#[tokio::test]
async fn a033_g008_a_restart_announces_every_candidate_again() {
    run(async {
        let mut app = App::new(loopback(), false);
        let mut told = Vec::new();
        for _ in 0..3 {
            app.restart();
            tokio::time::sleep(Duration::from_millis(50)).await;
            app.read_events();
            app.connection.restart().unwrap();
            let ufrag = app.connection.local().ice.username_frag;
            let mut candidates = Vec::new();
            loop {
                match within(5, app.events.next()).await.unwrap() {
                    RTCConnectionEvent::Candidate(candidate) => {
                        assert_eq!(candidate.username_frag.as_ref(), Some(&ufrag));
                        candidates.push((candidate.connection_address, candidate.connection_port));
                    }
                    RTCConnectionEvent::EndOfCandidates => break,
                    _ => {}
                }
            }
            assert!(!candidates.is_empty());
            told.push(candidates);
        }
        assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
        // With the same credentials nothing is announced twice.
        app.connection.update().unwrap();
        loop {
            match within(5, app.events.next()).await.unwrap() {
                RTCConnectionEvent::Candidate(again) => panic!("{again:?}"),
                RTCConnectionEvent::EndOfCandidates => break,
                _ => {}
            }
        }
    })
    .await;
}

/// However changes of the network are taken, and whether ICE restarts by itself: what works is
/// gathered on anew when it is asked for, and never restarted for nothing.
#[tokio::test]
async fn a022_g008_options_for_networks_that_change_leave_alone_what_works() {
    use crate::common::connected_pair_with;
    use ortc::NetworkChanges;
    run(async {
        for changes in [
            NetworkChanges::Follow,
            NetworkChanges::KeepPath,
            NetworkChanges::Ignore,
        ] {
            let options = || loopback().network_changes(changes).auto_restart(true);
            let (a, b) = connected_pair_with(options(), options()).await;
            let before = a.connection.local();
            a.connection.update().unwrap();
            within(10, async {
                let ends = |events: &[RTCConnectionEvent]| {
                    let end = |e: &&RTCConnectionEvent| **e == RTCConnectionEvent::EndOfCandidates;
                    events.iter().filter(end).count()
                };
                while ends(&a.events()) < 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            assert_eq!(a.connection.local(), before);
            for peer in [&a, &b] {
                assert_eq!(peer.connection.state(), RTCConnectionState::Connected);
                let restarted = peer.events().contains(&RTCConnectionEvent::Restarted);
                assert!(!restarted, "{changes:?}");
                peer.connection.close();
            }
        }
    })
    .await;
}
