use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};

use super::*;
use crate::signalling::line::Carrier;
use crate::signalling::{Role, UserId};

/// Lines that were made before.
struct Ready(VecDeque<Line>);

impl Dial for Ready {
    async fn dial(&mut self, _: String) -> Result<Line, DialError> {
        let next = self.0.pop_front();
        next.ok_or_else(|| DialError::Refused("no other line".to_owned()))
    }
}

fn text(seq: Option<u64>, seen: Option<u64>, message: Option<ServerMessage>) -> Incoming {
    let envelope = Envelope { seq, seen, message };
    Incoming::Text(envelope.to_json().unwrap())
}

fn welcome(resumed: bool, seen: u64) -> Incoming {
    let userid = UserId::new("bob").unwrap();
    let mut welcome = Welcome::new(userid, Role::Participant, "ticket".to_owned());
    (welcome.resumed, welcome.seen) = (resumed, seen);
    text(None, None, Some(ServerMessage::Welcome(welcome)))
}

fn numbered(seq: u64) -> Incoming {
    let gone = ServerMessage::Rooms {
        all: false,
        rooms: Vec::new(),
        gone: Vec::new(),
    };
    text(Some(seq), None, Some(gone))
}

/// A line over which all this has come already.
fn line(came: impl IntoIterator<Item = Incoming>) -> (Line, Carrier) {
    let (line, carrier) = Line::new();
    for incoming in came {
        carrier.incoming.try_send(incoming).unwrap();
    }
    (line, carrier)
}

fn watch() -> ClientMessage {
    ClientMessage::Rooms {
        watch: true,
        channel: None,
    }
}

/// How many messages come, welcomes aside, until the line is lost.
async fn until_lost(signaller: &mut Reconnecting) -> usize {
    let mut count = 0;
    let all = async {
        loop {
            match signaller.next().await {
                Some(SignalEvent::Message(ServerMessage::Welcome(_))) => {}
                Some(SignalEvent::Message(_)) => count += 1,
                _ => return,
            }
        }
    };
    timeout(Duration::from_secs(20), all).await.unwrap();
    count
}

#[tokio::test]
async fn what_came_over_a_line_that_takes_nothing_is_heard() {
    // More than are acknowledged at once, and the acknowledgements find the line broken.
    for count in [1, 31, 32, 33, 60] {
        let came = (1..=count).map(numbered);
        let (line, carrier) = line([welcome(false, 0)].into_iter().chain(came));
        drop(carrier.outgoing);
        let mut signaller = Reconnecting::connect(Ready([line].into()), Hello::default())
            .await
            .unwrap();
        // What is said now finds it broken, before or after what came is heard.
        signaller.send(watch()).await.unwrap();
        drop(carrier.incoming);
        assert_eq!(until_lost(&mut signaller).await as u64, count);
    }
}

#[tokio::test]
async fn what_finds_a_line_broken_goes_over_the_next() {
    let (first, carrier) = line([welcome(false, 0)]);
    let (second, mut after) = line([welcome(true, 0)]);
    drop(carrier);
    let lines = Ready([first, second].into());
    let mut signaller = Reconnecting::connect(lines, Hello::default())
        .await
        .unwrap();
    // More than may wait for a server that acknowledges nothing.
    for _ in 0..MAX_WAITING {
        signaller.send(watch()).await.unwrap();
    }
    tokio::spawn(async move { while signaller.next().await.is_some() {} });
    for seq in 1..=MAX_WAITING {
        let said = timeout(Duration::from_secs(20), after.outgoing.recv()).await;
        let said = Envelope::<ClientMessage>::from_json(&said.unwrap().unwrap()).unwrap();
        assert_eq!(said.seq, u64::try_from(seq).ok());
    }
}
