//! Who sends to a hub loses the connection and makes another one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ortc::{MediaStreamTrack, RTCConnection, RTCConnectionState};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::Event;

use crate::hub::{hall, settled};
use crate::support::limited;

/// What came of a track of who sends: its packets' numbers and timestamps.
fn numbers(track: MediaStreamTrack) -> Arc<Mutex<Vec<(u16, u32)>>> {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let noted = seen.clone();
    tokio::spawn(async move {
        while let Some(packet) = track.recv_rtp().await {
            let numbers = (packet.sequence_number, packet.timestamp);
            noted.lock().unwrap().push(numbers);
        }
    });
    seen
}

#[tokio::test]
async fn e05_who_sends_may_connect_anew_and_those_who_watch_keep_their_tracks() {
    let desk = Desk::default();
    let (hub, mut people, rooms, sources) = hall(&desk, 2).await;
    settled(&rooms, true).await;
    let own = |event: &Event| match event {
        Event::Track { userid, track, .. } if userid.as_str() == "user0" => Some(track.clone()),
        _ => None,
    };
    let tracks = [people[1].until(own).await, people[1].until(own).await];
    let seen = tracks.map(numbers);
    let more = |than: [usize; 2]| {
        let seen = seen.clone();
        limited(async move {
            while seen
                .iter()
                .zip(than)
                .any(|(seen, than)| seen.lock().unwrap().len() <= than)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let counted = || seen.each_ref().map(|seen| seen.lock().unwrap().len());
    more([5, 5]).await;
    let connection = || rooms[0].peers()[0].connection();
    for _ in 0..2 {
        connection().unwrap().close();
        let closed = |connection: RTCConnection| connection.state() == RTCConnectionState::Closed;
        limited(async {
            while connection().is_none_or(closed) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        more(counted().map(|count| count + 10)).await;
    }
    for (seen, clock) in seen.iter().zip([48_000, 90_000]) {
        for pair in seen.lock().unwrap().windows(2) {
            let number = pair[1].0.wrapping_sub(pair[0].0);
            let passed = pair[1].1.wrapping_sub(pair[0].1);
            assert_eq!(number, 1, "{pair:?}");
            assert!((1..clock * 30).contains(&passed), "{pair:?}");
        }
    }
    // What it sends no longer is gone for all, and at once.
    people[0]
        .session
        .remove_stream(sources[0].stream.id())
        .unwrap();
    let wrong = people[1].until(|event| match event {
        Event::Track { userid, .. } if userid.as_str() == "user0" => Some(true),
        Event::StreamEnded { userid, .. } if userid.as_str() == "user0" => Some(false),
        _ => None,
    });
    assert!(!wrong.await, "another track");
    drop(hub);
}

/// The peer comes back without it: those who watch are told in the end.
#[tokio::test]
async fn e05_what_does_not_come_again_ends() {
    let desk = Desk::default();
    let (hub, mut people, rooms, sources) = hall(&desk, 2).await;
    settled(&rooms, true).await;
    let own = |event: &Event| match event {
        Event::Track { userid, .. } if userid.as_str() == "user0" => Some(()),
        _ => None,
    };
    people[1].until(own).await;
    // In one: the connection ends, and the stream is not told of over the next one.
    rooms[0].peers()[0].connection().unwrap().close();
    people[0]
        .session
        .remove_stream(sources[0].stream.id())
        .unwrap();
    let ended = |event: &Event| match event {
        Event::StreamEnded { userid, .. } if userid.as_str() == "user0" => Some(()),
        _ => None,
    };
    people[1].until(ended).await;
    drop(hub);
}
