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

fn files() -> (String, String) {
    let directory = std::env::temp_dir().join(format!("ortc-openssl-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["peer".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    (path("cert.pem"), path("key.pem"))
}

#[test]
fn interoperates_with_openssl() {
    let (certificate, key) = files();
    let [ours, _] = certificates();
    let common = [
        "-dtls1_2",
        "-cert",
        &certificate,
        "-key",
        &key,
        "-use_srtp",
        "SRTP_AEAD_AES_128_GCM",
    ];
    for mtu in ["1200", "300"] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut client = Command::new("openssl")
            .args([
                "s_client",
                "-connect",
                &format!("127.0.0.1:{port}"),
                "-mtu",
                mtu,
            ])
            .args(common)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let side = RtcDtls::new(&ours, DtlsRole::Server, DtlsConfig::default()).unwrap();
        let connected = drive(side, &socket, None);
        client.kill().unwrap();
        client.wait().unwrap();
        assert!(connected, "as server, MTU {mtu}");

        let free = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut server = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                &free.to_string(),
                "-Verify",
                "1",
                "-mtu",
                mtu,
            ])
            .args(["-listen", "-quiet"])
            .args(common)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let side = RtcDtls::new(&ours, DtlsRole::Client, DtlsConfig::default()).unwrap();
        let connected = drive(side, &socket, Some(free));
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(connected, "as client, MTU {mtu}");
    }
}
