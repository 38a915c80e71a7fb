//! Reaching a selected pair.

use std::time::{Duration, Instant};

use super::net::*;
use crate::engine::ice::*;

fn connected_within(loss: u64, double: u64, latency: std::time::Duration, seconds: u32) -> usize {
    let mut failed = Vec::new();
    for seed in 1..=200 {
        let mut net = Net::new(seed, [A, B]);
        net.loss_percent = loss;
        net.double_percent = double;
        net.latency = latency;
        net.exchange();
        net.start_both();
        if !net.connect(seconds * SEC) {
            failed.push(seed);
        }
    }
    if !failed.is_empty() {
        println!("{loss} % loss, failed seeds: {failed:?}");
    }
    200 - failed.len()
}

#[test]
fn connects_at_0_to_30_percent_loss() {
    for loss in [0, 5, 10, 20, 30] {
        assert_eq!(
            connected_within(loss, 10, 20 * MS, 30),
            200,
            "{loss} % loss"
        );
    }
}

#[test]
fn connects_at_50_percent_loss() {
    assert!(connected_within(50, 0, 20 * MS, 30) >= 198);
}

#[test]
fn connects_at_500_ms_one_way_and_loss() {
    assert_eq!(connected_within(0, 0, 500 * MS, 10), 200);
    assert!(connected_within(30, 0, 500 * MS, 30) >= 199);
}

#[test]
fn clean_path_needs_two_round_trips_and_no_timer() {
    let mut net = Net::ready(1, [A, B]);
    assert!(net.connect(SEC));
    assert!(net.elapsed() <= 4 * net.latency, "{:?}", net.elapsed());
    for side in 0..2 {
        assert_eq!(net.states(side), [IceState::Checking, IceState::Connected]);
        assert!(net.sent[side].len() <= 4, "{}", net.sent[side].len());
    }
}

#[test]
fn equal_roles_are_repaired() {
    for roles in [[A, A], [B, B], [None, None], [None, A], [B, None]] {
        for seed in 1..=20 {
            let mut net = Net::ready(seed, roles);
            assert!(net.connect(5 * SEC), "{roles:?}, seed {seed}");
            let roles = net.agents.each_ref().map(|a| a.role().unwrap());
            assert_eq!(roles[0], roles[1].opposite());
        }
    }
}

#[test]
fn equal_tie_breakers_settle() {
    for roles in [[A, A], [B, B]] {
        let mut net = Net::new(3, roles);
        net.agents[0].tie_breaker = 7;
        net.agents[1].tie_breaker = 7;
        net.exchange();
        net.start_both();
        assert!(net.connect(5 * SEC), "{roles:?}");
    }
}

#[test]
fn g035_unset_roles_follow_the_credentials() {
    let mut net = Net::ready(1, [None, None]);
    assert!(net.connect(SEC));
    assert_eq!(net.agents[0].role(), Some(Role::Controlled));
    assert_eq!(net.agents[1].role(), Some(Role::Controlling));
    assert_eq!(net.agents[0].counters().role_conflicts, 0);
}

/// A browser that offers is always controlling at first, with a tie-breaker of its own.
#[test]
fn g035_the_credentials_win_over_a_peer_that_begins_as_controlling() {
    for seed in 1..=20 {
        // The right side has the greater credentials.
        for (roles, control) in [([A, None], 1), ([None, A], 1)] {
            let mut net = Net::ready(seed, roles);
            assert!(net.connect(5 * SEC), "{roles:?}, seed {seed}");
            assert_eq!(
                net.agents[control].role(),
                Some(Role::Controlling),
                "{roles:?}, seed {seed}"
            );
        }
    }
}

/// A lite agent answers checks and sends none; the full side controls, whatever it was told, and
/// where it was not told that the peer is lite it finds out.
#[test]
fn a_lite_peer_is_nominated_to() {
    for own in [None, A, B] {
        for (lite, greater) in [(true, false), (true, true), (false, false), (false, true)] {
            if !lite && own == B {
                continue; // Told to be controlled, and nothing of the peer.
            }
            let mut net = Net::new(1, [own, B]);
            // Only answers come from the right side.
            net.filter = None;
            let now = net.now;
            let peer = credentials(if greater { "zzzz" } else { "aaaa" });
            // It minds no roles: it takes whatever the other side has.
            net.agents[1] = IceAgent::new(now, peer.clone(), B, 1, IceConfig::default());
            net.agents[0].set_remote_lite(lite);
            net.agents[0].add_local_candidate(now, host(Net::LEFT, 100));
            net.agents[0].set_remote_credentials(now, peer);
            net.agents[0].add_remote_candidate(now, host(Net::RIGHT, 100));
            net.agents[1].add_local_candidate(now, host(Net::RIGHT, 100));
            net.agents[1].set_remote_credentials(now, credentials("left"));
            // Not started, it answers and does not check.
            net.agents[0].start(now);
            let selected = |n: &Net| n.agents[0].state() == IceState::Connected;
            let done = (1..=400).any(|step| {
                net.agents[1].role = match net.agents[0].role() {
                    A => B,
                    _ => A,
                };
                net.run(step * 5 * MS, selected)
            });
            assert!(done, "{own:?} lite {lite} {greater}");
            assert_eq!(net.agents[0].role(), A);
            let nominated = |sent: &Sent| sent.3.windows(4).any(|w| w == [0, 0x25, 0, 0]);
            assert!(net.sent[0].iter().any(nominated));
            net.run_for(60 * SEC);
            assert_eq!(net.agents[0].state(), IceState::Connected);
        }
    }
}

/// What is told to one side, in some order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Local,
    Remote,
    Credentials,
    Start,
    Wait,
}

fn apply(net: &mut Net, side: usize, step: Step) {
    let (own, other) = [(Net::LEFT, Net::RIGHT), (Net::RIGHT, Net::LEFT)][side];
    let peer = ["rite", "left"][side];
    let now = net.now;
    let agent = &mut net.agents[side];
    match step {
        Step::Local => agent.add_local_candidate(now, host(own, 100)),
        Step::Remote => agent.add_remote_candidate(now, host(other, 100)),
        Step::Credentials => {
            agent.set_remote_credentials(now, credentials(peer));
        }
        Step::Start => agent.start(now),
        Step::Wait => net.run_for(300 * MS),
    }
}

/// Conformance A20, A118 and RFC 8838: any order, pauses between, everything doubled.
#[test]
fn a118_any_order_of_signalling_connects() {
    use Step::*;
    let orders = [
        [Local, Credentials, Remote, Start],
        [Local, Remote, Credentials, Start],
        [Start, Local, Credentials, Remote],
        [Start, Credentials, Remote, Local],
        [Remote, Credentials, Start, Local],
        [Credentials, Start, Remote, Local],
        [Start, Remote, Local, Credentials],
    ];
    for (i, left) in orders.iter().enumerate() {
        for right in &orders {
            let mut net = Net::new(i as u64 + 1, [A, B]);
            for step in left.iter().flat_map(|s| [*s, Wait, *s]) {
                apply(&mut net, 0, step);
            }
            for step in right.iter().flat_map(|s| [*s, Wait, *s]) {
                apply(&mut net, 1, step);
            }
            assert!(net.connect(5 * SEC), "{left:?} then {right:?}");
        }
    }
}

#[test]
fn a019_nothing_is_sent_before_start() {
    let mut net = Net::new(1, [A, B]);
    net.exchange();
    net.run_for(10 * SEC);
    assert!(net.sent[0].is_empty() && net.sent[1].is_empty());
    // The peer's checks are answered and remembered.
    let now = net.now;
    net.agents[0].start(now);
    net.run_for(10 * SEC);
    let answer = |sent: &Sent| sent.3.starts_with(&[1, 1]);
    assert!(net.sent[1].iter().all(answer), "answers only");
    let now = net.now;
    net.agents[1].start(now);
    assert!(net.connect(SEC));
}

/// Set again, a remote candidate changes nothing; another one adds and replaces none.
#[test]
fn a018_a_remote_candidate_is_added_once() {
    let mut net = Net::new(1, [A, B]);
    let now = net.now;
    let agent = &mut net.agents[0];
    agent.add_local_candidate(now, host(Net::LEFT, 100));
    for (remote, known) in [("10.0.0.2:1", 1), ("10.0.0.2:2", 2), ("10.0.0.2:1", 2)] {
        for _ in 0..3 {
            agent.add_remote_candidate(now, host(remote, 100));
            assert_eq!(agent.remotes.len(), known);
            assert_eq!(agent.pair_stats().len(), known);
        }
    }
}

#[test]
fn a020_one_side_knows_no_remote_candidate() {
    for (roles, seed) in [([A, B], 1), ([B, A], 2)] {
        let mut net = Net::new(seed, roles);
        for side in 0..2 {
            apply(&mut net, side, Step::Local);
            apply(&mut net, side, Step::Credentials);
        }
        apply(&mut net, 0, Step::Remote);
        net.start_both();
        assert!(net.connect(2 * SEC));
        let (_, remote) = net.agents[1].selected().unwrap();
        assert_eq!(remote.kind, CandidateKind::PeerReflexive);
        // The signalled candidate takes the peer-reflexive one's place, nothing is sent.
        apply(&mut net, 1, Step::Remote);
        let stats = net.agents[1].pair_stats();
        assert_eq!(stats.len(), 1);
        assert_eq!(stats[0].remote.kind, CandidateKind::Host);
    }
}

#[test]
fn a020_candidates_20_s_late_connect() {
    let mut net = Net::new(1, [A, B]);
    for side in 0..2 {
        apply(&mut net, side, Step::Credentials);
        apply(&mut net, side, Step::Local);
    }
    net.start_both();
    net.run_for(20 * SEC);
    assert!(net.agents.iter().all(|a| a.state() == IceState::Checking));
    apply(&mut net, 0, Step::Remote);
    apply(&mut net, 1, Step::Remote);
    assert!(net.connect(SEC));
}

#[test]
fn early_checks_are_remembered_until_the_credentials_come() {
    let mut net = Net::new(1, [A, B]);
    net.exchange();
    // The right side learns the left one's credentials late, and no candidate at all.
    let now = net.now;
    net.agents[1] = IceAgent::new(now, credentials("rite"), B, 1, IceConfig::default());
    net.agents[1].add_local_candidate(now, host(Net::RIGHT, 100));
    net.start_both();
    net.run_for(SEC);
    assert_eq!(
        net.agents[0].state(),
        IceState::Connected,
        "answered at once"
    );
    assert_eq!(net.agents[1].state(), IceState::Checking);
    apply(&mut net, 1, Step::Credentials);
    assert!(net.connect(100 * MS));
}

#[test]
fn g042_failed_not_before_39_5_s_and_revived_by_a_candidate() {
    let mut net = Net::ready(1, [A, B]);
    net.filter = Some(Box::new(|at, _, _, _| at > 50 * SEC));
    net.agents[0].end_of_remote_candidates(net.now);
    let failed = |n: &Net| n.agents[0].state() == IceState::Failed;
    assert!(!net.run(39_499 * MS, failed));
    assert!(net.run(39_501 * MS, failed));
    assert_eq!(net.agents[0].pair_stats()[0].state, PairState::Failed);
    let sent = net.sent[0].len();
    assert!(sent <= 4 * 6, "{sent} checks to a silent address");
    net.run(60 * SEC, |_| false);
    assert_eq!(net.sent[0].len(), sent, "nothing is sent after failure");
    let now = net.now;
    for (side, local) in [(0, "10.0.0.1:1001"), (1, "10.0.0.2:2001")] {
        net.agents[side].add_local_candidate(now, host(local, 100));
    }
    net.agents[0].add_remote_candidate(now, host("10.0.0.2:2001", 100));
    assert!(net.connect(2 * SEC));
}

/// The right side is silent; when the left one fails, if the right one's candidate comes then.
fn fails_after(candidate: Duration, words: impl Fn(&mut IceAgent, Instant)) -> Duration {
    let mut net = Net::new(1, [A, B]);
    net.filter = Some(Box::new(|_, _, _, _| false));
    apply(&mut net, 0, Step::Local);
    words(&mut net.agents[0], net.now);
    apply(&mut net, 0, Step::Credentials);
    net.start_both();
    net.run_for(candidate);
    apply(&mut net, 0, Step::Remote);
    let failed = |n: &Net| n.agents[0].state() == IceState::Failed;
    assert!(net.run(120 * SEC, failed));
    net.elapsed()
}

/// RFC 8863 sections 4 and 5, and RFC 8838 section 8.
#[test]
fn the_end_of_candidates_of_both_sides_lets_the_search_end_sooner() {
    let remote = |a: &mut IceAgent, now| a.end_of_remote_candidates(now);
    let local = |a: &mut IceAgent, now| a.end_of_local_candidates(now);
    let both = |a: &mut IceAgent, now| {
        remote(a, now);
        local(a, now);
    };
    let early = [0, 5, 10].map(|s| s * SEC);
    for at in early {
        assert_eq!(fails_after(at, |_, _| ()), at + 39_500 * MS);
        assert_eq!(
            fails_after(at, remote),
            at + 39_500 * MS,
            "more may be gathered"
        );
        assert_eq!(
            fails_after(at, local),
            at + 39_500 * MS,
            "more may be signalled"
        );
        assert_eq!(fails_after(at, both), 39_500 * MS);
    }
    // A pair that came late has its full number of checks.
    let late = fails_after(35 * SEC, both);
    assert!(late > 45 * SEC && late < 65 * SEC, "{late:?}");
}

/// RFC 8445 section 2.5: nothing to wait for from an agent that sends no checks.
#[test]
fn against_a_lite_agent_the_search_ends_with_the_checks() {
    let lite = |a: &mut IceAgent, now| {
        a.set_remote_lite(true);
        a.end_of_remote_candidates(now);
    };
    assert_eq!(fails_after(SEC, lite), 40_500 * MS);
    let done = fails_after(SEC, |a, now| {
        lite(a, now);
        a.end_of_local_candidates(now);
    });
    assert!(done > 10 * SEC && done < 20 * SEC, "{done:?}");
}

#[test]
fn without_any_address_it_fails_at_once_and_an_address_revives_it() {
    let mut net = Net::new(1, [A, B]);
    net.agents[0].set_remote_credentials(net.now, credentials("rite"));
    net.agents[0].add_remote_candidate(net.now, host(Net::RIGHT, 100));
    net.agents[1].add_local_candidate(net.now, host(Net::RIGHT, 100));
    net.agents[1].set_remote_credentials(net.now, credentials("left"));
    net.start_both();
    net.run_for(SEC);
    assert_eq!(net.agents[0].state(), IceState::Checking, "still gathers");
    net.agents[0].end_of_local_candidates(net.now);
    assert_eq!(net.agents[0].state(), IceState::Failed);
    assert!(net.agents[0].has_no_address());
    net.agents[0].add_local_candidate(net.now, host(Net::LEFT, 100));
    assert!(net.connect(SEC));
}

#[test]
fn nat_gives_peer_reflexive_candidates_on_both_sides() {
    let mut net = Net::new(1, [A, B]);
    net.nat = Some((addr(Net::LEFT), addr("1.2.3.4:777")));
    net.exchange();
    net.start_both();
    let until = 5 * SEC;
    assert!(net.run(until, Net::both_connected));
    let (local, _) = net.agents[0].selected().unwrap();
    assert_eq!(local.kind, CandidateKind::PeerReflexive);
    assert_eq!(local.addr, addr("1.2.3.4:777"));
    assert_eq!(net.agents[0].send_path().unwrap().0, addr(Net::LEFT));
    let (_, remote) = net.agents[1].selected().unwrap();
    assert_eq!(remote.addr, addr("1.2.3.4:777"));
    let discovered = net.events[1]
        .iter()
        .any(|(_, e)| matches!(e, IceEvent::RemoteCandidateDiscovered(c) if c.addr == remote.addr));
    assert!(discovered);
}

#[test]
fn families_and_scopes_are_not_mixed() {
    let mut net = Net::new(1, [A, B]);
    let now = net.now;
    let agent = &mut net.agents[0];
    for local in ["10.0.0.1:1", "[fe80::1]:1", "[2001:db8::1]:1"] {
        agent.add_local_candidate(now, host(local, 100));
    }
    for remote in ["10.0.0.2:2", "[fe80::2]:2", "[2001:db8::2]:2"] {
        agent.add_remote_candidate(now, host(remote, 100));
    }
    let pairs = agent.pair_stats();
    assert_eq!(pairs.len(), 3);
    assert!(pairs.iter().all(|p| p.local.addr.port() == 1
        && p.local.addr.is_ipv4() == p.remote.addr.is_ipv4()
        && p.local.addr.to_string().contains("fe80")
            == p.remote.addr.to_string().contains("fe80")));
}

/// The best pair answers last; waiting for it is bounded, and it is used in the end.
#[test]
fn a034_g042_a_better_pair_is_nominated_later() {
    let mut net = Net::new(1, [A, B]);
    let better = addr("10.0.9.1:1000");
    // The better path opens after 3 s.
    net.filter = Some(Box::new(move |at, _, from, to| {
        (from != better && to != better) || at >= 3 * SEC
    }));
    net.exchange();
    let now = net.now;
    net.agents[0].add_local_candidate(now, host("10.0.9.1:1000", 60_000));
    net.agents[1].add_remote_candidate(now, host("10.0.9.1:1000", 60_000));
    net.start_both();
    assert!(net.connect(SEC));
    let first = net.elapsed();
    assert!(first >= 200 * MS && first <= 300 * MS, "{first:?}");
    assert_eq!(net.agents[0].send_path().unwrap().0, addr(Net::LEFT));
    let both = |n: &Net| n.agree() && n.agents[0].send_path().unwrap().0 == better;
    assert!(net.run(10 * SEC, both));
    for side in 0..2 {
        assert_eq!(net.states(side).len(), 2, "no state change by the switch");
    }
}

/// G8: the same credentials, a new candidate while connected.
#[test]
fn g008_a_candidate_found_by_regathering_is_used() {
    let mut net = Net::ready(1, [A, B]);
    assert!(net.connect(SEC));
    net.run_for(60 * SEC);
    let now = net.now;
    net.agents[1].add_local_candidate(now, host("10.0.9.2:2000", 60_000));
    net.agents[0].add_remote_candidate(now, host("10.0.9.2:2000", 60_000));
    let until = net.elapsed() + SEC;
    let better = addr("10.0.9.2:2000");
    assert!(net.run(until, |n| n.agree()
        && n.agents[0].send_path().unwrap().1 == better));
    // A worse one changes nothing.
    net.agents[1].add_local_candidate(net.now, host("10.0.9.3:2000", 1));
    net.agents[0].add_remote_candidate(net.now, host("10.0.9.3:2000", 1));
    net.run_for(5 * SEC);
    assert_eq!(net.agents[0].send_path().unwrap().1, better);
}

/// Three addresses each, of which only one pair works, under loss.
#[test]
fn one_working_pair_of_nine_is_found() {
    for seed in 1..=100 {
        let mut net = Net::new(seed, [A, B]);
        net.loss_percent = 20;
        let (left, right) = (addr("10.0.0.1:1"), addr("10.0.0.2:1"));
        net.filter = Some(Box::new(move |_, _, from, to| {
            [(left, right), (right, left)].contains(&(from, to))
        }));
        let now = net.now;
        for port in 1..=3u16 {
            for (side, ip) in [(0, "10.0.0.1"), (1, "10.0.0.2")] {
                let candidate = host(&format!("{ip}:{port}"), port * 10);
                net.agents[side].add_local_candidate(now, candidate.clone());
                net.agents[1 - side].add_remote_candidate(now, candidate);
            }
        }
        for (side, peer) in [(0, "rite"), (1, "left")] {
            net.agents[side].set_remote_credentials(now, credentials(peer));
        }
        net.start_both();
        assert!(net.connect(20 * SEC), "seed {seed}");
    }
}

/// Firefox answers checks before it has the description, and keeps the first of each address: the
/// nomination may be answered and forgotten. It is said again, in time, until the peer is heard.
#[test]
fn g042_a_nomination_that_the_peer_forgot_is_repeated() {
    for seed in 1..=20 {
        let mut net = Net::ready(seed, [A, B]);
        let connected = |n: &Net, side: usize| n.agents[side].state() == IceState::Connected;
        while !connected(&net, 0) {
            net.run_for(MS);
            for pair in &mut net.agents[1].pairs {
                pair.nominate_on_success = false;
            }
            net.agents[1].selected = None;
            assert!(net.elapsed() < SEC, "seed {seed}");
        }
        net.agents[1].state = IceState::Checking;
        let until = net.elapsed() + SEC;
        assert!(
            net.run(until, |n| connected(n, 1) && n.agree()),
            "seed {seed}"
        );
    }
}

#[test]
fn g042_nominations_grow_rare_and_end_with_the_first_word_of_the_peer() {
    let nominations = |net: &Net| -> Vec<Duration> {
        let nominated = |sent: &&Sent| sent.3.windows(4).any(|w| w == [0, 0x25, 0, 0]);
        let all = net.sent[0].iter().filter(nominated).map(|sent| sent.0);
        all.collect()
    };
    let mut net = Net::ready(1, [A, B]);
    assert!(net.connect(SEC));
    net.run_for(9 * SEC);
    let times = nominations(&net);
    let gaps: Vec<_> = times
        .windows(2)
        .map(|t| (t[1] - t[0]).as_millis())
        .collect();
    assert!(
        matches!(gaps[..4], [480..=520, 1000, 2000, 4000]),
        "{gaps:?}"
    );
    // From the first word on as often as consent is asked for (RFC 7675 section 5.1).
    let mut net = Net::ready(1, [A, B]);
    assert!(net.connect(SEC));
    let (local, from) = net.agents[0].send_path().unwrap();
    net.agents[0].payload_heard(local, from);
    net.run_for(60 * SEC);
    let times = nominations(&net);
    assert!((11..=16).contains(&times.len()), "{times:?}");
    assert!(
        times.windows(2).all(|t| t[1] - t[0] >= 4 * SEC),
        "{times:?}"
    );
}
