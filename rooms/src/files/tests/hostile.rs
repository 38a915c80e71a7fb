//! Peers that do not keep to the protocol (rows I4, I5, I10).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ortc::RTCDataChannelMessage;

use super::super::error::Code;
use super::super::hash::{BLOCK, hash_block};
use super::super::message::{Entry, Message, Offer, VERSION};
use super::super::{
    FileChannel, FileOffer, ReceiveOptions, Result, SendOptions, Transfer, TransferId,
};
use super::ends::{End, Folder, limited, noise, pair, source, tampered};

fn offer(entries: u32, bytes: u64) -> Message {
    Message::Offer(Offer {
        keep: false,
        extra: Default::default(),
        version: VERSION,
        id: TransferId::random(),
        key: "key".to_owned(),
        entries,
        bytes,
    })
}

fn entry(name: &str, size: u64) -> Entry {
    Entry {
        path: name.split('/').map(str::to_owned).collect(),
        size,
        modified: None,
        folder: false,
    }
}

/// What becomes of an offer that is made of these messages.
async fn offered(messages: Vec<Message>) -> Code {
    let (a, b) = pair();
    let said = tokio::spawn(async move {
        for message in messages {
            a.send(message.write()).await;
        }
        let mut last = a.hear().await;
        while let Some(message) = a.hear().await {
            last = Some(message);
        }
        last
    });
    let code = limited(FileOffer::receive(b)).await.unwrap_err().code();
    match limited(said).await.unwrap() {
        Some(Message::Failed { code: told, .. }) => assert_eq!(told, code),
        other => panic!("the sender was told {other:?}"),
    }
    code
}

#[tokio::test]
async fn r_i04_lies_about_sizes_are_refused() {
    let entries = |all: Vec<Entry>| Message::Entries(all);
    let half = 1 << 63;
    let two = || vec![entry("a", half), entry("b", half)];
    let cases = [
        (vec![offer(1_000_000, 0)], Code::TooMany),
        (vec![offer(2, u64::MAX), entries(two())], Code::Malformed),
        (
            vec![offer(1, 5), entries(vec![entry("a", 6)])],
            Code::Malformed,
        ),
        (
            vec![
                offer(1, 5),
                entries(vec![entry("a", 4)]),
                Message::Offered {},
            ],
            Code::Malformed,
        ),
        (
            vec![offer(1, 0), entries(vec![entry("a", 0), entry("b", 0)])],
            Code::Malformed,
        ),
        (
            vec![
                offer(2, 0),
                entries(vec![entry("a", 0)]),
                Message::Offered {},
            ],
            Code::Malformed,
        ),
        (
            vec![offer(1, 0), entries(vec![entry(&"a/".repeat(1000), 0)])],
            Code::TooMany,
        ),
        (vec![offer(1, 0), offer(1, 0)], Code::Malformed),
        (vec![Message::Offered {}], Code::Malformed),
        (vec![entries(vec![])], Code::Malformed),
    ];
    for (messages, code) in cases {
        let shown = format!("{messages:?}");
        assert_eq!(offered(messages).await, code, "{shown:.200}");
    }
    let endless = (0..600).map(|n| {
        let name = format!("{n}/{}", "x".repeat(16_000));
        entries(vec![entry(&name, 0)])
    });
    let endless = std::iter::once(offer(100_000, 0)).chain(endless).collect();
    assert_eq!(offered(endless).await, Code::TooMany);
}

/// Texts that are no messages, at either end; sizes below nothing are such ones.
#[tokio::test]
async fn r_i04_what_is_no_message_ends_a_transfer() {
    let (from, to) = (Folder::new(), Folder::new());
    let path = from.write("a", b"a");
    let source = source(&[&path]).await;
    let long = format!("{{\"offer\":\"{}\"}}", "x".repeat(70_000));
    let texts = [
        "",
        "null",
        "[]",
        "{}",
        "\u{0}",
        r#"{"entries":[{"path":["a"],"size":-1}]}"#,
        r#"{"entries":[{"path":["a"],"size":1e30}]}"#,
        r#"{"took":{"bytes":18446744073709551615,"done":0}}"#,
        r#"{"get":{"file":0,"from":0}}"#,
        r#"{"done":{"file":0}}"#,
        r#"{"accept":{"version":9,"window":1000000,"files":1,"bytes":1}}"#,
        r#"{"accept":{"version":1,"window":0,"files":1,"bytes":1}}"#,
        r#"{"nothing":{}}"#,
        &long,
    ];
    for text in texts {
        let (a, b) = pair();
        let sent = Transfer::send(a, source.clone(), SendOptions::default());
        b.text(text).await;
        let error = limited(sent.finished()).await.unwrap_err();
        assert_eq!(error.code(), Code::Malformed, "to a sender: {text:.80}");

        let (a, b) = pair();
        a.text(text).await;
        let error = limited(FileOffer::receive(b)).await.unwrap_err();
        assert_eq!(error.code(), Code::Malformed, "to a receiver: {text:.80}");
    }
    assert!(to.all().is_empty());
}

/// A sender that offers a file of two blocks and is asked for it; the receiver's transfer.
async fn asked(to: &Folder) -> (End, Transfer) {
    let (a, b) = pair();
    a.say(offer(1, BLOCK + 5)).await;
    a.say(Message::Entries(vec![entry("a", BLOCK + 5)])).await;
    a.say(Message::Offered {}).await;
    let offer = limited(FileOffer::receive(b)).await.unwrap();
    assert!(
        to.all().is_empty(),
        "nothing is written before it is accepted"
    );
    let transfer = offer.accept(to.path(), ReceiveOptions::default());
    while !matches!(limited(a.hear()).await.unwrap(), Message::Get { .. }) {}
    (a, transfer)
}

fn block(index: u64, size: u32) -> Message {
    let hash = hash_block(BLOCK + 5, 0, &[0; 5]);
    Message::Block { index, size, hash }
}

#[tokio::test]
async fn r_i04_no_byte_more_than_declared_is_taken() {
    let begin = || Message::Begin { file: 0, from: 0 };
    let end = || Message::End {
        hash: hash_block(0, 0, &[]),
    };
    let mib = u32::try_from(BLOCK).unwrap();
    let cases = [
        vec![Message::Begin { file: 1, from: 0 }],
        vec![begin(), begin()],
        vec![block(0, mib)],
        vec![begin(), block(0, mib + 1)],
        vec![begin(), block(0, 0)],
        vec![begin(), block(1, 5)],
        vec![begin(), block(0, mib), block(1, 5)],
        vec![begin(), end()],
        vec![Message::Begin { file: 0, from: 1 }, block(1, 6)],
        vec![Message::Begin { file: 0, from: 2 }],
        vec![end()],
        vec![Message::Offered {}],
        vec![Message::Finished {}],
    ];
    for messages in cases {
        let to = Folder::new();
        let (a, transfer) = asked(&to).await;
        let shown = format!("{messages:?}");
        for message in messages {
            a.send(message.write()).await;
        }
        let error = limited(transfer.finished()).await.unwrap_err();
        assert_eq!(error.code(), Code::Malformed, "{shown}");
        assert!(to.all().is_empty(), "{shown} leaves {:?}", to.all());
    }
    // Bytes of no block, of more than the block, and without end.
    let big = RTCDataChannelMessage::from(vec![0; 64 * 1024]);
    for head in [vec![], vec![begin()], vec![begin(), block(0, mib)]] {
        let to = Folder::new();
        let (a, transfer) = asked(&to).await;
        for message in head {
            a.send(message.write()).await;
        }
        while a.send(big.clone()).await {}
        let error = limited(transfer.finished()).await.unwrap_err();
        assert!(matches!(error.code(), Code::Malformed | Code::Corrupt));
        assert!(to.all().is_empty());
    }
}

/// Who was told to forget what was asked for, and goes on all the same, is not taken from for ever,
/// nor is it told of each step if it does not read.
#[tokio::test]
async fn r_i04_what_comes_after_a_reset_has_an_end() {
    let to = Folder::new();
    let (a, transfer) = asked(&to).await;
    a.say(Message::Begin { file: 0, from: 0 }).await;
    a.say(block(0, u32::try_from(BLOCK).unwrap())).await;
    let piece = RTCDataChannelMessage::from(vec![0; 64 * 1024]);
    for _ in 0..16 {
        a.send(piece.clone()).await;
    }
    while limited(a.hear()).await.unwrap() != (Message::Reset {}) {}
    let mut sent = 0;
    while limited(a.send(piece.clone())).await {
        sent += 1;
        assert!(sent < 200, "{sent} pieces were taken");
    }
    let error = limited(transfer.finished()).await.unwrap_err();
    assert_eq!(error.code(), Code::Malformed);
    assert!(to.all().is_empty());
}

/// A file of some blocks through somebody who changes the `n`th piece, so many times in all.
async fn through(
    times: u32,
    mut change: impl FnMut(u32, RTCDataChannelMessage) -> Option<Vec<RTCDataChannelMessage>>
    + Send
    + 'static,
) -> (Result<()>, Vec<String>, bool) {
    let (from, to) = (Folder::new(), Folder::new());
    let data = noise(5_000_000, 11);
    let path = from.write("a", &data);
    let (pieces, changed) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    let (a, b) = tampered(move |message| {
        if message.text().is_some() || changed.load(Ordering::Relaxed) >= times {
            return vec![message];
        }
        let n = pieces.fetch_add(1, Ordering::Relaxed);
        match change(n, message.clone()) {
            Some(other) => {
                changed.fetch_add(1, Ordering::Relaxed);
                other
            }
            None => vec![message],
        }
    });
    let _sent = Transfer::send(a, source(&[&path]).await, SendOptions::default());
    let offer = limited(FileOffer::receive(b)).await.unwrap();
    let received = offer.accept(to.path(), ReceiveOptions::default());
    let outcome = limited(received.finished()).await.map(drop);
    let whole = std::fs::read(to.join("a")).is_ok_and(|got| got == data);
    (outcome, to.all(), whole)
}

fn flipped(message: RTCDataChannelMessage) -> RTCDataChannelMessage {
    let mut data = message.into_bytes().to_vec();
    data[100] ^= 4;
    data.into()
}

/// Row I5: a block that is wrong once is asked for again; twice is the end.
#[tokio::test]
async fn r_i05_a_flipped_bit_is_found() {
    for at in [0, 17, 40, 76] {
        let change = move |n, message| (n == at).then(|| vec![flipped(message)]);
        let (outcome, all, whole) = through(1, change).await;
        outcome.unwrap();
        assert!(whole && all == ["a"], "flipped in piece {at}: {all:?}");
    }
    let always = |n, message| (n % 16 == 3).then(|| vec![flipped(message)]);
    let (outcome, all, _) = through(u32::MAX, always).await;
    assert_eq!(outcome.unwrap_err().code(), Code::Corrupt);
    assert!(all.is_empty(), "{all:?}");
}

#[tokio::test]
async fn r_i05_dropped_doubled_and_swapped_pieces_are_found() {
    let dropped = |n, _| (n == 20).then(Vec::new);
    let doubled =
        |n, message: RTCDataChannelMessage| (n == 20).then(|| vec![message.clone(), message]);
    let mut kept = None;
    let swapped = move |n, message: RTCDataChannelMessage| match n {
        20 => {
            kept = Some(message);
            Some(Vec::new())
        }
        21 => Some(vec![message, kept.take().unwrap()]),
        _ => None,
    };
    for (outcome, all, whole) in [
        through(1, dropped).await,
        through(1, doubled).await,
        through(2, swapped).await,
    ] {
        match outcome {
            Ok(()) => assert!(whole && all == ["a"]),
            Err(error) => {
                assert!(matches!(error.code(), Code::Malformed | Code::Corrupt));
                assert!(all.is_empty(), "{all:?}");
            }
        }
    }
}

/// A receiver that asks for what was not offered, or for more than it may.
#[tokio::test]
async fn r_i04_a_sender_gives_only_what_it_offered() {
    let from = Folder::new();
    let path = from.write("a", &noise(3_000_000, 1));
    let source = source(&[&path]).await;
    let accept = || Message::Accept {
        version: VERSION,
        window: 4_000_000,
        files: 1,
        bytes: 3_000_000,
        only: None,
    };
    let get = |file| Message::Get {
        file,
        from: 0,
        hash: None,
    };

    let (a, b) = pair();
    let _sent = Transfer::send(a, source.clone(), SendOptions::default());
    b.say(accept()).await;
    b.say(get(7)).await;
    let failed = limited(async {
        loop {
            if let Message::Failed { file, code, .. } = b.hear().await.unwrap() {
                return (file, code);
            }
        }
    });
    assert_eq!(failed.await, (Some(7), Code::NotFound));

    let (a, b) = pair();
    let sent = Transfer::send(a, source, SendOptions::default());
    b.say(accept()).await;
    for _ in 0..200 {
        b.send(get(0).write()).await;
    }
    let error = limited(sent.finished()).await.unwrap_err();
    assert_eq!(error.code(), Code::Malformed);
}
