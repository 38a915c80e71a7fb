//! Forged, replayed and excessive input.

use stun::attributes::{ATTR_USERNAME, AttrType, RawAttribute};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::*;
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;
use webrtc_ice::attributes::control::{AttrControlled, AttrControlling};
use webrtc_ice::attributes::priority::PriorityAttr;
use webrtc_ice::attributes::use_candidate::UseCandidateAttr;

use super::net::*;
use crate::engine::ice::*;

pub(super) fn build(
    setters: Vec<Box<dyn Setter>>,
    pwd: Option<&str>,
    fingerprint: bool,
) -> Vec<u8> {
    let provider = rtc_crypto::default_provider().unwrap();
    let mut message = Message::new();
    message.build(&[]).unwrap();
    for setter in setters {
        setter.add_to(&mut message).unwrap();
    }
    if let Some(pwd) = pwd {
        let integrity = MessageIntegrity::new_raw_integrity_with_provider(pwd, provider.crypto());
        integrity.add_to(&mut message).unwrap();
    }
    if fingerprint {
        FINGERPRINT.add_to(&mut message).unwrap();
    }
    message.raw
}

pub(super) fn check(username: &str) -> Vec<Box<dyn Setter>> {
    vec![
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId::new()),
        Box::new(TextAttribute::new(ATTR_USERNAME, username.into())),
        Box::new(PriorityAttr(1_000)),
        Box::new(UseCandidateAttr::new()),
        Box::new(AttrControlling(u64::MAX)),
    ]
}

const US: &str = "leftufrag:riteufrag";

fn snapshot(agent: &IceAgent) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?}",
        agent.state(),
        agent.role(),
        agent.pair_stats(),
        agent.send_path(),
        agent.remotes
    )
}

/// S17: no candidate, no state, no reply, no role, no freshness.
#[test]
fn s17_forged_messages_have_no_effect() {
    let pwd = credentials("left").pwd;
    let peer_pwd = credentials("rite").pwd;
    for connected in [false, true] {
        let mut net = Net::ready(1, [A, B]);
        if connected {
            assert!(net.connect(SEC));
            net.run_for(SEC);
        } else {
            net.filter = Some(Box::new(|_, _, _, _| false));
            net.run_for(100 * MS);
        }
        let mapped = || XorMappedAddress {
            ip: addr(Net::LEFT).ip(),
            port: 1000,
        };
        let response = |kind: MessageType| -> Vec<Box<dyn Setter>> {
            vec![
                Box::new(kind),
                Box::new(TransactionId::new()),
                Box::new(mapped()),
            ]
        };
        let mut indication = check(US);
        indication[0] = Box::new(MessageType::new(METHOD_BINDING, CLASS_INDICATION));
        let mut other_method = check(US);
        other_method[0] = Box::new(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST));
        let forged = [
            build(check(US), None, true),
            build(check(US), Some("wrong"), true),
            build(check(US), Some(&peer_pwd), true),
            build(check(US), Some(&pwd), false),
            build(check("leftufrag:otherpeer"), Some(&pwd), true),
            build(check("otherufrag:riteufrag"), Some(&pwd), true),
            build(check("leftufrag"), Some(&pwd), true),
            build(check("leftufragriteufrag:"), Some(&pwd), true),
            build(indication, Some(&pwd), true),
            build(other_method, Some(&pwd), true),
            build(response(BINDING_SUCCESS), Some(&peer_pwd), true),
            build(response(BINDING_ERROR), Some(&peer_pwd), true),
        ];
        let before = snapshot(&net.agents[0]);
        let timeout = net.agents[0].poll_timeout();
        for bytes in &forged {
            for from in [Net::RIGHT, "10.6.6.6:666"] {
                let now = net.now;
                net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(from), bytes);
                assert!(net.agents[0].poll_transmit().is_none(), "a reply");
                assert!(net.agents[0].poll_event().is_none());
            }
        }
        assert_eq!(snapshot(&net.agents[0]), before);
        assert_eq!(net.agents[0].poll_timeout(), timeout);
        let c = net.agents[0].counters();
        let dropped = c.malformed + c.wrong_integrity + c.wrong_username + c.unknown_transaction;
        assert_eq!(dropped, 2 * forged.len() as u64);
    }
}

#[test]
fn s17_unknown_required_attribute_is_answered_420() {
    let mut net = Net::ready(1, [A, B]);
    net.filter = Some(Box::new(|_, _, _, _| false));
    net.run_for(100 * MS);
    let before = snapshot(&net.agents[0]);
    let pwd = credentials("left").pwd;
    let mut setters = check(US);
    setters.push(Box::new(RawAttribute {
        typ: AttrType(0x7abc),
        value: vec![1, 2, 3],
        ..Default::default()
    }));
    let bytes = build(setters, Some(&pwd), true);
    let now = net.now;
    net.agents[0].handle_datagram(now, addr(Net::LEFT), addr("10.6.6.6:666"), &bytes);
    let reply = net.agents[0].poll_transmit().unwrap();
    let mut message = Message::new();
    message.unmarshal_binary(&reply.data).unwrap();
    assert_eq!(message.typ, BINDING_ERROR);
    assert_eq!(
        &message.get(stun::attributes::ATTR_ERROR_CODE).unwrap()[2..4],
        [4, 20]
    );
    assert_eq!(message.get(AttrType(0x000A)).unwrap(), [0x7a, 0xbc]);
    assert!(reply.data.len() <= bytes.len() + 8, "no amplification");
    assert_eq!(snapshot(&net.agents[0]), before);
}

/// RFC 8445 section 7.2.5.2.1: an authentic answer from elsewhere proves nothing.
#[test]
fn an_answer_from_another_address_validates_nothing() {
    let mut net = Net::new(1, [A, B]);
    net.exchange();
    let now = net.now;
    net.agents[0].start(now);
    let request = net.agents[0].poll_transmit().unwrap();
    net.agents[1].handle_datagram(now, addr(Net::RIGHT), addr(Net::LEFT), &request.data);
    let answer = net.agents[1].poll_transmit().unwrap();
    net.agents[0].handle_datagram(now, addr(Net::LEFT), addr("10.6.6.6:666"), &answer.data);
    assert_eq!(net.agents[0].counters().asymmetric_response, 1);
    assert_eq!(net.agents[0].pair_stats()[0].state, PairState::Failed);
    assert!(!net.agents[0].accepts(addr(Net::LEFT), addr("10.6.6.6:666")));
    // Nor does the same one twice.
    net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(Net::RIGHT), &answer.data);
    assert_eq!(net.agents[0].counters().unknown_transaction, 1);
}

/// B13: a controlled peer cannot nominate.
#[test]
fn g042_use_candidate_from_the_controlled_side_is_ignored() {
    let mut net = Net::ready(1, [B, A]);
    net.filter = Some(Box::new(|_, side, _, _| side == 1));
    net.run_for(100 * MS);
    let pwd = credentials("left").pwd;
    let mut setters = check(US);
    setters[5] = Box::new(AttrControlled(0));
    let bytes = build(setters, Some(&pwd), true);
    let now = net.now;
    net.agents[0].tie_breaker = 0;
    net.agents[0].role = A;
    net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(Net::RIGHT), &bytes);
    assert!(!net.agents[0].pairs[0].nominate_on_success);
}

#[test]
fn only_validated_pairs_are_accepted() {
    let mut net = Net::ready(1, [A, B]);
    let (left, right) = (addr(Net::LEFT), addr(Net::RIGHT));
    assert!(!net.agents[0].accepts(left, right), "not checked yet");
    assert!(net.connect(SEC));
    assert!(net.agents[0].accepts(left, right));
    assert!(!net.agents[0].accepts(left, addr("10.0.0.2:2001")));
    assert!(!net.agents[0].accepts(addr("10.0.0.1:1001"), right));
}

/// C14: 1,000 candidates; at most 100 pairs, 7 checks per pair and transaction, 20 ms apart.
#[test]
fn g042_r_c14_a_flood_of_candidates_is_bounded_and_paced() {
    let mut net = Net::new(1, [A, B]);
    let now = net.now;
    net.agents[0].add_local_candidate(now, host(Net::LEFT, 100));
    net.agents[0].add_local_candidate(now, host("10.0.9.1:1000", 90));
    net.agents[0].set_remote_credentials(now, credentials("rite"));
    net.agents[0].start(now);
    for i in 0..1_000u32 {
        let to = format!("192.0.2.{}:{}", i % 250 + 1, 3_000 + i);
        net.agents[0].add_remote_candidate(now, host(&to, (i * 7 % 1_000) as u16));
    }
    for bad in [
        "0.0.0.0:9",
        "224.0.0.1:9",
        "255.255.255.255:9",
        "10.0.0.9:0",
        "[ff02::1]:9",
    ] {
        net.agents[0].add_remote_candidate(now, host(bad, 60_000));
    }
    assert_eq!(net.agents[0].pair_stats().len(), 100);
    assert!(net.agents[0].remotes.len() <= 256);
    assert!(net.agents[0].spares.len() <= 1_024);
    net.filter = Some(Box::new(|_, _, _, _| false));
    net.run_for(120 * SEC);
    let sent = &net.sent[0];
    assert!(sent.len() > 100);
    for two in sent.windows(2) {
        assert!(
            two[1].0 - two[0].0 >= 20 * MS,
            "{:?} {:?}",
            two[0].0,
            two[1].0
        );
    }
    // RFC 8445 section 14.2: a new transaction each 50 ms.
    let mut ids = std::collections::HashSet::new();
    let new: Vec<_> = sent
        .iter()
        .filter(|s| ids.insert(s.3[8..20].to_vec()))
        .map(|s| s.0)
        .collect();
    for two in new.windows(2) {
        assert!(two[1] - two[0] >= 50 * MS, "{:?} {:?}", two[0], two[1]);
    }
    let mut transmissions = std::collections::HashMap::new();
    let mut per_pair = std::collections::HashMap::new();
    for s in sent {
        *transmissions.entry(s.3[8..20].to_vec()).or_insert(0) += 1;
        *per_pair.entry((s.1, s.2)).or_insert(0) += 1;
    }
    assert!(transmissions.values().all(|n| *n <= 7));
    assert!(per_pair.values().all(|n| *n <= 7));
    assert_eq!(net.agents[0].state(), IceState::Failed);
}

/// C14: authenticated checks from 5,000 ports.
#[test]
fn r_c14_peer_reflexive_candidates_are_bounded() {
    let mut net = Net::ready(1, [A, B]);
    assert!(net.connect(SEC));
    let pwd = credentials("left").pwd;
    let selected = net.agents[0].send_path();
    let sent = net.sent[0].len();
    net.filter = Some(Box::new(|_, _, _, to| to.ip() != addr("10.6.6.6:1").ip()));
    for i in 0..5_000u16 {
        let mut setters = check(US);
        setters[5] = Box::new(AttrControlled(0));
        let bytes = build(setters, Some(&pwd), true);
        let from = format!("10.6.6.6:{}", 1_000 + i);
        let now = net.now;
        net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(&from), &bytes);
        net.run_for(4 * MS);
        assert!(net.agents[0].pairs.len() <= 33);
        assert!(net.agents[0].remotes.len() <= 33);
        assert!(net.agents[0].transactions.len() <= 256);
    }
    assert_eq!(net.agents[0].send_path(), selected);
    assert!(net.agents[0].counters().peer_reflexive_refused > 4_000);
    let sent = net.sent[0].len() - sent;
    assert!(sent <= 1_200, "{sent} datagrams for 5,000");
}

#[test]
fn early_checks_are_bounded_and_need_the_password() {
    let start = std::time::Instant::now();
    let mut agent = IceAgent::new(start, credentials("left"), B, 1, IceConfig::default());
    agent.add_local_candidate(start, host(Net::LEFT, 1));
    let pwd = credentials("left").pwd;
    for i in 0..1_000 {
        let from = addr(&format!("10.0.0.2:{}", 1_000 + i));
        let forged = build(check(US), Some("wrong"), true);
        agent.handle_datagram(start, addr(Net::LEFT), from, &forged);
        assert!(agent.poll_transmit().is_none());
        let right = build(check(US), Some(&pwd), true);
        agent.handle_datagram(start, addr(Net::LEFT), from, &right);
        assert_eq!(agent.poll_transmit().is_some(), i < 100);
    }
    assert_eq!(agent.early.len(), 100);
    assert!(agent.pairs.is_empty());
    agent.set_remote_credentials(start, credentials("rite"));
    assert!(agent.pairs.len() <= 32);
}

/// Who sees our transaction id still needs the password.
#[test]
fn s17_a_forged_answer_to_a_real_request_has_no_effect() {
    let mut net = Net::ready(1, [A, B]);
    let request = net.agents[0].poll_transmit().unwrap();
    let id = TransactionId(request.data[8..20].try_into().unwrap());
    let mapped = || XorMappedAddress {
        ip: addr(Net::LEFT).ip(),
        port: 1000,
    };
    let before = snapshot(&net.agents[0]);
    let own_pwd = credentials("left").pwd;
    for kind in [BINDING_SUCCESS, BINDING_ERROR] {
        for pwd in ["wrong", &own_pwd] {
            let setters: Vec<Box<dyn Setter>> =
                vec![Box::new(kind), Box::new(id), Box::new(mapped())];
            let bytes = build(setters, Some(pwd), true);
            let now = net.now;
            net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(Net::RIGHT), &bytes);
        }
    }
    assert_eq!(net.agents[0].counters().wrong_integrity, 4);
    assert_eq!(snapshot(&net.agents[0]), before);
}

/// The 20 ms hold for retransmissions too, when they fall between other checks.
#[test]
fn r_c14_retransmissions_are_spaced() {
    let mut net = Net::new(1, [A, B]);
    let now = net.now;
    net.filter = Some(Box::new(|_, _, _, _| false));
    net.agents[0].add_local_candidate(now, host(Net::LEFT, 100));
    net.agents[0].set_remote_credentials(now, credentials("rite"));
    net.agents[0].start(now);
    for port in 1..=40 {
        net.run_for(57 * MS);
        let now = net.now;
        let remote = host(&format!("10.0.0.2:{port}"), 100);
        net.agents[0].add_remote_candidate(now, remote);
    }
    // A driver may call more often than it was asked to.
    for _ in 0..3_000 {
        net.run_for(3 * MS);
        let now = net.now;
        net.agents[0].handle_timeout(now);
    }
    for two in net.sent[0].windows(2) {
        assert!(two[1].0 - two[0].0 >= 20 * MS, "{:?}", two[0].0);
    }
}

#[test]
fn the_returning_peer_prompts_a_consent_check() {
    for (silence, prompted) in [(3 * SEC, false), (8 * SEC, true)] {
        let mut net = Net::ready(1, [A, B]);
        assert!(net.connect(SEC));
        net.filter = Some(Box::new(|_, _, _, _| false));
        net.run_for(silence);
        let mut setters = check(US);
        setters.truncate(4);
        let bytes = build(setters, Some(&credentials("left").pwd), true);
        let now = net.now;
        net.agents[0].handle_datagram(now, addr(Net::LEFT), addr(Net::RIGHT), &bytes);
        let sent = std::iter::from_fn(|| net.agents[0].poll_transmit());
        let kinds: Vec<u8> = sent.map(|t| t.data[0]).collect();
        let expected: &[u8] = if prompted { &[1, 0] } else { &[1] };
        assert_eq!(kinds, expected, "answer, then a check");
    }
}
