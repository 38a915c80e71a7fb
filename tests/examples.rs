//! Each example ends well, within its time, with `OK` as its last line.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Runs the example that cargo built beside this test.
async fn example(name: &str, seconds: u64) {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let child = Command::new(profile.join("examples").join(name))
        .kill_on_drop(true)
        .output();
    let ended = timeout(Duration::from_secs(seconds), child).await;
    let output = ended.expect("it ends in time").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name}: {output:?}");
    assert_eq!(text.lines().last(), Some("OK"), "{name}: {text}");
}

#[tokio::test]
async fn dtmf() {
    example("dtmf", 60).await;
}

#[tokio::test]
async fn fork() {
    example("fork", 60).await;
}

#[tokio::test]
async fn unknown_track() {
    example("unknown_track", 60).await;
}

#[tokio::test]
async fn simple_peer() {
    example("simple_peer", 60).await;
}

#[tokio::test]
async fn two_peers_data() {
    example("two_peers_data", 150).await;
}
