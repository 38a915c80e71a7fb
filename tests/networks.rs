//! Faults of networks, interfaces and processes, with real sockets: each end is a process in a
//! network namespace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "networks/changing.rs"]
mod changing;
mod common;
#[path = "networks/hidden.rs"]
mod hidden;
#[path = "networks/ipv6.rs"]
mod ipv6;
#[path = "networks/links.rs"]
mod links;
#[path = "networks/relays.rs"]
mod relays;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::coturn::Certificate;
use common::full_size;
use common::network::{Inside, Namespace, Setup, introduce};
use serde_json::Value;
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

/// Over TCP alone: what is on its way is lost without a word, and with it the connection. The active
/// side begins another.
#[tokio::test]
async fn r_d13_a_tcp_connection_that_goes_dead_is_replaced() {
    let namespaces = lan().await;
    for namespace in &namespaces {
        namespace.block_udp().await;
    }
    let setup = Setup {
        tcp: true,
        ..Setup::default()
    };
    let ends = namespaces.each_ref().map(|n| Inside::start_with(n, &setup));
    introduce(&ends[0], &ends[1]);
    let flows = data_flows(ends.each_ref(), 20 * SEC).await;
    assert!(flows.is_some(), "no connection");
    let begin = Instant::now();
    let mut ss = namespaces[0].command("ss");
    let open = ss.args(["-Htn", "state", "established"]).output();
    let open = String::from_utf8(open.await.unwrap().stdout).unwrap();
    let mut rules = String::new();
    for line in open.lines() {
        // Which of the two ports is that of the listener is not told.
        let ports = line
            .split_whitespace()
            .filter_map(|word| word.rsplit_once(':'));
        let ports: Vec<_> = ports.map(|(_, port)| port).collect();
        let (here, there) = (ports[0], ports[1]);
        rules += &format!(
            "add rule inet t out tcp sport {here} tcp dport {there} drop\n\
             add rule inet t out tcp sport {there} tcp dport {here} drop\n"
        );
    }
    assert!(!rules.is_empty(), "{open}");
    for namespace in &namespaces {
        namespace.nft(&rules).await;
    }
    sleep(SEC).await;
    let during = data_flows(ends.each_ref(), SEC / 2).await;
    assert_eq!(during, None, "the connection is not dead");
    let back = data_flows(ends.each_ref(), 20 * SEC).await;
    println!("over another connection after {:?}", begin.elapsed());
    assert!(back.is_some());
    sleep(SEC).await;
    in_order(&ends, begin);
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
            if full_size() {
                // Checks of consent are up to 6 s apart (RFC 7675 section 5.1). Faults that follow at
                // once would swallow six of them in turn, and be one of 30 s.
                sleep(7 * SEC).await;
            }
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

/// Hosts behind routers that translate addresses, and a server (TURN, at 192.0.2.1) between them:
/// `[a, router of a, server, router of b, b]`. The routers pass on what comes from outside for
/// nobody only if `open`.
async fn internet(open: bool) -> Vec<Namespace> {
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(Namespace::new().await);
    }
    let [a, ra, server, rb, b] = &all[..] else {
        unreachable!()
    };
    a.cable(("eth0", "10.1.0.2/24"), ra, ("in", "10.1.0.1/24"))
        .await;
    b.cable(("eth0", "10.2.0.2/24"), rb, ("in", "10.2.0.1/24"))
        .await;
    ra.cable(("out", "192.0.2.2/30"), server, ("left", "192.0.2.1/30"))
        .await;
    rb.cable(
        ("out", "198.51.100.2/30"),
        server,
        ("right", "198.51.100.1/30"),
    )
    .await;
    for (host, gateway) in [
        (a, "10.1.0.1"),
        (b, "10.2.0.1"),
        (ra, "192.0.2.1"),
        (rb, "198.51.100.1"),
    ] {
        host.ip(&format!("route add default via {gateway}\n")).await;
    }
    // Where the dead candidates are said to be: a cable to nobody. Not a blackhole, where the
    // server's own datagrams fail at its socket, and coturn then closes the whole allocation.
    server
        .ip("link add dead type veth peer name gone\n\
            link set dead arp off up\nlink set gone up\n\
            route add 203.0.113.0/24 dev dead\n")
        .await;
    for router in [ra, server, rb] {
        router.forward().await;
    }
    for (router, inside) in [(ra, "10.1.0.2"), (rb, "10.2.0.2")] {
        let mut rules = "add table ip n\n\
            add chain ip n post { type nat hook postrouting priority 100; }\n\
            add rule ip n post oifname \"out\" masquerade\n\
            add chain ip n in { type filter hook input priority 0; }\n\
            add rule ip n in iifname \"out\" ip protocol udp drop\n\
            add chain ip n pre { type nat hook prerouting priority -100; }\n"
            .to_owned();
        if open {
            rules +=
                &format!("add rule ip n pre iifname \"out\" udp dport > 1024 dnat to {inside}\n");
        }
        router.nft(&rules).await;
    }
    all
}

fn turn_server(namespace: &Namespace) -> tokio::process::Child {
    turn_server_at(namespace, 3478, None)
}

/// Its relays have ports from 50,000 on at 3478, and from 51,000 on elsewhere. With a certificate it
/// is there over TLS, too, a thousand ports further.
fn turn_server_at(
    namespace: &Namespace,
    port: u16,
    certificate: Option<&Certificate>,
) -> tokio::process::Child {
    let relays = if port == 3478 { 50_000 } else { 51_000 };
    let program = std::env::var("ORTC_TURNSERVER").unwrap_or_else(|_| "turnserver".into());
    let mut server = namespace.command(program);
    let null = || std::process::Stdio::null();
    match certificate.map(Certificate::files) {
        Some([pem, key]) => server
            .arg(format!("--tls-listening-port={}", port + 1_000))
            .arg(format!("--cert={}", pem.display()))
            .arg(format!("--pkey={}", key.display())),
        None => server.arg("--no-tls"),
    };
    server
        .args(["-n", "--no-dtls", "--no-cli", "--no-rfc5780"])
        .args(["--lt-cred-mech", "--realm=example.org", "--user=user:pass"])
        .args(["--listening-ip=192.0.2.1", "--relay-ip=192.0.2.1"])
        .arg(format!("--listening-port={port}"))
        .arg(format!("--min-port={relays}"))
        .arg(format!("--max-port={}", relays + 999))
        .args([
            "--log-file=/dev/null",
            "--no-stdout-log",
            "--pidfile=/dev/null",
            "--userdb=/dev/null",
        ])
        .stdin(null())
        .stdout(null())
        .stderr(null());
    server.spawn().expect("coturn, or ORTC_TURNSERVER")
}

/// The candidates of one kind, with a hundred dead ones around the first.
fn among_the_dead(kind: &'static str) -> impl Fn(&str, Value) -> Vec<Value> + Send + 'static {
    let buried = AtomicBool::new(false);
    move |what, value| {
        if what == "SIDE" {
            return vec![value];
        }
        let found = value["type"] == kind;
        let mut all = Vec::new();
        // Also where none is to be told: the peer finds it out by itself.
        if (found || kind == "prflx") && !buried.swap(true, Ordering::Relaxed) {
            for n in 0..100 {
                let mut dead = value.clone();
                dead["type"] = "host".into();
                dead["connectionAddress"] = format!("203.0.113.{}", n + 1).into();
                dead["foundation"] = format!("dead{n}").into();
                // Half of them above the one that works.
                dead["priority"] = (if n % 2 == 0 { 2_130_706_431 } else { 1_000 } - n / 2).into();
                if let Some(members) = dead.as_object_mut() {
                    members.remove("relatedAddress");
                    members.remove("relatedPort");
                }
                all.push(dead);
            }
        }
        if found {
            all.insert(all.len() / 2, value);
        }
        all
    }
}

/// C14: whichever kind the one is that works.
#[tokio::test]
async fn r_c14_one_candidate_that_works_is_found_among_a_hundred_that_are_dead() {
    for kind in ["host", "srflx", "prflx", "relay"] {
        let networks = internet(kind == "prflx").await;
        let [a, _, server, _, b] = &networks[..] else {
            unreachable!()
        };
        if kind == "host" {
            a.cable(("eth1", "10.3.0.1/24"), b, ("eth1", "10.3.0.2/24"))
                .await;
        }
        if kind == "relay" {
            // Between the two only what goes through the server itself.
            let rules = "add table ip f\n\
                add chain ip f between { type filter hook forward priority 0; policy drop; }\n";
            server.nft(rules).await;
        }
        let _server = turn_server(server);
        sleep(SEC / 2).await;
        let servers = [
            "turn:192.0.2.1:3478".to_owned(),
            "stun:192.0.2.1:3478".to_owned(),
        ];
        let begin = Instant::now();
        let ends = [a, b].map(|at| Inside::start(at, &servers));
        ends[0].listens_to(
            &ends[1],
            among_the_dead(if kind == "prflx" { "srflx" } else { kind }),
        );
        ends[1].listens_to(&ends[0], among_the_dead(kind));
        let connected = [
            ends[0].hears("connected", begin, 20 * SEC).await,
            ends[1].hears("connected", begin, 20 * SEC).await,
        ];
        let took = connected.map(|at| at.map(|at| at - begin));
        println!("{kind}: {took:?}");
        assert!(
            took.iter().all(|t| t.is_some_and(|t| t < 10 * SEC)),
            "{kind}: {took:?}"
        );
        let flows = data_flows(ends.each_ref(), 5 * SEC).await;
        assert!(flows.is_some(), "{kind}");
    }
}
