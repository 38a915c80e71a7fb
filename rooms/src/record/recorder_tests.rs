//! A disk that is full ends one recording, and no other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ortc::MediaStreamTrack;

use super::event::RecordEvent;
use super::options::RecordOptions;
use super::recorder::Recorder;
use super::worker::Load;

/// A disk of a few kilobytes, where this user may mount one.
struct Disk(PathBuf);

impl Disk {
    fn mounted(kilobytes: u32) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("ortc-record-disk-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let size = format!("size={kilobytes}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path);
        let mounted = mount.output().is_ok_and(|out| out.status.success());
        mounted.then_some(Self(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn decodable(path: &Path) -> bool {
    let out = Command::new("ffprobe")
        .args([
            "-v",
            "quiet",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .output()
        .unwrap();
    out.status.success() && out.stdout.starts_with(b"vp8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c33_a_full_disk_ends_one_recording_alone() {
    let Some(disk) = Disk::mounted(400) else {
        eprintln!("this user may not mount anything: left out");
        return;
    };
    let roomy = disk.0.with_extension("roomy");
    let _ = std::fs::remove_dir_all(&roomy);
    let options = RecordOptions::default;
    let (small, mut of_small) = Recorder::create(&disk.0, options()).unwrap();
    let (large, mut of_large) = Recorder::create(&roomy, options()).unwrap();
    let track = MediaStreamTrack::video();
    let streams = [small.stream("a", "a", "s"), large.stream("a", "a", "s")];
    assert!(streams.iter().all(|stream| stream.add_track(&track)));
    assert!(!streams[0].add_track(&track), "it is recorded already");
    let mut frame = vec![0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0];
    frame.resize(20_000, 7);
    let feeding = async {
        for _ in 0..100 {
            track
                .write_sample(frame.clone(), Duration::from_millis(40))
                .unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let failed = async {
        loop {
            if let RecordEvent::Failed { error, .. } = of_small.next().await.unwrap() {
                return error;
            }
        }
    };
    let limit = Duration::from_secs(60);
    let (failed, ()) = tokio::join!(tokio::time::timeout(limit, failed), feeding);
    assert!(failed.unwrap().contains("No space left"));
    let recorded = streams[0].stop().await;
    assert!(recorded.error.is_some() && !recorded.files[0].complete);
    assert!(decodable(&recorded.files[0].path), "{recorded:?}");
    let other = streams[1].stop().await;
    assert!(other.error.is_none() && other.files[0].complete);
    assert!(other.duration() > 0.3, "{other:?}");
    while let Some(event) = of_large.try_next() {
        assert!(!matches!(event, RecordEvent::Failed { .. }));
    }
    std::fs::remove_dir_all(roomy).unwrap();
}

#[test]
fn c33_what_waits_for_a_slow_disk_is_bounded() {
    let load = Load::default();
    let large = (0..100).filter(|_| load.add(1 << 20)).count();
    assert_eq!(large, 32);
    let load = Load::default();
    let small = (0..10_000).filter(|_| load.add(1)).count();
    assert_eq!(small, 2_048);
}
