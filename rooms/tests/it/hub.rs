//! A room that goes by a hub: everybody sends once, and gets what all others send.

use std::collections::{BTreeMap, BTreeSet};

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Hub, Payload, Room, RoomRequest, SessionOptions};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{Hello, Role, RoomName, RoomPolicy, Topology};

use crate::support::{Member, Source, count, limited, more, options};

fn name() -> RoomName {
    RoomName::new("hall").unwrap()
}

fn hub_options() -> SessionOptions {
    let mut options = SessionOptions::new();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    options
}

fn request() -> RoomRequest {
    let mut policy = RoomPolicy::default();
    policy.topology = Topology::Hub;
    RoomRequest::from(name()).policy(policy)
}

/// So many members, each with a stream, and a hub between them.
async fn hall(desk: &Desk, members: usize) -> (Hub, Vec<Member>, Vec<Room>, Vec<Source>) {
    let mut people = Vec::new();
    let (mut rooms, mut sources) = (Vec::new(), Vec::new());
    let mut hub = None;
    for at in 0..members {
        let member = Member::new(desk, &format!("user{at}")).await;
        let room = member.session.open_or_join(request()).await.unwrap();
        if hub.is_none() {
            hub = Some(Hub::enter(desk, &name(), hub_options()).await.unwrap());
        }
        let source = Source::new(true, true);
        member.session.add_stream_with(&source.stream, ()).unwrap();
        people.push(member);
        rooms.push(room);
        sources.push(source);
    }
    (hub.unwrap(), people, rooms, sources)
}

#[tokio::test]
async fn e05_six_by_a_hub_send_once_and_get_all() {
    let desk = Desk::default();
    let (hub, mut people, rooms, sources) = hall(&desk, 6).await;
    for at in 0..people.len() {
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        for (of, source) in sources.iter().enumerate().filter(|(of, _)| *of != at) {
            wanted.insert(format!("user{of}"), source.stream.id().to_owned());
        }
        let (mut connected, mut open) = (BTreeSet::new(), BTreeSet::new());
        let mut streams = BTreeMap::new();
        let mut counts = Vec::new();
        while streams.len() < 5 || counts.len() < 10 || connected.len() < 5 || open.len() < 5 {
            people[at]
                .until(|event| {
                    match event {
                        Event::Connected { user, .. } => {
                            assert!(connected.insert(user.userid.to_string()));
                        }
                        Event::Open { user, .. } => {
                            open.insert(user.userid.to_string());
                        }
                        Event::Stream(stream) if stream.room.is_some() => {
                            streams.insert(stream.userid.to_string(), stream.stream_id.clone());
                        }
                        Event::Track { track, .. } => counts.push(count(track.clone())),
                        _ => return None,
                    }
                    Some(())
                })
                .await;
        }
        assert_eq!(streams, wanted);
        for counted in &counts {
            more(counted, 3).await;
        }
        // One connection, and each own track once.
        let peers = rooms[at].peers();
        assert_eq!(peers.len(), 5, "the hub is no peer");
        assert_eq!(rooms[at].users().len(), 6, "and no person");
        let sent: BTreeSet<String> = peers
            .iter()
            .flat_map(|peer| {
                let connection = peer.connection().unwrap();
                let outbound = connection.stats().outbound_rtp;
                let sent: Vec<_> = outbound.iter().map(|one| one.ssrc.to_string()).collect();
                sent
            })
            .collect();
        assert_eq!(sent.len(), 2, "audio and video, once each");
        assert!(peers.iter().all(|peer| peer.is_by_hub()));
    }
    assert_eq!(hub.stats().tracks_in, 12);
    assert_eq!(hub.stats().tracks_out, 60);

    // Messages: to all, and to one.
    rooms[0].send("to all").unwrap();
    let to = rooms[0].peer(&people[3].session.userid()).unwrap();
    to.send(vec![7; 100_000]).unwrap();
    for at in 1..6 {
        let wanted = match at {
            3 => 2,
            _ => 1,
        };
        let mut got = Vec::new();
        while got.len() < wanted {
            let (from, data) = people[at].until(said).await;
            assert_eq!(from, "user0");
            got.push(data);
        }
        assert!(got.contains(&Payload::from("to all")));
        assert_eq!(wanted == 2, got.contains(&Payload::from(vec![7; 100_000])));
    }
    drop(hub);
}

fn said(event: &Event) -> Option<(String, Payload)> {
    match event {
        Event::Message(message) => Some((message.from.userid.to_string(), message.data.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn e05_nobody_but_the_server_is_a_hub() {
    let desk = Desk::default();
    let mut hello = Hello::new();
    hello.role = Some(Role::Hub);
    assert!(Memory::connect(&desk, hello).await.is_err());
    let secret = Member::new(&desk, "anna").await;
    let mut policy = RoomPolicy::default();
    policy.secret = true;
    let request = RoomRequest::from(name()).policy(policy);
    secret.session.open(request).await.unwrap();
    assert!(Hub::enter(&desk, &name(), hub_options()).await.is_err());
    let nowhere = RoomName::new("nowhere").unwrap();
    assert!(Hub::enter(&desk, &nowhere, hub_options()).await.is_err());
    // One at most, which neither the owner nor others put out, and which owns nothing.
    let other = RoomName::new("other").unwrap();
    let bob = Member::new(&desk, "bob").await;
    let room = bob.session.open(other.clone()).await.unwrap();
    let hub = Hub::enter(&desk, &other, hub_options()).await.unwrap();
    assert!(Hub::enter(&desk, &other, hub_options()).await.is_err());
    assert!(room.eject(&hub.userid(), false).await.is_err());
    assert!(room.hand_over(&hub.userid()).await.is_err());
    assert_eq!(desk.rooms().iter().map(|room| room.users).max(), Some(1));
    // A room of nobody but a hub is over.
    room.leave().await.unwrap();
    limited(async {
        while desk.room(&other).is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Sends numbers to all, at once, to each alone too.
fn counting(rooms: &[Room]) -> Vec<tokio::task::JoinHandle<u64>> {
    let each = rooms.iter().cloned().map(|room| {
        tokio::spawn(async move {
            let mut number = 0;
            let mut clock = tokio::time::interval(std::time::Duration::from_millis(10));
            loop {
                clock.tick().await;
                let text = format!("{number}");
                if room.send(text).is_err() {
                    return number;
                }
                number += 1;
            }
        })
    });
    each.collect()
}
