//! Relays that die in a call, and come back.

use std::time::Instant;

use tokio::process::Child;
use tokio::time::sleep;

use super::common::coturn::Certificate;
use super::common::full_size;
use super::common::network::{AUTO_RESTART, Inside, Namespace, Setup, introduce};
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

/// How relays are reached.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Udp,
    Tcp,
    Tls,
}

/// Two hosts with nothing between them but what is relayed, by servers at these ports.
struct Scene {
    networks: Vec<Namespace>,
    way: Way,
    ports: Vec<u16>,
    certificate: Certificate,
    turn: Vec<Child>,
}

impl Scene {
    async fn new(way: Way, ports: &[u16]) -> Self {
        let mut scene = Self {
            networks: relayed_only().await,
            way,
            ports: ports.to_vec(),
            certificate: Certificate::of(&["192.0.2.1"]),
            turn: Vec::new(),
        };
        scene.turn = ports.iter().map(|port| scene.server(*port)).collect();
        sleep(SEC / 2).await;
        scene
    }

    fn server(&self, port: u16) -> Child {
        let certificate = (self.way == Way::Tls).then_some(&self.certificate);
        turn_server_at(&self.networks[2], port, certificate)
    }

    /// Both ends, which know of the relays alone and restart by themselves.
    async fn connected(&self) -> [Inside; 2] {
        let url = |port: &u16| match self.way {
            Way::Udp => format!("turn:192.0.2.1:{port}"),
            Way::Tcp => format!("turn:192.0.2.1:{port}?transport=tcp"),
            Way::Tls => format!("turns:192.0.2.1:{}", port + 1_000),
        };
        let turn = self.ports.iter().map(url);
        let setup = Setup {
            servers: turn.chain([AUTO_RESTART.to_owned()]).collect(),
            tcp: false,
            certificates: Some(self.certificate.authority.clone()),
            ..Setup::default()
        };
        let ends = [0, 4].map(|at| Inside::start_with(&self.networks[at], &setup));
        introduce(&ends[0], &ends[1]);
        let flows = data_flows(ends.each_ref(), 20 * SEC).await;
        assert!(flows.is_some(), "{:?}: no connection", self.way);
        ends
    }

    async fn kill(&mut self, server: usize) {
        self.turn[server].start_kill().unwrap();
        self.turn[server].wait().await.unwrap();
    }
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

/// There is another at hand.
#[tokio::test]
async fn r_f3_a_relay_that_dies_in_a_call_is_replaced_by_another_over_udp() {
    dies_beside_another(Way::Udp).await;
}

#[tokio::test]
async fn r_f3_a_relay_that_dies_in_a_call_is_replaced_by_another_over_tcp() {
    dies_beside_another(Way::Tcp).await;
}

#[tokio::test]
async fn r_f3_a_relay_that_dies_in_a_call_is_replaced_by_another_over_tls() {
    dies_beside_another(Way::Tls).await;
}

async fn dies_beside_another(way: Way) {
    let begin = Instant::now();
    let mut scene = Scene::new(way, &[3478, 3490]).await;
    let ends = scene.connected().await;
    let both = ends.each_ref();
    sleep(2 * SEC).await;
    let used = in_use(&ends[0], begin).expect("a relay is in use");
    scene.kill(used).await;
    let killed = Instant::now();
    // What was on its way comes still, and says nothing.
    while in_use(&ends[0], begin) == Some(used) && killed.elapsed() < 20 * SEC {
        sleep(SEC / 50).await;
    }
    let back = data_flows(both, 20 * SEC).await;
    let took = killed.elapsed();
    println!("{way:?}: server {used} was killed: data both ways after {took:?}");
    assert_ne!(in_use(&ends[0], begin), Some(used));
    assert!(back.is_some() && took < 10 * SEC, "{took:?}");
    for end in &ends {
        assert_eq!(disconnects(end, begin), [] as [String; 0]);
    }
    in_order(&ends, begin);
}

#[tokio::test]
async fn r_f3_a_relay_that_comes_back_brings_the_call_back_over_udp() {
    comes_back(Way::Udp).await;
}

#[tokio::test]
async fn r_f3_a_relay_that_comes_back_brings_the_call_back_over_tcp() {
    comes_back(Way::Tcp).await;
}

#[tokio::test]
async fn r_f3_a_relay_that_comes_back_brings_the_call_back_over_tls() {
    comes_back(Way::Tls).await;
}

/// There is no other: it is back soon after the server is. In full size the call has failed before.
async fn comes_back(way: Way) {
    let mut scene = Scene::new(way, &[3478]).await;
    let ends = scene.connected().await;
    let both = ends.each_ref();
    let begin = Instant::now();
    scene.kill(0).await;
    if full_size() {
        for end in &ends {
            let told = end.hears("disconnected", begin, 35 * SEC).await;
            let told = told.map(|at| at - begin);
            println!("{way:?}: the only relay was killed: told after {told:?}");
            // Consent lasts 30 s (RFC 7675 section 5.1), at most from when it was killed.
            assert!(told.is_some_and(|took| took < 31 * SEC), "{told:?}");
            assert!(disconnects(end, begin)[0].contains("ConsentLost"));
        }
        sleep(10 * SEC).await;
    } else {
        sleep(6 * SEC).await;
    }
    let _turn = scene.server(3478);
    let back = data_flows(both, 30 * SEC).await;
    println!("{way:?}: the relay is back: data both ways after {back:?}");
    assert!(back.is_some_and(|took| took < 10 * SEC), "{back:?}");
    in_order(&ends, begin);
}
