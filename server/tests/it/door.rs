//! The door: who is let in, by what, and what becomes of those who dawdle.

use std::sync::Arc;
use std::time::Duration;

use ortc_server::{Server, ServerError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::{client_async, connect_async};

use crate::client::{Client, PATIENCE, config, request, server};
use crate::http::{ask, read};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn signed(secret: &str, claims: &serde_json::Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

#[tokio::test]
async fn r_h01_without_a_good_token_nothing_is_told() {
    let server = server(|config| {
        config.token_secret = Some(SECRET.into());
        config.token_required = true;
    })
    .await;
    let at = server.address();
    let now = jsonwebtoken::get_current_timestamp();
    let good = json!({ "role": "participant", "exp": now + 600, "rooms": ["one"], "jti": "a" });
    let expired = json!({ "role": "admin", "exp": now - 600 });
    let used = signed(SECRET, &good);
    let mut inside = Client::hello(at, json!({ "token": used })).await.unwrap();
    inside.enter("one").await;
    let other = SECRET.replace('0', "1");
    for hello in [
        json!({}),
        json!({ "token": "" }),
        json!({ "token": used }),
        json!({ "token": signed(SECRET, &expired) }),
        json!({ "token": signed(&other, &good) }),
        json!({ "token": format!("{used}x") }),
        json!({ "resume": "AAAA" }),
        json!({ "resume": inside.userid, "token": "" }),
    ] {
        let mut client = Client::silent(at).await.unwrap();
        let mut text = json!({ "message": { "hello": hello } });
        text["message"]["hello"]["version"] = 1.into();
        client.raw(&text.to_string()).await;
        // An error and the end, and nothing else.
        let error = client.hear().await.unwrap();
        assert_eq!(error["error"]["code"], "badToken", "{hello}");
        assert_eq!(
            client.hear().await.err().unwrap().unwrap().0,
            4003,
            "{hello}"
        );
    }
    // Of another room nothing is told, be it there or not.
    let mut said = Vec::new();
    for room in ["two", "three"] {
        inside.say(json!({ "join": { "room": room } })).await;
        let error = inside.hear_of("error").await;
        said.push((error["code"].clone(), error["message"].clone()));
    }
    assert_eq!(said[0], said[1]);
}

#[tokio::test]
async fn r_h01_who_does_not_say_hello_within_5_s_is_not_let_in() {
    let server = server(|_| {}).await;
    let mut silent = Client::silent(server.address()).await.unwrap();
    let mut chatty = Client::silent(server.address()).await.unwrap();
    chatty
        .say(json!({ "openOrJoin": { "room": "demo" } }))
        .await;
    assert_eq!(chatty.end().await.unwrap().0, 1008);
    let begin = Instant::now();
    assert_eq!(silent.end().await.unwrap().0, 1008);
    let took = begin.elapsed();
    assert!(
        took > Duration::from_secs(3) && took < Duration::from_secs(25),
        "{took:?}"
    );
    assert_eq!(server.desk().users(), 0);
}

#[tokio::test]
async fn r_h02_d57_a_foreign_or_missing_origin_is_refused_and_told_why() {
    let server =
        server(|config| config.allow_origins = vec!["https://friend.example".into()]).await;
    let at = server.address();
    for (origin, status) in [
        (Some("https://evil.example".to_owned()), 403),
        (Some("null".to_owned()), 403),
        (Some(format!("https://{at}")), 403),
        (None, 403),
        (Some(format!("http://{at}")), 101),
        (Some("https://friend.example".to_owned()), 101),
    ] {
        let mut request = request(at, "/ws");
        request.headers_mut().remove("origin");
        if let Some(origin) = &origin {
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((_, response)) => assert_eq!(response.status(), status, "{origin:?}"),
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), status, "{origin:?}");
                let words = String::from_utf8(response.into_body().unwrap_or_default()).unwrap();
                assert!(words.contains("allow_"), "{words}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn r_h02_d48_where_tls_is_wanted_nothing_else_is_spoken() {
    let folder = std::env::temp_dir().join(format!("ortc-door-{}", std::process::id()));
    let server = server(|config| {
        config.self_signed = true;
        config.state_dir = Some(folder.clone());
    })
    .await;
    let at = server.address();
    assert!(server.url().starts_with("https://localhost:"));
    match connect_async(request(at, "/ws")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), StatusCode::FORBIDDEN),
        other => panic!("{other:?}"),
    }
    let plain = ask(at, "GET /rooms/", "", "").await;
    assert_eq!(plain.status, 308);
    assert!(
        plain
            .head
            .contains(&format!("location: https://{at}/rooms/")),
        "{}",
        plain.head
    );

    let cert = CertificateDer::from_pem_file(folder.join("self-signed.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(at).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .unwrap();
    let mut request = request(at, "/ws");
    request
        .headers_mut()
        .insert("origin", format!("https://{at}").parse().unwrap());
    let (_, response) = client_async(request, stream).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn r_h08_a_slow_upgrade_is_ended_and_long_headers_are_refused() {
    let server = server(|_| {}).await;
    let at = server.address();
    let begin = Instant::now();
    let mut slow = TcpStream::connect(at).await.unwrap();
    let mut idle = TcpStream::connect(at).await.unwrap();
    slow.write_all(b"GET /ws HTTP/1.1\r\n").await.unwrap();
    let (mut from, mut to) = slow.split();
    let drip = async {
        loop {
            sleep(Duration::from_millis(500)).await;
            if to.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        _ = drip => {}
        end = timeout(PATIENCE, from.read_to_end(&mut bytes)) => { let _ = end.unwrap(); }
    }
    let _ = timeout(PATIENCE, idle.read(&mut [0])).await.unwrap();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");

    let mut long = TcpStream::connect(at).await.unwrap();
    let _ = long.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await;
    let line = format!("x-long: {}\r\n", "y".repeat(1_000));
    for _ in 0..1_000 {
        if long.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(read(&mut long).await.status, 431);
    // All the while others are served.
    assert_eq!(ask(at, "GET /healthz", "", "").await.status, 200);
}

#[tokio::test]
async fn r_h08_d57_clients_that_reset_their_connections_do_the_server_no_harm() {
    let server = server(|_| {}).await;
    let at = server.address();
    for text in [
        "",
        "G",
        "GET / HTTP/1.1\r\n",
        "\0\0\0\0",
        "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            reset(stream);
        }
    }
    for _ in 0..20 {
        let client = Client::new(at).await;
        match client.socket.into_inner() {
            tokio_tungstenite::MaybeTlsStream::Plain(stream) => reset(stream),
            _ => unreachable!(),
        }
    }
    let mut client = Client::new(at).await;
    client.enter("demo").await;
    let page = ask(at, "GET /ortc.js", "", "").await;
    let length = page
        .head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    assert_eq!(length.unwrap().parse::<usize>().unwrap(), page.body.len());
    assert!(
        page.head
            .contains("content-security-policy: default-src 'none'")
    );
}

/// Ends a connection without a goodbye.
fn reset(stream: TcpStream) {
    let stream = socket2::Socket::from(stream.into_std().unwrap());
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn d57_a_port_that_is_in_use_is_named() {
    let server = server(|_| {}).await;
    let mut config = config();
    config.listen = server.address();
    let error = Server::bind(config).await.unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }));
    let words = error.to_string();
    let port = server.address().to_string();
    assert!(
        words.contains(&format!("process {}", std::process::id())),
        "{words}"
    );
    assert!(
        words.starts_with("listen: ") && words.contains(&port) && words.contains("in use"),
        "{words}"
    );
}

#[tokio::test]
async fn d44_the_server_answers_stun_on_its_own_port() {
    let server = server(|_| {}).await;
    let at = server.stun_address().unwrap();
    assert_eq!(at, server.address());
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend(*b"transaction!");
    let mut answer = [0; 100];
    let length = loop {
        socket.send_to(&request, at).await.unwrap();
        if let Ok(received) = timeout(Duration::from_secs(1), socket.recv(&mut answer)).await {
            break received.unwrap();
        }
    };
    assert_eq!(answer[..2], [1, 1]);
    assert_eq!(&answer[8..20], b"transaction!");
    let port = socket.local_addr().unwrap().port() ^ 0x2112;
    assert_eq!(answer[26..28], port.to_be_bytes());
    assert_eq!(length, 32);
}
