//! Files by a hub that keeps them: up once, down to each at its own speed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ortc::RTCDataChannel;
use ortc_rooms::desk::Desk;
use ortc_rooms::files::{Code, FileOffer, ReceiveOptions, SendOptions, Source, Transfer};
use ortc_rooms::session::{
    Event, FileEvent, FileStep, Hub, HubFiles, Room, RoomRequest, SessionOptions,
};
use ortc_rooms::signalling::{RoomName, RoomPolicy, Topology, User};
use serde_json::json;

use crate::folder::Folder;
use crate::support::{Member, id, limited, options};

fn name() -> RoomName {
    RoomName::new("cinema").unwrap()
}

fn request() -> RoomRequest {
    let mut policy = RoomPolicy::default();
    policy.topology = Topology::Hub;
    policy.max_participants_allowed = 20;
    RoomRequest::from(name()).policy(policy)
}

fn same(path: &Path, data: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|got| got == data)
}

async fn offer(member: &mut Member) -> (String, FileOffer<RTCDataChannel>) {
    let (user, offer) = offered(member).await;
    (user.userid.to_string(), offer)
}

async fn offered(member: &mut Member) -> (User, FileOffer<RTCDataChannel>) {
    let found = async {
        loop {
            let event = member.events.next().await.expect("no end");
            if let Event::FileOffer { user, offer, .. } = event {
                return (user, offer);
            }
        }
    };
    limited(found).await
}

async fn hub(desk: &Desk, files: &Arc<HubFiles>) -> Hub {
    let mut options = SessionOptions::new();
    options.include_loopback = true;
    options.bind = Some(([127, 0, 0, 1], 0).into());
    let hub = Hub::enter(desk, &name(), options).await.unwrap();
    hub.keep_files(files.clone());
    hub
}

/// A sender, a hub that keeps files, and so many others.
async fn cinema(desk: &Desk, files: &Arc<HubFiles>, others: usize) -> (Hub, Member, Vec<Member>) {
    let mut told = options("alice");
    told.extra = json!({ "name": "Alice" });
    let mut alice = Member::with(desk, told).await;
    alice.session.open_or_join(request()).await.unwrap();
    let hub = hub(desk, files).await;
    let mut people = Vec::new();
    for at in 0..others {
        let member = Member::new(desk, &format!("user{at}")).await;
        member.session.open_or_join(request()).await.unwrap();
        people.push(member);
    }
    for _ in 0..others {
        let open = |event: &Event| matches!(event, Event::Open { .. }).then_some(());
        alice.until(open).await;
    }
    (hub, alice, people)
}

fn room(member: &Member) -> Room {
    member.session.room(&name()).unwrap()
}

/// What the sender's connection has sent.
fn sent(member: &Member) -> u64 {
    let peers = room(member).peers();
    let stats = peers.iter().filter_map(|peer| peer.stats()).next().unwrap();
    stats.transport.bytes_sent
}

/// Row E11: whoever and however many take a file, it goes up once; who takes nothing more costs
/// the others nothing; who comes after the sender has gone has it from the hub.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e11_d25_a_file_goes_up_once_for_all_and_for_those_who_come_later() {
    let size = match std::env::var_os("ORTC_SOAK") {
        Some(_) => 200_000_000,
        None => 8_000_000,
    };
    let (from, to, kept) = (Folder::new(), Folder::new(), Folder::new());
    let files = Arc::new(HubFiles::open(&kept.0, 1_000_000_000).unwrap());
    let desk = Desk::default();
    let (hub, alice, mut people) = cinema(&desk, &files, 10).await;
    let (path, data) = from.write("film.bin", size);
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let before = sent(&alice);
    let begun = std::time::Instant::now();
    let ups = room(&alice)
        .send_source(&source, &SendOptions::default().keep())
        .unwrap();
    assert_eq!(ups.len(), 10);
    let mut downs: Vec<Transfer> = Vec::new();
    for (at, person) in people.iter_mut().enumerate() {
        let (of, offer) = offer(person).await;
        assert_eq!((of.as_str(), offer.title().as_str()), ("alice", "film.bin"));
        let folder = to.0.join(at.to_string());
        std::fs::create_dir(&folder).unwrap();
        let down = offer.accept(folder, ReceiveOptions::default());
        // The first takes nothing.
        if at == 0 {
            down.pause();
        }
        downs.push(down);
    }
    for (at, down) in downs.iter().enumerate().skip(1) {
        limited(down.finished()).await.unwrap();
        assert!(same(&to.0.join(format!("{at}/film.bin")), &data));
    }
    let took = begun.elapsed();
    for (_, up) in &ups {
        limited(up.finished()).await.unwrap();
    }
    let bytes = sent(&alice) - before;
    println!("{bytes} of {size} bytes were sent, 9 had it after {took:?}");
    assert!(bytes < size as u64 * 3 / 2, "{bytes} of {size}");
    assert!(downs[0].progress().bytes < size as u64);

    // None of the sender's names is one there.
    let entries = kept.entries();
    assert_eq!(entries.len(), 1);
    assert!(
        entries[0].len() == 64 && !entries[0].contains("film"),
        "{entries:?}"
    );
    assert_eq!(
        (files.stats().transfers, files.stats().bytes),
        (1, size as u64)
    );

    // The first is told of, and the server's operator sees how many there are.
    limited(async {
        while files.stats().stalled != 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;

    // From the hub alone.
    alice.session.end();
    let mut late = Member::new(&desk, "late").await;
    late.session.open_or_join(request()).await.unwrap();
    let (of, offer) = offered(&mut late).await;
    assert_eq!(of.userid, id("alice"));
    assert_eq!(
        of.extra,
        json!({ "name": "Alice" }),
        "who has gone has a name"
    );
    let folder = to.0.join("late");
    std::fs::create_dir(&folder).unwrap();
    let got = offer.accept(&folder, ReceiveOptions::default());
    limited(got.finished()).await.unwrap();
    assert!(same(&folder.join("film.bin"), &data));
    downs[0].resume();
    limited(downs[0].finished()).await.unwrap();
    assert!(same(&to.0.join("0/film.bin"), &data));
    assert_eq!(files.stats().stalled, 0);

    // No longer than the hub.
    drop(hub);
    limited(async {
        while !kept.entries().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Row E11: what there is no place for goes from the sender to each, as without; what nobody wants
/// is told to its sender, and nothing of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e11_a_hub_keeps_no_more_than_it_may() {
    let (from, to, kept) = (Folder::new(), Folder::new(), Folder::new());
    std::fs::create_dir(kept.0.join("0".repeat(64))).unwrap();
    std::fs::write(kept.0.join("notes"), "stay").unwrap();
    let files = Arc::new(HubFiles::open(&kept.0, 1_000_000).unwrap());
    assert_eq!(kept.entries(), ["notes"]);
    let desk = Desk::default();
    let (_hub, mut alice, mut people) = cinema(&desk, &files, 2).await;
    let (path, data) = from.write("big.bin", 3_000_000);
    let ups = room(&alice).send_file(&path).await.unwrap();
    for (at, person) in people.iter_mut().enumerate() {
        let folder = to.0.join(at.to_string());
        std::fs::create_dir(&folder).unwrap();
        let (_, offer) = offer(person).await;
        let down = offer.accept(&folder, ReceiveOptions::default());
        limited(down.finished()).await.unwrap();
        assert!(same(&folder.join("big.bin"), &data));
    }
    for (_, up) in &ups {
        limited(up.finished()).await.unwrap();
    }
    assert_eq!((files.stats().transfers, files.stats().refused), (0, 2));
    // Their sender knows why, in both ways.
    for (_, up) in &ups {
        let why = up.progress().unkept.expect("told");
        assert!(why.code() == Code::Quota && why.is_remote(), "{why}");
        assert!(why.message().contains("1000000 bytes at most"), "{why}");
    }
    for _ in &ups {
        let told = |event: &Event| match event {
            Event::File(FileEvent {
                outgoing: true,
                step: FileStep::Unkept(why),
                ..
            }) => Some(why.code()),
            _ => None,
        };
        assert_eq!(alice.until(told).await, Code::Quota);
    }

    let (path, data) = from.write("small.bin", 900_000);
    let ups = room(&alice).send_file(&path).await.unwrap();
    let (_, first) = offer(&mut people[0]).await;
    first.reject("no").await;
    let (_, second) = offer(&mut people[1]).await;
    let down = second.accept(&to.0, ReceiveOptions::default());
    limited(down.finished()).await.unwrap();
    assert!(same(&to.0.join("small.bin"), &data));
    for (user, up) in ups {
        let end = limited(up.finished()).await;
        match user == id("user0") {
            true => assert_eq!(end.unwrap_err().code(), Code::Rejected),
            false => assert_eq!(end.unwrap()[0].size, 900_000),
        }
    }
    limited(async {
        while files.stats().transfers > 0 || kept.entries() != ["notes"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Row E11: of an offer of several that comes up which somebody takes; what its sender has no more
/// of is told to those who wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e11_of_an_offer_that_comes_up_which_somebody_takes() {
    let (from, to, kept) = (Folder::new(), Folder::new(), Folder::new());
    let files = Arc::new(HubFiles::open(&kept.0, 100_000_000).unwrap());
    let desk = Desk::default();
    let (_hub, alice, mut people) = cinema(&desk, &files, 2).await;
    let (mut paths, mut data) = (Vec::new(), Vec::new());
    for name in ["a.bin", "b.bin", "c.bin", "d.bin"] {
        let (path, bytes) = from.write(name, 1_500_000);
        paths.push(path);
        data.push(bytes);
    }
    let source = Arc::new(Source::open(&paths).await.unwrap());
    std::fs::write(&paths[3], "another by now").unwrap();
    let before = sent(&alice);
    let ups = room(&alice)
        .send_source(&source, &SendOptions::default())
        .unwrap();
    let choices: [&[u32]; 2] = [&[1], &[1, 2, 3]];
    for (at, (person, choice)) in people.iter_mut().zip(choices).enumerate() {
        let folder = to.0.join(at.to_string());
        std::fs::create_dir(&folder).unwrap();
        let (_, offer) = offer(person).await;
        let options = ReceiveOptions::default().only(choice.iter().copied());
        let down = offer.accept(&folder, options);
        let done = limited(down.finished()).await.unwrap();
        let got: Vec<u32> = done.iter().map(|one| one.file).collect();
        assert_eq!(got, choice);
        for one in &done {
            let path = folder.join(&one.name);
            match one.file {
                3 => assert_eq!(one.hash.as_ref().unwrap_err().code(), Code::SourceChanged),
                file => assert!(same(&path, &data[file as usize]), "{file}"),
            }
        }
        // Its sender sees what was taken.
        let (_, up) = ups
            .iter()
            .find(|(user, _)| *user == person.session.userid())
            .unwrap();
        let went = limited(up.finished()).await.unwrap();
        assert_eq!(went.len(), choice.len());
        let progress = up.progress();
        assert_eq!(progress.total, 1_500_000 * choice.len() as u64);
        assert!(progress.unkept.is_none());
    }
    let bytes = sent(&alice) - before;
    println!("{bytes} bytes went up of 2 files of 1,500,000 that somebody took");
    assert!(bytes < 4_000_000, "{bytes}");
}

/// Row D25: what is kept is not kept for ever, where that is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d25_what_is_kept_goes_when_its_time_is_up() {
    let (from, to, kept) = (Folder::new(), Folder::new(), Folder::new());
    let lasting = Duration::from_secs(3);
    let files = HubFiles::open(&kept.0, 100_000_000).unwrap();
    let files = Arc::new(files.lasting(lasting));
    let desk = Desk::default();
    let (_hub, alice, mut people) = cinema(&desk, &files, 1).await;
    let (path, _) = from.write("film.bin", 100_000);
    let source = Arc::new(Source::open([&path]).await.unwrap());
    let begun = std::time::Instant::now();
    let ups = room(&alice)
        .send_source(&source, &SendOptions::default().keep())
        .unwrap();
    let (_, offer) = offer(&mut people[0]).await;
    let down = offer.accept(&to.0, ReceiveOptions::default());
    limited(down.finished()).await.unwrap();
    limited(ups[0].1.finished()).await.unwrap();
    limited(async {
        while files.stats().transfers > 0 || !kept.entries().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(begun.elapsed() >= lasting);
}
