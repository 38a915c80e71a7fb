//! Servers and NATS are killed under clients that are in calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::crowd::{Crowd, enter, soak};
use crate::nats::Nats;
use crate::process::Serve;

/// Seen from the clients, which the server's answers reach with a delay of their own each: the
/// server lets in 100.
const IN_A_SECOND: usize = 130;

/// In their full size 200 clients in 20 rooms.
fn size() -> (usize, usize) {
    if soak() { (20, 10) } else { (5, 6) }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_h10_the_server_is_killed_and_nobody_in_a_call_notices() {
    let (rooms, size) = size();
    let mut serve = Serve::start(&[]).await;
    let crowd = Crowd::meet(&serve.address, rooms, size).await;
    let mark = crowd.mark();
    serve.kill_and_restart(Duration::from_secs(2)).await;
    let back = crowd.back(crowd.len()).await;
    assert!(back.at_once <= IN_A_SECOND, "{back:?}");
    let heard = crowd.heard_on(&mark).await;
    crowd.is_whole();
    println!(
        "r_h10: {} back after {:?} to {:?}, {} in a second at most; {heard:.3} of the packets heard",
        back.count, back.first, back.last, back.at_once
    );
}

/// One address for two servers, as a load balancer has it.
async fn balance(servers: [SocketAddr; 2]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let turn = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let first = turn.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                for at in [servers[first % 2], servers[(first + 1) % 2]] {
                    if let Ok(mut server) = TcpStream::connect(at).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Two servers that are one, and an address for both.
async fn two(nats: &Nats) -> ([Serve; 2], String) {
    let url = nats.url();
    let servers = [
        Serve::start(&["--cluster", &url]).await,
        Serve::start(&["--cluster", &url]).await,
    ];
    let at = [0, 1].map(|number: usize| servers[number].address.parse().unwrap());
    let address = balance(at).await;
    (servers, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn r_h10_one_of_two_servers_is_killed_and_its_clients_go_on_at_the_other() {
    let (rooms, size) = size();
    let nats = Nats::start().await;
    let ([mut one, _two], address) = two(&nats).await;
    let crowd = Crowd::meet(&address, rooms, size).await;
    let mark = crowd.mark();
    one.kill().await;
    let back = crowd.back(crowd.len() / 2).await;
    assert!(back.at_once <= IN_A_SECOND, "{back:?}");
    // Longer than the other server needs to find out that the first is dead.
    sleep(Duration::from_secs(if soak() { 40 } else { 3 })).await;
    let heard = crowd.heard_on(&mark).await;
    crowd.is_whole();
    println!(
        "r_h10: {} back after {:?} to {:?}, {} in a second at most; {heard:.3} of the packets heard",
        back.count, back.first, back.last, back.at_once
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r_h10_nats_is_killed_and_started_again_and_nobody_in_a_call_notices() {
    let (rooms, size) = size();
    let mut nats = Nats::start().await;
    let (_servers, address) = two(&nats).await;
    let crowd = Crowd::meet(&address, rooms, size).await;
    let mark = crowd.mark();
    nats.kill();
    nats.forget();
    sleep(Duration::from_secs(3)).await;
    nats.run().await;
    // Whoever comes now gets in, at either server, as soon as they have found NATS again.
    let newcomers = async {
        let mut newcomers = Vec::new();
        while newcomers.len() < 4 {
            match enter(&address, "newcomers").await {
                Ok(newcomer) => newcomers.push(newcomer),
                Err(_) => sleep(Duration::from_millis(500)).await,
            }
        }
        newcomers
    };
    let newcomers = timeout(Duration::from_secs(60), newcomers).await;
    let newcomers = newcomers.expect("somebody may enter again");
    sleep(Duration::from_secs(if soak() { 40 } else { 1 })).await;
    let heard = crowd.heard_on(&mark).await;
    drop(newcomers);
    println!("r_h10: {heard:.3} of the packets heard");
    crowd.is_whole();
}
