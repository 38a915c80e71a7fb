//! Paths that die in use, and what asks whether they did.

use std::time::Duration;

use super::net::*;
use crate::engine::ice::*;

fn connected(seed: u64, roles: [Option<Role>; 2]) -> Net {
    let mut net = Net::ready(seed, roles);
    assert!(net.connect(SEC));
    net.run_for(12 * SEC);
    net
}

/// An address goes and another comes, at either side, without a word of signalling.
#[test]
fn r_d13_an_address_that_changed_is_followed_within_four_seconds() {
    for seed in 1..=20 {
        for roles in [[A, B], [B, A]] {
            for pause in [0, 1, 3] {
                let mut net = connected(seed, roles);
                let (lost, new) = (addr(Net::LEFT), "10.0.9.1:1000");
                net.filter = Some(Box::new(move |_, _, from, to| from != lost && to != lost));
                let now = net.now;
                net.agents[0].withdraw_local_base(now, lost);
                net.run_for(pause * SEC);
                let now = net.now;
                net.agents[0].add_local_candidate(now, host(new, 50));
                let moved = |n: &Net| n.agree() && n.agents[0].send_path().unwrap().0 == addr(new);
                let until = net.elapsed() + 4 * SEC;
                assert!(net.run(until, moved), "seed {seed}, {roles:?}, {pause} s");
                net.run_for(60 * SEC);
                assert!(net.both_connected() && moved(&net));
            }
        }
    }
}

/// The same behind a NAT that goes on as before: to the other side nothing has changed, so that it
/// does not nominate anything.
#[test]
fn r_d13_a_nat_that_hides_a_new_address_does_not_matter() {
    for seed in 1..=20 {
        for roles in [[A, B], [B, A]] {
            let mut net = Net::new(seed, roles);
            let outer = addr("203.0.113.1:1");
            net.nat = Some((addr(Net::LEFT), outer));
            net.exchange();
            net.start_both();
            assert!(net.run(2 * SEC, Net::both_connected));
            net.run_for(20 * SEC);
            let (lost, new) = (addr(Net::LEFT), "10.0.9.1:1000");
            net.nat = Some((addr(new), outer));
            net.filter = Some(Box::new(move |_, _, from, to| from != lost && to != lost));
            let now = net.now;
            net.agents[0].withdraw_local_base(now, lost);
            net.agents[0].add_local_candidate(now, host(new, 50));
            let moved = |n: &Net| {
                n.both_connected()
                    && n.agents[0].send_path().unwrap().0 == addr(new)
                    && n.agents[1].send_path().unwrap().1 == outer
            };
            let until = net.elapsed() + 2 * SEC;
            assert!(net.run(until, moved), "seed {seed}, {roles:?}");
            net.run_for(60 * SEC);
            assert!(moved(&net));
        }
    }
}

/// It comes back: nothing moves, and nothing is lost.
#[test]
fn r_d13_an_address_that_comes_back_carries_on() {
    for roles in [[A, B], [B, A]] {
        let mut net = connected(3, roles);
        let lost = addr(Net::LEFT);
        let (cut, back) = (net.elapsed(), net.elapsed() + 4 * SEC);
        net.filter = Some(Box::new(move |at, _, from, to| {
            at < cut || at >= back || (from != lost && to != lost)
        }));
        let now = net.now;
        net.agents[0].withdraw_local_base(now, lost);
        net.run_for(4 * SEC);
        let now = net.now;
        net.agents[0].add_local_candidate(now, host(Net::LEFT, 100));
        let until = net.elapsed() + 2 * SEC;
        assert!(
            net.run(until, |n| n.both_connected() && n.agree()),
            "{roles:?}"
        );
        net.run_for(60 * SEC);
        assert!(net.both_connected() && net.agree());
    }
}

/// The NAT before the left side forgets it, and gives it another port with its next datagram. Media
/// go on meanwhile, from either side.
#[test]
fn r_f9_a_rebinding_is_followed_within_four_seconds() {
    let inner = addr(Net::LEFT);
    let outer = |port: u16| addr(&format!("203.0.113.1:{port}"));
    for seed in 1..=20 {
        for roles in [[A, B], [B, A]] {
            let mut net = Net::new(seed, roles);
            net.nat = Some((inner, outer(1)));
            net.exchange();
            net.start_both();
            assert!(net.run(2 * SEC, Net::both_connected), "{roles:?}");
            net.run_for(20 * SEC);
            for port in 2..5 {
                net.nat = Some((inner, outer(port)));
                let from = net.elapsed();
                let moved =
                    move |n: &Net| n.agents[1].send_path().map(|path| path.1) == Some(outer(port));
                // Each 20 ms something that is no STUN comes to the right side.
                let step = 20 * MS;
                while net.elapsed() < from + 4 * SEC && !moved(&net) {
                    let now = net.now;
                    let right = addr(Net::RIGHT);
                    if !net.agents[1].accepts(right, outer(port)) {
                        net.agents[1].payload_elsewhere(now, right, outer(port));
                    }
                    net.run_for(step);
                }
                let took = net.elapsed() - from;
                assert!(moved(&net), "seed {seed}, {roles:?}, port {port}");
                assert!(took < Duration::from_millis(3_000), "{took:?}");
                net.run_for(40 * SEC);
                assert!(
                    net.both_connected() && moved(&net),
                    "seed {seed}, {roles:?}"
                );
            }
        }
    }
}

/// Whoever forges the sources of datagrams has the path asked twice a second and nothing else.
#[test]
fn r_f9_forged_sources_have_nobody_checked() {
    for roles in [[A, B], [B, A]] {
        let mut net = connected(1, roles);
        let from = net.elapsed();
        let path = net.agents[1].send_path();
        let before = net.sent[1].len();
        for n in 0..5_000u32 {
            let forged = addr(&format!("198.51.100.{}:{}", n % 200 + 1, 1_000 + n));
            let now = net.now;
            net.agents[1].payload_elsewhere(now, addr(Net::RIGHT), forged);
            net.run_for(2 * MS);
        }
        let seconds = (net.elapsed() - from).as_secs() as usize;
        assert!(net.sent[1].len() - before <= seconds * 3 + 10);
        let known = addr(Net::LEFT);
        assert!(net.sent[1].iter().all(|(_, _, to, _)| *to == known));
        assert_eq!(net.agents[1].send_path(), path);
        assert_eq!(net.states(1).len(), 2, "connected all the time");
    }
}

/// A path that was kept is not left for a better one; that is an option.
#[test]
fn g008_a_better_path_is_taken_or_not_as_wanted() {
    for keep in [false, true] {
        let config = IceConfig {
            keep_path: keep,
            ..IceConfig::default()
        };
        let mut net = Net::with_config(1, [A, B], config);
        net.exchange();
        net.start_both();
        assert!(net.connect(SEC));
        net.run_for(20 * SEC);
        let better = "10.0.8.1:1000";
        let now = net.now;
        net.agents[0].add_local_candidate(now, host(better, 60_000));
        net.agents[1].add_remote_candidate(now, host(better, 60_000));
        net.run_for(3 * SEC);
        let taken = net.agents[0].send_path().unwrap().0 == addr(better);
        assert_eq!(taken, !keep);
        assert!(net.agree());
        // The one that was kept dies: then the other is right.
        net.filter = Some(Box::new(|_, _, from, to| {
            from != addr(Net::LEFT) && to != addr(Net::LEFT)
        }));
        net.run_for(15 * SEC);
        assert!(net.both_connected() && net.agree());
        assert_eq!(net.agents[0].send_path().unwrap().0, addr(better));
    }
}
