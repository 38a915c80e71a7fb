//! A received track that is sent on to others.

use std::time::Duration;

use bytes::Bytes;
use ortc::rtp::RtpPacket;
use ortc::{
    ErrorName, Kind, MediaForward, MediaStream, MediaStreamTrack, MediaStreamTrackEvent, RTCCodec,
    RTCConnectionOptions,
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
