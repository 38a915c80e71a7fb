//! Link-local addresses: the same ones on several links (RFC 4007 section 6).

use super::net::*;
use crate::engine::ice::scope::scope_of;
use crate::engine::ice::*;

const LEFT: &str = "fe80::1";
const RIGHT: &str = "fe80::9";

/// Each side has its one address on both of its links, which have other numbers at each.
fn two_links(seed: u64, shared: &[[u32; 2]]) -> Net {
    let mut net = with_links(seed, [&[2, 3], &[5, 7]], IceConfig::default());
    net.links = shared.to_vec();
    net
}

fn with_links(seed: u64, scopes: [&[u32]; 2], config: IceConfig) -> Net {
    let mut net = Net::with_config(seed, [A, B], config);
    let now = net.now;
    for (side, ip, port, other, name) in [
        (0, LEFT, 1000, host("[fe80::9]:2000", 100), "rite"),
        (1, RIGHT, 2000, host("[fe80::1]:1000", 100), "left"),
    ] {
        let agent = &mut net.agents[side];
        for (preference, scope) in (0..100).rev().zip(scopes[side]) {
            let base = format!("[{ip}%{scope}]:{port}");
            agent.add_local_candidate(now, host(&base, preference));
        }
        agent.set_remote_credentials(now, credentials(name));
        agent.add_remote_candidate(now, other);
    }
    net.start_both();
    net
}

fn scopes(net: &Net, side: usize) -> (u32, u32) {
    let (base, remote) = net.agents[side].send_path().unwrap();
    (scope_of(base), scope_of(remote))
}

/// `agree` compares addresses as one side writes them.
fn in_touch(net: &Net) -> bool {
    let of = |side: usize| {
        let (base, remote) = net.agents[side].send_path()?;
        (scope_of(base) == scope_of(remote)).then_some(scope_of(base))
    };
    let link = of(0).zip(of(1)).map(|(a, b)| [a, b]);
    net.both_connected() && link.is_some_and(|link| net.links.contains(&link))
}

#[test]
fn a_peer_is_found_on_the_one_link_that_both_have() {
    for seed in 1..=20 {
        for shared in [[2, 5], [2, 7], [3, 5], [3, 7]] {
            let mut net = two_links(seed, &[shared]);
            for agent in &net.agents {
                assert_eq!(agent.pair_stats().len(), 2, "one for each link");
            }
            assert!(net.run(3 * SEC, in_touch), "seed {seed}: {shared:?}");
            for (side, scope) in shared.into_iter().enumerate() {
                assert_eq!(scopes(&net, side), (scope, scope));
                let (local, remote) = net.agents[side].selected().unwrap();
                assert_eq!(
                    (local.kind, remote.kind),
                    (CandidateKind::Host, CandidateKind::Host),
                    "nothing is learnt of what was told"
                );
                assert_eq!((scope_of(local.addr), scope_of(remote.addr)), (0, 0));
                assert!(
                    net.sent[side]
                        .iter()
                        .all(|s| scope_of(s.1) == scope_of(s.2))
                );
            }
            // The same addresses elsewhere are somebody else.
            let (base, remote) = net.agents[0].send_path().unwrap();
            let other = 5 - shared[0];
            let on_other = |a: std::net::SocketAddr| scope::on_link(a.ip(), a.port(), other);
            assert!(net.agents[0].accepts(base, remote));
            assert!(!net.agents[0].accepts(on_other(base), on_other(remote)));
            assert!(!net.agents[0].uses(base, on_other(remote)));
        }
    }
}

/// Nothing but the link is another one, and the path moves to it; consent is of the pair.
#[test]
fn a_link_that_goes_is_left_for_the_other_with_the_same_addresses() {
    for seed in 1..=20 {
        let mut net = two_links(seed, &[[2, 7], [3, 5]]);
        assert!(net.run(3 * SEC, in_touch), "seed {seed}");
        net.run_for(20 * SEC);
        let (base, _) = net.agents[0].send_path().unwrap();
        let gone = scope_of(base);
        net.links.retain(|link| link[0] != gone);
        let (now, cut) = (net.now, net.elapsed());
        net.agents[0].withdraw_local_base(now, base);
        let moved = |net: &Net| in_touch(net) && scopes(net, 0).0 != gone;
        assert!(net.run(cut + 5 * SEC, moved), "seed {seed}");
        net.run_for(60 * SEC);
        assert!(moved(&net), "seed {seed}: it stays");
        assert!(
            net.agents[0]
                .pair_stats()
                .iter()
                .all(|p| p.local.base != base)
        );
    }
}

/// Who was heard before it was told of is one candidate, and on each link a pair.
#[test]
fn a_peer_that_is_heard_first_has_an_address_without_a_link() {
    let mut net = Net::new(1, [A, B]);
    net.links = vec![[3, 7]];
    let now = net.now;
    let [left, right] = &mut net.agents;
    for scope in [2, 3] {
        left.add_local_candidate(now, host(&format!("[{LEFT}%{scope}]:1000"), 100));
    }
    right.add_local_candidate(now, host(&format!("[{RIGHT}%7]:2000"), 100));
    right.add_remote_candidate(now, host("[fe80::1]:1000", 100));
    left.set_remote_credentials(now, credentials("rite"));
    right.set_remote_credentials(now, credentials("left"));
    net.start_both();
    assert!(net.run(3 * SEC, in_touch));
    let (_, remote) = net.agents[0].selected().unwrap();
    assert_eq!(remote.kind, CandidateKind::PeerReflexive);
    assert_eq!(remote.addr, addr("[fe80::9]:2000"));
    let known = net.agents[0].remote_addresses();
    assert!(known.contains(&addr("[fe80::9%3]:2000")), "{known:?}");
    let now = net.now;
    net.agents[0].add_remote_candidate(now, host("[fe80::9]:2000", 100));
    let pairs = net.agents[0].pair_stats();
    assert!(pairs.iter().all(|p| p.remote.kind == CandidateKind::Host));
    assert_eq!(net.agents[0].remotes.len(), 1);
}

/// However many links there are, the checklist has its bound, and the right one has its turn.
#[test]
fn pairs_on_many_links_are_bounded() {
    let scopes: Vec<u32> = (1..=32).collect();
    let config = IceConfig {
        max_pairs: 10,
        ..IceConfig::default()
    };
    let mut net = with_links(1, [&scopes, &scopes], config);
    net.links = vec![[31, 17]];
    let now = net.now;
    for n in 0..5 {
        let remote = host(&format!("[fe80::bad:{n}]:9"), 99);
        net.agents[0].add_remote_candidate(now, remote);
    }
    assert!(net.run(30 * SEC, in_touch));
    for agent in &net.agents {
        assert!(agent.pair_stats().len() <= 10);
    }
}

#[test]
fn what_is_denied_is_denied_on_each_link() {
    let config = IceConfig {
        denied: Denied {
            local: true,
            ..Denied::default()
        },
        ..IceConfig::default()
    };
    let mut net = with_links(1, [&[2, 3], &[5]], config);
    net.links = vec![[2, 5]];
    assert!(net.agents[0].pair_stats().is_empty());
    assert_eq!(net.agents[0].counters().candidates_refused, 1);
    // Nor by a check of a peer that denies nothing.
    net.agents[1].config.denied = Denied::default();
    let now = net.now;
    net.agents[1].add_remote_candidate(now, host("[fe80::1]:1000", 100));
    net.run_for(5 * SEC);
    assert!(net.agents[0].counters().candidates_refused > 1);
    assert!(net.sent[0].is_empty());
}
