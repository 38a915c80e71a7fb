//! Relays that die in a call, and come back.

use std::time::Instant;

use tokio::process::Child;
use tokio::time::sleep;

use super::common::full_size;
use super::common::network::{AUTO_RESTART, Inside, Namespace, introduce};
use super::{SEC, data_flows, disconnects, in_order, internet, turn_server_at};

/// Two hosts with nothing between them but what is relayed at 192.0.2.1.
async fn relayed_only() -> Vec<Namespace> {
    let networks = internet(false).await;
    let rules = "add table ip f\n\
        add chain ip f between { type filter hook forward priority 0; policy drop; }\n";
    networks[2].nft(rules).await;
    networks[2].ip("route add 10.0.0.0/8 dev dead\n").await;
    networks
}

fn servers(ports: &[u16], transport: &str) -> Vec<String> {
    let url = |port| format!("turn:192.0.2.1:{port}?transport={transport}");
    let turn = ports.iter().map(url);
    turn.chain([AUTO_RESTART.to_owned()]).collect()
}

/// Which of the servers carries: each has a thousand ports of its own.
fn in_use(end: &Inside, begin: Instant) -> Option<usize> {
    let (_, last) = end.said("activecandidate", begin).pop()?;
    let mut ports = last.split("\"192.0.2.1\", connection_port: ").skip(1);
    ports.find_map(|port| match port.get(..2)? {
        "50" => Some(0),
        "51" => Some(1),
        _ => None,
    })
}

async fn kill(server: &mut Child) {
    server.start_kill().unwrap();
    server.wait().await.unwrap();
}

#[tokio::test]
async fn r_f3_a_relay_that_dies_in_a_call_is_replaced_by_another() {
    dies_beside_another("udp").await;
}

#[tokio::test]
async fn r_f3_a_relay_over_tcp_that_dies_in_a_call_is_replaced_by_another() {
    dies_beside_another("tcp").await;
}

async fn dies_beside_another(transport: &str) {
    let networks = relayed_only().await;
    let ports = [3478, 3490];
    let mut turn = ports.map(|port| turn_server_at(&networks[2], port));
    sleep(SEC / 2).await;
    let begin = Instant::now();
    let ends = [0, 4].map(|at| Inside::start(&networks[at], &servers(&ports, transport)));
    introduce(&ends[0], &ends[1]);
    let both = ends.each_ref();
    assert!(data_flows(both, 20 * SEC).await.is_some(), "no connection");
    sleep(2 * SEC).await;
    let used = in_use(&ends[0], begin).expect("a relay is in use");
    kill(&mut turn[used]).await;
    let back = data_flows(both, 20 * SEC).await;
    println!("{transport}: server {used} was killed: data both ways after {back:?}");
    assert!(back.is_some_and(|took| took < 10 * SEC), "{back:?}");
    assert_ne!(in_use(&ends[0], begin), Some(used));
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
    in_order(&ends, begin);
}

#[tokio::test]
async fn r_f3_a_relay_that_comes_back_brings_the_call_back() {
    comes_back("udp").await;
}

#[tokio::test]
async fn r_f3_a_relay_over_tcp_that_comes_back_brings_the_call_back() {
    comes_back("tcp").await;
}

/// There is no other: it is back soon after the server is.
async fn comes_back(transport: &str) {
    let networks = relayed_only().await;
    let mut turn = turn_server_at(&networks[2], 3478);
    sleep(SEC / 2).await;
    let ends = [0, 4].map(|at| Inside::start(&networks[at], &servers(&[3478], transport)));
    introduce(&ends[0], &ends[1]);
    let both = ends.each_ref();
    assert!(data_flows(both, 20 * SEC).await.is_some(), "no connection");
    let begin = Instant::now();
    kill(&mut turn).await;
    if full_size() {
        for end in &ends {
            let told = end.hears("disconnected", begin, 35 * SEC).await;
            let told = told.map(|at| at - begin);
            println!("{transport}: the only relay was killed: told after {told:?}");
            assert!(told.is_some());
            assert!(disconnects(end, begin)[0].contains("ConsentLost"));
        }
        sleep(10 * SEC).await;
    } else {
        sleep(6 * SEC).await;
    }
    let _turn = turn_server_at(&networks[2], 3478);
    let back = data_flows(both, 30 * SEC).await;
    println!("{transport}: the relay is back: data both ways after {back:?}");
    assert!(back.is_some_and(|took| took < 10 * SEC), "{back:?}");
    in_order(&ends, begin);
}
