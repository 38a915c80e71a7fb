//! Consent, blackouts, restarts, failover.

use super::net::*;
use crate::engine::ice::*;

fn connected(seed: u64) -> Net {
    let mut net = Net::ready(seed, [A, B]);
    assert!(net.connect(SEC), "seed {seed}");
    net
}

#[test]
fn g042_consent_interval_is_4_to_6_s_with_new_ids() {
    let mut net = connected(7);
    let (local, from) = net.agents[0].send_path().unwrap();
    net.agents[0].payload_heard(local, from);
    let from = net.sent[0].len();
    net.run_for(600 * SEC);
    let checks: Vec<_> = net.sent[0][from..].iter().filter(|s| s.3[0] == 0).collect();
    assert!((95..=152).contains(&checks.len()), "{}", checks.len());
    for two in checks.windows(2) {
        let gap = two[1].0 - two[0].0;
        assert!(gap >= 4 * SEC && gap <= 6 * SEC, "{gap:?}");
        assert_ne!(two[0].3[8..20], two[1].3[8..20]);
    }
    assert!(net.agree() && net.both_connected());
    assert_eq!(net.states(0).len(), 2, "a clean path never flaps");
    assert!(net.agents[0].transactions.len() < 16);
}

#[test]
fn g042_consent_expires_30_s_after_the_last_answer_whatever_else_arrives() {
    for seed in 1..=20 {
        let mut net = connected(seed);
        net.run_for(20 * SEC + seed as u32 * 300 * MS);
        net.filter = Some(Box::new(|_, side, _, _| side == 0));
        let cut = net.elapsed();
        // Junk from the peer's address: noise, unauthenticated STUN, and its own old answers.
        let (local, remote) = net.agents[0].send_path().unwrap();
        let replay = net.sent[1].last().unwrap().3.clone();
        while net.agents[0].send_path().is_some() && net.elapsed() < cut + 40 * SEC {
            net.run_for(100 * MS);
            let now = net.now;
            for junk in [&[0x80u8; 40][..], &replay, &[0u8; 20], b""] {
                net.agents[0].handle_datagram(now, local, remote, junk);
            }
        }
        let lost = net.elapsed();
        let last_answer = net.events[0]
            .iter()
            .find(|(_, e)| *e == IceEvent::ConsentLost)
            .unwrap()
            .0
            - 30 * SEC;
        assert!(
            last_answer <= cut + net.latency && last_answer + 6 * SEC + 100 * MS >= cut,
            "seed {seed}: {last_answer:?} {cut:?}"
        );
        assert!(lost - last_answer <= 31 * SEC);
        assert_eq!(net.count(0, &IceEvent::ConsentLost), 1);
        use IceState::*;
        assert_eq!(net.states(0), [Checking, Connected, Disconnected, Failed]);
        assert!(!net.agents[0].accepts(local, remote));
        // Nothing revives it but new credentials.
        net.filter = None;
        let sent = net.sent[0].iter().filter(|s| s.3[0] == 0).count();
        net.run_for(60 * SEC);
        assert_eq!(net.agents[0].state(), Failed);
        assert_eq!(
            net.sent[0].iter().filter(|s| s.3[0] == 0).count(),
            sent,
            "no checks"
        );
        assert_eq!(net.count(0, &IceEvent::ConsentLost), 1);
        restart_both(&mut net);
        assert!(net.connect(5 * SEC), "a restart revives");
    }
}

#[test]
fn disconnected_within_5_to_10_s_of_silence() {
    for seed in 1..=20 {
        let mut net = connected(seed);
        net.run_for(13 * SEC + seed as u32 * 700 * MS);
        let cut = net.elapsed();
        net.filter = Some(Box::new(|_, _, _, _| false));
        net.run(cut + 10 * SEC, |n| {
            n.agents[0].state() == IceState::Disconnected
        });
        let silent = net.elapsed() - cut;
        assert!(
            silent >= 2 * SEC && silent <= 9 * SEC + 100 * MS,
            "{silent:?}"
        );
        assert!(net.agents[0].send_path().is_some(), "still in use");
    }
}

#[test]
fn blackouts_shorter_than_consent_recover_quickly() {
    for seed in 1..=40 {
        for seconds in [2, 5, 10, 20, 23] {
            let mut net = connected(seed);
            net.run_for(11 * SEC + seed as u32 * 170 * MS);
            let cut = net.elapsed();
            let back = cut + seconds * SEC;
            net.filter = Some(Box::new(move |at, _, _, _| at < cut || at >= back));
            net.run(back, |_| false);
            assert!(net.agree(), "seed {seed}: the path stays");
            assert!(
                net.run(back + 3 * SEC, |n| n.both_connected() && n.agree()),
                "seed {seed}, {seconds} s"
            );
            net.run_for(60 * SEC);
            assert!(net.both_connected() && net.agree());
            assert_eq!(net.count(0, &IceEvent::ConsentLost), 0);
        }
    }
}

#[test]
fn a_second_path_takes_over_when_the_first_dies() {
    for roles in [[A, B], [B, A]] {
        let mut net = Net::new(5, roles);
        net.exchange();
        let now = net.now;
        net.agents[0].add_local_candidate(now, host("10.0.9.1:1000", 50));
        net.agents[1].add_remote_candidate(now, host("10.0.9.1:1000", 50));
        net.start_both();
        assert!(net.connect(SEC));
        assert_eq!(net.agents[0].send_path().unwrap().0, addr(Net::LEFT));
        net.run_for(20 * SEC);
        let cut = net.elapsed();
        let dead = addr(Net::LEFT);
        net.filter = Some(Box::new(move |at, _, from, to| {
            at < cut || (from != dead && to != dead)
        }));
        let backup = addr("10.0.9.1:1000");
        let moved = |n: &Net| n.agree() && n.agents[0].send_path().unwrap().0 == backup;
        assert!(net.run(cut + 15 * SEC, moved), "{roles:?}");
        net.run_for(60 * SEC);
        assert!(net.both_connected() && moved(&net));
    }
}

/// A relay that its server lost: the path moves on without waiting for its silence, to what there is
/// or to what comes in its place.
#[test]
fn r_f3_a_path_whose_local_address_is_withdrawn_moves_on() {
    for roles in [[A, B], [B, A]] {
        for late in [false, true] {
            let mut net = Net::new(5, roles);
            net.exchange();
            net.start_both();
            assert!(net.connect(SEC));
            let (lost, new) = (addr(Net::LEFT), "10.0.9.1:1000");
            let add = |net: &mut Net| {
                let now = net.now;
                net.agents[0].add_local_candidate(now, host(new, 50));
                net.agents[1].add_remote_candidate(now, host(new, 50));
            };
            if !late {
                add(&mut net);
            }
            net.run_for(20 * SEC);
            assert_eq!(net.agents[0].send_path().unwrap().0, lost);
            net.filter = Some(Box::new(move |_, _, from, to| from != lost && to != lost));
            let now = net.now;
            net.agents[0].withdraw_local_base(now, lost);
            net.run_for(SEC);
            if late {
                add(&mut net);
            }
            let moved = |n: &Net| n.agree() && n.agents[0].send_path().unwrap().0 == addr(new);
            let until = net.elapsed() + 4 * SEC;
            assert!(net.run(until, moved), "{roles:?}, late: {late}");
            net.run_for(60 * SEC);
            assert!(net.both_connected() && moved(&net));
            assert!(!net.agents[0].locals.iter().any(|local| local.base == lost));
        }
    }
}

fn restart_both(net: &mut Net) {
    let now = net.now;
    let generation = net.agents[0].generation + 1;
    let new = [0, 1].map(|side| credentials(&format!("{}{generation}", ["left", "rite"][side])));
    for (agent, own) in net.agents.iter_mut().zip(&new) {
        agent.restart(now, own.clone());
    }
    let others = [Net::RIGHT, Net::LEFT];
    for ((agent, peer), other) in net.agents.iter_mut().zip(new.iter().rev()).zip(others) {
        agent.set_remote_credentials(now, peer.clone());
        agent.add_remote_candidate(now, host(other, 100));
    }
}

#[test]
fn restart_keeps_the_old_path_until_the_new_one_is_selected() {
    let mut net = connected(1);
    net.run_for(10 * SEC);
    let now = net.now;
    let old = net.agents[0].send_path().unwrap();
    net.agents[0].restart(now, credentials("leftnew"));
    assert_eq!(
        net.agents[0].remote_credentials(),
        Some(&credentials("rite")),
        "the peer's hold until it tells new ones"
    );
    // A long time passes until the peer restarts too; consent goes on with the old credentials.
    net.run_for(120 * SEC);
    assert!(net.both_connected() && net.agree());
    assert!(net.agents[0].accepts(old.0, old.1));
    let now = net.now;
    net.agents[1].restart(now, credentials("ritenew"));
    net.agents[1].set_remote_credentials(now, credentials("leftnew"));
    net.run_for(50 * SEC);
    assert!(net.both_connected() && net.agree());
    // A new local address is part of the new generation.
    let now = net.now;
    net.agents[0].set_remote_credentials(now, credentials("ritenew"));
    net.agents[0].add_local_candidate(now, host("10.0.9.1:1000", 60_000));
    net.agents[1].add_remote_candidate(now, host("10.0.9.1:1000", 60_000));
    assert!(net.agree(), "nothing is lost meanwhile");
    let new = addr("10.0.9.1:1000");
    let until = net.elapsed() + 5 * SEC;
    assert!(net.run(until, |n| n.agree()
        && n.agents[0].send_path().unwrap().0 == new));
    assert_eq!(net.states(0).len(), 2, "connected all the time");
    assert!(
        net.agents[1].accepts(old.1, old.0),
        "what is still under way is taken"
    );
    net.run_for(31 * SEC);
    assert!(!net.agents[1].accepts(old.1, old.0));
}

/// The peer needs to learn the new credentials and nothing else, however late.
#[test]
fn g008_one_side_restarts_alone() {
    for seed in 1..=50 {
        let side = seed as usize % 2;
        let mut net = connected(seed);
        net.loss_percent = 20;
        for generation in 1..=6 {
            let now = net.now;
            let new = credentials(&format!("new{generation}"));
            net.agents[side].restart(now, new.clone());
            net.run_for((seed as u32 * 131) % 3_000 * MS);
            let now = net.now;
            net.agents[1 - side].set_remote_credentials(now, new);
            let current = |n: &Net| n.agents.iter().all(|a| a.current_selected_key().is_some());
            let until = net.elapsed() + 10 * SEC;
            assert!(net.run(until, |n| current(n) && n.agree()), "seed {seed}");
            assert_eq!(net.states(0).len(), 2, "connected all the time");
        }
    }
}

/// Candidates name their credentials: those of before are refused, those to come are kept, and
/// what was told before is told in vain.
#[test]
fn g008_r_b14_candidates_and_credentials_of_other_generations() {
    let mut net = connected(1);
    let now = net.now;
    let agent = &mut net.agents[0];
    let [old, new] = ["rite", "ritenew"].map(credentials);
    agent.add_remote_candidate_of(now, host("10.0.0.2:3000", 1), &new.ufrag);
    agent.add_remote_candidate_of(now, host("10.0.0.2:4000", 1), &old.ufrag);
    agent.add_remote_candidate(now, host("10.0.0.2:5000", 1));
    let addrs = |agent: &IceAgent| {
        let mut ports: Vec<u16> = agent.remotes.iter().map(|r| r.addr.port()).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(addrs(agent), [2000, 4000, 5000]);
    assert!(agent.set_remote_credentials(now, new.clone()));
    // Those that name none may be of either.
    assert_eq!(addrs(agent), [2000, 3000, 5000]);
    agent.add_remote_candidate_of(now, host("10.0.0.2:6000", 1), &old.ufrag);
    assert_eq!(addrs(agent), [2000, 3000, 5000]);
    assert_eq!(agent.counters().candidates_refused, 1);
    assert!(!agent.set_remote_credentials(now, old));
    assert_eq!(agent.remote_credentials(), Some(&new));
    // What comes ahead is bounded, and the newest stay.
    for port in 1..=2_000u16 {
        let candidate = host(&format!("10.0.0.2:{port}"), 1);
        agent.add_remote_candidate_of(now, candidate, "yettocome");
    }
    assert!(agent.ahead.len() <= 512);
    assert_eq!(agent.ahead.back().unwrap().1.addr.port(), 2_000);
}

#[test]
fn restart_under_loss_and_with_the_roles_of_before() {
    for seed in 1..=50 {
        let mut net = connected(seed);
        net.run_for(5 * SEC);
        net.loss_percent = 20;
        restart_both(&mut net);
        let generation_1 = |n: &Net| n.agents.iter().all(|a| a.current_selected_key().is_some());
        let until = net.elapsed() + 10 * SEC;
        assert!(
            net.run(until, |n| generation_1(n) && n.agree()),
            "seed {seed}"
        );
        assert_eq!(net.agents[0].role(), A);
    }
}

#[test]
fn checks_of_an_old_generation_have_no_effect() {
    let mut net = connected(1);
    let old_check = net.sent[1].iter().find(|s| s.3[0] == 0).unwrap().3.clone();
    restart_both(&mut net);
    assert!(net.connect(5 * SEC));
    net.run_for(40 * SEC);
    let pairs = net.agents[0].pair_stats();
    let now = net.now;
    for from in [Net::RIGHT, "10.6.6.6:666"] {
        net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(from), &old_check);
    }
    assert!(net.agents[0].poll_transmit().is_none());
    assert_eq!(net.agents[0].pair_stats(), pairs);
    assert_eq!(net.agents[0].counters().wrong_username, 2);
}

#[test]
fn after_close_nothing_happens() {
    let mut net = connected(1);
    net.agents[0].close();
    let sent = net.sent[0].len();
    let now = net.now;
    net.agents[0].add_local_candidate(now, host("10.0.9.1:1000", 9));
    net.agents[0].start(now);
    net.run_for(60 * SEC);
    assert_eq!(net.sent[0].len(), sent);
    assert!(net.agents[0].poll_timeout().is_none());
    assert!(net.agents[0].send_path().is_none());
    assert_eq!(net.states(0).last(), Some(&IceState::Closed));
    assert_eq!(net.agents[1].state(), IceState::Failed);
}

/// Anything may happen in any order; when the network is well again, so are the agents.
#[test]
fn random_lives_end_connected() {
    for seed in 1..=300u64 {
        let roles = [[A, B], [A, A], [B, B], [None, None]][seed as usize % 4];
        let mut net = Net::ready(seed, roles);
        net.double_percent = 10;
        for _ in 0..12 {
            net.latency = (1 + (net.random() % 300) as u32) * MS;
            net.loss_percent = net.random() % 50;
            match net.random() % 8 {
                0 => restart_both(&mut net),
                1 => {
                    let (cut, length) = (net.elapsed(), net.random() as u32 % 40);
                    let back = cut + length * SEC;
                    net.filter = Some(Box::new(move |at, _, _, _| at >= back));
                }
                2 => {
                    let dead = net.random() as usize % 2;
                    net.filter = Some(Box::new(move |_, side, _, _| side != dead));
                }
                3 | 4 => {
                    let (port, preference) = (net.random() % 9 + 1, net.random() as u16);
                    let local = format!("10.0.0.1:{port}");
                    let now = net.now;
                    net.agents[0].add_local_candidate(now, host(&local, preference));
                    net.agents[1].add_remote_candidate(now, host(&local, preference));
                }
                5 => {
                    let dead = addr(Net::LEFT);
                    net.filter = Some(Box::new(move |_, _, from, to| from != dead && to != dead));
                }
                _ => net.filter = None,
            }
            let time = net.random() as u32 % 15_000;
            net.run_for(time * MS);
        }
        (net.filter, net.loss_percent, net.latency) = (None, 0, 20 * MS);
        net.run_for(10 * SEC);
        if !(net.both_connected() && net.agree()) {
            restart_both(&mut net);
        }
        assert!(net.connect(10 * SEC), "seed {seed}");
        net.run_for(60 * SEC);
        assert!(net.both_connected() && net.agree(), "seed {seed}");
    }
}

#[test]
fn a_lossy_path_does_not_flap() {
    let mut events = 0;
    for seed in 1..=50 {
        let mut net = connected(seed);
        net.loss_percent = 20;
        net.run_for(120 * SEC);
        let states = net.states(0).len() - 2;
        assert!(states < 10, "seed {seed}: {states} changes in 120 s");
        assert!(net.agree(), "seed {seed}");
        events += states;
    }
    println!("{} changes per 120 s", events as f64 / 50.0);
}
