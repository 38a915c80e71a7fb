//! Files as they are assembled, of frames whose times are known, as ffprobe reads them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ortc::{Kind, SenderClock};

use super::assembler::{Arrived, Assembler};
use super::codec::RecordedCodec;
use super::ivf::Ivf;
use super::ogg;
use super::plan::Plan;

const CLOCK: &[u8] = include_bytes!("../../../examples/media/clock.ivf");
const AUDIO: &[u8] = include_bytes!("../../../examples/media/audio.ogg");
const VP9: &[u8] = include_bytes!("../../../examples/media/video.vp9.ivf");
const AV1: &[u8] = include_bytes!("../../../examples/media/video.av1.ivf");
const H264: &[u8] = include_bytes!("../../../examples/media/video.h264");

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ortc-record-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn assembler(folder: &Folder, epoch: Instant, beside: bool) -> Assembler {
    Assembler::new(Plan {
        folder: folder.0.clone(),
        stem: "alice".into(),
        epoch,
        ogg: beside,
        ivf: beside,
    })
}

/// The packets that ffprobe finds: seconds, of the first stream of that kind.
fn times(path: &Path, kind: &str) -> Vec<f64> {
    let out = probe(&[
        "-select_streams",
        &format!("{kind}:0"),
        "-show_entries",
        "packet=pts_time",
        "-of",
        "csv=p=0",
        path.to_str().unwrap(),
    ]);
    let times = out.lines().map(|line| line.trim_end_matches(',').parse());
    times.map(Result::unwrap).collect()
}

fn probe(arguments: &[&str]) -> String {
    let out = Command::new("ffprobe")
        .args(["-v", "error"])
        .args(arguments)
        .output()
        .expect("ffprobe is there: tests/run brings it");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    String::from_utf8(out.stdout).unwrap()
}

/// Every frame of it is decoded without a complaint.
fn decodes(path: &Path) {
    let out = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-i",
            path.to_str().unwrap(),
            "-f",
            "null",
            "-",
        ])
        .output()
        .expect("ffmpeg is there: tests/run brings it");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{}: {complaints}",
        path.display()
    );
}

/// One sender: what it sends at which time, and how long that is on its way.
struct Sender {
    start: Instant,
    video: Vec<Bytes>,
    audio: Vec<Bytes>,
    seed: u64,
    /// Percent of the frames.
    loss: u64,
    reports: bool,
}

struct Sent {
    /// Milliseconds since the start.
    made: u64,
    arrives: u64,
    track: usize,
    number: usize,
    data: Bytes,
}

impl Sender {
    fn new(loss: u64) -> Self {
        let video = Ivf::parse(CLOCK).unwrap().frames;
        let audio = ogg::parse(AUDIO).unwrap();
        Self {
            start: Instant::now(),
            video: video.into_iter().map(Bytes::from).collect(),
            audio: audio.into_iter().map(Bytes::from).collect(),
            seed: 7,
            loss,
            reports: true,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.seed >> 33) % below
    }

    /// Audio (0) is 20 ms on its way, video (1) 120 ms; both waver by 30 ms, and keep their order.
    fn sends(&mut self, milliseconds: u64) -> Vec<Sent> {
        let mut all = Vec::new();
        for (track, every, delay) in [(0, 20, 20), (1, 40, 120)] {
            let mut before = 0;
            for (number, made) in (0..milliseconds).step_by(every).enumerate() {
                let wavers = self.random(30);
                before = (made + delay + wavers).max(before);
                let frames = if track == 0 { &self.audio } else { &self.video };
                // The recording has a beginning and an end; it is played over and over.
                let data = frames[number % (frames.len() / 25 * 25)].clone();
                all.push(Sent {
                    made,
                    arrives: before,
                    track,
                    number,
                    data,
                });
            }
        }
        all.sort_by_key(|sent| sent.arrives);
        all
    }

    fn arrived(&self, sent: &Sent, lost: bool) -> Arrived {
        let rate: u32 = if sent.track == 0 { 48_000 } else { 90_000 };
        let ticks = |made: u64| {
            // Wraps soon.
            let first = u32::MAX - 3 * rate;
            first.wrapping_add((made * u64::from(rate) / 1000) as u32)
        };
        // A report each two seconds, the first after one.
        let reported = sent
            .made
            .checked_sub(1_000)
            .map(|made| made / 2_000 * 2_000 + 1_000);
        let sender = reported.filter(|_| self.reports).map(|made| {
            let ntp = ((3_000_000_000 + made / 1000) << 32) | (((made % 1000) << 32) / 1000);
            SenderClock::new(ntp, ticks(made), self.start)
        });
        Arrived {
            data: sent.data.clone(),
            timestamp: ticks(sent.made),
            rate,
            at: self.start + Duration::from_millis(sent.arrives),
            codec: Some(match sent.track {
                0 => RecordedCodec::Opus,
                _ => RecordedCodec::Vp8,
            }),
            key: false,
            lost,
            sender,
            reports: self.reports,
        }
    }

    /// Into a recording; which frames came.
    fn record(&mut self, into: &mut Assembler, milliseconds: u64) -> Vec<(usize, usize, u64)> {
        assert_eq!((into.track(Kind::Audio), into.track(Kind::Video)), (0, 1));
        let mut lost = [false; 2];
        let mut came = Vec::new();
        let mut second = 0;
        // Whoever sends makes a key frame when it is asked.
        let mut asked = false;
        for sent in self.sends(milliseconds) {
            let is_key = sent.data[0] & 1 == 0;
            if self.random(100) < self.loss {
                lost[sent.track] = true;
                continue;
            }
            let mut arrived = self.arrived(&sent, std::mem::take(&mut lost[sent.track]));
            if sent.track == 1 && asked && !is_key {
                arrived.data = self.video[0].clone();
            }
            let wants = into.frame(sent.track, arrived).unwrap();
            if sent.track == 1 {
                asked = wants.keys != 0;
            }
            if wants.keys == 0 {
                came.push((sent.track, sent.number, sent.made));
            }
            if sent.arrives / 1000 > second {
                second = sent.arrives / 1000;
                into.tick(self.start + Duration::from_secs(second)).unwrap();
            }
        }
        came
    }
}

/// What was made at one time has one time in the file, within a few milliseconds.
fn aligned(path: &Path, came: &[(usize, usize, u64)], within: f64) {
    let first = came.iter().map(|(.., made)| *made).min().unwrap();
    let mut offsets = Vec::new();
    for (track, kind) in [(0, "a"), (1, "v")] {
        let made: Vec<f64> = came
            .iter()
            .filter(|(of, ..)| *of == track)
            .map(|(.., made)| (*made - first) as f64 / 1e3)
            .collect();
        let times = times(path, kind);
        assert_eq!(
            times.len(),
            made.len(),
            "all that came, and nothing else: {kind}"
        );
        offsets.extend(times.iter().zip(&made).map(|(time, made)| time - made));
    }
    let most = offsets.iter().copied().fold(f64::MIN, f64::max);
    let least = offsets.iter().copied().fold(f64::MAX, f64::min);
    assert!(most - least <= within, "{least} to {most}");
}

#[test]
fn c33_sound_and_picture_are_in_time() {
    let folder = Folder::new("sync");
    let seconds = if std::env::var_os("ORTC_SOAK").is_some() {
        600
    } else {
        20
    };
    let mut sender = Sender::new(0);
    let mut recording = assembler(&folder, sender.start, true);
    let came = sender.record(&mut recording, seconds * 1000);
    recording.finish().unwrap();
    let [film, sides @ ..] = &recording.done[..] else {
        panic!("a file")
    };
    assert_eq!(film.recording_type, "video/webm;codecs=opus,vp8");
    assert_eq!((film.width, film.height), (Some(640), Some(360)));
    assert!(
        film.complete && (film.duration - seconds as f64).abs() < 0.1,
        "{film:?}"
    );
    aligned(&film.path, &came, 0.005);
    decodes(&film.path);
    let told = probe(&[
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
        film.path.to_str().unwrap(),
    ]);
    assert!((told.trim().parse::<f64>().unwrap() - film.duration).abs() < 0.001);
    assert_eq!(sides.len(), 2);
    for side in sides {
        assert!((side.duration - seconds as f64).abs() < 0.1, "{side:?}");
        decodes(&side.path);
    }
    assert!(recording.gaps.is_empty());
}

#[test]
fn c33_what_is_lost_is_a_gap_and_moves_nothing() {
    let folder = Folder::new("loss");
    let mut sender = Sender::new(10);
    let mut recording = assembler(&folder, sender.start, true);
    let came = sender.record(&mut recording, 20_000);
    recording.finish().unwrap();
    let film = &recording.done[0];
    aligned(&film.path, &came, 0.005);
    decodes(&film.path);
    let (audio, video): (Vec<_>, Vec<_>) = recording
        .gaps
        .iter()
        .partition(|gap| gap.kind == Kind::Audio);
    assert!(
        audio.len() > 50 && video.len() > 20,
        "{} {}",
        audio.len(),
        video.len()
    );
    assert!(recording.gaps.iter().all(|gap| gap.lost));
    let missing: f64 = audio.iter().map(|gap| gap.lasts).sum();
    let came = came.iter().filter(|(track, ..)| *track == 0).count();
    assert!(
        (missing + came as f64 * 0.02 - 20.0).abs() < 0.1,
        "{missing} {came}"
    );
}

#[test]
fn c33_without_reports_times_go_by_arrival() {
    let folder = Folder::new("arrival");
    let mut sender = Sender::new(0);
    sender.reports = false;
    let mut recording = assembler(&folder, sender.start, false);
    let came = sender.record(&mut recording, 10_000);
    recording.finish().unwrap();
    // By as much as video was longer on its way.
    aligned(&recording.done[0].path, &came, 0.135);
}

#[test]
fn c33_what_was_written_before_a_crash_can_be_played() {
    let folder = Folder::new("crash");
    let mut sender = Sender::new(0);
    let mut recording = assembler(&folder, sender.start, false);
    let came = sender.record(&mut recording, 10_000);
    let path = recording.open()[0].path.clone();
    let bytes = std::fs::read(&path).unwrap();
    // As the disk has it now, and cut off anywhere.
    let whole = folder.0.join("whole.webm");
    std::fs::write(&whole, &bytes).unwrap();
    let there = times(&whole, "a").len();
    let audio = came.iter().filter(|(track, ..)| *track == 0).count();
    assert!(
        there + 60 > audio,
        "at most a second is missing: {there} of {audio}"
    );
    decodes(&whole);
    for part in 1..8 {
        let cut = folder.0.join(format!("cut-{part}.webm"));
        std::fs::write(&cut, &bytes[..bytes.len() * part / 8 + part]).unwrap();
        let out = Command::new("ffprobe")
            .args([
                "-v",
                "quiet",
                "-count_packets",
                "-show_entries",
                "stream=nb_read_packets",
            ])
            .args(["-of", "csv=p=0", cut.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(out.status.success());
        let counts = String::from_utf8(out.stdout).unwrap();
        let least = there * part / 8 / 3;
        let counts = counts.lines().map(|line| line.parse::<usize>().unwrap());
        assert!(counts.min().unwrap() + 25 > least, "part {part}");
    }
    recording.finish().unwrap();
}

/// Another codec or a track that comes later: another file, which begins with a key frame.
#[test]
fn c33_another_format_is_another_file() {
    let folder = Folder::new("formats");
    let start = Instant::now();
    let mut recording = assembler(&folder, start, false);
    assert_eq!(recording.track(Kind::Video), 0);
    let films: [(RecordedCodec, Vec<Vec<u8>>); 4] = [
        (RecordedCodec::Vp8, Ivf::parse(CLOCK).unwrap().frames),
        (RecordedCodec::Vp9, Ivf::parse(VP9).unwrap().frames),
        (RecordedCodec::Av1, Ivf::parse(AV1).unwrap().frames),
        (RecordedCodec::H264, access_units(H264)),
    ];
    let mut at = 0_u64;
    for (codec, frames) in &films {
        for frame in frames.iter().take(50) {
            at += 40;
            let arrived = Arrived {
                data: frame.clone().into(),
                timestamp: (at * 90) as u32,
                rate: 90_000,
                at: start + Duration::from_millis(at),
                // Of a local track nobody says it.
                codec: at.is_multiple_of(80).then_some(*codec),
                key: false,
                lost: false,
                sender: None,
                reports: false,
            };
            recording.frame(0, arrived).unwrap();
        }
    }
    let snapshot = recording.snapshot().unwrap();
    assert_eq!(snapshot.codec, RecordedCodec::H264);
    recording.finish().unwrap();
    let names: Vec<&str> = recording
        .done
        .iter()
        .map(|file| file.recording_type.as_str())
        .collect();
    let webm = ["vp8", "vp9", "av1"].map(|name| format!("video/webm;codecs={name}"));
    assert_eq!(names[..3], webm);
    assert_eq!(names[3..], ["video/x-matroska;codecs=h264"]);
    for (file, (codec, frames)) in recording.done.iter().zip(&films) {
        let told = probe(&[
            "-show_entries",
            "stream=codec_name,width,height",
            "-of",
            "csv=p=0",
            file.path.to_str().unwrap(),
        ]);
        let (width, height) = (file.width.unwrap(), file.height.unwrap());
        assert_eq!(told.trim(), format!("{},{width},{height}", codec.name()));
        assert_eq!(
            times(&file.path, "v").len(),
            frames.len().min(50),
            "{codec:?}"
        );
        decodes(&file.path);
    }
}

/// Annex B, cut before each delimiter or parameter set, or picture that is not behind such.
fn access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = (0..stream.len().saturating_sub(4))
        .filter(|&at| stream[at..at + 3] == [0, 0, 1])
        .collect();
    starts.push(stream.len());
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut has_picture = true;
    for pair in starts.windows(2) {
        let unit = &stream[pair[0]..pair[1]];
        let kind = unit[3] & 0x1f;
        // The first slice of a picture has first_mb_in_slice 0: its first bit is 1.
        let picture = matches!(kind, 1 | 5) && unit[4] & 0x80 != 0;
        if has_picture && (picture || matches!(kind, 6..=9)) {
            units.push(Vec::new());
            has_picture = false;
        }
        has_picture |= picture;
        let last = units.last_mut().unwrap();
        last.push(0);
        last.extend(
            unit.iter()
                .rev()
                .skip_while(|byte| **byte == 0)
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .copied(),
        );
    }
    units
}

/// Names, codecs and frames that make no sense write nothing outside and use no memory.
#[test]
fn c33_hostile_frames_are_bounded() {
    let folder = Folder::new("hostile");
    let start = Instant::now();
    let mut recording = assembler(&folder, start, true);
    recording.track(Kind::Video);
    recording.track(Kind::Audio);
    let mut seed = 3_u64;
    for n in 0..3_000_u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let length = (seed >> 50) as usize % 3_000;
        let mut data: Vec<u8> = (0..length).map(|at| (seed >> (at % 56)) as u8).collect();
        if n % 40 == 0 {
            // A key frame, and a large one.
            data = vec![0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0];
            data.resize(1 << 20, 7);
        }
        let arrived = Arrived {
            data: data.into(),
            timestamp: if n % 3 == 0 {
                seed as u32
            } else {
                n as u32 * 3_600
            },
            rate: [90_000, 48_000, 0, 1, u32::MAX][(seed >> 40) as usize % 5],
            at: start + Duration::from_millis(n * 20),
            codec: [
                None,
                Some(RecordedCodec::Vp8),
                Some(RecordedCodec::Opus),
                Some(RecordedCodec::Av1),
            ][(seed >> 45) as usize % 4],
            key: seed.is_multiple_of(2),
            lost: seed.is_multiple_of(7),
            sender: Some(SenderClock::new(seed, (seed >> 7) as u32, start)),
            reports: n % 2 == 0,
        };
        recording.frame((seed >> 20) as usize % 3, arrived).unwrap();
        if n % 50 == 0 {
            recording
                .tick(start + Duration::from_millis(n * 20))
                .unwrap();
        }
    }
    recording.finish().unwrap();
    for file in &recording.done {
        assert_eq!(file.path.parent(), Some(&*folder.0));
    }
}
