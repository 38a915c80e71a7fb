//! A doctor for networks: what it says of broken ones. Each is made of network namespaces, with a
//! coturn in one and the doctor in another.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use common::network::Namespace;
use common::within;
use ortc::RTCIceServer;
use ortc::diagnose::{DiagnoseOptions, Diagnosis, diagnose};
use serde_json::{Value, json};
use tokio::process::Child;

const INSIDE: &str = "ORTC_TEST_DOCTOR";
const SERVER: &str = "10.98.0.2";

/// The process inside; by itself it is no test.
#[tokio::test]
async fn the_doctor_inside() {
    let Ok(asked) = std::env::var(INSIDE) else {
        return;
    };
    let asked: Value = serde_json::from_str(&asked).unwrap();
    let server = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        RTCIceServer::new(text("url")).with_credential(text("user"), text("password"))
    };
    let servers: Vec<_> = asked["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(server)
        .collect();
    let mut options = DiagnoseOptions::default();
    if let Some(behind) = asked["behind"].as_u64() {
        options = options.server_time(SystemTime::now() + Duration::from_secs(behind));
    }
    let diagnosis: Diagnosis = diagnose(servers, options).await.unwrap();
    let json = json!({ "json": diagnosis, "text": diagnosis.to_string() });
    println!("\n@@{json}");
}

/// A network of two hosts: one for the doctor, one with a TURN server.
struct Network {
    here: Namespace,
    there: Namespace,
    folder: std::path::PathBuf,
    _turn: Option<Child>,
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Network {
    async fn new(turn: &[&str]) -> Self {
        let [here, there] = [Namespace::new().await, Namespace::new().await];
        here.cable(("eth0", "10.98.0.1/24"), &there, ("eth0", "10.98.0.2/24"))
            .await;
        // More addresses: of the second server that tells the kind of a NAT.
        there.ip("addr add 10.98.0.3/24 dev eth0\n").await;
        let folder = std::env::temp_dir().join(format!("ortc-doctor-{}", here.pid()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = std::env::var("ORTC_TURNSERVER").unwrap_or_else(|_| "turnserver".into());
        let mut command = there.command(program);
        command
            .args(["-n", "--no-tls", "--no-dtls", "--no-cli", "--lt-cred-mech"])
            .args(["--listening-ip=10.98.0.2", "--listening-ip=10.98.0.3"])
            .args([
                "--relay-ip=10.98.0.2",
                "--realm=example.org",
                "--user=user:pass",
            ])
            .args(["--no-stdout-log", "--simple-log", "--listening-port=3478"])
            .arg(format!("--log-file={}", folder.join("log").display()))
            .arg(format!("--pidfile={}", folder.join("pid").display()))
            .arg(format!("--userdb={}", folder.join("db").display()))
            .args(turn)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let turn = command.spawn().unwrap();
        let network = Self {
            here,
            there,
            folder,
            _turn: Some(turn),
        };
        // It listens before long.
        within(20, async {
            loop {
                let mut ss = network.there.command("ss");
                let listening = ss.args(["-lun"]).output().await.unwrap();
                if String::from_utf8_lossy(&listening.stdout).contains("10.98.0.3:3478") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        network
    }

    /// What the doctor says here of these servers.
    async fn asks(&self, asked: Value) -> (Value, String) {
        let mut command = self.here.command(std::env::current_exe().unwrap());
        command
            .args(["--exact", "the_doctor_inside", "--nocapture"])
            .env(INSIDE, asked.to_string());
        let output = within(90, command.output()).await.unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = output.lines().find_map(|line| line.strip_prefix("@@"));
        let said: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{output}"))).unwrap();
        let text = said["text"].as_str().unwrap().to_owned();
        println!("{text}");
        (said["json"].clone(), text)
    }
}

fn stun(host: &str) -> Value {
    json!({ "url": format!("stun:{host}") })
}

fn turn(user: &str, password: &str) -> Value {
    json!({ "url": format!("turn:{SERVER}"), "user": user, "password": password })
}

#[tokio::test]
async fn all_is_well() {
    let network = Network::new(&[]).await;
    let servers = [stun(SERVER), stun("10.98.0.3"), turn("user", "pass")];
    let (json, text) = network.asks(json!({ "servers": servers })).await;
    assert_eq!(json["callsWillWork"], true, "{text}");
    assert_eq!(json["nat"]["mapping"], "none", "{text}");
    assert_eq!(json["nat"]["filtering"], "endpointIndependent", "{text}");
    assert_eq!(json["mtu"], 1_500, "{text}");
    assert!(
        !text.contains("problem:") && !text.contains("warning:"),
        "{text}"
    );
}

#[tokio::test]
async fn no_udp_gets_out() {
    let network = Network::new(&[]).await;
    let block = "table ip doctor {
        chain out {
            type filter hook output priority 0
            meta l4proto udp drop
        }
    }\n";
    network.here.nft(block).await;
    let servers = [stun(SERVER), turn("user", "pass")];
    let (json, text) = network.asks(json!({ "servers": servers })).await;
    assert_eq!(json["callsWillWork"], false, "{text}");
    assert!(text.contains("a firewall blocks UDP"), "{text}");
    assert!(text.contains("transport=tcp"), "{text}");
    // The same server by TCP: that way is open.
    let tcp = json!({ "url": format!("turn:{SERVER}?transport=tcp"), "user": "user", "password": "pass" });
    let (json, text) = network
        .asks(json!({ "servers": [stun(SERVER), tcp] }))
        .await;
    assert_eq!(json["callsWillWork"], true, "{text}");
    assert!(
        text.contains("while TCP works: a firewall blocks UDP"),
        "{text}"
    );
    assert!(text.contains("by relay (TCP)"), "{text}");
}

#[tokio::test]
async fn a_stun_server_is_dead() {
    let network = Network::new(&[]).await;
    let servers = [stun("10.98.0.77"), stun(SERVER)];
    let (json, text) = network.asks(json!({ "servers": servers })).await;
    assert_eq!(json["callsWillWork"], true, "{text}");
    assert_eq!(json["servers"][0]["state"], "failed", "{text}");
    assert!(
        text.contains("stun:10.98.0.77: The STUN server does not answer, though UDP"),
        "{text}"
    );
}

#[tokio::test]
async fn a_password_is_wrong() {
    let network = Network::new(&[]).await;
    let servers = [stun(SERVER), turn("user", "word")];
    let (_, text) = network.asks(json!({ "servers": servers })).await;
    assert!(
        text.contains("refuses the user name or the password (401)"),
        "{text}"
    );
    assert!(!text.contains("word)"), "{text}");
}

#[tokio::test]
async fn the_relayed_ports_are_closed() {
    let network = Network::new(&["--min-port=50000", "--max-port=60000"]).await;
    let block = "table ip firewall {
        chain in {
            type filter hook input priority 0
            iif lo accept
            udp dport 50000-60000 drop
        }
        chain out {
            type filter hook output priority 0
            oif lo accept
            udp sport 50000-60000 drop
        }
    }\n";
    network.there.nft(block).await;
    let servers = [turn("user", "pass")];
    let (json, text) = network.asks(json!({ "servers": servers })).await;
    assert_eq!(json["servers"][0]["state"], "relayed", "{text}");
    assert_eq!(json["servers"][0]["relay"], "onlyInside", "{text}");
    assert!(text.contains("its relayed ports are not reached"), "{text}");
}

#[tokio::test]
async fn a_clock_is_off_by_an_hour() {
    // The password is of an hour ago by the clock of whoever made it.
    let network = Network::new(&["--use-auth-secret", "--static-auth-secret=north"]).await;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let user = format!("{}:anna", now.as_secs() - 3_600);
    let servers = [stun(SERVER), turn(&user, "made by another clock")];
    let asked = json!({ "servers": servers, "behind": 3_600 });
    let (json, text) = network.asks(asked).await;
    assert!(json["clockAhead"].as_i64().unwrap() < -3_500, "{text}");
    assert!(
        text.contains("clock is 59 minutes behind the server's"),
        "{text}"
    );
    assert!(text.contains("it ended 60 minutes ago"), "{text}");
    assert!(!text.contains("anna"), "{text}");
}

/// A NAT which has another port for each peer is told from one that keeps it.
#[tokio::test]
async fn the_kind_of_a_nat() {
    for (rule, mapping) in [
        ("masquerade", "endpointIndependent"),
        ("masquerade fully-random", "endpointDependent"),
    ] {
        let network = Network::new(&[]).await;
        let inner = Namespace::new().await;
        inner
            .cable(
                ("eth0", "192.168.7.2/24"),
                &network.here,
                ("eth1", "192.168.7.1/24"),
            )
            .await;
        inner.ip("route add default via 192.168.7.1\n").await;
        network.here.forward().await;
        let nat = format!(
            "table ip nat {{
                chain post {{
                    type nat hook postrouting priority 100
                    oif eth0 ip protocol udp {rule}
                }}
            }}\n"
        );
        network.here.nft(&nat).await;
        let within = Network {
            here: inner,
            there: Namespace::new().await,
            folder: network.folder.join("inner"),
            _turn: None,
        };
        let servers = [stun(SERVER), stun("10.98.0.3")];
        let (json, text) = within.asks(json!({ "servers": servers })).await;
        assert_eq!(json["nat"]["mapping"], mapping, "{text}");
    }
}
