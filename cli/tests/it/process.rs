//! Processes of the command, which end with the test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// For a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ortc-cli-it-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn ortc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ortc"));
    command.args(arguments).kill_on_drop(true);
    for name in [
        "ORTC_SERVER",
        "ORTC_TOKEN",
        "ORTC_NAME",
        "ORTC_SECRET",
        "ORTC_PASSWORD",
    ] {
        command.env_remove(name);
    }
    command
}

/// A server.
pub(crate) struct Serve {
    child: Child,
    pub(crate) port: u16,
    pub(crate) address: String,
    state: PathBuf,
    more: Vec<String>,
    _folder: Option<Folder>,
}

impl Serve {
    pub(crate) async fn start(more: &[&str]) -> Self {
        let folder = Folder::new();
        let more = more.iter().map(|&word| word.to_owned()).collect();
        let mut serve = Self::on(0, &folder.0, more).await;
        serve._folder = Some(folder);
        serve
    }

    async fn on(port: u16, state: &Path, more: Vec<String>) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let mut command = ortc(&["serve", "--listen", &listen, "--state-dir"]);
        command.arg(state).args(&more).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let first = first.expect("the server says where it is");
        let port = first
            .trim_end_matches('/')
            .rsplit(':')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        // What else it says is not to fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child,
            port,
            address: format!("127.0.0.1:{port}"),
            state: state.to_owned(),
            more,
            _folder: None,
        }
    }

    /// SIGKILL, and a new one at the same address.
    pub(crate) async fn kill_and_restart(&mut self, pause: Duration) {
        self.kill().await;
        tokio::time::sleep(pause).await;
        let folder = self._folder.take();
        let (state, more) = (self.state.clone(), std::mem::take(&mut self.more));
        *self = Self::on(self.port, &state, more).await;
        self._folder = folder;
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A command that prints an object a line.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    input: Option<ChildStdin>,
    pub(crate) seen: Vec<Value>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// With more in its environment.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = ortc(arguments);
        command.envs(environment.iter().copied());
        command
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            input: child.stdin.take(),
            child,
            seen: Vec::new(),
        }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let Ok(line) = line else {
            panic!("nothing more came after {:#?}", self.seen);
        };
        let value: Value = serde_json::from_str(&line.unwrap()?).unwrap();
        self.seen.push(value.clone());
        Some(value)
    }

    /// Reads up to an event of this kind.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Some(event) if event["event"] == kind => return event,
                Some(_) => {}
                None => panic!("no {kind} among {:#?}", self.seen),
            }
        }
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Reads to the end; the exit code.
    pub(crate) async fn end(&mut self) -> i32 {
        while self.next().await.is_some() {}
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        status.code().unwrap_or(-1)
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGINT).unwrap();
    }
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) async fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = timeout(PATIENCE, ortc(arguments).output())
        .await
        .unwrap()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let _ = std::io::stderr().write_all(&output.stderr);
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}
