//! A room's hub dies with its server: another server has it, and what people send goes on.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::session::{Event, Events, Room, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::{RoomPolicy, Topology, User, UserId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval, sleep, timeout};

use crate::child::Child;
use crate::client::PATIENCE;
use crate::house::nats::Nats;
use crate::http;

const PEOPLE: [&str; 4] = ["anna", "bert", "carl", "dora"];

/// What a balancer does: each connection goes to the next server that takes it.
async fn balancer(servers: Vec<SocketAddr>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut carried = JoinSet::new();
        for turn in 0.. {
            let (mut from, _) = listener.accept().await.unwrap();
            let mut servers = servers.clone();
            servers.rotate_left(turn % 2);
            carried.spawn(async move {
                for server in servers {
                    if let Ok(mut to) = TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                        return;
                    }
                }
            });
        }
    });
    (at, tasks)
}

/// Milliseconds of a beginning that all know, said in each packet.
fn source(begin: Instant, tasks: &mut JoinSet<()>) -> MediaStream {
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    tasks.spawn(async move {
        let mut clock = interval(Duration::from_millis(20));
        loop {
            clock.tick().await;
            let at = u64::try_from(begin.elapsed().as_millis()).unwrap();
            let _ = track.write_sample(at.to_be_bytes().to_vec(), Duration::from_millis(20));
        }
    });
    stream
}

/// What was said, by whom and in which way: `all` or `one`.
type Words = BTreeMap<(String, String), Vec<u64>>;

/// Of each of the others: when what was sent last was sent, and when after that of a mark something
/// came first.
#[derive(Default)]
struct Heard {
    mark: Option<u64>,
    latest: HashMap<String, u64>,
    first: HashMap<String, Duration>,
    words: Words,
}

impl Heard {
    fn word(&mut self, from: String, text: &str) {
        let (way, number) = text.split_once(' ').unwrap();
        let words = self.words.entry((from, way.to_owned())).or_default();
        words.push(number.parse().unwrap());
    }

    /// What is missing, comes twice or too early of so many words.
    fn wrong(&self, from: &str, way: &str, said: u64) -> Option<String> {
        let words = self.words.get(&(from.to_owned(), way.to_owned()));
        let words = words.map(Vec::as_slice).unwrap_or_default();
        let wrong = words.iter().zip(0..).find(|(is, at)| *is != at);
        match wrong {
            Some((is, at)) => Some(format!("{way} of {from}: {at} is {is}")),
            None if words.len() as u64 == said => None,
            None => Some(format!("{way} of {from}: {} of {said}", words.len())),
        }
    }
}

/// Says numbers to all, and others to one, until it is stopped: how many of each.
fn counts(room: Room, to: &str, stop: watch::Receiver<bool>) -> JoinHandle<u64> {
    let one = room.peer(&UserId::new(to).unwrap()).unwrap();
    tokio::spawn(async move {
        let mut clock = interval(Duration::from_millis(50));
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

/// Each has each word of the others once and in order.
async fn whole(heard: &[Arc<Mutex<Heard>>], said: &[u64]) {
    let wrong = || {
        let people = || PEOPLE.iter().zip(said).enumerate();
        let pairs = heard.iter().enumerate().flat_map(|(to, heard)| {
            let heard = heard.lock().unwrap();
            let of = people().filter(|(of, _)| *of != to);
            let wrong = of.flat_map(|(of, (name, said))| {
                let for_one = (of + 1) % PEOPLE.len() == to;
                let ways = ["all", "one"].into_iter().take(1 + usize::from(for_one));
                ways.filter_map(|way| heard.wrong(name, way, *said))
            });
            let wrong: Vec<_> = wrong
                .map(|one| format!("{one} to {}", PEOPLE[to]))
                .collect();
            wrong
        });
        pairs.collect::<Vec<_>>()
    };
    let wait = async {
        while !wrong().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(PATIENCE, wait).await;
    assert_eq!(wrong(), [""; 0], "words that were lost with the hub");
}

fn hears(mut events: Events, begin: Instant, tasks: &mut JoinSet<()>) -> Arc<Mutex<Heard>> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let of = heard.clone();
    tasks.spawn(async move {
        let mut tracks = JoinSet::new();
        while let Some(event) = events.next().await {
            if let Event::Message(message) = &event {
                let (from, text) = (message.from.userid.to_string(), message.data.text());
                of.lock().unwrap().word(from, text.unwrap());
            }
            // It is no person, also once the room lists it no longer.
            let hub = |user: &User| user.userid.as_str().starts_with("hub.");
            assert!(!matches!(&event, Event::Disconnected { user, .. } if hub(user)));
            let Event::Track { userid, track, .. } = event else {
                continue;
            };
            let heard = of.clone();
            tracks.spawn(async move {
                while let Some(packet) = track.recv_rtp().await {
                    let Ok(bytes) = packet.payload[..].try_into() else {
                        continue;
                    };
                    let (at, mut heard) = (u64::from_be_bytes(bytes), heard.lock().unwrap());
                    if heard.mark.is_some_and(|mark| at > mark) {
                        let name = userid.to_string();
                        heard.first.entry(name).or_insert_with(|| begin.elapsed());
                    }
                    heard.latest.insert(userid.to_string(), at);
                }
            });
        }
        panic!("a session ended");
    });
    heard
}

async fn has_hub(server: &Child) -> bool {
    let metrics = http::ask(server.at, "GET /metrics", "", "").await.body;
    metrics.contains("ortc_hub_people 4")
}

/// Until all hear all others by the hub.
async fn settled(rooms: &[Room], heard: &[Arc<Mutex<Heard>>]) {
    let by_hub = |room: &Room| {
        let peers = room.peers();
        peers.len() == 3 && peers.iter().all(|peer| peer.is_by_hub())
    };
    let all = |heard: &Arc<Mutex<Heard>>| heard.lock().unwrap().latest.len() == 3;
    let wait = async {
        while !(rooms.iter().all(by_hub) && heard.iter().all(all)) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("all hear all");
}

/// How long each had nothing of each of the others.
async fn takeover() -> Vec<Duration> {
    let nats = Nats::start().await;
    let settings = format!(
        "listen = \"127.0.0.1:0\"\ncluster = \"{}\"\nhub = true\nstun_port = 0\n",
        nats.url()
    );
    let one = Child::new(&settings, None).await;
    let two = Child::new(&settings, None).await;
    let (at, mut tasks) = balancer(vec![one.at, two.at]).await;
    let begin = Instant::now();
    let (mut sessions, mut rooms, mut heard) = (Vec::new(), Vec::new(), Vec::new());
    for name in PEOPLE {
        let mut options = SessionOptions::new().with_userid(name).unwrap();
        options.include_loopback = true;
        options.bind = Some(([127, 0, 0, 1], 0).into());
        let url = format!("ws://{at}/ws");
        let (session, events) = Session::connect(url, options).await.unwrap();
        heard.push(hears(events, begin, &mut tasks));
        session.add_stream(&source(begin, &mut tasks)).unwrap();
        let mut policy = RoomPolicy::default();
        policy.topology = Topology::Hub;
        let room = session.open_or_join(RoomRequest::from("demo").policy(policy));
        rooms.push(timeout(PATIENCE, room).await.unwrap().unwrap());
        sessions.push(session);
    }
    settled(&rooms, &heard).await;
    let (dies, lives) = timeout(PATIENCE, async {
        loop {
            match (has_hub(&one).await, has_hub(&two).await) {
                (true, false) => return (one, two),
                (false, true) => return (two, one),
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    })
    .await
    .expect("one has the hub");
    let (stop, stopped) = watch::channel(false);
    let talking = rooms.iter().zip(PEOPLE.iter().cycle().skip(1));
    let talking: Vec<_> = talking
        .map(|(room, to)| counts(room.clone(), to, stopped.clone()))
        .collect();
    sleep(Duration::from_millis(300)).await;
    dies.kill().await;
    let mark = begin.elapsed();
    for one in &heard {
        one.lock().unwrap().mark = Some(u64::try_from(mark.as_millis()).unwrap());
    }
    timeout(PATIENCE, async {
        let all = |heard: &Arc<Mutex<Heard>>| heard.lock().unwrap().first.len() == 3;
        while !heard.iter().all(all) {
            sleep(Duration::from_millis(20)).await;
        }
        while !has_hub(&lives).await {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("all hear all again, by the other server");
    stop.send(true).unwrap();
    let mut said = Vec::new();
    for one in talking {
        said.push(one.await.unwrap());
    }
    whole(&heard, &said).await;
    let firsts = heard.iter().flat_map(|heard| {
        let heard = heard.lock().unwrap();
        let gaps = heard.first.values().map(|at| at.saturating_sub(mark));
        gaps.collect::<Vec<_>>()
    });
    let mut gaps: Vec<Duration> = firsts.collect();
    gaps.sort();
    tasks.shutdown().await;
    for session in sessions {
        session.end();
    }
    gaps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_h10_e05_the_hub_of_a_server_that_was_killed_is_taken_over() {
    let full = std::env::var_os("ORTC_SOAK").is_some();
    let mut all = Vec::new();
    for round in 0..if full { 10 } else { 1 } {
        let gaps = takeover().await;
        let (first, last) = (gaps[0], gaps[gaps.len() - 1]);
        println!("r_h10: {round}: all heard again after {first:.1?} to {last:.1?}");
        all.extend(gaps);
    }
    all.sort();
    let most = all[all.len() * 95 / 100];
    println!("r_h10: 95 % after {most:.1?}");
    // A busy machine is late; the figure is that of the full size.
    let limit = Duration::from_secs(if full { 10 } else { 40 });
    assert!(most < limit, "{most:?}");
}
