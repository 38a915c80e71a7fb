//! Against an independent implementation: the `openssl` tool, which `tests/run` brings.

use std::net::UdpSocket;
use std::process::{Command, Stdio};

use super::*;

/// Runs one of our sides over a real socket until it is connected or ten seconds are over.
fn drive(mut side: RtcDtls, socket: &UdpSocket, mut peer: Option<std::net::SocketAddr>) -> bool {
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let start = Instant::now();
    side.start(start);
    let mut buffer = [0; 2048];
    while start.elapsed() < Duration::from_secs(10) {
        while let Some(datagram) = side.poll_transmit() {
            if let Some(peer) = peer {
                let _ = socket.send_to(&datagram, peer);
            }
        }
        match side.poll_event() {
            Some(DtlsEvent::Connected { srtp, .. }) => {
                return srtp.is_some_and(|keys| keys.profile == SrtpProfile::AeadAes128Gcm);
            }
            Some(DtlsEvent::Failed(failure)) => {
                println!("{failure:?}");
                return false;
            }
            _ => {}
        }
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            peer = Some(from);
            side.handle_datagram(Instant::now(), &buffer[..length]);
        }
        side.handle_timeout(Instant::now());
    }
    println!("{:?}", side.counters());
    false
}

/// A certificate and its key, made by the tool.
fn files(name: &str, options: &[&str]) -> (String, String) {
    let directory = std::env::temp_dir().join(format!("ortc-openssl-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = |end: &str| {
        let file = directory.join(format!("{name}-{end}.pem"));
        file.to_str().unwrap().to_owned()
    };
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=peer"])
        .args(options)
        .args(["-keyout", &path("key"), "-out", &path("cert")])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "{name}");
    (path("cert"), path("key"))
}

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

/// The tool as the other side of one handshake of ours.
fn meets_openssl(role: DtlsRole, (certificate, key): &(String, String), more: &[&str]) -> bool {
    let [ours, _] = certificates();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new("openssl");
    let peer = match role {
        DtlsRole::Server => {
            let address = socket.local_addr().unwrap().to_string();
            command.args(["s_client", "-connect", &address]);
            None
        }
        DtlsRole::Client => {
            let free = UdpSocket::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let address = free.to_string();
            command.args([
                "s_server", "-accept", &address, "-Verify", "1", "-listen", "-quiet",
            ]);
            Some(free)
        }
    };
    let mut child = command
        .args(["-dtls1_2", "-use_srtp", "SRTP_AEAD_AES_128_GCM"])
        .args(["-cert", certificate, "-key", key])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if peer.is_some() {
        std::thread::sleep(Duration::from_millis(300));
    }
    let side = RtcDtls::new(&ours, role, DtlsConfig::default()).unwrap();
    let connected = drive(side, &socket, peer);
    child.kill().unwrap();
    child.wait().unwrap();
    connected
}

/// A peer whose certificate works in one role works in the other.
#[test]
fn interoperates_with_openssl() {
    for (name, options) in KEYS {
        let files = files(name, options);
        for role in [DtlsRole::Client, DtlsRole::Server] {
            // As DTLS server the tool has no suite for Ed25519, for its own client neither.
            if name == "ed25519" && role == DtlsRole::Client {
                continue;
            }
            for mtu in ["1200", "300"] {
                let more = ["-mtu", mtu];
                assert!(
                    meets_openssl(role, &files, &more),
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
        let (_, options) = KEYS.iter().find(|(key, _)| *key == name).unwrap();
        let files = files(name, options);
        let more = ["-cipher", suite];
        assert!(meets_openssl(DtlsRole::Client, &files, &more), "{suite}");
    }
}
