//! A room that goes by a hub: everybody sends once, and gets what all others send.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Hub, Kinds, Payload, Room, RoomRequest, SessionOptions};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{Hello, Role, RoomName, RoomPolicy, Topology, UserId};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{Member, Source, count, id, limited, more, silent};

pub(crate) fn name() -> RoomName {
    RoomName::new("hall").unwrap()
}

pub(crate) fn hub_options() -> SessionOptions {
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
pub(crate) async fn hall(
    desk: &Desk,
    members: usize,
) -> (Hub, Vec<Member>, Vec<Room>, Vec<Source>) {
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
async fn e05_e06_e07_e10_six_by_a_hub_send_once_and_get_all() {
    let desk = Desk::default();
    let mut places = BTreeSet::new();
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
        for peer in &peers {
            let pairs = peer.connection().unwrap().stats().candidate_pairs;
            for one in pairs.iter().map(|pair| &pair.remote_candidate) {
                places.insert((one.connection_address.clone(), one.connection_port));
            }
        }
    }
    assert_eq!(
        places.len(),
        1,
        "the hub's one port is all that is seen: {places:?}"
    );
    assert_eq!(hub.stats().tracks_in, 12);
    assert_eq!(hub.stats().tracks_out, 60);

    // Messages: to all, and to one.
    rooms[0].send("to all").unwrap();
    let to = rooms[0].peer(&people[3].session.userid()).unwrap();
    to.send(vec![7; 100_000]).unwrap();
    for (at, person) in people.iter_mut().enumerate().skip(1) {
        let wanted = match at {
            3 => 2,
            _ => 1,
        };
        let mut got = Vec::new();
        while got.len() < wanted {
            let (from, data) = person.until(said).await;
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

/// Sends numbers to all, and to one of them alone others, until it is stopped: how many.
fn counting(room: &Room, one: UserId, stop: watch::Receiver<bool>) -> JoinHandle<(u64, u64)> {
    let room = room.clone();
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(50));
        let (mut all, mut alone) = (0, 0);
        while !*stop.borrow() {
            clock.tick().await;
            room.send(format!("all {all}")).unwrap();
            all += 1;
            room.peer(&one)
                .unwrap()
                .send(format!("one {alone}"))
                .unwrap();
            alone += 1;
        }
        (all, alone)
    })
}

/// An audio track of packets with numbers.
fn numbered(stop: watch::Receiver<bool>) -> MediaStream {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        let mut number: u64 = 0;
        while !*stop.borrow() {
            clock.tick().await;
            let _ = track.write_sample(number.to_be_bytes().to_vec(), Duration::from_millis(20));
            number += 1;
        }
    });
    stream
}

/// What one has got of each of the others.
#[derive(Default)]
struct Got {
    texts: BTreeMap<(String, String), Vec<u64>>,
    packets: BTreeMap<String, Arc<Mutex<BTreeSet<u64>>>>,
    ways: Vec<bool>,
    connected: i32,
    ended: Vec<String>,
}

impl Got {
    fn take(&mut self, event: Event) {
        match event {
            Event::Message(message) => {
                let text = message.data.text().unwrap().to_owned();
                let (kind, number) = text.split_once(' ').unwrap();
                let key = (message.from.userid.to_string(), kind.to_owned());
                self.texts
                    .entry(key)
                    .or_default()
                    .push(number.parse().unwrap());
            }
            Event::Track { userid, track, .. } => {
                let numbers = self.packets.entry(userid.to_string()).or_default().clone();
                tokio::spawn(async move {
                    while let Some(packet) = track.recv_rtp().await {
                        if let Ok(bytes) = packet.payload[..].try_into() {
                            numbers.lock().unwrap().insert(u64::from_be_bytes(bytes));
                        }
                    }
                });
            }
            Event::Hub { on, .. } => self.ways.push(on),
            Event::Connected { .. } => self.connected += 1,
            Event::Disconnected { user, .. } => self.ended.push(format!("{} itself", user.userid)),
            Event::StreamEnded {
                userid, stream_id, ..
            } => {
                self.ended.push(format!("{userid} {stream_id}"));
            }
            _ => {}
        }
    }
}

pub(crate) async fn settled(rooms: &[Room], by_hub: bool) {
    limited(async {
        let as_wanted = |room: &Room| {
            let peers = room.peers();
            let as_wanted = peers.iter().filter(|peer| peer.is_by_hub() == by_hub);
            as_wanted.filter(|peer| peer.is_connected()).count() == rooms.len() - 1
        };
        while !rooms.iter().all(as_wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn e10_from_mesh_to_hub_and_back_nothing_is_lost() {
    let desk = Desk::default();
    let (stop, stopped) = watch::channel(false);
    let names = ["anna", "bob", "carl"];
    let (mut rooms, mut got) = (Vec::new(), Vec::new());
    for name in names {
        let member = Member::new(&desk, name).await;
        let room = member.session.open_or_join(self::name()).await.unwrap();
        let stream = numbered(stopped.clone());
        member.session.add_stream_with(&stream, ()).unwrap();
        let Member {
            session,
            mut events,
        } = member;
        let (seen, sees) = (Arc::new(Mutex::new(Got::default())), session);
        let all = seen.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                all.lock().unwrap().take(event);
            }
            drop(sees);
        });
        rooms.push(room);
        got.push(seen);
    }
    settled(&rooms, false).await;
    let first: Vec<_> = names.iter().zip(1..).collect();
    let writers: Vec<_> = first
        .iter()
        .zip(&rooms)
        .map(|((_, at), room)| counting(room, id(names[at % 3]), stopped.clone()))
        .collect();
    let moment = Duration::from_millis(300);
    tokio::time::sleep(moment).await;
    let hub = Hub::enter(&desk, &name(), hub_options()).await.unwrap();
    settled(&rooms, true).await;
    tokio::time::sleep(moment).await;
    assert!(hub.stats().messages > 0 && hub.stats().tracks_out == 6);
    hub.retire().await;
    settled(&rooms, false).await;
    tokio::time::sleep(moment).await;
    stop.send(true).unwrap();
    let mut sent = Vec::new();
    for writer in writers {
        sent.push(writer.await.unwrap());
    }
    for (at, got) in got.iter().enumerate() {
        for (other, (all, alone)) in sent.iter().enumerate().filter(|(other, _)| *other != at) {
            let from = names[other].to_owned();
            let to_me = (other + 1) % 3 == at;
            for (kind, count) in [("all", *all), ("one", if to_me { *alone } else { 0 })] {
                let key = (from.clone(), kind.to_owned());
                let come = || {
                    got.lock()
                        .unwrap()
                        .texts
                        .get(&key)
                        .cloned()
                        .unwrap_or_default()
                };
                limited(async {
                    while (come().len() as u64) < count {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                })
                .await;
                // Each once, in its order.
                let numbers = come();
                let wrong = numbers.iter().zip(0..).find(|(is, at)| *is != at);
                let near = |at: &u64| (at + 3 > wrong.map_or(0, |wrong| wrong.1)) as usize;
                let near = numbers.iter().filter(|at| near(at) > 0).take(8);
                let near: Vec<_> = near.collect();
                let to = names[at];
                assert_eq!(wrong, None, "{kind} of {from} to {to}: {near:?}");
                assert_eq!(numbers.len() as u64, count, "{kind} of {from} to {to}");
            }
            let got = got.lock().unwrap();
            let packets = got.packets[&from].lock().unwrap().clone();
            let (first, last) = (packets.first().unwrap(), packets.last().unwrap());
            let missing = (*first..*last).filter(|number| !packets.contains(number));
            assert_eq!(missing.count(), 0, "of {first} to {last}");
        }
        let got = got.lock().unwrap();
        assert_eq!(got.ways, [true, false]);
        assert_eq!((got.connected, &got.ended[..]), (2, &[] as &[String]));
    }
}

#[tokio::test]
async fn e11_files_go_by_a_hub() {
    let desk = Desk::default();
    let (hub, mut people, rooms, _sources) = hall(&desk, 3).await;
    settled(&rooms, true).await;
    let folder = std::env::temp_dir().join(format!("ortc-hub-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("sent.bin");
    let data: Vec<u8> = (0..400_000).map(|n: u32| (n % 251) as u8).collect();
    std::fs::write(&path, &data).unwrap();
    let mut sent = Vec::new();
    for (userid, transfer) in limited(rooms[0].send_file(&path)).await.unwrap() {
        sent.push((userid.to_string(), transfer));
    }
    assert_eq!(sent.len(), 2);
    for person in &mut people[1..] {
        let who = person.session.userid();
        let (from, offer) = limited(async {
            loop {
                if let Some(Event::FileOffer { user, offer, .. }) = person.events.next().await {
                    return (user.userid, offer);
                }
            }
        })
        .await;
        assert_eq!(from.as_str(), "user0");
        let to = folder.join(who.as_str());
        std::fs::create_dir_all(&to).unwrap();
        let transfer = offer.accept(&to, ortc_rooms::files::ReceiveOptions::default());
        limited(transfer.finished()).await.unwrap();
        assert!(std::fs::read(to.join("sent.bin")).unwrap() == data);
    }
    for (_, transfer) in sent {
        limited(transfer.finished()).await.unwrap();
    }
    drop(hub);
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn e05_what_nobody_wants_is_not_sent_up() {
    let desk = Desk::default();
    let (hub, mut people, rooms, sources) = hall(&desk, 3).await;
    settled(&rooms, true).await;
    let id_of = sources[0].stream.id().to_owned();
    let mut counts = Vec::new();
    for person in &mut people[1..] {
        let own = |event: &Event| match event {
            Event::Track { userid, track, .. } if userid.as_str() == "user0" => {
                Some(count(track.clone()))
            }
            _ => None,
        };
        let two = [person.until(own).await, person.until(own).await];
        more(&two[0], 2).await;
        more(&two[1], 2).await;
        counts.push(two);
    }
    let to_hub = rooms[0].peers()[0].connection().unwrap();
    let tracks = sources[0].stream.tracks();
    let running = || {
        let tracks = tracks.iter().filter_map(|track| to_hub.track(track));
        tracks.filter(|track| track.is_started().unwrap()).count()
    };
    let peers: Vec<_> = rooms[1..]
        .iter()
        .map(|room| room.peer(&id("user0")).unwrap())
        .collect();
    peers[0].set_tile(&id_of, Some(180)).unwrap();
    assert!(peers[0].set_tile("nothing", None).is_err());
    // One does not want it: the other has it as before.
    peers[0].mute(&id_of, Kinds::ALL).unwrap();
    silent(&counts[0][0]).await;
    more(&counts[1][0], 5).await;
    more(&counts[1][1], 5).await;
    assert_eq!(running(), 2);
    // Nobody wants it, and then somebody does.
    peers[1].mute(&id_of, Kinds::ALL).unwrap();
    limited(async {
        while running() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    peers[0].unmute(&id_of, Kinds::ALL).unwrap();
    more(&counts[0][0], 5).await;
    more(&counts[0][1], 5).await;
    assert_eq!(running(), 2);
    drop(hub);
}
