//! Two servers that are one, of which one is killed.

use serde_json::json;

use crate::child::Child;
use crate::client::{Client, server};
use crate::house::nats::Nats;
use crate::http::ask;

#[tokio::test]
async fn r_h10_clients_of_a_server_that_was_killed_go_on_at_another() {
    let nats = Nats::start().await;
    let settings = format!("listen = \"127.0.0.1:0\"\ncluster = \"{}\"\n", nats.url());
    let one = Child::new(&settings, None).await;
    let two = server(|config| config.cluster = Some(nats.url())).await;
    let mut anna = Client::hello(one.at, json!({ "userid": "anna" }))
        .await
        .unwrap();
    let mut bert = Client::hello(two.address(), json!({ "userid": "bert" }))
        .await
        .unwrap();
    anna.enter("demo").await;
    if anna.resume == anna.welcome["resume"] {
        anna.hear_of("resume").await;
    }
    let room = bert.enter("demo").await;
    assert_eq!(
        (&room["owner"], room["users"].as_array().unwrap().len()),
        (&json!("anna"), 2)
    );
    assert_eq!(anna.hear_of("joined").await["user"]["userid"], "bert");
    bert.say(json!({ "say": { "room": "demo", "to": "anna", "body": 1 } }))
        .await;
    assert_eq!(anna.hear_of("said").await["body"], 1);
    anna.say(json!({ "say": { "room": "demo", "body": 2 } }))
        .await;
    assert_eq!(bert.hear_of("said").await["body"], 2);
    let metrics = ask(two.address(), "GET /metrics", "", "").await.body;
    assert!(
        metrics.contains("ortc_cluster_nodes 2") && metrics.contains("ortc_cluster_users 2"),
        "{metrics}"
    );
    // A user id is one's own at all servers.
    let taken = Client::hello(two.address(), json!({ "userid": "anna" }))
        .await
        .err()
        .unwrap();
    assert_eq!(taken.unwrap().0, 4003);

    one.kill().await;
    let hello = json!({ "resume": anna.resume, "seen": anna.seen });
    let mut anna = Client::hello(two.address(), hello).await.unwrap();
    assert_eq!(
        (anna.userid.as_str(), &anna.welcome["resumed"]),
        ("anna", &json!(true))
    );
    let room = anna.hear_of("room").await;
    assert_eq!(
        (&room["owner"], room["users"].as_array().unwrap().len()),
        (&json!("anna"), 2)
    );
    anna.say(json!({ "say": { "room": "demo", "body": 3 } }))
        .await;
    assert_eq!(bert.hear_of("said").await["body"], 3);
    two.shut_down().await;
}
