//! Servers and NATS that die.

use std::time::Duration;

use serde_json::json;

use super::{GRACE, Nats, arrive, in_time, join, join_with};

/// A server dies: its users come back to the other, and those who do not leave once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_h10_a_server_dies() {
    in_time(async {
        let nats = Nats::start().await;
        let (one, first) = join(&nats).await;
        let (two, second) = join(&nats).await;
        let mut olga = arrive(&one, "olga").await;
        let mut paul = arrive(&two, "paul").await;
        let mut pia = arrive(&one, "pia").await;
        olga.say(json!({"open": {"room": "demo"}})).await;
        olga.hears(&["demo of olga: olga"]).await;
        paul.say(json!({"join": {"room": "demo"}})).await;
        pia.say(json!({"join": {"room": "demo"}})).await;
        paul.waits_for("pia joined").await;
        pia.hears(&["demo of olga: olga paul pia"]).await;
        // Without a word: what it would still do is not done.
        first.kill();
        std::mem::forget(olga.seat.take());
        std::mem::forget(pia.seat.take());
        olga.back(&two).await.unwrap();
        olga.hears(&["demo of olga: olga paul pia"]).await;
        paul.say(json!({"say": {"room": "demo", "body": 1}})).await;
        olga.hears(&["paul says 1"]).await;
        paul.hears(&["pia lost"]).await;
        olga.hears(&["pia lost"]).await;
        paul.hears_nothing(GRACE).await;
        assert_eq!(second.nodes().len(), 1);
        assert!(pia.back(&two).await.is_ok());
        pia.hears(&["closed lost"]).await;
        drop(one);
    })
    .await;
}

/// NATS is killed and started again, with nothing of what it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_killed_and_started_again() {
    nats_dies(false).await;
}

/// The same, with what it had on disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_that_keeps_the_rooms_on_disk_is_killed_and_started_again() {
    nats_dies(true).await;
}

/// What is said at one server goes on, changes are refused for the time, and then all is as it was.
async fn nats_dies(on_disk: bool) {
    in_time(async {
        let mut nats = Nats::start().await;
        let (one, first) = join_with(&nats, on_disk).await;
        let (two, _second) = join_with(&nats, on_disk).await;
        let mut olga = arrive(&one, "olga").await;
        let mut pia = arrive(&one, "pia").await;
        let mut paul = arrive(&two, "paul").await;
        olga.say(json!({"open": {"room": "demo"}})).await;
        olga.hears(&["demo of olga: olga"]).await;
        pia.say(json!({"join": {"room": "demo"}})).await;
        paul.say(json!({"join": {"room": "demo"}})).await;
        olga.hears(&["pia joined", "paul joined"]).await;
        pia.waits_for("paul joined").await;
        paul.hears(&["demo of olga: olga pia paul"]).await;
        for round in 0..2 {
            nats.kill();
            if !on_disk {
                nats.forget();
            }
            while first.connected() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            olga.say(json!({"say": {"room": "demo", "body": round}}))
                .await;
            pia.hears(&[&format!("olga says {round}")]).await;
            olga.say(json!({"open": {"room": "other"}})).await;
            olga.hears(&["error unavailable"]).await;
            tokio::time::sleep(GRACE).await;
            nats.run().await;
            loop {
                olga.say(json!({"openOrJoin": {"room": "other"}})).await;
                if olga.short().await == "other of olga: olga" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            olga.say(json!({"close": {"room": "other"}})).await;
            olga.hears(&["closed closed"]).await;
            // Nobody was put out, and all hear each other: as soon as the other server is back, too.
            let heard = async {
                loop {
                    olga.say(json!({"say": {"room": "demo", "to": "paul", "body": "there?"}}))
                        .await;
                    let told = tokio::time::timeout(Duration::from_millis(300), paul.short());
                    if let Ok(told) = told.await {
                        assert_eq!(told, "olga says \"there?\"");
                        return;
                    }
                }
            };
            heard.await;
            let room = "demo".parse().unwrap();
            for desk in [&one, &two] {
                assert_eq!(desk.room(&room).unwrap().members.len(), 3);
            }
            tokio::time::sleep(GRACE).await;
            for desk in [&one, &two] {
                assert_eq!(desk.room(&room).unwrap().members.len(), 3);
            }
            while tokio::time::timeout(Duration::from_millis(300), paul.short())
                .await
                .is_ok()
            {}
        }
    })
    .await;
}
