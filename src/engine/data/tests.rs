//! The establishment protocol, and what a hostile peer may do with channels.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::channels::Data;
use super::dcep;
use super::model::*;
use super::ppid;
use crate::budget::Budget;
use crate::engine::sctp::{Outbound, Reliability, SctpCounters, SctpEvent, SctpTransport, Unread};
use crate::error::DataChannelCloseReason;
use crate::simnet::Rng;

/// An association that only notes what it is told.
struct Recorder {
    streams: u16,
    sent: std::sync::Arc<std::sync::Mutex<Vec<Outbound>>>,
    resets: std::sync::Arc<std::sync::Mutex<Vec<u16>>>,
}

impl SctpTransport for Recorder {
    fn start(&mut self, _: Instant) {}
    fn handle_packet(&mut self, _: Instant, _: &[u8]) {}
    fn handle_timeout(&mut self, _: Instant) {}
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn poll_packet(&mut self, _: Instant, _: &mut Vec<u8>) -> bool {
        false
    }
    fn poll_event(&mut self) -> Option<SctpEvent> {
        None
    }
    fn is_connected(&self) -> bool {
        true
    }
    fn is_idle(&self) -> bool {
        true
    }
    fn streams(&self) -> u16 {
        self.streams
    }
    fn send(&mut self, _: Instant, message: Outbound) {
        self.sent.lock().unwrap().push(message);
    }
    fn reset(&mut self, _: Instant, stream: u16) {
        self.resets.lock().unwrap().push(stream);
    }
    fn window_opened(&mut self, _: Instant) {}
    fn path_restored(&mut self, _: Instant) {}
    fn abort(&mut self, _: Instant) {}
    fn rtt(&self) -> Option<Duration> {
        None
    }
    fn counters(&self) -> SctpCounters {
        SctpCounters::default()
    }
}

type Resets = std::sync::Arc<std::sync::Mutex<Vec<u16>>>;

fn data() -> (Data, Resets) {
    data_of(65_535)
}

/// The peer allows so many streams.
fn data_of(streams: u16) -> (Data, Resets) {
    let recorder = Recorder {
        streams,
        sent: Default::default(),
        resets: Default::default(),
    };
    let resets = recorder.resets.clone();
    let mut data = Data::new(Instant::now(), Budget::default(), 1_000, true);
    data.sctp = Some(Box::new(recorder));
    data.set_dtls_client(true);
    (data, resets)
}

fn spec(label: &str) -> ChannelSpec {
    ChannelSpec {
        label: label.to_owned(),
        protocol: "p".to_owned(),
        ordered: false,
        reliability: Reliability::Retransmits(3),
        priority: 512,
        negotiated: None,
    }
}

/// The peer's message on a stream; this side is the DTLS client, so the peer's streams are odd.
fn tell(data: &mut Data, stream: u16, kind: u32, message: impl Into<Bytes>) {
    let message = message.into();
    data.unread.add(message.len());
    data.message(Instant::now(), stream, kind, message, 1_000);
}

#[test]
fn an_open_is_what_rfc_8832_says() {
    let bytes = dcep::open(&spec("ab"));
    assert_eq!(
        &bytes[..],
        b"\x03\x81\x02\x00\x00\x00\x00\x03\x00\x02\x00\x01abp"
    );
    assert_eq!(dcep::parse(&bytes), Some(dcep::Message::Open(spec("ab"))));
    assert_eq!(dcep::parse(&dcep::ack()), Some(dcep::Message::Ack));
    for reliability in [
        Reliability::Reliable,
        Reliability::Retransmits(0),
        Reliability::Lifetime(Duration::from_millis(70)),
    ] {
        for ordered in [true, false] {
            let spec = ChannelSpec {
                ordered,
                reliability,
                ..spec("x")
            };
            let parsed = dcep::parse(&dcep::open(&spec));
            assert_eq!(parsed, Some(dcep::Message::Open(spec)));
        }
    }
}

#[test]
fn r_a11_a_bad_open_ends_its_stream_alone() {
    let (mut data, resets) = data();
    tell(&mut data, 1, ppid::DCEP, dcep::open(&spec("good")));
    let bad: [(u16, Bytes); 6] = [
        // Of the wrong parity, reserved, truncated, of an unknown kind, of no kind, lying lengths.
        (2, dcep::open(&spec("x"))),
        (65_535, dcep::open(&spec("x"))),
        (3, dcep::open(&spec("x")).slice(..11)),
        (5, Bytes::from_static(&[9, 0, 0])),
        (7, Bytes::new()),
        (9, Bytes::from_static(b"\x03\0\0\0\0\0\0\0\xff\xff\0\0x")),
    ];
    for (stream, message) in bad {
        tell(&mut data, stream, ppid::DCEP, message);
        assert_eq!(resets.lock().unwrap().pop(), Some(stream));
    }
    assert_eq!(data.counters.refused_channels, 6);
    assert_eq!(data.channels.len(), 1);
    // On a stream that is in use: that channel ends.
    tell(&mut data, 1, ppid::DCEP, dcep::open(&spec("again")));
    assert_eq!(resets.lock().unwrap().pop(), Some(1));
    // The next ten open.
    for stream in (11..31).step_by(2) {
        tell(&mut data, stream, ppid::DCEP, dcep::open(&spec("fine")));
        tell(&mut data, stream, ppid::TEXT, &b"hello"[..]);
    }
    assert!(resets.lock().unwrap().is_empty());
    let (mut opened, mut messages) = (0, 0);
    for event in data.events.drain(..) {
        match event {
            DataEvent::Incoming { spec, .. } if spec.label == "fine" => opened += 1,
            DataEvent::Message { data, .. } => messages += usize::from(&data[..] == b"hello"),
            _ => {}
        }
    }
    assert_eq!((opened, messages), (10, 10));
}

#[test]
fn r_a11_random_control_messages_do_no_harm() {
    let (mut data, _) = data();
    let mut rng = Rng::new(40);
    for _ in 0..100_000 {
        let length = rng.below(40) as usize;
        let mut message = rng.bytes(length);
        if let Some(first) = message.first_mut() {
            *first = rng.below(5) as u8;
        }
        let stream = rng.next_u64() as u16;
        tell(&mut data, stream, ppid::DCEP, message);
    }
    assert!(data.channels.len() <= MAX_INCOMING);
    assert_eq!(data.unread.get(), 0);
}

#[test]
fn r_c09_channels_and_early_messages_have_a_bound() {
    let (mut data, resets) = data();
    for stream in (1..65_535).step_by(2) {
        tell(&mut data, stream, ppid::DCEP, dcep::open(&spec("")));
    }
    assert_eq!(data.channels.len(), MAX_INCOMING);
    assert_eq!(resets.lock().unwrap().len(), 32_767 - MAX_INCOMING);
    for _ in 0..10_000 {
        tell(&mut data, 2, ppid::TEXT, &b"early"[..]);
    }
    assert!(data.unread.get() <= MAX_EARLY_BYTES);
    assert!(data.counters.dropped_messages > 5_000);
}

#[test]
fn r_c10_a_message_beyond_the_largest_closes_its_channel_with_the_reason() {
    let (mut data, resets) = data();
    tell(&mut data, 1, ppid::DCEP, dcep::open(&spec("a")));
    tell(&mut data, 1, ppid::BINARY, vec![0; 1_000]);
    tell(&mut data, 1, ppid::BINARY, vec![0; 1_001]);
    tell(&mut data, 1, ppid::BINARY, vec![0; 10]);
    assert_eq!(*resets.lock().unwrap(), [1]);
    data.incoming_reset(Instant::now(), 1);
    data.outgoing_reset(1);
    let mut sizes = Vec::new();
    let mut closed = None;
    for event in data.events.drain(..) {
        match event {
            DataEvent::Message { data, .. } => sizes.push(data.len()),
            DataEvent::Closed { reason, .. } => closed = Some(reason),
            _ => {}
        }
    }
    assert_eq!(sizes, [1_000]);
    assert_eq!(closed, Some(ClosedBecause::TooLarge));
}

#[test]
fn a_channel_that_finds_no_stream_says_so() {
    let (mut data, _) = data_of(2);
    let beyond = ChannelSpec {
        negotiated: Some(2),
        ..spec("beyond")
    };
    // This side has the even ones, of which there is one.
    for spec in [spec("first"), spec("second"), beyond] {
        let key = data.create(spec).unwrap();
        data.open(Instant::now(), key);
    }
    let ends = data.events.drain(..).filter_map(|event| match event {
        DataEvent::Closed { reason, .. } => Some(DataChannelCloseReason::from(reason)),
        _ => None,
    });
    let none = DataChannelCloseReason::NoStream;
    assert_eq!(ends.collect::<Vec<_>>(), [none, none]);
}

#[test]
fn empty_messages_are_empty_and_unknown_kinds_are_dropped() {
    let (mut data, _) = data();
    tell(&mut data, 1, ppid::DCEP, dcep::open(&spec("a")));
    tell(&mut data, 1, ppid::EMPTY_TEXT, &b"\0"[..]);
    tell(&mut data, 1, ppid::EMPTY_BINARY, &b"\0"[..]);
    tell(&mut data, 1, 99, &b"x"[..]);
    let empty = data
        .events
        .drain(..)
        .filter(|event| matches!(event, DataEvent::Message { data, .. } if data.is_empty()));
    assert_eq!(empty.count(), 2);
    assert_eq!(data.counters.dropped_messages, 1);
    assert_eq!(data.unread.get(), 2 * Unread::cost(0));
}

/// The names of the peer's channels count, for as long as anybody has them.
#[test]
fn r_c09_channels_with_long_names_stay_within_their_part_of_the_budget() {
    let (mut data, resets) = data();
    data.budget = Budget::new(8 << 20);
    let long = ChannelSpec {
        protocol: "p".repeat(65_535),
        ..spec(&"l".repeat(65_535))
    };
    for stream in (1..400).step_by(2) {
        tell(&mut data, stream, ppid::DCEP, dcep::open(&long));
    }
    let (held, most) = (data.budget.channels(), 6 << 20);
    assert!(held <= most && held > most - 140_000, "{held}");
    let open = data.channels.len();
    assert_eq!(data.counters.refused_channels, 200 - open as u64);
    assert_eq!(resets.lock().unwrap().len(), 200 - open);
    // One with short names still finds room.
    tell(&mut data, 1_001, ppid::DCEP, dcep::open(&spec("short")));
    assert_eq!(data.channels.len(), open + 1);
    // A channel that is over is counted while its event waits.
    data.end(ClosedBecause::Connection);
    assert!(data.budget.channels() >= held);
    data.events.clear();
    assert_eq!(data.budget.channels(), 0);
}
