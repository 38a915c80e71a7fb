//! A room that grows beyond its mesh and shrinks back: what could be shown and heard of each has no
//! gap, though cameras are slow to begin anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ortc::{Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Events, Hub, Room};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::hub::{hub_options, name, settled};
use crate::support::{Member, limited};

const NAMES: [&str; 4] = ["anna", "bob", "carl", "dora"];
const FRAME: Duration = Duration::from_millis(20);
/// How long an encoder takes until it has the key frame that it was asked for.
const SLOW: Duration = Duration::from_millis(400);
/// Nothing is seen or heard to stop for longer.
const MOST: Duration = Duration::from_millis(300);
/// Between two beats, and what is late of one.
const BEAT: Duration = Duration::from_millis(5);
const LATE: Duration = Duration::from_millis(10);

/// A frame of VP8 (RFC 6386 section 9.1) or of sound, with its number.
fn frame(kind: Kind, key: bool, number: u64) -> Vec<u8> {
    let mut frame = match (kind, key) {
        (Kind::Video, true) => vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00],
        (Kind::Video, false) => vec![0x11; 10],
        _ => vec![0xf8; 10],
    };
    frame.extend(number.to_be_bytes());
    frame
}

/// A camera that makes a key frame only when it is asked for one, or a microphone.
async fn play(track: MediaStreamTrack) {
    let mut clock = interval(FRAME);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut due = Some(Instant::now());
    for number in 0.. {
        let tick = async {
            loop {
                tokio::select! {
                    _ = clock.tick() => return,
                    event = track.next_event() => {
                        if event == Some(MediaStreamTrackEvent::KeyframeRequested) {
                            due = due.or(Some(Instant::now() + SLOW));
                        }
                    }
                }
            }
        };
        tick.await;
        let key = due.is_some_and(|due| due <= Instant::now());
        if key {
            due = None;
        }
        // Nobody may be there yet.
        let _ = track.write_sample(frame(track.kind(), key, number), FRAME);
    }
}

/// What could be shown of one track of somebody's, whichever way it came: its numbers and when.
#[derive(Default)]
struct Shown {
    numbers: BTreeSet<u64>,
    at: Vec<Instant>,
}

type All = Arc<Mutex<BTreeMap<(String, bool), Shown>>>;

fn watch(mut events: Events, tasks: &mut JoinSet<()>) -> All {
    let all = All::default();
    let of = all.clone();
    tasks.spawn(async move {
        let mut tracks = JoinSet::new();
        while let Some(event) = events.next().await {
            if let Event::Track { userid, track, .. } = event {
                let key = (userid.to_string(), track.kind() == Kind::Video);
                tracks.spawn(show(track, key, of.clone()));
            }
        }
    });
    all
}

/// What a decoder has: from a key frame on, as long as nothing is missing.
async fn show(track: MediaStreamTrack, key: (String, bool), all: All) {
    let mut decodes = false;
    while let Some(sample) = track.recv_sample().await {
        let lost = sample.dropped_before + sample.lost_before > 0;
        decodes = sample.keyframe.unwrap_or(true) || decodes && !lost;
        let Some(number) = sample.data.get(10..18).filter(|_| decodes) else {
            continue;
        };
        let number = u64::from_be_bytes(number.try_into().unwrap());
        let mut all = all.lock().unwrap();
        let shown = all.entry(key.clone()).or_default();
        if shown.numbers.last().is_none_or(|last| number > *last) {
            shown.at.push(Instant::now());
        }
        shown.numbers.insert(number);
    }
}

/// When nothing ran here, neither those who send nor those who watch.
fn beats(tasks: &mut JoinSet<()>) -> Arc<Mutex<Vec<(Instant, Instant)>>> {
    let late = Arc::new(Mutex::new(Vec::new()));
    let of = late.clone();
    tasks.spawn(async move {
        let mut last = Instant::now();
        loop {
            sleep(BEAT).await;
            let now = Instant::now();
            if now - last > LATE {
                of.lock().unwrap().push((last, now));
            }
            last = now;
        }
    });
    late
}

/// The longest time in which nothing came, between two moments, less what nothing ran.
fn longest(at: &[Instant], late: &[(Instant, Instant)], from: Instant, to: Instant) -> Duration {
    let gaps = at
        .windows(2)
        .filter(|pair| pair[0] >= from && pair[1] <= to);
    let gaps = gaps.map(|pair| {
        let within = |(begin, end): &(Instant, Instant)| {
            let end = (*end).min(pair[1]);
            end.saturating_duration_since((*begin).max(pair[0]))
        };
        let stalled: Duration = late.iter().map(within).sum();
        (pair[1] - pair[0]).saturating_sub(stalled)
    });
    gaps.max().unwrap_or_default()
}

/// Until all tracks of all others are shown to all.
async fn all_shown(all: &[All]) {
    let complete = |all: &All| all.lock().unwrap().len() == 2 * (NAMES.len() - 1);
    limited(async {
        while !all.iter().all(complete) {
            sleep(FRAME).await;
        }
    })
    .await;
}

#[tokio::test]
async fn e10_nothing_that_is_shown_stops_when_a_room_grows_and_shrinks() {
    let desk = Desk::default();
    let (mut tasks, mut rooms, mut all) = (JoinSet::new(), Vec::<Room>::new(), Vec::new());
    let late = beats(&mut tasks);
    let mut sessions = Vec::new();
    for who in NAMES {
        let Member { session, events } = Member::new(&desk, who).await;
        all.push(watch(events, &mut tasks));
        let stream = MediaStream::new();
        for track in [MediaStreamTrack::audio(), MediaStreamTrack::video()] {
            tasks.spawn(play(stream.add_track(&track)));
        }
        session.add_stream_with(&stream, ()).unwrap();
        rooms.push(session.open_or_join(name()).await.unwrap());
        sessions.push(session);
    }
    settled(&rooms, false).await;
    all_shown(&all).await;
    let pause = Duration::from_millis(500);
    let mut marks = vec![("by themselves", Instant::now())];
    sleep(pause).await;
    marks.push(("to the hub", Instant::now()));
    let hub = Hub::enter(&desk, &name(), hub_options()).await.unwrap();
    settled(&rooms, true).await;
    sleep(pause).await;
    marks.push(("by the hub", Instant::now()));
    sleep(pause).await;
    marks.push(("and back", Instant::now()));
    hub.retire().await;
    settled(&rooms, false).await;
    sleep(pause).await;
    let end = Instant::now();
    tasks.shutdown().await;
    let late = late.lock().unwrap().clone();
    let ends = marks.iter().skip(1).map(|(_, at)| *at).chain([end]);
    for ((what, from), to) in marks.iter().zip(ends) {
        let longest = |video: bool| {
            let gaps = all.iter().flat_map(|all| {
                let all = all.lock().unwrap();
                let of_kind = all.iter().filter(|((_, is), _)| *is == video);
                let gaps = of_kind.map(|(_, shown)| longest(&shown.at, &late, *from, to));
                gaps.collect::<Vec<_>>()
            });
            gaps.max().unwrap()
        };
        let (sound, picture) = (longest(false), longest(true));
        println!("{what}: no sound for {sound:.0?}, no picture for {picture:.0?} at most");
        assert!(sound.max(picture) <= MOST, "{what}");
    }
    for (who, all) in NAMES.iter().zip(&all) {
        for ((of, video), shown) in all.lock().unwrap().iter() {
            let (first, last) = (
                shown.numbers.first().unwrap(),
                shown.numbers.last().unwrap(),
            );
            let missing: Vec<u64> = (*first..*last)
                .filter(|number| !shown.numbers.contains(number))
                .collect();
            let kind = if *video { "picture" } else { "sound" };
            assert!(missing.is_empty(), "{who} of {of}, {kind}: {missing:?}");
        }
    }
    drop(sessions);
}
