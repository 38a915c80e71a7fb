//! Datagrams of data channels on an interface whose MTU changes: a loopback interface of the
//! test's own, in a network namespace that ends with it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use bytes::Bytes;
use common::session::{End, joined};
use common::{run, within};
use ortc::{RTCConnectionEvent, RTCDataChannel, RTCDataChannelMessage, RTCDataChannelOptions};

const INSIDE: &str = "ORTC_TEST_INSIDE_NAMESPACE";
const MESSAGE: usize = 64 * 1024;

fn mtu(bytes: usize) {
    let words = ["link", "set", "lo", "up", "mtu", &bytes.to_string()];
    assert!(Command::new("ip").args(words).status().unwrap().success());
}

fn numbered(n: usize) -> Bytes {
    let mut data = vec![n as u8; MESSAGE];
    data[..8].copy_from_slice(&n.to_be_bytes());
    data.into()
}

/// Sends so many messages, all of which come, in order; at the `at`th, `then` happens.
async fn transfer(
    (from, to): &(RTCDataChannel, RTCDataChannel),
    count: usize,
    at: usize,
    then: impl FnOnce(),
) {
    let sender = from.clone();
    let sending = tokio::spawn(async move {
        for n in 0..count {
            sender.send(numbered(n)).await.unwrap();
        }
    });
    let mut then = Some(then);
    within(30, async {
        for n in 0..count {
            if n == at {
                then.take().unwrap()();
            }
            let message = to.recv().await.unwrap();
            assert!(message == RTCDataChannelMessage::from(numbered(n)), "{n}");
        }
    })
    .await;
    within(1, sending).await.unwrap();
}

async fn channel(a: &End, b: &mut End) -> (RTCDataChannel, RTCDataChannel) {
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("", options).unwrap();
    let there = within(10, async {
        loop {
            let event = b.events.next().await.unwrap();
            if let RTCConnectionEvent::DataChannel(channel) = event {
                return channel;
            }
        }
    });
    (here, there.await)
}

fn largest(end: &End) -> usize {
    end.connection.stats().data.max_datagram.unwrap()
}

/// D11 and D13: what is too great for the interface is refused by the kernel, which is no more
/// than a loss, of a probe or of data.
#[test]
fn r_d11_r_d13_an_interface_may_become_narrower() {
    if std::env::var_os(INSIDE).is_none() {
        let test = std::env::current_exe().unwrap();
        let name = "r_d11_r_d13_an_interface_may_become_narrower";
        let status = Command::new("unshare")
            .args(["--net", "--"])
            .arg(test)
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1")
            .status()
            .unwrap();
        assert!(status.success(), "needs root, unshare and ip");
        return;
    }
    mtu(1_300);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(async {
        // Nothing greater passes, and nothing is refused but three probes.
        let (a, mut b) = joined(End::loopback(), End::loopback()).await;
        let pair = channel(&a, &mut b).await;
        let begin = std::time::Instant::now();
        while begin.elapsed() < std::time::Duration::from_secs(4) {
            transfer(&pair, 200, 0, || ()).await;
        }
        let stats = a.connection.stats();
        assert!(stats.data.max_datagram <= Some(1_200), "{stats:?}");
        assert!((1..=3).contains(&stats.socket.send_errors), "{stats:?}");
        drop((a, b, pair));

        mtu(1_500);
        let (a, mut b) = joined(End::loopback(), End::loopback()).await;
        let pair = channel(&a, &mut b).await;
        transfer(&pair, 300, 0, || ()).await;
        assert!((1_460..=1_472).contains(&largest(&a)), "{}", largest(&a));
        transfer(&pair, 2_000, 500, || mtu(1_300)).await;
        assert!(largest(&a) <= 1_200);
        assert!(a.connection.stats().socket.send_errors > 0);
        // The other direction, which has not sent yet.
        transfer(&(pair.1, pair.0), 300, 0, || ()).await;
        assert!(largest(&b) <= 1_200);
    }));
}
