//! Each example ends well, within its time, with `OK` as its last line.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// The example that cargo built beside this test.
fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new(profile.join("examples").join(name));
    command.kill_on_drop(true);
    command
}

async fn example(name: &str, seconds: u64) {
    let child = program(name).output();
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

/// A slip of the keyboard is said, not passed over.
#[tokio::test]
async fn unknown_options_and_bad_values_are_refused() {
    for (arguments, code, said) in [
        (&["--help"][..], 0, "[--megabytes N]"),
        (&["--megabyte", "1"], 2, "--megabyte is no option"),
        (&["--megabytes"], 2, "--megabytes needs a value"),
        (&["--megabytes", "ten"], 2, "--megabytes ten: invalid digit"),
    ] {
        let child = program("two_peers_data").args(arguments).output();
        let ended = timeout(Duration::from_secs(20), child).await;
        let output = ended.expect("it ends in time").unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}
