//! Disks that fail, and slow ones.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::disk::faults::{Fault, below};
use super::super::receiver::WINDOW;
use super::super::{Code, ReceiveOptions, SendOptions, Source, Transfer, TransferState, shown};
use super::ends::{Folder, bridge, carry, limited, noise, pair, source, start};
use super::resume::{child, times};

/// Row I7: whatever the disk says, both ends are told what it is within two seconds, nothing is
/// left, and others go on.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i07_a_disk_that_fails_is_told_to_both_ends() {
    let from = Folder::new();
    let path = from.write("film", &noise(6_000_000, 41));
    // EIO, ENOSPC, EDQUOT, EROFS, EACCES, EFBIG of Linux.
    let errors = [
        (5, Code::Io),
        (28, Code::DiskFull),
        (122, Code::Quota),
        (30, Code::ReadOnly),
        (13, Code::Permission),
        (27, Code::Quota),
    ];
    let mut slowest = Duration::ZERO;
    for (error, code) in errors {
        let (to, elsewhere) = (Folder::new(), Folder::new());
        below(to.path(), Fault::Error(error, 3_000_000));
        let source = source(&[&path]).await;
        let other = start(source.clone(), elsewhere.path(), ReceiveOptions::default()).await;
        let begun = Instant::now();
        let (sent, received) = carry(source, to.path(), ReceiveOptions::default()).await;
        slowest = slowest.max(begun.elapsed());
        for told in [sent.unwrap_err(), received.unwrap_err()] {
            assert_eq!(told.code(), code, "{error}: {told}");
        }
        assert!(to.all().is_empty(), "{error}: {:?}", to.all());
        limited(other.1.finished()).await.unwrap();
        limited(other.0.finished()).await.unwrap();
    }
    println!("the slowest told after {slowest:?}");
    assert!(slowest < Duration::from_secs(20));
}

/// Row I8: 1 MB/s, and a sender that could do a hundred times as much: the process of the receiver
/// grows by the window.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i08_a_slow_disk_takes_no_memory() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(10_000_000_000).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut process = child("slow", port, to.path());
    let (stream, _) = limited(listener.accept()).await.unwrap();
    let (end, other) = pair();
    let carried = tokio::spawn(bridge(stream, other));
    // Without the pages of the program itself, which come in as they are used.
    let before = resident(process.id(), "RssAnon:");
    let transfer = Transfer::send(end, source(&[&path]).await, SendOptions::default());
    let seconds = u64::from(times(4, 30));
    let mut seen = transfer.clone();
    limited(async {
        while seen.progress().bytes < 1_000_000 {
            seen.progressed().await.unwrap();
        }
    })
    .await;
    let mut most = before;
    for _ in 0..seconds * 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(resident(process.id(), "RssAnon:"));
    }
    let grown = most - before;
    let bytes = transfer.progress().bytes;
    process.kill().unwrap();
    process.wait().unwrap();
    transfer.stop();
    let _ = limited(transfer.finished()).await;
    let _ = limited(carried).await;
    println!("{bytes} bytes in {seconds} s, {grown} KiB more");
    assert!(bytes < (seconds + 10) * 1_100_000, "not slow");
    // What the test itself holds between its two ends is in it, and what an allocator keeps.
    assert!(grown < (WINDOW + 6 * 1024 * 1024) / 1024, "{grown} KiB");
}

#[cfg(target_os = "linux")]
fn resident(process: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let digits = line.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

/// Row I2: what a terminal or a page would obey comes nowhere as it is.
#[tokio::test]
async fn r_i02_names_are_escaped_where_they_are_shown() {
    let names = [
        "\u{1b}[2J\u{1b}]0;owned\u{7}.txt",
        "a\nb\rc\td",
        "photo\u{202e}gpj.exe",
        "\u{2066}x\u{2069}\u{200f}",
        "\u{9b}31m\u{0}",
    ];
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for name in names {
        assert!(!shown(name).contains(bad), "{:?}", shown(name));
        let (from, to) = (Folder::new(), Folder::new());
        let file = from.write("file", b"x");
        let mut source = Source::open([file]).await.unwrap();
        source.items[0].entry.path = vec![name.to_owned()];
        let (a, b) = pair();
        let sent = Transfer::send(a, source.into(), SendOptions::default());
        let offer = limited(super::super::FileOffer::receive(b)).await.unwrap();
        let mut texts = vec![offer.title(), format!("{offer:?}")];
        texts.extend(offer.files().map(|file| file.name));
        let received = offer.accept(to.path(), ReceiveOptions::default());
        for transfer in [&sent, &received] {
            let files = limited(transfer.finished()).await.unwrap();
            texts.push(files[0].name.clone());
            texts.push(transfer.progress().file);
            assert_eq!(transfer.progress().state, TransferState::Done);
        }
        for file in to.all() {
            assert!(!file.contains(bad), "{file:?}");
        }
        for text in texts {
            assert!(!text.contains(bad), "{text:?}");
        }
    }
}

/// The same in what is said of a failure.
#[tokio::test]
async fn r_i02_errors_are_escaped() {
    let error = limited(Source::open([Path::new("/none/\u{1b}[31m")])).await;
    let error = error.unwrap_err();
    assert!(!error.message().contains('\u{1b}'), "{error:?}");
    assert_eq!(error.code(), Code::NotFound);
}
