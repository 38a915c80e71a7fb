//! Connections that are lost, and come back.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::signalling::ErrorCode;

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

#[tokio::test(start_paused = true)]
async fn r_h04_a_token_that_was_used_is_refused() {
    let desk = desk();
    let mut paul = arrive(&desk, "paul").await;
    let stolen = paul.hello();
    paul.back(&desk).await.unwrap();
    paul.say(json!({"rooms": {"watch": false}})).await;
    let thief = Guest::with(&desk, stolen, crate::desk::Admission::returning()).await;
    assert_eq!(thief.err().unwrap().code, ErrorCode::BadToken);
    // Its own, newer one does.
    paul.back(&desk).await.unwrap();
}
