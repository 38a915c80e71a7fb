//! Errors as a program tells them apart: by their variants, each of which something makes.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::common::session::{End, joined};
use crate::common::{loopback, root, within};
use ortc::dtmf::DTMFMediaStreamTrack;
use ortc::july::RTCSocketOptions;
use ortc::{
    DataChannelCloseReason, Error, ErrorName, MediaStream, MediaStreamTrack, Misuse, RTCConnection,
    RTCConnectionEvent, RTCDataChannel, RTCDataChannelEvent, RTCDataChannelOptions,
    RTCSctpConnectionInfo, RTCSocket, TransportFault,
};
use tokio::io::AsyncReadExt;

/// Made by what no test can bring about.
const UNTESTED: [(&str, &str); 1] = [(
    "TransportFault::Crypto",
    "the system gives no randomness, or its keys are of no use",
)];

/// The public error enums of this file, with their variants.
fn variants(source: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut of = None;
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub enum ") {
            of = name.split_whitespace().next();
        } else if line == "}" {
            of = None;
        } else if let (Some(of), Some(variant)) = (of, line.strip_prefix("    "))
            && variant.starts_with(|c: char| c.is_ascii_uppercase())
        {
            let name = variant.split(|c: char| !c.is_ascii_alphanumeric()).next();
            all.push(format!("{of}::{}", name.unwrap()));
        }
    }
    all
}

/// Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap().to_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Whether a text has this path, not as the beginning of a longer one.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !before.is_some_and(of_name) && !after.is_some_and(of_name)
    })
}

/// A variant that no test has seen may be one that nothing makes.
#[test]
fn g041_every_variant_is_seen_by_a_test() {
    let error = fs::read_to_string(root().join("src/error.rs")).unwrap();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.retain(|(name, _)| name.contains("test"));
    for folder in ["api", "common"] {
        sources(&root().join("tests").join(folder), &mut files);
    }
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.to_str().unwrap().to_owned(), text));
        }
    }
    let variants = variants(&error);
    assert!(variants.len() > 50, "{variants:?}");
    let unseen = |variant: &&String| !files.iter().any(|(_, text)| names(text, variant));
    let unseen: Vec<_> = variants.iter().filter(unseen).collect();
    // This file names it, above.
    assert_eq!(unseen, Vec::<&String>::new());
    for (variant, _) in UNTESTED {
        let seen =
            |(name, text): &&(String, String)| !name.ends_with("errors.rs") && names(text, variant);
        assert!(files.iter().find(seen).is_none(), "{variant} has a test");
    }
}

/// What went wrong, and whether it says so: the text has to name this.
fn assert_error<T: Debug>(result: Result<T, Error>, is: impl Fn(&Error) -> bool, names: &str) {
    let error = result.unwrap_err();
    assert!(is(&error), "{error:?}");
    assert!(error.to_string().contains(names), "{error}");
}

fn end() -> RTCConnection {
    RTCConnection::new(loopback()).unwrap().0
}

#[tokio::test]
async fn g041_mistakes_are_told_apart_and_say_what_to_do() {
    let connection = end();
    assert_error(
        connection.connect(),
        |error| matches!(error, Error::Misuse(Misuse::InvalidState(_))),
        "set_remote",
    );
    let label = "x".repeat(70_000);
    assert_error(
        connection.create_data_channel(label, RTCDataChannelOptions::default()),
        |error| matches!(error, Error::Misuse(Misuse::InvalidParameters(_))),
        "65,535",
    );
    let candidate = "candidate:1 2 udp 1 127.0.0.1 9 typ host".parse().unwrap();
    assert_error(
        connection.set_local_candidate(&candidate),
        |error| matches!(error, Error::Misuse(Misuse::NotSupported(_))),
        "component",
    );
    let candidate = "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype passive";
    assert_error(
        connection.set_local_candidate(&candidate.parse().unwrap()),
        |error| matches!(error, Error::Misuse(Misuse::UnsupportedTransport(_))),
        "UDP",
    );
    assert_error(
        DTMFMediaStreamTrack::new().play("12x"),
        |error| *error == Error::Misuse(Misuse::InvalidCharacter('x')),
        "'x'",
    );
    let (stream, other) = (MediaStream::new(), end());
    let track = stream.add_track(&MediaStreamTrack::audio());
    other.add_stream(&stream).unwrap();
    assert_error(
        connection.set_track_socket(&track, &connection.local_socket()),
        |error| matches!(error, Error::Misuse(Misuse::InvalidAccess(_))),
        "on this connection",
    );
    let sent = other.track(&track).unwrap();
    let mut description = sent.description().unwrap();
    description.codecs[0].name = "unheard".to_owned();
    description.codecs.truncate(1);
    assert_error(
        connection.receive_track(description),
        |error| matches!(error, Error::Misuse(Misuse::UnsupportedCodec(_))),
        "received",
    );
    sent.remove().unwrap();
    assert_error(
        sent.start(),
        |error| *error == Error::Misuse(Misuse::TrackRemoved),
        "removed",
    );
    let channel = connection.create_data_channel("", RTCDataChannelOptions::default());
    assert_error(
        channel.unwrap().try_send("x"),
        |error| *error == Error::Misuse(Misuse::ChannelNotOpen),
        "not open yet",
    );
}

#[tokio::test]
async fn g041_what_the_system_refuses_names_the_address() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let options = RTCSocketOptions::default().with_bind(address);
    let results = [
        RTCConnection::new(loopback().bind(address)).map(|_| ()),
        RTCSocket::with_servers([], options).map(|_| ()),
    ];
    for result in results {
        let in_use = |error: &Error| {
            let Error::Transport(TransportFault::Io { kind, .. }) = error else {
                return false;
            };
            *kind == ErrorKind::AddrInUse && error.name() == ErrorName::Operation
        };
        assert_error(result, in_use, &address.to_string());
    }
}

#[test]
fn g041_each_name_of_the_final_specification_is_used() {
    let names = [
        (Misuse::InvalidState(String::new()), ErrorName::InvalidState),
        (
            Misuse::InvalidParameters(String::new()),
            ErrorName::InvalidParameters,
        ),
        (Misuse::NotSupported(String::new()), ErrorName::NotSupported),
        (Misuse::InvalidCharacter('x'), ErrorName::InvalidCharacter),
        (
            Misuse::InvalidAccess(String::new()),
            ErrorName::InvalidAccess,
        ),
    ];
    for (misuse, name) in names {
        assert_eq!(Error::from(misuse).name(), name);
    }
    assert_eq!(Error::BufferFull.name(), ErrorName::Operation);
}

async fn incoming(peer: &mut End) -> RTCDataChannel {
    within(10, async {
        loop {
            if let RTCConnectionEvent::DataChannel(channel) = peer.events.next().await.unwrap() {
                return channel;
            }
        }
    })
    .await
}

/// What the sender learns, and what the receiver.
async fn ends(here: &RTCDataChannel, there: &RTCDataChannel) -> [DataChannelCloseReason; 2] {
    let closed = async { [here.closed().await, there.closed().await] };
    within(10, closed).await
}

#[tokio::test]
async fn g040_a_message_larger_than_declared_closes_its_channel() {
    let mut a = End::loopback();
    let mut b = End::new(loopback().max_message_size(1_000));
    a.introduce_to(&b);
    b.introduce_to(&a);
    // This side was told something else.
    let mut side = b.connection.local();
    side.sctp = Some(RTCSctpConnectionInfo::new(1 << 18));
    a.connection.set_remote(side).unwrap();
    a.connection.connect().unwrap();
    b.connection.connect().unwrap();
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("x", options).unwrap();
    let there = incoming(&mut b).await;
    within(10, here.send(vec![0; 2_000])).await.unwrap();
    assert_eq!(
        ends(&here, &there).await,
        [
            DataChannelCloseReason::RemoteClosed,
            DataChannelCloseReason::MessageTooLarge
        ]
    );
    let error = here.send("late").await.unwrap_err();
    let remote = Error::ChannelClosed(DataChannelCloseReason::RemoteClosed);
    assert_eq!(error, remote, "the peer closed it");
}

/// One side agreed on the id, the other says on the wire what is there.
#[tokio::test]
async fn g040_a_channel_opened_twice_breaks_the_protocol() {
    let (a, b) = joined(End::loopback(), End::loopback()).await;
    let options = RTCDataChannelOptions::default;
    let there: Vec<_> = (0..2)
        .map(|id| {
            let options = options().negotiated(id);
            b.connection.create_data_channel("", options).unwrap()
        })
        .collect();
    let here = a.connection.create_data_channel("", options()).unwrap();
    within(10, here.opened()).await.unwrap();
    let there = &there[usize::from(here.id().unwrap())];
    assert_eq!(
        ends(&here, there).await[1],
        DataChannelCloseReason::Protocol
    );
    for (channel, reason) in [
        (there, DataChannelCloseReason::Protocol),
        (&here, DataChannelCloseReason::RemoteClosed),
    ] {
        let mut events = Vec::new();
        while let Some(event) = channel.next_event().await {
            events.push(event);
        }
        let closed = RTCDataChannelEvent::Closed { reason };
        let all = [
            RTCDataChannelEvent::Open,
            RTCDataChannelEvent::Closing,
            closed,
        ];
        assert_eq!(events, all);
    }
}

/// The association ends before the connection does.
#[tokio::test]
async fn g040_who_closes_the_connection_is_known_to_the_channel() {
    let abrupt = End::new(loopback().linger(Duration::ZERO));
    let (a, mut b) = joined(abrupt, End::loopback()).await;
    let options = RTCDataChannelOptions::default();
    let here = a.connection.create_data_channel("", options).unwrap();
    let there = incoming(&mut b).await;
    a.connection.close();
    assert_eq!(
        ends(&here, &there).await,
        [
            DataChannelCloseReason::ConnectionClosed,
            DataChannelCloseReason::TransportClosed
        ]
    );
    // What came may have been cut off, which is no end of a stream of bytes.
    let read = there.into_bytes_stream().read(&mut [0; 10]).await;
    let error = read.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    let reason = DataChannelCloseReason::TransportClosed;
    assert!(error.to_string().contains(&reason.to_string()), "{error}");
}
