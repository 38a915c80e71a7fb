//! `ortc send` and `ortc recv`, as processes, by a server of their own.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes so long.
const LIMIT: Duration = Duration::from_secs(120);

/// A process that ends with the test.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn new(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ortc"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The first line on standard output that is wanted.
    fn line<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        for line in self.lines.by_ref() {
            if let Some(found) = wanted(&line.unwrap()) {
                return found;
            }
        }
        panic!("it ended: {}", self.errors());
    }

    /// The value of a member of the first object that has it.
    fn member(&mut self, name: &str) -> serde_json::Value {
        self.line(|line| {
            let object: serde_json::Value = serde_json::from_str(line).ok()?;
            object.get(name).cloned()
        })
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        let _ = self.child.stderr.take().unwrap().read_to_string(&mut text);
        text
    }

    fn end(mut self) -> (i32, String) {
        let begun = Instant::now();
        // What it says must not keep it from ending.
        let said: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let errors = self.errors();
                return (
                    status.code().unwrap_or(-1),
                    format!("{}\n{errors}", said.join("\n")),
                );
            }
            assert!(begun.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, and its WebSocket.
fn server() -> (Process, String) {
    let mut server = Process::new(&["serve", "--listen", "127.0.0.1:0", "--stun-port", "0"]);
    let url = server.line(|line| line.strip_prefix("open http").map(str::to_owned));
    let url = format!("ws{}/ws", url.trim_end_matches('/'));
    (server, url)
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ortc-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn write(&self, name: &str, size: usize) -> (String, Vec<u8>) {
        let data: Vec<u8> = (0..size).map(|n| (n * 13 + n / 255) as u8).collect();
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &data).unwrap();
        (path.to_str().unwrap().to_owned(), data)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn same(path: &Path, data: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|got| got == data)
}

#[test]
fn c92_e01_files_go_by_a_code_and_a_wrong_one_is_told() {
    let (_server, url) = server();
    let (from, to) = (Folder::new("from"), Folder::new("to"));
    let (photo, data) = from.write("photo.jpg", 3_000_000);
    from.write("album/one.txt", 10);
    from.write("album/deeper/two.txt", 20);
    let album = from.0.join("album").to_str().unwrap().to_owned();
    let mut send = Process::new(&["send", "--json", "--server", &url, &photo, &album]);
    let code = send.member("code").as_str().unwrap().to_owned();

    // The first word is right, so they meet; the rest is not.
    let first = code.split('-').next().unwrap();
    let other = if code.ends_with("-zoo") {
        "zone"
    } else {
        "zoo"
    };
    let wrong = format!("{first}-{other}-{other}");
    let recv = Process::new(&["recv", "--yes", "--server", &url, "--to", to.text(), &wrong]);
    let (status, said) = recv.end();
    assert_eq!(status, 5, "{said}");
    assert_eq!(send.member("left"), 2);
    assert!(std::fs::read_dir(&to.0).unwrap().next().is_none());

    // Nobody to ask: refused, unless --yes.
    let recv = [
        "recv",
        "--json",
        "--yes",
        "--server",
        &url,
        "--to",
        to.text(),
        &code,
    ];
    let (status, said) = Process::new(&recv).end();
    assert_eq!(status, 0, "{said}");
    let hash = said
        .lines()
        .find(|line| line.contains("photo.jpg") && line.contains("blake3"));
    assert!(hash.is_some(), "{said}");
    let (status, said) = send.end();
    assert_eq!(status, 0, "{said}");
    assert!(same(&to.0.join("photo.jpg"), &data));
    assert_eq!(
        std::fs::read(to.0.join("album/deeper/two.txt"))
            .unwrap()
            .len(),
        20
    );
}

#[test]
fn r_i06_a_killed_sender_goes_on_under_its_code() {
    let (_server, url) = server();
    let (from, to) = (Folder::new("again-from"), Folder::new("again-to"));
    let (film, data) = from.write("film.bin", 12_000_000);
    let slow = ["send", "--json", "--limit", "3M", "--server", &url, &film];
    let mut send = Process::new(&slow);
    let code = send.member("code").as_str().unwrap().to_owned();
    let recv = [
        "recv",
        "--json",
        "--yes",
        "--server",
        &url,
        "--to",
        to.text(),
        &code,
    ];
    let recv = Process::new(&recv);
    send.line(|line| {
        let object: serde_json::Value = serde_json::from_str(line).ok()?;
        (object.get("bytes")?.as_u64()? > 3_000_000).then_some(())
    });
    drop(send);
    let mut send = Process::new(&["send", "--json", "--code", &code, "--server", &url, &film]);
    send.line(|line| line.contains("\"state\":\"done\"").then_some(()));
    let (status, said) = send.end();
    assert_eq!(status, 0, "{said}");
    let (status, said) = recv.end();
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("\"kept\":3145728") || said.contains("\"kept\":4194304"),
        "{said}"
    );
    assert!(same(&to.0.join("film.bin"), &data));
}

#[test]
fn c44_text_goes_by_a_code_and_files_to_a_room() {
    let (_server, url) = server();
    let mut send = Process::new(&["send", "--json", "--server", &url, "--text", "hello\nyou"]);
    let code = send.member("code").as_str().unwrap().to_owned();
    let spoken = code.replace('-', " ");
    let words: Vec<&str> = spoken.split(' ').collect();
    let recv = [&["recv", "--server", &url][..], &words].concat();
    let (status, said) = Process::new(&recv).end();
    assert_eq!((status, said.trim_end()), (0, "hello\nyou"));
    assert_eq!(send.end().0, 0);

    let (from, to) = (Folder::new("room-from"), Folder::new("room-to"));
    let (file, data) = from.write("notes.txt", 5_000);
    let recv = [
        "recv",
        "--yes",
        "--room",
        "team",
        "--server",
        &url,
        "--to",
        to.text(),
    ];
    let recv = Process::new(&recv);
    let send = Process::new(&["send", "--room", "team", "--server", &url, &file]);
    let (status, said) = recv.end();
    assert_eq!(status, 0, "{said}");
    assert_eq!(send.end().0, 0);
    assert!(same(&to.0.join("notes.txt"), &data));
}
