//! Signalling between two pages: what one sends, the other gets.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::extract::ws::{Message, WebSocket};
use serde_json::json;
use tokio::sync::mpsc;

/// Rooms at once; beyond, newcomers are turned away.
const MAX_ROOMS: usize = 1_000;
/// Messages that wait for a slow page; one that lets more wait is disconnected.
const MAX_WAITING: usize = 256;

#[derive(Default)]
pub(crate) struct Rooms {
    /// Up to two members each.
    rooms: Mutex<HashMap<String, Vec<mpsc::Sender<Message>>>>,
}

impl Rooms {
    /// Carries messages until the page leaves.
    pub(crate) async fn join(&self, name: String, mut socket: WebSocket) {
        let (mine, mut incoming) = mpsc::channel(MAX_WAITING);
        if let Err(word) = self.enter(&name, &mine) {
            let _ = socket.send(say(json!({ "room": word }))).await;
            return;
        }
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(message @ Message::Text(_))) => {
                        if !self.tell_others(&name, &mine, &message) {
                            break;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => break,
                },
                message = incoming.recv() => {
                    let Some(message) = message else { break };
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.leave(&name, &mine);
    }

    /// The error is the word for one who cannot enter.
    fn enter(&self, name: &str, mine: &mpsc::Sender<Message>) -> Result<(), &'static str> {
        let mut rooms = self.rooms.lock().unwrap_or_else(|error| error.into_inner());
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(name) {
            return Err("busy");
        }
        let members = rooms.entry(name.to_owned()).or_default();
        if members.len() >= 2 {
            return Err("full");
        }
        members.push(mine.clone());
        let word = if members.len() == 2 { "both" } else { "alone" };
        for member in members {
            let _ = member.try_send(say(json!({ "room": word })));
        }
        Ok(())
    }

    fn tell_others(&self, name: &str, mine: &mpsc::Sender<Message>, message: &Message) -> bool {
        let rooms = self.rooms.lock().unwrap_or_else(|error| error.into_inner());
        let members = rooms.get(name).into_iter().flatten();
        let mut others = members.filter(|member| !member.same_channel(mine));
        others.all(|other| other.try_send(message.clone()).is_ok())
    }

    fn leave(&self, name: &str, mine: &mpsc::Sender<Message>) {
        let mut rooms = self.rooms.lock().unwrap_or_else(|error| error.into_inner());
        let Some(members) = rooms.get_mut(name) else {
            return;
        };
        members.retain(|member| !member.same_channel(mine));
        for member in members.iter() {
            let _ = member.try_send(say(json!({ "room": "alone" })));
        }
        if members.is_empty() {
            rooms.remove(name);
        }
    }
}

fn say(value: serde_json::Value) -> Message {
    Message::Text(value.to_string().into())
}
