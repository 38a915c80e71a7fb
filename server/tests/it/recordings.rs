//! Recordings that are left at the server, and reports of what went wrong.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::server;
use crate::http::{Answer, ask, read};

const OPERATOR: &str = "Authorization: Bearer 0123456789abcdef\r\n";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ortc-kept-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name).join("kept"))
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

async fn keeping(folder: &Folder) -> ortc_server::Running {
    server(|config| {
        config.api_token = Some("0123456789abcdef".into());
        config.token_secret = Some(SECRET.into());
        config.recordings = Some(folder.0.clone());
        config.recording_mb = 1;
        config.recordings_mb = 2;
    })
    .await
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn c34_a_recording_is_left_listed_fetched_and_removed() {
    let folder = Folder::new();
    let server = keeping(&folder).await;
    let at = server.address();
    let token = async |wish: Value| {
        let more = format!("{OPERATOR}Content-Type: application/json\r\n");
        let answer = ask(at, "POST /api/tokens", &more, &wish.to_string()).await;
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        format!("Authorization: Bearer {token}\r\n")
    };
    let anna =
        token(json!({ "room": "team/one", "userid": "anna", "record": true, "once": true })).await;
    let bert = token(json!({ "room": "team/one", "userid": "bert" })).await;
    let carl = token(json!({ "room": "other", "role": "admin" })).await;
    let post = "POST /recordings?room=team%2Fone&name=Anna+1.webm";
    let typed = format!("{anna}Content-Type: video/webm;codecs=vp8\r\n");
    let left = ask(at, post, &typed, "a film").await;
    let id = id(&left);
    let about = left.json();
    assert_eq!(
        (
            &about["name"],
            &about["type"],
            &about["bytes"],
            &about["userid"]
        ),
        (
            &json!("Anna 1.webm"),
            &json!("video/webm"),
            &json!(6),
            &json!("anna")
        )
    );
    // Who may not: with what is missing.
    for (more, status, words) in [
        ("", 401, "api_token"),
        (
            "Authorization: Bearer nonsense\r\n",
            401,
            "not this server's",
        ),
        (&*bert, 403, "does not say `record`"),
        (&*carl, 403, "for other rooms"),
    ] {
        let answer = ask(at, post, more, "a film").await;
        assert!(
            answer.status == status && answer.body.contains(words),
            "{answer:?}"
        );
    }
    let foreign = format!("{anna}Origin: https://elsewhere.example\r\n");
    assert_eq!(ask(at, post, &foreign, "a film").await.status, 403);
    assert_eq!(
        ask(at, "POST /recordings?name=a", OPERATOR, "")
            .await
            .status,
        400
    );
    // Who may have it.
    let path = format!("GET /recordings/{id}");
    for (more, count, status) in [(OPERATOR, 1, 200), (&anna, 1, 200), (&carl, 0, 404)] {
        let listed = ask(at, "GET /recordings", more, "").await.json();
        assert_eq!(listed["recordings"].as_array().unwrap().len(), count);
        assert_eq!(ask(at, &path, more, "").await.status, status);
    }
    let of_other = ask(at, "GET /recordings?room=other", OPERATOR, "").await;
    assert_eq!(of_other.json(), json!({ "recordings": [] }));
    let fetched = ask(at, &path, &anna, "").await;
    assert_eq!(fetched.body, "a film");
    let head = fetched.head.to_ascii_lowercase();
    for line in [
        "content-type: video/webm",
        "content-length: 6",
        "content-disposition: attachment; filename*=utf-8''anna%201.webm",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    // A part of it: RFC 9110 section 14.
    let ranges = [
        ("bytes=2-3", 206, "fi", "bytes 2-3/6"),
        ("bytes=-1", 206, "m", "bytes 5-5/6"),
        ("bytes=4-", 206, "lm", "bytes 4-5/6"),
        ("bytes=9-", 416, "", "bytes */6"),
    ];
    for (range, status, body, told) in ranges {
        let more = format!("{anna}Range: {range}\r\n");
        let part = ask(at, &path, &more, "").await;
        assert_eq!((part.status, &*part.body), (status, body), "{part:?}");
        let head = part.head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-range: {told}")), "{head}");
    }
    assert!(head.contains("accept-ranges: bytes"), "{head}");
    let of_other = format!("{carl}Range: bytes=2-3\r\n");
    assert_eq!(ask(at, &path, &of_other, "").await.status, 404);
    for bad in ["..%2F..%2Fetc%2Fpasswd", "0000000000000000", "%00"] {
        let path = format!("GET /recordings/{bad}");
        assert_eq!(ask(at, &path, OPERATOR, "").await.status, 404, "{bad}");
    }
    let path = format!("DELETE /recordings/{id}");
    assert_eq!(ask(at, &path, &anna, "").await.status, 403);
    assert_eq!(ask(at, &path, OPERATOR, "").await.status, 200);
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[tokio::test]
async fn c34_names_of_recordings_leave_the_folder_never() {
    let folder = Folder::new();
    let server = keeping(&folder).await;
    let names = [
        "..%2F..%2F..%2Ftmp%2Fowned",
        "%2Fetc%2Fpasswd",
        "..",
        ".",
        "",
        "%00",
        "a%0D%0AX-Evil:%201",
        "C:%5Cboot.ini",
        "con",
        "%E2%80%AEgpj.exe",
        "x.part",
        "x.json",
        "%FF%FE",
        "~%2F.bashrc",
    ];
    for name in names {
        let what = format!("POST /recordings?room=r&name={name}");
        let answer = ask(server.address(), &what, OPERATOR, "x").await;
        // What is no text is no name.
        assert!(matches!(answer.status, 201 | 400), "{name}: {answer:?}");
        if answer.status == 201 {
            let path = format!("GET /recordings/{}", id(&answer));
            let fetched = ask(server.address(), &path, OPERATOR, "").await;
            assert!(
                fetched.body == "x" && !fetched.head.contains("Evil: 1"),
                "{fetched:?}"
            );
        }
    }
    let long = format!("POST /recordings?room=r&name={}", "%E6%BC%A2".repeat(500));
    id(&ask(server.address(), &long, OPERATOR, "x").await);
    let beside = std::fs::read_dir(folder.0.parent().unwrap())
        .unwrap()
        .count();
    assert_eq!(beside, 1);
    for name in folder.names() {
        assert!(
            name.as_bytes()[..34].iter().all(u8::is_ascii_hexdigit),
            "{name}"
        );
        assert!(
            !name.ends_with(".part") && !name.contains(['/', '\\', '\0']),
            "{name}"
        );
    }
    // All of it is there after a restart.
    let before = folder.names();
    drop(server);
    let _again = keeping(&folder).await;
    assert_eq!(folder.names(), before);
}

#[tokio::test]
async fn c34_what_is_too_large_or_cut_off_leaves_nothing() {
    let folder = Folder::new();
    let server = keeping(&folder).await;
    let at = server.address();
    let post = "POST /recordings?room=r&name=a.webm";
    // Too large by what it says, and by what comes.
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head =
        format!("{post} HTTP/1.1\r\nHost: {at}\r\n{OPERATOR}Content-Length: 1000001\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read(&mut stream).await;
    assert!(
        answer.status == 413 && answer.body.contains("1000000"),
        "{answer:?}"
    );
    let mut stream = TcpStream::connect(at).await.unwrap();
    let chunked = format!(
        "{post} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{OPERATOR}Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let piece = format!("186A0\r\n{}\r\n", "x".repeat(100_000));
    for _ in 0..11 {
        // It may have been answered already.
        let _ = stream.write_all(piece.as_bytes()).await;
    }
    assert_eq!(read(&mut stream).await.status, 413);
    // Cut half way, of both kinds.
    for (head, part) in [
        (chunked.clone(), &*piece),
        (head.replace("1000001", "1000"), "half"),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        while !folder.names().iter().any(|name| name.ends_with(".part")) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(stream);
        while !folder.names().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    // Two have room, a third has not, until one goes.
    let film = "x".repeat(900_000);
    let first = id(&ask(at, post, OPERATOR, &film).await);
    id(&ask(at, post, OPERATOR, &film).await);
    let full = ask(at, post, OPERATOR, &film).await;
    assert!(
        full.status == 507 && full.body.contains("no room"),
        "{full:?}"
    );
    let remove = format!("DELETE /recordings/{first}");
    assert_eq!(ask(at, &remove, OPERATOR, "").await.status, 200);
    id(&ask(at, post, OPERATOR, &film).await);
    // What a server that was killed left half is cleared away.
    std::fs::write(folder.0.join("x.part"), "half").unwrap();
    drop(server);
    let _again = keeping(&folder).await;
    assert_eq!(folder.names().len(), 4);
}

#[tokio::test]
async fn c34_without_a_folder_none_are_taken_and_it_says_so() {
    let closed = server(|config| config.api_token = Some("0123456789abcdef".into())).await;
    let answer = ask(closed.address(), "POST /recordings?room=r", OPERATOR, "x").await;
    assert!(
        answer.status == 404 && answer.body.contains("`recordings`"),
        "{answer:?}"
    );
    let told = ask(closed.address(), "GET /config.json", "", "")
        .await
        .json();
    assert_eq!(
        (&told["recordings"], &told["reports"]),
        (&json!(null), &json!(false))
    );
    let folder = Folder::new();
    let open = server(|config| {
        config.recordings = Some(folder.0.clone());
        config.recordings_open = true;
    })
    .await;
    id(&ask(open.address(), "POST /recordings?room=r", "", "x").await);
    assert_eq!(
        ask(open.address(), "GET /recordings", "", "").await.status,
        401
    );
    let told = ask(open.address(), "GET /config.json", "", "").await.json();
    assert_eq!(
        told["recordings"],
        json!({ "open": true, "most": 2_048_000_000_u64 })
    );
}

#[tokio::test]
async fn d39_reports_are_kept_within_bounds() {
    let folder = Folder::new();
    let server = server(|config| config.reports = Some(folder.0.clone())).await;
    let at = server.address();
    let json = "Content-Type: application/json\r\n";
    let good = json!({
        "text": "no picture <b>\u{202e}", "room": "r", "agent": "Firefox", "logs": ["one", "two"],
        "stats": { "peers": [{ "rtt": 0.1 }] }, "screenshot": "data:image/png;base64,AAAA",
    });
    let report = id(&ask(at, "POST /report", json, &good.to_string()).await);
    let kept = std::fs::read(folder.0.join(format!("{report}.json"))).unwrap();
    let mut kept: Value = serde_json::from_slice(&kept).unwrap();
    assert!(kept["time"].take().as_u64().unwrap() > 1_700_000_000);
    kept.as_object_mut().unwrap().remove("time");
    assert_eq!(kept, good);
    for bad in [
        json!({}),
        json!({ "text": "a", "more": 1 }),
        json!({ "text": "a", "screenshot": "data:text/html;base64,AAAA" }),
    ] {
        let answer = ask(at, "POST /report", json, &bad.to_string()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let answer = ask(at, "POST /report", json, &good.to_string()).await;
    assert!(
        answer.status == 429 && answer.body.contains("another"),
        "{answer:?}"
    );
    assert_eq!(folder.names().len(), 1);
    let closed = crate::client::server(|_| {}).await;
    let answer = ask(closed.address(), "POST /report", json, &good.to_string()).await;
    assert!(
        answer.status == 404 && answer.body.contains("`reports`"),
        "{answer:?}"
    );
    let foreign = format!("{json}Origin: https://elsewhere.example\r\n");
    let answer = ask(at, "POST /report", &foreign, &good.to_string()).await;
    assert_eq!(answer.status, 403);
}
