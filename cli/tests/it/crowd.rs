//! Many clients in rooms, each room with one who speaks to all others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::session::{Error, Event, Events, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::{Direction, SessionKind, UserId};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Each speaks for 60 ms.
const PACKET: Duration = Duration::from_millis(60);
/// Within this time nearly all are back. A machine with other work may take longer by itself.
const BACK: Duration = Duration::from_secs(30);

pub(crate) fn soak() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

struct Client {
    session: Session,
    room: String,
    userid: UserId,
    owner: bool,
    /// When it was recognised after the loss, in milliseconds since the beginning.
    back: Arc<AtomicU64>,
    packets: Arc<AtomicU64>,
    /// Connections to peers that were lost.
    cut: Arc<AtomicU64>,
}

/// A crowd is as much as a small machine bears: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

pub(crate) struct Crowd {
    _alone: MutexGuard<'static, ()>,
    clients: Vec<Client>,
    begin: Instant,
    /// Packets that each speaker has sent.
    spoken: Arc<AtomicU64>,
    speaking: JoinHandle<()>,
}

/// What had been heard at a time.
pub(crate) struct Mark {
    packets: Vec<u64>,
    spoken: u64,
    /// Connections that were lost before, as while two found each other.
    cut: u64,
}

/// How they came back.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) count: usize,
    /// Since the server was there for them.
    pub(crate) first: Duration,
    pub(crate) last: Duration,
    /// The most in one second.
    pub(crate) at_once: usize,
}

impl Crowd {
    /// Rooms of `size`, where all hear the one who speaks.
    pub(crate) async fn meet(server: &str, rooms: usize, size: usize) -> Self {
        let alone = ALONE.lock().await;
        let begin = Instant::now();
        let (mut clients, mut speakers) = (Vec::new(), Vec::new());
        for room in 0..rooms {
            for number in 0..size {
                let name = format!("room {room}");
                let (session, events) = enter(server, &name).await.unwrap();
                if number == 0 {
                    let stream = MediaStream::new();
                    speakers.push(stream.add_track(&MediaStreamTrack::audio()));
                    session.add_stream(&stream).unwrap();
                }
                let client = Client {
                    userid: session.userid(),
                    session,
                    room: name,
                    owner: number == 0,
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
        let spoken = Arc::default();
        let crowd = Self {
            _alone: alone,
            clients,
            begin,
            speaking: speak(speakers, Arc::clone(&spoken)),
            spoken,
        };
        let met = begin.elapsed();
        let deaf = || crowd.packets().iter().filter(|&&heard| heard == 0).count();
        let all_hear = async {
            while deaf() > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let all = timeout(Duration::from_secs(if soak() { 240 } else { 60 }), all_hear).await;
        assert!(all.is_ok(), "{} hear nothing", deaf());
        println!(
            "r_h10: met after {met:?}, all hear after {:?}",
            begin.elapsed()
        );
        crowd
    }

    fn packets(&self) -> Vec<u64> {
        let listeners = self.clients.iter().filter(|client| !client.owner);
        listeners
            .map(|client| client.packets.load(Ordering::Relaxed))
            .collect()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            packets: self.packets(),
            spoken: self.spoken.load(Ordering::Relaxed),
            cut: self.cut(),
        }
    }

    fn cut(&self) -> u64 {
        let cut = self.clients.iter().map(|client| &client.cut);
        cut.map(|cut| cut.load(Ordering::Relaxed)).sum()
    }

    /// Waits until so many have come back after a loss, or for as long as 99 of 100 may take.
    pub(crate) async fn back(&self, count: usize) -> Back {
        let since = self.begin.elapsed();
        let times = || -> Vec<Duration> {
            let back = self.clients.iter();
            let back = back.map(|client| client.back.load(Ordering::Relaxed));
            back.filter(|&at| at > 0)
                .map(Duration::from_millis)
                .collect()
        };
        let all = async {
            while times().len() < count {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = timeout(BACK, all).await;
        let mut times = times();
        times.sort_unstable();
        let within =
            |at: Duration| times.partition_point(|&other| other < at + Duration::from_secs(1));
        let at_once = times
            .iter()
            .enumerate()
            .map(|(first, &at)| within(at) - first);
        let back = Back {
            count: times.len(),
            first: times.first().map_or(BACK, |at| at.saturating_sub(since)),
            last: times.last().map_or(BACK, |at| at.saturating_sub(since)),
            at_once: at_once.max().unwrap_or(0),
        };
        assert!(back.count * 100 >= count * 99, "{back:?} of {count}");
        back
    }

    /// No path was lost, and what was spoken was heard: which part of it, by who heard least.
    pub(crate) async fn heard_on(&self, mark: &Mark) -> f64 {
        println!("r_h10: {} connections lost before", mark.cut);
        assert_eq!(self.cut(), mark.cut, "connections were lost");
        let sent = self.spoken.load(Ordering::Relaxed) - mark.spoken;
        // A busy machine is late with hearing, but what is lost does not come.
        let part = || {
            let now = self.packets();
            let heard = mark
                .packets
                .iter()
                .zip(&now)
                .map(|(before, now)| now - before);
            heard.min().unwrap() as f64 / sent as f64
        };
        let heard = async {
            while part() < 0.99 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = timeout(Duration::from_secs(2), heard).await;
        let part = part();
        assert!(part >= 0.9, "{part} of {sent} packets");
        part
    }

    /// The rooms are what they were, with the same people.
    pub(crate) fn is_whole(&self) {
        for client in &self.clients {
            let inside = self
                .clients
                .iter()
                .filter(|other| other.room == client.room);
            let rooms = client.session.rooms();
            let (room, owner) = (&rooms[0], rooms[0].owner());
            let users: Vec<UserId> = room.users().into_iter().map(|user| user.userid).collect();
            assert_eq!(users.len(), inside.count(), "{users:?}");
            assert!(
                users.contains(&client.userid)
                    && owner
                        .is_some_and(|owner| users.contains(&owner)
                            && (owner == client.userid) == client.owner)
            );
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.speaking.abort();
    }
}

/// Into a room where one speaks to all.
pub(crate) async fn enter(server: &str, room: &str) -> Result<(Session, Events), Error> {
    let mut options = SessionOptions::new();
    options.include_loopback = true;
    let (session, events) = Session::connect(format!("ws://{server}/ws"), options).await?;
    let kind = SessionKind::audio_video().with_direction(Direction::OneWay);
    let request = RoomRequest::from(room).session(kind);
    session.open_or_join(request).await?;
    Ok((session, events))
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

fn speak(speakers: Vec<MediaStreamTrack>, spoken: Arc<AtomicU64>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(PACKET);
        loop {
            clock.tick().await;
            for speaker in &speakers {
                let _ = speaker.write_sample(vec![0xfc; 80], PACKET);
            }
            spoken.fetch_add(1, Ordering::Relaxed);
        }
    })
}
