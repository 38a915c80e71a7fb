//! Sessions of the client's library at this server, by either way.

use std::time::{Duration, Instant};

use ortc_rooms::session::{Event, Events, Payload, Session, SessionOptions};
use ortc_rooms::signalling::UserId;
use ortc_rooms::signalling::poll::{LongPoll, LongPollOptions};

use crate::client::server;

fn options(userid: &str) -> SessionOptions {
    let mut options = SessionOptions::new().with_userid(userid).unwrap();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    options
}

async fn message(events: &mut Events) -> (UserId, Payload) {
    loop {
        match events.next().await.unwrap() {
            Event::Message(message) => return (message.from.userid, message.data),
            event => drop(event),
        }
    }
}

#[tokio::test]
async fn d3_e17_a_websocket_and_one_that_polls_meet() {
    let server = server(|_| {}).await;
    let meet = async {
        let url = format!("ws://{}/ws", server.address());
        let (alice, mut alice_hears) = Session::connect(url, options("alice")).await.unwrap();
        let bob = options("bob");
        let url = format!("http://{}/poll", server.address());
        let polls = LongPoll::connect(url, bob.hello(), LongPollOptions::default());
        let (bob, mut bob_hears) = Session::with(polls.await.unwrap(), bob).await.unwrap();
        let room = alice.open("demo").await.unwrap();
        bob.join("demo").await.unwrap();
        bob.send("from one that polls").unwrap();
        let (from, said) = message(&mut alice_hears).await;
        assert_eq!(
            (from.as_str(), said),
            ("bob", Payload::from("from one that polls"))
        );
        alice.send("from a WebSocket").unwrap();
        let (from, said) = message(&mut bob_hears).await;
        assert_eq!(
            (from.as_str(), said),
            ("alice", Payload::from("from a WebSocket"))
        );
        bob.end();
        while room.users().len() > 1 {
            assert!(alice_hears.next().await.is_some());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), meet)
        .await
        .unwrap();
}

/// Who leaves as the server tells it something has left, and is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_who_leave_at_once_have_left() {
    let server = server(|_| {}).await;
    let url = format!("ws://{}/ws", server.address());
    for round in 0..20 {
        let mut sessions = Vec::new();
        for name in ["alice", "bob", "carl", "dora"] {
            let options = options(&format!("{name}.{round}"));
            let (session, _events) = Session::connect(url.clone(), options).await.unwrap();
            session.open_or_join("demo").await.unwrap();
            sessions.push(session);
        }
        sessions.iter().for_each(Session::end);
        let begun = Instant::now();
        while !server.desk().rooms().is_empty() {
            // Of a lost one it keeps the place for 30 s.
            assert!(begun.elapsed() < Duration::from_secs(20), "round {round}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
