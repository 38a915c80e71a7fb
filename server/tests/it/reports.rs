//! What is reported: to hooks, to files, to servers that asked.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ortc_rooms::desk::DeskEvent;
use ortc_rooms::signalling::{Hello, UserId};
use ortc_server::{Hooks, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::client::{Client, PATIENCE, config, server};
use crate::http::ask;

#[derive(Default)]
struct Noted {
    seen: Mutex<Vec<String>>,
}

impl Hooks for Noted {
    fn on_connect(&self, hello: &Hello, address: IpAddr) -> Result<(), String> {
        assert!(address.is_loopback());
        match &hello.userid {
            Some(userid) if userid.as_str() == "mallory" => Err("not you".to_owned()),
            _ => Ok(()),
        }
    }

    fn on_message(&self, userid: &UserId, text: &str) -> Result<(), String> {
        assert!(!text.contains("panic"), "as it was told to");
        self.seen.lock().unwrap().push(format!("{userid} says"));
        if text.contains("forbidden") {
            Err("not that".to_owned())
        } else {
            Ok(())
        }
    }

    fn on_event(&self, event: &DeskEvent) {
        if let DeskEvent::Arrived { userid, .. } = event {
            assert_ne!(userid.as_str(), "bert", "a hook that panics");
        }
        if let DeskEvent::RoomOpened { room, userid } = event {
            self.seen
                .lock()
                .unwrap()
                .push(format!("{userid} opened {room}"));
        }
    }
}

#[tokio::test]
async fn c65_a_program_sees_who_comes_and_what_is_said_and_may_refuse_it() {
    let noted = Arc::new(Noted::default());
    let server = Server::bind_with(config(), noted.clone()).await.unwrap();
    let at = server.address();
    let end = Client::hello(at, json!({ "userid": "mallory" }))
        .await
        .err()
        .unwrap();
    assert_eq!(end.unwrap(), (4003, "not you".to_owned()));
    let mut anna = Client::hello(at, json!({ "userid": "anna" }))
        .await
        .unwrap();
    anna.enter("demo").await;
    anna.say(json!({ "say": { "room": "demo", "body": "forbidden" } }))
        .await;
    assert_eq!(anna.end().await.unwrap(), (1008, "not that".to_owned()));
    server.shut_down().await;
    let seen = noted.seen.lock().unwrap().clone();
    assert!(seen.contains(&"anna says".to_owned()), "{seen:?}");
    assert!(seen.contains(&"anna opened demo".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn d8_a_panic_ends_the_connection_in_which_it_happens_and_nothing_else() {
    let noted = Arc::new(Noted::default());
    let server = Server::bind_with(config(), noted.clone()).await.unwrap();
    let at = server.address();
    let mut anna = Client::hello(at, json!({ "userid": "anna" }))
        .await
        .unwrap();
    anna.enter("demo").await;
    let mut bert = Client::hello(at, json!({ "userid": "bert" }))
        .await
        .unwrap();
    bert.enter("demo").await;
    bert.say(json!({ "say": { "room": "demo", "body": "panic" } }))
        .await;
    assert_eq!(bert.end().await, None);
    // It may come back to its place.
    let hello = json!({ "resume": bert.resume, "seen": bert.seen });
    let mut bert = Client::hello(at, hello).await.unwrap();
    bert.say(json!({ "say": { "room": "demo", "body": "well" } }))
        .await;
    assert_eq!(anna.hear_of("said").await["body"], "well");
    bert.enter("next").await;
    let metrics = ask(at, "GET /metrics", "", "").await.body;
    assert!(metrics.contains("ortc_clients 2"), "{metrics}");
    server.shut_down().await;
    let seen = noted.seen.lock().unwrap().clone();
    assert!(seen.contains(&"bert opened next".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn c65_d28_files_have_a_line_for_each_event_and_each_stay() {
    let folder = std::env::temp_dir().join(format!("ortc-reports-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (audit, calls) = (folder.join("audit.jsonl"), folder.join("calls.jsonl"));
    let server = server(|config| {
        config.audit_log = Some(audit.clone());
        config.call_records = Some(calls.clone());
    })
    .await;
    let at = server.address();
    let mut anna = Client::hello(at, json!({ "userid": "anna" }))
        .await
        .unwrap();
    anna.enter("demo").await;
    anna.say(json!({ "leave": { "room": "demo" } })).await;
    anna.hear_of("closed").await;
    let metrics = ask(at, "GET /metrics", "", "").await.body;
    assert!(metrics.contains("ortc_users 1"), "{metrics}");
    server.shut_down().await;
    let lines = |path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let audit = lines(&audit);
    assert!(audit.iter().all(|line| line["at"].as_u64().is_some()));
    assert!(
        audit
            .iter()
            .any(|line| line["event"]["roomOpened"]["room"] == "demo"),
        "{audit:?}"
    );
    let calls = lines(&calls);
    assert_eq!(
        (&calls[0]["kind"], &calls[0]["userid"]),
        (&json!("stay"), &json!("anna"))
    );
    assert!(calls[0]["seconds"].as_f64().unwrap() < 60.0);
    std::fs::remove_dir_all(folder).unwrap();
}

/// Answers one request with this status. Its head and body.
async fn answer(listener: &TcpListener, status: &str) -> (String, String) {
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut text = String::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                break;
            }
        }
    }
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn d51_events_are_posted_signed_in_order_and_again_after_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = server(|config| {
        config.webhook = Some(url);
        config.webhook_secret = Some("north".into());
    })
    .await;
    let _anna = Client::hello(server.address(), json!({ "userid": "anna" }))
        .await
        .unwrap();
    let (_, failed) = answer(&listener, "503 Service Unavailable").await;
    let (head, body) = answer(&listener, "204 No Content").await;
    assert_eq!(failed, body);
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&event["event"]["arrived"]["userid"], &event["number"]),
        (&json!("anna"), &json!(0))
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"north");
    let tag = ring::hmac::sign(&key, body.as_bytes());
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(
        head.contains(&format!("ortc-signature: sha256={hex}")),
        "{head}"
    );
    let metrics = async || ask(server.address(), "GET /metrics", "", "").await.body;
    while !metrics()
        .await
        .contains("ortc_webhooks_total{result=\"sent\"} 1")
    {
        tokio::task::yield_now().await;
    }
}
