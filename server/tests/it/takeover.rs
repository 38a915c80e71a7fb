//! A room's hub dies with its server: another server has it, and what people send goes on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::session::{Event, Events, Room, RoomRequest, Session, SessionOptions};
use ortc_rooms::signalling::{RoomPolicy, Topology};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
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

/// Of each of the others: when what was sent last was sent, and when after that of a mark something
/// came first.
#[derive(Default)]
struct Heard {
    mark: Option<u64>,
    latest: HashMap<String, u64>,
    first: HashMap<String, Duration>,
}

fn hears(mut events: Events, begin: Instant, tasks: &mut JoinSet<()>) -> Arc<Mutex<Heard>> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let of = heard.clone();
    tasks.spawn(async move {
        let mut tracks = JoinSet::new();
        while let Some(event) = events.next().await {
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
