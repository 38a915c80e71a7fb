//! What a transfer carries.

use std::sync::Arc;
use std::time::Duration;

use super::super::hash::BLOCK;
use super::super::{
    Code, FileOffer, NameTaken, Quota, ReceiveOptions, SendOptions, Source, Transfer, TransferState,
};
use super::ends::{Folder, carry, limited, noise, pair, source, start};

/// Sizes about a block, by one each.
#[tokio::test]
async fn c44_a_file_arrives_as_it_was() {
    let (from, to) = (Folder::new(), Folder::new());
    let block = BLOCK as usize;
    for size in [0, 1, block - 1, block, block + 1, 5 * block + 17] {
        let name = format!("file of {size}.bin");
        let data = noise(size, size as u64);
        let path = from.write(&name, &data);
        let source = source(&[&path]).await;
        let (sent, received) = carry(source, to.path(), ReceiveOptions::default()).await;
        let (sent, received) = (sent.unwrap(), received.unwrap());
        assert_eq!(std::fs::read(to.join(&name)).unwrap(), data);
        let hash = blake3::hash(&data).to_string();
        assert_eq!(sent[0].hash.as_ref().unwrap().to_string(), hash);
        assert_eq!(received[0].hash, sent[0].hash);
        assert_eq!(received[0].path.file_name().unwrap(), name.as_str());
    }
    assert_eq!(
        to.all().len(),
        6,
        "nothing is left beside the files: {:?}",
        to.all()
    );
}

#[tokio::test]
async fn e01_a_folder_arrives_with_all_that_is_in_it() {
    let (from, to) = (Folder::new(), Folder::new());
    for n in 0..60 {
        from.write(
            &format!("tree/{}/{n}.txt", n % 7),
            format!("file {n}").as_bytes(),
        );
    }
    from.write("tree/large.bin", &noise(3_000_000, 1));
    std::fs::create_dir_all(from.join("tree/empty/inside")).unwrap();
    let source = source(&[&from.join("tree")]).await;
    assert_eq!(source.files(), 61);
    let (sent, received) = carry(source, to.path(), ReceiveOptions::default()).await;
    assert_eq!(received.unwrap().len(), 61);
    assert_eq!(sent.unwrap().len(), 61);
    assert_eq!(from.all(), to.all());
    assert_eq!(std::fs::read(to.join("tree/3/3.txt")).unwrap(), b"file 3");
}

#[tokio::test]
async fn c49_progress_ends_at_the_whole() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a", &noise(9_000_000, 2));
    let (sent, received) =
        start(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
    for transfer in [sent, received] {
        limited(transfer.finished()).await.unwrap();
        let mut last = transfer.progress();
        let mut watched = transfer.clone();
        while last.state != TransferState::Done {
            last = limited(watched.progressed()).await.unwrap();
        }
        assert_eq!(
            (last.bytes, last.total, last.files_done),
            (9_000_000, 9_000_000, 1)
        );
    }
}

/// Row I3: what is there stays, whatever comes under its name.
#[tokio::test]
async fn r_i03_nothing_is_overwritten_unless_asked() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("photo.jpg", b"new");
    to.write("photo.jpg", b"old");
    let options = ReceiveOptions::default();
    carry(source(&[&path]).await, to.path(), options.clone())
        .await
        .1
        .unwrap();
    assert_eq!(std::fs::read(to.join("photo.jpg")).unwrap(), b"old");
    assert_eq!(std::fs::read(to.join("photo (1).jpg")).unwrap(), b"new");

    let fails = options.clone().name_taken(NameTaken::Fail);
    let (sent, received) = carry(source(&[&path]).await, to.path(), fails).await;
    assert_eq!(received.unwrap_err().code(), Code::Exists);
    let error = sent.unwrap_err();
    assert!(error.code() == Code::Exists && error.is_remote());

    let replaces = options.name_taken(NameTaken::Overwrite);
    carry(source(&[&path]).await, to.path(), replaces)
        .await
        .1
        .unwrap();
    assert_eq!(std::fs::read(to.join("photo.jpg")).unwrap(), b"new");
    assert_eq!(to.all(), ["photo (1).jpg", "photo.jpg"]);
}

/// Row I3: two transfers with one name at the same time, of one key even.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i03_two_transfers_of_one_name_do_not_meet() {
    let (one, two, to) = (Folder::new(), Folder::new(), Folder::new());
    let a = one.write("same.bin", &noise(5_000_000, 3));
    let b = two.write("same.bin", &noise(5_000_001, 4));
    let (a, b) = (source(&[&a]).await, source(&[&b]).await);
    let options = ReceiveOptions::default();
    let both = tokio::join!(
        carry(a, to.path(), options.clone()),
        carry(b, to.path(), options)
    );
    both.0.1.unwrap();
    both.1.1.unwrap();
    let mut got: Vec<usize> = ["same.bin", "same (1).bin"]
        .iter()
        .map(|name| std::fs::read(to.join(name)).unwrap())
        .map(|data| {
            let seed = if data.len() == 5_000_000 { 3 } else { 4 };
            assert!(data == noise(data.len(), seed));
            data.len()
        })
        .collect();
    got.sort_unstable();
    assert_eq!(got, [5_000_000, 5_000_001]);
    assert_eq!(to.all().len(), 2, "{:?}", to.all());
}

/// Many at once, some of them cancelled: the others arrive whole (rows C46, I10).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i10_cancelled_transfers_do_not_touch_others() {
    let (from, to) = (Folder::new(), Folder::new());
    let mut running = Vec::new();
    for n in 0..50_u64 {
        let path = from.write(&format!("{n}.bin"), &noise(1_500_000, n));
        let (sent, received) =
            start(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
        match n % 4 {
            1 => sent.cancel(),
            3 => received.cancel(),
            _ => {}
        }
        running.push((n, sent, received));
    }
    for (n, sent, received) in running {
        let (sent, received) =
            limited(async { (sent.finished().await, received.finished().await) }).await;
        let name = format!("{n}.bin");
        if n % 2 == 0 {
            sent.unwrap();
            assert!(std::fs::read(&received.unwrap()[0].path).unwrap() == noise(1_500_000, n));
        } else if let Err(error) = received {
            // Or it had arrived before.
            assert_eq!(error.code(), Code::Cancelled);
            // Or nothing but its last word was missing.
            let got = std::fs::read(to.join(&name));
            assert!(got.is_err() || got.is_ok_and(|got| got == noise(1_500_000, n)));
        }
    }
    assert!(
        to.all().iter().all(|name| name.ends_with(".bin")),
        "{:?}",
        to.all()
    );
}

#[tokio::test]
async fn r_i07_a_quota_is_told_to_both_ends() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a", &noise(2_000_000, 5));
    let quota = Quota::new(3_000_000);
    let options = ReceiveOptions::default().quota(quota.clone());
    carry(source(&[&path]).await, to.path(), options.clone())
        .await
        .1
        .unwrap();
    assert_eq!(quota.left(), 1_000_000);
    let (sent, received) = carry(source(&[&path]).await, to.path(), options).await;
    assert_eq!(received.unwrap_err().code(), Code::Quota);
    assert_eq!(sent.unwrap_err().code(), Code::Quota);
    assert_eq!(to.all(), ["a"]);
    assert_eq!(quota.left(), 1_000_000);
}

#[tokio::test]
async fn c50_an_offer_is_rejected_or_taken_in_part() {
    let (from, to) = (Folder::new(), Folder::new());
    let paths = [
        from.write("a", b"a"),
        from.write("b", b"b"),
        from.write("c", b"c"),
    ];
    let all = source(&[&paths[0], &paths[1], &paths[2]]).await;
    let (a, b) = pair();
    let sent = Transfer::send(a, all.clone(), SendOptions::default());
    let offer = limited(FileOffer::receive(b)).await.unwrap();
    assert_eq!(offer.title(), "3 files");
    offer.reject("not now").await;
    let error = limited(sent.finished()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Rejected, "not now"));
    assert!(to.all().is_empty());

    let options = ReceiveOptions::default().only([1]);
    let (sent, received) = carry(all, to.path(), options).await;
    assert_eq!(received.unwrap().len(), 1);
    assert_eq!(sent.unwrap()[0].name, "b");
    assert_eq!(to.all(), ["b"]);
}

#[tokio::test]
async fn c49_a_transfer_pauses_from_either_side() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a", &noise(40_000_000, 6));
    let (sent, received) =
        start(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
    for (pausing, other) in [(&sent, &received), (&received, &sent)] {
        pausing.pause();
        let mut seen = other.clone();
        limited(async {
            while seen.progress().state != TransferState::Paused {
                seen.progressed().await.unwrap();
            }
        })
        .await;
        // What was on its way arrives; then nothing does.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = received.progress().bytes;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(received.progress().bytes, before);
        assert!(before < 40_000_000);
        pausing.resume();
    }
    limited(sent.finished()).await.unwrap();
    limited(received.finished()).await.unwrap();
}

#[tokio::test]
async fn c46_a_limit_holds() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a", &noise(1_500_000, 7));
    let (a, b) = pair();
    let begun = std::time::Instant::now();
    let options = SendOptions::default().limit(1_000_000);
    let sent = Transfer::send(a, source(&[&path]).await, options);
    let offer = limited(FileOffer::receive(b)).await.unwrap();
    let received = offer.accept(to.path(), ReceiveOptions::default());
    limited(received.finished()).await.unwrap();
    limited(sent.finished()).await.unwrap();
    assert!(
        begun.elapsed() > Duration::from_millis(1200),
        "{:?}",
        begun.elapsed()
    );
}

/// To several receivers at once, one of which takes nothing (row E1).
#[tokio::test]
async fn e01_a_stalled_receiver_stops_nobody() {
    let from = Folder::new();
    let path = from.write("a", &noise(6_000_000, 8));
    let source = source(&[&path]).await;
    let (stalled, stall) = pair();
    let stalled = Transfer::send(stalled, source.clone(), SendOptions::default());
    let _never_answered = limited(FileOffer::receive(stall)).await.unwrap();
    for _ in 0..3 {
        let to = Folder::new();
        let (sent, received) = carry(source.clone(), to.path(), ReceiveOptions::default()).await;
        sent.unwrap();
        received.unwrap();
        assert_eq!(std::fs::read(to.join("a")).unwrap().len(), 6_000_000);
    }
    assert_eq!(stalled.progress().state, TransferState::Offered);
}

#[cfg(unix)]
#[tokio::test]
async fn r_i11_what_is_no_file_is_refused() {
    let from = Folder::new();
    let pipe = from.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [pipe.as_path(), "/dev/null".as_ref(), "/dev/zero".as_ref()] {
        let error = limited(Source::open([path])).await.unwrap_err();
        assert_eq!(error.code(), Code::NotAFile, "{path:?}");
    }
    // In a folder they are left out; a link that leads in a circle is not followed.
    std::os::unix::fs::symlink(from.path(), from.join("circle")).unwrap();
    from.write("file", b"x");
    let source = Source::open([from.path()]).await.unwrap();
    assert_eq!((source.files(), source.skipped().len()), (1, 2));
    let missing = limited(Source::open([from.join("none")]))
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

/// Row I11: a file that grows, shrinks or is written to is no mixture at the other end.
#[tokio::test]
async fn r_i11_a_source_that_changes_does_not_arrive() {
    let grows = |path: &std::path::Path| {
        let data = noise(3_000_100, 9);
        std::fs::write(path, data).unwrap();
    };
    let shrinks = |path: &std::path::Path| std::fs::write(path, b"short").unwrap();
    let changes: [&dyn Fn(&std::path::Path); 2] = [&grows, &shrinks];
    for change in changes {
        let (from, to) = (Folder::new(), Folder::new());
        let path = from.write("log", &noise(3_000_000, 9));
        let other = from.write("other", b"stays");
        let source = source(&[&path, &other]).await;
        change(&path);
        let (sent, received) = carry(source, to.path(), ReceiveOptions::default()).await;
        for done in [sent.unwrap(), received.unwrap()] {
            assert_eq!(
                done[0].hash.as_ref().unwrap_err().code(),
                Code::SourceChanged
            );
            assert!(done[1].hash.is_ok());
        }
        assert_eq!(to.all(), ["other"]);
    }
}

/// Row I11: nothing is unpacked by itself.
#[tokio::test]
async fn r_i11_an_archive_stays_one() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a.zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    carry(source(&[&path]).await, to.path(), ReceiveOptions::default())
        .await
        .1
        .unwrap();
    assert_eq!(to.all(), ["a.zip"]);
}

/// The source is shared, not read into memory: 10 GB of nothing, of which some is taken (row I8).
#[tokio::test]
async fn r_i08_a_sparse_file_is_offered_at_once() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(10_000_000_000).unwrap();
    let (sent, received) =
        start(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
    let mut seen = received.clone();
    limited(async {
        while seen.progress().bytes < 5_000_000 {
            seen.progressed().await.unwrap();
        }
    })
    .await;
    sent.cancel();
    assert_eq!(
        limited(received.finished()).await.unwrap_err().code(),
        Code::Cancelled
    );
    assert!(to.all().is_empty(), "{:?}", to.all());
    let _: Arc<Source> = source(&[&path]).await;
}

/// A small file system of its own, where this process may make one.
#[cfg(target_os = "linux")]
struct Disk(Folder);

#[cfg(target_os = "linux")]
impl Disk {
    fn mounted(kilobytes: u32) -> Option<Self> {
        let disk = Self(Folder::new());
        let size = format!("size={kilobytes}k");
        let made = disk.mount(&["-t", "tmpfs", "-o", &size, "tmpfs"]);
        made.then_some(disk)
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mut mount = std::process::Command::new("mount");
        let done = mount.args(arguments).arg(self.0.path()).output();
        done.is_ok_and(|done| done.status.success())
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .output();
    }
}

/// Row I7: both ends know why, what was written is away, and other transfers go on.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i07_a_full_or_locked_disk_is_told_to_both_ends() {
    let Some(disk) = Disk::mounted(3_000) else {
        eprintln!("this user may not mount anything: left out");
        return;
    };
    let (from, elsewhere) = (Folder::new(), Folder::new());
    let path = from.write("film", &noise(6_000_000, 31));
    let source = source(&[&path]).await;
    let other = start(source.clone(), elsewhere.path(), ReceiveOptions::default()).await;
    let begun = std::time::Instant::now();
    let (sent, received) = carry(source.clone(), disk.0.path(), ReceiveOptions::default()).await;
    for error in [sent.unwrap_err(), received.unwrap_err()] {
        assert_eq!(error.code(), Code::DiskFull, "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(disk.0.all().is_empty(), "{:?}", disk.0.all());
    limited(other.1.finished()).await.unwrap();

    assert!(disk.mount(&["-o", "remount,ro"]));
    let (sent, received) = carry(source, disk.0.path(), ReceiveOptions::default()).await;
    for error in [sent.unwrap_err(), received.unwrap_err()] {
        assert_eq!(error.code(), Code::ReadOnly, "{error}");
    }
}

/// Row I8: a disk that takes nothing holds the sender, and at most the window is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i08_no_more_than_the_window_is_on_its_way() {
    use super::super::message::Message;
    use super::super::{FileChannel, receiver::WINDOW};
    let from = Folder::new();
    let path = from.write("film", &noise(20_000_000, 32));
    let (a, b) = pair();
    let _sent = Transfer::send(a, source(&[&path]).await, SendOptions::default());
    let (files, bytes) = (1, 20_000_000);
    let (version, window) = (super::super::message::VERSION, WINDOW);
    b.say(Message::Accept {
        version,
        window,
        files,
        bytes,
        only: None,
    })
    .await;
    b.say(Message::Get {
        file: 0,
        from: 0,
        hash: None,
    })
    .await;
    let mut came = 0;
    let read = async {
        while let Some(message) = b.recv().await {
            if message.text().is_none() {
                came += message.len() as u64;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), read).await;
    assert_eq!(came, WINDOW);
}
