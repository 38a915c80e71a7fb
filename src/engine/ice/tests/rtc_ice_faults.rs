//! Why the agent of `rtc-ice` 0.21.1 is not used: each fault is shown by running it, beside the
//! same case on the agent here. A test that fails after an upgrade says that a fault is mended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::Protocol;
use stun::message::{BINDING_ERROR, BINDING_SUCCESS, Message, MessageType};
use webrtc_ice::attributes::control::AttrControlling;
use webrtc_ice::candidate::CandidateConfig;
use webrtc_ice::candidate::candidate_host::CandidateHostConfig;
use webrtc_ice::{Agent, AgentConfig};

use super::hostile::{build, check};
use super::net::*;
use crate::engine::ice::*;

const US: &str = "leftufrag:riteufrag";

fn context(from: SocketAddr) -> TransportContext {
    TransportContext {
        local_addr: addr(Net::LEFT),
        peer_addr: from,
        ecn: None,
        transport_protocol: TransportProtocol::UDP,
    }
}

fn rtc_candidate(at: SocketAddr) -> webrtc_ice::candidate::Candidate {
    let config = CandidateHostConfig {
        base_config: CandidateConfig {
            network: "udp".into(),
            address: at.ip().to_string(),
            port: at.port(),
            component: 1,
            ..Default::default()
        },
        ..Default::default()
    };
    config.new_candidate_host().unwrap()
}

/// Controlling, with the credentials of the left side, started, knowing these candidates.
fn rtc_agent(now: Instant, remotes: &[SocketAddr]) -> Agent {
    let own = credentials("left");
    let config = AgentConfig {
        local_ufrag: own.ufrag,
        local_pwd: own.pwd,
        is_controlling: true,
        ..Default::default()
    };
    let provider = rtc_crypto::default_provider().unwrap();
    let mut agent = Agent::new(now, Arc::new(config), provider).unwrap();
    agent
        .add_local_candidate(rtc_candidate(addr(Net::LEFT)))
        .unwrap();
    for remote in remotes {
        agent.add_remote_candidate(rtc_candidate(*remote)).unwrap();
    }
    let peer = credentials("rite");
    agent
        .start_connectivity_checks(now, true, peer.ufrag, peer.pwd)
        .unwrap();
    agent
}

fn our_agent(now: Instant, remotes: &[SocketAddr]) -> IceAgent {
    let config = IceConfig::default();
    let mut agent = IceAgent::new(now, credentials("left"), A, u64::MAX / 2, config);
    agent.add_local_candidate(now, host(Net::LEFT, 100));
    for remote in remotes {
        agent.add_remote_candidate(now, host(&remote.to_string(), 100));
    }
    agent.set_remote_credentials(now, credentials("rite"));
    agent.start(now);
    agent
}

fn rtc_receives(agent: &mut Agent, now: Instant, from: SocketAddr, bytes: &[u8]) {
    let _ = agent.handle_read(TaggedBytesMut {
        now,
        transport: context(from),
        message: BytesMut::from(bytes),
    });
}

fn kind(bytes: &[u8]) -> MessageType {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).unwrap();
    message.typ
}

#[test]
fn an_unauthenticated_message_flips_its_role() {
    let now = Instant::now();
    let peer = addr(Net::RIGHT);
    let forged = build(check("x:y"), None, false);

    let mut theirs = rtc_agent(now, &[peer]);
    assert!(theirs.role());
    rtc_receives(&mut theirs, now, peer, &forged);
    assert!(!theirs.role(), "the fault");

    let mut ours = our_agent(now, &[peer]);
    for forged in [forged, build(check(US), Some("wrong"), true)] {
        ours.handle_datagram(now, addr(Net::LEFT), peer, &forged);
        assert_eq!(ours.role(), A);
    }
}

#[test]
fn it_answers_a_role_conflict_with_both_487_and_success() {
    let now = Instant::now();
    let peer = addr(Net::RIGHT);
    let pwd = credentials("left").pwd;
    let mut setters = check(US);
    setters.remove(4);
    setters[4] = Box::new(AttrControlling(0));
    let conflicting = build(setters, Some(&pwd), true);

    let mut theirs = rtc_agent(now, &[peer]);
    rtc_receives(&mut theirs, now, peer, &conflicting);
    let mut answers = Vec::new();
    while let Some(sent) = theirs.poll_write() {
        answers.push(kind(&sent.message));
    }
    assert_eq!(answers, [BINDING_ERROR, BINDING_SUCCESS], "the fault");

    let mut ours = our_agent(now, &[peer]);
    while ours.poll_transmit().is_some() {}
    ours.handle_datagram(now, addr(Net::LEFT), peer, &conflicting);
    assert_eq!(kind(&ours.poll_transmit().unwrap().data), BINDING_ERROR);
    assert!(ours.poll_transmit().is_none());
}

#[test]
fn it_sends_all_checks_in_one_burst() {
    let now = Instant::now();
    let remotes: Vec<_> = (0..50).map(|i| addr(&format!("10.0.1.{i}:5000"))).collect();

    let mut theirs = rtc_agent(now, &remotes);
    theirs.handle_timeout(now).unwrap();
    let burst = std::iter::from_fn(|| theirs.poll_write()).count();
    assert_eq!(burst, 50, "the fault");

    let mut ours = our_agent(now, &remotes);
    assert_eq!(std::iter::from_fn(|| ours.poll_transmit()).count(), 1);
}

#[test]
fn it_takes_traffic_from_addresses_it_never_verified() {
    let now = Instant::now();
    let peer = addr(Net::RIGHT);
    let mut theirs = rtc_agent(now, &[peer]);
    assert!(
        theirs.is_valid_non_stun_traffic(now, context(peer)),
        "the fault"
    );

    let ours = our_agent(now, &[peer]);
    assert!(!ours.accepts(addr(Net::LEFT), peer));
}

#[test]
fn it_learns_peer_reflexive_candidates_without_limit() {
    let now = Instant::now();
    let pwd = credentials("left").pwd;
    let mut theirs = rtc_agent(now, &[]);
    let mut ours = our_agent(now, &[]);
    for port in 0..1_000 {
        let mut setters = check(US);
        setters.truncate(4);
        let bytes = build(setters, Some(&pwd), true);
        let from = addr(&format!("10.6.6.6:{}", 1_000 + port));
        rtc_receives(&mut theirs, now, from, &bytes);
        ours.handle_datagram(now, addr(Net::LEFT), from, &bytes);
    }
    assert_eq!(theirs.get_remote_candidates().len(), 1_000, "the fault");
    assert!(ours.remotes.len() <= 32);
}

/// Runs both agents against each other, which also shows that they work together.
#[test]
fn it_drops_the_path_in_use_on_a_restart() {
    let start = Instant::now();
    let (left, right) = (addr(Net::LEFT), addr(Net::RIGHT));
    let mut theirs = rtc_agent(start, &[right]);
    let mut ours = IceAgent::new(start, credentials("rite"), B, 1, IceConfig::default());
    ours.add_local_candidate(start, host(Net::RIGHT, 100));
    ours.set_remote_credentials(start, credentials("left"));
    ours.start(start);
    let mut now = start;
    for _ in 0..500 {
        now += 10 * MS;
        let _ = theirs.handle_timeout(now);
        ours.handle_timeout(now);
        while let Some(sent) = theirs.poll_write() {
            ours.handle_datagram(now, right, left, &sent.message);
        }
        while let Some(sent) = ours.poll_transmit() {
            rtc_receives(&mut theirs, now, right, &sent.data);
        }
    }
    assert!(theirs.get_selected_candidate_pair().is_some());
    assert_eq!(ours.send_path(), Some((right, left)));

    let new = credentials("new");
    theirs.restart(now, new.ufrag, new.pwd, true).unwrap();
    assert!(theirs.get_selected_candidate_pair().is_none(), "the fault");
    ours.restart(now, credentials("new"));
    assert_eq!(ours.send_path(), Some((right, left)));
    assert!(ours.accepts(right, left));
}
