//! What holds of rooms, whichever door their users came in by.

use std::time::Duration;

use ortc_rooms::signalling::{ErrorCode, Role};
use serde_json::json;

use super::{GRACE, Guest, House, arrive};

const MOMENT: Duration = Duration::from_millis(300);

/// Olga has opened the room `demo`, Paul has entered it by the other door.
async fn room_of_two(house: &House) -> (Guest, Guest) {
    let mut olga = arrive(&house.one, "olga").await;
    let mut paul = arrive(&house.two, "paul").await;
    olga.say(json!({"open": {"room": "demo"}})).await;
    olga.hears(&["demo of olga: olga"]).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.hears(&["demo of olga: olga paul"]).await;
    olga.hears(&["paul joined"]).await;
    (olga, paul)
}

pub(super) async fn c20_c40_open_join_and_close(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    paul.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "other"}})).await;
    paul.hears(&[
        "error roomExists",
        "error alreadyInRoom",
        "error noSuchRoom",
    ])
    .await;
    paul.say(json!({"close": {"room": "demo"}})).await;
    paul.hears(&["error notAllowed"]).await;
    paul.say(json!({"say": {"room": "demo", "to": "olga", "body": [1]}}))
        .await;
    paul.say(json!({"say": {"room": "demo", "body": [2]}}))
        .await;
    paul.say(json!({"say": {"room": "demo", "to": "zoe", "body": [3]}}))
        .await;
    olga.hears(&["paul says [1]", "paul says [2]"]).await;
    paul.hears(&["error noSuchUser"]).await;
    paul.say(json!({"leave": {"room": "demo"}})).await;
    paul.hears(&["closed left"]).await;
    olga.hears(&["paul left"]).await;
    paul.say(json!({"openOrJoin": {"room": "demo"}})).await;
    paul.hears(&["demo of olga: olga paul"]).await;
    olga.say(json!({"close": {"room": "demo"}})).await;
    olga.hears(&["paul joined", "closed closed"]).await;
    paul.hears(&["closed closed"]).await;
    paul.say(json!({"open": {"room": "demo"}})).await;
    paul.hears(&["demo of paul: paul"]).await;
}

pub(super) async fn c10_c38_the_owner_is_lost(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    olga.lose();
    paul.hears_nothing(GRACE / 2).await;
    paul.hears(&["olga lost", "owner paul"]).await;
    let mut olga = loop {
        // Her id is free a moment after she has left.
        match Guest::arrive(&house.one, "olga", Role::Participant).await {
            Ok(olga) => break olga,
            Err(_) => tokio::time::sleep(MOMENT).await,
        }
    };
    olga.say(json!({"join": {"room": "demo"}})).await;
    olga.hears(&["demo of paul: paul olga"]).await;
}

pub(super) async fn c08_c39_eject_and_ban(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    paul.say(json!({"eject": {"room": "demo", "userid": "olga"}}))
        .await;
    paul.hears(&["error notAllowed"]).await;
    olga.say(json!({"eject": {"room": "demo", "userid": "paul"}}))
        .await;
    paul.hears(&["closed ejected"]).await;
    olga.hears(&["paul ejected"]).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.hears(&["demo of olga: olga paul"]).await;
    olga.say(json!({"eject": {"room": "demo", "userid": "paul", "ban": true}}))
        .await;
    olga.hears(&["paul joined", "paul ejected"]).await;
    paul.hears(&["closed banned"]).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.hears(&["error banned"]).await;
}

pub(super) async fn c62_d11_places(house: &House) {
    let mut olga = arrive(&house.one, "olga").await;
    let policy = json!({"maxParticipantsAllowed": 1});
    olga.say(json!({"open": {"room": "demo", "policy": policy}}))
        .await;
    let mut paul = arrive(&house.two, "paul").await;
    let mut pia = arrive(&house.one, "pia").await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.hears(&["demo of olga: olga paul"]).await;
    pia.say(json!({"join": {"room": "demo"}})).await;
    pia.hears(&["error roomFull"]).await;
    let policy = json!({"room": "demo", "policy": {"maxParticipantsAllowed": 2}});
    paul.say(json!({ "policy": policy })).await;
    paul.hears(&["error notAllowed"]).await;
    olga.say(json!({ "policy": policy })).await;
    pia.say(json!({"join": {"room": "demo"}})).await;
    pia.hears(&["demo of olga: olga paul pia"]).await;
}

pub(super) async fn c66_password(house: &House) {
    let mut olga = arrive(&house.one, "olga").await;
    let open = json!({"room": "demo", "password": "sesame"});
    olga.say(json!({ "open": open })).await;
    olga.hears(&["demo of olga: olga"]).await;
    let mut paul = arrive(&house.two, "paul").await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo", "password": "x"}}))
        .await;
    paul.say(json!({ "join": open })).await;
    paul.hears(&[
        "error badPassword",
        "error badPassword",
        "demo of olga: olga paul",
    ])
    .await;
}

pub(super) async fn c75_c77_c78_c79_calls(house: &House) {
    let mut olga = arrive(&house.one, "olga").await;
    let mut paul = arrive(&house.two, "paul").await;
    let mut gus = Guest::arrive(&house.two, "gus", Role::Guest).await.unwrap();
    let mut anna = Guest::arrive(&house.one, "anna", Role::Admin)
        .await
        .unwrap();
    let call = |call: &str, to: &str| json!({"call": {"call": call, "to": to}});
    let answer = |call: &str, to: &str, answer: &str| json!({"answer": {"call": call, "to": to, "answer": answer}});
    olga.say(call("a", "paul")).await;
    olga.hears(&["a with paul: ringing"]).await;
    paul.hears(&["a by olga"]).await;
    anna.say(call("b", "paul")).await;
    anna.hears(&["b with paul: busy"]).await;
    paul.say(answer("a", "olga", "accept")).await;
    olga.hears(&["a with paul: accepted"]).await;
    anna.say(call("c", "olga")).await;
    anna.hears(&["c with olga: busy"]).await;
    olga.say(answer("a", "paul", "cancel")).await;
    paul.hears(&["a with olga: cancelled"]).await;
    // A guest calls admins, and nobody else; who is not there is gone.
    gus.say(call("d", "olga")).await;
    gus.hears(&["error notAllowed"]).await;
    gus.say(call("e", "anna")).await;
    gus.hears(&["e with anna: ringing"]).await;
    anna.hears(&["e by gus"]).await;
    anna.say(answer("e", "gus", "reject")).await;
    gus.hears(&["e with anna: rejected"]).await;
    anna.say(answer("e", "gus", "accept")).await;
    anna.hears(&["error noSuchCall"]).await;
    gus.say(call("f", "nobody")).await;
    gus.hears(&["f with nobody: gone"]).await;
    // The caller goes.
    olga.say(call("g", "paul")).await;
    paul.hears(&["g by olga"]).await;
    olga.say(json!({"bye": {}})).await;
    paul.hears(&["g with olga: gone"]).await;
}

pub(super) async fn c75_two_who_call_each_other(house: &House) {
    let mut olga = arrive(&house.one, "olga").await;
    let mut paul = arrive(&house.two, "paul").await;
    for _ in 0..10 {
        let of_olga = json!({"call": {"call": "a", "to": "paul"}});
        let of_paul = json!({"call": {"call": "b", "to": "olga"}});
        tokio::join!(olga.say(of_olga), paul.say(of_paul));
        // Whoever was faster, olga's is the one that goes on.
        olga.waits_for("a with paul: accepted").await;
        paul.waits_for("a with olga: accepted").await;
        olga.say(json!({"answer": {"call": "a", "to": "paul", "answer": "cancel"}}))
            .await;
        paul.hears(&["a with olga: cancelled"]).await;
    }
}

pub(super) async fn c21_user_ids_are_unique(house: &House) {
    let mut paul = arrive(&house.one, "paul").await;
    let second = Guest::arrive(&house.two, "paul", Role::Participant).await;
    assert_eq!(second.err().unwrap().code, ErrorCode::UserIdTaken);
    paul.say(json!({"bye": {}})).await;
    arrive(&house.two, "paul").await;
}

pub(super) async fn c55_c58_the_lobby(house: &House) {
    let mut zoe = arrive(&house.one, "zoe").await;
    zoe.say(json!({"rooms": {"watch": true, "channel": "a"}}))
        .await;
    zoe.hears(&["rooms "]).await;
    let mut paul = arrive(&house.two, "paul").await;
    paul.say(json!({"open": {"room": "a/1"}})).await;
    zoe.hears(&["rooms a/1 1"]).await;
    paul.say(json!({"open": {"room": "b/1"}})).await;
    paul.say(json!({"open": {"room": "a/2", "policy": {"hidden": true}}}))
        .await;
    let mut pia = arrive(&house.two, "pia").await;
    pia.say(json!({"join": {"room": "a/1"}})).await;
    zoe.waits_for("rooms a/1 2").await;
    pia.say(json!({"rooms": {"watch": true}})).await;
    pia.hears(&["a/1 of paul: paul pia", "rooms a/1 2 b/1 1"])
        .await;
    paul.say(json!({"close": {"room": "a/1"}})).await;
    zoe.waits_for("rooms  gone [\"a/1\"]").await;
}

pub(super) async fn d30_one_presenter(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    let policy = json!({"room": "demo", "policy": {"onePresenter": true}});
    olga.say(json!({ "policy": policy })).await;
    assert!(paul.next().await["policy"].is_object());
    assert!(olga.next().await["policy"].is_object());
    let mut pia = arrive(&house.one, "pia").await;
    pia.say(json!({"join": {"room": "demo"}})).await;
    pia.hears(&["demo of olga: olga paul pia"]).await;
    paul.hears(&["pia joined"]).await;
    let present = |on: bool| json!({"present": {"room": "demo", "on": on}});
    tokio::join!(paul.say(present(true)), pia.say(present(true)));
    let (told, other) = (paul.short().await, pia.short().await);
    let won = |text: &str| text.starts_with("presenter ");
    assert!(won(&told) || won(&other), "{told} {other}");
    let refused = [&told, &other]
        .iter()
        .filter(|text| text.starts_with("error"))
        .count();
    assert!(refused <= 1);
}

pub(super) async fn c54_extra_and_owner(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    paul.say(json!({"extra": {"extra": {"name": "Paul"}}}))
        .await;
    olga.hears(&[r#"paul is {"name":"Paul"}"#]).await;
    olga.say(json!({"owner": {"room": "demo", "userid": "paul"}}))
        .await;
    olga.hears(&["owner paul"]).await;
    paul.hears(&["owner paul"]).await;
    paul.say(json!({"extra": {"extra": "x".repeat(17_000)}}))
        .await;
    paul.hears(&["error tooLarge"]).await;
    paul.say(json!({"close": {"room": "demo"}})).await;
    olga.hears(&["closed closed"]).await;
}

pub(super) async fn r_h04_resume_by_the_other_door(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    let stolen = paul.hello();
    let mut old = paul.back(&house.one).await.unwrap();
    assert_eq!(paul.welcome["resumed"], true);
    old.hears(&["close 4001"]).await;
    let whole = paul.welcome["seen"] != 0;
    if !whole {
        paul.hears(&["demo of olga: olga paul"]).await;
    }
    olga.say(json!({"say": {"room": "demo", "body": 1}})).await;
    paul.hears(&["olga says 1"]).await;
    paul.say(json!({"say": {"room": "demo", "body": 2}})).await;
    olga.hears(&["paul says 2"]).await;
    // The old connection's loss is nothing, and the token that was used does not do again.
    old.lose();
    let mut thief = Guest::arrive(&house.two, "thief", Role::Participant)
        .await
        .unwrap();
    let again = house
        .one
        .arrive(stolen, ortc_rooms::desk::Admission::returning())
        .await;
    assert_eq!(again.err().unwrap().code, ErrorCode::BadToken);
    thief.say(json!({"bye": {}})).await;
    olga.hears_nothing(GRACE + MOMENT).await;
    // And back.
    paul.lose();
    tokio::time::sleep(MOMENT).await;
    olga.say(json!({"say": {"room": "demo", "body": 3}})).await;
    drop(paul.back(&house.two).await.unwrap());
    olga.say(json!({"say": {"room": "demo", "body": 4}})).await;
    // What was said while it was away comes, by two servers perhaps a moment late.
    let mut missing = vec!["olga says 3", "olga says 4"];
    while !missing.is_empty() {
        let told = paul.short().await;
        missing.retain(|missing| *missing != told);
    }
    olga.hears_nothing(GRACE + MOMENT).await;
}

async fn enter(guest: &mut Guest) {
    guest.say(json!({"openOrJoin": {"room": "demo"}})).await;
    loop {
        let told = guest.short().await;
        assert!(!told.starts_with("error"), "{told}");
        if told.starts_with("demo of ") {
            return;
        }
    }
}

pub(super) async fn r_h11_many_at_once(house: &House) {
    const MANY: usize = 16;
    let mut tasks = Vec::new();
    for number in 0..MANY {
        let desk = if number % 2 == 0 {
            &house.one
        } else {
            &house.two
        };
        let desk = desk.clone();
        tasks.push(tokio::spawn(async move {
            let mut guest = arrive(&desk, &format!("g{number}")).await;
            for _ in 0..3 {
                enter(&mut guest).await;
                guest.say(json!({"leave": {"room": "demo"}})).await;
                // Of changes that follow each other fast a server sees the last alone: why somebody
                // left is not known then.
                while !guest.short().await.starts_with("closed ") {}
            }
            enter(&mut guest).await;
            guest
        }));
    }
    let mut guests = Vec::new();
    for task in tasks {
        guests.push(task.await.unwrap());
    }
    tokio::time::sleep(MOMENT).await;
    let room = "demo".parse().unwrap();
    let (one, two) = (
        house.one.room(&room).unwrap(),
        house.two.room(&room).unwrap(),
    );
    assert_eq!(one.members.len(), MANY);
    assert_eq!(one, two);
    drop(guests);
}

pub(super) async fn r_h11_order_of_each_sender(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    for round in 0..20 {
        let mut zoe = arrive(&house.one, &format!("zoe{round}")).await;
        // What is said at once after the entry comes after it.
        zoe.say(json!({"join": {"room": "demo"}})).await;
        for number in 0..10 {
            zoe.say(json!({"say": {"room": "demo", "body": number}}))
                .await;
        }
        zoe.say(json!({"bye": {}})).await;
        for guest in [&mut olga, &mut paul] {
            guest.hears(&[&format!("zoe{round} joined")]).await;
            for number in 0..10 {
                guest.hears(&[&format!("zoe{round} says {number}")]).await;
            }
            guest.hears(&[&format!("zoe{round} left")]).await;
        }
    }
}

pub(super) async fn r_h03_nothing_from_another_room(house: &House) {
    let (mut olga, mut paul) = room_of_two(house).await;
    let mut eve = arrive(&house.two, "eve").await;
    eve.say(json!({"open": {"room": "hers"}})).await;
    eve.hears(&["hers of eve: eve"]).await;
    let tries = [
        (json!({"say": {"room": "demo", "body": 1}}), "notInRoom"),
        (
            json!({"say": {"room": "demo", "to": "olga", "body": 1}}),
            "notInRoom",
        ),
        (
            json!({"say": {"room": "hers", "to": "olga", "body": 1}}),
            "noSuchUser",
        ),
        (
            json!({"say": {"room": "hers", "from": "paul", "to": "olga", "body": 1}}),
            "noSuchUser",
        ),
        (
            json!({"eject": {"room": "demo", "userid": "paul"}}),
            "notInRoom",
        ),
        (
            json!({"eject": {"room": "hers", "userid": "paul"}}),
            "noSuchUser",
        ),
        (json!({"close": {"room": "demo"}}), "notInRoom"),
        (json!({"leave": {"room": "demo"}}), "notInRoom"),
        (
            json!({"owner": {"room": "demo", "userid": "eve"}}),
            "notInRoom",
        ),
        (
            json!({"policy": {"room": "demo", "policy": {}}}),
            "notInRoom",
        ),
        (
            json!({"present": {"room": "demo", "on": true}}),
            "notInRoom",
        ),
    ];
    for (message, code) in tries {
        eve.say(message.clone()).await;
        assert_eq!(eve.short().await, format!("error {code}"), "{message}");
    }
    olga.hears_nothing(MOMENT).await;
    paul.hears_nothing(MOMENT).await;
}
