//! Rooms without a server.

use std::time::Duration;

use ortc_rooms::session::{Error, Event, Payload, Session};
use ortc_rooms::signalling::broadcast::{Broadcast, BroadcastOptions};
use ortc_rooms::signalling::stdio::Lines;
use ortc_rooms::signalling::{ErrorCode, LeftReason};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::broadcast;

use crate::support::{Member, id, limited, options};

/// Whatever one writes all others read: a plain transport of others.
struct Ether(broadcast::Sender<String>);

impl Ether {
    fn new() -> Self {
        Self(broadcast::channel(1024).0)
    }

    fn plug(&self) -> Lines {
        let (here, there) = duplex(64 * 1024);
        let (read, write) = tokio::io::split(here);
        let (send, mut heard) = (self.0.clone(), self.0.subscribe());
        let (from, mut to) = tokio::io::split::<DuplexStream>(there);
        tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = send.send(line);
            }
        });
        tokio::spawn(async move {
            while let Ok(line) = heard.recv().await {
                if to.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        Lines::new(BufReader::new(read), write)
    }

    async fn member(&self, name: &str) -> Member {
        let options = options(name);
        let mut often = BroadcastOptions::default();
        often.interval = Duration::from_millis(100);
        let signaller = Broadcast::new(self.plug(), options.hello(), often).unwrap();
        let (session, events) = Session::with(signaller, options).await.unwrap();
        Member { session, events }
    }
}

#[tokio::test]
async fn c57_c83_e17_rooms_over_lines_and_no_server() {
    limited(async {
        let ether = Ether::new();
        let mut alice = ether.member("alice").await;
        let mut bob = ether.member("bob").await;
        let none = bob.session.join("demo").await.unwrap_err();
        assert!(matches!(
            none,
            Error::Refused {
                code: ErrorCode::NoSuchRoom,
                ..
            }
        ));
        alice.session.open("demo").await.unwrap();
        let mut lobby = bob.session.watch_rooms(None);
        while lobby.rooms().is_empty() {
            lobby.next().await.unwrap();
        }
        let room = bob.session.join(&lobby.rooms()[0]).await.unwrap();
        assert_eq!(room.owner(), Some(id("alice")));
        alice.session.send("hello").unwrap();
        let heard = bob.until(|event| match event {
            Event::Message(message) => Some(message.data.clone()),
            _ => None,
        });
        assert_eq!(heard.await, Payload::from("hello"));
        alice.connected("bob").await;
        // A third one comes; the first is gone; the second owns the room.
        let mut carol = ether.member("carol").await;
        carol.session.join("demo").await.unwrap();
        carol.connected("bob").await;
        drop(alice);
        let reason = carol.until(|event| match event {
            Event::Left { user, reason, .. } if user.userid == id("alice") => Some(*reason),
            _ => None,
        });
        assert_eq!(reason.await, LeftReason::Left);
        while room.owner() != Some(id("bob")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        room.eject(&id("carol"), false).await.unwrap();
        let closed = carol.until(|event| matches!(event, Event::Closed { .. }).then_some(()));
        closed.await;
    })
    .await;
}
