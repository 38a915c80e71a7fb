//! What one track costs on a connection that has many.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use super::core::event::RTCConnectionEvents;
use super::{RTCConnection, RTCConnectionOptions};
use crate::cost::{assert_alike, least};
use crate::media::stream::MediaStream;
use crate::media::track::MediaStreamTrack;
use crate::media::{Kind, RTCCodec, RTCTrackDescription};

type End = (RTCConnection, RTCConnectionEvents);

fn send(connection: &RTCConnection) -> MediaStream {
    let stream = MediaStream::new();
    stream.add_track(&MediaStreamTrack::audio());
    connection.add_stream(&stream).unwrap();
    stream
}

fn receive(connection: &RTCConnection, ssrc: u32) {
    let codecs = vec![RTCCodec::opus(96), RTCCodec::dtmf(101)];
    let mut description = RTCTrackDescription::new(Kind::Audio, codecs);
    description.ssrc = Some(ssrc);
    description.msid = vec![format!("stream {ssrc}")];
    connection.receive_track(description).unwrap();
}

fn end(tracks: u32) -> End {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let end = RTCConnection::new(RTCConnectionOptions::default().bind(any)).unwrap();
    for ssrc in 1..=tracks {
        send(&end.0);
        receive(&end.0, ssrc);
    }
    end
}

fn compare(what: &str, ends: &[End; 2], mut work: impl FnMut(&RTCConnection)) {
    let [few, many] = ends
        .each_ref()
        .map(|(connection, _)| least(|| work(connection)));
    assert_alike(what, few, many);
}

#[tokio::test]
async fn the_cost_of_a_track_does_not_grow_with_their_number() {
    let ends = [end(100), end(900)];
    compare("the next timer", &ends, |connection| {
        let state = connection.shared().lock();
        for _ in 0..1_000 {
            state.poll_timeout();
        }
    });
    compare("a timer", &ends, |connection| {
        let now = std::time::Instant::now();
        let mut state = connection.shared().lock();
        for _ in 0..100 {
            state.play_dtmf(now);
            state.receiving.handle_timeout(now);
        }
    });
}
