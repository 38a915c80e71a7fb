//! The server is killed under clients that are in calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::session::{Event, Events, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::{Direction, SessionKind, UserId};
use tokio::time::{sleep, timeout};

use crate::process::Serve;

/// Each speaks for 60 ms.
const PACKET: Duration = Duration::from_millis(60);

struct Client {
    session: Session,
    room: String,
    userid: UserId,
    /// When it was recognised after the loss.
    back: Arc<AtomicU64>,
    packets: Arc<AtomicU64>,
    /// Connections to peers that were lost.
    cut: Arc<AtomicU64>,
}

/// Rooms of `size`, in each of which the owner speaks to all others.
async fn meet(
    server: &str,
    rooms: usize,
    size: usize,
) -> (Vec<Client>, Vec<MediaStreamTrack>, Instant) {
    let begin = Instant::now();
    let (mut clients, mut speakers) = (Vec::new(), Vec::new());
    for room in 0..rooms {
        for number in 0..size {
            let mut options = SessionOptions::new();
            options.include_loopback = true;
            let (session, events) = Session::connect(format!("ws://{server}/ws"), options)
                .await
                .unwrap();
            let name = format!("room {room}");
            let kind = SessionKind::audio_video().with_direction(Direction::OneWay);
            let request = RoomRequest::from(name.as_str()).session(kind);
            session.open_or_join(request).await.unwrap();
            if number == 0 {
                let stream = MediaStream::new();
                speakers.push(stream.add_track(&MediaStreamTrack::audio()));
                session.add_stream(&stream).unwrap();
            }
            let client = Client {
                userid: session.userid(),
                session,
                room: name,
                back: Arc::default(),
                packets: Arc::default(),
                cut: Arc::default(),
            };
            tokio::spawn(watch(
                events,
                client.back.clone(),
                client.packets.clone(),
                client.cut.clone(),
                begin,
            ));
            clients.push(client);
        }
    }
    (clients, speakers, begin)
}

async fn watch(
    mut events: Events,
    back: Arc<AtomicU64>,
    packets: Arc<AtomicU64>,
    cut: Arc<AtomicU64>,
    begin: Instant,
) {
    while let Some(event) = events.next().await {
        match event {
            Event::LocalConnected { resumed: true, .. } => {
                let now = u64::try_from(begin.elapsed().as_millis()).unwrap();
                back.store(now, Ordering::Relaxed);
            }
            Event::Disconnected { .. } => {
                cut.fetch_add(1, Ordering::Relaxed);
            }
            Event::Track { track, .. } => {
                let packets = packets.clone();
                tokio::spawn(async move {
                    while track.recv_sample().await.is_some() {
                        packets.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            _ => {}
        }
    }
}

fn speak(speakers: Vec<MediaStreamTrack>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(PACKET);
        loop {
            clock.tick().await;
            for speaker in &speakers {
                let _ = speaker.write_sample(vec![0xfc; 80], PACKET);
            }
        }
    })
}

/// In its full size 200 clients in 20 rooms.
#[tokio::test(flavor = "multi_thread")]
async fn r_h10_the_server_is_killed_and_nobody_in_a_call_notices() {
    let (rooms, size) = match std::env::var_os("ORTC_SOAK") {
        Some(_) => (20, 10),
        None => (5, 6),
    };
    let mut serve = Serve::start(&["--connects-per-second", "1000"]).await;
    let (clients, speakers, begin) = meet(&serve.address, rooms, size).await;
    let speaking = speak(speakers);
    let listeners: Vec<&Client> = clients.iter().filter(|client| heard_by(client)).collect();
    let all_hear = async {
        while listeners
            .iter()
            .any(|client| client.packets.load(Ordering::Relaxed) == 0)
        {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), all_hear)
        .await
        .expect("all listen");

    let count = |clients: &[&Client]| -> Vec<u64> {
        clients
            .iter()
            .map(|client| client.packets.load(Ordering::Relaxed))
            .collect()
    };
    let (before, killed) = (count(&listeners), Instant::now());
    serve.kill_and_restart(Duration::from_secs(2)).await;
    let up = u64::try_from(begin.elapsed().as_millis()).unwrap();
    let all_back = async {
        while clients
            .iter()
            .any(|client| client.back.load(Ordering::Relaxed) == 0)
        {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(Duration::from_secs(30), all_back).await;
    let (after, passed) = (count(&listeners), killed.elapsed());

    let mut back: Vec<u64> = clients
        .iter()
        .map(|client| client.back.load(Ordering::Relaxed))
        .filter(|&at| at > 0)
        .collect();
    back.sort_unstable();
    assert!(
        back.len() * 100 >= clients.len() * 99,
        "{} of {} are back",
        back.len(),
        clients.len()
    );
    let busiest = back
        .iter()
        .map(|at| {
            back.iter()
                .filter(|&other| (*at..at + 1000).contains(other))
                .count()
        })
        .max();
    assert!(busiest.unwrap() <= 100, "{busiest:?} in a second");
    let cut: u64 = clients
        .iter()
        .map(|client| client.cut.load(Ordering::Relaxed))
        .sum();
    assert_eq!(cut, 0, "connections were lost");
    // A busy machine is late, and then all are; a stop of media would be one for good.
    let least = before
        .iter()
        .zip(&after)
        .map(|(before, after)| after - before)
        .min()
        .unwrap();
    let sent = u64::try_from(passed.as_millis() / PACKET.as_millis()).unwrap();
    assert!(
        least * 10 >= sent * 9,
        "{least} of {sent} packets in {passed:?}"
    );

    // The rooms are what they were, with the same people.
    for client in &clients {
        let together = clients
            .iter()
            .filter(|other| other.room == client.room)
            .count();
        let rooms = client.session.rooms();
        let (room, owner) = (&rooms[0], rooms[0].owner());
        let users: Vec<UserId> = room.users().into_iter().map(|user| user.userid).collect();
        assert_eq!(users.len(), together, "{users:?}");
        assert!(
            users.contains(&client.userid) && owner.is_some_and(|owner| users.contains(&owner))
        );
    }
    println!(
        "{} clients back {} to {} ms after the server was up, {busiest:?} in a second at most; {least} of {sent} packets in {passed:?}",
        back.len(),
        back[0].saturating_sub(up),
        back[back.len() - 1].saturating_sub(up),
    );
    speaking.abort();
}

/// All but the owner of a room.
fn heard_by(client: &Client) -> bool {
    client.session.rooms()[0].owner() != Some(client.userid.clone())
}
