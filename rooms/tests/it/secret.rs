//! Secrets that the server does not know, and a server that lies.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use ortc::Kind;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, RoomRequest, Session};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{ClientMessage, RoomPolicy, ServerMessage, SignalError, SignalEvent};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::{Member, Source, count, id, more, options};

fn impostor(event: &Event) -> Option<String> {
    match event {
        Event::Impostor { user, .. } => Some(user.userid.to_string()),
        _ => None,
    }
}

fn secret_room() -> RoomRequest {
    let mut policy = RoomPolicy::default();
    policy.secret = true;
    RoomRequest::from("vault").policy(policy)
}

/// Nothing was received, on whatever connection there is.
fn received(session: &Session) -> u64 {
    let rooms = session.rooms();
    let peers = rooms.iter().flat_map(|room| room.peers());
    let stats = peers.filter_map(|peer| peer.stats());
    stats
        .map(|stats| {
            stats
                .inbound_rtp
                .iter()
                .map(|one| one.packets_received)
                .sum::<u64>()
        })
        .sum()
}

#[tokio::test]
async fn c66_who_knows_the_secret_is_connected() {
    let desk = Desk::default();
    let with = |name| options(name).with_secret("swordfish");
    let alice = Member::with(&desk, with("alice")).await;
    let mut bob = Member::with(&desk, with("bob")).await;
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    alice.session.open(secret_room()).await.unwrap();
    bob.session.join("vault").await.unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    more(&heard, 5).await;

    // One who does not know it gets nothing, and all three know why.
    let mut alice = alice;
    let mut eve = Member::with(&desk, options("eve").with_secret("haddock")).await;
    let other = Source::new(true, false);
    eve.session.add_stream(&other.stream).unwrap();
    eve.session.join("vault").await.unwrap();
    assert_eq!(alice.until(impostor).await, "eve");
    assert_eq!(bob.until(impostor).await, "eve");
    eve.until(impostor).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(received(&eve.session), 0);
    more(&heard, 5).await;

    // Nor does one who has none.
    let mut mallory = Member::new(&desk, "mallory").await;
    mallory.session.join("vault").await.unwrap();
    mallory.until(impostor).await;
    assert_eq!(received(&mallory.session), 0);
}

/// A server that puts its own fingerprint in the place of others'.
struct Liar {
    inner: Memory,
    lied: Arc<AtomicBool>,
}

impl Liar {
    fn alter(&self, body: &RawValue) -> Box<RawValue> {
        let mut body: Value = serde_json::from_str(body.get()).unwrap();
        if let Some(fingerprint) = body.pointer_mut("/iceInfo/dtls/fingerprint/sha-256") {
            let own: Vec<String> = (0..32).map(|n: u8| format!("{n:02X}")).collect();
            *fingerprint = own.join(":").into();
            self.lied.store(true, Ordering::Relaxed);
        }
        serde_json::value::to_raw_value(&body).unwrap()
    }
}

impl Stream for Liar {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        let event = std::task::ready!(Pin::new(&mut self.inner).poll_next(cx));
        Poll::Ready(event.map(|event| match event {
            SignalEvent::Message(ServerMessage::Said {
                room,
                from,
                direct,
                body,
            }) => SignalEvent::Message(ServerMessage::Said {
                room,
                from,
                direct,
                body: self.alter(&body),
            }),
            event => event,
        }))
    }
}

impl Sink<ClientMessage> for Liar {
    type Error = SignalError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        Pin::new(&mut self.inner).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[tokio::test]
async fn r_h13_a_server_that_swaps_fingerprints_is_found_out() {
    // Either of the two is lied to: the caller, and the callee.
    for lied_to in ["alice", "bob"] {
        let desk = Desk::default();
        let lied = Arc::new(AtomicBool::new(false));
        let mut members = Vec::new();
        let mut sources = Vec::new();
        for name in ["alice", "bob"] {
            let options = options(name).with_secret("swordfish");
            let inner = Memory::connect(&desk, options.hello()).await.unwrap();
            let (session, events) = if name == lied_to {
                let lied = lied.clone();
                Session::with(Liar { inner, lied }, options).await.unwrap()
            } else {
                Session::with(inner, options).await.unwrap()
            };
            let source = Source::new(true, true);
            session.add_stream(&source.stream).unwrap();
            session.send("secret").unwrap_err();
            sources.push(source);
            members.push(Member { session, events });
        }
        members[0].session.open(secret_room()).await.unwrap();
        members[1].session.join("vault").await.unwrap();
        members[0].until(impostor).await;
        members[1].until(impostor).await;
        assert!(lied.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(500)).await;
        for member in &members {
            assert_eq!(received(&member.session), 0);
            let other = if member.session.userid() == id("alice") {
                "bob"
            } else {
                "alice"
            };
            assert!(!member.session.peer(&id(other)).unwrap().is_connected());
        }
    }
}
