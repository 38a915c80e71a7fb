//! A client for tests, which keeps numbers as clients do.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::desk::{Admission, Desk, DeskOptions, Out, Outgoing, Seat};
use crate::room::Refusal;
use crate::signalling::{Hello, Role, UserId};

pub(super) fn id(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn desk() -> Desk {
    Desk::new(DeskOptions::default())
}

pub(super) struct Guest {
    pub(super) seat: Option<Seat>,
    pub(super) outgoing: Option<Outgoing>,
    pub(super) welcome: Value,
    pub(super) resume: String,
    pub(super) number: u64,
    pub(super) seen: u64,
}

pub(super) async fn arrive(desk: &Desk, name: &str) -> Guest {
    Guest::arrive(desk, name, Role::Participant).await.unwrap()
}

impl Guest {
    pub(super) async fn arrive(desk: &Desk, name: &str, role: Role) -> Result<Self, Refusal> {
        let mut hello = Hello::new();
        hello.userid = Some(id(name));
        hello.extra = json!({ "name": name });
        Self::with(desk, hello, Admission::new(role)).await
    }

    pub(super) async fn with(
        desk: &Desk,
        hello: Hello,
        admission: Admission,
    ) -> Result<Self, Refusal> {
        let (seat, outgoing) = desk.arrive(hello, admission).await?;
        let mut guest = Self {
            seat: Some(seat),
            outgoing: Some(outgoing),
            welcome: Value::Null,
            resume: String::new(),
            number: 0,
            seen: 0,
        };
        guest.welcome = guest.next().await["welcome"].clone();
        guest.resume = guest.welcome["resume"].as_str().unwrap().to_owned();
        Ok(guest)
    }

    pub(super) fn hello(&self) -> Hello {
        let mut hello = Hello::new();
        hello.resume = Some(self.resume.clone());
        hello.seen = Some(self.seen);
        hello
    }

    /// Comes back; its old connection is whatever it is.
    pub(super) async fn back(&mut self, desk: &Desk) -> Result<(), Refusal> {
        let before = (self.number, self.seen);
        let again = Self::with(desk, self.hello(), Admission::returning()).await?;
        *self = again;
        (self.number, self.seen) = before;
        if self.welcome["seen"] == 0 {
            (self.number, self.seen) = (0, 0);
        }
        Ok(())
    }

    /// Its connection is lost.
    pub(super) fn lose(&mut self) {
        (self.seat, self.outgoing) = (None, None);
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.number += 1;
        let envelope = json!({ "seq": self.number, "seen": self.seen, "message": message });
        let seat = self.seat.as_mut().unwrap();
        seat.said(&envelope.to_string()).await.unwrap();
    }

    async fn envelope(&mut self) -> Option<Value> {
        let out = tokio::time::timeout(
            Duration::from_secs(100),
            self.outgoing.as_mut().unwrap().next(),
        );
        match out.await.expect("nothing comes").unwrap() {
            Out::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            Out::Close(closing) => Some(json!({ "close": closing.code })),
        }
    }

    /// The next message, but for new resume tokens, which it keeps.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let mut envelope = self.envelope().await.unwrap();
            if envelope.get("close").is_some() {
                return envelope;
            }
            if let Some(number) = envelope["seq"].as_u64() {
                assert!(number > self.seen, "{number} after {}", self.seen);
                self.seen = number;
            }
            let Some(message) = envelope.get_mut("message") else {
                continue;
            };
            match message["resume"]["resume"].as_str() {
                Some(resume) => self.resume = resume.to_owned(),
                None => return message.take(),
            }
        }
    }

    /// In short what it is told: what is there now, and nothing more.
    pub(super) async fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_millis(1), self.next());
            match next.await {
                Ok(message) => told.push(short(&message)),
                Err(_) => return told,
            }
            if told.last().is_some_and(|last| last.starts_with("close ")) {
                return told;
            }
        }
    }
}

pub(super) fn short(message: &Value) -> String {
    let Some(object) = message.as_object() else {
        return message.to_string();
    };
    let (kind, of) = object.iter().next().unwrap();
    let text = |member: &str| of[member].as_str().unwrap_or("-").to_owned();
    match kind.as_str() {
        "close" => format!("close {of}"),
        "room" => {
            let users = of["users"].as_array().unwrap();
            let users: Vec<_> = users
                .iter()
                .map(|user| user["userid"].as_str().unwrap())
                .collect();
            format!(
                "room {} of {}: {}",
                text("room"),
                text("owner"),
                users.join(" ")
            )
        }
        "joined" => format!("{} joined", of["user"]["userid"].as_str().unwrap()),
        "left" => format!("{} {}", text("userid"), text("reason")),
        "owner" => format!("owner {}", text("userid")),
        "presenter" => format!("presenter {}", text("userid")),
        "closed" => format!("closed {}", text("reason")),
        "said" => format!("{} says {}", text("from"), of["body"]),
        "error" => format!("error {}", text("code")),
        "call" => format!(
            "{} called by {}",
            text("call"),
            of["from"]["userid"].as_str().unwrap()
        ),
        "callStatus" => format!("{} with {}: {}", text("call"), text("with"), text("status")),
        _ => format!("{kind} {of}"),
    }
}
