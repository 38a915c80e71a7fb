//! Media for as long as several lifetimes of what a server keeps, over each transport.

use std::time::{Duration, Instant};

use ortc::stats::RTCInboundRtpStats;
use ortc::{Kind, MediaStreamTrack, RTCConnectionOptions, RTCIceServer};

use super::common::coturn::{Certificate, Coturn, LossyWay, turn};
use super::common::stalls::Watch;
use super::common::{
    FRAME, Peer, connected_pair_with, full_size, loopback, reason, run, send_track,
};

/// Lifetimes that the server is told to keep, so that a run sees several of them.
const LIFETIMES: [&str; 5] = [
    "--max-allocate-lifetime=60",
    "--permission-lifetime=60",
    "--channel-lifetime=60",
    "--stale-nonce=10",
    "--verbose",
];
/// Of allocations, which are refreshed when half of that is over.
const LIFETIME: u64 = 60;
const LOSS_PERCENT: u64 = 3;
/// Between the beginnings of the calls, so that no two are refreshed at once.
const APART: Duration = Duration::from_secs(5);
/// A silence that another call has at the same time is the machine's.
const NOTICED: Duration = Duration::from_millis(400);

/// How long the media goes on: with `ORTC_SOAK` 15 minutes, or as `ORTC_RELAY_SECONDS` says.
fn length() -> Duration {
    let seconds = std::env::var("ORTC_RELAY_SECONDS").ok();
    let usual = if full_size() { 900 } else { 180 };
    Duration::from_secs(seconds.map_or(usual, |seconds| seconds.parse().unwrap()))
}

/// A call, and what came of it at either end.
struct Call {
    by: &'static str,
    /// As long as the ends are there.
    server: Coturn,
    ways: Vec<LossyWay>,
    ends: [Peer; 2],
    heard: [Came; 2],
    seen: [Came; 2],
}

/// Audio and video both ways until it is over.
async fn call(
    by: &'static str,
    server: Coturn,
    ways: Vec<LossyWay>,
    [a, b]: [RTCConnectionOptions; 2],
) -> Call {
    let (a, b) = connected_pair_with(a, b).await;
    let (from_a, from_b) = (&a.connection, &b.connection);
    let voice = [
        send_track(from_b, from_a, Kind::Audio),
        send_track(from_a, from_b, Kind::Audio),
    ];
    let picture = [
        send_track(from_b, from_a, Kind::Video),
        send_track(from_a, from_b, Kind::Video),
    ];
    let end = Instant::now() + length();
    let [(voice_b, _, at_a), (voice_a, _, at_b)] = &voice;
    let [(picture_b, _, seen_a), (picture_a, _, seen_b)] = &picture;
    let (heard_a, heard_b, seen_a, seen_b) = tokio::join!(
        talk(voice_b, at_a, end),
        talk(voice_a, at_b, end),
        film(picture_b, seen_a, end),
        film(picture_a, seen_b, end),
    );
    Call {
        by,
        server,
        ways,
        ends: [a, b],
        heard: [heard_a, heard_b],
        seen: [seen_a, seen_b],
    }
}

impl Call {
    fn came(&self) -> impl Iterator<Item = &Came> {
        self.heard.iter().chain(&self.seen)
    }

    /// Nothing was silent for a second while the others were not, nothing ended, and relays dropped
    /// nothing.
    fn held(&self, others: [&Self; 2]) {
        let by = self.by;
        let elsewhere: Vec<_> = others.into_iter().flat_map(Self::came).collect();
        let elsewhere = || elsewhere.iter().flat_map(|came| &came.silences);
        let own = self.came().flat_map(|came| &came.silences);
        for silence in own.filter(|silence| silence.length >= Duration::from_secs(1)) {
            let shared = elsewhere().any(|other| other.overlaps(silence));
            println!("{by}: {silence:?}, elsewhere as well: {shared}");
            assert!(shared, "{by}: {silence:?}");
        }
        for (at, peer) in self.ends.iter().enumerate() {
            let (heard, seen) = (&self.heard[at], &self.seen[at]);
            println!("{by}: audio {heard:?}; video {seen:?}");
            assert_eq!(peer.events().iter().find_map(reason), None, "{by}");
            let socket = peer.connection.stats().socket;
            let dropped = [
                socket.relay_malformed,
                socket.relay_unpermitted,
                socket.relay_unsent,
            ];
            assert_eq!(dropped, [0; 3], "{by}: {socket:?}");
        }
    }

    fn close(&self) {
        self.ends.iter().for_each(|peer| peer.connection.close());
    }
}

fn relay_only(server: RTCIceServer) -> RTCConnectionOptions {
    loopback().relay_only(true).ice_servers([server])
}

/// The server refreshed what two clients have, and each time told them that their nonce was old.
fn refreshed(Call { server, by, .. }: &Call) {
    let (refreshed, stale) = (
        server.count_in_log("refreshed,"),
        server.count_in_log("error 438: Stale nonce"),
    );
    println!("{by}: {refreshed} refreshes, {stale} nonces that were old");
    let least = 2 * length().as_secs() / LIFETIME;
    assert!(refreshed as u64 >= least, "{by}: {refreshed}");
    assert!(stale as u64 >= least, "{by}: {stale}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_f2_media_go_on_through_relays_whose_lifetimes_are_60_s_over_each_transport() {
    run(async {
        let later = |n, call| async move {
            tokio::time::sleep(n * APART).await;
            call.await
        };
        let (udp, tcp, tls) = tokio::join!(
            over_udp_with_loss(),
            later(1, Box::pin(over_a_stream(false))),
            later(2, Box::pin(over_a_stream(true))),
        );
        udp.held([&tcp, &tls]);
        tcp.held([&udp, &tls]);
        tls.held([&udp, &tcp]);
        for call in [udp, tcp, tls] {
            call.close();
        }
    })
    .await;
}

/// Over TCP or TLS all of it comes.
async fn over_a_stream(tls: bool) -> Call {
    let by = if tls { "TLS" } else { "TCP" };
    let certificate = Certificate::of(&["localhost"]);
    let server = Coturn::start_with_tls(&certificate, &LIFETIMES);
    let way = || match tls {
        true => {
            relay_only(server.over_tls("localhost")).ice_server_certificates(&certificate.authority)
        }
        false => relay_only(server.over_tcp()),
    };
    let ends = [way(), way()];
    let call = call(by, server, Vec::new(), ends).await;
    refreshed(&call);
    for came in call.came() {
        // The last is still on its way when the time is over.
        assert!(came.came * 1_000 >= came.sent * 995, "{by}: {came:?}");
    }
    call
}

async fn over_udp_with_loss() -> Call {
    let server = Coturn::start(&LIFETIMES);
    let ways = [1, 2].map(|seed| LossyWay::to(server.v4(), LOSS_PERCENT, seed));
    let ends = ways.each_ref().map(|way| relay_only(turn(way.address)));
    let call = call("UDP", server, ways.into(), ends).await;
    refreshed(&call);
    for (at, way) in call.ways.iter().enumerate() {
        let (heard, seen) = (&call.heard[at], &call.seen[at]);
        let stats = call.ends[at].connection.stats();
        let restored = |i: &RTCInboundRtpStats| i.retransmitted_packets_received;
        let repaired: u64 = stats.inbound_rtp.iter().map(restored).sum();
        println!(
            "on this way {} packets lost, {} in channels, {} in indications, {repaired} repaired",
            way.lost(),
            way.in_channels(),
            way.in_indications()
        );
        // Audio is not repaired: what is lost to and from the server is missing, twice 3 %.
        assert!(way.lost() > 0 && heard.came < heard.sent);
        assert!(heard.came * 100 >= heard.sent * 90, "{heard:?}");
        // Without repair every sixth frame would be missing.
        assert!(seen.came * 1_000 >= seen.sent * 995, "{seen:?}");
        assert!(repaired > 0);
        assert!(way.in_indications() < 100 && way.in_channels() > heard.came + 3 * seen.came);
    }
    call
}

/// What of the frames that were sent came whole.
struct Came {
    sent: u64,
    came: u64,
    longest_silence: Duration,
    silences: Vec<Silence>,
    last: Watch,
}

/// Some while in which nothing came.
#[derive(Debug)]
struct Silence {
    end: Instant,
    /// Without what the machine lost.
    length: Duration,
}

impl Silence {
    fn overlaps(&self, other: &Self) -> bool {
        let begin = |silence: &Self| silence.end - silence.length;
        begin(self) < other.end && begin(other) < self.end
    }
}

impl std::fmt::Debug for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (came, sent) = (self.came, self.sent);
        write!(
            f,
            "{came} of {sent}, longest silence {:?}",
            self.longest_silence
        )
    }
}

impl Came {
    fn new() -> Self {
        Self {
            sent: 0,
            came: 0,
            longest_silence: Duration::ZERO,
            silences: Vec::new(),
            last: Watch::start(),
        }
    }

    fn one(&mut self) {
        self.came += 1;
        self.quiet();
    }

    fn quiet(&mut self) {
        let length = self.last.took();
        self.longest_silence = self.longest_silence.max(length);
        if length >= NOTICED {
            let end = Instant::now();
            self.silences.push(Silence { end, length });
        }
        self.last = Watch::start();
    }
}

/// Audio from one side to the other until `end`.
async fn talk(source: &MediaStreamTrack, received: &MediaStreamTrack, end: Instant) -> Came {
    let mut heard = Came::new();
    let mut tick = tokio::time::interval(FRAME);
    while Instant::now() < end {
        tokio::select! {
            _ = tick.tick() => {
                source.write_sample(vec![1; 80], FRAME).unwrap();
                heard.sent += 1;
            }
            packet = received.recv_rtp() => {
                packet.unwrap();
                heard.one();
            }
        }
    }
    heard.quiet();
    heard
}

/// Video likewise: frames of three packets, 25 a second.
async fn film(source: &MediaStreamTrack, received: &MediaStreamTrack, end: Instant) -> Came {
    const PERIOD: Duration = Duration::from_millis(40);
    /// What waits for its repair is not missing.
    const LAST: Duration = Duration::from_secs(1);
    let mut seen = Came::new();
    let mut tick = tokio::time::interval(PERIOD);
    while Instant::now() < end + LAST {
        tokio::select! {
            _ = tick.tick() => {
                // VP8: the lowest bit of the first byte is clear for key frames.
                let mut frame = vec![u8::from(seen.sent != 0); 3_000];
                frame[1..9].copy_from_slice(&seen.sent.to_be_bytes());
                source.write_sample(frame, PERIOD).unwrap();
                seen.sent += u64::from(Instant::now() < end);
            }
            sample = received.recv_sample() => {
                let sample = sample.unwrap();
                assert_eq!(sample.data.len(), 3_000);
                let number = u64::from_be_bytes(sample.data[1..9].try_into().unwrap());
                if number < seen.sent {
                    seen.one();
                }
            }
        }
    }
    seen
}
