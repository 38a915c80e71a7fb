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
            .env_remove("ORTC_SERVER")
            .env("ORTC_CONFIG_FILE", "/no/such/file")
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

    /// Ctrl-C.
    fn interrupt(&self) {
        let id = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGINT).unwrap();
    }

    fn past(&mut self, bytes: u64) {
        self.line(|line| {
            let object: serde_json::Value = serde_json::from_str(line).ok()?;
            let further = object["event"] == "progress" && object["bytes"].as_u64()? > bytes;
            further.then_some(())
        });
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
    send.past(3_000_000);
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

/// Those who have it leave at once: the others are waited for all the same.
#[test]
fn c44_all_who_are_in_a_room_get_a_file() {
    let (_server, url) = server();
    let (from, to) = (Folder::new("all-from"), Folder::new("all-to"));
    let (file, data) = from.write("notes.txt", 5_000);
    let folders: Vec<PathBuf> = (0..4).map(|at| to.0.join(at.to_string())).collect();
    let recv = |folder: &PathBuf| {
        let folder = folder.to_str().unwrap();
        let room = ["recv", "--yes", "--room", "team", "--server", &url, "--to"];
        Process::new(&[&room[..], &[folder]].concat())
    };
    let all: Vec<Process> = folders.iter().map(recv).collect();
    let mut there = Process::new(&["room", "list", "--server", &url, "--watch", "--json"]);
    there.line(|line| line.contains("\"users\":4").then_some(()));
    let send = Process::new(&["send", "--room", "team", "--server", &url, &file]);
    let (status, said) = send.end();
    assert_eq!(status, 0, "{said}");
    for (recv, folder) in all.into_iter().zip(&folders) {
        let (status, said) = recv.end();
        assert_eq!(status, 0, "{said}");
        assert!(same(&folder.join("notes.txt"), &data));
    }
}

/// Three wrong codes, and the right one is worth nothing any more.
#[test]
fn c92_three_wrong_codes_end_an_offer() {
    let (_server, url) = server();
    let (from, to) = (Folder::new("guess-from"), Folder::new("guess-to"));
    let (file, _) = from.write("secret.txt", 100);
    let mut send = Process::new(&["send", "--json", "--server", &url, &file]);
    let code = send.member("code").as_str().unwrap().to_owned();
    let first = code.split('-').next().unwrap();
    for left in [2, 1, 0] {
        let wrong = format!("{first}-abandon-ability");
        let recv = ["recv", "--yes", "--server", &url, "--to", to.text(), &wrong];
        let (status, said) = Process::new(&recv).end();
        assert_eq!(status, 5, "{said}");
        assert!(said.contains("the code is wrong"), "{said}");
        assert_eq!(send.member("left"), left);
    }
    let (status, said) = send.end();
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("not valid any more"), "{said}");
    assert!(std::fs::read_dir(&to.0).unwrap().next().is_none());
}

/// Neither a server nor a setting: the two find each other by multicast DNS.
#[test]
fn c92_e01_two_in_one_network_need_no_server() {
    let (from, to) = (Folder::new("lan-from"), Folder::new("lan-to"));
    let (file, data) = from.write("photo.jpg", 2_000_000);
    let mut send = Process::new(&["send", "--json", &file]);
    let code = send.member("code").as_str().unwrap().to_owned();
    let recv = Process::new(&["recv", "--yes", "--to", to.text(), &code]);
    let (status, said) = recv.end();
    assert_eq!(status, 0, "{said}");
    let sum = said.lines().rfind(|line| line.contains("/s, "));
    assert!(sum.is_some_and(|line| line.contains("direct")), "{said}");
    let (status, said) = send.end();
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("\"direct\":true"), "{said}");
    assert!(same(&to.0.join("photo.jpg"), &data));
}

/// Ctrl-C at either end leaves what goes on with the command that is printed.
#[test]
fn r_i06_what_ctrl_c_leaves_is_gone_on_with() {
    let (_server, url) = server();
    let (from, to) = (Folder::new("int-from"), Folder::new("int-to"));
    let (film, data) = from.write("a film.bin", 14_000_000);
    let slow = ["send", "--json", "--limit", "4M", "--server", &url, &film];
    let mut send = Process::new(&slow);
    let code = send.member("code").as_str().unwrap().to_owned();
    let to = to.text();
    let recv = [
        "recv", "--json", "--yes", "--server", &url, "--to", to, &code,
    ];
    let mut first = Process::new(&recv);
    first.past(3_000_000);
    first.interrupt();
    let (status, said) = first.end();
    assert_eq!(status, 130, "{said}");
    assert!(
        said.contains(&format!("ortc recv --json --yes --server {url}")),
        "{said}"
    );
    // The same command, as it says.
    let mut second = Process::new(&recv);
    second.past(7_000_000);
    send.interrupt();
    let (status, said) = send.end();
    assert_eq!(status, 130, "{said}");
    let how = said
        .lines()
        .find(|line| line.contains("ortc send"))
        .unwrap();
    assert!(how.contains(&format!("--code {code}")), "{said}");
    assert!(how.contains("a film.bin'"), "{said}");
    let again = ["send", "--json", "--server", &url, &film, "--code", &code];
    let (status, said) = Process::new(&again).end();
    assert_eq!(status, 0, "{said}");
    let (status, said) = second.end();
    assert_eq!(status, 0, "{said}");
    let last = said.lines().rfind(|line| line.contains("\"done\","));
    let done: serde_json::Value = serde_json::from_str(last.unwrap()).unwrap();
    assert!(done["bytes"].as_u64().unwrap() < 8_000_000, "{said}");
    assert!(same(&Path::new(to).join("a film.bin"), &data));
}

/// Through a pipe at both ends, with a picture of the code.
#[test]
fn c44_what_comes_through_a_pipe_goes_into_one() {
    use std::io::Write;
    let (_server, url) = server();
    let mut sender = Command::new(env!("CARGO_BIN_EXE_ortc"))
        .args(["send", "--qr", "always", "--server", &url, "-"])
        .env("ORTC_CONFIG_FILE", "/no/such/file")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    sender.stdin.take().unwrap().write_all(&data).unwrap();
    let mut said = BufReader::new(sender.stderr.take().unwrap()).lines();
    let mut said = said.by_ref().map(Result::unwrap);
    let line = said.find(|line| line.contains("ortc recv")).unwrap();
    assert!(line.contains(&format!("--server {url}")), "{line}");
    let code = line.split_whitespace().nth(2).unwrap().to_owned();
    assert!(said.next().unwrap().contains('█'));
    let got = Command::new(env!("CARGO_BIN_EXE_ortc"))
        .args(["recv", "--yes", "--to", "-", "--server", &url, &code])
        .env("ORTC_CONFIG_FILE", "/no/such/file")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(got.status.success());
    assert!(got.stdout == data);
    assert!(said.any(|line| line.starts_with("sent, and checked")));
    assert!(sender.wait().unwrap().success());
}

/// A file of the user's says what is not said otherwise; the manual has a page for each command.
#[test]
fn e01_a_file_has_the_settings_and_a_folder_the_manual() {
    let (_server, url) = server();
    let (from, to) = (Folder::new("conf-from"), Folder::new("conf-to"));
    let (file, data) = from.write("notes.txt", 5_000);
    let config = from.0.join("config.toml");
    let text = format!(
        "server = \"{url}\"\n[recv]\nyes = true\nto = \"{}\"\n",
        to.text()
    );
    std::fs::write(&config, text).unwrap();
    let configured = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ortc"));
        command.args(words).env("ORTC_CONFIG_FILE", &config);
        command.env_remove("ORTC_SERVER").stdin(Stdio::null());
        command
    };
    let mut send = configured(&["send", "--json", "--room", "team", &file])
        .spawn()
        .unwrap();
    let got = configured(&["recv", "--room", "team"]).output().unwrap();
    assert!(got.status.success(), "{got:?}");
    assert!(send.wait().unwrap().success());
    assert!(same(&to.0.join("notes.txt"), &data));

    std::fs::write(&config, "sever = 1").unwrap();
    let got = configured(&["recv", "--room", "team"]).output().unwrap();
    let said = String::from_utf8_lossy(&got.stderr).into_owned();
    assert_eq!(got.status.code(), Some(2), "{said}");
    assert!(said.contains("config.toml: `sever`"), "{said}");

    let manual = to.0.join("man");
    let (status, said) = Process::new(&["man", manual.to_str().unwrap()]).end();
    assert_eq!(status, 0, "{said}");
    let page = std::fs::read_to_string(manual.join("ortc-send.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("tar c"), "{page}");
}
