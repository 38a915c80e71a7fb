//! IPv6 alone, and beside IPv4 (row F10).

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Instant;

use serde_json::Value;

use super::common::network::{Inside, Namespace, introduce};
use super::{SEC, data_flows, in_order};

const V4: [&str; 2] = ["10.99.0.1/24", "10.99.0.2/24"];
/// They are there at once: nobody looks for duplicates of addresses.
const V6: [&str; 2] = ["fd00:99::1/64 nodad", "fd00:99::2/64 nodad"];

/// Two hosts on one cable, with these addresses besides those of the link.
async fn lan(families: &[[&str; 2]]) -> [Namespace; 2] {
    let [a, b] = [Namespace::new().await, Namespace::new().await];
    let [here, there] = families[0];
    a.cable(("eth0", here), &b, ("eth0", there)).await;
    for [here, there] in &families[1..] {
        a.ip(&format!("addr add {here} dev eth0\n")).await;
        b.ip(&format!("addr add {there} dev eth0\n")).await;
    }
    [a, b]
}

fn start(namespaces: &[Namespace; 2]) -> [Inside; 2] {
    namespaces.each_ref().map(|n| Inside::start(n, &[]))
}

/// The addresses of what it told, each candidate once.
fn told(end: &Inside, begin: Instant) -> HashSet<IpAddr> {
    let (mut addresses, mut all) = (HashSet::new(), HashSet::new());
    for (_, line) in end.said("CANDIDATE", begin) {
        let candidate: Value = serde_json::from_str(&line).unwrap();
        let address = candidate["connectionAddress"].as_str().unwrap();
        let port = &candidate["connectionPort"];
        let [transport, typ] = ["transport", "type"].map(|name| candidate[name].to_string());
        let one = format!("{transport} {address} {port} {typ}");
        assert!(all.insert(one), "{line} came twice");
        let ip: IpAddr = address.parse().unwrap();
        assert_eq!(ip.to_string(), address, "not as RFC 5952 has it");
        // A zone means something on one host alone (RFC 4007 section 6).
        assert!(
            !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()),
            "{line}"
        );
        addresses.insert(ip);
    }
    addresses
}

#[tokio::test]
async fn r_f10_ipv6_alone_and_beside_ipv4_connects() {
    for families in [&[V6][..], &[V4, V6][..]] {
        let namespaces = lan(families).await;
        let begin = Instant::now();
        let ends = start(&namespaces);
        introduce(&ends[0], &ends[1]);
        let flows = data_flows(ends.each_ref(), 20 * SEC).await;
        println!("{families:?}: data both ways after {flows:?}");
        assert!(flows.is_some());
        for end in &ends {
            let addresses = told(end, begin);
            assert_eq!(addresses.len(), families.len(), "{addresses:?}");
        }
        in_order(&ends, begin);
    }
}

/// What one side never told is found by its checks.
#[tokio::test]
async fn r_f10_a_peer_that_tells_no_address_is_found_by_its_checks_over_ipv6() {
    let namespaces = lan(&[V6]).await;
    let begin = Instant::now();
    let ends = start(&namespaces);
    ends[0].listens_to(&ends[1], |_, value| vec![value]);
    ends[1].listens_to(&ends[0], |what, value| match what {
        "SIDE" => vec![value],
        _ => vec![],
    });
    let flows = data_flows(ends.each_ref(), 20 * SEC).await;
    assert!(flows.is_some());
    let (_, pair) = ends[1].said("activecandidate", begin).pop().unwrap();
    let remote = pair.split("remote:").nth(1).unwrap();
    assert!(
        remote.contains("prflx") && remote.contains("fd00:99::1"),
        "{pair}"
    );
    in_order(&ends, begin);
}
