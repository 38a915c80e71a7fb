//! A room of so many who send and so many who watch, for a while.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use ortc::MediaStreamTrack;
use ortc_rooms::session::{Event, Events, Room, RoomRequest, Session, StreamOptions};
use ortc_rooms::signalling::{RoomPolicy, SessionKind, UserId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::frame;
use super::publisher::{Publisher, Rate};
use super::tally::{Sum, Tally, way};
use crate::failed::Failed;
use crate::http::Http;
use crate::reach::Reach;
use crate::report::Form;
use crate::room::over;

/// What all send together to all who watch may be no more, in bits per second.
const MOST: u64 = 4_000_000_000;
/// How long it may take until everything comes.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is under way at the end arrives.
const LAST: Duration = Duration::from_secs(1);
const LOOKS: Duration = Duration::from_secs(5);

/// Finds out what a server carries: some send sound and pictures into a room, others watch, and all of it ends after a while.
///
/// The pictures are none: frames of the size that was asked for, which say when they were made. Run it from another machine than the server's for figures of the network, and with --api-token for what the server takes
#[derive(Debug, Args)]
pub(crate) struct LoadTest {
    /// Room that is opened for it; without one a hidden room that nobody guesses
    room: Option<String>,
    /// Those who send
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    publishers: u16,
    /// Those who watch only, beside those who send and watch the others
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=500))]
    watchers: u16,
    /// How long it is measured
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Of each picture, in kbit/s; 0 for sound alone
    #[arg(long, default_value_t = 1_000, value_name = "KBITS", value_parser = clap::value_parser!(u64).range(0..=50_000))]
    kbits: u64,
    /// Pictures a second
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=120))]
    fps: u32,
    /// Fails if less than this arrives, of a hundred
    #[arg(long, value_name = "PERCENT")]
    at_least: Option<f64>,
    /// Token of the server's REST interface, which tells what the server takes
    #[arg(
        long,
        env = "ORTC_API_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    api_token: Option<String>,
    /// Password of the room
    #[arg(long, env = "ORTC_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// Prints a JSON object a line
    #[arg(long)]
    json: bool,
}

/// One who is in the room.
struct Member {
    session: Session,
    room: Room,
    publisher: Option<Publisher>,
}

/// What those who watch share.
struct Watch {
    begun: Instant,
    tally: Tally,
    /// The numbers of those who send.
    publishers: Mutex<BTreeMap<UserId, usize>>,
}

impl LoadTest {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let form = Form::of(self.json);
        self.bounded()?;
        let server = match &self.api_token {
            Some(token) => Some((self.reach.http(Some(token))?, self.reach.base())),
            None => None,
        };
        let watch = Arc::new(Watch {
            begun: Instant::now(),
            tally: Tally::default(),
            publishers: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        let mut members = Vec::new();
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let done = tokio::select! {
            done = self.measure(form, &watch, &mut members, &mut tasks, server) => done,
            signal = &mut interrupted => signal.map_err(Failed::from).and(Err("interrupted".into())),
        };
        for member in &members {
            let _ = tokio::time::timeout(LAST, member.session.leave()).await;
            member.session.end();
        }
        done
    }

    fn bounded(&self) -> Result<(), Failed> {
        let (publishers, watchers) = (u64::from(self.publishers), u64::from(self.watchers));
        let ways = publishers.saturating_mul((publishers + watchers).saturating_sub(1));
        if ways == 0 {
            return Err("one who sends and nobody who watches: --watchers or --publishers".into());
        }
        let bits = ways.saturating_mul(self.kbits.saturating_mul(1_000).saturating_add(32_000));
        if bits > MOST {
            return Err(format!(
                "that is {:.1} Gbit/s, more than {} for one test: fewer --publishers or --watchers, or fewer --kbits",
                bits as f64 / 1e9,
                MOST / 1_000_000_000
            )
            .into());
        }
        Ok(())
    }

    async fn measure(
        &self,
        form: Form,
        watch: &Arc<Watch>,
        members: &mut Vec<Member>,
        tasks: &mut JoinSet<Failed>,
        server: Option<(Http, String)>,
    ) -> Result<(), Failed> {
        self.enter(form, watch, members, tasks).await?;
        let ways = self.ways(members);
        let words = format!(
            "{} send, {} watch: {ways} tracks to arrive",
            self.publishers, self.watchers
        );
        form.say("entered", &words, json!({ "tracks": ways }));
        let unless = unless_ended(tasks);
        let sum = tokio::select! {
            sum = self.count(form, watch, members, ways, server) => sum?,
            error = unless => return Err(error),
        };
        match self.at_least {
            Some(least) if sum.delivered() < least => {
                Err(format!("{:.2} % arrived, less than {least}", sum.delivered()).into())
            }
            _ if sum.arrived == 0 => Err("nothing arrived".into()),
            _ => Ok(()),
        }
    }

    /// All go in, those who send first.
    async fn enter(
        &self,
        form: Form,
        watch: &Arc<Watch>,
        members: &mut Vec<Member>,
        tasks: &mut JoinSet<Failed>,
    ) -> Result<(), Failed> {
        let name = match &self.room {
            Some(name) => name.clone(),
            None => secret_name()?,
        };
        let all = usize::from(self.publishers) + usize::from(self.watchers);
        for number in 0..all {
            let sends = number < usize::from(self.publishers);
            let (session, events) = self.reach.one_of_many(sends).connect().await?;
            let kind = SessionKind::audio_video();
            let mut policy = RoomPolicy::default();
            policy.hidden = true;
            policy.max_participants_allowed = 1_000;
            let mut request = RoomRequest::from(name.as_str())
                .session(kind)
                .policy(policy);
            if let Some(password) = &self.password {
                request = request.password(password);
            }
            if sends {
                let mut known = watch
                    .publishers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                known.insert(session.userid(), number);
            }
            let room = session.open_or_join(request).await?;
            tasks.spawn(attend(number, events, watch.clone()));
            let mut publisher = None;
            if sends {
                let rate = Rate {
                    bits: self.kbits.saturating_mul(1_000),
                    pictures: self.fps,
                };
                let started = Publisher::start(watch.begun, rate);
                let options = StreamOptions::codecs(Publisher::codecs());
                room.add_stream_with(started.stream(), options)?;
                publisher = Some(started);
            }
            members.push(Member {
                session,
                room,
                publisher,
            });
            if (number + 1) % 50 == 0 {
                let words = format!("{} of {all} are there", number + 1);
                form.say(
                    "entering",
                    &words,
                    json!({ "there": number + 1, "of": all }),
                );
            }
        }
        Ok(())
    }

    /// Tracks that are to arrive, each by each who watches.
    fn ways(&self, members: &[Member]) -> usize {
        let others = members.len().saturating_sub(1);
        let publishers = members
            .iter()
            .filter_map(|member| member.publisher.as_ref());
        publishers
            .map(|publisher| publisher.tracks.len().saturating_mul(others))
            .sum()
    }

    async fn count(
        &self,
        form: Form,
        watch: &Watch,
        members: &[Member],
        ways: usize,
        server: Option<(Http, String)>,
    ) -> Result<Sum, Failed> {
        let waiting = Instant::now();
        while watch.tally.ways() < ways && waiting.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let complete = waiting.elapsed();
        each(members, |number, track| {
            watch.tally.begin(number, track.kind, track.count());
        });
        let mut before = Costs::look(server.as_ref()).await?;
        let begun = Instant::now();
        let all = Duration::from_secs(self.seconds);
        while let Some(rest) = all
            .checked_sub(begun.elapsed())
            .filter(|rest| !rest.is_zero())
        {
            tokio::time::sleep(rest.min(LOOKS)).await;
            if begun.elapsed() < all {
                let words = format!("{} of {} s", begun.elapsed().as_secs(), self.seconds);
                let object = json!({ "seconds": begun.elapsed().as_secs_f64() });
                form.say("measuring", &words, object);
            }
        }
        each(members, |number, track| {
            watch.tally.end(number, track.kind, track.count());
        });
        let span = begun.elapsed();
        let after = Costs::look(server.as_ref()).await?;
        before.until(after, span);
        tokio::time::sleep(LAST).await;
        let others = u64::try_from(members.len().saturating_sub(1)).unwrap_or(u64::MAX);
        let sum = watch.tally.sum(|_| others);
        let in_rooms = members.iter().filter(|member| member.room.state().is_ok());
        tell(form, sum, before, complete, in_rooms.count());
        Ok(sum)
    }
}

fn each(members: &[Member], mut f: impl FnMut(usize, &super::publisher::Sent)) {
    for (number, member) in members.iter().enumerate() {
        for track in member.publisher.iter().flat_map(|sends| &sends.tracks) {
            f(number, track);
        }
    }
}

/// A room that nobody meets by chance.
fn secret_name() -> Result<String, Failed> {
    let mut bytes = [0; 8];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut bytes)
        .map_err(|_| "the system has no randomness")?;
    Ok(format!("load-test-{:016x}", u64::from_be_bytes(bytes)))
}

/// What the first of all says that is thrown out.
async fn unless_ended(tasks: &mut JoinSet<Failed>) -> Failed {
    match tasks.join_next().await {
        Some(Ok(failed)) => failed,
        Some(Err(error)) => error.into(),
        None => std::future::pending().await,
    }
}

/// Watches whatever comes; ends when this one is out of the room.
async fn attend(number: usize, mut events: Events, watch: Arc<Watch>) -> Failed {
    let mut tracks = JoinSet::new();
    while let Some(event) = events.next().await {
        if let Some(result) = over(&event) {
            return result.err().unwrap_or_else(|| "the room was closed".into());
        }
        let Event::Track { userid, track, .. } = event else {
            continue;
        };
        let known = watch
            .publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(publisher) = known.get(&userid).copied() {
            tracks.spawn(count(number, publisher, track, watch.clone()));
        }
    }
    "a session ended".into()
}

async fn count(watcher: usize, publisher: usize, track: MediaStreamTrack, watch: Arc<Watch>) {
    let way = way(watcher, publisher, track.kind());
    while let Some(sample) = track.recv_sample().await {
        if let Some(stamp) = frame::read(&sample.data) {
            watch.tally.came(way);
            let latency = frame::latency(watch.begun, stamp, sample.received);
            watch.tally.frame(way, stamp, latency, sample.received);
        }
    }
}

/// Seconds of processors, of this process and of the server, and what part of the span.
#[derive(Debug, Clone, Copy, Default)]
struct Costs {
    own: Option<f64>,
    server: Option<f64>,
}

impl Costs {
    async fn look(server: Option<&(Http, String)>) -> Result<Self, Failed> {
        let server = match server {
            Some((http, base)) => {
                http.get(&format!("{base}/api/stats")).await?["cpuSeconds"].as_f64()
            }
            None => None,
        };
        Ok(Self {
            own: own_seconds(),
            server,
        })
    }

    /// Turns what was into the part of one processor, of a hundred, that it took until then.
    fn until(&mut self, later: Self, span: Duration) {
        let part = |before: Option<f64>, after: Option<f64>| {
            let used = after? - before?;
            Some(100.0 * used.max(0.0) / span.as_secs_f64().max(1e-3))
        };
        self.own = part(self.own, later.own);
        self.server = part(self.server, later.server);
    }
}

/// `utime` and `stime` in ticks of 10 ms; Linux alone tells.
fn own_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit(')').next()?.split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some(ticks / 100.0)
}

fn tell(form: Form, sum: Sum, costs: Costs, complete: Duration, there: usize) {
    let ms = sum.latency.map(|latency| latency.as_millis());
    let [half, most, nearly] = ms;
    let part = |who: &str, part: Option<f64>| {
        part.map_or(String::new(), |part| {
            format!("; {who} took {part:.0} % of a processor")
        })
    };
    let silent = match sum.silent {
        0 => String::new(),
        silent => format!("; nothing came of {silent} of {} tracks", sum.ways),
    };
    let words = format!(
        "{:.2} % arrived, {} of {} frames; {half} ms, 95 of a hundred {most}, 99 {nearly}; longest gap {} ms; \
         complete after {:.1} s{silent}{}{}",
        sum.delivered(),
        sum.arrived,
        sum.sent,
        sum.gap.as_millis(),
        complete.as_secs_f64(),
        part("the server", costs.server),
        part("this process", costs.own),
    );
    let object: Value = json!({
        "deliveredPercent": sum.delivered(),
        "frames": sum.arrived,
        "framesSent": sum.sent,
        "tracks": sum.ways,
        "silentTracks": sum.silent,
        "latencyMs": { "p50": half, "p95": most, "p99": nearly },
        "longestGapMs": sum.gap.as_millis(),
        "completeSeconds": complete.as_secs_f64(),
        "users": there,
        "serverCpuPercent": costs.server,
        "ownCpuPercent": costs.own,
    });
    form.say("load", &words, object);
}
