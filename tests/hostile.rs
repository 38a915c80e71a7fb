//! What strangers send at the port, and at the very path, of a connection that carries media.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::full_size;
use common::leaks::{alone, cpu_time, cpu_time_of, multi_thread, rss_kib};
use common::random::Random;
use common::relay::Relay;
use common::session::{End, PACKET, audio, exchange};
use common::stalls::in_time;
use nix::sys::resource::UsageWho;
use ortc::stats::RTCStats;
use ortc::{MediaStreamTrack, RTCConnectionEvent, RTCConnectionState};

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// Media both ways over a path with somebody in the middle, and a stranger beside it.
struct Scene {
    near: End,
    far: End,
    relay: Relay,
    stranger: UdpSocket,
    target: SocketAddr,
    there: (MediaStreamTrack, MediaStreamTrack),
    back: (MediaStreamTrack, MediaStreamTrack),
}

impl Scene {
    async fn new() -> Self {
        let (mut near, mut far) = (End::loopback(), End::loopback());
        let relay = Relay::between(&mut near, &mut far);
        near.connected().await;
        far.connected().await;
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.set_nonblocking(true).unwrap();
        let (there, back) = (audio(&far, &near), audio(&near, &far));
        let scene = Self {
            target: near.connection.local_socket().local_addr(),
            near,
            far,
            relay,
            stranger,
            there,
            back,
        };
        scene.works().await;
        scene
    }

    async fn works(&self) {
        assert_eq!(exchange(&self.there, 20).await, 20);
        assert_eq!(exchange(&self.back, 20).await, 20);
        for end in [&self.near, &self.far] {
            assert_eq!(end.connection.state(), RTCConnectionState::Connected);
        }
    }

    fn strange(&self, datagram: &[u8]) {
        let _ = self.stranger.send_to(datagram, self.target);
    }

    /// Datagrams and bytes that were sent to the stranger.
    fn answers(&self) -> (usize, usize) {
        let mut buffer = [0; 2048];
        let (mut datagrams, mut bytes) = (0, 0);
        while let Ok(length) = self.stranger.recv(&mut buffer) {
            datagrams += 1;
            bytes += length;
        }
        (datagrams, bytes)
    }

    fn switches(&mut self) -> usize {
        let mut switches = 0;
        while let Some(event) = self.near.events.try_next() {
            switches += usize::from(matches!(event, RTCConnectionEvent::ActiveCandidate { .. }));
        }
        switches
    }
}

fn dropped(stats: &RTCStats) -> u64 {
    let all = stats.dropped;
    all.unknown_protocol
        + all.wrong_path
        + all.early_dtls
        + all.early_media
        + all.malformed_rtp
        + all.rejected_srtp
        + all.unknown_rtp
        + all.stun
        + all.dtls
        + all.dtls_alerts
        + all.rtcp
        + stats.socket.unknown
}

/// A STUN message whose integrity nobody could compute; the attributes are given.
fn stun(random: &mut Random, kind: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut message = kind.to_be_bytes().to_vec();
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(0x2112_a442_u32.to_be_bytes());
    message.resize(20, 0);
    random.fill(&mut message[8..20]);
    message.extend(body);
    message
}

fn forged(random: &mut Random, username: &str) -> Vec<u8> {
    let mut integrity = vec![0; 20];
    random.fill(&mut integrity);
    let number = random.next().to_be_bytes().to_vec();
    let role = [ICE_CONTROLLED, ICE_CONTROLLING][random.below(2) as usize];
    let error = vec![0, 0, 4, 87];
    let (kind, attributes) = match random.below(4) {
        0 => (BINDING_SUCCESS, vec![(MESSAGE_INTEGRITY, integrity)]),
        1 => (
            BINDING_ERROR,
            vec![(ERROR_CODE, error), (MESSAGE_INTEGRITY, integrity)],
        ),
        with_integrity => {
            let mut attributes = vec![
                (USERNAME, username.as_bytes().to_vec()),
                (PRIORITY, vec![0x7e, 0xff, 0xff, 0xff]),
                (role, number),
                (USE_CANDIDATE, Vec::new()),
            ];
            if with_integrity == 2 {
                attributes.push((MESSAGE_INTEGRITY, integrity));
            }
            (BINDING_REQUEST, attributes)
        }
    };
    stun(random, kind, &attributes)
}

/// Random bytes that look like one of the protocols for as long as possible.
fn junk(random: &mut Random, ssrc: u32) -> Vec<u8> {
    let mut datagram = vec![0; random.below(300) as usize];
    random.fill(&mut datagram);
    let head: Vec<u8> = match random.below(6) {
        // A DTLS 1.2 record of epoch 1, of epoch 0, and an alert.
        0 => vec![23, 254, 253, 0, 1, 0, 0, 0, 0, 1, 0, 0, 40],
        1 => vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 30],
        2 => vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
        // RTP and an RTCP BYE of the true source.
        3 => {
            let mut rtp = vec![0x80, 111, 0, 99, 0, 0, 1, 0];
            rtp.extend(ssrc.to_be_bytes());
            rtp
        }
        4 => {
            let mut bye = vec![0x81, 203, 0, 1];
            bye.extend(ssrc.to_be_bytes());
            bye
        }
        _ => Vec::new(),
    };
    let shared = head.len().min(datagram.len());
    datagram[..shared].copy_from_slice(&head[..shared]);
    datagram
}

/// Sends junk to the port, one in ten over the path itself, until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u64, Duration, Duration)>,
}

impl Flood {
    fn start(scene: &Scene, target: SocketAddr, random: &mut Random) -> Self {
        let ssrc = scene.near.connection.stats().inbound_rtp[0].ssrc;
        let junk: Vec<Vec<u8>> = (0..4096).map(|_| junk(random, ssrc)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let stranger = scene.stranger.try_clone().unwrap();
        let path = scene.relay.facing_near.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            let mut sent = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                // 50,000 a second.
                let due = begin.elapsed().as_micros() as u64 / 20;
                while sent < due {
                    let datagram = &junk[sent as usize % junk.len()];
                    let from = if sent.is_multiple_of(10) {
                        &path
                    } else {
                        &stranger
                    };
                    let _ = from.send_to(datagram, target);
                    sent += 1;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            (sent, begin.elapsed(), cpu_time_of(UsageWho::RUSAGE_THREAD))
        });
        Self { stop, thread }
    }

    /// How many were sent, in what time, and what sending them cost.
    fn end(self) -> (u64, Duration, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Sends 500 packets a second; how long each of those that came was under way, in order of that.
async fn delays(scene: &Scene, packets: u32) -> Vec<Duration> {
    let received = scene.there.1.clone();
    let begin = Instant::now();
    let reading = tokio::spawn(async move {
        let mut delays = Vec::new();
        while let Some(Some(packet)) = in_time(Duration::from_secs(1), received.recv_rtp()).await {
            let sent = u64::from_be_bytes(packet.payload[..8].try_into().unwrap());
            delays.push(begin.elapsed().saturating_sub(Duration::from_micros(sent)));
        }
        delays
    });
    let mut clock = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..packets {
        clock.tick().await;
        let mut sample = vec![0; 100];
        let at = begin.elapsed().as_micros() as u64;
        sample[..8].copy_from_slice(&at.to_be_bytes());
        scene.there.0.write_sample(sample, PACKET).unwrap();
    }
    let mut delays = reading.await.unwrap();
    delays.sort();
    delays
}

/// Reliability row E6.
#[test]
fn r_e06_junk_by_the_ten_thousands_leaves_media_alone() {
    alone(
        || multi_thread(2),
        || async {
            let scene = Scene::new().await;
            let mut random = Random::new(0x5eed_0e06);
            let packets = if full_size() { 30_000 } else { 1_500 };
            let p99 = |delays: &[Duration]| delays[delays.len() * 99 / 100];
            // To compare with: the same flood to a port that nobody reads.
            let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
            let flood = Flood::start(&scene, elsewhere.local_addr().unwrap(), &mut random);
            let before = p99(&delays(&scene, packets / 3).await);
            flood.end();
            let flood = Flood::start(&scene, scene.target, &mut random);
            tokio::time::sleep(Duration::from_millis(500)).await;
            let (memory, used) = (rss_kib(), cpu_time());
            let delays = delays(&scene, packets).await;
            let used = cpu_time() - used;
            let (sent, lasted, sending) = flood.end();
            let grown = rss_kib().saturating_sub(memory);
            let stats = scene.near.connection.stats();
            let cores = used.saturating_sub(sending).as_secs_f64() / lasted.as_secs_f64();
            let (came, during) = (delays.len(), p99(&delays));
            println!(
                "{came} of {packets} packets beside {sent} junk datagrams in {lasted:?}; \
                 {} dropped and counted, RSS +{grown} KiB, p99 {during:?} ({before:?} with the flood elsewhere), \
                 {cores:.2} cores",
                dropped(&stats)
            );
            println!("{:?}", stats.dropped);
            let lost = packets as usize - came;
            assert!(
                lost * 100 <= packets as usize,
                "{lost} of {packets} packets are lost"
            );
            assert!(sent >= 25_000, "the attack was too slow to mean anything");
            assert!(dropped(&stats) * 100 >= sent * 90, "not all is counted");
            assert!(grown <= 10 * 1024, "RSS grew by {grown} KiB");
            // Without optimisation, and beside other programs, these say nothing.
            if full_size() {
                let most = (before * 2).max(Duration::from_millis(5));
                assert!(
                    during <= most,
                    "p99 {during:?}, {before:?} with the flood elsewhere"
                );
                assert!(cores <= 1.0, "{cores} cores");
            }
            scene.works().await;
            assert_eq!(scene.answers(), (0, 0), "a stranger was answered");
        },
    );
}

#[test]
fn r_b12_forged_stun_moves_nothing() {
    alone(
        || multi_thread(1),
        || async {
            let mut scene = Scene::new().await;
            let mut random = Random::new(0x5eed_0b12);
            let own = scene.near.connection.local().ice.username_frag;
            let theirs = scene.far.connection.local().ice.username_frag;
            let usernames = [
                format!("{own}:{theirs}"),
                format!("{theirs}:{own}"),
                format!("{own}:"),
                format!("{own}:nobody"),
                "nobody:nowhere".to_owned(),
            ];
            scene.switches();
            let role = scene.near.connection.ice_role();
            let before = dropped(&scene.near.connection.stats());
            let mut bytes = 0;
            let mut sent = 0;
            for n in 0..2_000 {
                let username = &usernames[random.below(5) as usize];
                let message = forged(&mut random, username);
                if n % 2 == 0 {
                    scene.strange(&message);
                    bytes += message.len();
                } else {
                    scene.relay.inject(&message);
                }
                sent += 1;
                if n % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            scene.works().await;
            let (datagrams, answered) = scene.answers();
            let counted = dropped(&scene.near.connection.stats()) - before;
            println!(
                "{counted} of {sent} counted; {datagrams} answers, {answered} for {bytes} bytes"
            );
            assert!(counted >= sent, "{counted} of {sent} forgeries are counted");
            assert!(answered * 2 <= bytes * 3, "amplification");
            assert_eq!(scene.near.connection.ice_role(), role);
            assert_eq!(scene.switches(), 0, "the path was moved");
        },
    );
}

#[test]
fn r_a13_each_first_byte_at_each_length_on_a_live_socket() {
    alone(
        || multi_thread(1),
        || async {
            let scene = Scene::new().await;
            let mut random = Random::new(0x5eed_0a13);
            let before = dropped(&scene.near.connection.stats());
            let mut sent = 0;
            // An empty datagram carries nothing, not even a reason to be counted.
            scene.strange(&[]);
            scene.relay.inject(&[]);
            for length in (1..=40).chain([1_500, 65_507]) {
                for first in 0..=255_u8 {
                    let mut datagram = vec![0; length];
                    random.fill(&mut datagram);
                    if let Some(byte) = datagram.first_mut() {
                        *byte = first;
                    }
                    scene.strange(&datagram);
                    scene.relay.inject(&datagram);
                    sent += 2;
                }
                // Lets the socket keep up: this is about meaning, not about load.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            scene.works().await;
            let counted = dropped(&scene.near.connection.stats()) - before;
            println!(
                "{counted} of {sent} counted: {:?}",
                scene.near.connection.stats().dropped
            );
            assert_eq!(counted, sent, "each of them counts once");
            assert_eq!(scene.answers(), (0, 0));
        },
    );
}
