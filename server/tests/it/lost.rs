//! Connections that are lost, servers that are killed, and who comes and goes all the time.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::child::Child;
use crate::client::{Client, server};

/// For tests that wait for timers of the server.
const LONG: Duration = Duration::from_secs(240);

fn soak() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

#[tokio::test]
async fn r_h09_who_is_half_dead_has_left_within_45_s_and_once() {
    // In full the usual grace of 30 s; else one that is shorter by 29 s.
    let grace = if soak() { 30 } else { 1 };
    let server = server(|config| config.grace_seconds = grace).await;
    let at = server.address();
    let mut anna = Client::new(at).await;
    anna.enter("demo").await;
    // Its socket is open and nobody reads it: pings are not answered.
    let mut dead = Client::new(at).await;
    dead.enter("demo").await;
    anna.hear_of("joined").await;
    let begin = Instant::now();
    let left = loop {
        let message = timeout(LONG, anna.hear()).await.unwrap().unwrap();
        if !message["left"].is_null() {
            break message["left"].clone();
        }
    };
    let took = begin.elapsed();
    println!("r_h09: left after {took:?}, of which the grace {grace} s");
    assert_eq!(
        (&left["userid"], &left["reason"]),
        (&json!(dead.userid), &json!("lost"))
    );
    // A busy machine is late; the row's figure is that of the full size.
    let late = if soak() { 1 } else { 2 };
    let most = Duration::from_secs(15 + u64::from(grace)) * late;
    assert!(took < most, "{took:?}");
    // Once.
    let mut bert = Client::new(at).await;
    bert.enter("demo").await;
    let next = anna.hear().await.unwrap();
    assert!(!next["joined"].is_null(), "{next}");
}

#[tokio::test]
async fn r_h04_of_two_sockets_of_one_identity_the_older_is_closed() {
    let server = server(|_| {}).await;
    let at = server.address();
    let mut bert = Client::new(at).await;
    let mut first = Client::new(at).await;
    first.enter("demo").await;
    bert.enter("demo").await;
    let hello = json!({ "resume": first.resume, "seen": first.seen });
    let mut second = Client::hello(at, hello.clone()).await.unwrap();
    assert_eq!(first.end().await.unwrap().0, 4001);
    assert_eq!(second.userid, first.userid);
    second
        .say(json!({ "say": { "room": "demo", "body": 1 } }))
        .await;
    assert_eq!(bert.hear_of("said").await["from"], second.userid.as_str());
    // The token was used: who stole it gets nothing, and disturbs nobody.
    let refused = Client::hello(at, hello).await.err().unwrap();
    assert_eq!(refused.unwrap().0, 4003);
    second
        .say(json!({ "say": { "room": "demo", "body": 2 } }))
        .await;
    let next = bert.hear().await.unwrap();
    assert_eq!(next["said"]["body"], 2, "{next}");
}

#[tokio::test]
async fn r_h03_nobody_speaks_for_another_or_into_a_room_that_it_is_not_in() {
    let server = server(|config| {
        config.messages_per_second = 100_000;
        config.connects_per_second = 10_000;
    })
    .await;
    let at = server.address();
    let mut inside = Client::new(at).await;
    let mut other = Client::new(at).await;
    inside.enter("one").await;
    other.enter("one").await;
    inside.hear_of("joined").await;
    let mut outside = Client::new(at).await;
    outside.enter("two").await;
    // 128 random bits at least.
    assert!(outside.userid.len() >= 22, "{}", outside.userid);
    let tries = if soak() { 25_000 } else { 500 };
    for number in 0..tries {
        for message in [
            json!({ "say": { "room": "one", "body": number } }),
            json!({ "say": { "room": "one", "to": inside.userid, "body": number, "from": other.userid } }),
            json!({ "say": { "room": "two", "to": inside.userid, "body": number } }),
            json!({ "eject": { "room": "one", "userid": other.userid } }),
        ] {
            outside.say(message).await;
        }
        for _ in 0..4 {
            outside.hear_of("error").await;
        }
        // Who listens answers the server's questions, and hears nothing of this.
        if number % 500 == 499 {
            for client in [&mut inside, &mut other] {
                while let Ok(message) = timeout(Duration::from_millis(5), client.hear()).await {
                    let message = message.unwrap();
                    assert!(message["said"].is_null(), "{message}");
                }
            }
        }
    }
    // The sender is the server's word.
    let forged = json!({ "say": { "room": "one", "to": inside.userid, "body": "x", "from": inside.userid } });
    other.say(forged).await;
    let next = inside.hear().await.unwrap();
    assert_eq!(
        (&next["said"]["from"], &next["said"]["body"]),
        (&json!(other.userid), &json!("x"))
    );
    println!("r_h03: 0 of {} delivered", tries * 4);
}

#[tokio::test]
async fn r_h11_after_much_coming_and_going_presence_is_the_truth() {
    let server = server(|config| {
        config.messages_per_second = 100_000;
        config.connects_per_second = 10_000;
    })
    .await;
    let at = server.address();
    let mut watcher = Client::new(at).await;
    watcher.enter("demo").await;
    let (clients, rounds) = if soak() { (50, 200) } else { (10, 20) };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..clients {
        tasks.spawn(async move {
            let mut client = Client::new(at).await;
            for round in 0..rounds {
                // Both at once: the server takes them in order.
                client.say(json!({ "join": { "room": "demo" } })).await;
                client.say(json!({ "say": { "room": "demo", "body": { "of": number, "round": round } } })).await;
                client.say(json!({ "leave": { "room": "demo" } })).await;
                while client.hear().await.unwrap()["closed"].is_null() {}
            }
            if number % 2 == 0 {
                client.enter("demo").await;
            }
            client
        });
    }
    let clients_there = tasks.join_all().await;
    let quiet = Instant::now();
    let wanted: BTreeSet<String> = clients_there
        .iter()
        .step_by(1)
        .map(|client| client.userid.clone())
        .collect();
    let mut present = BTreeSet::new();
    let mut rounds_of = vec![0; clients];
    // What the watcher was told adds up to what the server knows.
    watcher.say(json!({ "rooms": { "watch": true } })).await;
    loop {
        let message = watcher.hear().await.unwrap();
        let id = |value: &Value| value.as_str().unwrap().to_owned();
        if let Some(joined) = message.get("joined") {
            assert!(present.insert(id(&joined["user"]["userid"])), "twice");
        } else if let Some(left) = message.get("left") {
            assert!(
                present.remove(&id(&left["userid"])),
                "who was not there left"
            );
        } else if let Some(said) = message.get("said") {
            let of = said["body"]["of"].as_u64().unwrap() as usize;
            assert_eq!(said["body"]["round"], rounds_of[of], "order of one sender");
            rounds_of[of] += 1;
            assert!(present.contains(&id(&said["from"])));
        } else if let Some(rooms) = message.get("rooms") {
            let users = rooms["rooms"][0]["users"].as_u64().unwrap() as usize;
            assert_eq!(users, present.len() + 1);
            break;
        }
    }
    println!("r_h11: told {:?} after the last", quiet.elapsed());
    assert!(rounds_of.iter().all(|count| *count == rounds));
    assert_eq!(present.len(), clients.div_ceil(2));
    assert!(present.is_subset(&wanted));
}

/// Comes back as the protocol's clients do: after a random time of up to a second, then by full
/// jitter up to 10 s.
async fn back(
    at: std::net::SocketAddr,
    before: &Client,
    mut random: impl FnMut(u64) -> u64,
) -> (Client, u32) {
    let mut tries = 0;
    loop {
        let most = if tries == 0 {
            1_000
        } else {
            (500_u64 << tries.min(5)).min(10_000)
        };
        sleep(Duration::from_millis(random(most))).await;
        tries += 1;
        if std::net::TcpStream::connect(at).is_err() {
            continue;
        }
        let Ok(mut client) = Client::silent(at).await else {
            continue;
        };
        let hello = json!({ "version": 1, "resume": before.resume, "seen": before.seen });
        client
            .raw(&json!({ "message": { "hello": hello } }).to_string())
            .await;
        match client.hear().await {
            Ok(message) if !message["welcome"].is_null() => {
                client.userid = message["welcome"]["userid"].as_str().unwrap().to_owned();
                client.welcome = message["welcome"].clone();
                return (client, tries);
            }
            Ok(message) => panic!("{message}"),
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn r_h10_all_come_back_to_a_server_that_was_killed_and_none_at_once() {
    let count: usize = if soak() { 1_000 } else { 100 };
    let folder = std::env::temp_dir().join(format!("ortc-lost-{}", std::process::id()));
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let settings = |rate: u32| {
        format!(
            "listen = \"127.0.0.1:{port}\"\nstate_dir = {:?}\nconnects_per_second = {rate}\nstun_port = 0\n",
            folder.display()
        )
    };
    let files = (count > 400).then_some(8_192);
    let server = Child::new(&settings(10_000), files).await;
    let at = server.at;
    let mut clients = Vec::new();
    for number in 0..count {
        let mut client = Client::new(at).await;
        client.enter(&format!("room {}", number % 20)).await;
        // The token that knows of the room comes before or after.
        if client.resume == client.welcome["resume"] {
            client.hear_of("resume").await;
        }
        clients.push(client);
    }
    server.kill().await;
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, before) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut seed = number as u64 * 2 + 0x9e37_79b9_7f4a_7c15;
            let random = move |below: u64| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed % below
            };
            let (mut client, tries) = back(at, &before, random).await;
            assert_eq!(client.userid, before.userid);
            let room = client.hear_of("room").await["room"].clone();
            assert_eq!(room, format!("room {}", number % 20));
            (begin.elapsed(), tries)
        });
    }
    let up = begin.elapsed();
    let server = Child::new(&settings(100), files).await;
    let mut times: Vec<(Duration, u32)> = timeout(LONG, tasks.join_all()).await.unwrap();
    times.sort();
    let last = times[count * 99 / 100].0;
    let most = times.iter().map(|(_, tries)| tries).max();
    // How many arrived in one second, as they saw it.
    let within = |first: usize| {
        let end = times[first].0 + Duration::from_secs(1);
        times.partition_point(|time| time.0 < end) - first
    };
    let at_once = (0..times.len()).map(within).max().unwrap();
    println!(
        "r_h10: of {count}, 99 % back after {last:?}, at most {at_once} in a second, {most:?} tries"
    );
    let most = if soak() { LONG / 8 } else { LONG / 2 };
    assert!(last <= most, "{last:?}");
    // In no second are more than 100 let in (see `counts`). What they are told comes later on a busy
    // machine, and then to many at once, but never sooner.
    for (number, (at, _)) in times.iter().enumerate() {
        let seconds = at.saturating_sub(up).as_secs_f64();
        assert!(
            number as f64 <= 100.0 * (seconds + 1.0),
            "{number} after {seconds}"
        );
    }
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}
