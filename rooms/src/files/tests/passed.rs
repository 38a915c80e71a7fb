//! Files that are sent on while they come.

use std::sync::Arc;
use std::time::Duration;

use super::super::coming::Coming;
use super::super::error::Code;
use super::super::hash::{Tree, block_size, blocks, hash_block};
use super::super::manifest::Manifest;
use super::super::message::{Entry, Message, Offer, VERSION};
use super::super::{FileChannel, SendOptions, Source, Transfer, TransferId, TransferState};
use super::ends::{End, Folder, limited, noise, pair};

const SIZE: u64 = 1_500_000;

/// What somebody offers: two files.
fn offered() -> Manifest {
    let mut manifest = Manifest::new(Offer {
        keep: false,
        extra: Default::default(),
        version: VERSION,
        id: TransferId::random(),
        key: "key".to_owned(),
        entries: 2,
        bytes: SIZE * 2,
    })
    .unwrap();
    let entry = |name: &str| Entry {
        path: vec![name.to_owned()],
        size: SIZE,
        modified: None,
        folder: false,
    };
    manifest.add(vec![entry("a"), entry("b")]).unwrap();
    manifest
}

/// One who takes the first file, and has heard that it begins.
async fn receiver(source: &Arc<Source>) -> (End, Transfer) {
    let (a, b) = pair();
    let transfer = Transfer::send(a, source.clone(), SendOptions::default());
    while limited(b.hear()).await.unwrap() != (Message::Offered {}) {}
    let accept = Message::Accept {
        version: VERSION,
        window: 4 << 20,
        files: 1,
        bytes: SIZE,
        only: serde_json::from_str("[[0,0]]").unwrap(),
    };
    let get = Message::Get {
        file: 0,
        from: 0,
        hash: None,
    };
    b.send(accept.write()).await;
    b.send(get.write()).await;
    let begins = limited(b.hear()).await.unwrap();
    assert_eq!(begins, Message::Begin { file: 0, from: 0 });
    (b, transfer)
}

/// However many wait for what has not come, the only thread for the disk is free; all get it when it
/// comes, and are told when it does not.
#[test]
fn e11_who_wait_for_a_file_hold_no_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = Folder::new();
        let manifest = offered();
        let coming = Arc::new(Coming::new(manifest.are_folders()));
        let source = Arc::new(Source::passed(&manifest, &coming));
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(receiver(&source).await);
        }
        limited(tokio::task::spawn_blocking(|| ())).await.unwrap();
        let (path, data) = (folder.join("a.part"), noise(SIZE as usize, 1));
        std::fs::write(&path, &data).unwrap();
        let mut tree = Tree::default();
        for index in 0..blocks(SIZE) {
            let from = (index << 20) as usize;
            let block = &data[from..from + block_size(SIZE, index) as usize];
            tree.push(hash_block(SIZE, index, block));
        }
        let hash = tree.root();
        coming.began(0, &path, 0);
        coming.wrote(0, 1);
        for (end, _) in &all {
            let block = limited(end.hear()).await.unwrap();
            assert!(
                matches!(block, Message::Block { index: 0, .. }),
                "{block:?}"
            );
        }
        // It gets its name while it is read.
        let named = folder.join("a");
        std::fs::rename(&path, &named).unwrap();
        coming.wrote(0, 2);
        coming.published(0, &named, hash);
        for (end, _) in &all[1..] {
            let block = limited(end.hear()).await.unwrap();
            assert!(
                matches!(block, Message::Block { index: 1, .. }),
                "{block:?}"
            );
            let last = limited(end.hear()).await.unwrap();
            assert_eq!(last, Message::End { hash });
        }
        // A file that was not accepted is not waited for either.
        let (end, transfer) = &all[0];
        let other = Message::Get {
            file: 1,
            from: 0,
            hash: None,
        };
        end.send(other.write()).await;
        let failed = limited(transfer.finished()).await.unwrap_err();
        assert_eq!(failed.code(), Code::Malformed);
    });
}

#[tokio::test]
async fn e11_a_file_whose_sender_has_no_more_of_it_is_not_waited_for() {
    let manifest = offered();
    let coming = Arc::new(Coming::new(manifest.are_folders()));
    let source = Arc::new(Source::passed(&manifest, &coming));
    let (end, _transfer) = receiver(&source).await;
    coming.given_up(0);
    let told = limited(end.hear()).await.unwrap();
    assert!(
        matches!(
            told,
            Message::Failed {
                file: Some(0),
                code: Code::SourceChanged,
                ..
            }
        ),
        "{told:?}"
    );
}

/// Who takes nothing is told of after ten seconds, and no longer once it takes something.
#[tokio::test]
async fn e11_a_receiver_that_takes_nothing_is_told_of() {
    let folder = Folder::new();
    let (path, data) = (folder.join("a"), noise(SIZE as usize, 1));
    std::fs::write(&path, &data).unwrap();
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let (end, mut transfer) = receiver(&source).await;
    assert!(matches!(
        limited(end.hear()).await.unwrap(),
        Message::Block { .. }
    ));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(!transfer.progress().stalled);
    tokio::time::advance(Duration::from_secs(2)).await;
    limited(async { while !transfer.progressed().await.unwrap().stalled {} }).await;
    assert_eq!(transfer.progress().state, TransferState::Running);
    let took = Message::Took {
        bytes: 65_536,
        done: 65_536,
    };
    end.send(took.write()).await;
    limited(async { while transfer.progressed().await.unwrap().stalled {} }).await;
    // What this side holds back is not the receiver's doing.
    transfer.pause();
    limited(async { while transfer.progressed().await.unwrap().state != TransferState::Paused {} })
        .await;
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::task::yield_now().await;
    assert!(!transfer.progress().stalled);
}
