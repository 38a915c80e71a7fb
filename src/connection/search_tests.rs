//! A search that ends in vain is told to whoever waits for it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::RTCConnection;
use super::core::event::{RTCConnectionEvent, RTCConnectionEvents};
use super::options::RTCConnectionOptions;
use super::test_ends::{end, introduce};
use crate::connection::description::ice_server::RTCIceServer;
use crate::data::options::RTCDataChannelOptions;
use crate::error::{DisconnectReason, Error, TransportFault};
use crate::socket::Member;

const LIMIT: Duration = Duration::from_secs(10);

fn options() -> RTCConnectionOptions {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    RTCConnectionOptions::default().bind(any)
}

async fn result(connection: &RTCConnection) -> Result<(), Error> {
    timeout(LIMIT, connection.connected()).await.unwrap()
}

fn not_reached(reason: DisconnectReason) -> Result<(), Error> {
    Err(TransportFault::NotReached(reason).into())
}

async fn disconnected(events: &mut RTCConnectionEvents) -> DisconnectReason {
    loop {
        let event = timeout(LIMIT, events.next()).await.unwrap();
        if let RTCConnectionEvent::Disconnected { reason } = event.unwrap() {
            return reason;
        }
    }
}

fn patience_ends(connection: &RTCConnection) {
    let late = Instant::now() + Duration::from_secs(60);
    connection.shared().timeout(late);
    connection.shared().wake();
}

#[tokio::test]
async fn connected_ends_when_nobody_was_reached_and_waits_again_after_a_restart() {
    let (a, mut events) = RTCConnection::new(options()).unwrap();
    let (b, _b_events) = RTCConnection::new(options()).unwrap();
    a.set_remote(b.local()).unwrap();
    a.connect().unwrap();
    let waiting = tokio::spawn({
        let a = a.clone();
        async move { result(&a).await }
    });
    tokio::task::yield_now().await;
    let channel = a.create_data_channel("x", Default::default()).unwrap();
    let opening = tokio::spawn({
        let channel = channel.clone();
        async move { timeout(LIMIT, channel.opened()).await.unwrap() }
    });
    let sending = tokio::spawn(async move { timeout(LIMIT, channel.send("x")).await.unwrap() });
    tokio::task::yield_now().await;
    let failed = not_reached(DisconnectReason::IceFailed);
    patience_ends(&a);
    assert_eq!(opening.await.unwrap(), failed);
    assert_eq!(sending.await.unwrap(), failed);
    assert_eq!(waiting.await.unwrap(), failed);
    assert_eq!(result(&a).await, failed, "whoever asks later, too");
    assert_eq!(disconnected(&mut events).await, DisconnectReason::IceFailed);

    a.restart().unwrap();
    let soon = timeout(Duration::from_millis(100), a.connected()).await;
    assert!(soon.is_err(), "looks again: {soon:?}");
    patience_ends(&a);
    assert_eq!(result(&a).await, failed);
    assert_eq!(disconnected(&mut events).await, DisconnectReason::IceFailed);
    a.close();
    assert_eq!(
        result(&a).await,
        Err(Error::Closed(DisconnectReason::Closed))
    );
}

#[tokio::test]
async fn no_address_is_said_at_once() {
    // No relay, since the server's address is of the other family, and nothing else is wanted.
    let server = RTCIceServer::new("turn:[::1]:9").with_credential("user", "secret");
    let options = options().ice_servers([server]).relay_only(true);
    let (a, mut events) = RTCConnection::new(options).unwrap();
    let (b, _b_events) = RTCConnection::new(self::options()).unwrap();
    a.set_remote(b.local()).unwrap();
    let begin = Instant::now();
    a.connect().unwrap();
    assert_eq!(result(&a).await, not_reached(DisconnectReason::NoAddress));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(disconnected(&mut events).await, DisconnectReason::NoAddress);
    assert!(DisconnectReason::NoAddress.is_transient());
}

/// What the crate's page says of a path that is lost for now.
#[tokio::test]
async fn what_waits_on_an_open_channel_goes_on_after_a_restart() {
    let (a, mut a_events) = end();
    let (b, mut b_events) = end();
    introduce(&b, &a, &mut a_events).await;
    introduce(&a, &b, &mut b_events).await;
    result(&a).await.unwrap();
    result(&b).await.unwrap();
    let options = || RTCDataChannelOptions::default().negotiated(0);
    let here = a.create_data_channel("", options()).unwrap();
    let there = b.create_data_channel("", options()).unwrap();
    timeout(LIMIT, here.opened()).await.unwrap().unwrap();

    patience_ends(&a);
    let lost = not_reached(DisconnectReason::ConsentLost);
    assert_eq!(result(&a).await, lost);
    let mut count = 0;
    while here.try_send(vec![7; 60_000]).is_ok() {
        count += 1;
    }
    assert!(count > 10);
    let sending = tokio::spawn({
        let here = here.clone();
        async move { here.send(vec![8; 60_000]).await }
    });
    let flushing = tokio::spawn(async move { here.flush().await });
    let receiving = tokio::spawn(async move {
        let mut received = 0;
        while there.recv().await.unwrap() != vec![8; 60_000].into() {
            received += 1;
        }
        received
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let finished = [sending.is_finished(), flushing.is_finished()];
    assert_eq!((finished, receiving.is_finished()), ([false; 2], false));

    a.restart().unwrap();
    introduce(&b, &a, &mut a_events).await;
    result(&a).await.unwrap();
    timeout(LIMIT, sending).await.unwrap().unwrap().unwrap();
    timeout(LIMIT, flushing).await.unwrap().unwrap().unwrap();
    assert_eq!(timeout(LIMIT, receiving).await.unwrap().unwrap(), count);
}
