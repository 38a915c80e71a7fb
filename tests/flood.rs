//! ClientHellos of strangers at the port while connections are set up, and handshakes that never
//! end.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::full_size;
use common::leaks::{alone, multi_thread, rss_kib, tasks};
use common::relay::Relay;
use common::session::{End, audio, exchange};
use common::stalls::{Watch, in_time};
use ortc::DisconnectReason;

/// Behind the headers of the record and of the message.
const BODY: usize = 25;

fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| (20..64).contains(byte))
}

fn record(message: &[u8], version: [u8; 2]) -> Vec<u8> {
    let length = message.len() as u32;
    let [_, high, middle, low] = length.to_be_bytes();
    let mut out = vec![22, version[0], version[1], 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend((length as u16 + 12).to_be_bytes());
    out.extend([1, high, middle, low, 0, 0, 0, 0, 0, high, middle, low]);
    out.extend(message);
    out
}

/// The hellos of the row, made of a genuine one: as it is, of DTLS 1.0, without a cipher, and as
/// great as a datagram can be.
fn hellos(genuine: &[u8]) -> Vec<Vec<u8>> {
    let random = &genuine[BODY..BODY + 34];
    let mut old = genuine[BODY..].to_vec();
    old[..2].copy_from_slice(&[0xfe, 0xff]);
    let null = [random, &[0, 0, 0, 2, 0, 0, 1, 0]].concat();
    let suites: Vec<u8> = (0..15_000u16).flat_map(u16::to_be_bytes).collect();
    let length = (suites.len() as u16).to_be_bytes();
    let huge = [random, &[0, 0], &length, &suites, &[1, 0]].concat();
    vec![
        genuine.to_vec(),
        record(&old, [0xfe, 0xff]),
        record(&null, [0xfe, 0xfd]),
        record(&huge, [0xfe, 0xfd]),
    ]
}

/// A ClientHello as this crate sends it.
async fn genuine_hello() -> Vec<u8> {
    let (mut near, mut far) = (End::loopback(), End::loopback());
    let seen = Arc::new(Mutex::new(None));
    let into = seen.clone();
    let relay = Relay::between_if(&mut near, &mut far, move |datagram| {
        if datagram.first() == Some(&22) && datagram.get(13) == Some(&1) {
            into.lock().unwrap().get_or_insert(datagram.to_vec());
        }
        true
    });
    near.connected().await;
    far.connected().await;
    drop(relay);
    let hello = seen.lock().unwrap().take();
    hello.unwrap()
}

/// Where the set-up pauses, with the flood going on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pause {
    BeforeIce,
    /// Before so many datagrams of DTLS have passed: 0 is between nomination and DTLS.
    Dtls(usize),
}

const PAUSES: [Pause; 5] = [
    Pause::BeforeIce,
    Pause::Dtls(0),
    Pause::Dtls(1),
    Pause::Dtls(3),
    Pause::Dtls(5),
];
const PAUSED: Duration = Duration::from_millis(60);

/// A thousand datagrams a second from another address, to each of the targets.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Flood {
    fn start(hellos: Arc<Vec<Vec<u8>>>, targets: [SocketAddr; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let from = UdpSocket::bind("127.0.0.2:0").unwrap();
            from.set_nonblocking(true).unwrap();
            let (begin, mut sent) = (Instant::now(), 0);
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                let due = begin.elapsed().as_millis() as usize;
                while sent < due {
                    for target in targets {
                        let _ = from.send_to(&hellos[sent % hellos.len()], target);
                    }
                    sent += 1;
                }
                // No check of its own was answered, so neither is this.
                assert!(from.recv(&mut buffer).is_err(), "a stranger was answered");
                std::thread::sleep(Duration::from_micros(500));
            }
            sent * targets.len()
        });
        Self { stop, thread }
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Sets a connection up over a relay that pauses; how long it took, without what the machine lost.
async fn set_up(hellos: &Arc<Vec<Vec<u8>>>, pause: Pause, at_them: bool) -> (Duration, usize) {
    let (mut near, mut far) = (End::loopback(), End::loopback());
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let targets = [&near, &far].map(|end| match at_them {
        true => end.connection.local_socket().local_addr(),
        false => elsewhere.local_addr().unwrap(),
    });
    let flood = Flood::start(hellos.clone(), targets);
    if pause == Pause::BeforeIce {
        tokio::time::sleep(PAUSED).await;
    }
    let watch = Watch::start();
    let passed = Arc::new(AtomicUsize::new(0));
    let paused = Arc::new(AtomicBool::new(false));
    let relay = Relay::between_if(&mut near, &mut far, move |datagram| {
        if is_dtls(datagram) {
            let before = passed.fetch_add(1, Ordering::Relaxed);
            if Pause::Dtls(before) == pause && !paused.swap(true, Ordering::Relaxed) {
                std::thread::sleep(PAUSED);
            }
        }
        true
    });
    let both = async {
        near.connection.connected().await.unwrap();
        far.connection.connected().await.unwrap();
    };
    let connected = in_time(Duration::from_secs(20), both).await;
    let took = watch.took();
    connected.unwrap_or_else(|| panic!("{pause:?}, flood {at_them}: not connected"));
    let there = audio(&near, &far);
    assert_eq!(exchange(&there, 5).await, 5);
    drop(relay);
    (took, flood.end())
}

/// Reliability row B4.
#[test]
fn r_b04_hellos_of_strangers_at_the_port_do_not_hinder_the_set_up() {
    let sessions = if full_size() { 100 } else { 2 };
    alone(
        || multi_thread(2),
        || async move {
            let hellos = Arc::new(hellos(&genuine_hello().await));
            for pause in PAUSES {
                let (mut with, mut without, mut sent) = (Vec::new(), Vec::new(), 0);
                for _ in 0..sessions {
                    without.push(set_up(&hellos, pause, false).await.0);
                    let (took, flood) = set_up(&hellos, pause, true).await;
                    with.push(took);
                    sent += flood;
                }
                with.sort();
                without.sort();
                let p95 = |all: &[Duration]| all[(all.len() - 1) * 95 / 100];
                let [with, without] = [p95(&with), p95(&without)];
                println!(
                    "{pause:?}: {sessions} of {sessions} connect beside {sent} hellos, p95 {with:?}, \
                     {without:?} with the flood elsewhere"
                );
                assert!(with <= without + Duration::from_millis(500), "{pause:?}");
            }
        },
    );
}

/// Reliability row B11: DTLS gets no answer, or a byte each 5 s. In the short run it is not waited
/// for the end: closed, or let go of, it leaves as little.
#[test]
fn r_b11_half_open_connections_end_in_time_and_leave_nothing() {
    let pairs = if full_size() { 200 } else { 10 };
    common::leaks::many_files(pairs * 8 + 200);
    alone(
        || multi_thread(2),
        || async move {
            let (memory, before) = (rss_kib(), tasks());
            let begin = Watch::start();
            let mut open = Vec::new();
            for _ in 0..pairs {
                let (mut near, mut far) = (End::loopback(), End::loopback());
                let relay = Relay::between_if(&mut near, &mut far, |datagram| !is_dtls(datagram));
                open.push((near, far, relay));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let each = rss_kib().saturating_sub(memory) as f64 / (pairs * 2) as f64;
            println!("{} half-open: {each:.1} KiB each", pairs * 2);
            if full_size() {
                // Half of them hear a byte every 5 s.
                for _ in 0..6 {
                    for (_, _, relay) in open.iter().step_by(2) {
                        relay.inject(&[22]);
                    }
                    tokio::time::sleep(Duration::from_millis(4_800)).await;
                }
                assert!(each <= 64.0, "{each} KiB each");
                for (near, far, _) in &open {
                    for end in [near, far] {
                        let left = Duration::from_secs(32).saturating_sub(begin.took());
                        let reason = in_time(left, end.connection.closed()).await;
                        assert_eq!(reason, Some(DisconnectReason::DtlsFailed));
                    }
                }
                println!("all ended after {:?}", begin.took());
            } else {
                for (near, _, relay) in open.iter().step_by(2) {
                    relay.inject(&[22]);
                    near.connection.close();
                }
            }
            drop(open);
            let gone = async {
                while tasks() > before {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            assert!(
                in_time(Duration::from_secs(5), gone).await.is_some(),
                "{}",
                tasks()
            );
        },
    );
}
