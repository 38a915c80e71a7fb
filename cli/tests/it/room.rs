//! `ortc room`: lists, words, rights, exit codes.

use serde_json::json;

use crate::process::{Running, Serve, run};

#[tokio::test(flavor = "multi_thread")]
async fn c56_d17_rooms_are_listed_and_people_chat() {
    let serve = Serve::start(&[]).await;
    let server = serve.address.as_str();
    let (code, out, _) = run(&["room", "list", "--server", server]).await;
    assert_eq!((code, out.as_str()), (0, "no rooms\n"));
    let mut olga = Running::start(&[
        "room",
        "chat",
        "team/demo",
        "--server",
        server,
        "--name",
        "Olga",
    ]);
    olga.until("room").await;
    let mut paul = Running::start(&[
        "room",
        "chat",
        "team/demo",
        "--server",
        server,
        "--name",
        "Paul",
    ]);
    olga.until("peer").await;
    paul.until("peer").await;
    olga.say("hello \u{1b}[31mPaul").await;
    let chat = paul.until("chat").await;
    assert_eq!(
        (&chat["text"], &chat["from"]["extra"]["name"]),
        (&json!("hello \u{1b}[31mPaul"), &json!("Olga"))
    );
    paul.say("hello Olga").await;
    assert_eq!(olga.until("chat").await["text"], "hello Olga");

    let mut list = Running::start(&["room", "list", "--server", server, "--channel", "team"]);
    let rooms = list.until("rooms").await;
    assert_eq!(rooms["rooms"][0]["sessionid"], "team/demo");
    assert_eq!(rooms["rooms"][0]["users"], 2);
    let (_, out, _) = run(&["room", "list", "--server", server, "--channel", "other"]).await;
    assert_eq!(out, "no rooms\n");

    olga.interrupt();
    assert_eq!(olga.end().await, 0);
    assert_eq!(paul.until("owner").await["event"], "owner");
    paul.interrupt();
    assert_eq!(paul.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c39_c42_admins_eject_and_close_and_others_are_refused() {
    let serve = Serve::start(&["--roles-free"]).await;
    let server = serve.address.as_str();
    let mut olga = Running::start(&["room", "join", "demo", "--server", server]);
    olga.until("room").await;
    let mut paul = Running::start(&[
        "room", "join", "demo", "--server", server, "--userid", "paul",
    ]);
    paul.until("room").await;

    let (code, _, error) = run(&["room", "eject", "demo", "paul", "--server", server]).await;
    assert_eq!(code, 3, "{error}");
    assert!(
        error.contains("only the owner of a room and its admins"),
        "{error}"
    );
    let admin = ["--server", server, "--role", "admin"];
    let (code, out, _) =
        run(&[&["room", "eject", "demo", "paul", "--ban"][..], &admin].concat()).await;
    assert_eq!((code, out.as_str()), (0, "paul was put out\n"));
    assert_eq!(paul.end().await, 1);
    let (code, _, error) = run(&[
        "room", "join", "demo", "--server", server, "--userid", "paul",
    ])
    .await;
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("you were put out of this room"), "{error}");

    let (code, ..) = run(&[&["room", "close", "demo"][..], &admin].concat()).await;
    assert_eq!(code, 0);
    assert_eq!(olga.until("closed").await["reason"], "closed");
    assert_eq!(olga.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c66_a_wrong_password_and_no_server_have_exit_codes() {
    let serve = Serve::start(&[]).await;
    let server = serve.address.as_str();
    let mut olga = Running::start(&[
        "room",
        "join",
        "demo",
        "--server",
        server,
        "--password",
        "chalk",
    ]);
    olga.until("room").await;
    let (code, _, error) = run(&[
        "room",
        "join",
        "demo",
        "--server",
        server,
        "--password",
        "cheese",
    ])
    .await;
    assert_eq!(code, 3, "{error}");
    assert!(
        error.contains("wants a password, and this is not it"),
        "{error}"
    );
    drop(olga);
    let (code, _, error) = run(&["room", "list", "--server", "127.0.0.1:1"]).await;
    assert_eq!(code, 4);
    assert!(error.contains("is `ortc serve` running?"), "{error}");
    let (code, ..) = run(&["room", "dance"]).await;
    assert_eq!(code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn d48_a_self_signed_certificate_is_pinned_by_its_fingerprint() {
    let folder = crate::process::Folder::new();
    let mut command = crate::process::ortc(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--self-signed",
        "--state-dir",
    ]);
    command.arg(&folder.0).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let mut word = async |prefix: &str| loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some(rest) = line.strip_prefix(prefix) {
            return rest.to_owned();
        }
    };
    let url = word("open ").await;
    let fingerprint = word("certificate SHA-256 ").await;
    let server = url.trim_end_matches('/').replace("localhost", "127.0.0.1");
    let (code, ..) = run(&["room", "list", "--server", &server]).await;
    assert_eq!(code, 4, "an unknown certificate");
    let (code, out, _) = run(&[
        "room",
        "list",
        "--server",
        &server,
        "--fingerprint",
        &fingerprint,
    ])
    .await;
    assert_eq!((code, out.as_str()), (0, "no rooms\n"));
    let other = format!(
        "{}{}",
        if fingerprint.starts_with('A') {
            "B"
        } else {
            "A"
        },
        &fingerprint[1..]
    );
    let (code, ..) = run(&["room", "list", "--server", &server, "--fingerprint", &other]).await;
    assert_eq!(code, 4, "another certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn d27_the_time_where_somebody_is_shows_if_it_is_told() {
    let serve = Serve::start(&[]).await;
    let server = serve.address.as_str();
    let mut paul = Running::start(&["room", "chat", "r", "--server", server]);
    paul.until("room").await;
    let chat = ["room", "chat", "r", "--server", server, "--name", "Olga"];
    // Not unless it is asked for.
    let mut olga = Running::start(&chat);
    olga.until("peer").await;
    let joined = paul.until("joined").await;
    assert_eq!(joined["user"]["extra"], json!({ "name": "Olga" }));
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
    let shared = [&chat[..], &["--share-time"]].concat();
    let mut olga = Running::start_with(&shared, &[("TZ", "Asia/Kathmandu")]);
    olga.until("peer").await;
    let joined = paul.until("joined").await;
    assert_eq!(joined["user"]["extra"]["tz"], "Asia/Kathmandu");
    olga.interrupt();
    assert_eq!(olga.end().await, 0);
    paul.interrupt();
    assert_eq!(paul.end().await, 0);
}
