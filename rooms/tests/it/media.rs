//! Media between peers.

use ortc::Kind;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Kinds, Origin};

use crate::support::{Member, Source, count, id, limited, more, silent};

#[tokio::test]
async fn c04_c07_three_in_a_room_hear_and_see_each_other() {
    let desk = Desk::default();
    let mut members = Vec::new();
    let mut sources = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let member = Member::new(&desk, name).await;
        member.session.open_or_join("demo").await.unwrap();
        let source = Source::new(true, true);
        member.session.add_stream(&source.stream).unwrap();
        sources.push(source);
        members.push(member);
    }
    for member in &mut members {
        let mut counts = Vec::new();
        let mut from = Vec::new();
        while counts.len() < 4 {
            let (user, track) = member
                .until(|event| match event {
                    Event::Track { userid, track, .. } => Some((userid.clone(), track.clone())),
                    _ => None,
                })
                .await;
            from.push((user, track.kind()));
            counts.push(count(track));
        }
        for name in ["alice", "bob", "carol"] {
            let own = member.session.userid() == id(name);
            for kind in [Kind::Audio, Kind::Video] {
                assert_eq!(from.contains(&(id(name), kind)), !own);
            }
        }
        for count in &counts {
            more(count, 20).await;
        }
    }
}

#[tokio::test]
async fn c31_c32_what_is_muted_is_not_sent() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, false);
    alice.session.add_stream(&source.stream).unwrap();
    let track = bob.track(Kind::Audio).await;
    let heard = count(track);
    more(&heard, 5).await;

    let muted = |event: &Event| match event {
        Event::Mute(mute) => Some((mute.stream_id.clone(), mute.kinds, mute.by)),
        _ => None,
    };
    let unmuted = |event: &Event| match event {
        Event::Unmute(mute) => Some((mute.stream_id.clone(), mute.kinds, mute.by)),
        _ => None,
    };
    let id_of = source.stream.id().to_owned();
    alice.session.mute(&id_of, Kinds::AUDIO).unwrap();
    let told = (id_of.clone(), Kinds::AUDIO, Origin::Remote);
    assert_eq!(bob.until(muted).await, told);
    silent(&heard).await;
    alice.session.unmute(&id_of, Kinds::AUDIO).unwrap();
    assert_eq!(bob.until(unmuted).await, told);
    more(&heard, 5).await;

    // The receiver can have it, too: nothing is sent to it then.
    let peer = bob.session.peer(&id("alice")).unwrap();
    peer.mute(&id_of, Kinds::ALL).unwrap();
    silent(&heard).await;
    peer.unmute(&id_of, Kinds::ALL).unwrap();
    more(&heard, 5).await;
    alice.session.remove_stream(&id_of).unwrap();
    let ended = bob.until(|event| match event {
        Event::StreamEnded { stream_id, .. } => Some(stream_id.clone()),
        _ => None,
    });
    assert_eq!(ended.await, id_of);
    assert!(alice.session.mute(&id_of, Kinds::ALL).is_err());
}

fn told(event: &Event) -> Option<(String, Kinds, Origin)> {
    match event {
        Event::Mute(mute) | Event::Unmute(mute) => {
            Some((mute.stream_id.clone(), mute.kinds, mute.by))
        }
        _ => None,
    }
}

/// The sender here goes on as if it had not been asked: what it sends is dropped all the same.
#[tokio::test]
async fn c06_c31_what_is_not_wanted_of_a_peer_is_dropped_here_and_not_sent() {
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let source = Source::new(true, true);
    alice.session.add_stream(&source.stream).unwrap();
    let tracks = [bob.track(Kind::Audio).await, bob.track(Kind::Video).await];
    let counts = tracks.clone().map(count);
    for heard in &counts {
        more(heard, 5).await;
    }
    let id_of = source.stream.id().to_owned();
    let (to_alice, to_bob) = (
        bob.session.peer(&id("alice")).unwrap(),
        alice.session.peer(&id("bob")).unwrap(),
    );
    let [audio, video] = &tracks;
    to_alice.mute(&id_of, Kinds::AUDIO).unwrap();
    assert!(!audio.is_enabled() && video.is_enabled());
    assert_eq!(
        bob.until(told).await,
        (id_of.clone(), Kinds::AUDIO, Origin::Local)
    );
    silent(&counts[0]).await;
    more(&counts[1], 5).await;

    // All of all: the sender is asked, and does not obey.
    assert_eq!(bob.session.mute_received(Kinds::ALL), 1);
    for heard in &counts {
        silent(heard).await;
    }
    let connection = to_bob.connection().unwrap();
    for track in source.stream.tracks() {
        let sending = connection.track(&track).unwrap();
        assert!(!sending.is_started().unwrap(), "it was asked");
        sending.start().unwrap();
    }
    let before = tracks.each_ref().map(|track| track.packets_passed_over());
    limited(async {
        let grown = |at: usize| tracks[at].packets_passed_over() > before[at] + 5;
        while !(grown(0) && grown(1)) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    for heard in &counts {
        silent(heard).await;
    }

    // Wanted again: video begins with a key frame, which is asked for.
    let camera = source.stream.tracks().into_iter();
    let camera = camera
        .filter(|track| track.kind() == Kind::Video)
        .last()
        .unwrap();
    let second = std::time::Duration::from_secs(1);
    while tokio::time::timeout(second, camera.next_event())
        .await
        .is_ok()
    {}
    assert_eq!(bob.session.unmute_received(Kinds::ALL), 1);
    let asked = limited(camera.next_event()).await;
    assert_eq!(asked, Some(ortc::MediaStreamTrackEvent::KeyframeRequested));
    for heard in &counts {
        more(heard, 5).await;
    }
    // Ended by its receiver for good, and by its sender.
    to_alice.mute(&id_of, Kinds::ALL).unwrap();
    alice.session.remove_stream(&id_of).unwrap();
    let ended = bob.until(|event| match event {
        Event::StreamEnded { stream_id, .. } => Some(stream_id.clone()),
        _ => None,
    });
    assert_eq!(ended.await, id_of);
    assert!(to_alice.mute(&id_of, Kinds::ALL).is_err());
    assert_eq!(bob.session.mute_received(Kinds::ALL), 0);
}
