//! Connections that are lost, and come back.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::desk::{Admission, Desk, DeskOptions, SealKey};
use crate::signalling::{ErrorCode, Hello, Role};

#[tokio::test(start_paused = true)]
async fn c21_one_who_comes_back_hears_what_it_missed() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    olga.told().await;
    paul.told().await;
    paul.lose();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for number in 0..5 {
        olga.say(json!({"say": {"room": "demo", "body": number}}))
            .await;
    }
    assert_eq!(olga.told().await, Vec::<String>::new());
    paul.back(&desk).await.unwrap();
    assert_eq!(paul.welcome["resumed"], true);
    assert_eq!(paul.welcome["seen"], 1);
    let missed = ["0", "1", "2", "3", "4"].map(|body| format!("olga says {body}"));
    assert_eq!(paul.told().await, missed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(olga.told().await, Vec::<String>::new());
}

/// The owner's connection is lost, and it may come back for 30 s: but a room that all send in has
/// another owner before that. One that is tied to its owner has not.
#[tokio::test(start_paused = true)]
async fn c10_c38_a_room_is_not_without_an_owner_for_long() {
    let desk = desk();
    let policy = json!({"closeWhenOwnerLeaves": true});
    let rooms = [
        ("demo", json!({}), json!({}), true),
        ("tied", json!({}), policy, false),
        (
            "stage",
            json!({"audio": true, "oneway": true}),
            json!({}),
            false,
        ),
    ];
    for (number, (room, session, policy, passes)) in rooms.into_iter().enumerate() {
        let names = ["olga", "paul", "pia"].map(|name| format!("{name}{number}"));
        let mut olga = arrive(&desk, &names[0]).await;
        let mut paul = arrive(&desk, &names[1]).await;
        let mut pia = arrive(&desk, &names[2]).await;
        let open = json!({"open": {"room": room, "session": session, "policy": policy}});
        olga.say(open).await;
        for guest in [&mut paul, &mut pia] {
            guest.say(json!({"join": {"room": room}})).await;
        }
        olga.told().await;
        paul.told().await;
        // A short loss changes nothing.
        olga.lose();
        tokio::time::sleep(Duration::from_secs(7)).await;
        olga.back(&desk).await.unwrap();
        olga.lose();
        tokio::time::sleep(Duration::from_secs(7)).await;
        paul.told().await;
        let owner = format!("owner {}", names[1]);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let expected: Vec<String> = passes.then(|| owner.clone()).into_iter().collect();
        assert_eq!(paul.told().await, expected, "{room}");
        // It comes back into the room, which it does not own any longer.
        olga.back(&desk).await.unwrap();
        assert_eq!(olga.told().await, expected, "{room}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(paul.told().await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn r_h04_a_token_that_was_used_is_refused() {
    let desk = desk();
    let mut paul = arrive(&desk, "paul").await;
    let stolen = paul.hello();
    paul.back(&desk).await.unwrap();
    paul.say(json!({"rooms": {"watch": false}})).await;
    let thief = Guest::with(&desk, stolen, Admission::returning()).await;
    assert_eq!(thief.err().unwrap().code, ErrorCode::BadToken);
    // Its own, newer one does.
    paul.back(&desk).await.unwrap();
}

fn options(key: &SealKey) -> DeskOptions {
    DeskOptions {
        key: key.clone(),
        ..DeskOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn r_h10_rooms_come_back_with_those_who_were_in_them() {
    let key = SealKey::random();
    let before = Desk::new(options(&key));
    let mut guests = Vec::new();
    for name in ["olga", "paul", "pia", "zoe"] {
        guests.push(arrive(&before, name).await);
    }
    let [olga, paul, pia, zoe] = &mut guests[..] else {
        unreachable!()
    };
    let policy = json!({"onePresenter": true, "maxParticipantsAllowed": 7});
    let open = json!({"room": "demo", "policy": policy, "session": {"video": true}});
    olga.say(json!({ "open": open })).await;
    for guest in [&mut *paul, pia, zoe] {
        guest.say(json!({"join": {"room": "demo"}})).await;
    }
    let ban = json!({"room": "demo", "userid": "zoe", "ban": true});
    olga.say(json!({ "eject": ban })).await;
    let epoch = before.rooms()[0].clone();
    for guest in [&mut *olga, paul, pia, zoe] {
        guest.told().await;
        guest.lose();
    }
    drop(before);

    let after = Desk::new(options(&key));
    pia.back(&after).await.unwrap();
    assert_eq!(
        (&pia.welcome["resumed"], &pia.welcome["seen"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(pia.told().await, ["room demo of olga: olga pia"]);
    paul.back(&after).await.unwrap();
    assert_eq!(paul.told().await, ["room demo of olga: olga paul pia"]);
    assert_eq!(pia.told().await, ["paul joined"]);
    zoe.back(&after).await.unwrap();
    assert_eq!(zoe.told().await, Vec::<String>::new());
    zoe.say(json!({"join": {"room": "demo"}})).await;
    assert_eq!(zoe.told().await, ["error banned"]);
    tokio::time::sleep(Duration::from_secs(20)).await;
    olga.back(&after).await.unwrap();
    assert_eq!(olga.told().await, ["room demo of olga: olga paul pia"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    olga.say(json!({"present": {"room": "demo", "on": true}}))
        .await;
    assert_eq!(paul.told().await, ["presenter olga"]);
    let info = after.rooms()[0].clone();
    assert_eq!((info.places, info.session), (epoch.places, epoch.session));
    // Numbers began anew: what was said before is not taken for what is said now.
    assert_eq!(olga.told().await, ["presenter olga"]);
}

#[tokio::test(start_paused = true)]
async fn r_h10_an_owner_who_does_not_return_is_followed_by_another() {
    let key = SealKey::random();
    let before = Desk::new(options(&key));
    let (mut olga, mut paul) = (arrive(&before, "olga").await, arrive(&before, "paul").await);
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.told().await;
    paul.lose();
    let after = Desk::new(options(&key));
    paul.back(&after).await.unwrap();
    assert_eq!(paul.told().await, ["room demo of olga: olga paul"]);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(paul.told().await, Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(paul.told().await, ["olga lost", "owner paul"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_went_on_is_not_entered_by_an_old_token() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"open": {"room": "demo"}})).await;
    olga.say(json!({"open": {"room": "other"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.told().await;
    paul.lose();
    tokio::time::sleep(Duration::from_secs(40)).await;
    paul.back(&desk).await.unwrap();
    assert_eq!(paul.told().await, ["closed lost"]);
    // Its room ended and another has its name.
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.told().await;
    paul.lose();
    tokio::time::sleep(Duration::from_secs(40)).await;
    olga.say(json!({"close": {"room": "demo"}})).await;
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.back(&desk).await.unwrap();
    assert_eq!(paul.told().await, ["closed lost"]);
}

#[tokio::test(start_paused = true)]
async fn r_h07_one_who_is_too_far_behind_gets_the_state_of_its_rooms() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.told().await;
    // Paul reads nothing.
    for _ in 0..100 {
        olga.say(json!({"say": {"room": "demo", "body": "x".repeat(4000)}}))
            .await;
    }
    assert_eq!(paul.told().await, ["close 1008"]);
    paul.lose();
    assert_eq!(desk.counters().overflowed(), 1);
    paul.back(&desk).await.unwrap();
    assert_eq!(paul.welcome["seen"], 0);
    assert_eq!(paul.told().await, ["room demo of olga: olga paul"]);
    olga.say(json!({"say": {"room": "demo", "body": 1}})).await;
    assert_eq!(paul.told().await, ["olga says 1"]);
    // The same while it is away.
    paul.lose();
    for _ in 0..100 {
        olga.say(json!({"say": {"room": "demo", "body": "x".repeat(4000)}}))
            .await;
    }
    paul.back(&desk).await.unwrap();
    assert_eq!(paul.told().await, ["room demo of olga: olga paul"]);
}

#[tokio::test(start_paused = true)]
async fn r_h04_a_second_connection_takes_the_place_of_the_first() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    olga.told().await;
    paul.told().await;
    let mut second = Guest::with(&desk, paul.hello(), Admission::returning())
        .await
        .unwrap();
    assert_eq!(paul.told().await, ["close 4001"]);
    let violation = paul.seat.as_mut().unwrap().said(r#"{"seen":1}"#).await;
    assert_eq!(violation.unwrap_err().code, 4001);
    paul.lose();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        olga.told().await,
        Vec::<String>::new(),
        "no duplicate, no leave"
    );
    olga.say(json!({"say": {"room": "demo", "body": 1}})).await;
    assert_eq!(second.told().await, ["olga says 1"]);
    // Another who is proven to be olga: her rooms end, and nothing is there twice.
    let proven = Admission::new(Role::Participant).with_userid(super::guest::id("olga"));
    let anew = Guest::with(&desk, Hello::new(), proven).await.unwrap();
    assert_eq!(anew.welcome["userid"], "olga");
    assert_eq!(olga.told().await, ["close 4001"]);
    assert_eq!(second.told().await, ["olga left", "owner paul"]);
    assert_eq!(desk.users(), 2);
}

#[tokio::test(start_paused = true)]
async fn c21_a_user_id_is_one_users() {
    let desk = desk();
    let mut paul = arrive(&desk, "paul").await;
    let other = Guest::arrive(&desk, "paul", Role::Participant).await;
    assert_eq!(other.err().unwrap().code, ErrorCode::UserIdTaken);
    paul.lose();
    let other = Guest::arrive(&desk, "paul", Role::Participant).await;
    assert_eq!(other.err().unwrap().code, ErrorCode::UserIdTaken);
    tokio::time::sleep(Duration::from_secs(31)).await;
    arrive(&desk, "paul").await;
    // Those who wish for none get one of 128 random bits.
    let given = Guest::with(&desk, Hello::new(), Admission::default())
        .await
        .unwrap();
    assert_eq!(given.welcome["userid"].as_str().unwrap().len(), 22);
}

#[tokio::test(start_paused = true)]
async fn forged_and_foreign_tokens_bring_nothing_back() {
    let desk = desk();
    let mut paul = arrive(&desk, "paul").await;
    let mut forged = paul.hello();
    let token = forged.resume.take().unwrap();
    for token in [
        String::new(),
        "x".repeat(100_000),
        token[..token.len() - 1].to_owned(),
        format!(
            "{}{}",
            if token.starts_with('B') { "C" } else { "B" },
            &token[1..]
        ),
    ] {
        forged.resume = Some(token);
        let refused = Guest::with(&desk, forged.clone(), Admission::returning()).await;
        assert_eq!(refused.err().unwrap().code, ErrorCode::BadToken);
    }
    let other = Desk::new(DeskOptions::default());
    assert!(!other.recognises(&paul.hello()));
    assert!(desk.recognises(&paul.hello()));
    paul.back(&desk).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_desk_says_goodbye() {
    let desk = desk();
    let mut paul = arrive(&desk, "paul").await;
    desk.say_goodbye(Some(500));
    let told = paul.next().await;
    assert_eq!(told["goodbye"]["returnAfterMs"], 500);
    assert_eq!(paul.told().await, ["close 4000"]);
    let refused = Guest::arrive(&desk, "pia", Role::Participant).await;
    assert_eq!(refused.err().unwrap().code, ErrorCode::Unavailable);
}

#[test]
fn a_key_stays_in_its_file_and_out_of_logs() {
    let directory = std::env::temp_dir().join(format!("ortc-rooms-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("seal.key");
    let key = SealKey::from_file(&path).unwrap();
    assert_eq!(
        SealKey::from_file(&path).unwrap().as_bytes(),
        key.as_bytes()
    );
    assert_eq!(format!("{key:?}"), "SealKey(…)");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&path, "short").unwrap();
    assert!(SealKey::from_file(&path).is_err());
    std::fs::remove_dir_all(&directory).unwrap();
}
