#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::SocketAddr;

use serde_json::json;

use super::candidate::{Ignored, RTCIceCandidateDescription, Skip};
use crate::engine::ice::{Candidate, CandidateKind, Uses};
use crate::error::ErrorName;

/// The draft's section "RTCIceCandidateDescription Example".
const EXAMPLE: &str = r#"{"foundation":"abcd1234","component":1,"transport":"udp","priority":1694498815,"connectionAddress":"192.0.2.33","connectionPort":10000,"type":"host"}"#;

fn read(json: &serde_json::Value) -> serde_json::Result<RTCIceCandidateDescription> {
    serde_json::from_str(&json.to_string())
}

fn example() -> RTCIceCandidateDescription {
    serde_json::from_str(EXAMPLE).unwrap()
}

/// The example with some members replaced (removed, if null).
fn example_with(changes: serde_json::Value) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        members.remove(name);
        if !change.is_null() {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

fn skipped(change: impl FnOnce(&mut RTCIceCandidateDescription)) -> Skip {
    let mut candidate = example();
    change(&mut candidate);
    candidate.to_engine().unwrap_err()
}

#[test]
fn a066_the_example_round_trips() {
    let candidate = example();
    assert_eq!(serde_json::to_string(&candidate).unwrap(), EXAMPLE);
    assert_eq!(candidate.foundation, "abcd1234");
    assert_eq!(
        (candidate.component, candidate.priority),
        (1, 1_694_498_815)
    );
    assert_eq!(candidate.transport, "udp");
    assert_eq!(candidate.connection_address, "192.0.2.33");
    assert_eq!(candidate.connection_port, 10_000);
    assert_eq!(candidate.typ, "host");
    assert_eq!((candidate.rel_address, candidate.rel_port), (None, None));
}

#[test]
fn a057_a065_json_of_every_member_is_pinned() {
    let candidate = RTCIceCandidateDescription {
        foundation: "f".into(),
        component: 1,
        transport: "tcp".into(),
        priority: u32::MAX,
        connection_address: "2001:db8::1".into(),
        connection_port: 65_535,
        typ: "srflx".into(),
        rel_address: Some("10.0.0.1".into()),
        rel_port: Some(9),
        tcp_type: Some("passive".into()),
        socket_id: Some("s".into()),
        username_frag: Some("abcd".into()),
    };
    let text = r#"{"foundation":"f","component":1,"transport":"tcp","priority":4294967295,"connectionAddress":"2001:db8::1","connectionPort":65535,"type":"srflx","relAddress":"10.0.0.1","relPort":9,"tcpType":"passive","socket-id":"s","usernameFrag":"abcd"}"#;
    assert_eq!(serde_json::to_string(&candidate).unwrap(), text);
    assert_eq!(
        serde_json::from_str::<RTCIceCandidateDescription>(text).unwrap(),
        candidate
    );
}

/// The forerunner's section "RTCCandidateDescriptionDictionary Example".
#[test]
fn b043_b044_b045_the_example_of_the_forerunner() {
    let text = r#"{"socket-id":"","foundation":1,"component":1,"transport":"udp","priority":1694498815,"connectionAddress":"192.0.2.33","connectionPort":10000,"type":"host"}"#;
    let candidate: RTCIceCandidateDescription = serde_json::from_str(text).unwrap();
    let expected = RTCIceCandidateDescription {
        foundation: "1".into(),
        socket_id: Some(String::new()),
        ..example()
    };
    assert_eq!(candidate, expected);
    assert!(candidate.to_engine().is_ok());
}

#[test]
fn g020_foundation_is_a_string_and_numbers_are_read() {
    let of =
        |foundation| read(&example_with(json!({ "foundation": foundation }))).map(|c| c.foundation);
    assert_eq!(of(json!(4_207_374_051u64)).unwrap(), "4207374051");
    assert_eq!(of(json!("a+/Z09")).unwrap(), "a+/Z09");
    assert_eq!(of(json!("f".repeat(32))).unwrap().len(), 32);
    for bad in [
        json!(""),
        json!("f".repeat(33)),
        json!("a b"),
        json!("a-b"),
        json!("é"),
        json!(-1),
        json!(1.5),
        json!(true),
        json!(["a"]),
    ] {
        assert!(of(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a057_a065_aliases_are_read() {
    let reflexive = json!({
        "foundation": "f", "component": 1, "transport": "udp", "priority": 7,
        "connectionAddress": "192.0.2.1", "connectionPort": 5, "type": "srflx",
        "relAddress": "10.0.0.1", "relPort": 6, "usernameFrag": "abcd", "socket-id": "s",
    });
    let expected = read(&reflexive).unwrap();
    for (name, alias) in [
        ("transport", "protocol"),
        ("connectionAddress", "address"),
        ("connectionAddress", "ip"),
        ("connectionPort", "port"),
        ("relAddress", "relatedAddress"),
        ("relPort", "relatedPort"),
        ("usernameFrag", "usernameFragment"),
        ("usernameFrag", "ufrag"),
        ("socket-id", "socketId"),
    ] {
        let mut value = reflexive.clone();
        let members = value.as_object_mut().unwrap();
        let member = members.remove(name).unwrap();
        members.insert(alias.into(), member);
        assert_eq!(read(&value).unwrap(), expected, "{alias}");
    }
    // The browsers' own object has several names for one thing, nulls and more members.
    let browser = json!({
        "foundation": "f", "component": "rtp", "protocol": "udp", "priority": 7,
        "address": "192.0.2.1", "ip": "192.0.2.1", "port": 5, "type": "srflx",
        "relatedAddress": "10.0.0.1", "relatedPort": 6, "usernameFragment": "abcd",
        "tcpType": null, "sdpMid": "0", "sdpMLineIndex": 0, "socket-id": "s",
    });
    assert_eq!(read(&browser).unwrap(), expected);
}

#[test]
fn a058_component_is_one_unless_stated() {
    let of = |change| read(&example_with(json!({ "component": change }))).map(|c| c.component);
    assert_eq!(of(json!(null)).unwrap(), 1);
    assert_eq!(of(json!("rtp")).unwrap(), 1);
    assert_eq!(of(json!("rtcp")).unwrap(), 2);
    assert_eq!(of(json!(2)).unwrap(), 2);
    for bad in [json!(-1), json!(4_294_967_296u64), json!("1"), json!({})] {
        assert!(of(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a060_a062_values_out_of_range_are_refused() {
    let most = json!({ "priority": u32::MAX, "connectionPort": u16::MAX });
    let most = read(&example_with(most)).unwrap();
    assert_eq!((most.priority, most.connection_port), (u32::MAX, u16::MAX));
    for bad in [
        json!({ "priority": -1 }),
        json!({ "priority": 4_294_967_296u64 }),
        json!({ "priority": "1" }),
        json!({ "connectionPort": 65_536 }),
        json!({ "connectionPort": -1 }),
        json!({ "connectionPort": 1.5 }),
        json!({ "relPort": 65_536 }),
        json!({ "type": 1 }),
        json!({ "connectionAddress": "a".repeat(257) }),
        json!({ "type": "t".repeat(257) }),
        json!({ "socket-id": "s".repeat(257) }),
        json!({ "usernameFrag": "u".repeat(257) }),
    ] {
        assert!(read(&example_with(bad.clone())).is_err(), "{bad}");
    }
    for name in [
        "foundation",
        "transport",
        "priority",
        "connectionAddress",
        "connectionPort",
        "type",
    ] {
        let error = read(&example_with(json!({ name: null }))).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn the_end_of_candidates_is_not_a_candidate() {
    for end in [json!(null), json!(""), json!({}), json!([])] {
        assert!(read(&end).is_err(), "{end}");
    }
    for end in ["", "candidate:", "a=candidate:", "end-of-candidates"] {
        assert!(end.parse::<RTCIceCandidateDescription>().is_err());
    }
}

#[test]
fn a061_a063_usable_candidates_reach_the_engine() {
    for (typ, kind) in [
        ("host", CandidateKind::Host),
        ("srflx", CandidateKind::ServerReflexive),
        ("prflx", CandidateKind::PeerReflexive),
        ("relay", CandidateKind::Relay),
    ] {
        let candidate = RTCIceCandidateDescription {
            typ: typ.into(),
            transport: "UDP".into(),
            rel_address: Some("10.0.0.1".into()),
            rel_port: Some(6),
            ..example()
        };
        let addr: SocketAddr = "192.0.2.33:10000".parse().unwrap();
        let expected = Candidate {
            foundation: "abcd1234".into(),
            priority: 1_694_498_815,
            addr,
            kind,
            base: addr,
            related: Some("10.0.0.1:6".parse().unwrap()),
            tcp: None,
            told_as: None,
        };
        assert_eq!(candidate.to_engine().unwrap(), expected);
    }
    for (text, ip) in [
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        let mut candidate = example();
        candidate.connection_address = text.into();
        let engine = candidate.to_engine().unwrap();
        assert_eq!(engine.addr.ip().to_string(), ip);
    }
}

#[test]
fn a064_a_bad_related_address_does_no_harm() {
    for (address, port) in [("x.local", Some(1)), ("10.0.0.1", None), ("", Some(0))] {
        let mut candidate = example();
        candidate.rel_address = Some(address.into());
        candidate.rel_port = port;
        assert_eq!(candidate.to_engine().unwrap().related, None);
    }
}

#[test]
fn g021_other_components_are_ignored() {
    for component in [0, 2, 256] {
        let skip = skipped(|c| c.component = component);
        assert_eq!(skip, Skip::Ignored(Ignored::Component));
    }
}

#[test]
fn g022_unusable_candidates_are_ignored_with_a_reason() {
    let ignored = Skip::Ignored;
    for transport in ["tcp", "TCP", "sctp", ""] {
        let skip = skipped(|c| c.transport = transport.into());
        assert_eq!(skip, ignored(Ignored::Transport));
    }
    for typ in ["", "Host", "local", "quic"] {
        assert_eq!(skipped(|c| c.typ = typ.into()), ignored(Ignored::Type));
    }
    for address in [
        "",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "1.2.3",
        "1.2.3.256",
        "fe80::1%eth0",
        "::ffff:0.0.0.0",
        "[",
        "[]",
    ] {
        let skip = skipped(|c| c.connection_address = address.into());
        assert_eq!(skip, ignored(Ignored::Address), "{address}");
    }
    for name in ["example.com", "a.b.local", ".local", "local", "a b.local"] {
        let skip = skipped(|c| c.connection_address = name.into());
        assert_eq!(skip, ignored(Ignored::HostName), "{name}");
    }
    assert_eq!(skipped(|c| c.connection_port = 0), ignored(Ignored::Port));
    let skip = skipped(|c| c.foundation.clear());
    assert_eq!(skip, ignored(Ignored::Foundation));
    assert_eq!(
        Ignored::Transport.to_string(),
        "the candidate is not over UDP"
    );
}

/// RFC 4007 section 11: a zone stands behind a link-local address, and is not empty.
#[test]
fn zones_are_cut_off_where_link_local_addresses_are_used() {
    let uses = |link_local| Uses {
        tcp: false,
        link_local,
    };
    let mut candidate = example();
    let mut of = |address: &str, link_local| {
        candidate.connection_address = address.into();
        let found = candidate.to_engine_for(uses(link_local));
        found.map(|found| found.addr.to_string())
    };
    for address in [
        "fe80::1",
        "fe80::1%eth0",
        "FE80::0:1%2",
        "[fe80::1%en0]",
        "fe80::1%a%b",
    ] {
        let found = of(address, true).unwrap();
        assert!(found.starts_with("[fe80::1]:"), "{address}: {found}");
        assert_eq!(of(address, false).is_ok(), !address.contains('%'));
    }
    for address in [
        "fe80::1%",
        "[fe80::1%]",
        "2001:db8::1%eth0",
        "10.0.0.1%eth0",
        "%eth0",
        "fe80%1",
    ] {
        let ignored = matches!(of(address, true), Err(Skip::Ignored(_)));
        assert!(ignored, "{address}");
    }
}

#[test]
fn g022_mdns_names_ask_for_resolution() {
    let name = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
    let mut candidate = example();
    candidate.connection_address = name.into();
    assert_eq!(candidate.to_engine(), Err(Skip::Resolve(name.into())));
    let engine = candidate.to_engine_at("10.0.0.7".parse().unwrap()).unwrap();
    assert_eq!(engine.addr.to_string(), "10.0.0.7:10000");
    let nowhere = candidate.to_engine_at("0.0.0.0".parse().unwrap());
    assert_eq!(nowhere, Err(Skip::Ignored(Ignored::Address)));
    // An unusable candidate is not worth resolving.
    candidate.transport = "tcp".into();
    assert_eq!(
        candidate.to_engine(),
        Err(Skip::Ignored(Ignored::Transport))
    );
}

#[test]
fn g022_unknown_types_pass_through() {
    let value = example_with(json!({ "type": "quic", "transport": "quic", "tcpType": "so" }));
    let candidate = read(&value).unwrap();
    assert_eq!(candidate.tcp_type.as_deref(), Some("so"));
    assert_eq!(serde_json::to_value(candidate).unwrap(), value);
}

#[test]
fn engine_candidates_are_described() {
    let engine = Candidate {
        foundation: "f".into(),
        priority: 3,
        addr: "[2001:db8::1]:5000".parse().unwrap(),
        kind: CandidateKind::Relay,
        base: "[2001:db8::1]:5000".parse().unwrap(),
        related: Some("192.0.2.1:9".parse().unwrap()),
        tcp: None,
        told_as: None,
    };
    let described = RTCIceCandidateDescription::from_engine(&engine, Some("abcd"));
    let text = r#"{"foundation":"f","component":1,"transport":"udp","priority":3,"connectionAddress":"2001:db8::1","connectionPort":5000,"type":"relay","relAddress":"192.0.2.1","relPort":9,"usernameFrag":"abcd"}"#;
    assert_eq!(serde_json::to_string(&described).unwrap(), text);
    assert_eq!(described.to_engine().unwrap(), engine);
}

#[test]
fn candidate_lines_of_browsers_are_read() {
    let chromium = "candidate:4234997325 1 udp 2043278322 192.0.2.172 44323 typ srflx raddr 10.0.0.1 rport 44323 generation 0 ufrag EEtu network-id 3 network-cost 10";
    let candidate = RTCIceCandidateDescription::parse_candidate_line(chromium).unwrap();
    let expected = RTCIceCandidateDescription {
        foundation: "4234997325".into(),
        component: 1,
        transport: "udp".into(),
        priority: 2_043_278_322,
        connection_address: "192.0.2.172".into(),
        connection_port: 44_323,
        typ: "srflx".into(),
        rel_address: Some("10.0.0.1".into()),
        rel_port: Some(44_323),
        tcp_type: None,
        socket_id: None,
        username_frag: Some("EEtu".into()),
    };
    assert_eq!(candidate, expected);
    for prefix in ["a=candidate:", "", " a="] {
        let line = chromium.replacen("candidate:", prefix, 1);
        assert_eq!(line.parse(), Ok(expected.clone()), "{prefix}");
    }
    let tcp = "candidate:1 2 TCP 1 a.local 9 typ host tcptype active\r\n"
        .parse::<RTCIceCandidateDescription>()
        .unwrap();
    assert_eq!(tcp.tcp_type.as_deref(), Some("active"));
    assert_eq!((tcp.component, tcp.transport.as_str()), (2, "TCP"));
}

/// RFC 8839 section 5.1.
#[test]
fn candidate_lines_are_written() {
    let mut candidate = example();
    assert_eq!(
        candidate.to_candidate_line().unwrap(),
        "candidate:abcd1234 1 udp 1694498815 192.0.2.33 10000 typ host"
    );
    candidate.typ = "srflx".into();
    assert!(
        candidate
            .to_candidate_line()
            .unwrap()
            .ends_with("typ srflx raddr 0.0.0.0 rport 9")
    );
    let mut six = candidate.clone();
    six.connection_address = "2001:db8::1".into();
    let line = six.to_candidate_line().unwrap();
    assert!(line.ends_with("typ srflx raddr :: rport 9"), "{line}");
    for (address, port, written) in [
        (Some("10.0.0.1"), None, "raddr 10.0.0.1 rport 9"),
        (None, Some(7), "raddr 0.0.0.0 rport 7"),
    ] {
        candidate.rel_address = address.map(str::to_owned);
        candidate.rel_port = port;
        let line = candidate.to_candidate_line().unwrap();
        assert!(line.ends_with(written), "{line}");
    }
    candidate.rel_address = Some("10.0.0.1".into());
    candidate.rel_port = Some(7);
    candidate.tcp_type = Some("so".into());
    candidate.username_frag = Some("abcd".into());
    let line = candidate.to_candidate_line().unwrap();
    assert!(line.ends_with("typ srflx raddr 10.0.0.1 rport 7 tcptype so ufrag abcd"));
    assert_eq!(line.parse(), Ok(candidate));
}

#[test]
fn candidate_lines_cannot_be_forged_from_members() {
    type Change = fn(&mut RTCIceCandidateDescription);
    let changes: [Change; 7] = [
        |c| c.connection_address = "192.0.2.1 1 typ relay".into(),
        |c| c.typ = "host\r\na=x".into(),
        |c| c.transport.clear(),
        |c| c.foundation = "a b".into(),
        |c| c.username_frag = Some("a b".into()),
        |c| c.tcp_type = Some("\n".into()),
        |c| c.component = 1_000,
    ];
    for change in changes {
        let mut candidate = example();
        change(&mut candidate);
        let error = candidate.to_candidate_line().unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters);
    }
}

#[test]
fn malformed_candidate_lines_are_refused() {
    let good = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    assert!(good.parse::<RTCIceCandidateDescription>().is_ok());
    let tokens: Vec<&str> = good.split(' ').collect();
    for n in 0..tokens.len() {
        let cut = tokens[..n].join(" ");
        let result = cut.parse::<RTCIceCandidateDescription>();
        assert!(result.is_err(), "{cut}");
    }
    for bad in [
        "candidate:1 -1 udp 1 192.0.2.1 9 typ host",
        "candidate:1 1 udp +1 192.0.2.1 9 typ host",
        "candidate:1 1 udp 4294967296 192.0.2.1 9 typ host",
        "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
        "candidate:1 1 udp 1 192.0.2.1 9 type host",
        "candidate:1-2 1 udp 1 192.0.2.1 9 typ host",
        "candidate:1 1 udp 1 192.0.2.1 9 typ host rport 65536",
        "candidate:1 1 udp 1 192.0.2.1 9 typ host raddr",
    ] {
        let error = bad.parse::<RTCIceCandidateDescription>().unwrap_err();
        assert_eq!(error.name(), ErrorName::InvalidParameters, "{bad}");
    }
    let long = format!("{good} x {}", "y".repeat(2048));
    assert!(long.parse::<RTCIceCandidateDescription>().is_err());
}

#[test]
fn a_host_candidate_is_made_from_its_address() {
    let candidate = RTCIceCandidateDescription::host("[2001:db8::1]:5000".parse().unwrap());
    assert_eq!(
        candidate.to_candidate_line().unwrap(),
        "candidate:1 1 udp 2130706431 2001:db8::1 5000 typ host"
    );
}
