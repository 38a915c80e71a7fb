//! Bounds, time limits, roles, and what who runs the desk hears.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::desk::{Admission, DeskEvent, DeskOptions};
use crate::signalling::{CallStatus, ErrorCode, Hello, LeftReason, Role};

fn bounded(change: impl FnOnce(&mut DeskOptions)) -> Desk {
    let mut options = DeskOptions::default();
    change(&mut options);
    Desk::new(options)
}

#[tokio::test(start_paused = true)]
async fn c09_c63_one_connection_is_in_many_rooms_up_to_a_bound() {
    let desk = bounded(|options| {
        options.limits.rooms_per_user = 4;
        options.limits.rooms = 5;
    });
    let mut olga = arrive(&desk, "olga").await;
    let mut paul = arrive(&desk, "paul").await;
    for room in ["a/1", "a/2", "b/1", "c"] {
        olga.say(json!({"open": {"room": room}})).await;
        paul.say(json!({"openOrJoin": {"room": room}})).await;
    }
    olga.told().await;
    paul.told().await;
    olga.say(json!({"open": {"room": "d"}})).await;
    assert_eq!(olga.told().await, ["error tooManyRooms"]);
    // What is said in one room is not heard in another by those who are in both.
    paul.say(json!({"leave": {"room": "b/1"}})).await;
    paul.told().await;
    olga.say(json!({"say": {"room": "b/1", "body": 1}})).await;
    olga.say(json!({"say": {"room": "a/2", "body": 2}})).await;
    assert_eq!(paul.told().await, ["olga says 2"]);
    let mut pia = arrive(&desk, "pia").await;
    pia.say(json!({"open": {"room": "d"}})).await;
    pia.say(json!({"open": {"room": "e"}})).await;
    assert_eq!(
        pia.told().await,
        ["room d of pia: pia", "error tooManyRooms"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_users_and_rooms_tell_is_bounded() {
    let desk = bounded(|options| {
        options.limits.extras_per_room = 20_000;
        options.limits.users_per_room = 3;
        options.limits.users = 4;
    });
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    let mut pia = arrive(&desk, "pia").await;
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    pia.say(json!({"extra": {"extra": "x".repeat(12_000)}}))
        .await;
    olga.say(json!({"extra": {"extra": "x".repeat(12_000)}}))
        .await;
    paul.told().await;
    paul.say(json!({"extra": {"extra": "x".repeat(12_000)}}))
        .await;
    assert_eq!(paul.told().await, ["error tooLarge"]);
    pia.say(json!({"join": {"room": "demo"}})).await;
    assert_eq!(pia.told().await, ["error tooLarge"]);
    pia.say(json!({"extra": {"extra": null}})).await;
    pia.say(json!({"join": {"room": "demo"}})).await;
    assert_eq!(pia.told().await, ["room demo of olga: olga paul pia"]);
    let mut zoe = arrive(&desk, "zoe").await;
    zoe.say(json!({"join": {"room": "demo"}})).await;
    assert_eq!(zoe.told().await, ["error roomFull"]);
    let features = json!({"x": "y".repeat(3000)});
    let policy = json!({"room": "demo", "policy": {"features": features}});
    olga.told().await;
    olga.say(json!({ "policy": policy })).await;
    assert_eq!(olga.told().await, ["error tooLarge"]);
    let full = Guest::arrive(&desk, "eve", Role::Participant).await;
    assert_eq!(full.err().unwrap().code, ErrorCode::Unavailable);
    let mut hello = Hello::new();
    hello.extra = json!("x".repeat(17_000));
    let large = Guest::with(&desk, hello, Admission::default()).await;
    assert_eq!(large.err().unwrap().code, ErrorCode::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_longer_than_a_message_comes_in_parts() {
    let desk = desk();
    let mut users = Vec::new();
    for number in 0..20 {
        let mut user = arrive(&desk, &format!("u{number}")).await;
        user.say(json!({"extra": {"extra": "x".repeat(10_000)}}))
            .await;
        user.say(json!({"openOrJoin": {"room": "demo"}})).await;
        users.push(user);
    }
    let last = users.last_mut().unwrap();
    let room = last.next().await;
    assert_eq!(room["room"]["users"].as_array().unwrap().len(), 20);
    for _ in 0..20 {
        let extra = last.next().await;
        assert_eq!(extra["extra"]["extra"].as_str().unwrap().len(), 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_ends_when_its_time_is_up() {
    let desk = desk();
    let mut olga = arrive(&desk, "olga").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = u64::try_from(now.unwrap().as_millis()).unwrap();
    let policy = json!({"closeAt": now + 600_000});
    olga.say(json!({"open": {"room": "demo", "policy": policy}}))
        .await;
    let later = json!({"room": "demo", "policy": {"closeAt": now + 1_200_000}});
    olga.say(json!({ "policy": later })).await;
    olga.told().await;
    tokio::time::sleep(Duration::from_secs(1100)).await;
    assert_eq!(olga.told().await, Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(olga.told().await, ["closed timeUp"]);
}

#[tokio::test(start_paused = true)]
async fn c65_who_runs_the_desk_hears_what_happens() {
    let desk = desk();
    let mut events = desk.events();
    let mut olga = arrive(&desk, "olga").await;
    olga.say(json!({"open": {"room": "demo", "policy": {"maxParticipantsAllowed": 1}}}))
        .await;
    let mut paul = arrive(&desk, "paul").await;
    let mut pia = arrive(&desk, "pia").await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    pia.say(json!({"join": {"room": "demo"}})).await;
    pia.say(json!({"call": {"call": "a", "to": "paul"}})).await;
    paul.say(json!({"answer": {"call": "a", "to": "pia", "answer": "accept"}}))
        .await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    pia.say(json!({"answer": {"call": "a", "to": "paul", "answer": "cancel"}}))
        .await;
    olga.say(json!({"bye": {}})).await;
    paul.say(json!({"leave": {"room": "demo"}})).await;
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        if !matches!(event, DeskEvent::Arrived { .. }) {
            heard.push(event);
        }
    }
    let id = super::guest::id;
    let room: crate::signalling::RoomName = "demo".parse().unwrap();
    let call = |status, lasted_ms| DeskEvent::Call {
        call: "a".parse().unwrap(),
        from: id("pia"),
        to: id("paul"),
        status,
        lasted_ms,
        session: Default::default(),
    };
    let left = |name, reason| DeskEvent::Left {
        room: room.clone(),
        userid: id(name),
        reason,
    };
    let joined = |name| DeskEvent::Joined {
        room: room.clone(),
        userid: id(name),
    };
    let wanted = [
        DeskEvent::RoomOpened {
            room: room.clone(),
            userid: id("olga"),
        },
        joined("olga"),
        joined("paul"),
        DeskEvent::Full {
            room: room.clone(),
            userid: id("pia"),
        },
        call(CallStatus::Ringing, None),
        call(CallStatus::Accepted, None),
        call(CallStatus::Cancelled, Some(7000)),
        left("olga", LeftReason::Left),
        DeskEvent::Owner {
            room: room.clone(),
            userid: id("paul"),
        },
        DeskEvent::Gone { userid: id("olga") },
        left("paul", LeftReason::Left),
        DeskEvent::RoomClosed { room: room.clone() },
    ];
    assert_eq!(heard, wanted);
}

#[tokio::test(start_paused = true)]
async fn c78_a_call_that_nobody_answers_times_out() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"call": {"call": "a", "to": "paul"}})).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(olga.told().await, ["a with paul: ringing"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(olga.told().await, ["a with paul: timeout"]);
    assert_eq!(
        paul.told().await,
        ["a called by olga", "a with olga: timeout"]
    );
    // One whose connection is lost may come back to the call; one who does not is gone.
    olga.say(json!({"call": {"call": "b", "to": "paul"}})).await;
    paul.say(json!({"answer": {"call": "b", "to": "olga", "answer": "accept"}}))
        .await;
    paul.lose();
    tokio::time::sleep(Duration::from_secs(31)).await;
    let told = olga.told().await;
    assert_eq!(
        told,
        [
            "b with paul: ringing",
            "b with paul: accepted",
            "b with paul: gone"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn c74_c76_roles_are_what_the_server_says() {
    let desk = desk();
    let mut olga = arrive(&desk, "olga").await;
    olga.say(json!({"open": {"room": "demo"}})).await;
    let mut anna = Guest::arrive(&desk, "anna", Role::Admin).await.unwrap();
    let mut ida = Guest::arrive(&desk, "ida", Role::Inspector).await.unwrap();
    assert_eq!(anna.welcome["role"], "admin");
    ida.say(json!({"open": {"room": "hers"}})).await;
    assert_eq!(ida.told().await, ["error notAllowed"]);
    anna.say(json!({"join": {"room": "demo"}})).await;
    ida.say(json!({"join": {"room": "demo", "role": "admin"}}))
        .await;
    let state = ida.next().await;
    let roles = state["room"]["users"].as_array().unwrap().iter();
    let roles: Vec<_> = roles.map(|user| user["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["participant", "admin", "inspector"]);
    ida.say(json!({"present": {"room": "demo", "on": true}}))
        .await;
    ida.say(json!({"close": {"room": "demo"}})).await;
    assert_eq!(ida.told().await, ["error notAllowed", "error notAllowed"]);
    // The role holds over a resume, whatever the client says then.
    anna.back(&desk).await.unwrap();
    anna.say(json!({"close": {"room": "demo"}})).await;
    assert!(anna.told().await.contains(&"closed closed".to_owned()));
    // A token for one room.
    let one = Admission::new(Role::Participant).with_rooms(vec!["demo".parse().unwrap()]);
    let mut eve = Guest::with(&desk, Hello::new(), one).await.unwrap();
    eve.say(json!({"open": {"room": "other"}})).await;
    eve.say(json!({"openOrJoin": {"room": "demo"}})).await;
    let told = eve.told().await;
    assert_eq!(told[0], "error notAllowed");
    assert!(told[1].starts_with("room demo"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_ends_the_connection_or_is_answered() {
    let desk = desk();
    let deep = format!(
        r#"{{"seq":9,"message":{{"say":{{"room":"a","body":{}}}}}}}"#,
        "[".repeat(9000)
    );
    let long = format!(r#"{{"seq":9,"message":{{"x":"{}"}}}}"#, "y".repeat(65_536));
    for (text, code) in [
        ("", 1007),
        ("null", 1007),
        ("[1]", 1007),
        (r#"{"seq":-1}"#, 1007),
        (r#"{"seq":1,"message":"#, 1007),
        (deep.as_str(), 1007),
        (long.as_str(), 1009),
    ] {
        let mut paul = arrive(&desk, "paul").await;
        let seat = paul.seat.as_mut().unwrap();
        assert_eq!(seat.said(text).await.unwrap_err().code, code, "{text:.40}");
        paul.seat.take().unwrap().gone().await;
    }
    let mut paul = arrive(&desk, "paul").await;
    for message in [
        json!({"x": 1}),
        json!(7),
        json!({"join": {}}),
        json!({"hello": {"version": 1}}),
    ] {
        paul.say(message).await;
    }
    let told = paul.told().await;
    assert_eq!(
        told,
        [
            "error badMessage",
            "error badMessage",
            "error badMessage",
            "error badHello"
        ]
    );
    // A number that has come before is not done again, and one is told what has come.
    let seat = paul.seat.as_mut().unwrap();
    let open = r#"{"seq":5,"message":{"open":{"room":"demo"}}}"#;
    seat.said(open).await.unwrap();
    seat.said(open).await.unwrap();
    assert_eq!(paul.told().await, ["room demo of paul: paul"]);
}
