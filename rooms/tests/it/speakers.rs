//! Who speaks in a room that goes by a hub.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ortc::{AudioLevel, MediaStream, MediaStreamTrack};
use ortc_rooms::desk::Desk;
use ortc_rooms::session::{Event, Hub, RoomRequest};
use ortc_rooms::signalling::{Direction, RoomName, RoomPolicy, SessionKind, Topology};

use crate::support::{Member, options};

const LOUD: u8 = 30;
const SILENCE: u8 = 127;

/// A microphone, as loud as it is set to.
struct Microphone {
    stream: MediaStream,
    level: Arc<AtomicU8>,
    task: tokio::task::JoinHandle<()>,
}

impl Microphone {
    fn new() -> Self {
        let stream = MediaStream::new();
        let track = stream.add_track(&MediaStreamTrack::audio());
        let level = Arc::new(AtomicU8::new(SILENCE));
        let loud = level.clone();
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(20));
            loop {
                clock.tick().await;
                let level = AudioLevel {
                    voice: false,
                    level: loud.load(Ordering::Relaxed),
                };
                let _ = track.write_audio(vec![0xf8; 40], Duration::from_millis(20), level);
            }
        });
        Self {
            stream,
            level,
            task,
        }
    }

    fn set(&self, level: u8) {
        self.level.store(level, Ordering::Relaxed);
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn enter(desk: &Desk, name: &str, request: RoomRequest) -> (Member, Microphone) {
    let member = Member::new(desk, name).await;
    member.session.open_or_join(request).await.unwrap();
    let microphone = Microphone::new();
    let stream = &microphone.stream;
    member.session.add_stream_with(stream, ()).unwrap();
    (member, microphone)
}

/// Until a member is told this: all who spoke, and those who do.
async fn told(member: &mut Member, wanted: &[&str], speaking: &[&str]) {
    member
        .until(|event| match event {
            Event::Speakers {
                order,
                speaking: now,
                ..
            } => {
                let are = |all: &[ortc_rooms::signalling::UserId], wanted: &[&str]| {
                    all.iter()
                        .map(|one| one.as_str())
                        .eq(wanted.iter().copied())
                };
                (are(order, wanted) && are(now, speaking)).then_some(())
            }
            Event::Action(action) => panic!("{action:?} is the session's own"),
            _ => None,
        })
        .await;
}

fn request(direction: Direction) -> RoomRequest {
    let mut policy = RoomPolicy::default();
    policy.topology = Topology::Hub;
    let session = SessionKind::audio_video().with_direction(direction);
    let room = RoomName::new("hall").unwrap();
    RoomRequest::from(room).policy(policy).session(session)
}

async fn hub(desk: &Desk) -> Hub {
    let room = RoomName::new("hall").unwrap();
    let mut options = options("server");
    options.userid = None;
    Hub::enter(desk, &room, options).await.unwrap()
}

#[tokio::test]
async fn e05_all_are_told_who_speaks_and_who_comes_later_too() {
    let desk = Desk::default();
    let all = || request(Direction::ManyToMany);
    let (mut anna, hers) = enter(&desk, "anna", all()).await;
    let hub = hub(&desk).await;
    let (mut bob, his) = enter(&desk, "bob", all()).await;
    hers.set(LOUD);
    told(&mut bob, &["anna"], &["anna"]).await;
    told(&mut anna, &["anna"], &["anna"]).await;
    his.set(LOUD);
    told(&mut anna, &["bob", "anna"], &["bob", "anna"]).await;
    hers.set(SILENCE);
    told(&mut bob, &["bob", "anna"], &["bob"]).await;
    let (mut carl, _) = enter(&desk, "carl", all()).await;
    told(&mut carl, &["bob", "anna"], &["bob"]).await;
    his.set(SILENCE);
    told(&mut carl, &["bob", "anna"], &[]).await;
    drop(hub);
}

#[tokio::test]
async fn e05_nobody_is_told_of_one_that_it_does_not_hear() {
    let desk = Desk::default();
    let one = || request(Direction::OneToMany);
    let (mut owner, hers) = enter(&desk, "owner", one()).await;
    let hub = hub(&desk).await;
    let (mut bob, _his) = enter(&desk, "bob", one()).await;
    let (_carl, other) = enter(&desk, "carl", one()).await;
    other.set(LOUD);
    told(&mut owner, &["carl"], &["carl"]).await;
    hers.set(LOUD);
    // The first that Bob is told with a name in it.
    bob.until(|event| match event {
        Event::Speakers { order, .. } if !order.is_empty() => {
            assert!(order.iter().all(|one| one.as_str() == "owner"), "{order:?}");
            Some(())
        }
        _ => None,
    })
    .await;
    drop(hub);
}
