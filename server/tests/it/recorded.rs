//! What a server records of rooms that go by it, as a player of others reads it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ortc::{MediaStream, MediaStreamTrack};
use ortc_rooms::record::ivf::Ivf;
use ortc_rooms::record::ogg;
use ortc_rooms::session::{Room, Session, SessionOptions};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use tokio::time::{Instant, interval_at, sleep, timeout};

use crate::child::Child;
use crate::client::PATIENCE;

const CLOCK: &[u8] = include_bytes!("../../../examples/media/clock.ivf");
const TONE: &[u8] = include_bytes!("../../../examples/media/audio.ogg");
/// Milliseconds that a frame and a packet last.
const FRAME: u64 = 40;
const PACKET: u64 = 20;
/// How long the tone lasts, in milliseconds; the clock lasts twice as long.
const TURN: f64 = 5000.0;
/// How far picture and sound may be from each other in a file, in milliseconds.
const APART: f64 = 40.0;

/// Goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clock and a tone, which begin at the same moment.
struct Film {
    stream: MediaStream,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Film {
    fn new() -> Self {
        let stream = MediaStream::new();
        let begin = Instant::now();
        let sound = stream.add_track(&MediaStreamTrack::audio());
        let picture = stream.add_track(&MediaStreamTrack::video());
        let tasks = [
            tokio::spawn(play(begin, PACKET, sound, packets())),
            tokio::spawn(play(begin, FRAME, picture, frames())),
        ];
        Self { stream, tasks }
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn frames() -> Vec<Vec<u8>> {
    Ivf::parse(CLOCK).unwrap().frames
}

fn packets() -> Vec<Vec<u8>> {
    let mut packets = ogg::parse(TONE).unwrap();
    packets.truncate(250);
    packets
}

/// Over and over.
async fn play(begin: Instant, every: u64, track: MediaStreamTrack, all: Vec<Vec<u8>>) {
    let every = Duration::from_millis(every);
    let mut clock = interval_at(begin, every);
    for one in all.iter().cycle() {
        clock.tick().await;
        let _ = track.write_sample(one.clone(), every);
    }
}

/// The packets of a file that ffprobe has nothing against: codec, milliseconds, SHA-256.
fn probed(path: &Path) -> Vec<(String, f64, String)> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_data_hash", "SHA256"])
        .args(["-show_packets", "-show_streams"])
        .arg(path)
        .output()
        .expect("ffprobe is there: tests/run brings it");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packet = |packet: &Value| {
        let stream = packet["stream_index"].as_u64().unwrap() as usize;
        let seconds: f64 = text(&packet["pts_time"]).parse().unwrap();
        let codec = text(&told["streams"][stream]["codec_name"]);
        (codec, seconds * 1000.0, text(&packet["data_hash"]))
    };
    let packets = told["packets"].as_array().unwrap();
    packets.iter().map(packet).collect()
}

/// When a track of a file began to be played, in milliseconds of the file: the median of what each
/// of its packets says that is like no other.
fn begun(file: &[(String, f64, String)], codec: &str, every: u64, all: &[Vec<u8>]) -> f64 {
    let hash = |data: &Vec<u8>| {
        let bytes = digest(&SHA256, data);
        let hex = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
        format!("SHA256:{}", hex.collect::<String>())
    };
    let all: Vec<String> = all.iter().map(hash).collect();
    let turn = every as f64 * all.len() as f64;
    let mut offsets: Vec<f64> = Vec::new();
    for (_, time, hash) in file.iter().filter(|(of, ..)| of == codec) {
        let mut same = (0..all.len()).filter(|at| all[*at] == *hash);
        let number = same.next().expect("what was sent");
        if same.next().is_some() {
            continue;
        }
        let offset = time - (number as u64 * every) as f64;
        let first = offsets.first().copied().unwrap_or(offset);
        offsets.push(offset - ((offset - first) / turn).round() * turn);
    }
    offsets.sort_by(f64::total_cmp);
    assert!(offsets.len() > 20, "{} of {codec}", offsets.len());
    offsets[offsets.len() / 2]
}

/// How far picture and sound of a file are from each other, in milliseconds.
fn apart(path: &Path) -> f64 {
    let file = probed(path);
    let (packets, frames) = (packets(), frames());
    let (sound, picture) = (
        begun(&file, "opus", PACKET, &packets),
        begun(&file, "vp8", FRAME, &frames),
    );
    // Both are played over and over, the clock half as often as the tone.
    let distance = (sound - picture).rem_euclid(TURN);
    distance.min(TURN - distance)
}

async fn enter(child: &Child, name: &str, room: &str) -> (Session, Room) {
    let mut options = SessionOptions::new().with_userid(name).unwrap();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    let url = format!("ws://{}/ws", child.at);
    let (session, mut events) = Session::connect(url, options).await.unwrap();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let room = session.open_or_join(room).await.unwrap();
    (session, room)
}

/// The only file of a room's folder, once it has this much.
async fn film(folder: &Path, room: &str, least: u64) -> PathBuf {
    let found = async {
        loop {
            let rooms = std::fs::read_dir(folder).unwrap().flatten();
            let of_room = rooms.map(|entry| entry.path()).find(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                name.starts_with(room)
            });
            let files = of_room
                .iter()
                .flat_map(|path| std::fs::read_dir(path).unwrap());
            let film = files
                .flatten()
                .map(|entry| entry.path())
                .find(|path| path.extension().is_some_and(|ending| ending == "webm"));
            if let Some(film) = film
                && std::fs::metadata(&film).unwrap().len() >= least
            {
                return film;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, found).await.expect("a film")
}

/// One that was ended, and one whose server was killed as it recorded it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e14_a_player_plays_what_a_hub_recorded_also_if_it_was_killed() {
    let name = format!("ortc-recorded-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nhub = true\nrecord_all = true\nrecord = {:?}\n",
        folder.0
    );
    let child = Child::new(&settings, None).await;
    let mut rooms = Vec::new();
    for room in ["whole", "cut"] {
        let (anna, entered) = enter(&child, &format!("anna.{room}"), room).await;
        let bob = enter(&child, &format!("bob.{room}"), room).await;
        let film = Film::new();
        entered.add_stream(&film.stream).unwrap();
        rooms.push((anna, bob, film));
    }
    // 4 s and more of each: what its bytes are is known.
    let bytes: usize = frames().iter().take(100).map(Vec::len).sum();
    let cut = film(&folder.0, "cut", bytes as u64).await;
    let whole = film(&folder.0, "whole", bytes as u64).await;
    let timeline = whole.with_file_name("session.json");
    for (session, (other, _), _) in rooms.iter().take(1) {
        session.end();
        other.end();
    }
    let ended = async {
        loop {
            let told = std::fs::read(&timeline).unwrap_or_default();
            let told: Value = serde_json::from_slice(&told).unwrap_or_default();
            if told["ended"].is_number() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("the room is over");
    child.kill().await;
    for (what, path) in [("ended", whole), ("killed", cut)] {
        let apart = apart(&path);
        println!("{what}: picture and sound {apart:.1} ms from each other");
        assert!(apart <= APART, "{what}: {apart} ms");
    }
}
