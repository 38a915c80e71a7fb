//! A client that keeps numbers as clients do, and says in short what it is told.

use std::time::Duration;

use futures_util::StreamExt as _;
use ortc_rooms::desk::{Admission, Desk, Out, Outgoing, Seat};
use ortc_rooms::room::Refusal;
use ortc_rooms::signalling::{Hello, Role, UserId};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Guest {
    pub(super) seat: Option<Seat>,
    outgoing: Option<Outgoing>,
    pub(super) welcome: Value,
    resume: String,
    number: u64,
    seen: u64,
}

pub(super) async fn arrive(desk: &Desk, name: &str) -> Guest {
    Guest::arrive(desk, name, Role::Participant).await.unwrap()
}

impl Guest {
    pub(super) async fn arrive(desk: &Desk, name: &str, role: Role) -> Result<Self, Refusal> {
        let mut hello = Hello::new();
        hello.userid = Some(UserId::new(name).unwrap());
        Self::with(desk, hello, Admission::new(role)).await
    }

    async fn with(desk: &Desk, hello: Hello, admission: Admission) -> Result<Self, Refusal> {
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

    /// Comes back, its old connection being whatever it is.
    pub(super) async fn back(&mut self, desk: &Desk) -> Result<Self, Refusal> {
        let again = Self::with(desk, self.hello(), Admission::returning()).await?;
        let mut old = std::mem::replace(self, again);
        if self.welcome["seen"] != 0 {
            (self.number, self.seen) = (old.number, old.seen);
        }
        old.resume.clear();
        Ok(old)
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

    /// The next message, but for new resume tokens, which it keeps.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let outgoing = self.outgoing.as_mut().unwrap();
            let out = tokio::time::timeout(PATIENCE, outgoing.next());
            let text = match out.await.expect("nothing comes").unwrap() {
                Out::Text(text) => text,
                Out::Close(closing) => return json!({ "close": closing.code }),
                _ => unreachable!(),
            };
            let mut envelope: Value = serde_json::from_str(&text).unwrap();
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

    pub(super) async fn short(&mut self) -> String {
        short(&self.next().await)
    }

    /// It is told this, in this order, next.
    pub(super) async fn hears(&mut self, wanted: &[&str]) {
        for (at, wanted) in wanted.iter().enumerate() {
            let told = self.short().await;
            assert_eq!(told, *wanted, "number {at}, of {}", self.welcome["userid"]);
        }
    }

    /// Waits until it is told this, whatever is told before.
    pub(super) async fn waits_for(&mut self, wanted: &str) {
        while self.short().await != wanted {}
    }

    /// It is told nothing for this time, but for tokens.
    pub(super) async fn hears_nothing(&mut self, time: Duration) {
        if let Ok(message) = tokio::time::timeout(time, self.next()).await {
            panic!("told {message}");
        }
    }
}

fn short(message: &Value) -> String {
    let (kind, of) = message.as_object().unwrap().iter().next().unwrap();
    let text = |member: &str| of[member].as_str().unwrap_or("-").to_owned();
    match kind.as_str() {
        "close" => format!("close {of}"),
        "room" => {
            let users = of["users"].as_array().unwrap().iter();
            let users: Vec<_> = users.map(|user| user["userid"].as_str().unwrap()).collect();
            format!("{} of {}: {}", text("room"), text("owner"), users.join(" "))
        }
        "joined" => format!("{} joined", of["user"]["userid"].as_str().unwrap()),
        "left" => format!("{} {}", text("userid"), text("reason")),
        "owner" => format!("owner {}", text("userid")),
        "presenter" => format!("presenter {}", text("userid")),
        "closed" => format!("closed {}", text("reason")),
        "said" => format!("{} says {}", text("from"), of["body"]),
        "error" => format!("error {}", text("code")),
        "extra" => format!("{} is {}", text("userid"), of["extra"]),
        "call" => format!(
            "{} by {}",
            text("call"),
            of["from"]["userid"].as_str().unwrap()
        ),
        "callStatus" => format!("{} with {}: {}", text("call"), text("with"), text("status")),
        "rooms" => {
            let rooms = of["rooms"].as_array().unwrap().iter();
            let rooms = rooms
                .map(|room| format!("{} {}", room["sessionid"].as_str().unwrap(), room["users"]));
            let gone = of["gone"]
                .as_array()
                .map(|gone| format!(" gone {}", json!(gone)));
            format!(
                "rooms {}{}",
                rooms.collect::<Vec<_>>().join(" "),
                gone.unwrap_or_default()
            )
        }
        _ => format!("{kind} {of}"),
    }
}
