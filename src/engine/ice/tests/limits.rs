//! More candidates than the checklist has room for: every pair has its chance.

use super::net::*;
use crate::engine::ice::*;

fn both_know_each_other(net: &mut Net) {
    let now = net.now;
    for (side, peer) in [(0, "rite"), (1, "left")] {
        net.agents[side].set_remote_credentials(now, credentials(peer));
    }
    net.start_both();
}

/// Two hosts on one link with bridges, which have the same networks on both: only the pair of the
/// real interface works, wherever that stands in the order of priorities.
fn bridged(bridges: usize, real: [usize; 2], far: bool, limit: usize) -> Net {
    let config = IceConfig {
        max_pairs: limit,
        ..IceConfig::default()
    };
    let mut net = Net::with_config(7, [A, B], config);
    let mut works = Vec::new();
    let now = net.now;
    for side in [0, 1] {
        let mut bridge = 0;
        for at in 0..=bridges {
            let text = if at == real[side] {
                // Not neighbours, to look at.
                let net = if far { side } else { 0 };
                format!("10.0.{net}.{}:1000", side + 1)
            } else {
                bridge += 1;
                format!("172.{}.0.1:1000", 16 + bridge)
            };
            let candidate = host(&text, 60_000 - at as u16);
            if at == real[side] {
                works.push(candidate.addr);
            }
            net.agents[side].add_local_candidate(now, candidate.clone());
            net.agents[1 - side].add_remote_candidate(now, candidate);
        }
    }
    net.filter = Some(Box::new(move |_, _, from, to| {
        works.contains(&from) && works.contains(&to)
    }));
    both_know_each_other(&mut net);
    net
}

#[test]
fn g042_r_c14_hosts_with_many_bridges_connect() {
    for bridges in [0, 1, 5, 8, 10, 15, 31] {
        for at in [0, bridges / 2, bridges] {
            for other in [0, bridges] {
                let mut net = bridged(bridges, [at, other], false, 100);
                assert!(net.connect(2 * SEC), "{bridges} bridges, {at} and {other}");
                assert!(net.agents.iter().all(|a| a.pairs.len() <= 100));
            }
        }
    }
}

/// Without any hint all pairs are tried, one each 50 ms.
#[test]
fn r_c14_every_pair_beyond_the_limit_is_tried() {
    for bridges in [10, 15] {
        for limit in [4, 20, 100, 400] {
            let mut net = bridged(bridges, [bridges; 2], true, limit);
            let pairs = (bridges as u32 + 1).pow(2);
            // Each has half a second to answer.
            let pace = (60 * MS).max(600 * MS / limit as u32);
            let within = pace * pairs + SEC;
            assert!(net.connect(within), "{bridges} bridges, limit {limit}");
            assert!(net.agents.iter().all(|a| a.pairs.len() <= limit));
        }
    }
}

/// One answer in five is lost, and all pairs have another try.
#[test]
fn r_c14_pairs_beyond_the_limit_are_tried_again() {
    for seed in 1..=20 {
        let mut net = bridged(10, [10; 2], false, 20);
        net.loss_percent = 20;
        for _ in 0..seed {
            net.random();
        }
        assert!(net.connect(10 * SEC), "seed {seed}");
    }
}

fn of_kind(kind: CandidateKind, text: &str, preference: u16) -> Candidate {
    Candidate {
        priority: Candidate::compute_priority(kind, preference),
        kind,
        ..host(text, preference)
    }
}

/// A hundred dead candidates and one that works, of any kind, first or last, the best or the worst
/// of its kind; where the peer's checks arrive, and where they do not before ours went out.
#[test]
fn g042_r_c14_a_hundred_dead_candidates_and_one_that_works() {
    use CandidateKind::*;
    let mut slowest = SEC;
    for kind in [Host, ServerReflexive, PeerReflexive, Relay] {
        let full = std::env::var_os("ORTC_SOAK").is_some();
        let dead_kinds = [Host, Relay, ServerReflexive];
        for dead_kind in dead_kinds.into_iter().take(if full { 3 } else { 2 }) {
            for place in [0, 100, 50].into_iter().take(if full { 3 } else { 2 }) {
                for best in [false, true] {
                    for firewall in [false, true] {
                        for limit in [10, 100] {
                            let case = (kind, dead_kind, place, best, firewall, limit);
                            if kind == PeerReflexive && firewall {
                                // Neither side can know of the other.
                                continue;
                            }
                            let time = with_dead(case);
                            assert!(time.is_some_and(|t| t <= 10 * SEC), "{case:?}: {time:?}");
                            slowest = slowest.max(time.unwrap_or_default());
                        }
                    }
                }
            }
        }
    }
    println!("slowest {slowest:?}");
}

type Case = (CandidateKind, CandidateKind, usize, bool, bool, usize);

fn with_dead((kind, dead_kind, place, best, firewall, limit): Case) -> Option<std::time::Duration> {
    let config = IceConfig {
        max_pairs: limit,
        ..IceConfig::default()
    };
    let mut net = Net::with_config(3, [A, B], config);
    let now = net.now;
    let (left, right) = (addr(Net::LEFT), addr("198.51.100.7:2000"));
    for at in 0..=100u16 {
        if usize::from(at) == place && kind != CandidateKind::PeerReflexive {
            let preference = if best { 65_000 } else { 1 };
            let candidate = of_kind(kind, "198.51.100.7:2000", preference);
            net.agents[0].add_remote_candidate(now, candidate);
        }
        if at < 100 {
            let dead = format!("192.0.2.{}:3000", at + 1);
            net.agents[0].add_remote_candidate(now, of_kind(dead_kind, &dead, 1_000 + at));
        }
    }
    net.agents[0].add_local_candidate(now, host(Net::LEFT, 100));
    net.agents[1].add_local_candidate(now, host("198.51.100.7:2000", 100));
    net.agents[1].add_remote_candidate(now, host(Net::LEFT, 100));
    let opened = std::cell::Cell::new(!firewall);
    net.filter = Some(Box::new(move |_, side, from, to| {
        if side == 0 && (from, to) == (left, right) {
            opened.set(true);
        }
        let path = [(left, right), (right, left)].contains(&(from, to));
        path && (side == 0 || opened.get())
    }));
    both_know_each_other(&mut net);
    net.connect(20 * SEC).then(|| net.elapsed())
}

/// The pair that the peer was heard on stays, whatever else there is.
#[test]
fn r_c14_a_pair_with_a_check_is_not_thrown_out() {
    let mut net = Net::new(1, [A, B]);
    let now = net.now;
    let agent = &mut net.agents[0];
    agent.add_local_candidate(now, host(Net::LEFT, 100));
    for at in 0..200u16 {
        let dead = format!("192.0.2.{}:{}", at % 200 + 1, 3_000 + at);
        agent.add_remote_candidate(now, host(&dead, 60_000));
    }
    net.agents[1].add_local_candidate(now, host(Net::RIGHT, 1));
    net.agents[1].add_remote_candidate(now, host(Net::LEFT, 100));
    both_know_each_other(&mut net);
    assert!(net.connect(SEC));
    let (_, remote) = net.agents[0].selected().unwrap();
    assert_eq!(remote.kind, CandidateKind::PeerReflexive);
    for at in 0..1_000u16 {
        let now = net.now;
        let dead = format!("192.0.3.{}:{}", at % 200 + 1, 3_000 + at);
        net.agents[0].add_remote_candidate(now, host(&dead, 60_000));
        net.run_for(10 * MS);
    }
    assert!(net.both_connected() && net.agree());
    assert!(net.agents[0].pair_stats().iter().any(|pair| pair.selected));
}

/// New addresses always find room: a host that moves from network to network keeps none of the
/// old ones for ever.
#[test]
fn r_d13_the_hundredth_address_of_a_host_is_used() {
    let mut net = Net::ready(1, [A, B]);
    assert!(net.connect(SEC));
    for at in 1..=300u16 {
        let now = net.now;
        let text = format!("10.{}.{}.1:1000", at / 200 + 1, at % 200);
        net.agents[0].add_local_candidate(now, host(&text, 60_000));
        net.agents[1].add_remote_candidate(now, host(&text, 60_000));
        let (until, new) = (net.elapsed() + 5 * SEC, addr(&text));
        net.filter = Some(Box::new(move |_, _, from, to| from == new || to == new));
        let moved = |n: &Net| n.agree() && n.agents[0].send_path().is_some_and(|p| p.0 == new);
        if at % 100 == 0 {
            net.run(until + 30 * SEC, moved);
            assert!(moved(&net), "address {at}");
        }
        net.filter = None;
        net.run_for(100 * MS);
    }
}
