//! A side that shows its relay alone (row C15): all that its host sends, says and logs is looked at.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::common::log::leak;
use super::common::network::{Inside, Namespace, Setup, introduce};
use super::{SEC, data_flows, in_order, internet, lan, turn_server};

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
/// Of datagrams and segments that leave the host: to anybody but the server, and questions for names.
const WATCH: &str = "add table inet w\n\
    add counter inet w others\n\
    add counter inet w names\n\
    add chain inet w out { type filter hook output priority 0; }\n\
    add rule inet w out meta l4proto { tcp, udp } th dport { 53, 137, 853, 5353, 5355 } counter name names\n\
    add rule inet w out meta nfproto ipv4 meta l4proto { tcp, udp } ip daddr != 192.0.2.1 counter name others\n\
    add rule inet w out meta nfproto ipv6 meta l4proto { tcp, udp } counter name others\n";

/// Packets to others, and questions for names.
async fn sent(host: &Namespace) -> [u64; 2] {
    let mut nft = host.command("nft");
    let listed = nft.args(["list", "counters"]).output().await.unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    ["others", "names"].map(|name| {
        let after = listed.split(&format!("counter {name} ")).nth(1).unwrap();
        let packets = after.split("packets ").nth(1).unwrap();
        packets.split(' ').next().unwrap().parse().unwrap()
    })
}

/// A session of two, of which one hides if `hides`: what its host sent to others.
async fn session(hides: bool) -> ([Inside; 2], [u64; 2]) {
    let networks = internet(true).await;
    let [a, _, server, _, b] = &networks[..] else {
        unreachable!()
    };
    server.ip("route add 10.0.0.0/8 dev dead\n").await;
    let _turn = turn_server(server);
    a.nft(WATCH).await;
    sleep(SEC / 2).await;
    let setup = |relay_only| Setup {
        servers: vec![
            "turn:192.0.2.1:3478".to_owned(),
            "stun:192.0.2.1:3478".to_owned(),
        ],
        relay_only,
        ..Setup::default()
    };
    let begin = Instant::now();
    let ends = [
        Inside::start_with(a, &setup(hides)),
        Inside::start_with(b, &setup(false)),
    ];
    introduce(&ends[0], &ends[1]);
    let both = ends.each_ref();
    assert!(data_flows(both, 20 * SEC).await.is_some(), "no connection");
    let candidate = json!({
        "foundation": "1", "component": 1, "transport": "udp", "priority": 2_130_706_431,
        "connectionAddress": NAME, "connectionPort": 5_000, "type": "host",
    });
    ends[0].say(format!("CANDIDATE {candidate}"));
    sleep(2 * SEC).await;
    ends[0].say("RESTART");
    sleep(2 * SEC).await;
    assert!(data_flows(both, 20 * SEC).await.is_some(), "no connection");
    in_order(&ends, begin);
    let sent = sent(a).await;
    (ends, sent)
}

#[tokio::test]
async fn r_c15_who_shows_a_relay_alone_sends_says_and_logs_nothing_else() {
    let begin = Instant::now();
    let (ends, sent) = session(true).await;
    assert_eq!(sent, [0, 0], "to others than the server, and for names");

    let candidates = ends[0].said("CANDIDATE", begin);
    assert!(candidates.len() >= 2, "{candidates:?}");
    for (_, line) in candidates {
        let candidate: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(candidate["type"], "relay", "{line}");
        assert_eq!(candidate["connectionAddress"], "192.0.2.1", "{line}");
        let related = &candidate["relatedAddress"];
        assert!(related.is_null() || related == "0.0.0.0", "{line}");
    }
    // The peer saw nothing else, either.
    for (_, pair) in ends[1].said("activecandidate", begin) {
        let remote = pair.split("remote:").nth(1).unwrap();
        assert!(
            remote.contains("192.0.2.1") && !remote.contains("10.1.0.2"),
            "{pair}"
        );
    }

    let mut secrets = vec!["pass".to_owned()];
    for (_, side) in ends.iter().flat_map(|end| end.said("SIDE", begin)) {
        assert!(
            !side.contains("10.1.0.2") && !side.contains("192.0.2"),
            "{side}"
        );
        let side: Value = serde_json::from_str(&side).unwrap();
        secrets.push(side["ice"]["password"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        secrets.len(),
        4,
        "two of the one that restarted, and one of the other"
    );
    let mut lines = 0;
    for (_, line) in ends.iter().flat_map(|end| end.said("LOG", begin)) {
        let level = line.split_whitespace().next().unwrap_or_default();
        let words = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/'));
        let secret = line
            .split(words)
            .find(|word| secrets.iter().any(|secret| secret == word));
        assert_eq!(secret, None, "{line}");
        // With `debug` addresses are asked for.
        if ["INFO", "WARN", "ERROR"].contains(&level) {
            assert_eq!(leak(&line), None, "{line}");
            lines += 1;
        }
    }
    assert!(lines > 0);

    // The same sees who does not hide.
    let (_, [others, names]) = session(false).await;
    println!("without the policy: {others} packets to others, {names} questions for names");
    assert!(others > 0 && names > 0, "{others}, {names}");
}

/// Names stand for the addresses: who is on the same network finds what is behind them, and what is
/// signalled has no address, not at a new network either.
#[tokio::test]
async fn who_shows_names_is_found_by_multicast_and_tells_no_address() {
    let namespaces = lan().await;
    let [a, b] = &namespaces;
    let begin = Instant::now();
    let setup = Setup {
        host_names: true,
        tcp: true,
        ..Setup::default()
    };
    // The other side tells nothing, so that it has to find this one.
    let ends = namespaces.each_ref().map(|n| Inside::start_with(n, &setup));
    ends[1].listens_to(&ends[0], |_, value| vec![value]);
    ends[0].listens_to(&ends[1], |what, value| match what {
        "SIDE" => vec![value],
        _ => vec![],
    });
    let both = ends.each_ref();
    let flows = data_flows(both, 20 * SEC).await;
    println!("data both ways after {flows:?}");
    assert!(flows.is_some(), "no connection");
    let names = |since| -> HashSet<String> {
        let said = ends[0].said("CANDIDATE", since).into_iter();
        said.map(|(_, line)| {
            assert!(leak(&line).is_none(), "{line}");
            let candidate: Value = serde_json::from_str(&line).unwrap();
            candidate["connectionAddress"].as_str().unwrap().to_owned()
        })
        .collect()
    };
    let first = names(begin);
    assert_eq!(first.len(), 1, "{first:?}");
    let changed = Instant::now();
    a.ip("link del eth0\n").await;
    a.cable(("eth1", "10.98.0.1/24"), b, ("eth1", "10.98.0.2/24"))
        .await;
    if data_flows(both, 20 * SEC).await.is_none() {
        for end in both {
            println!("{}", end.story(changed));
        }
        panic!("no connection");
    }
    let second = names(changed);
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    in_order(&ends, begin);
}
