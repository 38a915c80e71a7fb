//! Many connections on one RTCSocket: one port, told apart by both user name fragments.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use common::leaks::{Process, alone, current_thread};
use common::session::{End, audio, exchange, joined};
use common::{loopback, within};
use ortc::{
    DisconnectReason, MediaStreamTrack, RTCConnectionEvent, RTCConnectionOptions,
    RTCConnectionState, RTCSocket,
};

const PACKETS: usize = 20;

/// A connection on the shared socket, its peer, and media both ways.
struct Leg {
    near: End,
    far: End,
    there: (MediaStreamTrack, MediaStreamTrack),
    back: (MediaStreamTrack, MediaStreamTrack),
}

impl Leg {
    async fn new(near: End, far: End) -> Self {
        let (near, far) = joined(near, far).await;
        let (there, back) = (audio(&near, &far), audio(&far, &near));
        Self {
            near,
            far,
            there,
            back,
        }
    }

    async fn works(&self) {
        assert_eq!(exchange(&self.there, PACKETS).await, PACKETS);
        assert_eq!(exchange(&self.back, PACKETS).await, PACKETS);
    }
}

fn on(socket: &RTCSocket) -> End {
    End::new(RTCConnectionOptions::default().socket(socket.clone()))
}

fn bound_to(ip: IpAddr) -> RTCConnectionOptions {
    RTCConnectionOptions::default().bind(SocketAddr::new(ip, 0))
}

/// `count` connections on one socket, each with a peer of its own, connecting all at once.
async fn legs(count: usize, options: impl Fn() -> RTCConnectionOptions) -> Vec<Leg> {
    let first = End::new(options());
    let socket = first.connection.local_socket();
    let mut near = vec![first];
    near.extend((1..count).map(|_| on(&socket)));
    let set_up = near
        .into_iter()
        .map(|near| tokio::spawn(Leg::new(near, End::new(options()))));
    let mut legs = Vec::new();
    for leg in set_up.collect::<Vec<_>>() {
        legs.push(leg.await.unwrap());
    }
    legs
}

/// The ports of the side that talks to all ten.
async fn ten_peers(ip: IpAddr) -> usize {
    let before = Process::now();
    let legs = legs(10, || bound_to(ip)).await;
    for leg in &legs {
        leg.works().await;
    }
    // All at once as well.
    let legs: Vec<Leg> = {
        let all = legs.into_iter().map(|leg| {
            tokio::spawn(async move {
                leg.works().await;
                leg
            })
        });
        let mut legs = Vec::new();
        for leg in all.collect::<Vec<_>>() {
            legs.push(leg.await.unwrap());
        }
        legs
    };
    let socket = legs[0].near.connection.local_socket();
    assert_eq!(socket.local_addr().ip(), ip);
    let mut ports = vec![socket.port()];
    for leg in &legs {
        assert_eq!(leg.near.connection.local_socket(), socket);
        assert_eq!(
            leg.near.connection.local().ice,
            legs[0].near.connection.local().ice
        );
        ports.push(leg.far.connection.local_socket().port());
    }
    ports.sort_unstable();
    let added: Vec<u16> = Process::now()
        .udp_ports
        .into_iter()
        .filter(|port| !before.udp_ports.contains(port))
        .collect();
    assert_eq!(added, ports, "one port for all ten, one for each peer");
    let own = added.len() - legs.len();

    // Closed one by one, by this side and by the other in turn; the rest goes on.
    let mut rest = legs;
    while let Some(leg) = rest.pop() {
        let (closing, told) = match rest.len() % 2 {
            0 => (&leg.near.connection, &leg.far.connection),
            _ => (&leg.far.connection, &leg.near.connection),
        };
        closing.close();
        let reason = within(2, told.closed()).await;
        assert_eq!(reason, DisconnectReason::RemoteClosed);
        drop(leg);
        for leg in &rest {
            assert_eq!(leg.near.connection.state(), RTCConnectionState::Connected);
            leg.works().await;
        }
    }
    own
}

#[test]
fn g006_ten_peers_share_one_port() {
    alone(current_thread, || async {
        assert_eq!(ten_peers([127, 0, 0, 1].into()).await, 1);
    });
}

#[test]
fn g006_ten_peers_share_one_port_over_ipv6() {
    alone(current_thread, || async {
        assert_eq!(ten_peers(Ipv6Addr::LOCALHOST.into()).await, 1);
    });
}

/// Two connections between the same two sockets have the same fragments on both sides and cannot
/// be told apart; the first must not suffer from the attempt.
#[test]
fn a_second_connection_between_two_sockets_does_not_hurt_the_first() {
    alone(current_thread, || async {
        let first = Leg::new(End::loopback(), End::loopback()).await;
        let mut near = on(&first.near.connection.local_socket());
        let mut far = on(&first.far.connection.local_socket());
        near.introduce_to(&far);
        far.introduce_to(&near);
        for end in [&near, &far] {
            let refused = end.connection.connect().unwrap_err();
            assert_eq!(refused.name(), ortc::ErrorName::InvalidState);
        }
        for _ in 0..10 {
            first.works().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        near.connection.close();
        drop(far);
        first.works().await;
    });
}

#[test]
fn b032_closing_the_socket_disconnects_every_connection_on_it() {
    alone(current_thread, || async {
        let legs = legs(5, loopback).await;
        let socket = legs[0].near.connection.local_socket();
        let address = socket.local_addr();
        socket.close();
        socket.close();
        for mut leg in legs {
            let reason = within(1, leg.near.connection.closed()).await;
            assert_eq!(reason, DisconnectReason::SocketClosed);
            let mut last = None;
            while let Some(event) = within(1, leg.near.events.next()).await {
                last = Some(event);
            }
            assert_eq!(last, Some(RTCConnectionEvent::Disconnected { reason }));
            let reason = within(1, leg.far.connection.closed()).await;
            assert_eq!(reason, DisconnectReason::RemoteClosed);
            let refused =
                ortc::RTCConnection::new(RTCConnectionOptions::default().socket(socket.clone()));
            assert!(refused.is_err());
        }
        can_be_bound(address).await;
    });
}

/// Until the new descriptions have crossed, the peers go on checking the old paths with the old
/// fragments.
#[test]
fn g008_forks_that_restart_at_once_keep_their_old_paths() {
    alone(current_thread, || async {
        let legs = legs(2, loopback).await;
        for leg in &legs {
            leg.near.connection.restart().unwrap();
        }
        let unknown = || legs[0].near.connection.stats().socket.unknown;
        let before = unknown();
        // Consent is checked every 4 to 6 s.
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(unknown(), before, "checks of the peers were lost");
        for leg in &legs {
            leg.works().await;
        }
    });
}

#[test]
fn a_port_is_free_again_when_the_last_handle_is_dropped() {
    alone(current_thread, || async {
        let end = End::loopback();
        let socket = end.connection.local_socket();
        let address = socket.local_addr();
        drop(end);
        // The socket's own handle holds the port still.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(std::net::UdpSocket::bind(address).is_err());
        let again = on(&socket);
        drop(socket);
        let leg = Leg::new(again, End::loopback()).await;
        leg.works().await;
        assert_eq!(leg.near.connection.local_socket().local_addr(), address);
        drop(leg);
        can_be_bound(address).await;
        let reborn = End::new(RTCConnectionOptions::default().bind(address));
        assert_eq!(reborn.connection.local_socket().port(), address.port());
    });
}

/// A closed connection gives up its port, whatever handles are left.
#[test]
fn a_closed_connection_frees_its_port() {
    alone(current_thread, || async {
        let leg = Leg::new(End::loopback(), End::loopback()).await;
        let address = leg.near.connection.local_socket().local_addr();
        leg.near.connection.close();
        can_be_bound(address).await;
        let socket = leg.near.connection.local_socket();
        assert_eq!(socket.local_addr(), address);
        let refused =
            ortc::RTCConnection::new(RTCConnectionOptions::default().socket(socket)).map(|_| ());
        assert_eq!(refused.unwrap_err().name(), ortc::ErrorName::InvalidState);
    });
}

async fn can_be_bound(address: SocketAddr) {
    within(2, async {
        while std::net::UdpSocket::bind(address).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// The remote fragment is learnt only by `set_remote`: checks that come before it, while several
/// connections wait, belong to none of them and hurt none.
#[test]
fn g006_checks_before_the_remote_side_is_known() {
    alone(current_thread, || async {
        let mut near = vec![End::loopback()];
        let socket = near[0].connection.local_socket();
        near.extend((0..2).map(|_| on(&socket)));
        let mut far: Vec<End> = (0..3).map(|_| End::loopback()).collect();
        for (near, far) in near.iter_mut().zip(&far) {
            near.introduce_to(far);
            far.connection.connect().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        for (near, far) in near.iter().zip(&mut far) {
            far.introduce_to(near);
            near.connection.connect().unwrap();
        }
        for (near, far) in near.iter().zip(&far) {
            near.connected().await;
            far.connected().await;
            let there = audio(near, far);
            assert_eq!(exchange(&there, PACKETS).await, PACKETS);
        }
    });
}
