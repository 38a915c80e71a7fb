//! Rooms: entered, left, closed; who owns them; who is told what.

use std::time::Duration;

use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn c20_a_room_is_opened_once_and_joined() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    paul.say(json!({"join": {"room": "demo"}})).await;
    assert_eq!(paul.told().await, ["error noSuchRoom"]);
    olga.say(json!({"open": {"room": "demo", "session": {"audio": true}}}))
        .await;
    assert_eq!(olga.told().await, ["room demo of olga: olga"]);
    paul.say(json!({"open": {"room": "demo"}})).await;
    assert_eq!(paul.told().await, ["error roomExists"]);
    paul.say(json!({"openOrJoin": {"room": "demo"}})).await;
    assert_eq!(paul.told().await, ["room demo of olga: olga paul"]);
    assert_eq!(olga.told().await, ["paul joined"]);
    olga.say(json!({"say": {"room": "demo", "body": {"a": [1]}}}))
        .await;
    paul.say(json!({"say": {"room": "demo", "to": "olga", "body": 7}}))
        .await;
    assert_eq!(paul.told().await, [r#"olga says {"a":[1]}"#]);
    assert_eq!(olga.told().await, ["paul says 7"]);
    olga.say(json!({"close": {"room": "demo"}})).await;
    assert_eq!(olga.told().await, ["closed closed"]);
    assert_eq!(paul.told().await, ["closed closed"]);
    assert_eq!(desk.room_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn c10_the_owner_is_lost_and_the_room_lives() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"open": {"room": "demo"}})).await;
    paul.say(json!({"join": {"room": "demo"}})).await;
    paul.told().await;
    olga.lose();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(paul.told().await.is_empty());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(paul.told().await, ["owner paul"]);
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert!(paul.told().await.is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(paul.told().await, ["olga lost"]);
    let mut olga = arrive(&desk, "olga").await;
    olga.say(json!({"join": {"room": "demo"}})).await;
    assert_eq!(olga.told().await, ["room demo of paul: paul olga"]);
}

#[tokio::test]
async fn c66_a_password_is_verified_by_the_server() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"open": {"room": "demo", "password": "sesame"}}))
        .await;
    olga.next().await;
    for wrong in [
        json!({"room": "demo"}),
        json!({"room": "demo", "password": "x"}),
    ] {
        paul.say(json!({ "join": wrong })).await;
        assert_eq!(super::guest::short(&paul.next().await), "error badPassword");
    }
    paul.say(json!({"openOrJoin": {"room": "demo", "password": "sesame"}}))
        .await;
    let told = super::guest::short(&paul.next().await);
    assert_eq!(told, "room demo of olga: olga paul");
    assert!(desk.rooms()[0].password);
}
