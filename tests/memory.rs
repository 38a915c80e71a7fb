//! What a peer that holds the keys can make this side hold: the budget, and not more.
//!
//! The victim is a process of its own, so that nothing but it is measured. It reads nothing.
//! `ORTC_SOAK=1` attacks for a minute.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::leaks::{current_thread, rss_kib};
use common::session::End;
use common::{loopback, within};
use ortc::rtp::RtpPacket;
use ortc::{
    Kind, MediaStream, MediaStreamTrack, RTCCodec, RTCConnection, RTCConnectionEvent,
    RTCConnectionOptions, RTCConnectionSide, RTCDataChannel, RTCDataChannelOptions,
    RTCIceCandidateDescription, RTCTrackDescription,
};

const ROLE: &str = "ORTC_MEMORY_VICTIM";
/// Tracks that the victim declares, and does not read.
const DECLARED: u32 = 40;
/// Further ones of the attacker.
const UNDECLARED: u32 = 40;
const LONG: usize = 65_535;
/// Data has its receive window beside the budget.
const WINDOW_KIB: u64 = 13 << 10;
/// Buffers of packets that gave way, kept for the next ones by the thread; the most seen here.
const BUFFERS_KIB: u64 = 1 << 10;

fn options() -> RTCConnectionOptions {
    loopback()
}

fn codec() -> RTCCodec {
    let mut codec = RTCCodec::new("VP8", 96);
    codec.clock_rate = Some(90_000);
    codec
}

/// Prints a line for the other process.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{line}").unwrap();
    out.flush().unwrap();
}

fn candidates(end: &mut End) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(event) = end.events.try_next() {
        if let RTCConnectionEvent::Candidate(candidate) = event {
            found.push(serde_json::to_string(&candidate).unwrap());
        }
    }
    found
}

/// Side and candidates of one end, one a line, an empty line last.
fn introduction(end: &mut End) -> Vec<String> {
    let mut lines = vec![serde_json::to_string(&end.connection.local()).unwrap()];
    lines.extend(candidates(end));
    lines.push(String::new());
    lines
}

fn meet(connection: &RTCConnection, mut lines: impl Iterator<Item = String>) {
    let side: RTCConnectionSide = serde_json::from_str(&lines.next().unwrap()).unwrap();
    connection.set_remote(side).unwrap();
    for line in lines.take_while(|line| !line.is_empty()) {
        let candidate: RTCIceCandidateDescription = serde_json::from_str(&line).unwrap();
        connection.set_remote_candidate(&candidate).unwrap();
    }
    connection.connect().unwrap();
}

/// Not a test of its own: what the other process runs.
#[test]
fn victim() {
    let Ok(limit) = std::env::var(ROLE) else {
        return;
    };
    let limit: usize = limit.parse().unwrap();
    current_thread().block_on(async {
        let mut end = End::new(options().memory_limit(limit));
        for line in introduction(&mut end) {
            say(&line);
        }
        let input = std::io::stdin().lock().lines().map(Result::unwrap);
        meet(&end.connection, input);
        within(20, end.connection.connected()).await.unwrap();
        let tracks: Vec<MediaStreamTrack> = (1..=DECLARED)
            .map(|ssrc| {
                let mut description = RTCTrackDescription::new(Kind::Video, vec![codec()]);
                description.ssrc = Some(ssrc);
                end.connection.receive_track(description).unwrap()
            })
            .collect();
        say(&format!("ready {}", rss_kib()));
        let mut turn = 0;
        let ended = end.connection.closed();
        tokio::pin!(ended);
        loop {
            let pause = tokio::time::sleep(Duration::from_millis(50));
            tokio::select! {
                _ = &mut ended => break,
                () = pause => {}
            }
            // A reader that gives up in the middle: what it has begun to put in order waits, too.
            turn += 1;
            let track = &tracks[turn % tracks.len()];
            let _ = tokio::time::timeout(Duration::ZERO, track.recv_sample()).await;
            let stats = end.connection.stats();
            let memory = stats.memory;
            say(&format!(
                "rss {} counted {} refused {} dropped {} {memory:?}",
                rss_kib(),
                memory.channels + memory.packets + memory.others,
                stats.data.refused_channels,
                memory.packets_dropped,
            ));
        }
        say("over");
    });
}

/// A number behind a word of a line.
fn number(line: &str, word: &str) -> u64 {
    let mut words = line.split_whitespace();
    words.find(|found| *found == word).unwrap();
    words.next().unwrap().parse().unwrap()
}

struct Attacker {
    end: End,
    tracks: Vec<MediaStreamTrack>,
    channels: VecDeque<RTCDataChannel>,
    small: RTCDataChannel,
    large: RTCDataChannel,
    number: u16,
}

impl Attacker {
    fn new(end: End) -> Self {
        let stream = MediaStream::new();
        let tracks: Vec<_> = (0..DECLARED + UNDECLARED)
            .map(|_| stream.add_track(&MediaStreamTrack::video()))
            .collect();
        end.connection.add_stream(&stream).unwrap();
        for (track, ssrc) in tracks.iter().zip(1..) {
            let sending = end.connection.track(track).unwrap();
            sending.set_codecs(vec![codec()]).unwrap();
            sending.set_ssrc(ssrc).unwrap();
        }
        let options = RTCDataChannelOptions::default;
        let open = |name| end.connection.create_data_channel(name, options()).unwrap();
        let (small, large) = (open("small"), open("large"));
        Self {
            end,
            tracks,
            channels: VecDeque::new(),
            small,
            large,
            number: 0,
        }
    }

    fn channel(&self) -> RTCDataChannel {
        let options = RTCDataChannelOptions::default().protocol("p".repeat(LONG));
        let connection = &self.end.connection;
        let label = "l".repeat(LONG);
        connection.create_data_channel(label, options).unwrap()
    }

    /// A little of everything.
    fn round(&mut self) {
        let skipped = usize::from(self.number) % self.tracks.len();
        for (track, ssrc) in self.tracks.iter().zip(1u32..).skip(skipped).take(10) {
            // Each has its own pace, and leaves gaps.
            for _ in 0..ssrc % 4 + 1 {
                self.number = self.number.wrapping_add(1);
                let packet = RtpPacket {
                    sequence_number: self.number.wrapping_mul(1 + (ssrc % 3) as u16),
                    timestamp: u32::from(self.number) * 3_000,
                    csrcs: vec![7; 15],
                    payload: vec![0x10; if ssrc % 5 == 0 { 4 } else { 1_100 }].into(),
                    ..RtpPacket::default()
                };
                let _ = track.write_rtp(&packet);
            }
        }
        for _ in 0..400 {
            let _ = self.small.try_send("x");
        }
        let _ = self.large.try_send(vec![1; 60_000]);
        for n in 0..3 {
            let channel = self.channel();
            if n == 0 {
                // Its event waits with nobody to read it.
                channel.close();
            }
            self.channels.push_back(channel);
        }
        while self.channels.len() > 600 {
            self.channels.pop_front();
        }
    }
}

fn attack(limit: usize, duration: Duration) {
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new(exe)
        .args(["--exact", "victim", "--nocapture"])
        .env(ROLE, limit.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix('@').map(str::to_owned));
    let mut input = child.stdin.take().unwrap();
    current_thread().block_on(async {
        let mut end = End::new(options());
        for line in introduction(&mut end) {
            writeln!(input, "{line}").unwrap();
        }
        input.flush().unwrap();
        meet(&end.connection, &mut lines);
        within(20, end.connection.connected()).await.unwrap();
        let ready = lines.next().unwrap();
        let before = number(&ready, "ready");
        // The victim's report, read beside the attack.
        let reading = tokio::task::spawn_blocking(move || {
            let (mut peak, mut counted, mut last) = (0, 0, String::new());
            // To the end: a process that cannot print fails.
            for line in lines.filter(|line| line.starts_with("rss")) {
                peak = peak.max(number(&line, "rss"));
                counted = counted.max(number(&line, "counted"));
                last = line;
            }
            (peak, counted, last)
        });
        let mut attacker = Attacker::new(end);
        let begin = Instant::now();
        let mut rounds = 0;
        while begin.elapsed() < duration {
            attacker.round();
            rounds += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(attacker);
        let (peak, counted, last) = within(20, reading).await.unwrap();
        let budget = (limit as u64 >> 10) + WINDOW_KIB + BUFFERS_KIB;
        println!("{rounds} rounds, {before} KiB before, {peak} at most; {last}");
        println!("held at most {} of {budget} KiB", peak - before);
        assert!(peak - before <= budget + budget / 10, "{peak} {before}");
        // What was just put in order is weighed when the next packets come.
        assert!(counted <= limit as u64 + (3 << 19), "{counted}");
        // All of it was in use.
        assert!(counted > limit as u64 / 4 * 3, "{counted}");
        assert!(number(&last, "refused") > 0 && number(&last, "dropped") > 0);
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn r_c09_a_peer_that_abuses_everything_at_once_fills_its_budget_and_no_more() {
    let (limit, duration) = match std::env::var_os("ORTC_SOAK") {
        Some(_) => (32 << 20, Duration::from_secs(60)),
        None => (8 << 20, Duration::from_secs(8)),
    };
    attack(limit, duration);
}
