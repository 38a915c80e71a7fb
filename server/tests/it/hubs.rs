//! Rooms that go by the server.

use std::time::Duration;

use ortc_rooms::session::{Event, Events, Recording, Room, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::{RoomPolicy, Topology};

use crate::client::server;
use crate::http;

const TOKEN: &str = "0123456789abcdef";

fn options(userid: &str) -> SessionOptions {
    let mut options = SessionOptions::new().with_userid(userid).unwrap();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    options
}

fn request(room: &str, topology: Topology) -> RoomRequest {
    let mut policy = RoomPolicy::default();
    policy.mesh_up_to = 2;
    policy.topology = topology;
    RoomRequest::from(room).policy(policy)
}

async fn limited<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what)
        .await
        .unwrap()
}

async fn settled(rooms: &[Room], by_hub: bool) {
    limited(async {
        let is = |room: &Room| {
            let mut peers = room.peers().into_iter();
            room.hub().is_some() == by_hub
                && peers.len() + 1 == rooms.len()
                && peers.all(|peer| peer.is_connected() && peer.is_by_hub() == by_hub)
        };
        while !rooms.iter().all(is) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn said(events: &mut Events) -> Option<String> {
    loop {
        if let Event::Message(message) = events.next().await? {
            return message.data.text().map(str::to_owned);
        }
    }
}

#[tokio::test]
async fn e05_e10_a_room_that_grows_goes_by_the_server() {
    let server = server(|config| {
        config.hub = true;
        config.hub_rooms = 1;
    })
    .await;
    let url = format!("ws://{}/ws", server.address());
    let (mut rooms, mut heard) = (Vec::new(), Vec::new());
    for name in ["anna", "bob", "carl"] {
        let (session, events) = limited(Session::connect(url.clone(), options(name)))
            .await
            .unwrap();
        let room = session.open_or_join(request("demo", Topology::Auto));
        rooms.push(limited(room).await.unwrap());
        heard.push(events);
        let settles = rooms.len() > 2;
        settled(&rooms, settles).await;
    }
    rooms[0].send("by the server").unwrap();
    for events in &mut heard[1..] {
        assert_eq!(
            limited(said(events)).await.as_deref(),
            Some("by the server")
        );
    }
    // One room has a place; the other stays a mesh, and the figures say why.
    let (session, _events) = Session::connect(url.clone(), options("dora"))
        .await
        .unwrap();
    let other = session.open(request("other", Topology::Hub)).await.unwrap();
    let metrics = limited(async {
        loop {
            let metrics = http::ask(server.address(), "GET /metrics", "", "")
                .await
                .body;
            let counted = metrics.contains("ortc_hub_people 3");
            if counted && metrics.contains("ortc_hub_refused_total{reason=\"rooms\"}") {
                return metrics;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(metrics.contains("ortc_hub_rooms 1"), "{metrics}");
    assert!(other.hub().is_none());
    let lobby = server.desk().rooms();
    let demo = lobby.iter().find(|room| room.sessionid.as_str() == "demo");
    assert_eq!(demo.map(|room| room.users), Some(3), "a hub is not counted");
}

/// By the rules of a room, or as REST asks: then it goes by the server, however few are in it.
#[tokio::test]
async fn e14_a_room_is_recorded_by_the_server() {
    let folder = std::env::temp_dir().join(format!("ortc-hub-record-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let place = folder.clone();
    let server = server(move |config| {
        config.hub = true;
        config.record = Some(place);
        config.api_token = Some(TOKEN.to_owned());
    })
    .await;
    let url = format!("ws://{}/ws", server.address());
    let (session, mut events) = Session::connect(url, options("anna")).await.unwrap();
    let mut policy = RoomPolicy::default();
    policy.record = true;
    let ruled = RoomRequest::from("../ruled").policy(policy);
    session.open(ruled).await.unwrap();
    session.open("asked").await.unwrap();
    let told = async |events: &mut Events, room: &str, wanted: bool| {
        limited(async {
            while let Some(event) = events.next().await {
                // It may be told twice.
                if let Event::Action(action) = event
                    && let Ok(Some(Recording { on })) = action.read()
                    && (action.room.as_str(), on) == (room, wanted)
                {
                    return;
                }
            }
            panic!("the session ended");
        })
        .await
    };
    told(&mut events, "../ruled", true).await;
    let address = server.address();
    let ask = async |room: &str, on: bool| {
        let line = format!("POST /api/rooms/{room}/record");
        let head = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n");
        http::ask(address, &line, &head, &format!("{{\"on\":{on}}}")).await
    };
    assert_eq!(ask("nowhere", true).await.status, 404);
    assert_eq!(ask("asked", true).await.status, 200);
    told(&mut events, "asked", true).await;
    assert_eq!(ask("asked", false).await.status, 200);
    told(&mut events, "asked", false).await;
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(&folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    let mut all = names();
    all.sort();
    assert!(
        all.len() == 2 && all[0].starts_with("_") && all[1].starts_with("asked "),
        "{all:?}"
    );
    for name in &all {
        assert!(folder.join(name).join("session.json").is_file(), "{name}");
    }
    // What is recorded when the server ends is complete.
    server.shut_down().await;
    for name in &all {
        let told = std::fs::read(folder.join(name).join("session.json")).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert!(told["ended"].is_number(), "{name}: {told}");
    }
    session.end();
    let _ = std::fs::remove_dir_all(&folder);
}
