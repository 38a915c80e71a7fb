//! `ortc stats`: the figures of a room's connections, and of the server, as they change.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use ortc_rooms::session::{Event, Events, Peer, Room, RoomRequest};
use ortc_rooms::signalling::{Role, SessionKind, UserId};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::failed::Failed;
use crate::http::Http;
use crate::plot::{curve, rate};
use crate::reach::Reach;
use crate::report::{name, plain};
use crate::room::over;

/// Points of a curve.
const HISTORY: usize = 60;
const LETTERS: usize = 30;
/// The most people that are shown.
const PEOPLE: usize = 200;

/// Shows the figures of a room's connections, and those of the server with --api-token. It looks on
/// as an inspector, whom all see, and measures what each sends to it
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Room that is looked at; without one the server alone
    room: Option<String>,
    /// Token of the server's REST interface
    #[arg(
        long,
        env = "ORTC_API_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    api_token: Option<String>,
    /// Seconds from one look to the next
    #[arg(long, default_value_t = 1, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    interval: u64,
    /// Prints the figures once, as soon as there are some, and ends
    #[arg(long)]
    once: bool,
    /// Password of the room
    #[arg(long, env = "ORTC_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// Prints a JSON object a line
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(crate) async fn run(mut self) -> Result<(), Failed> {
        let server = match &self.api_token {
            Some(token) => Some((self.reach.http(Some(token))?, self.reach.base())),
            None if self.room.is_none() => {
                return Err("say a ROOM, or --api-token for the server's figures".into());
            }
            None => None,
        };
        let mut screen = Screen::new(self.json);
        let Some(name) = self.room.take() else {
            return self.watch(&mut screen, server, None).await;
        };
        self.reach.as_role(Role::Inspector);
        let (session, events) = self.reach.connect().await?;
        let kind = SessionKind::audio_video().and_data();
        let mut request = RoomRequest::from(name.as_str()).session(kind);
        if let Some(password) = &self.password {
            request = request.password(password);
        }
        // Who only looks on opens no room.
        let room = session.join(request).await?;
        let done = self.watch(&mut screen, server, Some((room, events))).await;
        session.leave().await.ok();
        session.end();
        done
    }

    async fn watch(
        &self,
        screen: &mut Screen,
        server: Option<(Http, String)>,
        mut entered: Option<(Room, Events)>,
    ) -> Result<(), Failed> {
        let every = Duration::from_secs(self.interval);
        let mut looks = interval_at(Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut people = People::default();
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                event = next(&mut entered) => {
                    let Some(event) = event else { return Ok(()) };
                    if let Some(result) = over(&event) {
                        return result;
                    }
                    if let Event::Track { track, .. } = event {
                        // Nobody sees them; pictures are counted as they are put together.
                        tokio::spawn(async move { while track.recv_sample().await.is_some() {} });
                    }
                }
                _ = looks.tick() => {
                    let figures = match &server {
                        Some((http, base)) => Some(http.get(&format!("{base}/api/stats")).await?),
                        None => None,
                    };
                    let measured = entered.as_ref().map(|(room, _)| people.look(room));
                    if self.once && measured.as_ref().is_some_and(|all| !all.iter().any(Figures::measured)) {
                        continue;
                    }
                    screen.show(figures.as_ref(), measured.as_deref());
                    if self.once {
                        return Ok(());
                    }
                }
                signal = &mut interrupted => return Ok(signal?),
            }
        }
    }
}

/// What happens in the room; never, where there is none.
async fn next(entered: &mut Option<(Room, Events)>) -> Option<Event> {
    match entered {
        Some((_, events)) => events.next().await,
        None => std::future::pending().await,
    }
}

/// What is known of one.
#[derive(Debug, Clone, Default)]
struct Figures {
    userid: String,
    name: String,
    connected: bool,
    /// In bits per second.
    rate_in: f64,
    rate_out: f64,
    /// In seconds.
    round_trip: Option<f64>,
    /// Of a hundred packets, since the look before.
    lost: f64,
    /// Pictures in a second.
    pictures: f64,
    codecs: Vec<String>,
    history: Vec<f64>,
    counted: Option<Counted>,
}

/// Counters, which only grow.
#[derive(Debug, Clone)]
struct Counted {
    at: Instant,
    bytes_in: f64,
    bytes_out: f64,
    packets: f64,
    lost: f64,
    pictures: f64,
}

#[derive(Default)]
struct People(BTreeMap<UserId, Figures>);

impl People {
    fn look(&mut self, room: &Room) -> Vec<Figures> {
        let peers: Vec<Peer> = room.peers().into_iter().take(PEOPLE).collect();
        self.0
            .retain(|userid, _| peers.iter().any(|peer| peer.userid() == userid));
        let users = room.users();
        for peer in &peers {
            let figures = self.0.entry(peer.userid().clone()).or_default();
            figures.userid = peer.userid().to_string();
            let user = users.iter().find(|user| user.userid == *peer.userid());
            figures.name = user.map_or_else(|| plain(&figures.userid), name);
            figures.connected = peer.is_connected();
            if let Some(stats) = peer
                .stats()
                .and_then(|stats| serde_json::to_value(stats).ok())
            {
                figures.take(&stats, Instant::now());
            }
        }
        self.0.values().cloned().collect()
    }
}

impl Figures {
    fn measured(&self) -> bool {
        self.connected && self.rate_in > 0.0
    }

    fn take(&mut self, stats: &Value, at: Instant) {
        let number = |value: &Value| value.as_f64().unwrap_or(0.0);
        let inbound = stats["inboundRtp"].as_array();
        let sum = |of: &str| {
            inbound
                .into_iter()
                .flatten()
                .map(|one| number(&one[of]))
                .sum()
        };
        let now = Counted {
            at,
            bytes_in: number(&stats["transport"]["bytesReceived"]),
            bytes_out: number(&stats["transport"]["bytesSent"]),
            packets: sum("packetsReceived"),
            lost: sum("packetsLost"),
            pictures: inbound
                .into_iter()
                .flatten()
                .filter(|one| one["kind"] == "video")
                .map(|one| number(&one["framesReceived"]))
                .sum(),
        };
        self.round_trip = stats["transport"]["currentRoundTripTime"].as_f64();
        self.codecs = codecs(stats);
        // A connection that was made anew counts anew.
        if let Some(before) = self.counted.replace(now.clone())
            && before.bytes_in <= now.bytes_in
        {
            let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
            let lost = (now.lost - before.lost).max(0.0);
            let packets = (now.packets - before.packets).max(0.0) + lost;
            self.rate_in = (now.bytes_in - before.bytes_in) * 8.0 / seconds;
            self.rate_out = (now.bytes_out - before.bytes_out).max(0.0) * 8.0 / seconds;
            self.lost = if packets > 0.0 {
                100.0 * lost / packets
            } else {
                0.0
            };
            self.pictures = (now.pictures - before.pictures).max(0.0) / seconds;
            self.history.push(self.rate_in);
            if self.history.len() > HISTORY {
                self.history.remove(0);
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "userid": self.userid, "name": self.name, "connected": self.connected,
            "bitsPerSecondIn": self.rate_in.round(), "bitsPerSecondOut": self.rate_out.round(),
            "roundTripTime": self.round_trip, "lostPercent": self.lost,
            "framesPerSecond": self.pictures, "codecs": self.codecs,
        })
    }
}

/// In which codecs it comes.
fn codecs(stats: &Value) -> Vec<String> {
    let all = stats["codecs"].as_array();
    let comes = all
        .into_iter()
        .flatten()
        .filter(|one| one["codecType"] == "decode");
    let names = comes.filter_map(|one| one["mimeType"].as_str()?.split('/').nth(1));
    names.filter(|name| *name != "rtx").map(plain).collect()
}

/// Where it is shown: anew in the same place on a terminal, else line by line.
struct Screen {
    json: bool,
    terminal: bool,
    colours: bool,
    lines: usize,
}

impl Screen {
    fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            json,
            terminal,
            colours: terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()),
            lines: 0,
        }
    }

    fn show(&mut self, server: Option<&Value>, people: Option<&[Figures]>) {
        if self.json {
            let people = people.map(|all| all.iter().map(Figures::json).collect::<Vec<_>>());
            println!(
                "{}",
                json!({ "event": "stats", "server": server, "peers": people })
            );
            return;
        }
        let mut lines = Vec::new();
        lines.extend(server.map(of_server));
        if let Some(people) = people {
            if people.is_empty() {
                lines.push("nobody else is here".to_owned());
            }
            lines.extend(people.iter().map(|one| self.line(one)));
        }
        let mut text = String::new();
        if self.terminal && self.lines > 0 {
            // Up to where it began, and all below gone.
            text = format!("\x1b[{}A\x1b[J", self.lines);
        }
        // A line that is longer than the terminal is wide is cut: it stays one.
        let (cut, whole) = match self.terminal {
            true => ("\x1b[?7l", "\x1b[?7h"),
            false => ("", ""),
        };
        text.push_str(cut);
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(whole);
        self.lines = lines.len();
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn line(&self, one: &Figures) -> String {
        let name: String = one.name.chars().take(16).collect();
        if !one.connected {
            return format!("{name:<16} is not connected");
        }
        let coloured = |code: u8, text: String| match self.colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text,
        };
        let lost = format!("{:>4.1} % lost", one.lost);
        let lost = match one.lost {
            lost_of if lost_of >= 5.0 => coloured(31, lost),
            lost_of if lost_of >= 1.0 => coloured(33, lost),
            _ => lost,
        };
        let trip = one
            .round_trip
            .map_or("–".to_owned(), |s| format!("{:.0} ms", s * 1e3));
        let curve = coloured(36, format!("{:<LETTERS$}", curve(&one.history, LETTERS)));
        format!(
            "{name:<16} {curve} {:>11} {trip:>7} {lost} {:>3.0} fps {}",
            rate(one.rate_in),
            one.pictures,
            one.codecs.join(" ")
        )
    }
}

fn of_server(figures: &Value) -> String {
    let count = |name: &str| figures[name].as_u64().unwrap_or(0);
    format!(
        "server: {} clients, {} users in {} rooms; {} heard, {} told, {} dropped, {} errors",
        count("clients"),
        count("users"),
        count("rooms"),
        count("heard"),
        count("told"),
        count("dropped"),
        count("errors")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let stats = |bytes: u64, packets: u64, lost: u64| {
            json!({
                "transport": { "bytesReceived": bytes, "bytesSent": 0, "currentRoundTripTime": 0.02 },
                "inboundRtp": [{ "kind": "video", "packetsReceived": packets, "packetsLost": lost, "framesReceived": packets / 2 }],
                "codecs": [{ "codecType": "decode", "mimeType": "video/VP8" }, { "codecType": "decode", "mimeType": "video/rtx" }],
            })
        };
        let mut figures = Figures::default();
        figures.take(&stats(1_000, 10, 0), at(0));
        assert_eq!(figures.rate_in, 0.0);
        figures.take(&stats(251_000, 100, 10), at(2));
        assert_eq!(
            (figures.rate_in, figures.lost, figures.pictures),
            (1e6, 10.0, 22.5)
        );
        assert_eq!(figures.codecs, ["VP8"]);
        // Another connection.
        figures.take(&stats(500, 1, 0), at(3));
        figures.take(&stats(1_500, 3, 0), at(4));
        assert_eq!((figures.rate_in, figures.lost), (8_000.0, 0.0));
        let plain = Screen {
            json: false,
            terminal: false,
            colours: false,
            lines: 0,
        };
        figures.connected = true;
        figures.lost = 7.0;
        assert!(!plain.line(&figures).contains('\x1b'));
        let coloured = Screen {
            colours: true,
            ..plain
        };
        assert!(coloured.line(&figures).contains("\x1b[31m"));
    }
}
