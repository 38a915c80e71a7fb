//! Hosts that have no other addresses than those of their links.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::common::network::{Inside, Namespace, Setup, introduce};
use super::{SEC, data_flows, disconnects, in_order};

fn wanted() -> Setup {
    Setup {
        link_local: true,
        audio: true,
        ..Setup::default()
    }
}

/// Two hosts on a bare cable.
async fn cable() -> [Namespace; 2] {
    let namespaces = [Namespace::new().await, Namespace::new().await];
    let [a, b] = &namespaces;
    a.bare_cable("eth0", b, "eth0").await;
    namespaces
}

fn start(namespaces: &[Namespace; 2], setup: &Setup) -> [Inside; 2] {
    namespaces.each_ref().map(|n| Inside::start_with(n, setup))
}

/// Data and audio both ways.
async fn all_flows(ends: &[Inside; 2]) {
    let begin = Instant::now();
    let data = data_flows(ends.each_ref(), 20 * SEC).await;
    println!("data both ways after {data:?}");
    for end in ends {
        let heard = end.hears("HEARD", begin, 5 * SEC).await;
        if data.is_none() || heard.is_none() {
            println!("{}", end.story(begin - 20 * SEC));
            panic!("{data:?} {heard:?}");
        }
    }
}

/// The addresses that it told, none of them twice or with a zone.
fn told(end: &Inside, begin: Instant) -> Vec<String> {
    let mut all = Vec::new();
    for (_, line) in end.said("CANDIDATE", begin) {
        let candidate: Value = serde_json::from_str(&line).unwrap();
        let address = candidate["connectionAddress"].as_str().unwrap().to_owned();
        assert!(!address.contains('%') && !all.contains(&address), "{line}");
        all.push(address);
    }
    all
}

#[tokio::test]
async fn two_hosts_on_a_cable_without_any_network_connect() {
    let namespaces = cable().await;
    let begin = Instant::now();
    let ends = start(&namespaces, &wanted());
    introduce(&ends[0], &ends[1]);
    all_flows(&ends).await;
    for end in &ends {
        let told = told(end, begin);
        assert!(told.len() == 1 && told[0].starts_with("fe80:"), "{told:?}");
    }
    in_order(&ends, begin);
    // Consent and media hold.
    sleep(2 * SEC).await;
    all_flows(&ends).await;
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
}

/// The same where no UDP gets through: streams too are between addresses of one link.
#[tokio::test]
async fn two_hosts_on_a_cable_without_any_network_connect_by_tcp() {
    let namespaces = cable().await;
    for namespace in &namespaces {
        namespace.block_udp().await;
    }
    let setup = Setup {
        tcp: true,
        ..wanted()
    };
    let begin = Instant::now();
    let ends = start(&namespaces, &setup);
    introduce(&ends[0], &ends[1]);
    all_flows(&ends).await;
    in_order(&ends, begin);
}

/// Two links at each, with the same address on both, as VLANs on one card have; one of them leads to
/// the other host, and the candidates of the peer have a zone as others write it. When it is cut a
/// new one is found.
#[tokio::test]
async fn the_link_that_both_have_is_found_and_a_new_one_followed() {
    let namespaces = [Namespace::new().await, Namespace::new().await];
    let elsewhere = Namespace::new().await;
    let [a, b] = &namespaces;
    a.bare_cable("eth0", &elsewhere, "left").await;
    b.bare_cable("eth0", &elsewhere, "right").await;
    a.bare_cable("eth1", b, "eth1").await;
    for (namespace, address) in [(a, "fe80::a"), (b, "fe80::b")] {
        for device in ["eth0", "eth1"] {
            let only =
                format!("addr flush dev {device}\naddr add {address}/64 dev {device} nodad\n");
            namespace.ip(&only).await;
        }
    }
    let begin = Instant::now();
    let ends = start(&namespaces, &wanted());
    for (one, other) in [(0, 1), (1, 0)] {
        ends[one].listens_to(&ends[other], |kind, mut value| {
            if kind == "CANDIDATE" {
                let address = value["connectionAddress"].as_str().unwrap();
                value["connectionAddress"] = json!(format!("{address}%wlan7"));
            }
            vec![value]
        });
    }
    all_flows(&ends).await;
    for (end, address) in ends.iter().zip(["fe80::a", "fe80::b"]) {
        assert_eq!(told(end, begin), [address]);
    }
    in_order(&ends, begin);
    let cut = Instant::now();
    a.ip("link del eth1\n").await;
    a.bare_cable("eth2", b, "eth2").await;
    all_flows(&ends).await;
    println!("a new link: {:?} after the old one was cut", cut.elapsed());
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
}

/// Unless it is asked for they are not offered, and the peer's not used.
#[tokio::test]
async fn without_the_policy_nothing_of_a_link_is_offered_or_taken() {
    let namespaces = cable().await;
    let begin = Instant::now();
    let ends = [
        Inside::start(&namespaces[0], &[]),
        Inside::start_with(&namespaces[1], &wanted()),
    ];
    introduce(&ends[0], &ends[1]);
    assert!(ends[1].hears("CANDIDATE", begin, 10 * SEC).await.is_some());
    assert_eq!(data_flows(ends.each_ref(), 3 * SEC).await, None);
    let loopback = told(&ends[0], begin);
    assert!(
        loopback.iter().all(|ip| !ip.starts_with("fe80")),
        "{loopback:?}"
    );
}
