//! Reliability row B5 on the whole stack: an attacker on the path, from the moment that ICE has
//! verified it, before DTLS began and during its handshake.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::super::dtls::tests::forger::Forger;
use super::super::dtls::tests::on_path::sequences;
use super::harness::{A, B, Setup, World, ms, secs};
use crate::simnet::{Link, Rng};

const LIMIT: Duration = Duration::from_secs(10);

fn is_soak() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

fn is_dtls(datagram: &[u8]) -> bool {
    // RFC 7983 section 7.
    datagram
        .first()
        .is_some_and(|first| (20..=63).contains(first))
}

/// A world whose handshake somebody reads. Side B is the DTLS client, which the forger calls 0.
struct Watched {
    world: World,
    forger: Rc<RefCell<Forger>>,
    /// Where the genuine datagrams since the last look go.
    fresh: Rc<RefCell<Vec<usize>>>,
}

impl Watched {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, &Setup::default());
        world.net.set_default(Link {
            latency: ms(20),
            ..Link::default()
        });
        let forger = Rc::new(RefCell::new(Forger::new(seed)));
        let fresh = Rc::new(RefCell::new(Vec::new()));
        let (reader, list) = (forger.clone(), fresh.clone());
        world.filter = Some(Box::new(move |side, _, datagram| {
            if is_dtls(datagram) {
                reader.borrow_mut().read(1 - side, datagram);
                list.borrow_mut().push(1 - side);
            }
            true
        }));
        world.signal_all();
        Self {
            world,
            forger,
            fresh,
        }
    }

    fn is_open(&self, victim: usize) -> bool {
        let [local, from] = [victim, 1 - victim].map(|side| self.world.peers[side].addr);
        self.world.peers[victim].engine.ice().accepts(local, from)
    }

    /// Both are connected, and media flows.
    fn assert_alive(&mut self, what: &str) -> Duration {
        let left = LIMIT.saturating_sub(self.world.elapsed());
        assert!(
            self.world.connect(left),
            "{what}: {}",
            self.world.describe()
        );
        let taken = self.world.elapsed();
        self.world.start_media();
        let flows = self.world.run_until(secs(2), |world| {
            world.peers.iter().all(|peer| peer.packets.len() > 2)
        });
        assert!(flows, "{what}: {}", self.world.describe());
        taken
    }
}

#[test]
fn r_b05_forged_sequences_on_the_whole_stack() {
    let cases = sequences();
    let seeds = if is_soak() { 2_000 } else { 40 };
    let (mut worst, mut early, mut count) = ([Duration::ZERO; 2], 0, 0);
    for seed in 0..seeds {
        let (kinds, cut) = &cases[Rng::new(seed).below(cases.len() as u64) as usize];
        for victim in [A, B] {
            for during in [false, true] {
                let mut run = Watched::new(seed);
                while !run.is_open(victim) {
                    run.world.run_for(ms(1));
                    assert!(run.world.elapsed() < secs(2));
                }
                if during {
                    let when = run.forger.borrow_mut().rng.below(140);
                    run.world.run_for(ms(when));
                }
                early += u32::from(run.world.peers[victim].engine.secure.dtls.is_none());
                let datagrams = {
                    let mut forger = run.forger.borrow_mut();
                    let records: Vec<_> = kinds.iter().map(|kind| forger.message(*kind)).collect();
                    let (one, two) = records.split_at(*cut);
                    [one.concat(), two.concat()]
                };
                for datagram in datagrams.iter().filter(|datagram| !datagram.is_empty()) {
                    run.world.inject(victim, datagram);
                    run.world.run_for(ms(1));
                }
                let what = format!("seed {seed} to {victim}: {kinds:?} cut at {cut}, {during}");
                let taken = run.assert_alive(&what);
                worst[victim] = worst[victim].max(taken);
                count += 1;
            }
        }
    }
    println!("{count} connections, {early} forged at before DTLS began, worst {worst:?}");
}

/// Ten forged datagrams for each genuine one of the handshake, and a hundred before DTLS began.
#[test]
fn r_b05_ten_to_one_on_the_whole_stack() {
    let (seeds, least) = if is_soak() { (200, 99) } else { (10, 90) };
    let (mut done, mut worst) = (0, Duration::ZERO);
    for seed in 0..seeds {
        let mut run = Watched::new(seed);
        let mut is_flooded = [false; 2];
        while run.world.elapsed() < LIMIT && !run.world.both_connected_now() {
            run.world.run_for(ms(1));
            let mut victims = run.fresh.take();
            for side in [A, B] {
                if run.is_open(side) && !std::mem::replace(&mut is_flooded[side], true) {
                    victims.extend([side; 10]);
                }
            }
            for victim in victims {
                for _ in 0..10 {
                    let datagram = run.forger.borrow_mut().datagram();
                    run.world.inject(victim, &datagram);
                }
            }
        }
        match run.world.both_connected_now() {
            true => {
                done += 1;
                worst = worst.max(run.world.elapsed());
            }
            false => {
                println!("seed {seed}: {}", run.world.describe());
                for peer in &run.world.peers {
                    println!(
                        "{:?}",
                        peer.engine.secure.dtls.as_ref().map(|d| d.counters())
                    );
                }
            }
        }
    }
    println!("{done} of {seeds} connected, worst {worst:?}");
    assert!(done * 100 >= seeds * least);
}

/// What is kept before DTLS began is bounded, and the genuine hello among it is not lost to what
/// came before it.
#[test]
fn r_b05_early_datagrams_are_bounded_and_the_latest_are_kept() {
    let mut run = Watched::new(1);
    while !run.is_open(A) {
        run.world.run_for(ms(1));
    }
    let engine = &mut run.world.peers[A].engine;
    if engine.secure.dtls.is_some() {
        return;
    }
    let before = engine.held();
    for _ in 0..1_000 {
        let datagram = run.forger.borrow_mut().datagram();
        run.world.inject(A, &datagram);
    }
    let held = run.world.peers[A].engine.held() - before;
    assert!(held <= 8 * 1024, "{held}");
    assert!(run.world.peers[A].engine.counters().early_dtls > 900);
    run.assert_alive("early");
}
