//! Clients that poll.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client::{Client, server};
use crate::http::ask;

async fn arrive(at: SocketAddr) -> (String, Value) {
    let hello = json!({ "message": { "hello": { "version": 1 } } }).to_string();
    let body = ask(at, "POST /poll", "", &hello).await.json();
    let id = body["id"].as_str().unwrap().to_owned();
    (id, body["messages"][0]["message"]["welcome"].clone())
}

async fn hear(at: SocketAddr, id: &str, seen: u64) -> Vec<Value> {
    let answer = ask(at, &format!("GET /poll/{id}?seen={seen}"), "", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().clone()
}

/// The next message of a kind after the last one seen. All is asked for twice: an answer that was
/// lost on the way is told again.
async fn hear_of(at: SocketAddr, id: &str, seen: &mut u64, kind: &str) -> Value {
    loop {
        let heard = hear(at, id, *seen).await;
        let numbered = |heard: Vec<Value>| -> Vec<Value> {
            heard
                .into_iter()
                .filter(|envelope| envelope["seq"].is_u64())
                .collect()
        };
        let heard = numbered(heard);
        if heard.is_empty() {
            continue;
        }
        let again = numbered(hear(at, id, *seen).await);
        assert_eq!(again[..heard.len()], heard);
        for envelope in heard {
            let seq = envelope["seq"].as_u64().unwrap();
            assert_eq!(seq, *seen + 1);
            *seen = seq;
            if !envelope["message"][kind].is_null() {
                return envelope["message"][kind].clone();
            }
        }
    }
}

#[tokio::test]
async fn d3_a_client_that_polls_takes_part_as_others_do() {
    let server = server(|_| {}).await;
    let at = server.address();
    let (id, welcome) = arrive(at).await;
    assert!(id.len() >= 22);
    let enter = json!([{ "seq": 1, "seen": 0, "message": { "openOrJoin": { "room": "demo" } } }]);
    let path = format!("POST /poll/{id}");
    assert_eq!(ask(at, &path, "", &enter.to_string()).await.status, 200);
    let mut seen = 0;
    let room = hear_of(at, &id, &mut seen, "room").await;
    assert_eq!(room["owner"], welcome["userid"]);
    let mut client = Client::new(at).await;
    let waits = tokio::spawn({
        let id = id.clone();
        async move {
            hear_of(at, &id, &mut seen, "joined").await;
            seen
        }
    });
    client.enter("demo").await;
    let mut seen = waits.await.unwrap();
    client
        .say(json!({ "say": { "room": "demo", "body": "hello" } }))
        .await;
    assert_eq!(hear_of(at, &id, &mut seen, "said").await["body"], "hello");
    let say = json!([
        { "seq": 2, "seen": 3, "message": { "say": { "room": "demo", "body": 1 } } },
        { "seq": 3, "message": { "say": { "room": "demo", "body": 2 } } },
    ]);
    // As is a request.
    for _ in 0..2 {
        assert_eq!(ask(at, &path, "", &say.to_string()).await.status, 200);
    }
    assert_eq!(client.hear_of("said").await["body"], 1);
    assert_eq!(client.hear_of("said").await["body"], 2);
    assert_eq!(
        ask(at, &format!("DELETE /poll/{id}"), "", "").await.status,
        200
    );
    assert_eq!(client.hear_of("left").await["reason"], "left");
    assert_eq!(
        ask(at, &format!("GET /poll/{id}"), "", "").await.status,
        404
    );
}

#[tokio::test]
async fn d3_what_cannot_be_is_refused_and_explained() {
    let server = server(|config| config.token_required = false).await;
    let at = server.address();
    let no_hello = json!({ "message": { "leave": { "room": "demo" } } }).to_string();
    assert_eq!(ask(at, "POST /poll", "", &no_hello).await.status, 400);
    assert_eq!(ask(at, "POST /poll", "", "[").await.status, 400);
    let hello = json!({ "message": { "hello": { "version": 1 } } }).to_string();
    let foreign = "Origin: https://evil.example\r\n";
    assert_eq!(ask(at, "POST /poll", foreign, &hello).await.status, 403);
    let admin = hello.replace("\"version\"", "\"role\":\"admin\",\"version\"");
    let answer = ask(at, "POST /poll", "", &admin).await;
    assert_eq!(
        (answer.status, &answer.json()["message"]["error"]["code"]),
        (403, &json!("notAllowed"))
    );
    let (id, _) = arrive(at).await;
    let path = format!("POST /poll/{id}");
    assert_eq!(ask(at, &path, foreign, "[]").await.status, 403);
    assert_eq!(ask(at, &path, "", "{}").await.status, 400);
    assert_eq!(ask(at, &path, "", "[1]").await.status, 400);
    assert_eq!(ask(at, &path, "", "[]").await.status, 404);
    let many: Vec<Value> = (0..300).map(|_| json!({ "seen": 0 })).collect();
    let (id, _) = arrive(at).await;
    let answer = ask(
        at,
        &format!("POST /poll/{id}"),
        "",
        &json!(many).to_string(),
    )
    .await;
    assert_eq!(answer.status, 429);
}
