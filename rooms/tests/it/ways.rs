//! Who sends to whom, over which port, and how often.

use ortc::Kind;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, OneWay, RoomRequest, SessionOptions};
use ortc_rooms::signalling::{Direction, Role};

use crate::support::{Member, Source, count, id, more, options};

#[tokio::test]
async fn c7_c61_one_way_only_the_owner_is_heard() {
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let mut carol = Member::new(&desk, "carol").await;
    let request = RoomRequest::from("show").direction(Direction::OneWay);
    alice.session.open(request).await.unwrap();
    bob.session.join("show").await.unwrap();
    carol.session.join("show").await.unwrap();
    let sources = [(); 3].map(|()| Source::new(true, false));
    for (member, source) in [&alice, &bob, &carol].into_iter().zip(&sources) {
        member.session.add_stream(&source.stream).unwrap();
    }
    for member in [&mut bob, &mut carol] {
        let heard = count(member.track(Kind::Audio).await);
        more(&heard, 5).await;
    }
    alice.connected("bob").await;
    // Those who only look on are not connected to each other.
    assert!(bob.session.peer(&id("carol")).is_err());
    assert!(carol.session.peer(&id("bob")).is_err());
    for name in ["bob", "carol"] {
        let stats = alice.session.peer(&id(name)).unwrap().stats().unwrap();
        assert!(stats.inbound_rtp.is_empty());
    }
    // Another owner, other ways.
    let room = alice.session.rooms().remove(0);
    room.hand_over(&id("bob")).await.unwrap();
    let heard = count(carol.track(Kind::Audio).await);
    more(&heard, 5).await;
    let heard = count(alice.track(Kind::Audio).await);
    more(&heard, 5).await;
}

#[tokio::test]
async fn c25_a_stream_goes_to_one_alone() {
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let mut carol = Member::new(&desk, "carol").await;
    for member in [&alice, &bob, &carol] {
        member.session.open_or_join("demo").await.unwrap();
    }
    alice.connected("bob").await;
    let screen = Source::new(false, true);
    let peer = alice.session.peer(&id("bob")).unwrap();
    peer.add_stream(&screen.stream, OneWay).unwrap();
    let session = bob
        .until(|event| match event {
            Event::Stream(stream) => Some(stream.session),
            _ => None,
        })
        .await;
    assert!(session.oneway && session.video && !session.audio);
    let heard = count(bob.track(Kind::Video).await);
    more(&heard, 5).await;
    carol.connected("alice").await;
    let stats = carol.session.peer(&id("alice")).unwrap().stats().unwrap();
    assert!(stats.inbound_rtp.is_empty());
    // A bystander who may only receive cannot send at all.
    let inspector = options("zoe").with_role(Role::Inspector);
    let mut zoe = Member::with(&desk, inspector).await;
    zoe.session.join("demo").await.unwrap();
    assert!(zoe.session.add_stream(&screen.stream).is_err());
    zoe.connected("alice").await;
}

#[tokio::test]
async fn e02_e03_ten_peers_over_one_port() {
    let desk = Desk::default();
    let hub = SessionOptions::new().with_userid("a-hub").unwrap();
    let mut hub = Member::with(&desk, hub).await;
    let request = RoomRequest::from("show").direction(Direction::OneWay);
    hub.session.open(request).await.unwrap();
    let mut others = Vec::new();
    for n in 0..10 {
        let member = Member::new(&desk, &format!("peer{n}")).await;
        member.session.join("show").await.unwrap();
        others.push(member);
    }
    let mut connected = std::collections::BTreeSet::new();
    while connected.len() < 10 {
        let user = hub.until(|event| match event {
            Event::Connected { user, .. } => Some(user.userid.clone()),
            _ => None,
        });
        connected.insert(user.await);
    }
    assert_eq!(hub.session.ports(), 1);
    let peers = hub.session.rooms()[0].peers();
    let connections = peers.iter().filter_map(|peer| peer.connection());
    let ports: std::collections::BTreeSet<u16> = connections
        .map(|connection| connection.local_socket().port())
        .collect();
    assert_eq!((peers.len(), ports.len()), (10, 1));
}

#[tokio::test]
async fn c81_two_sessions_of_one_process_that_share_all() {
    let desk = Desk::default();
    let plain = |name: &str| SessionOptions::new().with_userid(name).unwrap();
    let mut members = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let member = Member::with(&desk, plain(name)).await;
        member.session.open_or_join("page").await.unwrap();
        // Two rooms with the same peers, too.
        member.session.open_or_join("page/2").await.unwrap();
        members.push(member);
    }
    for member in &mut members {
        for _ in 0..4 {
            member
                .until(|event| matches!(event, Event::Connected { .. }).then_some(()))
                .await;
        }
    }
}
