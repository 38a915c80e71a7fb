//! The owner of a room is killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Running, Serve};

const API: &str = "of this test alone";
const SECRET: &str = "thirty-two characters at the least";

/// An invitation for one user.
async fn token(server: &str, userid: &str) -> String {
    let body = json!({ "userid": userid }).to_string();
    let request = format!(
        "POST /api/tokens HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {API}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let object: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    object["token"].as_str().unwrap().to_owned()
}

/// Three processes in a room, the owner's is killed without a word.
#[tokio::test(flavor = "multi_thread")]
async fn c10_c38_the_owner_is_killed_and_comes_back() {
    let serve = Serve::start(&["--api-token", API, "--token-secret", SECRET]).await;
    let server = serve.address.clone();
    let invitation = token(&server, "olga").await;
    let call = |more: &[&str]| {
        let mut words = vec!["call", "demo", "--server", &server];
        words.extend(more);
        Running::start(&words)
    };
    let mut olga = call(&["--token", &invitation]);
    assert_eq!(olga.until("room").await["owner"], "olga");
    let mut paul = call(&["--userid", "paul"]);
    paul.until("peer").await;
    let mut rita = call(&["--userid", "rita"]);
    for _ in 0..2 {
        rita.until("peer").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;

    let killed = Instant::now();
    olga.child.kill().await.unwrap();
    assert_eq!(rita.until("owner").await["userid"], "paul");
    let without = killed.elapsed();
    paul.until("owner").await;
    // The machine has other work; it takes 8 s.
    let most = match std::env::var_os("ORTC_SOAK") {
        Some(_) => Duration::from_secs(10),
        None => Duration::from_secs(20),
    };
    assert!(without < most, "{without:?}");

    let mut olga = call(&["--token", &invitation]);
    let room = olga.until("room").await;
    assert_eq!(room["owner"], "paul");
    let users = room["users"].as_array().unwrap().iter();
    let users: Vec<&str> = users.map(|user| user["userid"].as_str().unwrap()).collect();
    assert!(users.contains(&"olga") && users.len() == 3, "{users:?}");
    for _ in 0..2 {
        olga.until("peer").await;
    }
    let talked = killed.elapsed();

    // What Paul and Rita sent each other went on all the time.
    rita.interrupt();
    paul.interrupt();
    for (one, other) in [(&mut rita, "paul"), (&mut paul, "rita")] {
        assert_eq!(one.end().await, 0);
        let lost = one.seen.iter().find(|event| {
            event["event"] == "peerLost"
                && event["user"]["userid"] == other
                && event["reason"] != "closed by the application"
        });
        assert!(lost.is_none(), "{lost:?}");
        let heard = one.seen.iter().find(|event| {
            event["event"] == "received" && event["from"] == other && event["kind"] == "audio"
        });
        let heard = heard.unwrap_or_else(|| panic!("{:#?}", one.seen));
        let packets = heard["samples"].as_u64().unwrap();
        let pause = heard["longestPauseMs"].as_u64().unwrap();
        println!(
            "another owner after {without:?}; of {other}: {packets} packets in {talked:?}, {pause} ms the longest pause"
        );
        // A packet each 20 ms. A machine with other work is slow by itself, but not for so long.
        assert!(pause < 1_500, "{pause} ms");
        assert!(
            u128::from(packets) * 20 * 5 >= talked.as_millis() * 4,
            "{packets} in {talked:?}"
        );
    }
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
}
