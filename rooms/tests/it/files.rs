//! Files between members of a room, over real connections.

use std::path::Path;
use std::sync::Arc;

use ortc::RTCDataChannel;
use ortc_rooms::desk::Desk;
use ortc_rooms::files::{
    Code, FileOffer, ReceiveOptions, SendOptions, Source, Transfer, TransferState,
};
use ortc_rooms::session::{Event, FileStep, Payload, RoomRequest};
use ortc_rooms::signalling::SessionKind;

use crate::folder::Folder;
use crate::relay::Relay;
use crate::support::{LIMIT, Member, id, limited};

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

/// A connection that is gone is no end: the transfer goes on over the next one, nobody asks again,
/// and both sides are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c48_c49_r_i06_a_transfer_goes_on_by_itself_over_the_next_connection() {
    let mut members = room(&["alice", "bob"]).await;
    let (from, to) = (Folder::new(), Folder::new());
    let (path, data) = from.write("a", 20_000_000);
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let peer = members[0].session.peer(&id("bob")).unwrap();
    let slow = SendOptions::default().limit(8_000_000);
    let sent = peer.send_source(source.clone(), slow).unwrap();
    let got = offer(&mut members[1])
        .await
        .accept(&to.0, ReceiveOptions::default());
    past(&got, 5_000_000).await;
    let rooms = members[1].session.room(&name()).unwrap();
    limited(rooms.rejoin()).await.unwrap();
    limited(got.finished()).await.unwrap();
    limited(sent.finished()).await.unwrap();
    assert!(got.progress().kept >= 4_000_000, "{:?}", got.progress());
    assert!(same(&to.0.join("a"), &data));
    for member in &mut members {
        let mut steps = Vec::new();
        while steps.last() != Some(&"done") {
            let step = |event: &Event| match event {
                Event::FileOffer { .. } => Some("offer"),
                Event::File(event) => Some(match &event.step {
                    FileStep::Started(_) => "started",
                    FileStep::Interrupted => "interrupted",
                    FileStep::Resumed(_) => "resumed",
                    FileStep::Done(_) => "done",
                    FileStep::Failed(_) => "failed",
                    _ => return None,
                }),
                _ => None,
            };
            steps.push(member.until(step).await);
        }
        assert_eq!(steps, ["started", "interrupted", "resumed", "done"]);
    }
}

/// A transfer that the other side leaves alone ends at once, and one whose peer does not come back
/// ends when it was told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i06_a_transfer_does_not_wait_for_nothing() {
    let mut members = room(&["alice", "bob"]).await;
    let (from, to) = (Folder::new(), Folder::new());
    let (path, _) = from.write("a", 10_000_000);
    let peer = members[0].session.peer(&id("bob")).unwrap();
    let sent = peer.send_file(&path).await.unwrap();
    drop(offer(&mut members[1]).await);
    let error = limited(sent.finished()).await.unwrap_err();
    assert_eq!(error.code(), Code::Lost);

    let source = Arc::new(Source::open([&path]).await.unwrap());
    let options = SendOptions::default().limit(2_000_000);
    let options = options.patience(std::time::Duration::from_secs(1));
    let sent = peer.send_source(source, options).unwrap();
    let bobs = offer(&mut members[1]).await;
    let got = bobs.accept(&to.0, ReceiveOptions::default());
    past(&got, 1_000_000).await;
    members[1].session.end();
    let error = limited(sent.finished()).await.unwrap_err();
    assert_eq!(error.code(), Code::Lost);
    // Nobody waits for it any more: what came is thrown away.
    got.cancel();
    let error = limited(got.finished()).await.unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    assert_eq!(std::fs::read_dir(&to.0).unwrap().count(), 0);
}

async fn past(transfer: &Transfer, bytes: u64) {
    let mut seen = transfer.clone();
    limited(async {
        while seen.progress().bytes < bytes {
            seen.progressed().await.unwrap();
        }
    })
    .await;
}

/// Row I9: 5 % loss, and nothing at all for a while: it goes on with what ICE finds, within 5 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_i09_a_transfer_outlives_a_blackout() {
    let full = std::env::var_os("ORTC_SOAK").is_some();
    let (size, pause, limit) = match full {
        true => (100_000_000, 20, 20_000_000),
        false => (6_000_000, 6, 3_000_000),
    };
    let (desk, relay) = (Desk::default(), Relay::new(50));
    let mut alice = relay.member(&desk, "alice").await;
    let mut bob = relay.member(&desk, "bob").await;
    alice.session.open_or_join("demo").await.unwrap();
    bob.session.open_or_join("demo").await.unwrap();
    alice.connected("bob").await;
    let (from, to) = (Folder::new(), Folder::new());
    let (path, data) = from.write("film", size);
    let peer = alice.session.peer(&id("bob")).unwrap();
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let options = SendOptions::default().limit(limit);
    let sent = peer.send_source(source, options).unwrap();
    let got = offer(&mut bob)
        .await
        .accept(&to.0, ReceiveOptions::default());
    past(&got, 1_000_000).await;
    assert!(relay.carried() > 500, "another path was found");
    relay.cut(true);
    tokio::time::sleep(std::time::Duration::from_secs(pause)).await;
    let before = got.progress().bytes;
    assert!(before < size as u64, "the blackout came too late");
    relay.cut(false);
    let back = std::time::Instant::now();
    past(&got, before + 1).await;
    let idle = back.elapsed();
    tokio::time::timeout(LIMIT * 5, got.finished())
        .await
        .unwrap()
        .unwrap();
    println!(
        "{size} bytes, {pause} s of nothing: idle {idle:?} after its end, complete after {:?}",
        back.elapsed()
    );
    limited(sent.finished()).await.unwrap();
    assert!(same(&to.0.join("film"), &data));
    assert!(idle < std::time::Duration::from_secs(if full { 5 } else { 15 }));
}

/// Row D25: who comes later is offered what is kept, the newest within the bounds; row C50: and
/// writes it without a question, if it wants that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c50_d25_late_joiners_get_what_the_room_keeps() {
    let desk = Desk::default();
    let mut options = crate::support::options("alice");
    options.kept_files.bytes = 3_000_000;
    let alice = Member::with(&desk, options).await;
    alice.session.open_or_join("demo").await.unwrap();
    let from = Folder::new();
    let room = alice.session.room(&name()).unwrap();
    let mut files = Vec::new();
    for file in ["old", "middle", "new"] {
        let (path, data) = from.write(file, 1_400_000);
        let source = Arc::new(Source::open([path]).await.unwrap());
        let sent = room.send_source(&source, &SendOptions::default().keep());
        assert!(sent.unwrap().is_empty());
        files.push(data);
    }
    for (who, round) in [("bob", 1), ("carol", 2)] {
        let to = Folder::new();
        let options = crate::support::options(who).with_auto_save(&to.0, ReceiveOptions::default());
        let mut member = Member::with(&desk, options).await;
        member.session.open_or_join("demo").await.unwrap();
        for _ in 0..2 {
            let done = |event: &Event| match event {
                Event::File(event) => match &event.step {
                    FileStep::Done(files) => Some(files[0].path.clone()),
                    _ => None,
                },
                _ => None,
            };
            member.until(done).await;
        }
        assert!(same(&to.0.join("middle"), &files[1]), "{who}");
        assert!(same(&to.0.join("new"), &files[2]), "{who}");
        assert!(!to.0.join("old").exists());
        if round == 1 {
            // Who comes back is not offered it again.
            let rooms = member.session.room(&name()).unwrap();
            limited(rooms.rejoin()).await.unwrap();
            member.connected("alice").await;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            assert_eq!(std::fs::read_dir(&to.0).unwrap().count(), 2);
        }
    }
    room.forget_kept();
}

/// To ten of a room, as fast to the others when one takes 100 kB/s and one nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c46_e01_the_slow_of_ten_hold_nobody_up() {
    const SIZE: usize = 3_000_000;
    let desk = Desk::default();
    let mut owner = Member::new(&desk, "owner").await;
    let mut session = SessionKind::data();
    session.oneway = true;
    let request = || RoomRequest::from("demo").session(session);
    owner.session.open(request()).await.unwrap();
    let mut others = Vec::new();
    for n in 0..10 {
        let member = Member::new(&desk, &format!("peer{n}")).await;
        member.session.join(request()).await.unwrap();
        others.push(member);
    }
    for _ in 0..10 {
        let connected = |event: &Event| matches!(event, Event::Connected { .. }).then_some(());
        owner.until(connected).await;
    }
    let room = owner.session.room(&name()).unwrap();
    let from = Folder::new();
    let (path, data) = from.write("film", SIZE);
    let mut took = Vec::new();
    for slow in [false, true] {
        let sent = room.send_file(&path).await.unwrap();
        assert_eq!(sent.len(), 10);
        let begun = std::time::Instant::now();
        let mut all = Vec::new();
        for (n, member) in others.iter_mut().enumerate() {
            let to = Folder::new();
            let offered = offer(member).await;
            let options = match n {
                0 => ReceiveOptions::default().limit(100_000),
                _ => ReceiveOptions::default(),
            };
            match (slow, n) {
                (false, 0 | 1) => drop(offered),
                (true, 1) => {
                    let transfer = offered.accept(&to.0, options);
                    transfer.pause();
                    all.push((n, transfer, to));
                }
                _ => all.push((n, offered.accept(&to.0, options), to)),
            }
        }
        for (n, transfer, to) in &all {
            if *n > 1 {
                limited(transfer.finished()).await.unwrap();
                assert!(same(&to.0.join("film"), &data));
            }
        }
        took.push(begun.elapsed());
        for (n, transfer, _) in &all {
            if *n < 2 {
                assert!(*n == 0 || !transfer.progress().state.is_over());
                transfer.cancel();
            }
        }
    }
    println!(
        "eight of ten: {:?} alone, {:?} beside the slow two",
        took[0], took[1]
    );
    assert!(took[1] < took[0] * 3 + std::time::Duration::from_secs(2));
}
