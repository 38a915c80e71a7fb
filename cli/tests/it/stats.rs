//! `ortc stats`: figures of a room and of the server.

use crate::process::{Running, Serve, run};

const TOKEN: &str = "0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_a_room_and_of_its_server() {
    let serve = Serve::start(&["--api-token", TOKEN]).await;
    let server = serve.address.as_str();
    let mut olga = Running::start(&["call", "demo", "--server", server, "--name", "Olga"]);
    olga.until("room").await;
    let words = ["stats", "demo", "--server", server, "--api-token", TOKEN];
    let mut stats = Running::start(&words);
    let (mut pictures, mut looks) = (false, 0);
    while !pictures {
        let seen = stats.until("stats").await;
        looks += 1;
        assert!(looks < 60, "{seen}");
        assert_eq!(seen["server"]["rooms"], 1);
        let peer = &seen["peers"][0];
        pictures = peer["framesPerSecond"]
            .as_f64()
            .is_some_and(|rate| rate > 5.0)
            && peer["bitsPerSecondIn"]
                .as_f64()
                .is_some_and(|rate| rate > 10_000.0)
            && peer["name"] == "Olga"
            && peer["codecs"].to_string().contains("VP8");
    }
    stats.interrupt();
    assert_eq!(stats.end().await, 0);
    // Once, for people; nothing that only a terminal would obey.
    let (code, out, _) = run(&[&words[..], &["--once"]].concat()).await;
    assert!(
        code == 0 && out.contains("1 rooms") && out.contains("Olga"),
        "{out}"
    );
    assert!(out.contains("fps") && !out.contains('\u{1b}'), "{out}");
    let alone = ["stats", "--server", server, "--api-token", TOKEN, "--once"];
    let (code, out, _) = run(&alone).await;
    assert!(code == 0 && out.starts_with("server: "), "{out}");
    let (code, _, error) = run(&["stats", "--server", server]).await;
    assert!(code == 1 && error.contains("--api-token"), "{error}");
    let (code, _, error) = run(&["stats", "nowhere", "--server", server]).await;
    assert!(code == 3, "{error}");
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
}
