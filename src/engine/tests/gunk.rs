//! Damaged and foreign datagrams among the genuine ones, on the path itself.

use std::time::Duration;

use bytes::Bytes;

use super::super::data::{DataEvent, MessageKind, SendData};
use super::harness::{A, B, PT, Setup, Tapped, World, failures, is_media, is_stun, ms, secs};
use super::soak::channels;
use crate::simnet::Rng;
use crate::simnet::usage::{Growth, full_size};

/// Of the peer's own datagrams: bits flipped, bytes cut off, added or taken from another.
fn mutated(rng: &mut Rng, taps: &[Tapped]) -> Vec<u8> {
    let pick = |rng: &mut Rng| &taps[rng.below(taps.len() as u64) as usize].data;
    let mut data = pick(rng).clone();
    match rng.below(5) {
        0 => data.truncate(rng.below(data.len() as u64) as usize),
        1 => {
            let more = rng.below(40) as usize + 1;
            data.extend(rng.bytes(more));
        }
        2 => {
            let other = pick(rng);
            let cut = rng.below(data.len().min(other.len()) as u64) as usize;
            data.truncate(cut);
            data.extend_from_slice(&other[cut..]);
        }
        _ => {
            for _ in 0..=rng.below(8) {
                let bit = rng.below(data.len() as u64 * 8) as usize;
                data[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    data
}

/// Reliability row A14: a million in full. Media and a channel go on beside them.
#[test]
fn r_a14_live_gunk_among_real_packets_changes_nothing() {
    let rounds = if full_size() { 100_000 } else { 3_000 };
    let mut world = World::new(14, &Setup::default());
    world.tap = Some(Vec::new());
    world.signal_all();
    assert!(world.connect(secs(5)));
    let keys = channels(&mut world);
    world.start_media();
    let mut sent = 0u32;
    let mut message = |world: &mut World| {
        let mut data = vec![0x55; 100];
        data[..4].copy_from_slice(&sent.to_be_bytes());
        sent += 1;
        let now = world.now;
        let engine = &mut world.peers[B].engine;
        let outcome = engine.send_data(now, keys[B], MessageKind::Binary, Bytes::from(data));
        assert_ne!(outcome.unwrap(), SendData::Full);
        sent
    };
    for _ in 0..150 {
        world.run_for(ms(100));
        message(&mut world);
    }
    let taps: Vec<_> = std::mem::take(&mut world.tap).unwrap();
    // What B sent; only now and then a datagram of the set-up.
    let sent_by_b: Vec<_> = taps.into_iter().filter(|t| t.from == B).collect();
    let (media, rest): (Vec<_>, Vec<_>) = sent_by_b
        .into_iter()
        .partition(|tapped| is_media(tapped.data[0]));
    assert!(media.len() > 700 && rest.len() > 150);
    let mut rng = world.rng.clone();
    world.run_for(ms(100));
    let mut heard = Heard::default();
    heard.read(&mut world);
    let [before, pumped] = [heard.packets, world.peers[B].pump.as_ref().unwrap().sent];
    let mut growth = Growth::start();
    let mut all = 0;
    for round in 0..rounds {
        world.run_for(ms(20));
        for _ in 0..10 {
            let taps = if rng.chance(0.5) { &media } else { &rest };
            let data = mutated(&mut rng, taps);
            world.inject(A, &data);
        }
        if round % 5 == 0 {
            all = message(&mut world);
        }
        heard.read(&mut world);
        // The first rounds make what stays.
        if round == rounds / 20 {
            growth = Growth::start();
        }
        if round % 100 == 0 {
            growth.look();
        }
    }
    world.run_for(secs(1));
    heard.read(&mut world);
    let got = heard.packets - before;
    let pumped = world.peers[B].pump.as_ref().unwrap().sent - pumped;
    println!(
        "{} gunk; {got} of {pumped} packets, {} of {all} messages",
        rounds * 10,
        heard.messages
    );
    assert!(
        got * 1_000 >= pumped * 999,
        "{got} of {pumped}: {}",
        world.describe()
    );
    assert!(got <= pumped + 1, "forged packets came through");
    assert_eq!(heard.messages, all, "{}", world.describe());
    assert!(world.both_connected_now(), "{}", world.describe());
    assert_eq!(heard.disconnects, 0);
    growth.at_most(2_048);
}

/// What A got so far. It is looked at and let go, so that memory is the session's alone.
#[derive(Default)]
struct Heard {
    packets: u64,
    messages: u32,
    disconnects: usize,
}

impl Heard {
    fn read(&mut self, world: &mut World) {
        for peer in &mut world.peers {
            self.disconnects += peer.disconnects().len();
            peer.events.clear();
        }
        world.peers[B].packets.clear();
        let peer = &mut world.peers[A];
        for (_, _, packet) in peer.packets.drain(..) {
            assert!(packet.ssrc == 200 && packet.payload_type == PT);
            assert!(packet.payload.iter().all(|byte| *byte == 0x55));
            self.packets += 1;
        }
        let mut read = false;
        while let Some(event) = peer.engine.poll_data_event() {
            if let DataEvent::Message { data, .. } = event {
                assert_eq!(data[..4], self.messages.to_be_bytes());
                assert!(data[4..].iter().all(|byte| *byte == 0x55));
                self.messages += 1;
                peer.engine.unread().read(data.len());
                read = true;
            }
        }
        if read {
            peer.engine.data_read(world.now);
        }
    }
}

fn seeds() -> u64 {
    if full_size() { 10_000 } else { 200 }
}

/// The same while the session is being set up, on the valid path, 1 to 20 times.
#[test]
fn r_b05_gunk_during_the_set_up_does_not_prevent_it() {
    let mut first = World::new(1, &Setup::default());
    first.tap = Some(Vec::new());
    first.signal_all();
    assert!(first.connect(secs(5)));
    let taps = first.tap.take().unwrap();
    let failed = failures(0..seeds(), |seed| {
        let mut world = World::new(seed, &Setup::default());
        world.signal_all();
        let mut rng = world.rng.clone();
        for _ in 0..=seed % 20 {
            let side = rng.below(2) as usize;
            let data = mutated(&mut rng, &taps);
            world.inject(side, &data);
            world.run_for(ms(1));
        }
        world.connect(secs(10))
    });
    assert!(failed.len() as u64 * 100 <= seeds(), "seeds {failed:?}");
}

/// Well-formed handshake datagrams of another session, on the valid path, 1 to 20 times: what an
/// attacker who races the peer can send.
#[test]
fn r_b05_a_foreign_handshake_among_ours_does_not_prevent_it() {
    let mut first = World::new(1, &Setup::default());
    first.tap = Some(Vec::new());
    first.signal_all();
    assert!(first.connect(secs(5)));
    let mut taps = first.tap.take().unwrap();
    taps.retain(|tapped| !is_stun(&tapped.data) && !is_media(tapped.data[0]));
    assert!(taps.len() >= 6, "{}", taps.len());
    let failed = failures(0..seeds(), |seed| {
        let mut world = World::new(seed, &Setup::default());
        world.signal_all();
        let mut rng = world.rng.clone();
        for _ in 0..=seed % 20 {
            let tapped = &taps[rng.below(taps.len() as u64) as usize];
            world.inject(1 - tapped.from, &tapped.data);
            world.run_for(Duration::from_micros(rng.below(1_500)));
        }
        world.connect(secs(10))
    });
    assert!(failed.len() as u64 * 100 <= seeds(), "seeds {failed:?}");
}

/// A ClientHello of DTLS 1.2 or of another version, well-formed but for what is asked.
fn hello(genuine: &[u8], kind: usize) -> Vec<u8> {
    // Behind the headers of the record and of the message.
    const BODY: usize = 25;
    let mut bad = match kind {
        0 => return genuine.to_vec(),
        1 => {
            let mut old = genuine.to_vec();
            old[1..3].copy_from_slice(&[0xfe, 0xff]);
            old[BODY..BODY + 2].copy_from_slice(&[0xfe, 0xff]);
            return old;
        }
        // The only suite is TLS_NULL_WITH_NULL_NULL.
        2 => [&genuine[BODY..BODY + 34], &[0, 0, 0, 2, 0, 0, 1, 0]].concat(),
        // As long as a datagram can be.
        _ => {
            let suites: Vec<u8> = (0..16_000u32)
                .flat_map(|n| (n as u16).to_be_bytes())
                .collect();
            let length = (suites.len() as u16).to_be_bytes();
            let head = &genuine[BODY..BODY + 34];
            [head, &[0, 0], &length, &suites, &[1, 0]].concat()
        }
    };
    let length = (bad.len() as u32).to_be_bytes();
    let mut message = vec![
        1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3],
    ];
    message.append(&mut bad);
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend_from_slice(&(message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

/// Reliability row B5: a ClientHello, bad or well-formed, over the valid path 1 to 20 times, to
/// either side, before DTLS and during it.
#[test]
fn r_b05_a_hello_on_the_path_does_not_prevent_the_set_up() {
    let mut first = World::new(1, &Setup::default());
    first.tap = Some(Vec::new());
    first.signal_all();
    assert!(first.connect(secs(5)));
    let taps = first.tap.take().unwrap();
    let genuine = taps
        .iter()
        .find(|tapped| tapped.data[0] == 22 && tapped.data[13] == 1);
    let genuine = genuine.unwrap().data.clone();
    let hellos = [0, 1, 2, 3].map(|kind| hello(&genuine, kind));
    let wedged = std::sync::Mutex::new(Vec::new());
    let late = failures(0..seeds(), |seed| {
        let mut world = World::new(seed, &Setup::default());
        world.signal_all();
        let mut rng = world.rng.clone();
        // Before ICE has a pair, or anywhere in the first milliseconds of the handshake.
        world.run_for(Duration::from_micros(rng.below(8_000)));
        let victim = rng.below(3) as usize;
        for _ in 0..=seed % 20 {
            let data = &hellos[(seed / 20 % 4) as usize];
            for side in [A, B] {
                if victim == 2 || victim == side {
                    world.inject(side, data);
                }
            }
            world.run_for(Duration::from_micros(rng.below(1_500)));
        }
        let in_time = world.connect(secs(10));
        if !world.connect(secs(30)) {
            wedged.lock().unwrap().push(seed);
        }
        world.start_media();
        world.run_for(secs(1));
        let heard = world.peers.iter().all(|peer| peer.packets.len() >= 49);
        in_time && heard
    });
    println!("late or deaf: {} of {}", late.len(), seeds());
    assert!(wedged.lock().unwrap().is_empty(), "{wedged:?}");
    assert!(late.len() as u64 * 100 <= seeds(), "seeds {late:?}");
}
