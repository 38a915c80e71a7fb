//! What a transfer leaves to others on the path: standard ones, its own kind, and its own pings.

use super::crowd::{Crowd, Path};
use super::*;

const SEED: u64 = 5;

pub(super) fn soaks() -> bool {
    std::env::var_os("ORTC_SOAK").is_some()
}

fn p95(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 95 / 100]
}

/// What each of two standard transfers has, as the one beside ours should.
fn fair(path: Path) -> f64 {
    let mut crowd = Crowd::new(SEED, path);
    crowd.standard();
    crowd.standard();
    crowd.run_for(secs(5));
    crowd.measure(secs(10)).0.iter().sum::<f64>() / 2.0
}

#[test]
fn r_d08_a_standard_transfer_keeps_half_of_its_share() {
    let all: &[f64] = if soaks() {
        &[5.0, 20.0, 100.0]
    } else {
        &[5.0, 20.0]
    };
    let rtts: &[u64] = if soaks() { &[30, 60] } else { &[60] };
    for &mbit in all {
        for &rtt in rtts {
            for buffer in [5, 25, 100] {
                // The deeper ones with fewer packets, unless there is time.
                if !soaks() && (buffer == 5) != (mbit == 20.0) {
                    continue;
                }
                let path = Path::new(mbit, rtt, buffer);
                let fair = fair(path);
                let mut crowd = Crowd::new(SEED, path);
                crowd.ours(16_384);
                crowd.standard();
                crowd.run_for(secs(10));
                let (rates, loss) = crowd.measure(secs(20));
                println!("{path:?}: {rates:.2?} of {fair:.2}, loss {loss:.4}");
                // On long paths less: the window does not count round trips (RFC 9438 section 4.3).
                let least = if rtt > 100 { fair / 3.0 } else { fair / 2.0 };
                assert!(rates[1] >= least, "seed {SEED} {path:?}: {rates:?} {fair}");
            }
        }
    }
}

#[test]
fn r_d08_two_of_ours_share_and_one_alone_loses_little() {
    let all: &[f64] = if soaks() {
        &[5.0, 20.0, 100.0]
    } else {
        &[20.0]
    };
    for &mbit in all {
        for (rtt, buffer) in [(60, 5), (30, 25), (60, 100)] {
            let path = Path::new(mbit, rtt, buffer);
            let mut crowd = Crowd::new(SEED, path);
            crowd.ours(16_384);
            crowd.run_for(secs(3));
            let (alone, loss) = crowd.measure(secs(7));
            crowd.ours(16_384);
            crowd.run_for(secs(10));
            let (rates, _) = crowd.measure(secs(10));
            println!("{path:?}: alone {alone:.2?}, loss {loss:.4}; two {rates:.2?}");
            // A buffer of two packets serves nobody.
            if path.mbit * path.buffer.as_secs_f64() >= 0.1 {
                assert!(alone[0] >= mbit * 0.75, "seed {SEED} {path:?}: {alone:?}");
                assert!(loss <= 0.01, "seed {SEED} {path:?}: {loss}");
            }
            let least = rates.iter().sum::<f64>() / 4.0;
            assert!(
                rates.iter().all(|rate| *rate >= least),
                "seed {SEED} {path:?}: {rates:?}"
            );
        }
    }
}

/// A message of another channel waits for what is in the queue and for the message before it.
#[test]
fn r_d08_pings_pass_a_bulk_transfer_on_slow_and_bloated_links() {
    for (mbit, rtt, buffer) in [(1.0, 30, 400), (1.0, 100, 2_000), (5.0, 30, 1_000)] {
        for loss in [0.0, 0.01] {
            let mut path = Path::new(mbit, rtt, buffer);
            path.loss = loss;
            let mut crowd = Crowd::new(SEED, path);
            crowd.ours(16_384);
            crowd.run_for(secs(5));
            crowd.pings(0);
            let (rates, _) = crowd.measure(secs(if soaks() { 120 } else { 30 }));
            let ping = p95(&crowd.pings(0));
            println!("{path:?}: {rates:.2?} ping {ping:?}");
            assert!(rates[0] >= mbit / 2.0, "seed {SEED} {path:?}: {rates:?}");
            // A ping that is lost itself takes a round trip more.
            let most = if loss > 0.0 { 300 + rtt } else { 300 };
            assert!(ping <= ms(most), "seed {SEED} {path:?}: {ping:?}");
        }
    }
}

/// No queue tells of a policer, only losses that rise with the rate.
#[test]
fn a_policer_is_not_flooded() {
    for (bucket, rtt) in [(10, 60), (50, 30), (50, 150)] {
        let mut path = Path::new(20.0, rtt, bucket);
        path.polices = true;
        let mut crowd = Crowd::new(SEED, path);
        crowd.ours(16_384);
        crowd.run_for(secs(5));
        let (rates, loss) = crowd.measure(secs(20));
        println!("{path:?}: {rates:.2?} loss {loss:.4}");
        assert!(rates[0] >= 10.0, "seed {SEED} {path:?}: {rates:?}");
        assert!(loss <= 0.01, "seed {SEED} {path:?}: {loss}");
    }
}

/// Chance beside a shallow buffer: neither is taken for the other.
#[test]
fn chance_is_told_from_a_shallow_buffer() {
    for (loss, least) in [(0.01, 10.0), (0.02, 8.0), (0.05, 1.0)] {
        for &rtt in if soaks() { &[30, 60][..] } else { &[60] } {
            let mut path = Path::new(20.0, rtt, 10);
            path.loss = loss;
            let mut crowd = Crowd::new(SEED, path);
            crowd.ours(16_384);
            crowd.run_for(secs(10));
            let (rates, dropped) = crowd.measure(secs(20));
            println!("{path:?}: {rates:.2?} dropped {dropped:.4}");
            assert!(rates[0] >= least, "seed {SEED} {path:?}: {rates:?}");
            assert!(dropped <= 0.04, "seed {SEED} {path:?}: {dropped}");
        }
    }
}

#[test]
fn a_rate_that_changes_by_ten_is_followed() {
    for rtt in [5, 30, 300] {
        let (fast, slow) = (Path::new(20.0, rtt, 100), Path::new(2.0, rtt, 400));
        let mut crowd = Crowd::new(SEED, fast);
        crowd.ours(16_384);
        crowd.run_for(secs(10));
        crowd.change(slow);
        crowd.run_for(secs(5));
        crowd.pings(0);
        let (low, loss) = crowd.measure(secs(10));
        let ping = p95(&crowd.pings(0));
        crowd.change(fast);
        crowd.run_for(secs(if rtt > 100 { 20 } else { 10 }));
        let (high, _) = crowd.measure(secs(5));
        println!("rtt {rtt}: {low:.2?} loss {loss:.4} ping {ping:?}, then {high:.2?}");
        assert!(
            low[0] >= 1.0 && loss <= 0.02,
            "seed {SEED} rtt {rtt}: {low:?} {loss}"
        );
        assert!(ping <= ms(300 + rtt), "seed {SEED} rtt {rtt}: {ping:?}");
        assert!(high[0] >= 12.0, "seed {SEED} rtt {rtt}: {high:?}");
    }
}

#[test]
fn a_neighbour_comes_late_and_leaves() {
    for &buffer in if soaks() { &[5, 100][..] } else { &[100] } {
        let path = Path::new(20.0, 40, buffer);
        let mut crowd = Crowd::new(SEED, path);
        crowd.ours(16_384);
        crowd.run_for(secs(10));
        let neighbour = crowd.standard();
        crowd.run_for(secs(15));
        let (both, _) = crowd.measure(secs(15));
        crowd.stop(neighbour);
        crowd.run_for(secs(10));
        crowd.pings(0);
        let (alone, _) = crowd.measure(secs(10));
        let ping = p95(&crowd.pings(0));
        println!("{path:?}: {both:.2?}, then {alone:.2?} ping {ping:?}");
        assert!(both[1] >= 5.0, "seed {SEED} {path:?}: {both:?}");
        assert!(alone[0] >= 15.0, "seed {SEED} {path:?}: {alone:?}");
        assert!(ping <= ms(120), "seed {SEED} {path:?}: {ping:?}");
    }
}
