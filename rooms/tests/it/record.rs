//! Rooms and streams that are recorded, over real UDP.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ortc::{Kind, MediaStream, MediaStreamTrack, MediaStreamTrackEvent};
use ortc_rooms::desk::Desk;
use ortc_rooms::record::ivf::Ivf;
use ortc_rooms::record::{RecordEvent, RecordOptions, ogg};
use ortc_rooms::session::{Event, Hub, Kinds, Recording, RoomRequest, SessionOptions};
use ortc_rooms::signalling::{RoomName, RoomPolicy, Topology};
use serde_json::{Value, json};

use crate::support::{Member, id, limited};

const CLOCK: &[u8] = include_bytes!("../../../examples/media/clock.ivf");
const TONE: &[u8] = include_bytes!("../../../examples/media/audio.ogg");

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ortc-recording-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock with a tone, with a key frame when one is asked for.
struct Film {
    stream: MediaStream,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Film {
    fn new() -> Self {
        Self::with(true)
    }

    /// `heeds`: a key frame comes when it is asked for, not only each second.
    fn with(heeds: bool) -> Self {
        let stream = MediaStream::new();
        let audio = stream.add_track(&MediaStreamTrack::audio());
        let video = stream.add_track(&MediaStreamTrack::video());
        let (frames, packets) = (Ivf::parse(CLOCK).unwrap().frames, ogg::parse(TONE).unwrap());
        let sound = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(20));
            for packet in packets.iter().cycle() {
                clock.tick().await;
                let _ = audio.write_sample(packet.clone(), Duration::from_millis(20));
            }
        });
        let picture = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(40));
            let mut at = 0;
            loop {
                tokio::select! {
                    _ = clock.tick() => {
                        let _ = video.write_sample(frames[at].clone(), Duration::from_millis(40));
                        at = (at + 1) % frames.len();
                    }
                    event = video.next_event() => {
                        if heeds && event == Some(MediaStreamTrackEvent::KeyframeRequested) {
                            at = at.next_multiple_of(25) % frames.len();
                        }
                    }
                }
            }
        });
        Self {
            stream,
            tasks: vec![sound, picture],
        }
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Codec and count of packets of each stream of the file, which has to be without fault.
fn probed(path: &Path) -> Vec<(String, u64)> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=codec_name,nb_read_packets"])
        .arg(path)
        .output()
        .expect("ffprobe is there: tests/run brings it");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let stream = |line: &str| {
        let (codec, count) = line.split_once(',').unwrap();
        (codec.to_owned(), count.parse().unwrap())
    };
    text.lines().map(stream).collect()
}

async fn told(member: &mut Member, on: bool) {
    member
        .until(|event| {
            match event {
                Event::Action(action) => action.read::<Recording>().ok().flatten(),
                _ => None,
            }
            .filter(|told| told.on == on)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_c33_d31_e14_a_room_is_recorded_and_all_know_it() {
    let folder = Folder::new("room");
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let bob = Member::new(&desk, "bob").await;
    let mut carol = Member::new(&desk, "carol").await;
    alice.session.set_extra(json!({ "name": "../Alice" }));
    alice.session.open("demo").await.unwrap();
    let room = bob.session.join("demo").await.unwrap();
    let films = [Film::new(), Film::new()];
    alice.session.add_stream(&films[0].stream).unwrap();
    let mut options = RecordOptions::default();
    options.ogg = true;
    options.ivf = true;
    let (recording, mut events) = room.record(&folder.0, options).unwrap();
    told(&mut alice, true).await;
    // Who comes late is told, and recorded, too.
    carol.session.join("demo").await.unwrap();
    told(&mut carol, true).await;
    carol.session.add_stream(&films[1].stream).unwrap();
    let mut films_begun = 0;
    while films_begun < 2 {
        let event = limited(events.next()).await.unwrap();
        if let RecordEvent::File { file, .. } = event {
            films_begun += usize::from(file.recording_type.starts_with("video/webm"));
        }
    }
    // A picture of it.
    let stream = recording
        .stream(&id("alice"), films[0].stream.id())
        .unwrap();
    let snapshot = stream.snapshot().await.unwrap();
    assert_eq!((snapshot.width, snapshot.height), (640, 360));
    assert_eq!(snapshot.data[8..12], *b"WEBP");
    tokio::time::sleep(Duration::from_secs(2)).await;
    // One of them alone is stopped; of what was written there is a record.
    let of_carol = recording
        .stop_stream(&id("carol"), films[1].stream.id())
        .await
        .unwrap();
    assert!(of_carol.duration() > 1.0 && of_carol.error.is_none());
    alice
        .session
        .mute(films[0].stream.id(), Kinds::VIDEO)
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let all = recording.stop().await.unwrap();
    told(&mut alice, false).await;
    assert_eq!(all.len(), 2);
    for recorded in &all {
        assert_eq!(recorded.files.len(), 3, "{recorded:?}");
        for file in &recorded.files {
            assert!(file.complete && file.duration > 1.0, "{file:?}");
            assert_eq!(file.path.parent(), Some(&*folder.0));
            let streams = probed(&file.path);
            let mut names: Vec<&str> = streams.iter().map(|(codec, _)| &**codec).collect();
            names.sort_unstable();
            let wanted: &[&str] = match file.path.extension().unwrap().to_str().unwrap() {
                "webm" => &["opus", "vp8"],
                "ogg" => &["opus"],
                _ => &["vp8"],
            };
            assert_eq!(names, wanted);
            assert!(streams.iter().all(|(_, count)| *count > 20), "{streams:?}");
        }
    }
    let timeline = std::fs::read(recording.recorder().timeline()).unwrap();
    let timeline: Value = serde_json::from_slice(&timeline).unwrap();
    let happened: Vec<&str> = timeline["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    for event in ["room", "present", "joined", "mute"] {
        assert!(happened.contains(&event), "{event}: {happened:?}");
    }
    let streams = timeline["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 2);
    assert!(
        streams
            .iter()
            .all(|stream| stream["files"].as_array().unwrap().len() == 3)
    );
    assert!(timeline["ended"].is_number());
}

/// The server records a room that goes by it: what is for one alone is left out, and what nobody
/// watches comes all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e14_d31_a_hub_records_a_room_and_all_know_it() {
    let folder = Folder::new("hub");
    let desk = Desk::default();
    let mut alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let mut carol = Member::new(&desk, "carol").await;
    let mut policy = RoomPolicy::default();
    policy.topology = Topology::Hub;
    let request = || RoomRequest::from("demo").policy(policy.clone());
    alice.session.open(request()).await.unwrap();
    let mut options = SessionOptions::new();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    let demo = RoomName::new("demo").unwrap();
    let hub = Hub::enter(&desk, &demo, options).await.unwrap();
    bob.session.open_or_join(request()).await.unwrap();
    alice.connected("bob").await;
    let films = [Film::new(), Film::new()];
    alice.session.add_stream(&films[0].stream).unwrap();
    let to_bob = alice.session.peer(&id("bob")).unwrap();
    to_bob.add_stream(&films[1].stream, ()).unwrap();
    for _ in 0..4 {
        bob.until(|event| matches!(event, Event::Track { .. }).then_some(()))
            .await;
    }
    let from_alice = bob.session.peer(&id("alice")).unwrap();
    from_alice.mute(films[0].stream.id(), Kinds::ALL).unwrap();
    let options = RecordOptions::default();
    let (recording, mut events) = hub.record(&folder.0, options).unwrap();
    for member in [&mut alice, &mut bob] {
        told(member, true).await;
    }
    carol.session.open_or_join(request()).await.unwrap();
    told(&mut carol, true).await;
    limited(async {
        while let Some(event) = events.next().await {
            if matches!(&event, RecordEvent::File { file, .. } if file.recording_type.starts_with("video/webm"))
            {
                break;
            }
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let all = recording.stop().await.unwrap();
    told(&mut carol, false).await;
    assert_eq!(all.len(), 1, "what is for one alone: {all:?}");
    let [file] = &all[0].files[..] else {
        panic!("{all:?}");
    };
    assert!(file.complete && file.path.parent() == Some(&*folder.0));
    let mut streams = probed(&file.path);
    streams.sort();
    assert_eq!((&*streams[0].0, &*streams[1].0), ("opus", "vp8"));
    assert!(streams.iter().all(|(_, count)| *count > 20), "{streams:?}");
}

/// Who records does not take away what others read of the track; own streams are recorded as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c33_c35_one_stream_is_recorded_for_a_while() {
    let folder = Folder::new("stream");
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let mut bob = Member::new(&desk, "bob").await;
    let room = alice.session.open("demo").await.unwrap();
    bob.session.join("demo").await.unwrap();
    let film = Film::new();
    alice.session.add_stream(&film.stream).unwrap();
    let track = bob.track(Kind::Audio).await;
    let heard = crate::support::count(track);
    let peer = bob.session.peer(&id("alice")).unwrap();
    let mut options = RecordOptions::default();
    options.video = false;
    let (stream, _events) = peer
        .record(film.stream.id(), folder.0.join("bob"), options)
        .unwrap();
    let mut options = RecordOptions::default();
    options.local = true;
    let (own, _events) = room.record(folder.0.join("alice"), options).unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let recorded = stream.stop().await;
    assert_eq!(recorded, stream.stop().await, "a second time the same");
    let [file] = &recorded.files[..] else {
        panic!("{recorded:?}")
    };
    assert_eq!(file.recording_type, "audio/webm;codecs=opus");
    assert!((2.0..10.0).contains(&file.duration), "{file:?}");
    assert!(heard.load(std::sync::atomic::Ordering::Relaxed) > 100);
    let own = own.stop().await.unwrap();
    assert_eq!(own.len(), 1);
    // A busy machine may tell of the picture when the first file has begun with the sound.
    let streams: Vec<_> = own[0].files.iter().map(|file| probed(&file.path)).collect();
    let both = streams.iter().any(|file| file.len() == 2);
    assert!(both && streams.len() <= 2, "{streams:?}");
    assert!(
        peer.record("nothing", folder.0.join("x"), RecordOptions::default())
            .is_err()
    );
}

/// The frames of a file: number of the track, milliseconds, frame.
fn blocks(path: &Path) -> Vec<(u8, i64, Vec<u8>)> {
    use webm_iterable::WebmIterator;
    use webm_iterable::matroska_spec::MatroskaSpec as Tag;
    let file = std::fs::File::open(path).unwrap();
    let mut cluster = 0;
    let mut blocks = Vec::new();
    for tag in WebmIterator::new(file, &[]) {
        match tag.unwrap() {
            Tag::Timestamp(time) => cluster = i64::try_from(time).unwrap(),
            Tag::SimpleBlock(block) => {
                let since = i16::from_be_bytes([block[1], block[2]]);
                blocks.push((
                    block[0] & 0x7f,
                    cluster + i64::from(since),
                    block[4..].to_vec(),
                ));
            }
            _ => {}
        }
    }
    blocks
}

/// Each frame and packet tells when it was made. What a busy machine delays is in it: the strict
/// figure is that of the long form, and of the frames with a clock of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c33_a_call_is_recorded_in_time() {
    let (seconds, within) = match std::env::var_os("ORTC_SOAK") {
        Some(_) => (600, 40.0),
        None => (8, 150.0),
    };
    let folder = Folder::new("sync");
    let desk = Desk::default();
    let alice = Member::new(&desk, "alice").await;
    let bob = Member::new(&desk, "bob").await;
    alice.session.open("demo").await.unwrap();
    let room = bob.session.join("demo").await.unwrap();
    let film = Film::with(false);
    alice.session.add_stream(&film.stream).unwrap();
    let (recording, _events) = room.record(&folder.0, RecordOptions::default()).unwrap();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let recorded = recording.stop().await.unwrap();
    let file = &recorded[0].files[0];
    let frames = Ivf::parse(CLOCK).unwrap().frames;
    let packets = ogg::parse(TONE).unwrap();
    // Of each that is like no other: when it is in the file, less when it was made. Both are played
    // over and over.
    let offsets = |track: u8, every: usize, all: &[Vec<u8>]| {
        let turn = (every * all.len()) as f64;
        let mut offsets: Vec<f64> = Vec::new();
        for (_, time, data) in blocks(&file.path).iter().filter(|(of, ..)| *of == track) {
            let mut same = (0..all.len()).filter(|at| all[*at] == *data);
            let number = same.next().expect("a frame that was sent");
            if same.next().is_some() {
                continue;
            }
            let offset = *time as f64 - (number * every) as f64;
            let first = offsets.first().copied().unwrap_or(offset);
            offsets.push(offset - ((offset - first) / turn).round() * turn);
        }
        offsets.sort_by(f64::total_cmp);
        offsets[offsets.len() / 2]
    };
    let (audio, video) = (offsets(1, 20, &packets), offsets(2, 40, &frames));
    // The tone is shorter, and may have begun anew before the recording did.
    let turn = 20.0 * packets.len() as f64;
    let apart = (audio - video)
        .abs()
        .min((audio - turn - video).abs())
        .min((audio + turn - video).abs());
    println!("{seconds} s: audio and video {apart:.1} ms from each other");
    assert!(apart <= within, "{apart} ms");
}
