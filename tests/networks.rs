//! Faults of networks, interfaces and processes, with real sockets: each end is a process in a
//! network namespace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::full_size;
use common::network::{Inside, Namespace, introduce};
use tokio::time::sleep;

const SEC: Duration = Duration::from_secs(1);

/// The process inside; by itself it is no test.
#[tokio::test]
async fn the_end_inside() {
    common::network::inside().await;
}

/// Two hosts on one cable, 10.99.0.1 and 10.99.0.2.
async fn lan() -> [Namespace; 2] {
    let [a, b] = [Namespace::new().await, Namespace::new().await];
    a.cable(("eth0", "10.99.0.1/24"), &b, ("eth0", "10.99.0.2/24"))
        .await;
    [a, b]
}

/// Whether messages come in at both, sent since then, within the limit; how long it took.
async fn data_flows(ends: [&Inside; 2], limit: Duration) -> Option<Duration> {
    let since = Instant::now();
    let mut latest = since;
    for end in ends {
        latest = latest.max(end.hears("GOT", since, limit).await?);
    }
    Some(latest - since)
}

async fn connected(namespaces: &[Namespace; 2]) -> [Inside; 2] {
    let ends = namespaces.each_ref().map(|n| Inside::start(n, &[]));
    introduce(&ends[0], &ends[1]);
    let flows = data_flows(ends.each_ref(), 20 * SEC).await;
    assert!(flows.is_some(), "no connection");
    ends
}

fn disconnects(end: &Inside, since: Instant) -> Vec<String> {
    let said = end.said("disconnected", since);
    said.into_iter().map(|(_, what)| what).collect()
}

/// Every message came, once and in order.
fn in_order(ends: &[Inside; 2], since: Instant) {
    for end in ends {
        assert_eq!(end.said("WRONG", since), []);
        assert_eq!(end.said("ENDED", since), []);
    }
}

#[tokio::test]
async fn r_d14_a_process_that_was_stopped_goes_on_or_is_restarted() {
    let lengths: &[u64] = if full_size() { &[10, 60] } else { &[6] };
    let begin = Instant::now();
    for &length in lengths {
        let namespaces = lan().await;
        let ends = connected(&namespaces).await;
        let stopped = Instant::now();
        ends[0].signal("STOP").await;
        sleep(length as u32 * SEC).await;
        ends[0].signal("CONT").await;
        let woke = Instant::now();
        if length > 30 {
            // Consent is over at both, and both say so once.
            for end in &ends {
                let told = end.hears("disconnected", stopped, 10 * SEC).await;
                assert!(told.is_some(), "{length} s");
            }
            sleep(5 * SEC).await;
            for end in &ends {
                let told = disconnects(end, stopped);
                assert_eq!(told.len(), 1, "{told:?}");
                assert!(told[0].contains("ConsentLost"), "{told:?}");
            }
            ends[0].say("RESTART");
        } else {
            assert_eq!(disconnects(&ends[1], stopped), [] as [String; 0]);
        }
        let back = data_flows(ends.each_ref(), 5 * SEC).await;
        println!(
            "stopped for {length} s: back after {back:?}, {:?} after it woke",
            woke.elapsed()
        );
        assert!(back.is_some(), "{length} s");
        sleep(SEC).await;
        in_order(&ends, begin);
        if length <= 30 {
            assert_eq!(disconnects(&ends[0], stopped), [] as [String; 0]);
        }
    }
}

enum Fault {
    Ip(&'static str, &'static str),
    Nft(&'static str),
}

/// Where (0 or 1), how it begins, how it ends.
const FAULTS: [(&str, usize, Fault); 9] = [
    (
        "EPERM",
        0,
        Fault::Nft("hook output priority 0; }\nadd rule inet t c meta l4proto udp drop"),
    ),
    (
        "ECONNREFUSED",
        1,
        Fault::Nft(
            "hook input priority 0; }\nadd rule inet t c meta l4proto udp reject with icmp type port-unreachable",
        ),
    ),
    (
        "refused here",
        0,
        Fault::Nft(
            "hook output priority 0; }\nadd rule inet t c meta l4proto udp reject with icmp type port-unreachable",
        ),
    ),
    (
        "ENETUNREACH",
        0,
        Fault::Ip(
            "route del 10.99.0.0/24 dev eth0",
            "route add 10.99.0.0/24 dev eth0 src 10.99.0.1",
        ),
    ),
    (
        "EHOSTUNREACH",
        0,
        Fault::Ip(
            "route add unreachable 10.99.0.2",
            "route del unreachable 10.99.0.2",
        ),
    ),
    (
        "EACCES",
        0,
        Fault::Ip(
            "route add prohibit 10.99.0.2",
            "route del prohibit 10.99.0.2",
        ),
    ),
    (
        "EINVAL",
        0,
        Fault::Ip(
            "route add blackhole 10.99.0.2",
            "route del blackhole 10.99.0.2",
        ),
    ),
    (
        "link down",
        0,
        Fault::Ip("link set eth0 down", "link set eth0 up"),
    ),
    (
        "the peer's link down",
        1,
        Fault::Ip("link set eth0 down", "link set eth0 up"),
    ),
];

/// Nothing ends by itself, nothing is lost, and data is back at once.
#[tokio::test]
async fn r_d13_errors_of_the_socket_and_links_that_go_down_are_survived() {
    let (length, rounds) = if full_size() { (5 * SEC, 3) } else { (SEC, 1) };
    let namespaces = lan().await;
    let ends = connected(&namespaces).await;
    let begin = Instant::now();
    for round in 0..rounds {
        for (name, at, fault) in &FAULTS {
            let namespace = &namespaces[*at];
            match fault {
                Fault::Ip(begin, _) => namespace.ip(begin).await,
                Fault::Nft(rule) => {
                    let rule =
                        format!("add table inet t\nadd chain inet t c {{ type filter {rule}\n");
                    namespace.nft(&rule).await;
                }
            }
            sleep(length).await;
            let during = data_flows(ends.each_ref(), SEC / 10).await;
            assert_eq!(during, None, "{name} is no fault");
            match fault {
                Fault::Ip(_, end) => namespace.ip(end).await,
                Fault::Nft(_) => namespace.nft("delete table inet t\n").await,
            }
            let back = data_flows(ends.each_ref(), 5 * SEC).await;
            println!("round {round}, {name} for {length:?}: back after {back:?}");
            assert!(back < Some(3 * SEC) && back.is_some(), "{name}: {back:?}");
        }
    }
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
    in_order(&ends, begin);
}

/// What a restart takes after an address changed, an interface went and another came, and both.
#[tokio::test]
async fn r_d13_after_an_address_changed_a_restart_takes_five_seconds() {
    let namespaces = lan().await;
    let ends = connected(&namespaces).await;
    let begin = Instant::now();
    for (round, name) in ["address", "interface", "address at once", "back"]
        .iter()
        .enumerate()
    {
        match round {
            0 => {
                let change = "addr del 10.99.0.1/24 dev eth0\naddr add 10.99.0.77/24 dev eth0\n";
                namespaces[0].ip(change).await;
                sleep(SEC).await;
            }
            1 => {
                namespaces[0].ip("link del eth0\n").await;
                sleep(SEC).await;
                let [a, b] = &namespaces;
                a.cable(("wlan0", "10.98.0.1/24"), b, ("eth1", "10.98.0.2/24"))
                    .await;
            }
            2 => {
                let change = "addr del 10.98.0.1/24 dev wlan0\naddr add 10.98.0.5/24 dev wlan0\n";
                namespaces[0].ip(change).await;
            }
            _ => {
                let change = "addr del 10.98.0.5/24 dev wlan0\naddr add 10.98.0.1/24 dev wlan0\n";
                namespaces[0].ip(change).await;
            }
        }
        ends[0].say("RESTART");
        if round == 1 {
            // Its interface went as well.
            ends[1].say("RESTART");
        }
        let back = data_flows(ends.each_ref(), 10 * SEC).await;
        println!("{name}: back after {back:?}");
        assert!(back < Some(5 * SEC) && back.is_some(), "{name}: {back:?}");
    }
    in_order(&ends, begin);
}
