//! `ortc record`: rooms into files, also by a process that is killed.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{Folder, Running, Serve, run};

const TOKEN: &str = "0123456789abcdef";

/// Codec and count of packets of each stream of a file that ffprobe has nothing against.
async fn probed(path: &Path) -> Vec<(String, u64)> {
    let out = tokio::process::Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=codec_name,nb_read_packets"])
        .arg(path)
        .output()
        .await
        .expect("ffprobe is there: tests/run brings it");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{}: {complaints}",
        path.display()
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let stream = |line: &str| {
        let (codec, count) = line.split_once(',').unwrap();
        (codec.to_owned(), count.parse().unwrap())
    };
    text.lines().map(stream).collect()
}

fn path_of(event: &Value) -> PathBuf {
    event["file"]["path"].as_str().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_c35_a_room_is_recorded_into_files() {
    let serve = Serve::start(&[]).await;
    let folder = Folder::new();
    let dir = folder.0.join("out").to_str().unwrap().to_owned();
    let server = serve.address.clone();
    let call = ["call", "demo", "--server", &server, "--name", "../Olga"];
    let mut olga = Running::start(&call);
    olga.until("room").await;
    let mut words = vec!["record", "demo", "--server", &server, "--dir", &dir];
    words.extend(["--ogg", "--ivf", "--snapshot", "--for", "10s"]);
    let mut record = Running::start(&words);
    record.until("recording").await;
    olga.until("recordingBy").await;
    assert_eq!(record.end().await, 0, "{:#?}", record.seen);
    let of = |event: &&Value| event["event"] == "recorded";
    let files: Vec<&Value> = record.seen.iter().filter(of).collect();
    assert_eq!(files.len(), 3, "{:#?}", record.seen);
    for event in files {
        let (path, file) = (path_of(event), &event["file"]);
        assert!(
            file["complete"] == true && file["duration"].as_f64().unwrap() > 1.0,
            "{file}"
        );
        assert_eq!(path.parent(), Some(Path::new(&dir)));
        let streams = probed(&path).await;
        assert!(streams.iter().all(|(_, count)| *count > 20), "{streams:?}");
    }
    let snapshot = record
        .seen
        .iter()
        .find(|event| event["event"] == "snapshot");
    let snapshot = snapshot.unwrap()["path"].as_str().unwrap();
    assert_eq!(probed(Path::new(snapshot)).await[0].0, "webp");
    let timeline = std::fs::read(Path::new(&dir).join("session.json")).unwrap();
    let timeline: Value = serde_json::from_slice(&timeline).unwrap();
    assert_eq!(timeline["streams"][0]["name"], "../Olga");
    // Nobody is there, and nothing to record.
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
    let nowhere = [
        "record",
        "demo",
        "--server",
        &server,
        "--dir",
        "/proc/nowhere",
    ];
    let (code, _, error) = run(&nowhere).await;
    assert!(code == 1 && error.contains("cannot be written"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c33_what_a_killed_recorder_wrote_can_be_played() {
    let serve = Serve::start(&[]).await;
    let folder = Folder::new();
    let dir = folder.0.to_str().unwrap().to_owned();
    let server = serve.address.clone();
    let mut olga = Running::start(&["call", "demo", "--server", &server, "--name", "Olga"]);
    olga.until("room").await;
    let words = [
        "record", "demo", "--server", &server, "--dir", &dir, "--ogg",
    ];
    let mut record = Running::start(&words);
    let mut film = path_of(&record.until("file").await);
    if film.extension().is_some_and(|ending| ending == "ogg") {
        film = path_of(&record.until("file").await);
    }
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    record.child.kill().await.unwrap();
    let streams = probed(&film).await;
    let mut names: Vec<&str> = streams.iter().map(|(codec, _)| &**codec).collect();
    names.sort_unstable();
    assert_eq!(names, ["opus", "vp8"]);
    assert!(streams.iter().all(|(_, count)| *count > 25), "{streams:?}");
    let sound = probed(&folder.0.join("Olga-1.ogg")).await;
    assert!(sound[0].0 == "opus" && sound[0].1 > 25, "{sound:?}");
    let timeline = std::fs::read(folder.0.join("session.json")).unwrap();
    let timeline: Value = serde_json::from_slice(&timeline).unwrap();
    assert_eq!(timeline["streams"][0]["files"][0]["complete"], false);
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c34_what_was_recorded_is_posted_to_a_server() {
    let kept = Folder::new();
    let recordings = kept.0.to_str().unwrap().to_owned();
    let serve = Serve::start(&["--recordings", &recordings, "--api-token", TOKEN]).await;
    let folder = Folder::new();
    let dir = folder.0.to_str().unwrap().to_owned();
    let server = serve.address.clone();
    let mut olga = Running::start(&["call", "a/b", "--server", &server, "--name", "Olga"]);
    olga.until("room").await;
    let words = [
        "record", "a/b", "--server", &server, "--dir", &dir, "--post", &server,
    ];
    let words = [&words[..], &["--for", "4s", "--post-token", TOKEN]].concat();
    let mut record = Running::start(&words);
    assert_eq!(record.end().await, 0, "{:#?}", record.seen);
    let posted = |event: &&Value| event["event"] == "posted";
    let posted: Vec<&Value> = record.seen.iter().filter(posted).collect();
    assert_eq!(posted.len(), 2, "{:#?}", record.seen);
    for event in posted {
        let about = &event["about"];
        assert_eq!(about["room"], "a/b");
        let (id, name) = (
            about["id"].as_str().unwrap(),
            about["name"].as_str().unwrap(),
        );
        let there = std::fs::read(kept.0.join(format!("{id}-{name}"))).unwrap();
        assert!(there == std::fs::read(event["path"].as_str().unwrap()).unwrap());
    }
    // Whoever may not is told, and keeps the files.
    let other = Folder::new();
    let dir = other.0.to_str().unwrap();
    let words = [
        "record", "a/b", "--server", &server, "--dir", dir, "--post", &server, "--for", "1s",
    ];
    let (code, _, error) = run(&words).await;
    assert!(
        code == 1 && error.contains("api_token") && error.contains("stays there"),
        "{error}"
    );
    assert!(other.0.join("session.json").exists());
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
}
