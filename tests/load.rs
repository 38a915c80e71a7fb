//! Many connections in one process.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::full_size;
use common::leaks::{alone, cpu_time, current_thread, many_files, multi_thread, rss_kib, tasks};
use common::random::Random;
use common::session::{End, audio, exchange, join};
use common::stalls::{Watch, in_time};
use ortc::{DisconnectReason, RTCConnectionState};
use tokio::time::sleep;

/// All at once; how long each of them took.
async fn connect_at_once(count: usize) -> (Vec<(End, End)>, Vec<Duration>) {
    let mut pairs: Vec<(End, End)> = (0..count)
        .map(|_| (End::loopback(), End::loopback()))
        .collect();
    let begin = Watch::start();
    for (a, b) in &mut pairs {
        join(a, b);
    }
    let waiting = pairs.iter().map(|(a, b)| {
        let (a, b) = (a.connection.clone(), b.connection.clone());
        tokio::spawn(async move {
            let both = async {
                a.connected().await.unwrap();
                b.connected().await.unwrap();
            };
            let in_time = in_time(Duration::from_secs(60), both).await;
            in_time.map(|()| begin.took())
        })
    });
    let waiting: Vec<_> = waiting.collect();
    let mut times = Vec::new();
    for one in waiting {
        times.push(one.await.unwrap().expect("a pair does not connect"));
    }
    (pairs, times)
}

/// Reliability row E1.
#[test]
fn r_e01_a_thousand_pairs_in_one_process() {
    let count = if full_size() { 1_000 } else { 50 };
    many_files(count as u64 * 4 + 200);
    alone(
        || multi_thread(2),
        || async move {
            // What is made once for all.
            drop(connect_at_once(1).await);
            let (memory, before) = (rss_kib(), tasks());
            let (pairs, times) = connect_at_once(count).await;
            let ends = pairs.len() * 2;
            let slowest = *times.iter().max().unwrap();
            let each = rss_kib().saturating_sub(memory) as f64 / ends as f64;
            let tasks = (tasks() - before) as f64 / ends as f64;
            // The handshake's leftovers go first.
            sleep(Duration::from_secs(2)).await;
            let (used, watch) = (cpu_time(), Watch::start());
            sleep(Duration::from_secs(if full_size() { 20 } else { 2 })).await;
            let used = (cpu_time() - used).as_secs_f64() / watch.took().as_secs_f64();
            let idle = used / ends as f64 * 100.0;
            println!(
                "{count} pairs in {slowest:?}; each end {each:.0} KiB, {tasks:.1} tasks, \
                 {idle:.4} % of a core when idle"
            );
            assert!(slowest <= Duration::from_secs(60), "{slowest:?}");
            assert!(each <= 150.0, "{each} KiB each");
            assert!(tasks <= 12.0, "{tasks} tasks each");
            // Without optimisation it is many times as much.
            let most = if cfg!(debug_assertions) { 0.1 } else { 0.01 };
            assert!(idle <= most, "{idle} % of a core each");
            for (a, b) in &pairs {
                assert_eq!(a.connection.state(), RTCConnectionState::Connected);
                assert_eq!(b.connection.state(), RTCConnectionState::Connected);
            }
        },
    );
}

/// Reliability row E5.
#[test]
fn r_e05_handshakes_at_once() {
    let (many, few) = if full_size() { (500, 10) } else { (40, 10) };
    many_files(many * 4 + 200);
    // The few have one thread, which is less than one core.
    let on_two = alone(
        || multi_thread(2),
        || async move { connect_at_once(many as usize).await.1 },
    );
    let on_one = alone(
        current_thread,
        || async move { connect_at_once(few).await.1 },
    );
    for mut times in [on_two, on_one] {
        times.sort();
        let [middle, p95, slowest] = [50, 95, 100].map(|percent| {
            let at = times.len() * percent / 100;
            times[at.min(times.len() - 1)]
        });
        let count = times.len();
        println!("{count} at once: {middle:?}, p95 {p95:?}, slowest {slowest:?}");
        assert!(p95 <= Duration::from_secs(3), "p95 {p95:?}");
        assert!(slowest <= Duration::from_secs(15), "{slowest:?}");
    }
}

/// One who talks to all others of a mesh, each over a connection of its own.
#[derive(Default)]
struct Party {
    /// By the number of the other.
    links: BTreeMap<u32, End>,
}

struct Mesh {
    parties: BTreeMap<u32, Party>,
    next: u32,
    slowest: Duration,
}

const SETTLED: Duration = Duration::from_secs(5);

impl Mesh {
    fn join(&mut self) -> u32 {
        let new = self.next;
        self.next += 1;
        let mut party = Party::default();
        for (other, present) in &mut self.parties {
            let (mut own, mut theirs) = (End::loopback(), End::loopback());
            join(&mut own, &mut theirs);
            party.links.insert(*other, own);
            present.links.insert(new, theirs);
        }
        self.parties.insert(new, party);
        new
    }

    /// The one that leaves closes its links or just lets go of them. Where it was not connected yet
    /// it cannot say so; the others hear of it from signalling.
    async fn leave(&mut self, who: u32, closes: bool) {
        let party = self.parties.remove(&who).unwrap();
        let links = party.links.iter();
        let says = links.map(|(other, end)| {
            let connected = end.connection.state() == RTCConnectionState::Connected;
            if closes {
                end.connection.close();
            }
            (*other, connected)
        });
        let says: BTreeMap<u32, bool> = says.collect();
        drop(party);
        for (other, present) in &mut self.parties {
            let end = present.links.remove(&who).unwrap();
            if !says[other] {
                end.connection.close();
            }
            let reason = in_time(SETTLED, end.connection.closed()).await;
            let reason = reason.expect("a link to one that has left");
            assert!(
                matches!(
                    reason,
                    DisconnectReason::RemoteClosed | DisconnectReason::Closed
                ),
                "{reason:?}"
            );
        }
    }

    /// All that are there are connected with one another, and with nobody else.
    async fn settle(&mut self) {
        let begin = Watch::start();
        let present: Vec<u32> = self.parties.keys().copied().collect();
        for (own, party) in &self.parties {
            let others: Vec<u32> = party.links.keys().copied().collect();
            assert!(
                others
                    .iter()
                    .eq(present.iter().filter(|other| *other != own))
            );
            for end in party.links.values() {
                let left = SETTLED.saturating_sub(begin.took());
                let connected = in_time(left, end.connection.connected()).await;
                connected.expect("a link is not connected").unwrap();
                assert_eq!(end.connection.state(), RTCConnectionState::Connected);
            }
        }
        self.slowest = self.slowest.max(begin.took());
    }

    /// Audio both ways on a link of this one.
    async fn talk(&self, who: u32, random: &mut Random) {
        let links = &self.parties[&who].links;
        let other = *links
            .keys()
            .nth(random.below(links.len() as u64) as usize)
            .unwrap();
        let (own, theirs) = (&links[&other], &self.parties[&other].links[&who]);
        assert_eq!(exchange(&audio(own, theirs), 5).await, 5);
        assert_eq!(exchange(&audio(theirs, own), 5).await, 5);
    }
}

/// Reliability row E4: 28 links among eight.
#[test]
fn r_e04_a_mesh_where_parties_come_and_go() {
    let (lasts, pause) = if full_size() {
        (Duration::from_secs(30 * 60), Duration::from_secs(2))
    } else {
        (Duration::from_secs(4), Duration::from_millis(100))
    };
    alone(
        || multi_thread(2),
        || async move {
            let mut random = Random::new(0x5eed_0e04);
            let (mut mesh, mut changes) = (
                Mesh {
                    parties: BTreeMap::new(),
                    next: 0,
                    slowest: Duration::ZERO,
                },
                0,
            );
            for _ in 0..8 {
                mesh.join();
            }
            mesh.settle().await;
            let begin = Instant::now();
            while begin.elapsed() < lasts || changes < 8 {
                let at = random.below(mesh.parties.len() as u64) as usize;
                let who = *mesh.parties.keys().nth(at).unwrap();
                mesh.leave(who, random.below(2) == 0).await;
                mesh.settle().await;
                sleep(pause / 2).await;
                let new = mesh.join();
                if random.below(4) == 0 {
                    // Gone again before it was there.
                    mesh.leave(new, random.below(2) == 0).await;
                    mesh.join();
                }
                mesh.settle().await;
                mesh.talk(*mesh.parties.keys().last().unwrap(), &mut random)
                    .await;
                changes += 2;
                sleep(pause / 2).await;
            }
            let slowest = mesh.slowest;
            println!(
                "{changes} changes; settled within {slowest:?}, RSS {} KiB",
                rss_kib()
            );
        },
    );
}
