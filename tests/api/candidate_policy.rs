//! Which candidates are offered, and which of the peer's are used.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use ortc::{
    ErrorName, RTCCandidatePolicy, RTCConnection, RTCConnectionEvent, RTCConnectionOptions,
    RTCIceCandidateDescription, RTCSocket,
};

use ortc::july::RTCSocketOptions;

use crate::common::{connected_pair_with, loopback, run, within};

async fn candidates(options: RTCConnectionOptions) -> Vec<RTCIceCandidateDescription> {
    let (connection, mut events) = RTCConnection::new(options).unwrap();
    let mut found = Vec::new();
    within(20, async {
        loop {
            match events.next().await.unwrap() {
                RTCConnectionEvent::Candidate(candidate) => found.push(candidate),
                RTCConnectionEvent::EndOfCandidates => return,
                _ => {}
            }
        }
    })
    .await;
    connection.close();
    found
}

fn with(policy: RTCCandidatePolicy) -> RTCConnectionOptions {
    RTCConnectionOptions::default()
        .include_loopback(true)
        .candidate_policy(policy)
}

fn policy() -> RTCCandidatePolicy {
    RTCCandidatePolicy::default()
}

#[tokio::test]
async fn a_policy_that_cannot_be_is_refused() {
    run(async {
        for wrong in [
            policy().host(false).reflexive(false).relay(false),
            policy().ports(0..=9),
            policy().ports(std::ops::RangeInclusive::new(9, 8)),
            policy().external_addresses([Ipv4Addr::UNSPECIFIED.into()]),
            policy().external_addresses([IpAddr::from([8, 8, 8, 8]); 17]),
            policy().host_names(true).host(false),
            policy().link_local(true).ipv6(false),
            policy().link_local(true).host(false),
            policy().link_local(true).deny_local_remotes(),
            policy().link_local(true).deny_private_remotes(),
        ] {
            let error = RTCConnection::new(with(wrong)).unwrap_err();
            assert_eq!(error.name(), ErrorName::InvalidParameters);
        }
    })
    .await;
}

#[tokio::test]
async fn interfaces_families_and_external_addresses_are_chosen() {
    run(async {
        let found = candidates(with(policy().interfaces(|name, _| name == "lo"))).await;
        assert!(!found.is_empty());
        let is_loopback = |c: &RTCIceCandidateDescription| {
            c.connection_address
                .parse::<IpAddr>()
                .unwrap()
                .is_loopback()
        };
        assert!(found.iter().all(is_loopback), "{found:?}");
        let found = candidates(with(policy().ipv6(false))).await;
        assert!(!found.is_empty());
        let v4 = |c: &RTCIceCandidateDescription| c.connection_address.parse::<Ipv4Addr>().is_ok();
        assert!(found.iter().all(v4), "{found:?}");
        let none = candidates(with(policy().interfaces(|_, _| false))).await;
        assert_eq!(none, []);

        let external = policy().external_addresses([IpAddr::from([203, 0, 113, 5])]);
        let found = candidates(with(external.clone().interfaces(|_, ip| ip.is_ipv4()))).await;
        let outside: Vec<_> = found.iter().filter(|c| c.typ == "srflx").collect();
        assert_eq!(outside.len(), 1);
        assert_eq!(outside[0].connection_address, "203.0.113.5");
        let host = found.iter().find(|c| c.typ == "host").unwrap();
        assert_eq!(outside[0].connection_port, host.connection_port);
        let found = candidates(with(external.host(false))).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rel_address.as_deref(), Some("0.0.0.0"));
    })
    .await;
}

/// What is asked for decides on what the peer says too: with a zone or without, it is one address.
#[tokio::test]
async fn link_local_addresses_are_used_where_that_is_asked_for() {
    run(async {
        for (wanted, ignored) in [(false, 2), (true, 0)] {
            let policy = policy().link_local(wanted).deny_remotes(
                // Never mind what this machine has on its links.
                "fe80::".parse().unwrap(),
                10,
            );
            let (connection, _events) = RTCConnection::new(with(policy)).unwrap();
            let mut told = RTCIceCandidateDescription::host("[fe80::1]:9".parse().unwrap());
            for address in ["fe80::1", "fe80::1%eth0", "[fe80::1%7]"] {
                told.connection_address = address.to_owned();
                connection.set_remote_candidate(&told).unwrap();
            }
            let dropped = connection.stats().dropped;
            assert_eq!(dropped.ignored_candidates, ignored);
            assert_eq!(dropped.ice.candidates, 3 - ignored);
            // One that gathering did not find is on no link that is known.
            let error = connection.set_local_candidate(&told).unwrap_err();
            assert_eq!(error.name(), ErrorName::NotSupported);
            connection.close();
        }
    })
    .await;
}

#[tokio::test]
async fn the_port_is_one_of_the_range_as_long_as_one_is_free() {
    run(async {
        // Two that are free, one behind the other, as far as anybody knows.
        let first = (0..100)
            .find_map(|_| {
                let one = UdpSocket::bind("[::]:0").ok()?;
                let port = one.local_addr().ok()?.port();
                let next = port.checked_add(1)?;
                UdpSocket::bind(("::", next)).ok().map(|_| port)
            })
            .unwrap();
        let range = || RTCSocketOptions::default().with_policy(policy().ports(first..=first + 1));
        let open = || RTCSocket::with_servers([], range());
        let (a, _events) = open().unwrap();
        let (b, _events) = open().unwrap();
        let mut ports = [a.port(), b.port()];
        ports.sort_unstable();
        assert_eq!(ports, [first, first + 1]);
        assert!(open().is_err());
        a.close();
        within(10, async {
            while open().is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        b.close();
    })
    .await;
}

/// A server that is not to be used as a probe of its own network.
#[tokio::test]
async fn nothing_is_sent_to_addresses_of_the_peer_that_are_denied() {
    run(async {
        for policy in [
            policy().deny_local_remotes(),
            policy().deny_private_remotes(),
            policy().deny_remotes(IpAddr::from([127, 0, 0, 0]), 8),
        ] {
            let target = UdpSocket::bind("127.0.0.1:0").unwrap();
            target.set_nonblocking(true).unwrap();
            let (peer, _peer_events) = RTCConnection::new(loopback()).unwrap();
            let (server, _events) =
                RTCConnection::new(loopback().candidate_policy(policy)).unwrap();
            server.set_remote(peer.local()).unwrap();
            peer.set_remote(server.local()).unwrap();
            let at = target.local_addr().unwrap();
            let candidate = RTCIceCandidateDescription::host(at);
            server.set_remote_candidate(&candidate).unwrap();
            // It checks by itself as well: its address would be peer-reflexive.
            let there = server.local_socket().local_addr();
            peer.set_remote_candidate(&RTCIceCandidateDescription::host(there))
                .unwrap();
            server.connect().unwrap();
            peer.connect().unwrap();
            within(20, async {
                while server.stats().dropped.ice.candidates < 3 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            assert!(target.recv(&mut [0; 64]).is_err(), "it was probed");
            assert_eq!(server.stats().candidate_pairs.len(), 0);
            server.close();
            peer.close();
        }
        // And other addresses are as good as ever.
        let elsewhere = policy().deny_remotes(IpAddr::from([10, 0, 0, 0]), 8);
        let options = || loopback().candidate_policy(elsewhere.clone());
        let (a, b) = connected_pair_with(options(), options()).await;
        a.connection.close();
        b.connection.close();
    })
    .await;
}
