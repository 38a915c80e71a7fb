//! Networks of network namespaces, and connections in processes of their own inside them. All ends
//! with the test. Needs root, `unshare`, `nsenter`, `ip` and `nft`.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ortc::{
    MediaStream, MediaStreamTrack, RTCCandidatePolicy, RTCConnection, RTCConnectionEvent,
    RTCConnectionOptions, RTCDataChannel, RTCDataChannelMessage, RTCDataChannelOptions,
    RTCIceServer, RTCTrackDescription,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};

use super::within;

const INSIDE: &str = "ORTC_TEST_INSIDE_NETWORK";
/// Among the servers: ICE restarts by itself.
pub(crate) const AUTO_RESTART: &str = "auto-restart";
/// Before what an end says; the test harness has lines of its own.
const MARK: &str = "@@";

/// A network namespace.
pub(crate) struct Namespace {
    child: Child,
}

impl Namespace {
    pub(crate) async fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c"])
            .arg("ip link set lo up && echo ready && exec sleep 3600")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = within(10, lines.next_line()).await.unwrap();
        assert_eq!(ready.as_deref(), Some("ready"), "needs root and unshare");
        Self { child }
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().unwrap().to_string()
    }

    /// A command that runs inside.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid(), "-n"]).arg(program);
        command.kill_on_drop(true);
        command
    }

    async fn feed(&self, mut command: Command, script: &str) {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).await.unwrap();
        drop(stdin);
        let status = within(20, child.wait()).await.unwrap();
        assert!(status.success(), "{script}");
    }

    pub(crate) async fn ip(&self, batch: &str) {
        let mut ip = self.command("ip");
        ip.args(["-batch", "-"]);
        self.feed(ip, batch).await;
    }

    pub(crate) async fn nft(&self, script: &str) {
        let mut nft = self.command("nft");
        nft.args(["-f", "-"]);
        self.feed(nft, script).await;
    }

    /// Nothing goes out by UDP.
    pub(crate) async fn block_udp(&self) {
        let rules = "add table inet t\n\
            add chain inet t out { type filter hook output priority 0; }\n\
            add rule inet t out meta l4proto udp drop\n";
        self.nft(rules).await;
    }

    /// Passes on what is for others.
    pub(crate) async fn forward(&self) {
        let mut sysctl = self.command("sysctl");
        sysctl.args(["-q", "-w", "net.ipv4.ip_forward=1"]);
        assert!(within(10, sysctl.status()).await.unwrap().success());
    }

    /// A cable: an interface and its address here, and there.
    pub(crate) async fn cable(&self, here: (&str, &str), there: &Self, other: (&str, &str)) {
        let ((name, addr), (peer, peer_addr)) = (here, other);
        let link = format!(
            "link add {name} type veth peer name {peer} netns {}\n\
             addr add {addr} dev {name}\nlink set {name} up\n",
            there.pid()
        );
        self.ip(&link).await;
        let link = format!("addr add {peer_addr} dev {peer}\nlink set {peer} up\n");
        there.ip(&link).await;
        self.links_are_up().await;
        there.links_are_up().await;
    }

    /// The same without addresses but those that the kernel gives to each link.
    pub(crate) async fn bare_cable(&self, name: &str, there: &Self, peer: &str) {
        let link = format!(
            "link add {name} type veth peer name {peer} netns {}\nlink set {name} up\n",
            there.pid()
        );
        self.ip(&link).await;
        there.ip(&format!("link set {peer} up\n")).await;
        self.links_are_up().await;
        there.links_are_up().await;
    }

    /// The kernel looks after its links once a second.
    async fn links_are_up(&self) {
        within(10, async {
            loop {
                let mut ip = self.command("ip");
                let links = ip.args(["-br", "link"]).output().await.unwrap();
                if !String::from_utf8_lossy(&links.stdout).contains("DOWN") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}

/// How a connection in a process of its own is made.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Setup {
    /// URLs; all have the same credentials.
    pub(crate) servers: Vec<String>,
    pub(crate) tcp: bool,
    /// In PEM, what servers over TLS are trusted by.
    pub(crate) certificates: Option<String>,
    pub(crate) relay_only: bool,
    pub(crate) link_local: bool,
    pub(crate) host_names: bool,
    /// It sends audio besides, and says what it receives.
    pub(crate) audio: bool,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<(Instant, String)>>,
    changed: Notify,
}

/// A process with one connection, which sends a numbered message every 20 ms.
pub(crate) struct Inside {
    child: Child,
    stdin: mpsc::UnboundedSender<String>,
    log: Arc<Log>,
}

impl Inside {
    /// `servers` are URLs; all have the same credentials.
    pub(crate) fn start(namespace: &Namespace, servers: &[String]) -> Self {
        let servers = servers.to_vec();
        let setup = Setup {
            servers,
            ..Setup::default()
        };
        Self::start_with(namespace, &setup)
    }

    pub(crate) fn start_with(namespace: &Namespace, setup: &Setup) -> Self {
        let mut child = namespace
            .command(std::env::current_exe().unwrap())
            .args(["--exact", "the_end_inside", "--nocapture"])
            .env(INSIDE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (stdin, mut said) = mpsc::unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(line) = said.recv().await {
                if input
                    .write_all(format!("{line}\n").as_bytes())
                    .await
                    .is_err()
                {
                    break;
                }
            }
        });
        let log = Arc::new(Log::default());
        let into = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(at) = line.find(MARK) {
                    let line = line[at + MARK.len()..].to_owned();
                    into.lines.lock().unwrap().push((Instant::now(), line));
                    into.changed.notify_waiters();
                }
            }
        });
        let inside = Self { child, stdin, log };
        inside.say(json!(setup).to_string());
        inside
    }

    pub(crate) fn say(&self, line: impl Into<String>) {
        let _ = self.stdin.send(line.into());
    }

    /// Sends a signal to the process.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let mut kill = Command::new("kill");
        let status = kill.args(["-s", name, &pid]).status();
        assert!(within(10, status).await.unwrap().success());
    }

    /// All that it said since then, without its messages, and when these paused.
    pub(crate) fn story(&self, since: Instant) -> String {
        const PAUSE: Duration = Duration::from_millis(300);
        let lines = self.log.lines.lock().unwrap();
        let mut story = String::new();
        let mut last = since;
        for (at, line) in lines.iter().filter(|(at, _)| *at >= since) {
            let is_message = line.starts_with("GOT");
            let after = *at - since;
            if is_message && *at - last > PAUSE {
                story += &format!("{after:9.3?} messages again after {:.3?}\n", *at - last);
            }
            if is_message {
                last = *at;
            } else {
                story += &format!("{after:9.3?} {line}\n");
            }
        }
        story + &format!("the last message {:.3?} after\n", last - since)
    }

    /// What it said of that kind since then, and when.
    pub(crate) fn said(&self, kind: &str, since: Instant) -> Vec<(Instant, String)> {
        let lines = self.log.lines.lock().unwrap();
        let lines = lines.iter().filter(|(at, _)| *at >= since);
        lines
            .filter_map(|(at, line)| Some((*at, line.strip_prefix(kind)?.trim().to_owned())))
            .collect()
    }

    /// Waits until it says something of that kind; when it first did so since then.
    pub(crate) async fn hears(
        &self,
        kind: &str,
        since: Instant,
        limit: Duration,
    ) -> Option<Instant> {
        let found = async {
            loop {
                let changed = self.log.changed.notified();
                if let Some((at, _)) = self.said(kind, since).first() {
                    return *at;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, found).await.ok()
    }

    /// Hands over all that the other one signals, from the beginning, as `change` has it.
    pub(crate) fn listens_to(
        &self,
        other: &Self,
        change: impl Fn(&str, Value) -> Vec<Value> + Send + 'static,
    ) {
        let (log, stdin) = (other.log.clone(), self.stdin.clone());
        tokio::spawn(async move {
            let mut read = 0;
            loop {
                let changed = log.changed.notified();
                let lines: Vec<String> = {
                    let lines = log.lines.lock().unwrap();
                    lines[read..].iter().map(|(_, line)| line.clone()).collect()
                };
                read += lines.len();
                if lines.is_empty() {
                    changed.await;
                }
                for line in lines {
                    let Some((kind @ ("SIDE" | "CANDIDATE" | "TRACK"), value)) =
                        line.split_once(' ')
                    else {
                        continue;
                    };
                    for value in change(kind, serde_json::from_str(value).unwrap()) {
                        let _ = stdin.send(format!("{kind} {value}"));
                    }
                }
            }
        });
    }
}

/// Two that tell each other everything.
pub(crate) fn introduce(a: &Inside, b: &Inside) {
    a.listens_to(b, |_, value| vec![value]);
    b.listens_to(a, |_, value| vec![value]);
}

/// What a process of a test does inside; elsewhere nothing.
pub(crate) async fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    log();
    let mut stdin = BufReader::new(tokio::io::stdin()).lines();
    let setup = stdin.next_line().await.unwrap().unwrap();
    let setup: Setup = serde_json::from_str(&setup).unwrap();
    let auto_restart = setup.servers.iter().any(|url| url == AUTO_RESTART);
    let servers = setup
        .servers
        .into_iter()
        .filter(|url| url != AUTO_RESTART)
        .map(|url| RTCIceServer::new(url).with_credential("user", "pass"));
    let mut options = RTCConnectionOptions::default()
        .ice_servers(servers)
        .auto_restart(auto_restart)
        .relay_only(setup.relay_only)
        .candidate_policy(
            RTCCandidatePolicy::default()
                .tcp(setup.tcp)
                .link_local(setup.link_local)
                .host_names(setup.host_names),
        );
    if let Some(certificates) = setup.certificates {
        options = options.ice_server_certificates(certificates);
    }
    let (connection, mut events) = RTCConnection::new(options).unwrap();
    let options = RTCDataChannelOptions::default().negotiated(0);
    let channel = connection.create_data_channel("", options).unwrap();
    tokio::spawn(count(channel.clone()));
    tokio::spawn(check(channel));
    let side = |connection: &RTCConnection| json!(connection.local()).to_string();
    say("SIDE", &side(&connection));
    if setup.audio {
        let track = speak(&connection);
        say("TRACK", &json!(track).to_string());
    }
    let mut connecting = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(RTCConnectionEvent::Candidate(candidate)) => {
                    say("CANDIDATE", &json!(candidate).to_string());
                }
                Some(event) => {
                    say(event.name(), &format!("{event:?}"));
                    if event == RTCConnectionEvent::Restarted {
                        say("SIDE", &side(&connection));
                    }
                }
                None => break,
            },
            line = stdin.next_line() => {
                let Ok(Some(line)) = line else { return };
                let (verb, value) = line.split_once(' ').unwrap_or((&line, "null"));
                match verb {
                    "SIDE" => {
                        connection.set_remote(serde_json::from_str(value).unwrap()).unwrap();
                        if !std::mem::replace(&mut connecting, true) {
                            connection.connect().unwrap();
                        }
                    }
                    "CANDIDATE" => {
                        let candidate = serde_json::from_str(value).unwrap();
                        let _ = connection.set_remote_candidate(&candidate);
                    }
                    "TRACK" => {
                        let track = serde_json::from_str(value).unwrap();
                        tokio::spawn(listen(connection.receive_track(track).unwrap()));
                    }
                    "RESTART" => {
                        connection.restart().unwrap();
                        say("SIDE", &side(&connection));
                    }
                    "STATS" => say("STATS", &format!("{:?}", connection.stats())),
                    _ => panic!("{line}"),
                }
            }
        }
    }
    let _ = stdin.next_line().await;
}

/// What the library logs of its path is said as well, for `Inside::story`.
fn log() {
    struct Lines;
    impl std::io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            say("LOG", String::from_utf8_lossy(line).trim_end());
            Ok(line.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .without_time()
        .with_ansi(false)
        .with_writer(|| Lines);
    subscriber.init();
}

fn say(kind: &str, what: &str) {
    println!("{MARK}{kind} {what}");
}

async fn count(channel: RTCDataChannel) {
    if channel.opened().await.is_err() {
        // There is no way: the event says so.
        return;
    }
    for n in 0u64.. {
        if channel.send(n.to_string()).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn check(channel: RTCDataChannel) {
    let mut next = 0u64;
    while let Some(message) = channel.recv().await {
        let right = message == RTCDataChannelMessage::from(next.to_string());
        say(if right { "GOT" } else { "WRONG" }, &next.to_string());
        next += 1;
    }
    say("ENDED", "");
}

/// Sends audio from now on.
fn speak(connection: &RTCConnection) -> RTCTrackDescription {
    const PACKET: Duration = Duration::from_millis(20);
    let stream = MediaStream::new();
    let track = stream.add_track(&MediaStreamTrack::audio());
    connection.add_stream(&stream).unwrap();
    let description = connection.track(&track).unwrap().description().unwrap();
    tokio::spawn(async move {
        while track.write_sample(vec![7; 40], PACKET).is_ok() {
            tokio::time::sleep(PACKET).await;
        }
    });
    description
}

async fn listen(track: MediaStreamTrack) {
    let mut count = 0u64;
    while track.recv_rtp().await.is_some() {
        if count.is_multiple_of(10) {
            say("HEARD", &count.to_string());
        }
        count += 1;
    }
}
