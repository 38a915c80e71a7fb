//! Calls.

use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn c75_a_call_rings_and_is_accepted() {
    let desk = desk();
    let (mut olga, mut paul) = (arrive(&desk, "olga").await, arrive(&desk, "paul").await);
    olga.say(json!({"call": {"call": "a", "to": "paul"}})).await;
    assert_eq!(olga.told().await, ["a with paul: ringing"]);
    assert_eq!(paul.told().await, ["a called by olga"]);
    paul.say(json!({"answer": {"call": "a", "to": "olga", "answer": "accept"}}))
        .await;
    assert_eq!(olga.told().await, ["a with paul: accepted"]);
}
