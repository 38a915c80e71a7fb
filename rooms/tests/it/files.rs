//! Files between members of a room, over real connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ortc::RTCDataChannel;
use ortc_rooms::desk::Desk;
use ortc_rooms::files::{Code, FileOffer, ReceiveOptions, SendOptions, Source, TransferState};
use ortc_rooms::session::{Event, Payload};

use crate::support::{LIMIT, Member, id, limited};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ortc-room-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, size: usize) -> (PathBuf, Vec<u8>) {
        let data: Vec<u8> = (0..size).map(|n| (n * 7 + n / 251) as u8).collect();
        let path = self.0.join(name);
        std::fs::write(&path, &data).unwrap();
        (path, data)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn offer(member: &mut Member) -> FileOffer<RTCDataChannel> {
    let found = async {
        loop {
            if let Event::FileOffer { offer, .. } = member.events.next().await.expect("no end") {
                return offer;
            }
        }
    };
    limited(found).await
}

async fn room(names: &[&str]) -> Vec<Member> {
    let desk = Desk::default();
    let mut members = Vec::new();
    for name in names {
        let member = Member::new(&desk, name).await;
        member.session.open_or_join("demo").await.unwrap();
        members.push(member);
    }
    for _ in &names[1..] {
        let connected = |event: &Event| matches!(event, Event::Connected { .. }).then_some(());
        members[0].until(connected).await;
    }
    members
}

fn name() -> ortc_rooms::signalling::RoomName {
    ortc_rooms::signalling::RoomName::new("demo").unwrap()
}

fn same(path: &Path, data: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|got| got == data)
}

/// Row E1: to all of a room, each at its own speed; one that does not answer stops nobody, nor do
/// words wait for files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e01_c44_a_file_goes_to_all_of_a_room() {
    let mut members = room(&["alice", "bob", "carol", "dave"]).await;
    let from = Folder::new();
    let (path, data) = from.write("film.bin", 6_000_000);
    let room = members[0].session.room(&name()).unwrap();
    let sent = room.send_file(path).await.unwrap();
    assert_eq!(sent.len(), 3);
    let (bobs, carols) = (Folder::new(), Folder::new());
    let to_bob = offer(&mut members[1]).await;
    assert_eq!(
        (to_bob.title(), to_bob.bytes()),
        ("film.bin".to_owned(), 6_000_000)
    );
    let bob = to_bob.accept(&bobs.0, ReceiveOptions::default());
    let to_carol = offer(&mut members[2]).await;
    let carol = to_carol.accept(&carols.0, ReceiveOptions::default());
    let _unanswered = offer(&mut members[3]).await;
    members[0].session.send("meanwhile").unwrap();
    let message = members[3].until(|event| match event {
        Event::Message(message) => Some(message.data.clone()),
        _ => None,
    });
    assert_eq!(message.await, Payload::from("meanwhile"));
    limited(bob.finished()).await.unwrap();
    limited(carol.finished()).await.unwrap();
    assert!(same(&bobs.0.join("film.bin"), &data) && same(&carols.0.join("film.bin"), &data));
    for (userid, transfer) in sent {
        match userid == id("dave") {
            true => assert_eq!(transfer.progress().state, TransferState::Offered),
            false => drop(limited(transfer.finished()).await.unwrap()),
        }
    }
}

/// Row I10: what nobody answers does not pile up, and nothing is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i10_offers_that_nobody_answers_are_bounded() {
    let mut members = room(&["alice", "bob"]).await;
    let from = Folder::new();
    let (path, _) = from.write("a", 10);
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let peer = members[0].session.peer(&id("bob")).unwrap();
    let mut waiting = Vec::new();
    let mut refused = 0;
    for n in 0..40 {
        let sent = peer
            .send_source(source.clone(), SendOptions::default())
            .unwrap();
        if n < 16 {
            waiting.push(offer(&mut members[1]).await);
        } else {
            let error = limited(sent.finished()).await.unwrap_err();
            assert_eq!(error.code(), Code::TooManyOffers);
            refused += 1;
        }
    }
    assert_eq!(refused, 24);
    // Whoever is answered makes room.
    waiting.pop().unwrap().reject("no").await;
    let to = Folder::new();
    let sent = peer.send_source(source, SendOptions::default()).unwrap();
    let accepted = offer(&mut members[1])
        .await
        .accept(&to.0, ReceiveOptions::default());
    limited(accepted.finished()).await.unwrap();
    limited(sent.finished()).await.unwrap();
}

/// A connection that is gone leaves what came, and the same source goes on over the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i06_a_transfer_goes_on_after_the_room_was_left() {
    let mut members = room(&["alice", "bob"]).await;
    let (from, to) = (Folder::new(), Folder::new());
    let (path, data) = from.write("a", 30_000_000);
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let peer = members[0].session.peer(&id("bob")).unwrap();
    let slow = SendOptions::default().limit(10_000_000);
    let sent = peer.send_source(source.clone(), slow).unwrap();
    let mut got = offer(&mut members[1])
        .await
        .accept(&to.0, ReceiveOptions::default());
    limited(async {
        while got.progress().bytes < 5_000_000 {
            got.progressed().await.unwrap();
        }
    })
    .await;
    let rooms = members[1].session.room(&name()).unwrap();
    limited(rooms.rejoin()).await.unwrap();
    assert_eq!(
        limited(sent.finished()).await.unwrap_err().code(),
        Code::Lost
    );
    assert_eq!(
        limited(got.finished()).await.unwrap_err().code(),
        Code::Lost
    );
    members[0].connected("bob").await;
    let peer = members[0].session.peer(&id("bob")).unwrap();
    let sent = peer.send_source(source, SendOptions::default()).unwrap();
    let got = offer(&mut members[1])
        .await
        .accept(&to.0, ReceiveOptions::default());
    tokio::time::timeout(LIMIT, got.finished())
        .await
        .unwrap()
        .unwrap();
    limited(sent.finished()).await.unwrap();
    assert!(got.progress().kept >= 5_000_000);
    assert!(same(&to.0.join("a"), &data));
}
