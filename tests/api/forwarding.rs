//! A received track that is sent on to others.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ortc::dtmf::{DTMFEvent, DTMFMediaStreamTrack};
use ortc::rtp::RtpPacket;
use ortc::{
    AudioLevel, ErrorName, ForwardConditions, ForwardLayer, Kind, LayerChoice, LayerSelector,
    MediaForward, MediaStream, MediaStreamTrack, MediaStreamTrackEvent, RTCCodec,
    RTCConnectionOptions, RTCHeaderExtension, RTCRtpEncoding,
};

use crate::common::session::{End, joined};
use crate::common::within;

/// Who sends, the server's end towards it, and the track there.
struct Publisher {
    end: End,
    server: End,
    local: MediaStreamTrack,
    remote: MediaStreamTrack,
    number: u16,
}

async fn publish(local: MediaStreamTrack, codecs: Option<Vec<RTCCodec>>) -> Publisher {
    let (end, server) = joined(End::loopback(), End::loopback()).await;
    let stream = MediaStream::new();
    let local = stream.add_track(&local);
    end.connection.add_stream(&stream).unwrap();
    let sending = end.connection.track(&local).unwrap();
    if let Some(codecs) = codecs {
        sending.set_codecs(codecs).unwrap();
    }
    let description = sending.description().unwrap();
    let remote = server.connection.receive_track(description).unwrap();
    Publisher {
        end,
        server,
        local,
        remote,
        number: 100,
    }
}

impl Publisher {
    /// A packet of VP8: the first of a key frame, or of another.
    fn video(&mut self, is_key: bool) {
        self.number = self.number.wrapping_add(1);
        let payload = Bytes::from(vec![0x10, u8::from(!is_key), 7, 7, self.number as u8]);
        let packet = RtpPacket {
            marker: true,
            sequence_number: self.number,
            timestamp: u32::from(self.number) * 3_000,
            payload,
            ..RtpPacket::default()
        };
        self.local.write_rtp(&packet).unwrap();
    }

    async fn asked(&self) {
        let event = within(10, self.local.next_event()).await;
        assert_eq!(event, Some(MediaStreamTrackEvent::KeyframeRequested));
    }
}

/// Who watches, on the port that the server has already.
struct Watcher {
    _ends: (End, End),
    forward: MediaForward,
    track: MediaStreamTrack,
}

async fn watch(of: &Publisher) -> Watcher {
    let socket = of.server.connection.local_socket();
    let options = RTCConnectionOptions::default().socket(socket);
    let (server, end) = joined(End::new(options), End::loopback()).await;
    let forward = of.remote.forward().unwrap();
    let stream = MediaStream::new();
    let local = stream.add_track(forward.track());
    server.connection.add_stream(&stream).unwrap();
    let description = server.connection.track(&local).unwrap().description();
    let track = end.connection.receive_track(description.unwrap()).unwrap();
    Watcher {
        _ends: (server, end),
        forward,
        track,
    }
}

async fn next(track: &MediaStreamTrack) -> RtpPacket {
    within(10, track.recv_rtp()).await.unwrap()
}

/// Nothing has come.
async fn nothing(track: &MediaStreamTrack) {
    let next = tokio::time::timeout(Duration::from_millis(200), track.recv_rtp()).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test]
async fn a_forwarded_picture_begins_with_a_key_frame_for_each_who_watches() {
    let mut publisher = publish(MediaStreamTrack::video(), None).await;
    let watchers = [watch(&publisher).await, watch(&publisher).await];
    // In the middle of something: a key frame is asked for, once for both.
    publisher.video(false);
    publisher.asked().await;
    for watcher in &watchers {
        nothing(&watcher.track).await;
    }
    publisher.video(true);
    publisher.video(false);
    let ssrc = watchers.each_ref().map(|watcher| watcher.track.id());
    assert_ne!(ssrc[0], ssrc[1]);
    for watcher in &watchers {
        let (first, second) = (next(&watcher.track).await, next(&watcher.track).await);
        assert_eq!(first.payload[..4], [0x10, 0, 7, 7]);
        assert_eq!(second.payload[1], 1);
        assert_eq!(
            second.sequence_number,
            first.sequence_number.wrapping_add(1)
        );
        assert_eq!(second.timestamp.wrapping_sub(first.timestamp), 3_000);
        assert_eq!(watcher.forward.stats().forwarded, 2);
    }
    drop(publisher.end);
}

#[tokio::test]
async fn a_pause_costs_a_key_frame_only_if_something_was_missed() {
    let mut publisher = publish(MediaStreamTrack::video(), None).await;
    let watcher = watch(&publisher).await;
    let other = watch(&publisher).await;
    publisher.video(false);
    publisher.asked().await;
    publisher.video(true);
    let first = next(&watcher.track).await;
    next(&other.track).await;
    watcher.forward.pause();
    watcher.forward.resume();
    publisher.video(false);
    let second = next(&watcher.track).await;
    assert_eq!(
        second.sequence_number,
        first.sequence_number.wrapping_add(1)
    );
    next(&other.track).await;
    // Until the key frame is too old to be had again.
    tokio::time::sleep(Duration::from_millis(650)).await;
    // Something is missed, by the one that is paused.
    watcher.forward.pause();
    assert!(watcher.forward.is_paused() && !other.forward.is_paused());
    publisher.video(false);
    next(&other.track).await;
    nothing(&watcher.track).await;
    watcher.forward.resume();
    publisher.asked().await;
    publisher.video(false);
    next(&other.track).await;
    nothing(&watcher.track).await;
    publisher.video(true);
    let third = next(&watcher.track).await;
    next(&other.track).await;
    assert_eq!(
        third.sequence_number,
        second.sequence_number.wrapping_add(1)
    );
    assert_eq!(third.timestamp.wrapping_sub(second.timestamp), 9_000);
    assert!(watcher.forward.stats().passed_over >= 2);
}

#[tokio::test]
async fn a_young_key_frame_is_had_by_who_comes_after_it() {
    let mut publisher = publish(MediaStreamTrack::video(), None).await;
    let other = watch(&publisher).await;
    let watcher = watch(&publisher).await;
    for _ in 0..50 {
        watcher.forward.pause();
        publisher.video(true);
        publisher.video(false);
        // They have come.
        next(&other.track).await;
        next(&other.track).await;
        watcher.forward.resume();
        publisher.video(false);
        next(&other.track).await;
        let soon = Duration::from_millis(300);
        let Ok(first) = tokio::time::timeout(soon, watcher.track.recv_rtp()).await else {
            // It was not so young any more: the machine is slow.
            continue;
        };
        let first = first.unwrap();
        assert_eq!(first.payload[1], 0, "a key frame");
        for n in 1..3u16 {
            let packet = next(&watcher.track).await;
            let number = first.sequence_number.wrapping_add(n);
            assert_eq!((packet.payload[1], packet.sequence_number), (1, number));
            let at = first.timestamp.wrapping_add(u32::from(n));
            assert_eq!(packet.timestamp, at);
        }
        return;
    }
    panic!("it never came");
}

#[tokio::test]
async fn another_source_goes_on_in_the_line_of_the_first() {
    let mut one = publish(MediaStreamTrack::video(), None).await;
    let mut two = publish(MediaStreamTrack::video(), None).await;
    two.number = 40_000;
    let watcher = watch(&one).await;
    one.video(true);
    let first = next(&watcher.track).await;
    watcher.forward.set_source(&two.remote).unwrap();
    assert_eq!(watcher.forward.source(), two.remote);
    one.video(false);
    two.video(false);
    two.asked().await;
    two.video(true);
    let second = next(&watcher.track).await;
    assert_eq!(
        second.sequence_number,
        first.sequence_number.wrapping_add(1)
    );
    let passed = second.timestamp.wrapping_sub(first.timestamp);
    assert!((1..0x8000_0000).contains(&passed), "{passed}");
    assert_eq!(watcher.forward.stats().switches, 2);
}

#[tokio::test]
async fn what_the_receiver_cannot_read_is_refused() {
    let h264 = vec![RTCCodec::h264(98)];
    let publisher = publish(MediaStreamTrack::video(), None).await;
    let other = publish(MediaStreamTrack::video(), Some(h264.clone())).await;
    let sound = publish(MediaStreamTrack::audio(), None).await;
    let watcher = watch(&publisher).await;
    let local = watcher.forward.track();
    let refused = |error: ortc::Error, name| assert_eq!(error.name(), name);
    let sending = watcher._ends.0.connection.tracks()[0].clone();
    // The receiver has VP8 under another number, and nothing else.
    sending.set_codecs(vec![RTCCodec::vp8(120)]).unwrap();
    let error = watcher.forward.set_source(&other.remote).unwrap_err();
    refused(error, ErrorName::NotSupported);
    let error = sending.set_codecs(vec![RTCCodec::new("vp9", 98)]);
    refused(error.unwrap_err(), ErrorName::NotSupported);
    let error = watcher.forward.set_source(&sound.remote).unwrap_err();
    refused(error, ErrorName::InvalidParameters);
    let error = local.forward().unwrap_err();
    refused(error, ErrorName::InvalidParameters);
    let error = local.write_sample(vec![1], Duration::from_millis(20));
    refused(error.unwrap_err(), ErrorName::InvalidState);
    assert_eq!(watcher.forward.source(), publisher.remote);
    assert_eq!(sending.codecs().unwrap(), [RTCCodec::vp8(120)]);
    assert_eq!(local.kind(), Kind::Video);
}

/// A picture of one packet of VP8, as RFC 7741 has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Picture {
    id: u16,
    base: u8,
    temporal: u8,
    may_switch_up: bool,
    is_key: bool,
}

impl Picture {
    fn payload(self) -> Bytes {
        let [high, low] = (self.id | 0x8000).to_be_bytes();
        let layer = self.temporal << 6 | u8::from(self.may_switch_up) << 5;
        let tag = u8::from(!self.is_key);
        Bytes::from(vec![0x90, 0xe0, high, low, self.base, layer, tag, 1, 2, 3])
    }

    fn of(payload: &[u8]) -> Self {
        assert_eq!((payload.len(), &payload[7..]), (10, &[1u8, 2, 3][..]));
        Self {
            id: u16::from_be_bytes([payload[2] & 0x7f, payload[3]]),
            base: payload[4],
            temporal: payload[5] >> 6,
            may_switch_up: payload[5] & 0x20 != 0,
            is_key: payload[6] & 1 == 0,
        }
    }
}

/// Writes pictures to a track, numbered one after the other.
struct Camera {
    track: MediaStreamTrack,
    number: u16,
    next: Picture,
}

impl Camera {
    fn new(track: MediaStreamTrack, number: u16, id: u16, base: u8) -> Self {
        let next = Picture {
            id,
            base,
            temporal: 0,
            may_switch_up: false,
            is_key: true,
        };
        Self {
            track,
            number,
            next,
        }
    }

    fn take(&mut self, is_key: bool, temporal: u8, may_switch_up: bool) {
        let picture = Picture {
            temporal,
            may_switch_up,
            is_key,
            ..self.next
        };
        let packet = RtpPacket {
            marker: true,
            sequence_number: self.number,
            timestamp: u32::from(self.number) * 3_000,
            payload: picture.payload(),
            ..RtpPacket::default()
        };
        self.track.write_rtp(&packet).unwrap();
        self.number += 1;
        self.next.id += 1;
        self.next.base = self.next.base.wrapping_add(u8::from(temporal == 0));
    }
}

/// What the test says.
#[derive(Clone)]
struct Chosen(Arc<Mutex<LayerChoice>>);

impl LayerSelector for Chosen {
    fn select(
        &mut self,
        _: Instant,
        layers: &[ForwardLayer],
        _: &ForwardConditions,
    ) -> LayerChoice {
        let choice = *self.0.lock().unwrap();
        assert!(choice.layer < layers.len());
        choice
    }
}

impl Chosen {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(LayerChoice::all_of(0))))
    }

    fn set(&self, layer: usize, temporal: u8, forward: &MediaForward) {
        let mut choice = LayerChoice::all_of(layer);
        choice.temporal = temporal;
        *self.0.lock().unwrap() = choice;
        // It is chosen anew.
        forward.set_tile(None);
    }
}

#[tokio::test]
async fn another_encoding_goes_on_where_the_one_before_ended() {
    let (end, server) = joined(End::loopback(), End::loopback()).await;
    let stream = MediaStream::new();
    let local = stream.add_track(&MediaStreamTrack::video());
    end.connection.add_stream(&stream).unwrap();
    let sending = end.connection.track(&local).unwrap();
    let encodings = ["h", "l"].map(RTCRtpEncoding::new);
    sending.set_encodings(&encodings).unwrap();
    let description = sending.description().unwrap();
    let remote = server.connection.receive_track(description).unwrap();
    let mut high = Camera::new(local.clone(), 500, 32_700, 254);
    let mut low = Camera::new(local.encoding("l").unwrap(), 60_000, 9, 90);
    let publisher = Publisher {
        end,
        server,
        local,
        remote,
        number: 0,
    };
    let watcher = watch(&publisher).await;
    let chosen = Chosen::new();
    watcher.forward.set_selector(chosen.clone());
    assert_eq!(watcher.forward.layer(), None);
    high.take(true, 0, false);
    low.take(true, 0, false);
    high.take(false, 0, false);
    let first = next(&watcher.track).await;
    let second = next(&watcher.track).await;
    assert_eq!(Picture::of(&second.payload).id, 32_701);
    assert_eq!(watcher.forward.layer().as_deref(), Some("h"));
    // The smaller one, from its next key frame on; until then the larger goes on.
    chosen.set(1, u8::MAX, &watcher.forward);
    high.take(false, 0, false);
    let third = Picture::of(&next(&watcher.track).await.payload);
    assert_eq!((third.id, third.base), (32_702, 0));
    low.take(false, 0, false);
    let event = within(10, low.track.next_event()).await;
    assert_eq!(event, Some(MediaStreamTrackEvent::KeyframeRequested));
    low.take(true, 0, false);
    let packet = next(&watcher.track).await;
    let fourth = Picture::of(&packet.payload);
    assert_eq!((fourth.id, fourth.base, fourth.is_key), (32_703, 1, true));
    assert_eq!(
        packet.sequence_number,
        first.sequence_number.wrapping_add(3)
    );
    let later = packet.timestamp.wrapping_sub(second.timestamp);
    assert!((1..0x8000_0000).contains(&later), "{later}");
    assert_eq!(watcher.forward.layer().as_deref(), Some("l"));
    high.take(false, 0, false);
    low.take(false, 0, false);
    let fifth = next(&watcher.track).await;
    assert_eq!(Picture::of(&fifth.payload).id, 32_704);
    assert_eq!(
        fifth.sequence_number,
        packet.sequence_number.wrapping_add(1)
    );
}

#[tokio::test]
async fn temporal_layers_are_left_out_without_a_gap() {
    let publisher = publish(MediaStreamTrack::video(), None).await;
    let watcher = watch(&publisher).await;
    let mut camera = Camera::new(publisher.local.clone(), 65_000, 100, 7);
    let chosen = Chosen::new();
    watcher.forward.set_selector(chosen.clone());
    chosen.set(0, 0, &watcher.forward);
    camera.take(true, 0, false);
    for _ in 0..3 {
        for (temporal, may_switch_up) in [(2, true), (1, false), (2, true), (0, false)] {
            camera.take(false, temporal, may_switch_up);
        }
    }
    let mut last = next(&watcher.track).await;
    for n in 0..3u16 {
        let packet = next(&watcher.track).await;
        let picture = Picture::of(&packet.payload);
        assert_eq!((picture.id, picture.base), (101 + n, 8 + n as u8));
        assert_eq!(packet.sequence_number, last.sequence_number.wrapping_add(1));
        assert_eq!(packet.timestamp.wrapping_sub(last.timestamp), 12_000);
        last = packet;
    }
    // More again, where the stream lets one begin.
    chosen.set(0, u8::MAX, &watcher.forward);
    camera.take(false, 1, false);
    camera.take(false, 2, true);
    camera.take(false, 1, false);
    for id in [104, 105] {
        let picture = Picture::of(&next(&watcher.track).await.payload);
        assert_eq!(picture.id, id);
    }
    assert_eq!(watcher.forward.stats().passed_over, 10);
}

const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const OTHER: &str = "urn:x:other";
const FOREIGN: &str = "urn:x:foreign";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

fn numbered(ids: [(&str, u8); 4]) -> RTCConnectionOptions {
    RTCConnectionOptions::default()
        .header_extensions(ids.map(|(uri, id)| RTCHeaderExtension::new(uri, id)))
}

/// Sound with digits to a forwarder, and from there to one who knows everything by other numbers.
#[tokio::test]
async fn sound_goes_on_with_its_digits_and_header_extensions_by_what_they_mean() {
    let local = |options: RTCConnectionOptions| options.bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let theirs = || numbered([(LEVEL, 3), (OTHER, 5), (MID, 1), (FOREIGN, 6)]);
    let (end, server) = joined(End::new(local(theirs())), End::new(local(theirs()))).await;
    let stream = MediaStream::new();
    let sound = stream.add_track(&MediaStreamTrack::audio());
    let digits = DTMFMediaStreamTrack::new();
    stream.add_track(&digits);
    end.connection.add_stream(&stream).unwrap();
    let sending = end.connection.track(&sound).unwrap();
    sending.set_mid(Some("theirs".into())).unwrap();
    let values = [
        (OTHER.to_owned(), "word".to_owned()),
        (FOREIGN.into(), "x".into()),
    ];
    sending.set_header_extension_values(values.into()).unwrap();
    let description = sending.description().unwrap();
    let remote = server.connection.receive_track(description).unwrap();

    let ours = || numbered([(LEVEL, 9), (OTHER, 4), (MID, 2), ("urn:x:unused", 7)]);
    let socket = server.connection.local_socket();
    let (hub, watcher) = joined(End::new(ours().socket(socket)), End::new(local(ours()))).await;
    let forward = remote.forward().unwrap();
    let stream = MediaStream::new();
    let out = stream.add_track(forward.track());
    hub.connection.add_stream(&stream).unwrap();
    let out = hub.connection.track(&out).unwrap();
    // Other numbers, other codecs beside it, and redundancy that the source has not.
    let (opus, mut events) = (RTCCodec::opus(120), RTCCodec::dtmf(99));
    events.clock_rate = Some(48_000);
    let codecs = vec![RTCCodec::red(63, &opus), opus, RTCCodec::ulaw(), events];
    out.set_codecs(codecs).unwrap();
    out.set_mid(Some("ours".into())).unwrap();
    let description = out.description().unwrap();
    assert_eq!(description.mid.as_deref(), Some("ours"));
    let track = watcher.connection.receive_track(description).unwrap();
    let heard = watcher.connection.dtmf_track(&track).unwrap();

    let level = AudioLevel {
        voice: true,
        level: 20,
    };
    let frame = Duration::from_millis(20);
    for n in 0..3u8 {
        sound.write_audio(vec![n; 40], frame, level).unwrap();
    }
    for n in 0..3u8 {
        let packet = next(&track).await;
        assert_eq!(packet.payload, vec![n; 40]);
        assert_eq!(packet.payload_type, 120);
        let ids: Vec<u8> = packet.extensions.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [2, 9, 4], "those that both know");
        assert_eq!(packet.extensions.get(2), Some(&b"ours"[..]));
        assert_eq!(packet.extensions.get(9), Some(&[0x80 | 20][..]));
        assert_eq!(packet.extensions.get(4), Some(&b"word"[..]));
    }
    digits.play("5#").unwrap();
    let mut tones = String::new();
    while tones.len() < 2 {
        if let Some(DTMFEvent::Tone(tone)) = within(20, heard.next_event()).await {
            tones.push_str(&tone.digits);
        }
    }
    assert_eq!(tones, "5#");
    // The sound goes on after them, nothing of it is missing.
    sound.write_audio(vec![9; 40], frame, level).unwrap();
    assert_eq!(next(&track).await.payload, vec![9; 40]);
    assert_eq!(forward.stats().unknown, 0);
    // How loud it is both know without decoding or even reading it, as long as it goes on.
    let known = async |wanted: Option<AudioLevel>| {
        while [&remote, &track]
            .iter()
            .any(|track| track.audio_level() != wanted)
        {
            if wanted.is_some() {
                sound.write_audio(vec![7; 40], frame, level).unwrap();
            }
            tokio::time::sleep(frame).await;
        }
    };
    within(20, known(Some(level))).await;
    within(20, known(None)).await;
}
