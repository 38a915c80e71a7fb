#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::json;

use super::ice_server::{RTCIceServer, RTCSocketServer, parse_servers};
use super::server_url::{ParsedServer, ServerScheme, ServerTransport};
use crate::error::ErrorName;

fn read(json: serde_json::Value) -> serde_json::Result<RTCIceServer> {
    serde_json::from_str(&json.to_string())
}

fn parse(url: &str) -> crate::Result<ParsedServer> {
    ParsedServer::parse(url)
}

/// The array of the draft's section "RTCIceServer".
#[test]
fn a045_ice_servers_of_the_example() {
    let text = r#"[{"url":"stun:stun.example.net"},{"url":"turn:user@turn.example.org","credential":"myPassword"}]"#;
    let servers: Vec<RTCIceServer> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&servers).unwrap(), text);
    let parsed = parse_servers(&servers).unwrap();
    assert_eq!(parsed.len(), 2);
    let [stun, turn] = parsed.as_slice() else {
        panic!()
    };
    assert_eq!((stun.host.as_str(), stun.port), ("stun.example.net", 3478));
    assert_eq!(stun.scheme, ServerScheme::Stun);
    assert_eq!(
        (stun.username.as_ref(), stun.credential.as_ref()),
        (None, None)
    );
    assert_eq!((turn.host.as_str(), turn.port), ("turn.example.org", 3478));
    assert_eq!(
        (turn.scheme, turn.transport),
        (ServerScheme::Turn, ServerTransport::Udp)
    );
    assert_eq!(turn.username.as_deref(), Some("user"));
    assert_eq!(turn.credential.as_deref(), Some("myPassword"));
    assert_eq!(turn.url, "turn:turn.example.org");
}

#[test]
fn a045_url_is_a_string_or_a_sequence() {
    let one = RTCIceServer::new("stun:a");
    for form in [
        json!({ "url": "stun:a" }),
        json!({ "url": ["stun:a"] }),
        json!({ "urls": "stun:a" }),
        json!({ "urls": ["stun:a"], "unknown": {} }),
    ] {
        assert_eq!(read(form.clone()).unwrap(), one, "{form}");
    }
    let two = json!({ "url": ["stun:a", "stun:b"] });
    let server = read(two.clone()).unwrap();
    assert_eq!(server.urls, ["stun:a", "stun:b"]);
    assert_eq!(serde_json::to_value(&server).unwrap(), two);
}

#[test]
fn a046_credential_is_nullable_and_for_turn() {
    let server = read(json!({ "url": "stun:a", "credential": null, "username": null })).unwrap();
    assert_eq!(server, RTCIceServer::new("stun:a"));
    let turn = RTCIceServer::new("turn:a").with_credential("u", "p");
    let text = r#"{"url":"turn:a","username":"u","credential":"p"}"#;
    assert_eq!(serde_json::to_string(&turn).unwrap(), text);
    assert_eq!(serde_json::from_str::<RTCIceServer>(text).unwrap(), turn);
    for without in [
        json!({ "url": "turn:a" }),
        json!({ "url": "turn:a", "username": "u" }),
        json!({ "url": "turn:a", "credential": "p" }),
        json!({ "url": "turn:u@a" }),
    ] {
        let error = parse_servers(&[read(without.clone()).unwrap()]).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters, "{without}");
    }
}

#[test]
fn a046_credentials_of_a_mixed_server_go_to_turn_only() {
    let server = RTCIceServer {
        urls: vec!["stun:a".into(), "turn:a".into()],
        username: Some("u".into()),
        credential: Some("p".into()),
    };
    let parsed = parse_servers(&[server]).unwrap();
    assert_eq!(
        (parsed[0].username.clone(), parsed[0].credential.clone()),
        (None, None)
    );
    assert_eq!(parsed[1].username.as_deref(), Some("u"));
}

#[test]
fn a047_several_servers_at_once_up_to_a_bound() {
    let servers = |n: usize| vec![RTCIceServer::new("stun:a"); n];
    assert_eq!(parse_servers(&servers(64)).unwrap().len(), 64);
    assert!(parse_servers(&servers(65)).is_err());
    assert!(parse_servers(&[]).unwrap().is_empty());
    assert!(read(json!({ "url": vec!["stun:a"; 64] })).is_ok());
    assert!(read(json!({ "url": vec!["stun:a"; 65] })).is_err());
}

#[test]
fn b042_servers_of_the_forerunner() {
    let stun = read(json!({ "server": "stun.example.net", "port": 3479 })).unwrap();
    assert_eq!(stun, RTCIceServer::new("stun:stun.example.net:3479"));
    let turn = read(json!({
        "server": "2001:db8::1", "username": "u", "password": "p", "realm": "example.org"
    }))
    .unwrap();
    assert_eq!(
        turn,
        RTCIceServer::new("turn:[2001:db8::1]").with_credential("u", "p")
    );
    assert_eq!(parse_servers(&[stun, turn]).unwrap().len(), 2);
}

#[test]
fn g017_user_names_inside_the_url() {
    for (url, user) in [
        ("turn:alice@h", "alice"),
        ("turn:alice@example.org@h", "alice@example.org"),
        ("turn:alice%40example.org@h", "alice@example.org"),
        ("turn:1700000000:alice@h:3478", "1700000000:alice"),
        ("TURN:%c3%A9@h?transport=udp", "é"),
    ] {
        let server = parse(url).unwrap();
        assert_eq!(server.username.as_deref(), Some(user), "{url}");
        assert_eq!(server.host, "h");
    }
    let explicit = RTCIceServer::new("turn:alice@h").with_credential("bob", "p");
    let parsed = explicit.parse().unwrap();
    assert_eq!(parsed[0].username.as_deref(), Some("bob"));
}

/// RFC 7064 section 3.2 and RFC 7065 section 3.2: the default ports.
#[test]
fn g017_schemes_hosts_ports_and_transports() {
    use ServerScheme::*;
    use ServerTransport::*;
    for (url, scheme, host, port, transport) in [
        ("stun:h", Stun, "h", 3478, Udp),
        ("stuns:h", Stuns, "h", 5349, Tcp),
        ("turn:h", Turn, "h", 3478, Udp),
        ("turns:h", Turns, "h", 5349, Tcp),
        ("STUN:H.example.", Stun, "H.example.", 3478, Udp),
        ("stun:192.0.2.1:1", Stun, "192.0.2.1", 1, Udp),
        ("stun:[2001:db8::1]", Stun, "2001:db8::1", 3478, Udp),
        ("turn:[::1]:65535", Turn, "::1", 65535, Udp),
        ("turn:h?transport=udp", Turn, "h", 3478, Udp),
        ("turn:h:99?transport=TCP", Turn, "h", 99, Tcp),
        ("turns:h?transport=udp", Turns, "h", 5349, Udp),
    ] {
        let server = parse(url).unwrap();
        assert_eq!(
            (
                server.scheme,
                server.host.as_str(),
                server.port,
                server.transport
            ),
            (scheme, host, port, transport),
            "{url}"
        );
    }
}

#[test]
fn g017_malformed_urls_are_refused() {
    let long_name = format!("stun:{}", "a".repeat(254));
    let long_url = format!("turn:{}@h", "a".repeat(1024));
    for url in [
        "",
        "stun",
        "stun:",
        ":h",
        "http://h",
        "stun://h",
        "turn://u@h",
        "stun:h/path",
        "stun:h:",
        "stun:h:0",
        "stun:h:65536",
        "stun:h:+1",
        "stun:h:1:2",
        "stun:2001:db8::1",
        "stun:[2001:db8::1",
        "stun:[h]",
        "stun:[::1]1",
        "stun:[]",
        "stun:h?transport=udp",
        "stun:u@h",
        "turn:@h",
        "turn:%zz@h",
        "turn:%4@h",
        "turn:%ff@h",
        "turn:h?",
        "turn:h?transport=",
        "turn:h?transport=sctp",
        "turn:h?x=y",
        "stun:h h",
        "stun:.",
        "stun:a..b",
        "stun:1.2.3",
        "stun:256.0.0.1",
        "stun:hé",
        &long_name,
        &long_url,
    ] {
        let error = parse(url).unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters, "{url}");
    }
    assert!(read(json!({})).is_err());
    assert!(read(json!({ "url": 1 })).is_err());
    assert!(read(json!({ "url": null })).is_err());
    assert!(read(json!({ "server": "h", "port": 65536 })).is_err());
    let none = read(json!({ "url": [] })).unwrap();
    assert!(parse_servers(&[none]).is_err());
}

#[test]
fn g017_what_is_not_supported_says_so() {
    for url in ["turns:h", "turns:h?transport=tcp", "turn:h?transport=tcp"] {
        let server = RTCIceServer::new(url).with_credential("u", "p");
        assert_eq!(parse_servers(&[server]).unwrap()[0].unsupported(), None);
    }
    for url in ["stuns:h", "turns:h?transport=udp"] {
        let server = RTCIceServer::new(url).with_credential("u", "p");
        assert!(server.parse().is_ok(), "{url}");
        let parsed = parse_servers(&[server, RTCIceServer::new("stun:h")]).unwrap();
        assert!(parsed[0].unsupported().is_some(), "{url}");
        assert_eq!(parsed[1].unsupported(), None);
        // Without credentials it is wrong, and not only of no use.
        if url.starts_with("turn") {
            assert!(parse_servers(&[RTCIceServer::new(url)]).is_err());
        }
    }
}

#[test]
fn debug_and_errors_do_not_show_secrets() {
    let server = RTCIceServer::new("turn:bob:hunter2@h").with_credential("u", "hunter2");
    let parsed = server.parse().unwrap();
    let old = RTCSocketServer {
        server: "h".into(),
        port: None,
        username: Some("u".into()),
        password: Some("hunter2".into()),
        realm: None,
    };
    let error = parse("turn:bob:hunter2@h h").unwrap_err();
    let shown = format!("{server:?} {parsed:?} {old:?} {error} {error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
