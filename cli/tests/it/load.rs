//! `ortc load-test`: what arrives, and what it took.

use crate::process::{Running, Serve, run};

const TOKEN: &str = "0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn e12_a_load_test_says_what_arrives() {
    let serve = Serve::start(&["--api-token", TOKEN]).await;
    let server = serve.address.as_str();
    let words = ["load-test", "--server", server, "--api-token", TOKEN];
    let size = [
        "--publishers",
        "2",
        "--watchers",
        "2",
        "--seconds",
        "2",
        "--kbits",
        "200",
    ];
    let mut test = Running::start(&[&words[..], &size, &["--at-least", "50"]].concat());
    let entered = test.until("entered").await;
    assert_eq!(entered["tracks"], 12);
    let load = test.until("load").await;
    assert_eq!(test.end().await, 0, "{load}");
    assert_eq!(
        (&load["tracks"], &load["silentTracks"]),
        (&12.into(), &0.into())
    );
    // 50 packets of sound and 30 pictures a second, of two to three others each.
    let frames = load["framesSent"].as_u64().unwrap();
    assert!((200..=1_200).contains(&frames), "{load}");
    assert!(load["deliveredPercent"].as_f64().unwrap() > 50.0, "{load}");
    assert!(load["latencyMs"]["p50"].as_u64().unwrap() < 5_000, "{load}");
    assert!(load["serverCpuPercent"].as_f64().is_some(), "{load}");
    assert_eq!(load["users"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_test_is_bounded() {
    let much = ["--publishers", "100", "--watchers", "500"];
    let (code, _, error) = run(&[&["load-test"][..], &much].concat()).await;
    assert!(code == 1 && error.contains("Gbit/s"), "{error}");
    let (code, _, error) = run(&["load-test", "--watchers", "0"]).await;
    assert!(code == 1 && error.contains("--watchers"), "{error}");
    let (code, _, error) = run(&["load-test", "--watchers", "501"]).await;
    assert!(code == 2 && error.contains("501"), "{error}");
}

/// Rooms of the hub, people who come and go, and packets that are lost: short, `tests/soak` has it for
/// 15 minutes.
#[tokio::test(flavor = "multi_thread")]
async fn e10_rooms_by_a_hub_for_a_while() {
    let tree = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut soak = tokio::process::Command::new(tree.join("tests/hub_soak"));
    soak.args(["--program", env!("CARGO_BIN_EXE_ortc")])
        .args(["--minutes", "0.25", "--rooms", "2", "--people", "6"])
        .kill_on_drop(true);
    let limit = std::time::Duration::from_secs(150);
    let done = tokio::time::timeout(limit, soak.output()).await;
    let done = done.expect("it ends").expect("python3 is there");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{done:?}");
    println!("{said}");
}
