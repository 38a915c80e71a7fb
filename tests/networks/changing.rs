//! Addresses, interfaces and translators that change while data flow. Nobody does anything about it
//! but to signal what the events say.

use std::time::Instant;

use tokio::time::sleep;

use super::common::network::{Inside, Namespace, introduce};
use super::{SEC, connected, data_flows, disconnects, in_order, internet, lan, turn_server};

/// Data both ways after a change that has just been made.
async fn goes_on(ends: [&Inside; 2], what: &str) {
    let limit = 5 * SEC;
    let begin = Instant::now();
    let back = data_flows(ends, 2 * limit).await;
    println!("{what}: data both ways after {back:?}");
    if back.is_none_or(|took| took >= limit) {
        tell(ends, begin);
        panic!("{what}: {back:?}");
    }
}

fn tell(ends: [&Inside; 2], begin: Instant) {
    for end in ends {
        println!("one end:\n{}", end.story(begin));
    }
}

/// Long enough that the old path would be missed.
async fn holds(ends: [&Inside; 2], what: &str) {
    let begin = Instant::now();
    sleep(SEC).await;
    if data_flows(ends, SEC).await.is_none() {
        tell(ends, begin - 5 * SEC);
        panic!("{what}: data stop again");
    }
}

#[tokio::test]
async fn r_d13_addresses_that_come_and_go_are_followed_at_either_side() {
    let namespaces = lan().await;
    let ends = connected(&namespaces).await;
    let begin = Instant::now();
    let [a, b] = &namespaces;
    let both = ends.each_ref();
    let changes = [
        (0, "eth0", "10.99.0.1", "10.99.0.77"),
        (1, "eth0", "10.99.0.2", "10.99.0.88"),
    ];
    for (side, device, old, new) in changes {
        let change = format!("addr del {old}/24 dev {device}\naddr add {new}/24 dev {device}\n");
        namespaces[side].ip(&change).await;
        goes_on(both, &format!("{old} is {new} now")).await;
        holds(both, new).await;
    }
    // From one network into another, with nothing between.
    a.ip("link del eth0\n").await;
    sleep(2 * SEC).await;
    a.cable(("wlan0", "10.98.0.1/24"), b, ("wlan0", "10.98.0.2/24"))
        .await;
    goes_on(both, "another network").await;
    holds(both, "another network").await;
    // One more beside it, and then the first is gone.
    a.cable(("eth1", "10.97.0.1/24"), b, ("eth1", "10.97.0.2/24"))
        .await;
    sleep(2 * SEC).await;
    b.ip("link set wlan0 down\n").await;
    goes_on(both, "the network that was there besides").await;
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
    in_order(&ends, begin);
}

/// What a router translates to an address is forgotten when that is down.
async fn forget(router: &Namespace, beyond: &str) {
    let bounce = format!("link set out down\nlink set out up\nroute add default via {beyond}\n");
    router.ip(&bounce).await;
}

/// Hosts behind translators, with everything between them blocked but the relay if `relayed`.
async fn far_apart(relayed: bool) -> (Vec<Namespace>, [Inside; 2], tokio::process::Child) {
    let networks = internet(false).await;
    let [a, _, server, _, b] = &networks[..] else {
        unreachable!()
    };
    // The private addresses lead nowhere from here, and not to an error either.
    server.ip("route add 10.0.0.0/8 dev dead\n").await;
    if relayed {
        let rules = "add table ip f\n\
            add chain ip f between { type filter hook forward priority 0; policy drop; }\n";
        server.nft(rules).await;
    }
    let turn = turn_server(server);
    sleep(SEC / 2).await;
    let mut servers = vec!["stun:192.0.2.1:3478".to_owned()];
    if relayed {
        servers.push("turn:192.0.2.1:3478".to_owned());
    }
    let ends = [a, b].map(|at| Inside::start(at, &servers));
    introduce(&ends[0], &ends[1]);
    let flows = data_flows(ends.each_ref(), 20 * SEC).await;
    assert!(flows.is_some(), "no connection, relay: {relayed}");
    (networks, ends, turn)
}

#[tokio::test]
async fn r_d13_addresses_behind_translators_are_followed_through_a_relay_and_without() {
    for relayed in [false, true] {
        let (networks, ends, _turn) = far_apart(relayed).await;
        let begin = Instant::now();
        let both = ends.each_ref();
        for (at, router, net, beyond) in [
            (0, 1, "10.1.0", "192.0.2.1"),
            (4, 3, "10.2.0", "198.51.100.1"),
        ] {
            let (old, new) = (format!("{net}.2"), format!("{net}.33"));
            let change = format!(
                "addr del {old}/24 dev eth0\naddr add {new}/24 dev eth0\n\
                 route add default via {net}.1\n"
            );
            networks[at].ip(&change).await;
            forget(&networks[router], beyond).await;
            let what = format!("relay: {relayed}, {old} is {new} now");
            goes_on(both, &what).await;
            holds(both, &what).await;
        }
        for end in &ends {
            assert_eq!(disconnects(end, begin), [] as [String; 0]);
        }
        in_order(&ends, begin);
    }
}

/// The translator is restarted, and gives out other ports from then on.
#[tokio::test]
async fn r_f9_a_translator_that_forgets_is_survived_without_a_word() {
    let networks = internet(true).await;
    let [a, ra, server, _, b] = &networks[..] else {
        unreachable!()
    };
    ra.nft("flush chain ip n pre\n").await;
    let _turn = turn_server(server);
    sleep(SEC / 2).await;
    let servers = ["stun:192.0.2.1:3478".to_owned()];
    let ends = [a, b].map(|at| Inside::start(at, &servers));
    introduce(&ends[0], &ends[1]);
    let both = ends.each_ref();
    assert!(data_flows(both, 20 * SEC).await.is_some(), "no connection");
    let begin = Instant::now();
    for ports in ["40000-40999", "50000-50999"] {
        let rules = format!(
            "flush chain ip n post\nadd rule ip n post oifname \"out\" ip protocol udp masquerade to :{ports}\n"
        );
        ra.nft(&rules).await;
        forget(ra, "192.0.2.1").await;
        goes_on(both, &format!("ports {ports}")).await;
        holds(both, ports).await;
    }
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
    in_order(&ends, begin);
}
