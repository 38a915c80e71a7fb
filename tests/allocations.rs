//! What a forwarder allocates for the packets that go through it: nothing, once it has what it needs.
//!
//! It has a thread of its own, and what that allocates is counted: receiving, decrypting, forwarding,
//! keeping for who asks again, encrypting, sending, and all reports meanwhile.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use allocation_counter::AllocationInfo;
use common::leaks::current_thread;
use common::session::{End, joined};
use common::{loopback, within};
use ortc::rtp::RtpPacket;
use ortc::{
    Kind, MediaForward, MediaStream, MediaStreamTrack, RTCConnectionOptions, RTCHeaderExtension,
};
use tokio::sync::oneshot;

const WATCHERS: usize = 5;
/// Packets of video, and of sound with each: those that are kept to be sent again (1,024 a track),
/// and what is counted.
const WARM: u64 = 2_000;
const COUNTED: u64 = 4_000;
/// Packets at once, and those that may be under way.
const BURST: u64 = 4;
const UNDER_WAY: u64 = 100;
/// Allocations a second that are not for packets: reports, checks of consent, choices of an
/// encoding. About 300 were seen.
const TIMED: u64 = 500;
const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

fn named(options: RTCConnectionOptions) -> RTCConnectionOptions {
    let extensions = [(LEVEL, 1), (DESCRIPTOR, 2)];
    options.header_extensions(extensions.map(|(uri, id)| RTCHeaderExtension::new(uri, id)))
}

/// Sound and pictures of one end, and how another receives them.
fn tracks(
    from: &End,
    to: &End,
    sent: [&MediaStreamTrack; 2],
) -> [(MediaStreamTrack, MediaStreamTrack); 2] {
    let stream = MediaStream::new();
    let sent = sent.map(|track| stream.add_track(track));
    from.connection.add_stream(&stream).unwrap();
    sent.map(|track| {
        let description = from.connection.track(&track).unwrap().description();
        let received = to.connection.receive_track(description.unwrap());
        (track, received.unwrap())
    })
}

/// What a thread is told, and tells: it runs the forwarder's connections, and counts from `begin`
/// to `end`.
struct Forwarder {
    runtime: tokio::runtime::Handle,
    begin: oneshot::Sender<()>,
    end: oneshot::Sender<()>,
    over: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<(AllocationInfo, Duration)>,
}

impl Forwarder {
    fn start() -> Self {
        let runtime = current_thread();
        let handle = runtime.handle().clone();
        let (begin, begins) = oneshot::channel();
        let (end, ends) = oneshot::channel();
        let (over, is_over) = oneshot::channel();
        let thread = std::thread::Builder::new().name("forwarder".to_owned());
        let thread = thread
            .spawn(move || {
                runtime.block_on(begins).unwrap();
                let begun = Instant::now();
                let counted = allocation_counter::measure(|| runtime.block_on(ends).unwrap());
                let took = begun.elapsed();
                let _ = runtime.block_on(is_over);
                (counted, took)
            })
            .unwrap();
        Self {
            runtime: handle,
            begin,
            end,
            over,
            thread,
        }
    }
}

struct Watchers {
    ends: Vec<(End, End)>,
    forwards: Vec<MediaForward>,
    got: Arc<AtomicU64>,
}

/// Each gets both tracks, by a connection of the forwarder's one socket.
async fn watch(forwarder: &Forwarder, input: &End, sources: [&MediaStreamTrack; 2]) -> Watchers {
    let (mut ends, mut forwards) = (Vec::new(), Vec::new());
    let got = Arc::<AtomicU64>::default();
    for _ in 0..WATCHERS {
        let server = {
            let _inside = forwarder.runtime.enter();
            let shared = RTCConnectionOptions::default().socket(input.connection.local_socket());
            End::new(named(shared))
        };
        let (server, watcher) = joined(server, End::new(named(loopback()))).await;
        let fed = sources.map(|source| source.forward().unwrap());
        let both = tracks(&server, &watcher, [fed[0].track(), fed[1].track()]);
        for (_, received) in both {
            let got = got.clone();
            tokio::spawn(async move {
                while received.recv_rtp().await.is_some() {
                    got.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        forwards.extend(fed);
        ends.push((server, watcher));
    }
    Watchers {
        ends,
        forwards,
        got,
    }
}

/// One packet of each, with header extensions as browsers have them.
fn write(sound: &MediaStreamTrack, pictures: &MediaStreamTrack, number: u64) {
    // VP8: the first packet of a key frame, and of others.
    let mut payload = vec![7; 1_100];
    payload.splice(..2, [0x10, u8::from(number != 0)]);
    let mut packet = RtpPacket {
        sequence_number: number as u16,
        timestamp: (number * 90) as u32,
        payload: payload.into(),
        ..RtpPacket::default()
    };
    packet.extensions.insert(2, &[0, 0, number as u8]).unwrap();
    pictures.write_rtp(&packet).unwrap();
    packet.payload = vec![9; 80].into();
    packet.extensions.remove(2);
    packet.extensions.insert(1, &[30]).unwrap();
    sound.write_rtp(&packet).unwrap();
}

/// As fast as they arrive.
async fn publish(
    sound: &MediaStreamTrack,
    pictures: &MediaStreamTrack,
    numbers: std::ops::Range<u64>,
    got: &AtomicU64,
) {
    for number in numbers {
        write(sound, pictures, number);
        if number % BURST != 0 {
            continue;
        }
        // Some may be lost.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let came = got.load(Ordering::Relaxed) / (2 * WATCHERS as u64);
            if number < came + UNDER_WAY {
                break;
            }
        }
    }
}

#[test]
fn a_packet_that_is_forwarded_costs_no_allocation() {
    let forwarder = Forwarder::start();
    let (counted, got) = current_thread().block_on(async {
        let input = {
            let _inside = forwarder.runtime.enter();
            End::new(named(loopback()))
        };
        let (publisher, input) = joined(End::new(named(loopback())), input).await;
        let sent = [MediaStreamTrack::audio(), MediaStreamTrack::video()];
        let [sound, pictures] = tracks(&publisher, &input, [&sent[0], &sent[1]]);
        assert_eq!(sound.1.kind(), Kind::Audio);
        let watchers = watch(&forwarder, &input, [&sound.1, &pictures.1]).await;
        let Forwarder {
            begin,
            end,
            over,
            thread,
            ..
        } = forwarder;
        publish(&sound.0, &pictures.0, 0..WARM, &watchers.got).await;
        let before = watchers.got.load(Ordering::Relaxed);
        begin.send(()).unwrap();
        publish(&sound.0, &pictures.0, WARM..WARM + COUNTED, &watchers.got).await;
        end.send(()).unwrap();
        let got = watchers.got.load(Ordering::Relaxed) - before;
        let Watchers { ends, forwards, .. } = watchers;
        drop((publisher, input, ends, forwards));
        over.send(()).unwrap();
        let counted = within(10, tokio::task::spawn_blocking(|| thread.join().unwrap()));
        (counted.await.unwrap(), got)
    });
    let (counted, took) = counted;
    println!("{got} packets went out in {took:?}, {counted:?}");
    assert!(got > COUNTED * 2 * WATCHERS as u64 * 9 / 10, "{got}");
    // What is kept grows with the rate; what was freed again was for something that passed.
    let kept = u64::try_from(counted.count_current).unwrap_or(0);
    let passing = counted.count_total.saturating_sub(kept);
    // One allocation for each packet that comes, of sound or of pictures, would be a tenth.
    let allowed = got / 40 + took.as_millis() as u64 * TIMED / 1_000;
    assert!(passing < allowed, "{passing} of {allowed}");
}
