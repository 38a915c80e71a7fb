//! DTLS against an independent implementation: the `openssl` tool, which `tests/run` brings.
//! Before it stands a lite ICE agent, which passes on all that is not STUN.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{loopback, run, within};
use ortc::{
    Fingerprint, RTCCertificate, RTCConnection, RTCConnectionSide, RTCDtlsRole,
    RTCIceCandidateDescription,
};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter};
use stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::time::timeout;

const PASSWORD: &str = "thepasswordoftheliteagent";

/// The kinds of key that a peer may have (the row B7 of the interoperability of certificates).
const KEYS: [(&str, &[&str]); 5] = [
    (
        "p256",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "p384",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    ("ed25519", &["-newkey", "ed25519"]),
    ("rsa2048", &["-newkey", "rsa:2048"]),
    ("rsa4096", &["-newkey", "rsa:4096"]),
];

/// A certificate and its key, made by the tool; gone with it.
struct Identity {
    directory: std::path::PathBuf,
    fingerprint: Fingerprint,
}

impl Identity {
    async fn new(name: &str) -> Self {
        let (_, options) = KEYS.iter().find(|(key, _)| *key == name).unwrap();
        // Tests beside each other want the same kind.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let own = format!("ortc-openssl-{name}-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(own);
        std::fs::create_dir_all(&directory).unwrap();
        let mut made = Command::new("openssl");
        made.current_dir(&directory)
            .args(["req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=peer"])
            .args(*options)
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .stderr(Stdio::null());
        assert!(made.status().await.unwrap().success(), "{name}");
        let mut shown = Command::new("openssl");
        shown
            .current_dir(&directory)
            .args(["x509", "-in", "cert.pem", "-noout", "-fingerprint"])
            .arg("-sha256");
        let shown = String::from_utf8(shown.output().await.unwrap().stdout).unwrap();
        let (_, hex) = shown.trim().split_once('=').unwrap();
        let fingerprint = format!("sha-256 {hex}").parse().unwrap();
        Self {
            directory,
            fingerprint,
        }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What a lite agent says to a check (RFC 8445 section 7.3), and None to all else.
fn answer(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    if datagram.first().is_none_or(|first| *first > 3) {
        return None;
    }
    let mut request = Message {
        raw: datagram.to_vec(),
        ..Message::default()
    };
    request.decode().ok()?;
    assert_eq!(request.typ, BINDING_REQUEST);
    let crypto = RingProvider::new();
    let key = PASSWORD.as_bytes();
    MessageIntegrity::check(&mut request, key, crypto.crypto()).unwrap();
    let mut success = Message::new();
    success.transaction_id = request.transaction_id;
    success.write_header();
    success.set_type(BINDING_SUCCESS);
    let mapped = XorMappedAddress {
        ip: from.ip(),
        port: from.port(),
    };
    mapped.add_to(&mut success).unwrap();
    let integrity = MessageIntegrity::new_raw_integrity_with_provider(key, crypto.crypto());
    integrity.add_to(&mut success).unwrap();
    FINGERPRINT.add_to(&mut success).unwrap();
    Some(success.raw)
}

/// Answers the checks that come to `outside`; all else crosses between there and the tool, which
/// is at `tool`, or whatever first writes to `inside`.
async fn lite_agent(outside: UdpSocket, inside: UdpSocket, mut tool: Option<SocketAddr>) {
    let (mut ours, mut buffers) = (None, ([0; 2048], [0; 2048]));
    loop {
        tokio::select! {
            came = outside.recv_from(&mut buffers.0) => {
                // ICMP errors while the tool is not there yet.
                let Ok((length, from)) = came else { continue };
                let datagram = &buffers.0[..length];
                ours = Some(from);
                if let Some(success) = answer(datagram, from) {
                    outside.send_to(&success, from).await.unwrap();
                } else if let Some(tool) = tool {
                    let _ = inside.send_to(datagram, tool).await;
                }
            }
            came = inside.recv_from(&mut buffers.1) => {
                let Ok((length, from)) = came else { continue };
                tool = Some(from);
                if let Some(ours) = ours {
                    let _ = outside.send_to(&buffers.1[..length], ours).await;
                }
            }
        }
    }
}

async fn free_port() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// The tool as the other side of one handshake of ours; whether it ended well.
async fn meets_openssl(role: RTCDtlsRole, peer: &Identity, more: &[&str]) -> bool {
    let (outside, inside) = (free_port().await, free_port().await);
    let at = outside.local_addr().unwrap();
    let mut command = Command::new("openssl");
    let mut tool = None;
    if role == RTCDtlsRole::Server {
        let inside = inside.local_addr().unwrap().to_string();
        command.args(["s_client", "-connect", &inside]);
    } else {
        let own = free_port().await.local_addr().unwrap();
        command.args(["s_server", "-accept", &own.to_string(), "-Verify", "1"]);
        command.args(["-listen", "-quiet"]);
        tool = Some(own);
    }
    let agent = tokio::spawn(lite_agent(outside, inside, tool));
    let child = command
        .current_dir(&peer.directory)
        .args(["-dtls1_2", "-use_srtp", "SRTP_AEAD_AES_128_GCM"])
        .args(["-cert", "cert.pem", "-key", "key.pem"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.unwrap();

    let (connection, _events) = RTCConnection::new(loopback().dtls_role(role)).unwrap();
    let mut side = RTCConnectionSide::new("lite", PASSWORD);
    side = side.with_fingerprint(peer.fingerprint.clone());
    side.ice_lite = true;
    connection.set_remote(side).unwrap();
    let line = format!(
        "candidate:1 1 udp 2130706431 127.0.0.1 {} typ host",
        at.port()
    );
    let candidate = RTCIceCandidateDescription::parse_candidate_line(&line).unwrap();
    connection.set_remote_candidate(&candidate).unwrap();
    connection.connect().unwrap();
    let connected = timeout(Duration::from_secs(10), connection.connected()).await;
    let cipher = connection.stats().transport.srtp_cipher;
    if connected.is_err() {
        println!("{:?}", connection.stats());
    }
    connection.close();
    child.kill().await.unwrap();
    agent.abort();
    let _ = agent.await;
    matches!(connected, Ok(Ok(()))) && cipher == Some("SRTP_AEAD_AES_128_GCM")
}

/// A peer whose certificate works in one role works in the other.
#[tokio::test]
async fn interoperates_with_openssl() {
    run(within(120, async {
        for (name, _) in KEYS {
            let peer = Identity::new(name).await;
            for role in [RTCDtlsRole::Client, RTCDtlsRole::Server] {
                // As DTLS server the tool has no suite for Ed25519, for its own client neither.
                if name == "ed25519" && role == RTCDtlsRole::Client {
                    continue;
                }
                for mtu in ["1200", "300"] {
                    let more = ["-mtu", mtu];
                    assert!(
                        meets_openssl(role, &peer, &more).await,
                        "{name}, {role:?}, {mtu}"
                    );
                }
            }
        }
        // The other suite of each kind of key.
        for (name, suite) in [
            ("p256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
            ("rsa2048", "ECDHE-RSA-CHACHA20-POLY1305"),
        ] {
            let peer = Identity::new(name).await;
            let more = ["-cipher", suite];
            assert!(
                meets_openssl(RTCDtlsRole::Client, &peer, &more).await,
                "{suite}"
            );
        }
    }))
    .await;
}

/// A certificate of one's own, from its files: the side has its fingerprint, as the tool says it.
#[tokio::test]
async fn b041_a_certificate_from_the_tools_files_is_used() {
    run(within(60, async {
        let identity = Identity::new("p256").await;
        let read = |file: &str| std::fs::read_to_string(identity.directory.join(file)).unwrap();
        let (certificate, key) = (read("cert.pem"), read("key.pem"));
        let own = RTCCertificate::from_pem(&certificate, &key).unwrap();
        let (connection, _events) = RTCConnection::new(loopback().certificate(own)).unwrap();
        let shown = connection.local().dtls.fingerprint.unwrap();
        assert_eq!(shown.get("sha-256"), Some(&identity.fingerprint.bytes[..]));
        connection.close();
        let swapped = RTCCertificate::from_pem(&key, &certificate);
        assert!(swapped.is_err());
    }))
    .await;
}

/// The tool is one whose certificate is looked at.
#[tokio::test]
async fn another_certificate_of_the_tool_is_not_taken() {
    run(within(60, async {
        let (mut peer, other) = (Identity::new("p256").await, Identity::new("p384").await);
        peer.fingerprint = other.fingerprint.clone();
        for role in [RTCDtlsRole::Client, RTCDtlsRole::Server] {
            assert!(!meets_openssl(role, &peer, &[]).await, "{role:?}");
        }
    }))
    .await;
}
