//! Messages between peers.

use std::time::Duration;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Chat, Error, Event, Payload, RoomRequest};
use ortc_rooms::signalling::SessionKind;
use serde_json::json;

use crate::support::{Member, id};

fn message(event: &Event) -> Option<(String, Payload)> {
    match event {
        Event::Message(message) => Some((message.from.userid.to_string(), message.data.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn c44_c45_c47_messages_to_all_and_to_one() {
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let mut carol = Member::new(&desk, "carol").await;
    for member in [&alice, &bob, &carol] {
        member.session.open_or_join("demo").await.unwrap();
    }
    alice.connected("carol").await;
    alice.session.send("hello").unwrap();
    let hello = ("alice".to_owned(), Payload::from("hello"));
    assert_eq!(bob.until(message).await, hello);
    assert_eq!(carol.until(message).await, hello);

    let to_carol = bob.session.peer(&id("carol")).unwrap();
    to_carol.send(json!({ "x": [1, null] })).unwrap();
    to_carol.send(vec![7; 200_000]).unwrap();
    bob.session.send("ö".repeat(30_000)).unwrap();
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(carol.until(message).await.1);
    }
    assert!(came.contains(&Payload::from(json!({ "x": [1, null] }))));
    assert!(came.contains(&Payload::from(vec![7; 200_000])));
    assert!(came.contains(&Payload::from("ö".repeat(30_000))));
    // The next that Alice gets is what went to all.
    assert_eq!(
        alice.until(message).await.1,
        Payload::from("ö".repeat(30_000))
    );
}

#[tokio::test]
async fn d17_actions_and_their_answers() {
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let room = alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    alice.connected("bob").await;
    let chat = Chat {
        text: "hi".to_owned(),
    };
    room.act(&chat).unwrap();
    let action = |event: Event| match event {
        Event::Action(action) => Some(action),
        _ => None,
    };
    let answering = tokio::spawn(async move {
        let mut chats = 0;
        while let Some(event) = bob.events.next().await {
            let Some(action) = action(event) else {
                continue;
            };
            chats += usize::from(action.read::<Chat>().unwrap().is_some());
            match (action.name.as_str(), action.reply) {
                ("x.add", Some(reply)) => {
                    let sum: i64 = action
                        .body
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter_map(|n| n.as_i64())
                        .sum();
                    reply.answer(sum).unwrap();
                }
                ("x.bad", Some(reply)) => reply.fail("no such thing").unwrap(),
                ("x.end", _) => break,
                _ => {}
            }
        }
        (chats, bob)
    });
    let peer = alice.session.peer(&id("bob")).unwrap();
    let patience = Duration::from_secs(20);
    let sum = peer
        .request_named("x.add", json!([1, 2, 3]), patience)
        .await;
    assert_eq!(sum, Ok(json!(6)));
    let bad = peer.request_named("x.bad", json!(null), patience).await;
    assert_eq!(bad, Err(Error::Answer("no such thing".to_owned())));
    let short = Duration::from_millis(300);
    let none = peer.request_named("x.none", json!(null), short).await;
    assert_eq!(none, Err(Error::Timeout));
    let last = peer.request_named("x.end", json!(null), short).await;
    assert!(last.is_err());
    assert_eq!(answering.await.unwrap().0, 1);
}

#[tokio::test]
async fn c44_a_session_without_data_sends_none() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let request = RoomRequest::from("talk").session(SessionKind::audio_video());
    let room = alice.session.open(request).await.unwrap();
    assert_eq!(room.send("hello"), Err(Error::NoData));
    assert_eq!(alice.session.send("hello"), Err(Error::NoData));
}
