//! A server that was started anew has forgotten who is on the way back: what is said to them comes to nobody.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use ortc_rooms::session::Session;
use ortc_rooms::signalling::{ClientMessage, ServerMessage, SignalError, SignalEvent};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::support::options;

/// A server whose every word is the test's.
struct Scripted {
    hears: UnboundedReceiver<SignalEvent>,
    says: UnboundedSender<ClientMessage>,
}

impl Stream for Scripted {
    type Item = SignalEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SignalEvent>> {
        self.hears.poll_recv(cx)
    }
}

impl Sink<ClientMessage> for Scripted {
    type Error = SignalError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: ClientMessage) -> Result<(), SignalError> {
        let _ = self.says.send(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SignalError>> {
        Poll::Ready(Ok(()))
    }
}

struct Script {
    says: UnboundedSender<SignalEvent>,
    hears: UnboundedReceiver<ClientMessage>,
}

impl Script {
    fn say(&self, message: Value) {
        let message: ServerMessage = serde_json::from_value(message).unwrap();
        self.says.send(SignalEvent::Message(message)).unwrap();
    }

    fn room(&self, users: &[&str], returning: bool) {
        let users: Vec<Value> = users
            .iter()
            .map(|user| json!({ "userid": user, "role": "participant" }))
            .collect();
        let (session, policy) = (json!({}), json!({ "maxParticipantsAllowed": 9 }));
        self.say(
            json!({ "room": { "room": "demo", "epoch": 1, "users": users, "owner": "alice",
            "session": session, "policy": policy, "returning": returning } }),
        );
    }

    /// The instance of the next call to `bob`.
    async fn called(&mut self) -> u64 {
        loop {
            let said = self.hears.recv().await.unwrap();
            let said = serde_json::to_value(said).unwrap();
            if said["say"]["to"] == "bob" && said["say"]["body"]["iceInfo"].is_object() {
                return said["say"]["body"]["instance"].as_u64().unwrap();
            }
        }
    }

    async fn called_within(&mut self, seconds: u64) -> Option<u64> {
        timeout(Duration::from_secs(seconds), self.called())
            .await
            .ok()
    }
}

/// Row H10: whoever calls does so again once the other is back, not when the first attempt is given
/// up.
#[tokio::test]
async fn r_h10_who_is_back_at_the_server_is_called_again() {
    let (says, hears) = unbounded_channel();
    let (up, down) = unbounded_channel();
    let mut script = Script { says, hears: down };
    let limits =
        json!({ "messageBytes": 65536, "messagesPerSecond": 100, "rooms": 16, "graceMs": 30000 });
    script.say(
        json!({ "welcome": { "version": 1, "userid": "alice", "role": "participant", "resume": "x",
        "resumed": false, "seen": 0, "iceServers": [], "limits": limits } }),
    );
    let signaller = Scripted { hears, says: up };
    let (session, events) = Session::with(signaller, options("alice")).await.unwrap();
    let opening = tokio::spawn({
        let session = session.clone();
        async move { session.open("demo").await.map(drop) }
    });
    assert!(matches!(
        script.hears.recv().await,
        Some(ClientMessage::Open(_))
    ));
    script.room(&["alice", "bob"], false);
    let first = script.called_within(10).await.expect("a call");
    opening.await.unwrap().unwrap();
    script.room(&["alice"], true);
    // What does not work begins anew after a return, at pauses that double: 1, 2, 4 and 8 s.
    let mut last = first;
    for _ in 0..4 {
        let next = script.called_within(15).await.expect("another");
        assert!(next > last);
        last = next;
    }
    script.say(
        json!({ "joined": { "room": "demo", "user": { "userid": "bob", "role": "participant" } } }),
    );
    let heard = script.called_within(5).await.expect("one that bob hears");
    assert!(heard > last);
    drop(events);
}
