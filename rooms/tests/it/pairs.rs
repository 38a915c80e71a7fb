//! What a session is opened with, what goes where then, and what does not.

use ortc::Kind;
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Error, Event, Origin, Payload, RoomRequest, StreamOptions};
use ortc_rooms::signalling::SessionKind;
use serde_json::{Value, json};

use crate::support::{Member, Source, count, id, more};

/// A session as its seed writes it, and what two others hear of the owner and it of them.
struct Pair {
    session: Value,
    audio: bool,
    video: bool,
    screen: bool,
    data: bool,
    /// Members send as well.
    back: bool,
}

fn pairs() -> [Pair; 4] {
    let pair = |session, (audio, video, screen), data, back| Pair {
        session,
        audio,
        video,
        screen,
        data,
        back,
    };
    [
        pair(
            json!({"audio": true, "video": true}),
            (true, true, false),
            false,
            true,
        ),
        pair(
            json!({"audio": true, "video": true, "data": true}),
            (true, true, false),
            true,
            true,
        ),
        pair(
            json!({"screen": true, "oneway": true}),
            (false, true, true),
            false,
            false,
        ),
        pair(
            json!({"audio": true, "video": true, "broadcast": true}),
            (true, true, false),
            false,
            true,
        ),
    ]
}

#[tokio::test]
async fn c26_common_pairs() {
    for pair in pairs() {
        let what = pair.session.to_string();
        let session: SessionKind = serde_json::from_value(pair.session.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(session).unwrap(),
            pair.session,
            "{what}"
        );
        let desk = Desk::default();
        let request = || RoomRequest::from("demo").session(session);
        let mut members = Vec::new();
        for name in ["alice", "bob", "carol"] {
            let member = Member::new(&desk, name).await;
            member.session.open_or_join(request()).await.unwrap();
            members.push(member);
        }
        let sources = members.iter().map(|member| {
            let source = Source::new(pair.audio, pair.video);
            let mut options = StreamOptions::default();
            options.screen = pair.screen;
            options.oneway = session.oneway;
            let added = member.session.add_stream_with(&source.stream, options);
            added.unwrap();
            source
        });
        let sources: Vec<Source> = sources.collect();
        let kinds: Vec<Kind> = [(pair.audio, Kind::Audio), (pair.video, Kind::Video)]
            .into_iter()
            .filter_map(|(there, kind)| there.then_some(kind))
            .collect();
        let broadcast = session.broadcast;
        for (at, member) in members.iter_mut().enumerate() {
            let from: Vec<&str> = match at {
                0 if pair.back => vec!["bob", "carol"],
                0 => vec![],
                _ if broadcast || !pair.back => vec!["alice"],
                1 => vec!["alice", "carol"],
                _ => vec!["alice", "bob"],
            };
            let mut seen = Vec::new();
            let mut screens = 0;
            while seen.len() < from.len() * kinds.len() {
                let (user, track) = member
                    .until(|event| {
                        if let Event::Stream(stream) = event {
                            let remote = stream.origin == Origin::Remote;
                            screens += usize::from(remote && stream.session.screen);
                        }
                        match event {
                            Event::Track { userid, track, .. } => {
                                Some((userid.clone(), track.clone()))
                            }
                            _ => None,
                        }
                    })
                    .await;
                seen.push((user, track.kind()));
                more(&count(track), 5).await;
            }
            for name in &from {
                for kind in &kinds {
                    assert!(seen.contains(&(id(name), *kind)), "{what}: {name} {kind:?}");
                }
            }
            let shown = if pair.screen { from.len() } else { 0 };
            assert_eq!(screens, shown, "{what}");
        }
        let said = members[0].session.send("hello");
        if !pair.data {
            assert_eq!(said, Err(Error::NoData), "{what}");
            continue;
        }
        said.unwrap();
        for member in &mut members[1..] {
            let heard = member.until(|event| match event {
                Event::Message(message) => Some(message.data.clone()),
                _ => None,
            });
            assert_eq!(heard.await, Payload::from("hello"));
        }
        drop(sources);
    }
}
