//! A hub that is lost loses no message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Hub, Room, RoomRequest, SessionOptions};
use ortc_rooms::signalling::{RoomName, RoomPolicy, Topology};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{Member, id, limited};

const NAMES: [&str; 3] = ["anna", "bob", "carl"];

/// What came of whom, to all or to one.
type Came = Arc<Mutex<BTreeMap<(String, String), Vec<u64>>>>;

async fn hub(desk: &Desk) -> Hub {
    let mut options = SessionOptions::new();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    let name = RoomName::new("hall").unwrap();
    Hub::enter(desk, &name, options).await.unwrap()
}

/// Sends numbers to all, and others to one, until it is stopped: how many of each.
fn counting(room: Room, to: &str, stop: watch::Receiver<bool>) -> JoinHandle<u64> {
    let one = room.peer(&id(to)).unwrap();
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        let mut count = 0;
        while !*stop.borrow() {
            clock.tick().await;
            room.send(format!("all {count}")).unwrap();
            one.send(format!("one {count}")).unwrap();
            count += 1;
        }
        count
    })
}

fn reads(mut events: Events) -> Came {
    let came = Came::default();
    let of = came.clone();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Event::Message(message) = event {
                let text = message.data.text().unwrap();
                let (kind, number) = text.split_once(' ').unwrap();
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

#[tokio::test]
async fn e05_a_hub_that_is_lost_loses_no_message() {
    let desk = Desk::default();
    let (mut rooms, mut came, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = None;
    for name in NAMES {
        let Member { session, events } = Member::new(&desk, name).await;
        let mut policy = RoomPolicy::default();
        policy.topology = Topology::Hub;
        let request = RoomRequest::from(RoomName::new("hall").unwrap()).policy(policy);
        rooms.push(session.open_or_join(request).await.unwrap());
        came.push(reads(events));
        sessions.push(session);
        if first.is_none() {
            first = Some(hub(&desk).await);
        }
    }
    settled(&rooms, true).await;
    let (stop, stopped) = watch::channel(false);
    let moment = Duration::from_millis(500);
    tokio::time::sleep(moment).await;
    let writers: Vec<_> = rooms
        .iter()
        .zip(1..)
        .map(|(room, at)| counting(room.clone(), NAMES[at % 3], stopped.clone()))
        .collect();
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
    stop.send(true).unwrap();
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
    drop(third);
}
