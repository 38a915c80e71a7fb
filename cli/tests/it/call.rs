//! `ortc call`: media between processes.

use serde_json::Value;

use crate::process::{Folder, PATIENCE, Running, Serve, run};

fn received<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let of = |event: &&Value| event["event"] == "received" && event["kind"] == kind;
    events.iter().filter(of).collect()
}

/// Three in a room; each writes the pictures and tones of both others. One has no goodbye: the
/// others hear of it, and their media go on.
#[tokio::test(flavor = "multi_thread")]
async fn c7_c85_three_callers_write_what_the_others_send() {
    let serve = Serve::start(&[]).await;
    let folder = Folder::new();
    let out = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    let (a, b) = (out("a"), out("b"));
    let server = serve.address.clone();
    let call = |more: &[&str]| {
        let mut words = vec!["call", "demo", "--server", &server];
        words.extend(more);
        Running::start(&words)
    };
    let mut olga = call(&["--name", "Olga", "--out", &a]);
    olga.until("room").await;
    let mut paul = call(&["--name", "Paul", "--out", &b, "--until-alone"]);
    paul.until("peer").await;
    let mut rita = call(&["--name", "Rita"]);
    for _ in 0..2 {
        rita.until("peer").await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    rita.child.kill().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
    assert_eq!(received(&olga.seen, "video").len(), 2, "{:#?}", olga.seen);
    assert_eq!(received(&olga.seen, "audio").len(), 2);
    for track in received(&olga.seen, "video") {
        assert_eq!(
            (&track["width"], &track["height"]),
            (&640.into(), &360.into())
        );
        let path = track["path"].as_str().unwrap();
        let size = std::fs::metadata(path).unwrap().len();
        assert!(size > 10_000 && path.ends_with("-1.ivf"), "{path}: {size}");
        assert!(track["samples"].as_u64().unwrap() > 10, "{track}");
    }
    // Rita is still in the room until the grace is over: Paul would wait for her.
    paul.interrupt();
    assert_eq!(paul.end().await, 0);
    let names: Vec<&str> = received(&paul.seen, "video")
        .iter()
        .map(|track| track["from"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"Olga") && names.contains(&"Rita"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c60_a_caller_may_send_nothing_or_a_file() {
    let serve = Serve::start(&[]).await;
    let server = serve.address.clone();
    let media = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media");
    let video = format!("{media}/video.vp9.ivf");
    let mut quiet = Running::start(&["call", "demo", "--server", &server, "--silent"]);
    quiet.until("room").await;
    let mut words = vec!["call", "demo", "--server", &server, "--send", &video];
    words.extend(["--seconds", "6"]);
    let mut sender = Running::start(&words);
    let stream = quiet.until("stream").await;
    assert_eq!(stream["session"], serde_json::json!({ "video": true }));
    assert_eq!(sender.end().await, 0);
    assert!(received(&sender.seen, "video").is_empty());
    let track = quiet.until("received").await;
    assert!(track["samples"].as_u64().unwrap() > 10, "{track}");
    quiet.interrupt();
    assert_eq!(quiet.end().await, 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_named() {
    let _ = PATIENCE;
    let (code, _, error) = run(&["call", "demo", "--send", "/nowhere/film.ivf"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("/nowhere/film.ivf: No such file"), "{error}");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (code, _, error) = run(&["call", "demo", "--send", manifest]).await;
    assert_eq!(code, 1);
    assert!(error.contains("not VP8, VP9 or AV1 in IVF"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d39_a_call_leaves_a_report_of_itself() {
    let serve = Serve::start(&[]).await;
    let folder = Folder::new();
    let path = folder.0.join("out.zip");
    let out = path.to_str().unwrap();
    let server = serve.address.clone();
    let mut olga = Running::start(&["call", "r", "--server", &server, "--name", "Olga"]);
    olga.until("room").await;
    let words = [
        "call",
        "r",
        "--server",
        &server,
        "--report",
        out,
        "--until-alone",
    ];
    let mut call = Running::start(&words);
    call.until("stream").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
    assert_eq!(call.end().await, 0, "{:#?}", call.seen);
    let read = |path: &str, name: &str| {
        let read = std::process::Command::new("python3")
            .args(["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; sys.stdout.buffer.write(z.read(sys.argv[2]))", path, name])
            .output()
            .unwrap();
        assert!(
            read.status.success(),
            "{}",
            String::from_utf8_lossy(&read.stderr)
        );
        String::from_utf8(read.stdout).unwrap()
    };
    let stats: Value = serde_json::from_str(&read(out, "stats.json")).unwrap();
    let peers = stats["peers"].as_object().unwrap();
    assert_eq!(peers.len(), 1);
    let text = stats.to_string();
    assert!(
        text.contains("[address]") && !text.contains("127.0.0.1"),
        "{text}"
    );
    let report: Value = serde_json::from_str(&read(out, "report.json")).unwrap();
    assert!(report["seconds"].as_f64().unwrap() > 3.0 && report["failed"].is_null());
    assert!(!read(out, "log.txt").contains("127.0.0.1"));
    // Nothing is overwritten; a call that does not come about has one, too.
    let (code, _, error) = run(&words).await;
    assert!(code == 1 && error.contains("out.zip"), "{error}");
    let other = folder.0.join("other.zip");
    let other = other.to_str().unwrap();
    let (code, _, _) = run(&["call", "r", "--server", "127.0.0.1:9", "--report", other]).await;
    assert_eq!(code, 4);
    let report: Value = serde_json::from_str(&read(other, "report.json")).unwrap();
    assert!(report["failed"].as_str().is_some(), "{report}");
}
