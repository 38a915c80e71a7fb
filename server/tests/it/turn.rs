//! A TURN server of another kind takes the credentials that clients are told.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::client::{Client, server};

#[tokio::test]
async fn d14_d46_coturn_takes_the_credentials_of_the_server() {
    // Nothing else has the port, or the first try fails and says so.
    let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let folder = std::env::temp_dir().join(format!("ortc-turn-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let _coturn = Command::new("turnserver")
        .args([
            "-n",
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            "--use-auth-secret",
        ])
        .args([
            "--static-auth-secret=north",
            "--realm=example.org",
            "--no-tls",
            "--no-dtls",
        ])
        .args(["--no-cli", "--allow-loopback-peers", "--log-file=stdout"])
        .arg(format!("--listening-port={port}"))
        .arg(format!("--pidfile={}", folder.join("pid").display()))
        .arg(format!("--userdb={}", folder.join("db").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("turnserver is not installed: apt-get install coturn");
    let server = server(|config| {
        config.turn = vec![format!("turn:127.0.0.1:{port}")];
        config.turn_secret = Some("north".into());
    })
    .await;
    let anna = Client::hello(server.address(), json!({ "userid": "anna" }))
        .await
        .unwrap();
    let told = &anna.welcome["iceServers"][0];
    assert_eq!(told["urls"], json!([format!("turn:127.0.0.1:{port}")]));
    let (user, password) = (
        told["username"].as_str().unwrap(),
        told["credential"].as_str().unwrap(),
    );
    assert!(user.ends_with(":anna"), "{user}");
    let asks = async |password: &str| {
        let asked = Command::new("turnutils_uclient")
            .args([
                "-p",
                &port.to_string(),
                "-u",
                user,
                "-w",
                password,
                "-y",
                "-c",
                "-n",
                "1",
                "-m",
                "1",
            ])
            .arg("127.0.0.1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        // Now and then it waits for an answer that was lost.
        let ended = timeout(Duration::from_secs(10), asked).await;
        ended.ok().map(|status| status.unwrap().success())
    };
    // It takes a moment to start.
    let mut tries = 0;
    while asks(password).await != Some(true) {
        tries += 1;
        assert!(tries < 20, "coturn does not take {user}");
        sleep(Duration::from_millis(250)).await;
    }
    let mut answer = None;
    while answer.is_none() {
        answer = asks("another").await;
    }
    assert_eq!(answer, Some(false));
    std::fs::remove_dir_all(folder).unwrap();
}
