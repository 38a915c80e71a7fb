//! A hub that is lost loses no message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::RTCConnectionState;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Hub, Room, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::{RoomName, RoomPolicy, Topology};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{Member, id, limited};

/// The hub, whose id is less, calls them: what is lost is made anew soon.
const NAMES: [&str; 3] = ["uma", "vera", "will"];

/// What came of whom, to all or to one.
type Came = Arc<Mutex<BTreeMap<(String, String), Vec<u64>>>>;

async fn hub(desk: &Desk) -> Hub {
    let mut options = SessionOptions::new();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    let name = RoomName::new("hall").unwrap();
    Hub::enter(desk, &name, options).await.unwrap()
}

/// What those who count do next: so many at once, or no more.
type Turn = Option<usize>;

/// Sends numbers to all, and others to one, until it is stopped: how many of each.
fn counting(room: Room, to: &str, mut turn: watch::Receiver<Turn>) -> JoinHandle<u64> {
    let one = room.peer(&id(to)).unwrap();
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(60));
        let mut count = 0;
        loop {
            let at_once = tokio::select! {
                _ = clock.tick() => 1,
                changed = turn.changed() => {
                    changed.unwrap();
                    match *turn.borrow() {
                        Some(at_once) => at_once,
                        None => return count,
                    }
                }
            };
            for _ in 0..at_once {
                // In pieces, so that connections end in the middle of some.
                let pad = "x".repeat(if at_once > 1 { 30_000 } else { 0 });
                room.send(format!("all {count} {pad}")).unwrap();
                one.send(format!("one {count} {pad}")).unwrap();
                count += 1;
            }
        }
    })
}

fn reads(mut events: Events) -> Came {
    let came = Came::default();
    let of = came.clone();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::Message(message) = event {
                let text = message.data.text().unwrap();
                let mut words = text.split(' ');
                let (kind, number) = (words.next().unwrap(), words.next().unwrap());
                let key = (message.from.userid.to_string(), kind.to_owned());
                let mut came = of.lock().unwrap();
                came.entry(key).or_default().push(number.parse().unwrap());
            }
        }
    });
    came
}

async fn settled(rooms: &[Room], by_hub: bool) {
    limited(async {
        let settled = |room: &Room| {
            let peers = room.peers();
            let open = |peer: &&ortc_rooms::session::Peer| {
                peer.is_by_hub() == by_hub && peer.is_connected()
            };
            peers.iter().filter(open).count() == 2
        };
        while !rooms.iter().all(settled) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Three who are there, what comes to each, and their hub if the rules want one.
async fn hall(
    desk: &Desk,
    topology: Topology,
) -> (Vec<Room>, Vec<Came>, Vec<Session>, Option<Hub>) {
    let (mut rooms, mut came, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = None;
    for name in NAMES {
        let Member { session, events } = Member::new(desk, name).await;
        let mut policy = RoomPolicy::default();
        policy.topology = topology;
        let request = RoomRequest::from(RoomName::new("hall").unwrap()).policy(policy);
        rooms.push(session.open_or_join(request).await.unwrap());
        came.push(reads(events));
        sessions.push(session);
        if first.is_none() && topology == Topology::Hub {
            first = Some(hub(desk).await);
        }
    }
    (rooms, came, sessions, first)
}

fn all_count(rooms: &[Room]) -> (watch::Sender<Turn>, Vec<JoinHandle<u64>>) {
    let (turn, turns) = watch::channel(Some(1));
    let writers = rooms
        .iter()
        .zip(1..)
        .map(|(room, at)| counting(room.clone(), NAMES[at % 3], turns.clone()));
    (turn, writers.collect())
}

/// Each has each number of the others once and in order.
async fn whole(writers: Vec<JoinHandle<u64>>, came: &[Came]) {
    for (of, writer) in writers.into_iter().enumerate() {
        let count = writer.await.unwrap();
        for (to, came) in came.iter().enumerate().filter(|(to, _)| *to != of) {
            let kinds: &[&str] = match (of + 1) % 3 == to {
                true => &["all", "one"],
                false => &["all"],
            };
            for kind in kinds {
                let key = (NAMES[of].to_owned(), (*kind).to_owned());
                let numbers = || came.lock().unwrap().get(&key).cloned().unwrap_or_default();
                limited(async {
                    while numbers().last() != Some(&(count - 1)) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                })
                .await;
                let numbers = numbers();
                let wrong = numbers.iter().zip(0..).find(|(is, at)| *is != at);
                assert_eq!(wrong, None, "{kind} of {} to {}", NAMES[of], NAMES[to]);
                assert_eq!(numbers.len() as u64, count);
            }
        }
    }
}

#[tokio::test]
async fn e05_a_hub_that_is_lost_loses_no_message() {
    let desk = Desk::default();
    let (rooms, came, _sessions, first) = hall(&desk, Topology::Hub).await;
    settled(&rooms, true).await;
    let moment = Duration::from_millis(500);
    tokio::time::sleep(moment).await;
    let (turn, writers) = all_count(&rooms);
    tokio::time::sleep(moment).await;
    drop(first);
    // To the mesh, to another hub, and from that one to a third.
    settled(&rooms, false).await;
    let second = hub(&desk).await;
    settled(&rooms, true).await;
    tokio::time::sleep(moment).await;
    drop(second);
    let third = hub(&desk).await;
    settled(&rooms, true).await;
    tokio::time::sleep(moment).await;
    turn.send(None).unwrap();
    whole(writers, &came).await;
    drop(third);
}

/// A hub that is lost as soon as they go by it, before anybody has told what came.
async fn lost_at_once(settle: bool) {
    let desk = Desk::default();
    let (rooms, came, _sessions, _) = hall(&desk, Topology::Mesh).await;
    settled(&rooms, false).await;
    let (turn, writers) = all_count(&rooms);
    let mut policy = RoomPolicy::default();
    policy.topology = Topology::Hub;
    rooms[0].set_policy(policy).await.unwrap();
    let first = hub(&desk).await;
    if settle {
        settled(&rooms, true).await;
    } else {
        limited(async {
            while first.stats().messages < 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
    turn.send(Some(20)).unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    drop(first);
    settled(&rooms, false).await;
    turn.send(None).unwrap();
    whole(writers, &came).await;
}

#[tokio::test]
async fn e05_a_hub_that_is_lost_right_after_the_move_loses_no_message() {
    lost_at_once(true).await;
}

#[tokio::test]
async fn e05_a_hub_that_is_lost_during_the_move_loses_no_message() {
    lost_at_once(false).await;
}

/// What has a channel of its own is not sent again: who said it is told.
async fn large_is_told(topology: Topology) {
    let desk = Desk::default();
    let mut members = Vec::new();
    for name in NAMES {
        let member = Member::new(&desk, name).await;
        let mut policy = RoomPolicy::default();
        policy.topology = topology;
        let request = RoomRequest::from(RoomName::new("hall").unwrap()).policy(policy);
        let room = member.session.open_or_join(request).await.unwrap();
        members.push((member, room));
    }
    let by_hub = topology == Topology::Hub;
    let first = match by_hub {
        true => Some(hub(&desk).await),
        false => None,
    };
    let rooms: Vec<Room> = members.iter().map(|(_, room)| room.clone()).collect();
    settled(&rooms, by_hub).await;
    let (member, room) = &mut members[0];
    room.send(vec![7; 16 << 20]).unwrap();
    // It has begun to go.
    limited(async {
        while room.peers()[0].waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(first);
    if !by_hub {
        room.peers()[0].connection().unwrap().close();
    }
    let told = |event: &Event| match event {
        Event::DataError { user, error, .. } if error.contains("lost") => Some(user.clone()),
        _ => None,
    };
    let user = member.until(told).await;
    assert!(NAMES[1..].contains(&user.userid.as_str()), "{user:?}");
}

#[tokio::test]
async fn e05_a_large_message_that_a_hub_had_when_it_was_lost_is_told() {
    large_is_told(Topology::Hub).await;
}

#[tokio::test]
async fn c10_a_large_message_that_a_lost_connection_had_is_told() {
    large_is_told(Topology::Mesh).await;
}

/// Connections that break, to a hub that lives and between two, lose nothing of what they had.
async fn cut(topology: Topology) {
    let by_hub = topology == Topology::Hub;
    let desk = Desk::default();
    let (rooms, came, _sessions, hub) = hall(&desk, topology).await;
    settled(&rooms, by_hub).await;
    let (turn, writers) = all_count(&rooms);
    // Who calls makes the next one.
    let called = rooms.iter().skip(usize::from(!by_hub));
    for room in called.clone().chain(called) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let connection = || room.peers()[0].connection();
        let is = |wanted: RTCConnectionState| {
            limited(async move {
                let state = || connection().map(|connection| connection.state());
                while state() != Some(wanted) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        };
        is(RTCConnectionState::Connected).await;
        // More than goes at once.
        turn.send(Some(20)).unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
        if let Some(connection) = connection() {
            connection.close();
        }
        is(RTCConnectionState::Connected).await;
        settled(&rooms, by_hub).await;
    }
    turn.send(None).unwrap();
    whole(writers, &came).await;
    drop(hub);
}

#[tokio::test]
async fn e05_a_connection_to_a_hub_that_is_lost_loses_no_message() {
    cut(Topology::Hub).await;
}

#[tokio::test]
async fn c10_a_connection_of_two_that_is_lost_loses_no_message() {
    cut(Topology::Mesh).await;
}
