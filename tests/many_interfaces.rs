//! Two hosts on one link, each with bridges that lead nowhere: two processes of this test, each in
//! a network namespace of its own, which ends with it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::within;
use ortc::{RTCConnection, RTCConnectionEvent, RTCConnectionOptions};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const INSIDE: &str = "ORTC_TEST_INSIDE_HOST";
/// The promise is 2 s; the rest is for a busy machine, since the order of checks is tested on a
/// virtual clock.
const LIMIT: Duration = Duration::from_secs(5);

struct Host {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Host {
    /// A process that waits in a network of its own. `sysfs`: `/sys` shows that network.
    async fn new(sysfs: bool) -> Self {
        let mount = if sysfs {
            "mount -t sysfs none /sys"
        } else {
            "true"
        };
        let script = format!(
            "{mount}; ip link set lo up; echo ready; read -r go; \
             exec \"$0\" --exact the_host_inside --nocapture --test-threads 1"
        );
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut host = Self {
            child,
            stdin,
            lines,
        };
        let ready = within(10, host.lines.next_line()).await.unwrap();
        assert_eq!(
            ready.as_deref(),
            Some("ready"),
            "needs root, unshare and ip"
        );
        host
    }

    fn pid(&self) -> String {
        self.child.id().unwrap().to_string()
    }

    async fn ip(&self, batch: &str) {
        let mut ip = Command::new("nsenter")
            .args(["-t", &self.pid(), "-n", "ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = ip.stdin.take().unwrap();
        stdin.write_all(batch.as_bytes()).await.unwrap();
        drop(stdin);
        assert!(within(20, ip.wait()).await.unwrap().success());
    }

    /// The kernel looks after its links once a second.
    async fn links_are_up(&self) {
        within(10, async {
            loop {
                let links = Command::new("nsenter")
                    .args(["-t", &self.pid(), "-n", "ip", "-br", "link"])
                    .output();
                let links = String::from_utf8(links.await.unwrap().stdout).unwrap();
                if !links.contains("DOWN") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.write_all(line.as_bytes()).await.unwrap();
    }

    /// The next line of that kind; the test harness has lines of its own.
    async fn hear(&mut self, kind: &str) -> String {
        within(20, async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("a line");
                if let Some(at) = line.find(kind) {
                    return line[at + kind.len()..].to_owned();
                }
            }
        })
        .await
    }
}

/// Milliseconds from `connect` to connected, of both.
async fn hosts(bridges: usize, prefix: &str, sysfs: bool) -> [u64; 2] {
    let mut hosts = [Host::new(sysfs).await, Host::new(sysfs).await];
    let other = hosts[1].pid();
    let link = format!("link add eth0 type veth peer name eth0 netns {other}\n");
    hosts[0].ip(&link).await;
    for (at, host) in hosts.iter().enumerate() {
        let mut batch = format!(
            "addr add 10.99.0.{}/24 dev eth0\nlink set eth0 up\n",
            at + 1
        );
        for n in 0..bridges {
            // A port with a carrier: the bridge is up.
            batch += &format!(
                "link add {prefix}{n} type bridge\n\
                 link add p{n} type veth peer name q{n}\n\
                 link set p{n} master {prefix}{n} up\n\
                 link set q{n} up\n\
                 addr add 172.{}.0.1/16 dev {prefix}{n}\n\
                 link set {prefix}{n} up\n",
                17 + n
            );
        }
        host.ip(&batch).await;
    }
    for host in &hosts {
        host.links_are_up().await;
    }
    let mut said = Vec::new();
    for host in &mut hosts {
        host.say("go").await;
        let side = host.hear("SIDE ").await;
        said.push((side, host.hear("CANDIDATES ").await));
    }
    for (at, host) in hosts.iter_mut().enumerate() {
        let (side, candidates) = said[1 - at].clone();
        host.say(&side).await;
        host.say(&candidates).await;
    }
    let mut times = [0; 2];
    for (time, host) in times.iter_mut().zip(&mut hosts) {
        *time = host.hear("CONNECTED ").await.parse().unwrap();
    }
    println!("{bridges} bridges {prefix}, sysfs {sysfs}: {times:?} ms");
    times
}

/// The process inside; by itself it is no test.
#[tokio::test]
async fn the_host_inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let mut stdin = BufReader::new(tokio::io::stdin()).lines();
    let (connection, mut events) = RTCConnection::new(RTCConnectionOptions::default()).unwrap();
    let mut candidates = Vec::new();
    loop {
        match events.next().await.unwrap() {
            RTCConnectionEvent::Candidate(candidate) => candidates.push(candidate),
            RTCConnectionEvent::EndOfCandidates => break,
            _ => {}
        }
    }
    println!(
        "\nSIDE {}",
        serde_json::to_string(&connection.local()).unwrap()
    );
    println!("CANDIDATES {}", serde_json::to_string(&candidates).unwrap());
    let side = stdin.next_line().await.unwrap().unwrap();
    let theirs = stdin.next_line().await.unwrap().unwrap();
    connection
        .set_remote(serde_json::from_str(&side).unwrap())
        .unwrap();
    let theirs: Vec<serde_json::Value> = serde_json::from_str(&theirs).unwrap();
    for candidate in theirs {
        let candidate = serde_json::from_value(candidate).unwrap();
        connection.set_remote_candidate(&candidate).unwrap();
    }
    let begin = Instant::now();
    connection.connect().unwrap();
    within(15, connection.connected()).await.unwrap();
    println!("CONNECTED {}", begin.elapsed().as_millis());
    // The peer needs it still.
    let _ = stdin.next_line().await;
}

#[tokio::test]
async fn g042_r_c14_hosts_with_bridges_connect() {
    for (bridges, prefix, sysfs) in [
        (0, "br-", true),
        (5, "br-", true),
        (10, "br-", true),
        (15, "br-", true),
        // Neither name nor kernel tells what they are.
        (10, "a", false),
        (15, "a", false),
        // The kernel alone does.
        (15, "a", true),
    ] {
        let times = hosts(bridges, prefix, sysfs).await;
        let slowest = Duration::from_millis(times[0].max(times[1]));
        assert!(slowest < LIMIT, "{bridges} bridges {prefix}: {times:?} ms");
    }
}
