//! One thing each.

use std::time::Duration;

use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Error, Event, RoomRequest, Session, SessionOptions, StreamOptions};
use ortc_rooms::signalling::memory::Memory;
use ortc_rooms::signalling::{Direction, ErrorCode, RoomPolicy, SessionKind, SignalError};
use serde_json::json;

use crate::server::Server;
use crate::support::{Member, Source, id, limited, options};

#[tokio::test]
async fn c19_the_first_room_of_a_channel_is_joined_by_itself() {
    let desk = Desk::default();
    let mut bob = Member::with(&desk, options("bob").with_channel("fair")).await;
    let alice = Member::new(&desk, "alice").await;
    alice.session.open("elsewhere/one").await.unwrap();
    alice.session.open("fair/two").await.unwrap();
    let entered = |event: &Event| match event {
        Event::SessionConnected { room } => Some(room.room.to_string()),
        _ => None,
    };
    assert_eq!(bob.until(entered).await, "fair/two");
    // By hand: whoever is first.
    let carol = Member::new(&desk, "carol").await;
    let room = limited(carol.session.join_first("elsewhere"))
        .await
        .unwrap();
    assert_eq!(room.name().as_str(), "elsewhere/one");
}

#[tokio::test]
async fn c05_c24_c27_c28_c60_streams_come_and_go() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    // With a camera from the beginning, or without.
    let sources = [(); 3].map(|()| Source::new(true, true));
    alice.session.add_stream(&sources[0].stream).unwrap();
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let stream = |event: &Event| match event {
        Event::Stream(stream) => Some((stream.stream_id.clone(), stream.stream_extra.clone())),
        _ => None,
    };
    let ended = |event: &Event| match event {
        Event::StreamEnded { stream_id, .. } => Some(stream_id.clone()),
        _ => None,
    };
    let ids: Vec<String> = sources
        .iter()
        .map(|one| one.stream.id().to_owned())
        .collect();
    assert_eq!(bob.until(stream).await.0, ids[0]);
    let mut named = StreamOptions::default();
    named.extra = json!({ "name": "desk" });
    alice
        .session
        .add_stream_with(&sources[1].stream, named)
        .unwrap();
    assert_eq!(
        bob.until(stream).await,
        (ids[1].clone(), json!({ "name": "desk" }))
    );
    alice.session.detach(&[&ids[0], &ids[1]]).unwrap();
    let gone = [bob.until(ended).await, bob.until(ended).await];
    assert!(gone.contains(&ids[0]) && gone.contains(&ids[1]));
    alice.session.add_stream(&sources[2].stream).unwrap();
    assert_eq!(bob.until(stream).await.0, ids[2]);
    let missing = alice.session.remove_stream(&ids[0]);
    assert_eq!(missing, Err(Error::NoSuchStream(ids[0].clone())));
}

#[tokio::test]
async fn c43_c54_d40_d47_what_events_tell() {
    let desk = Desk::default();
    let mut alice = Member::with(&desk, options("alice").with_extra(json!({ "name": "A" }))).await;
    let local = alice.until(|event| match event {
        Event::LocalConnected { userid, .. } => Some(userid.clone()),
        _ => None,
    });
    assert_eq!(local.await, id("alice"));
    let mut bob = Member::new(&desk, "bob").await;
    let room = alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    alice.connected("bob").await;
    alice.session.set_extra(json!({ "name": "Alice" }));
    let told = bob.until(|event| match event {
        Event::Extra { user } => Some(user.extra.clone()),
        _ => None,
    });
    assert_eq!(told.await, json!({ "name": "Alice" }));
    let path = bob.until(|event| match event {
        Event::Path { path, .. } => Some(path.clone()),
        _ => None,
    });
    let path = path.await;
    assert!(path.direct && path.local != "relay", "{path:?}");
    assert!(bob.session.peer(&id("alice")).unwrap().explain().is_some());
    // Until the clocks are compared the latency is not known.
    let peer = bob.session.peer(&id("alice")).unwrap();
    limited(async {
        while peer.round_trip().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    room.send("now").unwrap();
    let message = bob.until(|event| match event {
        Event::Message(message) => Some((message.from.extra.clone(), message.latency)),
        _ => None,
    });
    let (extra, latency) = message.await;
    assert_eq!(extra, json!({ "name": "Alice" }));
    assert!(latency.is_some_and(|latency| latency < Duration::from_secs(30)));
}

#[tokio::test]
async fn c62_a_room_has_so_many_places() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let request = RoomRequest::from("two").max_participants(1);
    alice.session.open(request).await.unwrap();
    let bob = Member::new(&desk, "bob").await;
    bob.session.join("two").await.unwrap();
    let carol = Member::new(&desk, "carol").await;
    let full = carol.session.join("two").await.unwrap_err();
    assert!(matches!(
        full,
        Error::Refused {
            code: ErrorCode::RoomFull,
            ..
        }
    ));
    // A contradiction does not even get to the server.
    let mut kind = SessionKind::audio_video().with_direction(Direction::ManyToMany);
    kind.oneway = true;
    let none = carol
        .session
        .open(RoomRequest::from("x").session(kind))
        .await;
    assert!(matches!(none, Err(Error::Contradiction(_))));
}

#[tokio::test]
async fn c68_c69_c70_limits_are_told_with_each_track() {
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let bob = Member::new(&desk, "bob").await;
    let source = Source::new(true, true);
    alice.session.add_stream(&source.stream).unwrap();
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    alice.connected("bob").await;
    let connection = alice
        .session
        .peer(&id("bob"))
        .unwrap()
        .connection()
        .unwrap();
    for track in connection.tracks() {
        let attributes = track.media_attributes().unwrap().remove(0);
        let codecs = track.codecs().unwrap();
        match track.kind() {
            ortc::Kind::Video => {
                assert_eq!(attributes.max_bitrate, Some(256_000));
                assert_eq!(attributes.video_max_width, Some(640));
                assert_eq!(attributes.video_max_height, Some(360));
            }
            _ => {
                assert_eq!(attributes.max_bitrate, Some(50_000));
                let opus = codecs.iter().find(|codec| codec.name == "opus").unwrap();
                let value = |name: &str| {
                    let param = opus.params.iter().find(|param| param.name == name);
                    param.and_then(|param| param.value.clone())
                };
                assert_eq!(value("minptime").as_deref(), Some("10"));
                assert_eq!(value("maxptime").as_deref(), Some("60"));
            }
        }
    }
}

#[tokio::test]
async fn c73_kinds_of_candidates_that_are_not_wanted_are_not_used() {
    let desk = Desk::default();
    let mut no_host = options("alice");
    no_host.candidates.host = false;
    let alice = Member::with(&desk, no_host).await;
    let bob = Member::new(&desk, "bob").await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    // Only what a server would tell of is left, and there is none.
    let stats = alice.session.peer(&id("bob")).unwrap().stats().unwrap();
    assert!(
        stats
            .candidate_pairs
            .iter()
            .all(|pair| pair.remote_candidate.typ != "host")
    );
    assert!(!alice.session.peer(&id("bob")).unwrap().is_connected());
    let mut none = options("carol");
    none.candidates.host = false;
    none.candidates.reflexive = false;
    none.candidates.relay = false;
    let memory = Memory::connect(&desk, none.hello()).await.unwrap();
    let refused = Session::with(memory, none).await;
    assert!(matches!(refused, Err(Error::NoCandidates)));
}

#[tokio::test]
async fn d30_one_presents_at_a_time() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let carol = Member::new(&desk, "carol").await;
    let mut policy = RoomPolicy::default();
    policy.one_presenter = true;
    alice
        .session
        .open(RoomRequest::from("demo").policy(policy))
        .await
        .unwrap();
    let bobs = bob.session.join("demo").await.unwrap();
    let carols = carol.session.join("demo").await.unwrap();
    let screen = Source::new(false, true);
    carols.share_screen(&screen.stream).await.unwrap();
    let stream = bob.until(|event| match event {
        Event::Stream(stream) => Some(stream.session),
        _ => None,
    });
    assert!(stream.await.screen);
    let other = Source::new(false, true);
    let taken = bobs.share_screen(&other.stream).await.unwrap_err();
    assert!(matches!(
        taken,
        Error::Refused {
            code: ErrorCode::PresenterTaken,
            ..
        }
    ));
    carols.present(false).await.unwrap();
    bobs.share_screen(&other.stream).await.unwrap();
}

#[tokio::test]
async fn r_h14_nothing_is_made_before_this_side_is_in_a_room() {
    let desk = Desk::default();
    let alice = Member::with(&desk, SessionOptions::new().with_userid("alice").unwrap()).await;
    let mut bob = Member::new(&desk, "bob").await;
    let source = Source::new(true, true);
    alice.session.add_stream(&source.stream).unwrap();
    alice
        .session
        .call(&id("bob"), SessionKind::audio_video())
        .unwrap();
    let asked = bob.until(|event| match event {
        Event::CallRequest(request) => Some(request.clone()),
        _ => None,
    });
    let asked = asked.await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Not as much as a port.
    assert_eq!((alice.session.ports(), bob.session.ports()), (0, 0));
    bob.session.reject(&asked);
    assert!(alice.session.send("hello").is_err());
    assert_eq!((alice.session.ports(), bob.session.ports()), (0, 0));
}

#[tokio::test]
async fn d57_a_server_that_is_not_there_and_one_that_refuses() {
    let desk = Desk::default();
    let server = Server::new(&desk).await;
    let url = server.url();
    let (alice, _events) = Session::connect(&url, options("alice")).await.unwrap();
    let twice = Session::connect(&url, options("alice")).await.unwrap_err();
    assert!(
        matches!(twice, Error::Signal(SignalError::Refused(_))),
        "{twice}"
    );
    assert_eq!(alice.userid(), id("alice"));
    server.kill();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let gone = Session::connect(&url, options("bob")).await.unwrap_err();
    assert!(
        matches!(gone, Error::Signal(SignalError::Unreachable(_))),
        "{gone}"
    );
    let nonsense = Session::connect("no address", options("bob"))
        .await
        .unwrap_err();
    assert!(
        matches!(nonsense, Error::Signal(SignalError::Refused(_))),
        "{nonsense}"
    );
}
