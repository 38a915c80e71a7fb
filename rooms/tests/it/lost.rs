//! A server that goes away and comes back, users that are gone without a word.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ortc::Kind;
use ortc_rooms::desk::{Desk, DeskOptions};
use ortc_rooms::session::{Event, Payload, Session};
use ortc_rooms::signalling::LeftReason;
use ortc_rooms::signalling::memory::Memory;

use crate::server::Server;
use crate::support::{Member, Source, count, id, limited, more, options};
use crate::way::{Way, free_port};

fn desk(grace: Duration) -> Desk {
    let mut options = DeskOptions::default();
    options.grace = grace;
    Desk::new(options)
}

async fn member(server: &Server, name: &str) -> Member {
    let (session, events) = Session::connect(server.url(), options(name)).await.unwrap();
    Member { session, events }
}

fn said(event: &Event) -> Option<serde_json::Value> {
    match event {
        Event::Said { body, .. } => Some(body.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn r_h10_a_connection_that_is_cut_comes_back_and_nothing_is_missing() {
    let desk = desk(Duration::from_secs(30));
    let server = Server::new(&desk).await;
    let alice = member(&server, "alice").await;
    let mut bob = member(&server, "bob").await;
    let room = alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    more(&heard, 5).await;
    // Of 200 words, told one after another while the connection is cut time and again, each comes
    // once, in order.
    let talking = tokio::spawn(async move {
        for n in 0..200 {
            room.say(&serde_json::json!({ "n": n })).unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            if n % 60 == 30 {
                server.cut();
            }
        }
        server
    });
    for n in 0..200 {
        assert_eq!(bob.until(said).await, serde_json::json!({ "n": n }));
    }
    let server = talking.await.unwrap();
    more(&heard, 5).await;
    assert_eq!(bob.session.userid(), id("bob"));
    // Another server at the same address, which knows nothing but the key.
    drop(server);
}

#[tokio::test]
async fn d35_without_a_server_media_and_data_go_on() {
    let desk = desk(Duration::from_secs(30));
    let server = Server::new(&desk).await;
    let address = server.address;
    let alice = member(&server, "alice").await;
    let mut bob = member(&server, "bob").await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    more(&heard, 5).await;
    server.kill();
    bob.until(|event| matches!(event, Event::SignallingLost { .. }).then_some(()))
        .await;
    more(&heard, 20).await;
    alice.session.send("still here").unwrap();
    let data = bob.until(|event| match event {
        Event::Message(message) => Some(message.data.clone()),
        _ => None,
    });
    assert_eq!(data.await, Payload::from("still here"));
    // A stream that is added meanwhile is told of after the return.
    let later = Source::new(false, true);
    alice.session.add_stream(&later.stream).unwrap();
    let server = Server::at(&desk, address).await;
    let resumed = bob.until(|event| match event {
        Event::LocalConnected { resumed, .. } => Some(*resumed),
        _ => None,
    });
    assert!(resumed.await);
    let seen = count(bob.track(Kind::Video).await);
    more(&seen, 5).await;
    server.kill();
}

#[test]
fn c10_the_owner_is_killed_and_the_others_notice_nothing() {
    let desk = desk(Duration::from_secs(1));
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (others, owners) = (runtime(), runtime());
    // Dies with its runtime: no word to the server or to anybody.
    let server = others.block_on(Server::new(&desk));
    let alice = owners.block_on(async {
        let alice = member(&server, "alice").await;
        let source = Source::new(true, true);
        alice.session.add_stream(&source.stream).unwrap();
        alice.session.open("demo").await.unwrap();
        (alice, source)
    });
    others.block_on(async {
        let mut bob = Member::new(&desk, "bob").await;
        let mut carol = Member::new(&desk, "carol").await;
        let source = Source::new(true, false);
        bob.session.join("demo").await.unwrap();
        carol.session.join("demo").await.unwrap();
        bob.session.add_stream(&source.stream).unwrap();
        bob.connected("alice").await;
        let track = carol
            .until(|event| match event {
                Event::Track { userid, track, .. } if *userid == id("bob") => Some(track.clone()),
                _ => None,
            })
            .await;
        let heard = count(track);
        more(&heard, 20).await;
        owners.shutdown_background();
        std::mem::forget(alice);
        let gap = tokio::spawn({
            let heard = heard.clone();
            async move {
                let mut longest = Duration::ZERO;
                let mut last = (heard.load(Ordering::Relaxed), tokio::time::Instant::now());
                for _ in 0..300 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let now = heard.load(Ordering::Relaxed);
                    if now != last.0 {
                        last = (now, tokio::time::Instant::now());
                    }
                    longest = longest.max(last.1.elapsed());
                }
                longest
            }
        });
        let reason = carol
            .until(|event| match event {
                Event::Left { user, reason, .. } if user.userid == id("alice") => Some(*reason),
                _ => None,
            })
            .await;
        assert_eq!(reason, LeftReason::Lost);
        let owner = carol.until(|event| match event {
            Event::Owner { userid, .. } => Some(userid.clone()),
            _ => None,
        });
        assert_eq!(limited(owner).await, id("bob"));
        // A packet each 20 ms; a busy machine may be slow by itself.
        assert!(gap.await.unwrap() < Duration::from_millis(1_500));
        // Under its old name it comes back.
        let options = options("alice");
        let memory = Memory::connect(&desk, options.hello()).await.unwrap();
        let (session, events) = Session::with(memory, options).await.unwrap();
        let mut alice = Member { session, events };
        alice.session.join("demo").await.unwrap();
        alice.connected("bob").await;
    });
}

#[tokio::test]
async fn r_h12_a_connection_that_ends_is_made_again_and_only_one() {
    let desk = desk(Duration::from_secs(30));
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    more(&heard, 5).await;
    alice.connected("bob").await;
    let connection = |member: &Member, other: &str| {
        let peer = member.session.peer(&id(other)).unwrap();
        peer.connection()
    };
    // Either side's may end: of the one who calls, and of the other.
    for closes in ["alice", "bob"] {
        match closes {
            "alice" => connection(&alice, "bob").unwrap().close(),
            _ => connection(&bob, "alice").unwrap().close(),
        }
        let ended = bob.until(|event| matches!(event, Event::StreamEnded { .. }).then_some(()));
        ended.await;
        let heard = count(bob.track(Kind::Audio).await);
        more(&heard, 5).await;
        bob.session.send("still here").unwrap();
        let data = alice.until(|event| match event {
            Event::Message(message) => Some(message.data.clone()),
            _ => None,
        });
        assert_eq!(data.await, Payload::from("still here"));
    }
}

#[tokio::test]
async fn c71_d35_a_restart_finds_a_path_anew_and_media_goes_on() {
    let desk = desk(Duration::from_secs(30));
    let with = |name| options(name).with_secret("swordfish");
    let mut alice = Member::with(&desk, with("alice")).await;
    let mut bob = Member::with(&desk, with("bob")).await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    more(&heard, 5).await;
    alice.connected("bob").await;
    for (member, other) in [(&alice, "bob"), (&bob, "alice")] {
        let peer = member.session.peer(&id(other)).unwrap();
        let changes = || {
            let stats = peer.stats().unwrap();
            stats.transport.selected_candidate_pair_changes
        };
        let before = changes();
        peer.restart().unwrap();
        limited(async {
            while changes() == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        more(&heard, 20).await;
    }
}

/// The core's restart is told to the peer, long before consent is over.
#[tokio::test]
async fn d13_a_path_that_is_lost_is_looked_for_anew_before_the_connection_ends() {
    let desk = desk(Duration::from_secs(30));
    let ports = [free_port(), free_port()];
    let way = Way::between(&ports);
    let with = |name, n: usize, public| {
        let mut options = options(name);
        options.bind = Some(([127, 0, 0, 1], ports[n]).into());
        options.external_addresses = vec![public];
        options.candidates.host = false;
        options.with_secret("swordfish")
    };
    let mut alice = Member::with(&desk, with("alice", 0, [127, 0, 0, 2].into())).await;
    let mut bob = Member::with(&desk, with("bob", 1, [127, 0, 0, 3].into())).await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    let heard = count(bob.track(Kind::Audio).await);
    more(&heard, 5).await;
    alice.connected("bob").await;
    let connection = |member: &Member, other: &str| {
        let peer = member.session.peer(&id(other)).unwrap();
        peer.connection().unwrap()
    };
    let ends = [connection(&alice, "bob"), connection(&bob, "alice")];
    let before = ends.each_ref().map(|end| end.local().ice);
    way.cut.store(true, Ordering::Relaxed);
    // Each has another side, and the other knows it.
    limited(async {
        let told = |n: usize| {
            let known = ends[1 - n].remote().map(|side| side.ice);
            ends[n].local().ice != before[n] && known == Some(ends[n].local().ice)
        };
        while !told(0) && !told(1) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    // Consent is not over: nobody was told of an end.
    for end in &ends {
        assert_eq!(end.state(), ortc::RTCConnectionState::Connected);
    }
    way.cut.store(false, Ordering::Relaxed);
    let changes = |end: &ortc::RTCConnection| end.stats().transport.selected_candidate_pair_changes;
    let selected = ends.each_ref().map(changes);
    more(&heard, 20).await;
    limited(async {
        while ends.each_ref().map(changes) == selected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    // It is still the connection of before.
    assert_eq!(connection(&alice, "bob").local(), ends[0].local());
}
