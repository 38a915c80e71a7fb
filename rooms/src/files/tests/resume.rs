//! What was interrupted is gone on with (row I6).

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::super::hash::BLOCK;
use super::super::{Code, FileOffer, ReceiveOptions, SendOptions, Source, Transfer, TransferState};
use super::ends::{Folder, bridge, carry, limited, noise, pair, source};

/// How often, in full or as a test.
pub(super) fn times(test: u32, full: u32) -> u32 {
    match std::env::var_os("ORTC_SOAK") {
        Some(_) => full,
        None => test,
    }
}

/// Sends until so many bytes are there, and then the path breaks. What is there then.
async fn broken(path: &Path, key: &str, to: &Path, at: u64) -> (u64, u64) {
    let source = Source::open([path]).await.unwrap().key(key);
    let (a, b) = pair();
    let breaker = a.breaker();
    let sent = Transfer::send(a, source.into(), SendOptions::default());
    let offer = limited(FileOffer::receive(b)).await.unwrap();
    let mut received = offer.accept(to, ReceiveOptions::default());
    limited(async {
        while received.progress().bytes < at {
            if received.progressed().await.is_none() {
                break;
            }
        }
    })
    .await;
    breaker.send_replace(true);
    for end in [&sent, &received] {
        if let Err(error) = limited(end.finished()).await {
            assert!(error.can_resume(), "{error}");
        }
    }
    let progress = received.progress();
    (progress.bytes, progress.kept)
}

#[tokio::test]
async fn r_i06_a_broken_transfer_goes_on_where_it_was() {
    let (from, to) = (Folder::new(), Folder::new());
    let data = noise(20_000_000, 21);
    let path = from.write("a", &data);
    let mut there = 0;
    for at in [1, 2_500_000, 5_000_000, 9_000_000] {
        let (bytes, kept) = broken(&path, "key", to.path(), at).await;
        assert_eq!(kept, there, "nothing that was there is sent again");
        there = bytes;
        assert_eq!(there % BLOCK, 0);
    }
    assert!(!to.join("a").exists());
    let source = source(&[&path]).await;
    let (_, received) = carry(source, to.path(), ReceiveOptions::default()).await;
    received.unwrap();
    assert!(std::fs::read(to.join("a")).unwrap() == data);
    assert_eq!(to.all(), ["a"]);
}

/// The same size and time, other bytes: found out by the hash, and begun anew.
#[tokio::test]
async fn r_i06_a_source_that_changed_begins_anew() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a", &noise(12_000_000, 22));
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    assert!(broken(&path, "key", to.path(), 2_000_000).await.0 > 0);
    let other = noise(12_000_000, 23);
    std::fs::write(&path, &other).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let (_, received) = carry(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
    received.unwrap();
    assert!(std::fs::read(to.join("a")).unwrap() == other);
    // Another size as well.
    let longer = noise(13_000_000, 24);
    std::fs::write(&path, &longer).unwrap();
    assert!(broken(&path, "key", to.path(), 2_000_000).await.0 > 0);
    std::fs::write(&path, &longer[..12_500_000]).unwrap();
    carry(source(&[&path]).await, to.path(), ReceiveOptions::default())
        .await
        .1
        .unwrap();
    assert!(std::fs::read(to.join("a (1)")).unwrap() == longer[..12_500_000]);
    assert_eq!(to.all(), ["a", "a (1)"]);
}

/// Who does not know the key neither gets at what is there nor disturbs it.
#[tokio::test]
async fn r_i06_the_part_of_another_peer_is_not_touched() {
    let (from, to) = (Folder::new(), Folder::new());
    let data = noise(12_000_000, 25);
    let path = from.write("a", &data);
    let (there, _) = broken(&path, "key", to.path(), 3_000_000).await;
    let (_, kept) = broken(&path, "another", to.path(), 1).await;
    assert_eq!(kept, 0);
    let foreign = Source::open([&path]).await.unwrap().key("foreign");
    carry(foreign.into(), to.path(), ReceiveOptions::default())
        .await
        .1
        .unwrap();
    let (_, kept) = broken(&path, "key", to.path(), 1).await;
    assert_eq!(kept, there);
}

/// A part that was damaged on the disk counts up to the damage.
#[tokio::test]
async fn r_i06_what_is_on_the_disk_is_checked() {
    let (from, to) = (Folder::new(), Folder::new());
    let data = noise(16_000_000, 26);
    let path = from.write("a", &data);
    let (there, _) = broken(&path, "key", to.path(), 5_000_000).await;
    assert!(there >= 4 * BLOCK);
    let part = to
        .all()
        .into_iter()
        .find(|name| name.ends_with(".part"))
        .unwrap();
    let mut damaged = std::fs::read(to.join(&part)).unwrap();
    damaged[2 * BLOCK as usize + 7] ^= 1;
    std::fs::write(to.join(&part), damaged).unwrap();
    let (sent, received) =
        carry(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
    sent.unwrap();
    received.unwrap();
    assert!(std::fs::read(to.join("a")).unwrap() == data);
    assert_eq!(to.all(), ["a"]);
}

/// Files of a folder that are there are not sent again.
#[tokio::test]
async fn r_i06_a_folder_goes_on_with_the_next_file() {
    let (from, to) = (Folder::new(), Folder::new());
    for n in 0..8 {
        from.write(&format!("tree/{n}"), &noise(1_000_000, n));
    }
    let tree = from.join("tree");
    let (bytes, _) = broken(&tree, "key", to.path(), 4_500_000).await;
    let (_, received) = carry(source(&[&tree]).await, to.path(), ReceiveOptions::default()).await;
    received.unwrap();
    assert_eq!(from.all(), to.all());
    assert!(bytes >= 4_000_000);
    for n in 0..8 {
        assert!(std::fs::read(to.join(&format!("tree/{n}"))).unwrap() == noise(1_000_000, n));
    }
}

/// A process of its own for one end: this very test binary.
pub(super) fn child(role: &str, port: u16, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "files::tests::resume::end_of_a_transfer",
            "--nocapture",
        ])
        .env("ORTC_TEST_ROLE", role)
        .env("ORTC_TEST_PORT", port.to_string())
        .env("ORTC_TEST_PATH", path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What those processes do; nothing as a test.
#[tokio::test]
async fn end_of_a_transfer() {
    let Ok(role) = std::env::var("ORTC_TEST_ROLE") else {
        return;
    };
    let port: u16 = std::env::var("ORTC_TEST_PORT").unwrap().parse().unwrap();
    let path = PathBuf::from(std::env::var_os("ORTC_TEST_PATH").unwrap());
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (end, other) = pair();
    let carried = tokio::spawn(bridge(stream, other));
    let transfer = match role.as_str() {
        "send" => Transfer::send(end, source(&[&path]).await, SendOptions::default()),
        role => {
            if role == "slow" {
                super::super::disk::faults::below(
                    &path,
                    super::super::disk::faults::Fault::Slow(1_000_000),
                );
            }
            let offer = FileOffer::receive(end).await.unwrap();
            offer.accept(&path, ReceiveOptions::default())
        }
    };
    let _ = transfer.finished().await;
    let _ = carried.await;
}

/// Either side is killed at moments that no one chose; nothing is lost but what was on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i06_a_killed_process_loses_a_block_at_most() {
    let (from, to) = (Folder::new(), Folder::new());
    let data = noise(48_000_000, 27);
    let path = from.write("a", &data);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut killed, mut n) = (0, 0_u64);
    let (wanted, mut before) = (times(6, 100), 0);
    while !to.join("a").exists() || killed < wanted {
        n += 1;
        if to.join("a").exists() {
            std::fs::remove_file(to.join("a")).unwrap();
            before = 0;
        }
        let role = if n % 2 == 0 { "send" } else { "receive" };
        let place = if n % 2 == 0 { &path } else { to.path() };
        let mut process = child(role, port, place);
        let (stream, _) = limited(listener.accept()).await.unwrap();
        let (end, other) = pair();
        let carried = tokio::spawn(bridge(stream, other));
        let transfer = match role {
            "send" => {
                let offer = limited(FileOffer::receive(end)).await;
                offer.unwrap().accept(to.path(), ReceiveOptions::default())
            }
            // Slow enough to be caught.
            _ => {
                let options = SendOptions::default().limit(60_000_000);
                Transfer::send(end, source(&[&path]).await, options)
            }
        };
        let patience = Duration::from_millis(n * 7919 % 400);
        let mut seen = transfer.clone();
        let _ = limited(async {
            while seen.progress().state == TransferState::Offered {
                seen.progressed().await?;
            }
            Some(())
        })
        .await;
        let _ = tokio::time::timeout(patience, transfer.finished()).await;
        process.kill().unwrap();
        process.wait().unwrap();
        killed += 1;
        let ended = limited(transfer.finished()).await;
        let _ = limited(carried).await;
        if let Err(error) = &ended {
            let mut said = String::new();
            let _ = process.stderr.take().unwrap().read_to_string(&mut said);
            assert_eq!(error.code(), Code::Lost, "{error} {said}");
        }
        let progress = transfer.progress();
        if progress.bytes > 0 && role == "send" {
            let lost = before.max(BLOCK) - BLOCK;
            assert!(progress.kept >= lost, "{} of {before}", progress.kept);
        }
        before = before.max(progress.bytes);
    }
    assert!(std::fs::read(to.join("a")).unwrap() == data);
    // If only the last word was missing, nothing is sent again.
    if to.all().len() > 1 {
        let again = carry(source(&[&path]).await, to.path(), ReceiveOptions::default()).await;
        again.1.unwrap();
    }
    assert_eq!(to.all(), ["a"]);
}
