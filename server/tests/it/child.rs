//! A server in a process of its own: one that can be killed, starved and weighed.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use ortc_server::{Server, Settings};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child as Process, Command};
use tokio::time::{sleep, timeout};

use crate::client::PATIENCE;

const SETTINGS: &str = "ORTC_TEST_SETTINGS";

/// The process.
pub(crate) struct Child {
    process: Process,
    pub(crate) at: SocketAddr,
}

impl Child {
    /// With these settings as TOML; `files` is how many it may have open.
    pub(crate) async fn new(settings: &str, files: Option<u32>) -> Self {
        let test = std::env::current_exe().unwrap();
        let limit = files.map_or(String::new(), |files| format!("ulimit -n {files}; "));
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "{limit}exec \"$0\" --exact child::serves --ignored --nocapture"
            ))
            .arg(test)
            .env(SETTINGS, settings)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let found = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server ended");
                if let Some((_, at)) = line.split_once("serves at ") {
                    return at.parse().unwrap();
                }
            }
        };
        let at = timeout(PATIENCE, found).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, at }
    }

    /// Memory that is held, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Kills it without a word, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Not a test: what the process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a server for other tests"]
async fn serves() {
    let Ok(text) = std::env::var(SETTINGS) else {
        return;
    };
    let mut settings = Settings::new();
    settings.text("settings".as_ref(), &text).unwrap();
    let server = Server::bind(settings.finish().unwrap()).await.unwrap();
    println!("serves at {}", server.address());
    sleep(Duration::from_secs(600)).await;
}
